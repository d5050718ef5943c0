"""Request -> key: two requests match if their keys are equal; an index looks them up, nothing scans.

Requests are scrubbed before they come here, recorded and incoming ones alike. Reads no cassette.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from urllib.parse import SplitResult, parse_qsl, urlsplit

from mitmvcr.config import user_functions
from mitmvcr.config.settings import IGNORED_FIELDS
from mitmvcr.errors import MitmvcrError
from mitmvcr.http.go_rules import canonical_header, first_value
from mitmvcr.http.hosts import canonical_url
from mitmvcr.model import Request
from mitmvcr.replay.ignore_paths import remove_paths, without_pairs, without_parts
from mitmvcr.scrub import collapse

_DEFAULT_PORTS = {"http": "80", "https": "443"}

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

    `fields` are those of the option `vcr_match`; `ignore` has JSONPaths, which start with `$`, names of
    query, form and multipart fields, and `-NAME` for those of IGNORED_FIELDS that count. `llama_stack` takes
    `/v1/v1/` in a URL for `/v1/` and passes over the `encoding_format` that openai-python adds to embeddings
    by itself: those recordings hold what the SDK was called with.
    """

    fields: tuple[str, ...]
    ignore: tuple[str, ...] = ()
    llama_stack: bool = False
    _keys: dict[bytes, bytes] = field(default_factory=dict, compare=False, repr=False)
    _places: dict[tuple[str, str, str], bytes] = field(default_factory=dict, compare=False, repr=False)

    def key(self, request: Request) -> bytes:
        """16 bytes that are equal for requests that match; raises MatchError.

        That of a request which was seen before costs a hash of its bytes.
        """
        fingerprint = self._fingerprint(request)
        key = self._keys.get(fingerprint) if fingerprint else None
        if key is None:
            key = _digest(self._parts(request))
            if fingerprint:
                if len(self._keys) >= _REMEMBERED:
                    self._keys.clear()
                self._keys[fingerprint] = key
        return key

    def remembered_key(self, request: Request) -> bytes | None:
        """The key if one was made of the same bytes, be they scrubbed or have no need to be."""
        return self._keys.get(self._fingerprint(request))

    def looks_at(self, field: str) -> bool:
        """Whether a part that the scrubber calls so counts: `request.body`, `request.headers.X`."""
        side, _, part = field.partition(".")
        kind, _, name = part.partition(".")
        if side != "request" or self.asks_functions:
            return side == "request"
        if kind == "headers":
            return canonical_header(name) in (_headers_of(self.fields) or ())
        return kind in self.fields or (
            kind == "url" and not {"path", "query", "host"}.isdisjoint(self.fields)
        )

    def is_same(self, recorded: Request, request: Request) -> bool:
        """Whether two requests match as they are, be they scrubbed or not; remembers neither."""
        return _digest(self._parts(recorded)) == _digest(self._parts(request))

    def _fingerprint(self, request: Request) -> bytes:
        """A hash of all that the key can depend on; empty where functions of the user's see more."""
        names = _headers_of(self.fields)
        if names is None:
            return b""
        values = ["\n".join(request.headers.get(name, ())) for name in names]
        content_type = first_value(request.headers, "Content-Type")
        head = repr((request.method, request.url, content_type, *values)).encode()
        fingerprint = hashlib.blake2b(head, digest_size=16)
        fingerprint.update(request.body)
        return fingerprint.digest()

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
                yield collapse(_returned_by(name, request))
            elif name == "body":
                yield _digest((collapse(self.body_key(request)),))
            else:
                yield self._place(name, request.method, request.url)

    def _place(self, name: str, method: str, url: str) -> bytes:
        """What a field says that depends on method and URL alone, which are the same in many requests."""
        part = self._places.get((name, method, url))
        if part is None:
            part = collapse(_bytes(method.upper() if name == "method" else self.url_part(name, url)))
            if len(self._places) >= _REMEMBERED_PLACES:
                self._places.clear()
            self._places[name, method, url] = part
        return part

    def url_part(self, name: str, text: str) -> str:
        """What a URL says in a field: `url scheme host port path query`, in the form that is compared."""
        text = canonical_url(text)
        url = _split(text)
        match name:
            case "url":
                has_ignored = self.ignore and url.query
                query = without_pairs(url.query, self.ignore)
                return self._path(_as_sent(url._replace(query=query).geturl() if has_ignored else text, url))
            case "query":
                # As VCR.py: the pairs in any order (vcr/request.py, Request.query).
                pairs = parse_qsl(url.query, keep_blank_values=True, errors="surrogateescape")
                return repr(sorted(pair for pair in pairs if pair[0] not in self.ignore))
            case "scheme":
                return url.scheme
            case "host":
                return url.hostname or ""
            case "port":
                return str(url.port or "") or _DEFAULT_PORTS.get(url.scheme, "")
        return self._path(url.path or ("/" if url.netloc else ""))

    def _path(self, text: str) -> str:
        return text.replace("/v1/v1/", "/v1/") if self.llama_stack else text

    def body_key(self, request: Request) -> bytes:
        """The body in the form in which it is compared: JSON in one spelling, else its bytes."""
        content_type = first_value(request.headers, "Content-Type")
        media_type = content_type.partition(";")[0].strip().lower()
        if media_type.startswith("multipart/"):
            return b"multipart " + without_parts(request.body, content_type, self.ignore)
        try:
            value = self.without_ignored_paths(parse_json(request.body))
            if self.llama_stack and isinstance(value, dict) and value.get("encoding_format") == "base64":
                del value["encoding_format"]
            return b"json " + canonical_json(value)
        except (NotJSON, RecursionError):
            pass
        if media_type == "application/x-www-form-urlencoded" and self.ignore:
            text = request.body.decode("latin-1")
            return b"bytes " + without_pairs(text, self.ignore).encode("latin-1")
        return b"bytes " + request.body

    def without_ignored_paths(self, value: object) -> object:
        """The JSON value less IGNORED_FIELDS and what `ignore` finds in it; changes the value it is given."""
        if isinstance(value, dict):
            for name in IGNORED_FIELDS:
                if f"-{name}" not in self.ignore:
                    value.pop(name, None)
        remove_paths(value, [path for path in self.ignore if path.startswith("$")])
        return value


def _as_sent(text: str, url: SplitResult) -> str:
    """The URL as a client asks for it: without a fragment, `/` for an empty path (RFC 3986, 3.5, 6.2.3)."""
    text = text.partition("#")[0]
    if url.path or not url.netloc:
        return text
    place, mark, query = text.partition("?")
    return f"{place}/{mark}{query}"


def canonical_json(value: object) -> bytes:
    """One spelling for equal values; CRLF in strings counts as LF, as in the body's own text.

    The charm wrapper's matcher (charm.land/x/vcr v0.1.1) replaces CRLF raw and as JSON escapes it,
    since prompts that are read from files differ so between systems.
    """
    text = _ENCODER.encode(value)
    return (_ESCAPED_CRLF.sub(r"\1\\n", text) if "\\r\\n" in text else text).encode()


def _digest(parts: Iterable[bytes]) -> bytes:
    framed = b"".join([piece for part in parts for piece in (len(part).to_bytes(8, "big"), part)])
    return hashlib.blake2b(framed, digest_size=16).digest()


def _returned_by(entry: str, request: Request) -> bytes:
    """What a function of the user's returns to match the request by: text, bytes, or what JSON can hold."""
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
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise MatchError(
            f"{entry} failed on {request.method} {request.url}: {reason}. "
            f"It takes a mitmvcr.model.Request and returns text, bytes, or what JSON can hold"
        ) from None


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - raises for a port that is no number
    except ValueError:
        return SplitResult("", "", url, "", "")
    return parts


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
