"""The two layouts that go-vcr and we write: what the text of an entry means there; refuses all other YAML.

One regular expression finds the fields of half an entry, and each field is checked: what isn't certain
raises OddError, and is left to a reader that knows all of YAML. Where both read an entry they give the same.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from functools import cache, lru_cache
from typing import Any, NoReturn, TypeAlias

from mitmvcr.durations import parse_duration
from mitmvcr.formats.govcr.scalars import ESCAPES
from mitmvcr.model import Node, Request, Response

# PyYAML refuses these, or takes them for line breaks or byte order marks.
_CONTROLS = bytes([*range(9), *range(11, 32), 127])
_SUSPECTS = _CONTROLS + b"\xc2\xe2\xef"
_MARKS = ("\u2028", "\u2029", "\ufeff", "\ufffe", "\uffff")
# U+0080 to U+009F: controls, and U+0085, a line break to YAML 1.1.
_C1 = re.compile(rb"\xc2[\x80-\x9f]")

# What go-vcr writes: no `+`, no leading zero, within 64 bits.
_INTEGER = rb"-?(?:0|[1-9][0-9]{0,17})"
# Go's `Duration.String()`: `1h2m3.5s`, or one unit below a second.
_DURATION = (
    rb"-?(?:(?:(?:[0-9]{1,6}h)?[0-9]{1,2}m)?[0-9]{1,2}(?:\.[0-9]{1,9})?s"
    rb"|[0-9]{1,3}(?:\.[0-9]{1,6})?(?:m|\xc2\xb5)s|[0-9]{1,3}ns)"
)
_BAR, _TAG, _SINGLE, _QUOTE = b"|!'\""
# Whatever stands on the line; what it means is told by `_inline`.
_STRING = rb"([^\n]++)"
# A capturing group's bracket: none of the expressions has one in a class or escaped.
_CAPTURE = re.compile(rb"\((?!\?)")

_NULLS = frozenset((b"null", b"Null", b"NULL"))
# A plain scalar that every reader takes for the same text: no indicator in front, no `: ` or ` #` in it, no
# space at its end and no control character. Numbers and dates too: in these fields they are text.
_PLAIN = re.compile(
    rb"[0-9A-Za-z_./(+$\\^;=\x80-\xff][^\x00- :\x7f]*+"
    rb"(?:(?::(?=[^\x00- \x7f])| ++(?=[^\x00- #\x7f]))[^\x00- :\x7f]*+)*+"
)
# Double quotes on one line, with go-yaml's escapes alone: no `\/`, no line that goes on.
_DOUBLE = re.compile(
    rb'"([^"\\\n]*+(?:\\(?:[0abtnvfre"\\N_LP]|x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8})[^"\\\n]*+)*+)"'
)
# An escape that `_DOUBLE` let through.
_ESCAPE = re.compile(r"\\(?:x(..)|u(....)|U(........)|(.))")
_NOTHING: dict[str, Node] = {}
# Base64 on one line; that it has whole groups of four is seen by its length.
_BASE64 = re.compile(rb"[0-9A-Za-z+/]*+={0,2}")
# A header's or a form's name, plain and within go-yaml's limit for simple keys, with `[]` if it has no
# values; no quoted name and no `? name`.
_NAME = re.compile(rb"([0-9A-Za-z_$][0-9A-Za-z_.$()\[\]/+-]{0,127}+):( \[\])?")

_ReadBlock: TypeAlias = Callable[[bytes], tuple[tuple[Any, ...], bool]]
_Values: TypeAlias = dict[str, tuple[str, ...]]
_Found: TypeAlias = re.Match[bytes]


class OddError(Exception):
    """An entry has something that isn't certain here."""


class FileLayout:
    """One of go-vcr's two layouts: how an entry looks, and what the blocks of fields in it hold.

    `request` and `response` are an entry's halves, with a group for each block of fields and for what stands
    between those: bodies, lengths and durations. Most blocks are the same in many entries, so that each is
    read once and found again then.
    """

    def __init__(self, indent: int) -> None:
        """The layout whose `- id:` stands at that column: 0 (charm) or 4 (stock)."""
        key, text, item, value = (4, 6, 4, 6) if indent == 0 else (8, 12, 12, 16)
        self.start = b" " * indent + b"- id: "
        self.pad = b" " * text
        self._key = b" " * key
        self._item = b" " * item + b"- "
        self._value = b" " * value + b"- "
        proto = self._fields(proto=_STRING, proto_major=b"(%b)" % _INTEGER, proto_minor=b"(%b)" % _INTEGER)
        framing = rb"(?:%btransfer_encoding:(?: \[\]\n|\n((?:%b[^\n]++\n)++)))?" % (self._key, self._item)
        framing += self._mapping(b"trailer")
        place = framing + self._fields(host=_STRING)
        place += rb"(?:%b)?(?:%b)?" % (self._fields(remote_addr=_STRING), self._fields(request_uri=_STRING))
        target = (
            self._mapping(b"form") + self._mapping(b"headers") + self._fields(url=_STRING, method=_STRING)
        )
        outcome = self._mapping(b"headers") + self._fields(status=_STRING, code=b"(%b)" % _INTEGER)
        self.request, self.response = self._halves(b" " * indent, proto, place, target, framing, outcome)
        self.proto = _block(proto, lambda name, major, minor: (_text(name), int(major), int(minor)))
        self.framing = _block(framing, lambda names, trailer: (self._texts(names), self._values(trailer)))
        self.place = _block(
            place,
            lambda names, trailer, *texts: (self._texts(names), self._values(trailer), *map(_text, texts)),
        )
        self.target = _block(
            target,
            lambda form, headers, url, method: (
                *(_text(method), _text(url)),
                *(self._values(form), self._values(headers)),
            ),
        )
        self.outcome = _block(
            outcome, lambda headers, status, code: (int(code), _text(status), self._values(headers))
        )

    def _halves(self, before: bytes, *blocks: bytes) -> tuple[re.Pattern[bytes], re.Pattern[bytes]]:
        proto, place, target, framing, outcome = (b"(%b)" % _CAPTURE.sub(b"(?:", block) for block in blocks)
        length = self._fields(content_length=b"(%b)" % _INTEGER)
        line = rb"\n%b[^\n]++" % self.pad
        literal = rb"\|[-+]?+(?:%b|\n(?=\n))++|!!binary \|(?:%b)++" % (line, line)
        body = self._fields(body=rb"(%b|[^|\n][^\n]*+)" % literal)
        start = rb"%b- id: (%b)\n%b  request:\n" % (before, _INTEGER, before)
        uncompressed = rb"(?:%buncompressed: (true|false)\n)?" % self._key
        request = [start, proto, length, place, rb"(?:%b)?" % body, target, rb"%b  response:\n" % before]
        response = [proto, framing, length, uncompressed, body, outcome]
        response.append(self._fields(duration=b"(%b)" % _DURATION))
        return re.compile(b"".join(request)), re.compile(b"".join(response))

    def _fields(self, **values: bytes) -> bytes:
        return b"".join(b"%b%b: %b\n" % (self._key, name.encode(), values[name]) for name in values)

    def _mapping(self, name: bytes) -> bytes:
        return rb"(?:%b%b:(?: \{\}\n|\n((?:%b[^\n]++\n)++)))?" % (self._key, name, self.pad)

    def _texts(self, lines: bytes | None) -> tuple[str, ...]:
        return tuple(_text(line[len(self._item) :]) for line in lines[:-1].split(b"\n")) if lines else ()

    def _values(self, lines: bytes | None) -> dict[str, tuple[str, ...]]:
        """A mapping of names to lists."""
        read: dict[str, tuple[str, ...]] = {}
        name, is_empty = "", True
        for line in lines[:-1].split(b"\n") if lines else ():
            if line.startswith(self._value):
                if not name or is_empty:
                    _odd()
                read[name] += (_text(line[len(self._value) :]),)
                continue
            found = _NAME.fullmatch(line, len(self.pad))
            if found is None or found[1] in _NULLS or (name and not is_empty and not read[name]):
                _odd()
            name, is_empty = found[1].decode(), found[2] is not None
            if name in read:
                _odd()
            read[name] = ()
        if name and not is_empty and not read[name]:
            _odd()
        return read

    def check(self, request: _Found, response: _Found) -> tuple[str, _Values, bool]:
        """The request's URL and headers, and whether all stands there as it is.

        Raises OddError if a field of the entry isn't certain; what the expressions tell is already.
        """
        _, request_proto, _, place, content, target = request.groups()
        response_proto, framing, _, _, answer, outcome, _ = response.groups()
        target_values, stands = self.target(target)
        stands &= self.proto(request_proto)[1] & self.place(place)[1] & self.proto(response_proto)[1]
        stands &= self.framing(framing)[1] & self.outcome(outcome)[1] & _stands(answer)
        if content:
            _check_body(content, self.pad)
            stands &= _stands(content)
        _check_body(answer, self.pad)
        return target_values[1], target_values[3], stands

    def read_request(self, found: _Found) -> Request:
        """The request of an entry that `check` has seen."""
        _, by, length, place, content, target = found.groups()
        proto, major, minor = self.proto(by)[0]
        names, trailer, host, address, uri = self.place(place)[0]
        method, url, form, headers = self.target(target)[0]
        return Request(
            method,
            url,
            proto,
            major,
            minor,
            int(length),
            names,
            trailer,
            host,
            address,
            uri,
            _body(content, self.pad) if content else b"",
            form,
            headers,
            _NOTHING,
        )

    def read_response(self, found: _Found) -> Response:
        """The response of an entry that `check` has seen."""
        by, framing, length, uncompressed, content, outcome, duration = found.groups()
        proto, major, minor = self.proto(by)[0]
        names, trailer = self.framing(framing)[0]
        code, status, headers = self.outcome(outcome)[0]
        return Response(
            code,
            status,
            proto,
            major,
            minor,
            names,
            trailer,
            int(length),
            uncompressed == b"true",
            _body(content, self.pad),
            headers,
            parse_duration(duration.decode()),
            _NOTHING,
        )


layout_of = cache(FileLayout)


def _block(expression: bytes, read: Callable[..., tuple[Any, ...]]) -> _ReadBlock:
    pattern = re.compile(expression)

    @lru_cache(maxsize=1024)
    def block(text: bytes) -> tuple[tuple[Any, ...], bool]:
        found = pattern.fullmatch(text) or _odd()
        return read(*found.groups()), b'"' not in text or b"\\" not in text

    return block


def is_text(text: bytes) -> bool:
    """Whether it has no bytes that YAML refuses, or takes for line breaks or marks of its own."""
    try:
        decoded = "" if text.isascii() else text.decode()
    except UnicodeDecodeError:
        return False
    return len(text.translate(None, _SUSPECTS)) == len(text) or not (
        len(text.translate(None, _CONTROLS)) != len(text)
        or _C1.search(text)
        or any(mark in decoded for mark in _MARKS)
    )


@lru_cache(maxsize=4096)
def _text(raw: bytes | None) -> str:
    """A string as it stands on one line; "" where it doesn't."""
    return "" if raw is None else _inline(raw).decode()


def _inline(raw: bytes) -> bytes:
    first = raw[0] if raw else _odd()
    if first == _SINGLE:
        _check_quotes(raw)
        return raw[1:-1].replace(b"''", b"'")
    if first == _QUOTE:
        quoted = _DOUBLE.fullmatch(raw) or _odd()
        inner = quoted[1]
        return _ESCAPE.sub(_unescape, inner.decode()).encode() if b"\\" in inner else inner
    if _PLAIN.fullmatch(raw) is None or raw in _NULLS:
        _odd()
    return raw


def _check_quotes(raw: bytes) -> None:
    """Raises OddError unless single quotes stand around a text, and twice in it."""
    quotes = raw.count(b"'") - 2
    if raw[-1] != _SINGLE or quotes < 0 or (quotes and quotes != 2 * raw.count(b"''", 1, len(raw) - 1)):
        _odd()


def _unescape(found: re.Match[str]) -> str:
    if found[4]:
        return ESCAPES[found[4]]
    code = int(found[1] or found[2] or found[3], 16)
    if 0xD800 <= code < 0xE000 or code > 0x10FFFF:
        _odd()
    return chr(code)


def _check_body(raw: bytes, pad: bytes) -> None:
    """Raises OddError where `_body` does, without making it in the usual cases."""
    first = raw[0]
    if first == _SINGLE:
        _check_quotes(raw)
    elif first == _BAR:
        _check_literal(raw, pad)
    else:
        _body(raw, pad)


def _body(raw: bytes, pad: bytes) -> bytes:
    """A body as it stands, without its last line break."""
    first = raw[0]
    if first == _BAR:
        return _literal(raw, pad)
    if first != _TAG:
        return _inline(raw)
    if not raw.startswith(b"!!binary "):
        _odd()
    encoded = raw[9:]
    if encoded.startswith(b"|"):
        encoded = encoded[2 + len(pad) :].replace(b"\n" + pad, b"")
    if not encoded or len(encoded) % 4 or _BASE64.fullmatch(encoded) is None:
        _odd()
    return base64.b64decode(encoded)


def _stands(raw: bytes) -> bool:
    """Whether what a body says stands there as it is: no Base64, no escapes."""
    first = raw[0]
    return first != _TAG and (first != _QUOTE or b"\\" not in raw)


def _literal(raw: bytes, pad: bytes) -> bytes:
    _check_literal(raw, pad)
    header, _, text = raw.partition(b"\n")
    text = text[len(pad) :].replace(b"\n" + pad, b"\n")
    return text if header == b"|-" else text + b"\n"


def _check_literal(raw: bytes, pad: bytes) -> None:
    """Raises OddError unless the first line tells the column of all, and the header what stands last."""
    at = raw.index(b"\n") + 1
    first = at + len(pad)
    if not raw.startswith(pad, at) or raw[first : first + 1] in b" \t\n":
        _odd()
    if raw.endswith(b"\n") and not raw.startswith(b"|+"):
        _odd()


def _odd() -> NoReturn:
    raise OddError
