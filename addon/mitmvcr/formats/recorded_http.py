"""What others' recorders keep of an exchange -> the model in go-vcr's terms; no I/O.

VCR.py, HAR and llama-stack keep headers as they were on the wire and bodies now coded, now decoded;
the model holds what Go's client would have seen (design: canonical names, decoded bodies).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from urllib.parse import urlsplit

from mitmvcr.http.content_coding import actual_coding, coding_of, decode_body, stated_coding
from mitmvcr.http.go_rules import HOP_BY_HOP, canonical_header, first_value, form_values, status_text
from mitmvcr.http.sse import is_stream
from mitmvcr.model import Request, Response, SpelledName

_NOT_KEPT = HOP_BY_HOP | {"Host", "Content-Length"}


class NotServable(Exception):  # noqa: N818 - an outcome, not an error
    """An entry of a file that is no whole exchange over HTTP; the text says why."""


def is_http(url: str) -> bool:
    """Whether the URL is absolute and HTTP's, with a host and a port that can be."""
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def headers(pairs: Iterable[tuple[str, Sequence[str]]]) -> dict[str, list[str]]:
    """Headers under canonical names, which know their spelling; without Host, lengths and a connection's."""
    kept: dict[str, list[str]] = {}
    for name, values in pairs:
        canonical = canonical_header(name)
        if canonical not in _NOT_KEPT and not name.startswith(":"):
            kept.setdefault(SpelledName.of(canonical, name), []).extend(values)
    return kept


def request(method: str, url: str, fields: dict[str, list[str]], body: bytes) -> Request:
    """A request as Go's client would have made it."""
    return Request(
        method=method,
        url=url,
        content_length=len(body),
        body=body,
        form=form_values(method, url, first_value(fields, "Content-Type"), body),
        headers=fields,
    )


def response(
    code: int, reason: str, fields: dict[str, list[str]], body: bytes, *, duration: int = 0
) -> Response:
    """A response as Go's client would have seen it; `body` may be coded or already decoded.

    Content-Encoding goes where the body is, or already was, decoded. A missing Content-Type is
    told from the body if it is JSON or an event stream.
    """
    body, uncompressed = _decoded(fields, body)
    if not first_value(fields, "Content-Type") and (media_type := _media_type(body)):
        fields["Content-Type"] = [media_type]
    return Response(
        code=code,
        # An HTTP/2 answer has no reason; Go puts its own (net/http/h2_bundle.go of Go 1.23).
        status=f"{code} {reason or status_text(code)}".rstrip(),
        content_length=-1 if uncompressed else len(body),
        uncompressed=uncompressed,
        body=body,
        headers=fields,
        duration=duration,
    )


def _decoded(fields: dict[str, list[str]], body: bytes) -> tuple[bytes, bool]:
    stated = stated_coding(fields)
    coding = actual_coding(body, stated)
    if stated.strip().lower() in ("", "identity"):
        fields.pop("Content-Encoding", None)
        if coding == "gzip" and _is_text(first_value(fields, "Content-Type")):
            # A filter took the header and left the body as it was.
            inner = decode_body(body, coding)
            return (body, False) if inner is None else (inner, True)
        return body, False
    inner = decode_body(body, coding)
    if inner is None and coding_of(body):
        return body, False  # cut short, or damaged: as it was sent
    del fields["Content-Encoding"]
    return (body if inner is None else inner), True


def _is_text(content_type: str) -> bool:
    media_type = content_type.partition(";")[0].strip().lower()
    return not media_type or media_type.startswith("text/") or "json" in media_type


def _media_type(body: bytes) -> str:
    if body.lstrip()[:1] in (b"{", b"["):
        try:
            json.loads(body)
        except (ValueError, RecursionError):
            return ""
        return "application/json"
    return "text/event-stream" if is_stream(body, "") else ""
