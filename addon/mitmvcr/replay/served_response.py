"""An interaction, a miss or a refusal -> the answer's status, headers and body; no I/O.

Every error answer has OpenAI's shape, so that an SDK shows its message in the exception it raises.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import partial

from mitmvcr.http.content_coding import coding_of
from mitmvcr.http.go_rules import HOP_BY_HOP, bodiless, canonical_header
from mitmvcr.model import Response, SpelledName

_NOT_REPLAYED = HOP_BY_HOP | {"Content-Length"}


@dataclass(frozen=True, slots=True)
class ServedResponse:
    """What a client is sent.

    `headers` have the framing that fits the body and the protocol. `is_shared`: an answer of ours that a page
    may read which asks for it.
    """

    code: int
    reason: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    trailers: tuple[tuple[str, str], ...] = ()
    is_shared: bool = False


def replayed(response: Response, method: str, http_version: str) -> ServedResponse:
    """The recorded answer, framed for a client of this protocol.

    A body of recorded length has a Content-Length, one without (`content_length: -1`) is chunked in
    HTTP/1.1, as it was for the client that recorded it.
    """
    headers = [
        (name.spelling if isinstance(name, SpelledName) else name, value)
        for name, values in response.headers.items()
        if canonical_header(name) not in _NOT_REPLAYED
        for value in values
    ]
    body = b"" if bodiless(method, response.code) else response.body
    if coding_of(body) != "gzip":
        # Written by a tool that stores the body decoded and leaves the header.
        headers = [pair for pair in headers if not _says_gzip(*pair)]
    if method == "HEAD":
        if response.content_length >= 0:
            headers.append(("Content-Length", str(response.content_length)))
    elif not bodiless(method, response.code):
        headers += _framing(response, len(body), http_version)
    reason = response.status.removeprefix(str(response.code)).strip()
    trailers = [(name, value) for name, values in response.trailer.items() for value in values]
    return ServedResponse(response.code, reason, tuple(headers), body, tuple(trailers))


def _says_gzip(name: str, value: str) -> bool:
    return canonical_header(name) == "Content-Encoding" and value.strip().lower() == "gzip"


def _framing(response: Response, length: int, http_version: str) -> list[tuple[str, str]]:
    unsized = response.content_length < 0 or "chunked" in response.transfer_encoding
    if unsized and http_version == "HTTP/1.1":
        return [("Transfer-Encoding", "chunked")]
    if unsized and http_version.startswith("HTTP/2"):
        return []
    return [("Content-Length", str(length))]


def error(code: int, kind: str, message: str, reason: str = "", *, is_shared: bool = True) -> ServedResponse:
    """An answer in OpenAI's error shape, which no SDK retries (`x-should-retry: false`)."""
    body = json.dumps(
        {"error": {"message": message, "type": kind, "param": None, "code": kind}}, ensure_ascii=False
    ).encode("utf-8", "replace")
    headers = (
        ("Content-Type", "application/json"),
        _FINAL,
        ("Content-Length", str(len(body))),
    )
    return ServedResponse(code, reason, headers, body, is_shared=is_shared)


def own_error(response: Response) -> str:
    """The message of an error as `error` makes them, of this mitmvcr or another one; empty for all else."""
    if response.code < 400 or _KIND not in response.body:
        return ""
    try:
        document = json.loads(response.body)
    except (ValueError, RecursionError):
        return ""
    found = document.get("error") if isinstance(document, dict) else None
    if not isinstance(found, dict) or found.get("type") != found.get("code"):
        return ""
    kind = found.get("type")
    return str(found.get("message")) if isinstance(kind, str) and kind.startswith(_PREFIX) else ""


_PREFIX = "vcr_"
_KIND = b'"vcr_'


def empty_success(code: int) -> ServedResponse:
    """What a service answers that has nothing to say: 204, or an empty object with another status."""
    if code == 204:
        return ServedResponse(code, "No Content", (), b"", is_shared=True)
    headers = (("Content-Type", "application/json"), ("Content-Length", "2"))
    return ServedResponse(code, "OK", headers, b"{}", is_shared=True)


miss = partial(error, 404, "vcr_cassette_miss")
"""Nothing recorded answers this request."""

refusal = partial(error, 400, "vcr_cassette_error")
"""The cassette that the request names can't be used."""

too_large = partial(error, 413, "vcr_body_too_large")
"""The request's body is larger than any that is matched."""

host_refused = partial(error, 502, "vcr_host_refused", reason="Refused by mitmvcr, not a recorded host")
"""The host is not recorded, and nothing else is let out; clients show a CONNECT's reason and no body."""

failure = partial(error, 500, "vcr_internal_error")
"""mitmvcr itself failed; the request went nowhere."""

_FINAL = ("X-Should-Retry", "false")


def upstream_failed(message: str) -> ServedResponse:
    """Upstream gave no answer: whoever asks may try again, as without a proxy."""
    answer = error(502, "vcr_upstream_error", message)
    return replace(answer, headers=tuple(field for field in answer.headers if field != _FINAL))


bad_request = partial(error, 400, "vcr_bad_request")
"""The request's head says what two servers could read in two ways."""

page_refusal = partial(error, 403, "vcr_page_refused", is_shared=False)
"""A page of another site may not ask."""
