"""Literals that some writers of go-vcr's YAML wrote so that no reader gets back what was meant; no others.

go-yaml v3.0.1 (go-vcr up to v4.0.4) wrote a first line break of the text as the end of the `|4` line, and
go-yaml v4.0.0-rc.6 (v4.0.7) leaves out the indentation hint for a text that begins with a line break. Where
such a file still shows what was meant, it is read so; see also `goccy`.
"""

from __future__ import annotations

import re
import sys

from mitmvcr.formats.govcr import spans

_UNHINTED = re.compile(rb"\|[-+]?\n *\n")
# go-vcr wrote every key, also the empty ones, up to v4.0.2; and a hint before text that begins with neither
# space nor line break, or before line breaks only, is the sign of the lost one.
_YAML3 = re.compile(
    rb"^ {8}(?:(?:trailer|form): \{\}|transfer_encoding: \[\]|uncompressed: false)\n"
    rb"|^ {8}(?:remote_addr|request_uri): \"\"\n"
    rb"|^ {8}body: \|4[-+]?\n(?: {12}[^ \n]|\n* {0,11}[^ \n])",
    re.MULTILINE,
)
_FIRST_TEXT = re.compile(rb"[^\n]*\n(?: *\n)*( *)")
_OPENED = re.compile(rb"( *)(- |[a-z_]+: )\|")
_LINE = re.compile(r"^(?=[^\n])", re.MULTILINE)


class Literals:
    """What the literals of one file mean."""

    def __init__(self, data: bytes, *, yaml3: bool) -> None:
        self._data = data
        self._offsets = spans.Offsets(data)
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
        start = spans.line_start(self._data, offset, self._before)
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
