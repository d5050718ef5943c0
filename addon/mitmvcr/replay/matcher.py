"""Request -> key: two requests match if their keys are equal; an index looks them up, nothing scans.

Requests are scrubbed before they come here, recorded ones and asked ones alike.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from urllib.parse import SplitResult, parse_qsl, unquote_plus, urlsplit

from mitmvcr.config import user_functions
from mitmvcr.errors import MitmvcrError
from mitmvcr.http.go_rules import canonical_header, first_value
from mitmvcr.model import Request
from mitmvcr.scrub import collapse

DEFAULT_PORTS = {"http": "80", "https": "443"}

_BOUNDARY = re.compile(r"""boundary=("[^"]+"|[^\s;,]+)""", re.IGNORECASE)

_DISPOSITION = re.compile(r"^content-disposition:[ \t]*form-data(;.*)$", re.IGNORECASE | re.MULTILINE)
_PARAMETER = re.compile(r';\s*([\w*-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;]*))')

_REMEMBERED = 1 << 17
"""Requests whose keys are remembered: 30 MB in all, with recordings that take much more."""
_REMEMBERED_PLACES = 1024

_ESCAPED_CRLF = re.compile(r"(?<!\\)((?:\\\\)*)\\r\\n")


class MatchError(MitmvcrError):
    """A function of the user's can't tell what to match a request by."""


class NotJSON(ValueError):  # noqa: N818 - an outcome, not an error
    """A body that Go's encoding/json would not take."""


def parse_json(body: bytes) -> object:
    """The body as Go's `json.Unmarshal` into `any` reads it: every number a float; raises NotJSON."""
    try:
        text = body.decode("utf-8").lstrip(_BLANKS)
        value, end = _DECODER.raw_decode(text)
    except (ValueError, RecursionError):
        raise NotJSON from None
    if end < len(text) and text[end:].strip(_BLANKS):
        raise NotJSON
    return value


def _number(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise NotJSON
    return number + 0.0  # -0 equals 0


def _no_constant(text: str) -> float:
    raise NotJSON(text)


_BLANKS = " \t\r\n"
_DECODER = json.JSONDecoder(parse_int=_number, parse_float=_number, parse_constant=_no_constant)
_ENCODER = json.JSONEncoder(check_circular=False, sort_keys=True, separators=(",", ":"))


@cache
def _headers_of(fields: tuple[str, ...]) -> tuple[str, ...] | None:
    """The headers that these fields look at; None where a function of the user's may look at any."""
    if any(name.startswith("py:") for name in fields):
        return None
    names = [name.removeprefix("headers:") for name in fields if name.startswith("headers:")]
    return tuple(map(canonical_header, names))


@dataclass(frozen=True, slots=True)
class Matcher:
    """A request's key, from the fields that count and what is left out of them.

    `fields` are those of the option `vcr_match`; `ignore` has JSONPaths, which start with `$`, and
    names of query, form and multipart fields. `llama_stack` takes `/v1/v1/` in a URL for `/v1/`
    and passes over the `encoding_format` that openai-python adds to embeddings by itself: those
    recordings hold what the SDK was called with.
    """

    fields: tuple[str, ...]
    ignore: tuple[str, ...] = ()
    llama_stack: bool = False
    _known: dict[bytes, bytes] = field(default_factory=dict, compare=False, repr=False)
    _places: dict[tuple[str, str, str], bytes] = field(default_factory=dict, compare=False, repr=False)

    def key(self, request: Request) -> bytes:
        """16 bytes that are equal for requests that match; raises MatchError.

        That of a request which was seen before costs a hash of its bytes.
        """
        seen = self._seen(request)
        key = self._known.get(seen) if seen else None
        if key is None:
            key = _digest(self._parts(request))
            if seen:
                if len(self._known) >= _REMEMBERED:
                    self._known.clear()
                self._known[seen] = key
        return key

    def known(self, request: Request) -> bytes | None:
        """The key if one was made of the same bytes, be they scrubbed or have no need to be."""
        return self._known.get(self._seen(request))

    def _seen(self, request: Request) -> bytes:
        """A hash of all that the key can depend on; empty where functions of the user's see more."""
        names = _headers_of(self.fields)
        if names is None:
            return b""
        values = ["\n".join(request.headers.get(name, ())) for name in names]
        content_type = first_value(request.headers, "Content-Type")
        told = repr((request.method, request.url, content_type, *values)).encode()
        seen = hashlib.blake2b(told, digest_size=16)
        seen.update(request.body)
        return seen.digest()

    @property
    def asks_functions(self) -> bool:
        """Whether functions of the user's, which may fail, have a say in what matches."""
        return _headers_of(self.fields) is None

    def _parts(self, request: Request) -> Iterator[bytes]:
        for name in self.fields:
            if name.startswith("headers:"):
                header = canonical_header(name.removeprefix("headers:"))
                yield collapse(_bytes("\n".join(request.headers.get(header, ()))))
            elif name.startswith("py:"):
                yield collapse(_told_by(name, request))
            elif name == "body":
                yield _digest((collapse(self.body_key(request)),))
            else:
                yield self._place(name, request.method, request.url)

    def _place(self, name: str, method: str, url: str) -> bytes:
        """What a field says that depends on method and URL alone, which are the same in many requests."""
        known = self._places.get((name, method, url))
        if known is None:
            known = collapse(_bytes(method.upper() if name == "method" else self._url_part(name, url)))
            if len(self._places) >= _REMEMBERED_PLACES:
                self._places.clear()
            self._places[name, method, url] = known
        return known

    def _query(self, url: SplitResult) -> str:
        # As VCR.py: the pairs in any order (vcr/request.py, Request.query).
        pairs = parse_qsl(url.query, keep_blank_values=True, errors="surrogateescape")
        return repr(sorted(pair for pair in pairs if pair[0] not in self.ignore))

    def _url_part(self, name: str, text: str) -> str:
        url = _split(text)
        match name:
            case "url":
                return self._path(self._without_ignored(text, url))
            case "query":
                return self._query(url)
            case "scheme":
                return url.scheme
            case "host":
                return url.hostname or ""
            case "port":
                return str(url.port or "") or DEFAULT_PORTS.get(url.scheme, "")
        return self._path(url.path)

    def _path(self, text: str) -> str:
        return text.replace("/v1/v1/", "/v1/") if self.llama_stack else text

    def _without_ignored(self, text: str, url: SplitResult) -> str:
        if not url.query or not self.ignore:
            return text
        kept = [pair for pair in url.query.split("&") if not self._ignores(pair)]
        return url._replace(query="&".join(kept)).geturl()

    def _ignores(self, pair: str) -> bool:
        name = pair.partition("=")[0]
        return name in self.ignore or unquote_plus(name) in self.ignore

    def body_key(self, request: Request) -> bytes:
        """The body in the form in which it is compared: JSON in one spelling, else its bytes."""
        content_type = first_value(request.headers, "Content-Type")
        media_type = content_type.partition(";")[0].strip().lower()
        if media_type.startswith("multipart/"):
            return b"multipart " + _multipart(request.body, content_type, self.ignore)
        try:
            value = self.without_ignored_paths(parse_json(request.body))
            if self.llama_stack and isinstance(value, dict) and value.get("encoding_format") == "base64":
                del value["encoding_format"]
            return b"json " + canonical_json(value)
        except (NotJSON, RecursionError):
            pass
        if media_type == "application/x-www-form-urlencoded" and self.ignore:
            pairs = request.body.split(b"&")
            kept = [pair for pair in pairs if not self._ignores(pair.decode("latin-1"))]
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
    text = _ENCODER.encode(value)
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


def _digest(parts: Iterable[bytes]) -> bytes:
    framed = b"".join([piece for part in parts for piece in (len(part).to_bytes(8, "big"), part)])
    return hashlib.blake2b(framed, digest_size=16).digest()


def _told_by(entry: str, request: Request) -> bytes:
    """What a function of the user's tells to match the request by: text, bytes, or what JSON can hold."""
    try:
        value = user_functions.load(entry)(request)
        match value:
            case str():
                return b"text " + _bytes(value)
            case bytes():
                return b"bytes " + value
        return b"json " + canonical_json(parse_json(json.dumps(value).encode()))
    except MitmvcrError:
        raise
    except Exception as error:  # noqa: BLE001 - it is the user's code, which may raise and return anything
        said = " ".join(f"{type(error).__name__}: {error}".split())
        raise MatchError(
            f"{entry} failed on {request.method} {request.url}: {said}. "
            f"It takes a mitmvcr.model.Request and returns text, bytes, or what JSON can hold"
        ) from None


def _multipart(body: bytes, content_type: str, ignored: Collection[str]) -> bytes:
    """The parts between bare dashes, less those of ignored names."""
    found = _BOUNDARY.search(content_type)
    if found:
        boundary = found.group(1).strip('"').encode("utf-8", "surrogateescape")
    else:
        first, end, _ = body.partition(b"\n")
        boundary = first[2:].rstrip(b"\r") if end and first.startswith(b"--") else b""
    if not boundary:
        return body
    parts = body.split(b"--" + boundary)
    return b"--".join(part for part in parts if not ignored or _part_name(part) not in ignored)


def _part_name(part: bytes) -> str | None:
    """The name of a form's field (RFC 7578, 4.2); None for what is none, such as the end."""
    head = part.partition(b"\r\n\r\n" if b"\r\n\r\n" in part else b"\n\n")[0].decode(
        "utf-8", "surrogateescape"
    )
    disposition = _DISPOSITION.search(head)
    for name, quoted, bare in _PARAMETER.findall(disposition[1] if disposition else ""):
        if name.lower() == "name":
            return re.sub(r"\\(.)", r"\1", quoted) or str(bare)
    return None


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - raises for a port that is no number
    except ValueError:
        return SplitResult("", "", url, "", "")
    return parts


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
