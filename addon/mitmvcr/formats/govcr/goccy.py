"""Cassettes of go-vcr v4.0.5 whose YAML means something else, or nothing, to YAML readers; reads no others.

That version alone wrote with goccy/go-yaml v1.18.0, which doubles as Go's `strconv.Quote`, keeps carriage
returns in literals and leaves tabs plain. Its layout is fixed, so such a file can be read as it was meant,
line by line; what departs from that layout in anything is not read here.
"""

from __future__ import annotations

import re
from typing import Any, NoReturn

from mitmvcr.durations import parse_duration
from mitmvcr.model import Cassette, Interaction, Request, Response, Source

_HEAD = b"---\nversion: 2\ninteractions:\n"
_CONTROL = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
# A byte as `\xff` (YAML: U+00FF), CRLF kept in a literal (YAML: a line break), a plain scalar that begins or
# ends with a tab (YAML: dropped).
_MISREAD = re.compile(rb"\\x[89a-f][0-9a-f]|[:-] \|[-+]?\r|[:-] \t[^\n]|[^\s\"|>]\t\n")

_ID = re.compile(rb"- id: ([0-9]+)\n")
_INTEGER = re.compile(rb" (-?[0-9]{1,18})\n")
_QUOTED = re.compile(rb'"((?:[^"\\\r\n]|\\.)*+)"')
_PLAIN = re.compile(rb"[^\r\n*&\[\]{},!|>%'\"@` ][^\r\n]*")
_KEY = re.compile(rb' {6}("(?:[^"\\\r\n]|\\.)*+"|[^\s*&\[\]{},!|>%\'"@`?-][^\r\n]*):(?: (\[\]))?\n')
_LITERAL = re.compile(rb"\|([-+]?)(\r\n|\n|\r)")
_ESCAPE = re.compile(rb"\\(?:x([0-9a-f]{2})|u([0-9a-f]{4})|U([0-9a-f]{8})|(.))")
_NAMED = {b"a": b"\a", b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v"}
_NAMED |= {b'"': b'"', b"\\": b"\\"}

# Name, how it is read, whether it is always there.
_REQUEST = (
    ("proto", "text", True),
    ("proto_major", "integer", True),
    ("proto_minor", "integer", True),
    ("content_length", "integer", True),
    ("transfer_encoding", "texts", False),
    ("trailer", "values", False),
    ("host", "text", True),
    ("remote_addr", "text", False),
    ("request_uri", "text", False),
    ("body", "scalar", False),
    ("form", "values", False),
    ("headers", "values", False),
    ("url", "text", True),
    ("method", "text", True),
)
_RESPONSE = (
    ("proto", "text", True),
    ("proto_major", "integer", True),
    ("proto_minor", "integer", True),
    ("transfer_encoding", "texts", False),
    ("trailer", "values", False),
    ("content_length", "integer", True),
    ("uncompressed", "boolean", False),
    ("body", "scalar", True),
    ("headers", "values", True),
    ("status", "text", True),
    ("code", "integer", True),
    ("duration", "duration", True),
)


class _OtherError(Exception):
    """The file is not one that goccy/go-yaml wrote for go-vcr v4.0.5."""


def is_misread(data: bytes) -> bool:
    """Whether a file may be one that YAML readers load, but not as it was meant."""
    if not data.startswith(_HEAD + b"- "):
        return False
    return any(sign in data for sign in (b"\\x", b"\r", b"\t")) and _MISREAD.search(data) is not None


def read(data: bytes) -> Cassette | None:
    """The cassette, or None if the file is not of that version, or has what can't be in any YAML."""
    if not data.startswith(_HEAD + b"- ") or _CONTROL.search(data):
        return None
    try:
        data.decode()
        return _Lines(data).cassette()
    except (UnicodeDecodeError, _OtherError):
        return None


class _Lines:
    """A place in the file, moved on by what is read."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = len(_HEAD)

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
        request = self._fields(_REQUEST)
        self._skip(b"  response:\n")
        return Interaction(Request(**request), Response(**self._fields(_RESPONSE)), id_)

    def _fields(self, fields: tuple[tuple[str, str, bool], ...]) -> dict[str, Any]:
        found = {}
        for name, kind, is_always in fields:
            if self._has(f"    {name}:".encode()):
                found[name] = getattr(self, f"_{kind}")()
            elif is_always:
                _refuse()
        return found

    def _text(self) -> str:
        return self._scalar().decode("utf-8", "surrogateescape")

    def _integer(self) -> int:
        return int(self._match(_INTEGER)[1])

    def _boolean(self) -> bool:
        self._skip(b" true\n")
        return True

    def _duration(self) -> int:
        try:
            return parse_duration(self._text())
        except ValueError:
            _refuse()

    def _texts(self, pad: bytes = b"    ") -> tuple[str, ...]:
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
            values[name] = () if key[2] else self._texts(b"      ")
        return values or _refuse()

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
