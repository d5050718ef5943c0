"""What writers of go-vcr's YAML wrote so that readers don't get it back -> what was meant; reads no others.

go-yaml v3.0.1 (go-vcr up to v4.0.4) wrote a first line break of the text as the end of the `|4` line, and
go-yaml v4.0.0-rc.6 (v4.0.7) leaves out the indentation hint for a text that begins with a line break:
`Literals` knows what such a text was, where the file still shows it.

goccy/go-yaml v1.18.0 (v4.0.5 alone) doubles as Go's `strconv.Quote`, keeps carriage returns in literals and
leaves tabs plain. Its layout is fixed, so `read` takes such a file line by line; what departs from that
layout in anything is not read here.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Collection, Mapping
from typing import Any, NoReturn

from mitmvcr.durations import parse_duration
from mitmvcr.formats import places
from mitmvcr.formats.govcr.emit import HEAD
from mitmvcr.formats.govcr.fields import REQUEST, RESPONSE
from mitmvcr.model import Cassette, Interaction, Request, Response, Source

# A literal without hint whose text begins with an empty line.
_UNHINTED = re.compile(rb"\|[-+]?\n *\n")
# go-vcr wrote every key, also the empty ones, up to v4.0.2; and a hint before text that begins with neither
# space nor line break, or before line breaks only, is the sign of the lost one.
_YAML3 = re.compile(
    rb"^ {8}(?:(?:trailer|form): \{\}|transfer_encoding: \[\]|uncompressed: false)\n"
    rb"|^ {8}(?:remote_addr|request_uri): \"\"\n"
    rb"|^ {8}body: \|4[-+]?\n(?: {12}[^ \n]|\n* {0,11}[^ \n])",
    re.MULTILINE,
)
# From a literal's header to the indentation of its first line that is not empty.
_FIRST_TEXT = re.compile(rb"[^\n]*\n(?: *\n)*( *)")
# A key or dash of go-vcr's own layouts before a literal; no quoted key, no dash before a key.
_OPENED = re.compile(rb"( *)(- |[a-z_]+: )\|")
# Where a line begins that is not empty.
_LINE = re.compile(r"^(?=[^\n])", re.MULTILINE)


class Literals:
    """What the literals of one file mean."""

    def __init__(self, data: bytes, *, yaml3: bool) -> None:
        self._data = data
        self._offsets = places.Offsets(data)
        self._yaml3 = yaml3
        self._before = 0
        self.indent: int | None = None

    @classmethod
    def of(cls, data: bytes) -> Literals | None:
        """None, as nearly always, if every literal in the file means what it says."""
        yaml3 = b": |4" in data and _YAML3.search(data) is not None
        return cls(data, yaml3=yaml3) if yaml3 or _UNHINTED.search(data) else None

    def meant(self, value: str, index: int) -> str:
        """The text of the literal whose `|` is that character; they must be asked for in the file's order."""
        offset = self._offsets.byte(index)
        start = places.line_start(self._data, offset, self._before)
        self._before = offset
        header = self._data[offset : self._data.find(b"\n", offset)]
        if header[1:2].isdigit():
            # A text that began with a space has one; only that and a line break make a hint, and only a
            # line break makes a literal.
            lost = self._yaml3 and header[1:2] == b"4" and (value[:1] != " " or "\n" not in value)
            return "\n" + value if lost else value
        if value[:1] != "\n":
            return value
        deeper = self._first_text_column(offset) - self._text_column(start)
        return _LINE.sub(" " * deeper, value) if deeper > 0 else value

    def _first_text_column(self, offset: int) -> int:
        found = _FIRST_TEXT.match(self._data, offset)
        return len(found[1]) if found else 0

    def _text_column(self, start: int) -> int:
        """Where go-yaml would have put the text of the literal that begins in that line."""
        opened = _OPENED.match(self._data, start)
        step = {0: 2, 4: 4}.get(self.indent if self.indent is not None else -1)
        if opened is None or step is None:
            return sys.maxsize
        return len(opened[1]) + (2 if opened[2] == b"- " else step)


# What goccy/go-yaml's double quotes have as escapes, so that no file of its has it: not tab, LF and CR.
_CONTROL = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
# A byte as `\xff` (YAML: U+00FF), CRLF kept in a literal (YAML: a line break), a plain scalar that begins or
# ends with a tab (YAML: dropped).
_MISREAD = re.compile(rb"\\x[89a-f][0-9a-f]|[:-] \|[-+]?\r|[:-] \t[^\n]|[^\s\"|>]\t\n")

_ID = re.compile(rb"- id: ([0-9]+)\n")
_INTEGER = re.compile(rb" (-?[0-9]{1,18})\n")
# `strconv.Quote`'s text, on one line; whether its escapes are Go's is seen when they are undone.
_QUOTED = re.compile(rb'"((?:[^"\\\r\n]|\\.)*+)"')
# A line that begins as goccy leaves it plain: `#`, `?`, `-`, `:` and tabs too, no quote, no other indicator.
_PLAIN = re.compile(rb"[^\r\n*&\[\]{},!|>%'\"@` ][^\r\n]*")
# A header's or a form's name, with `[]` if it has no values; not `? key`, and none that is a list's item.
_KEY = re.compile(rb' {6}("(?:[^"\\\r\n]|\\.)*+"|[^\s*&\[\]{},!|>%\'"@`?-][^\r\n]*):(?: (\[\]))?\n')
# A literal's header: chomping, no hint, and the line break that goes for all of the text.
_LITERAL = re.compile(rb"\|([-+]?)(\r\n|\n|\r)")
# Go's escapes in small hexadecimals; what the fourth group has and `_NAMED` has not is refused.
_ESCAPE = re.compile(rb"\\(?:x([0-9a-f]{2})|u([0-9a-f]{4})|U([0-9a-f]{8})|(.))")
_NAMED = {b"a": b"\a", b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v"}
_NAMED |= {b'"': b'"', b"\\": b"\\"}

_OPTIONAL = frozenset({"transfer_encoding", "trailer", "remote_addr", "request_uri", "form", "uncompressed"})
"""Fields that are left out where they are empty; of a request also its headers and body."""


class _OtherError(Exception):
    """The file is not one that goccy/go-yaml wrote for go-vcr v4.0.5."""


def is_misread(data: bytes) -> bool:
    """Whether a file may be one that YAML readers load, but not as it was meant."""
    if not data.startswith(HEAD + b"- "):
        return False
    return any(sign in data for sign in (b"\\x", b"\r", b"\t")) and _MISREAD.search(data) is not None


def read(data: bytes) -> Cassette | None:
    """The cassette, or None if the file is not of that version, or has what can't be in any YAML."""
    if not data.startswith(HEAD + b"- ") or _CONTROL.search(data):
        return None
    try:
        data.decode()
        return _GoccyReader(data).cassette()
    except (UnicodeDecodeError, _OtherError):
        return None


class _GoccyReader:
    """A place in the file, moved on by what is read."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = len(HEAD)

    def cassette(self) -> Cassette:
        entries, spans = [], []
        while self._at < len(self._data):
            start = self._at
            entries.append(self._entry())
            spans.append((start, self._at))
        source = Source(self._data, tuple(entries), tuple(spans), 0)
        return Cassette(tuple(entries), source=source)

    def _entry(self) -> Interaction:
        id_ = int(self._match(_ID)[1])
        self._skip(b"  request:\n")
        request = self._fields(REQUEST, _OPTIONAL | {"body", "headers"})
        self._skip(b"  response:\n")
        return Interaction(Request(**request), Response(**self._fields(RESPONSE, _OPTIONAL)), id_)

    def _fields(self, fields: Mapping[str, str], optional: Collection[str]) -> dict[str, Any]:
        values = {}
        for name, kind in fields.items():
            if self._has(f"    {name}:".encode()):
                values[name] = getattr(self, f"_{kind}")()
            elif name not in optional:
                _refuse()
        return values

    def _string(self) -> str:
        return self._scalar().decode("utf-8", "surrogateescape")

    def _integer(self) -> int:
        return int(self._match(_INTEGER)[1])

    def _boolean(self) -> bool:
        self._skip(b" true\n")
        return True

    def _duration(self) -> int:
        try:
            return parse_duration(self._string())
        except ValueError:
            _refuse()

    def _strings(self, pad: bytes = b"    ") -> tuple[str, ...]:
        self._skip(b"\n")
        texts = []
        while self._has(pad + b"-"):
            texts.append(self._scalar(pad + b"  ").decode("utf-8", "surrogateescape"))
        return tuple(texts) if texts else _refuse()

    def _values(self) -> dict[str, tuple[str, ...]]:
        if self._has(b" {}\n"):
            return {}
        self._skip(b"\n")
        values: dict[str, tuple[str, ...]] = {}
        while key := _KEY.match(self._data, self._at):
            raw = _unquote(key[1][1:-1]) if key[1].startswith(b'"') else key[1]
            name = raw.decode("utf-8", "surrogateescape")
            if name in values:
                _refuse()
            self._at = key.end() if key[2] else key.end() - 1
            values[name] = () if key[2] else self._strings(b"      ")
        return values or _refuse()

    def _body(self) -> bytes:
        return self._scalar()

    def _scalar(self, pad: bytes = b"      ") -> bytes:
        """A value behind its colon or dash; the lines of a literal are indented by `pad`."""
        self._skip(b" ")
        header = _LITERAL.match(self._data, self._at)
        if header:
            self._at = header.end()
            if header[2] == b"\r":
                return self._old_mac_literal(header[1], pad[2:])
            return self._literal(header[1], header[2], pad)
        quoted = _QUOTED.match(self._data, self._at)
        value = _unquote(quoted[1]) if quoted else self._match(_PLAIN)[0]
        if quoted:
            self._at = quoted.end()
        self._skip(b"\n")
        return value

    def _literal(self, chomping: bytes, line_break: bytes, pad: bytes) -> bytes:
        lines = []
        while self._at < len(self._data):
            end = self._data.find(b"\n", self._at)
            if end < 0:
                _refuse()
            line = self._data[self._at : end]
            if not line.startswith(pad):
                if line.strip(b" "):
                    break
                # Before its last line break goccy loses as many spaces as the key of the literal is indented.
                line = pad + b" " * (len(line) - 2) if line else pad
            self._at = end + 1
            lines.append(line[len(pad) :].removesuffix(line_break[:-1]))
        if not lines:
            return b"\r" if line_break == b"\r\n" and not chomping else _refuse()
        return line_break.join(lines) + (b"" if chomping == b"-" else line_break)

    def _old_mac_literal(self, chomping: bytes, pad: bytes) -> bytes:
        """Lines that end in a carriage return alone; goccy indents them less."""
        end = self._data.find(b"\n", self._at)
        lines = self._data[self._at : end].split(b"\r")
        if end < 0 or not all(line.startswith(pad) for line in lines):
            _refuse()
        self._at = end + 1
        return b"\r".join(line[len(pad) :] for line in lines) + (b"" if chomping == b"-" else b"\r")

    def _has(self, text: bytes) -> bool:
        if not self._data.startswith(text, self._at):
            return False
        self._at += len(text)
        return True

    def _skip(self, text: bytes) -> None:
        if not self._has(text):
            _refuse()

    def _match(self, pattern: re.Pattern[bytes]) -> re.Match[bytes]:
        found = pattern.match(self._data, self._at)
        if found is None:
            _refuse()
        self._at = found.end()
        return found


def _refuse() -> NoReturn:
    raise _OtherError


def _unquote(text: bytes) -> bytes:
    """What Go's `strconv.Quote` had quoted."""
    return _ESCAPE.sub(_unescape, text) if b"\\" in text else text


def _unescape(found: re.Match[bytes]) -> bytes:
    if found[1]:
        return bytes.fromhex(found[1].decode())
    if found[4]:
        return _NAMED.get(found[4]) or _refuse()
    try:
        return chr(int(found[2] or found[3], 16)).encode()
    except (ValueError, UnicodeEncodeError):
        _refuse()
