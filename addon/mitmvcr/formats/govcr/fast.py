"""The layouts that go-vcr and we write -> interactions, each when it is asked for; refuses all other YAML.

`read` goes once over a file: one regular expression finds an entry's fields, and each field is checked, so
that all of it is known to be readable when it returns. It keeps places, not values: a file of 230 MB then
costs its bytes and eight more an entry. What it isn't certain of is left to `reader`, which knows all of
YAML: a single entry where that can be told from its neighbours, else the whole file. Where both read a file
they give the same.
"""

from __future__ import annotations

import base64
import re
from array import array
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import cache, lru_cache
from operator import eq
from typing import Any, NoReturn, TypeAlias, overload

from mitmvcr.durations import parse_duration
from mitmvcr.model import Cassette, Interaction, Interactions, Node, Request, Response, Source

_HEAD = b"---\nversion: 2\ninteractions:\n"
# Odd entries that a file may have, and one in eight beyond: to read one alone costs more than among others.
_SOME = 16
_KEPT = 16 << 20  # bytes of text whose interactions are kept once they were made

# PyYAML refuses these, or takes them for line breaks or byte order marks.
_CONTROLS = bytes([*range(9), *range(11, 32), 127])
_SUSPECTS = _CONTROLS + b"\xc2\xe2\xef"
_MARKS = ("\u2028", "\u2029", "\ufeff", "\ufffe", "\uffff")
_C1 = re.compile(rb"\xc2[\x80-\x9f]")

_INTEGER = rb"-?(?:0|[1-9][0-9]{0,17})"
_DURATION = (
    rb"-?(?:(?:(?:[0-9]{1,6}h)?[0-9]{1,2}m)?[0-9]{1,2}(?:\.[0-9]{1,9})?s"
    rb"|[0-9]{1,3}(?:\.[0-9]{1,6})?(?:m|\xc2\xb5)s|[0-9]{1,3}ns)"
)
_BAR, _TAG, _SINGLE, _QUOTE = b"|!'\""
_STRING = rb"([^\n]++)"
_CAPTURE = re.compile(rb"\((?!\?)")

_NULLS = frozenset((b"null", b"Null", b"NULL"))
_PLAIN = re.compile(
    rb"[0-9A-Za-z_./(+$\\^;=\x80-\xff][^\x00- :\x7f]*+"
    rb"(?:(?::(?=[^\x00- \x7f])| ++(?=[^\x00- #\x7f]))[^\x00- :\x7f]*+)*+"
)
_DOUBLE = re.compile(
    rb'"([^"\\\n]*+(?:\\(?:[0abtnvfre"\\N_LP]|x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8})[^"\\\n]*+)*+)"'
)
_ESCAPE = re.compile(r"\\(?:x(..)|u(....)|U(........)|(.))")
_NAMED = dict(zip('0abtnvfre"\\N_LP', '\0\a\b\t\n\v\f\r\x1b"\\\x85\xa0\u2028\u2029', strict=True))
_NOTHING: dict[str, Node] = {}
_BASE64 = re.compile(rb"[0-9A-Za-z+/]*+={0,2}")
_NAME = re.compile(rb"([0-9A-Za-z_$][0-9A-Za-z_.$()\[\]/+-]{0,127}+):( \[\])?")

ReadAlone: TypeAlias = Callable[[bytes], Interaction | None]
_Block: TypeAlias = Callable[[bytes], tuple[tuple[Any, ...], bool]]
_Values: TypeAlias = dict[str, tuple[str, ...]]
_Found: TypeAlias = re.Match[bytes]


class _OddError(Exception):
    """An entry has something that isn't certain here."""


class _Layout:
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
        asked = [start, proto, length, place, rb"(?:%b)?" % body, target, rb"%b  response:\n" % before]
        answered = [proto, framing, length, uncompressed, body, outcome]
        answered.append(self._fields(duration=b"(%b)" % _DURATION))
        return re.compile(b"".join(asked)), re.compile(b"".join(answered))

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

    def check(self, asked: _Found, answered: _Found) -> tuple[str, _Values, bool]:
        """The request's URL and headers, and whether all stands there as it is.

        Raises _OddError if a field of the entry isn't certain; what the expressions tell is already.
        """
        _, asked_by, _, place, content, target = asked.groups()
        answered_by, framing, _, _, answer, outcome, _ = answered.groups()
        there, stands = self.target(target)
        stands &= self.proto(asked_by)[1] & self.place(place)[1] & self.proto(answered_by)[1]
        stands &= self.framing(framing)[1] & self.outcome(outcome)[1] & _stands(answer)
        if content:
            _check_body(content, self.pad)
            stands &= _stands(content)
        _check_body(answer, self.pad)
        return there[1], there[3], stands

    def asked(self, found: _Found) -> Request:
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

    def answered(self, found: _Found) -> Response:
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


_layout = cache(_Layout)


def _block(expression: bytes, read: Callable[..., tuple[Any, ...]]) -> _Block:
    pattern = re.compile(expression)

    @lru_cache(maxsize=1024)
    def block(text: bytes) -> tuple[tuple[Any, ...], bool]:
        found = pattern.fullmatch(text) or _odd()
        return read(*found.groups()), b'"' not in text or b"\\" not in text

    return block


def read(data: bytes, read_alone: ReadAlone) -> Cassette | None:
    """The cassette, or None if it needs `reader`; its interactions are made when they are asked for.

    `read_alone` gives a file's interaction, or None if it has anything else.
    """
    if not data.startswith(_HEAD) or not data.endswith(b"\n"):
        return None
    at = len(_HEAD)
    indent = 4 if data.startswith(b" ", at) else 0
    layout = _layout(indent)
    starts = array("Q")
    odd: dict[int, Interaction] = {}
    urls: dict[str, None] = {}
    names: set[str] = set()
    coded: list[int] = []
    while at < len(data):
        if not data.startswith(layout.start, at):
            return None  # at another column, or with another key first
        starts.append(at)
        asked = layout.request.match(data, at)
        answered = layout.response.match(data, asked.end()) if asked else None
        if asked and answered and _is_text(data[at : answered.end()]):
            try:
                url, headers, stands = layout.check(asked, answered)
            except _OddError:
                pass
            else:
                urls[url] = None
                names |= headers.keys()
                if not stands:
                    coded.append(len(starts) - 1)
                at = answered.end()
                continue
        end = data.find(b"\n" + layout.start, at) + 1 or len(data)
        text = data[at:end]
        # A literal with this hint means one thing or another by what the rest of the file has.
        one = None if b": |4" in text or len(odd) > _SOME + len(starts) // 8 else read_alone(_HEAD + text)
        if one is None:
            return None
        odd[len(starts) - 1] = one
        coded.append(len(starts) - 1)
        urls[one.request.url] = None
        names |= one.request.headers.keys()
        at = end
    if not starts:
        return None
    starts.append(at)
    entries = Entries(data, starts, indent, odd, (tuple(urls), frozenset(names)))
    return Cassette(entries, source=Source(data, entries, Spans(starts), indent, coded))


def last_start(data: bytes) -> int:
    """Where the last entry begins in a file of one of the two layouts, 0 if there is none."""
    layout = _layout(4 if data.startswith(b" ", len(_HEAD)) else 0)
    return data.rfind(b"\n" + layout.start) + 1


def _is_text(text: bytes) -> bool:
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
    """Raises _OddError unless single quotes stand around a text, and twice in it."""
    quotes = raw.count(b"'") - 2
    if raw[-1] != _SINGLE or quotes < 0 or (quotes and quotes != 2 * raw.count(b"''", 1, len(raw) - 1)):
        _odd()


def _unescape(found: re.Match[str]) -> str:
    if found[4]:
        return _NAMED[found[4]]
    code = int(found[1] or found[2] or found[3], 16)
    if 0xD800 <= code < 0xE000 or code > 0x10FFFF:
        _odd()
    return chr(code)


def _check_body(raw: bytes, pad: bytes) -> None:
    """Raises _OddError where `_body` does, without making it in the usual cases."""
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
    """Raises _OddError unless the first line tells the column of all, and the header what stands last."""
    at = raw.index(b"\n") + 1
    first = at + len(pad)
    if not raw.startswith(pad, at) or raw[first : first + 1] in b" \t\n":
        _odd()
    if raw.endswith(b"\n") and not raw.startswith(b"|+"):
        _odd()


def _odd() -> NoReturn:
    raise _OddError


class Entries(Interactions):
    """The interactions of a file that `read` went over, made from its bytes when they are asked for.

    Those of the last 16 MB of text asked for are kept; one that was let go is made anew, and is equal.
    """

    __slots__ = (
        *("_data", "_indent", "_kept", "_kept_size", "_odd", "_starts"),
        *("request_headers", "urls"),
    )
    __hash__ = None  # type: ignore[assignment] # interactions have dicts

    def __init__(
        self,
        data: bytes,
        starts: Sequence[int],
        indent: int,
        odd: dict[int, Interaction],
        told: tuple[Sequence[str], Collection[str]],
    ) -> None:
        """`starts` has one place more than there are entries: where the last one ends.

        `told` is what `Interactions` says of all requests: their URLs and the names of their headers.
        """
        self._data = data
        self._starts = starts
        self._indent = indent
        self._odd = odd
        self.urls, self.request_headers = told
        self._kept: dict[int, Interaction] = {}
        self._kept_size = 0

    def __len__(self) -> int:
        return len(self._starts) - 1

    @overload
    def __getitem__(self, index: int) -> Interaction: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Interaction, ...]: ...
    def __getitem__(self, index: int | slice) -> Interaction | tuple[Interaction, ...]:
        if isinstance(index, slice):
            return tuple(self[one] for one in range(*index.indices(len(self))))
        kept = self._kept.get(index)
        if kept is not None:
            return kept
        number = range(len(self))[index]
        return self._odd.get(number) or self._kept.get(number) or self._made(number)

    def _made(self, number: int) -> Interaction:
        start, end = self._starts[number], self._starts[number + 1]
        self._kept_size += end - start
        if self._kept_size > _KEPT:
            self._kept.clear()
            self._kept_size = end - start
        layout = _layout(self._indent)
        asked = layout.request.match(self._data, start) or _lost()
        answered = layout.response.match(self._data, asked.end()) or _lost()
        made = self._kept[number] = Interaction(
            layout.asked(asked), layout.answered(answered), int(asked[1]), _NOTHING
        )
        return made

    def request(self, number: int) -> Request:
        known = self._odd.get(number) or self._kept.get(number)
        if known is not None:
            return known.request
        layout = _layout(self._indent)
        return layout.asked(layout.request.match(self._data, self._starts[number]) or _lost())

    def __iter__(self) -> Iterator[Interaction]:
        return map(self.__getitem__, range(len(self)))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence) or isinstance(other, str | bytes):
            return NotImplemented
        return len(self) == len(other) and all(map(eq, self, other))

    def __repr__(self) -> str:
        return repr(tuple(self))


def _lost() -> NoReturn:
    raise AssertionError("the entry was read before")


class Spans(Sequence[tuple[int, int]]):
    """`Source.spans` of entries that follow one another: where each begins, and where the last one ends."""

    __slots__ = ("_starts",)

    def __init__(self, starts: Sequence[int]) -> None:
        self._starts = starts

    def __len__(self) -> int:
        return len(self._starts) - 1

    @overload
    def __getitem__(self, index: int) -> tuple[int, int]: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[tuple[int, int], ...]: ...
    def __getitem__(self, index: int | slice) -> tuple[int, int] | tuple[tuple[int, int], ...]:
        if isinstance(index, slice):
            return tuple(self[one] for one in range(*index.indices(len(self))))
        number = range(len(self))[index]
        return self._starts[number], self._starts[number + 1]
