"""Request -> key: two requests match if their keys are equal; an index looks them up, nothing scans.

Requests are scrubbed before they come here, recorded ones and asked ones alike.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import SplitResult, parse_qsl, urlsplit

from mitmvcr.httpfacts import canonical_header, first_value
from mitmvcr.model import Request
from mitmvcr.scrub import collapse

DEFAULT_PORTS = {"http": "80", "https": "443"}

_BOUNDARY = re.compile(r"""boundary=("[^"]+"|[^\s;,]+)""", re.IGNORECASE)

_ESCAPED_CRLF = re.compile(r"(?<!\\)((?:\\\\)*)\\r\\n")


class NotJSON(ValueError):  # noqa: N818 - an outcome, not an error
    """A body that Go's encoding/json would not take."""


def parse_json(body: bytes) -> object:
    """The body as Go's `json.Unmarshal` into `any` reads it: every number a float; raises NotJSON."""
    try:
        return json.loads(
            body.decode("utf-8"), parse_int=_number, parse_float=_number, parse_constant=_no_constant
        )
    except (ValueError, RecursionError):
        raise NotJSON from None


def _number(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise NotJSON
    return number + 0.0  # -0 equals 0


def _no_constant(text: str) -> float:
    raise NotJSON(text)


@dataclass(frozen=True, slots=True)
class Matcher:
    """A request's key, from the fields that count and what is left out of them.

    `fields` are those of the option `vcr_match`; `ignore` has JSONPaths, which start with `$`, and
    names of query and form fields. `llama_stack` takes `/v1/v1/` in a URL for `/v1/`
    and passes over the `encoding_format` that openai-python adds to embeddings by itself: those
    recordings hold what the SDK was called with.
    """

    fields: tuple[str, ...]
    ignore: tuple[str, ...] = ()
    llama_stack: bool = False

    def key(self, request: Request) -> bytes:
        """16 bytes that are equal for requests that match."""
        digest = hashlib.blake2b(digest_size=16)
        for part in self._parts(request):
            text = collapse(part)
            digest.update(len(text).to_bytes(8, "big"))
            digest.update(text)
        return digest.digest()

    def _parts(self, request: Request) -> Iterator[bytes]:
        url = _split(request.url)
        for field in self.fields:
            if field.startswith("headers:"):
                name = canonical_header(field.removeprefix("headers:"))
                yield _bytes("\n".join(request.headers.get(name, ())))
            elif field == "body":
                yield self.body_key(request)
            else:
                yield _bytes(self._url_part(field, request, url))

    def _url_part(self, field: str, request: Request, url: SplitResult) -> str:
        if field == "query":
            # As VCR.py: the pairs in any order (vcr/request.py, Request.query).
            pairs = parse_qsl(url.query, keep_blank_values=True, errors="surrogateescape")
            return repr(sorted(pair for pair in pairs if pair[0] not in self.ignore))
        return {
            "method": request.method.upper(),
            "url": self._path(self._without_ignored(request.url, url)),
            "scheme": url.scheme,
            "host": url.hostname or "",
            "port": str(url.port or "") or DEFAULT_PORTS.get(url.scheme, ""),
            "path": self._path(url.path),
        }[field]

    def _path(self, text: str) -> str:
        return text.replace("/v1/v1/", "/v1/") if self.llama_stack else text

    def _without_ignored(self, text: str, url: SplitResult) -> str:
        if not url.query or not self.ignore:
            return text
        kept = [pair for pair in url.query.split("&") if pair.partition("=")[0] not in self.ignore]
        return url._replace(query="&".join(kept)).geturl()

    def body_key(self, request: Request) -> bytes:
        """The body in the form in which it is compared: JSON in one spelling, else its bytes."""
        content_type = first_value(request.headers, "Content-Type")
        media_type = content_type.partition(";")[0].strip().lower()
        if media_type.startswith("multipart/"):
            return b"multipart " + _without_boundary(request.body, content_type)
        try:
            value = self.without_ignored_paths(parse_json(request.body))
            if self.llama_stack and isinstance(value, dict) and value.get("encoding_format") == "base64":
                del value["encoding_format"]
            return b"json " + canonical_json(value)
        except (NotJSON, RecursionError):
            pass
        if media_type == "application/x-www-form-urlencoded" and self.ignore:
            pairs = request.body.split(b"&")
            kept = [pair for pair in pairs if pair.partition(b"=")[0].decode("latin-1") not in self.ignore]
            return b"bytes " + b"&".join(kept)
        return b"bytes " + request.body

    def without_ignored_paths(self, value: object) -> object:
        """The JSON value less what `ignore`'s JSONPaths find in it; changes the value it is given."""
        remove_paths(value, [path for path in self.ignore if path.startswith("$")])
        return value


def canonical_json(value: object) -> bytes:
    """One spelling for equal values; CRLF in strings counts as LF, as in the body's own text.

    The charm wrapper's matcher (charm.land/x/vcr v0.1.1) replaces CRLF raw and as JSON escapes it,
    since prompts that are read from files differ so between systems.
    """
    text = json.dumps(value, ensure_ascii=True, sort_keys=True, separators=(",", ":"))
    return (_ESCAPED_CRLF.sub(r"\1\\n", text) if "\\r\\n" in text else text).encode()


def remove_paths(value: object, paths: Sequence[str]) -> None:
    """Take what JSONPaths find out of a JSON value, in place; the root itself can't be taken out.

    All are looked up before the first goes, so that `$[0]` and `$[1]` mean the value's own places.
    Raises RecursionError for a value that is nested too deeply.
    """
    if not paths or not isinstance(value, dict | list):
        return
    import jsonpath_rfc9535  # noqa: PLC0415 - 60 ms that only those who ignore paths pay

    try:
        found = {node.location for path in paths for node in jsonpath_rfc9535.find(path, value)} - {()}
    except jsonpath_rfc9535.JSONPathRecursionError as error:
        raise RecursionError(str(error)) from None
    # From the back, so that a list's later places go first and the earlier ones stay valid.
    for location in sorted(found, key=lambda where: [str(p).zfill(12) for p in where], reverse=True):
        _remove(value, location)


def _remove(value: object, location: Sequence[int | str]) -> None:
    *way, last = location
    for step in way:
        if isinstance(value, dict) and isinstance(step, str):
            value = value.get(step)
        elif isinstance(value, list) and isinstance(step, int) and step < len(value):
            value = value[step]
        else:
            return
    if isinstance(value, dict):
        value.pop(str(last), None)
    elif isinstance(value, list) and isinstance(last, int) and last < len(value):
        del value[last]


def _without_boundary(body: bytes, content_type: str) -> bytes:
    found = _BOUNDARY.search(content_type)
    if found:
        boundary = found.group(1).strip('"').encode("utf-8", "surrogateescape")
    else:
        first, end, _ = body.partition(b"\n")
        boundary = first[2:].rstrip(b"\r") if end and first.startswith(b"--") else b""
    return body.replace(b"--" + boundary, b"--") if boundary else body


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - raises for a port that is no number
    except ValueError:
        return SplitResult("", "", url, "", "")
    return parts


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
