"""Where things stand in a file's bytes, from where libyaml finds them in its characters; no YAML."""

from __future__ import annotations

import re

_BOM = b"\xef\xbb\xbf"
_CONTINUATION = bytes(range(0x80, 0xC0))
_GAP = re.compile(rb"(?:[ \t\r\n]|#[^\r\n]*+)*+")
_BREAK = re.compile(rb"\r\n?|\n")


class Offsets:
    """Turns character indices into byte offsets; they must be asked for in rising order.

    libyaml doesn't count a byte order mark at the start. Its own count of lines is of no use: U+0085,
    U+2028 and U+2029 are line breaks to it, and to no editor.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._ascii = data.isascii()
        self._index = 0
        self._byte = len(_BOM) if data.startswith(_BOM) else 0

    def byte(self, index: int) -> int:
        """The offset of the first byte of that character."""
        missing = index - self._index
        if self._ascii:
            self._byte += missing
        else:
            while missing > 0 and self._byte < len(self._data):
                piece = self._data[self._byte : self._byte + missing]
                self._byte += len(piece)
                missing -= len(piece.translate(None, _CONTINUATION))
            while self._byte < len(self._data) and self._data[self._byte] & 0xC0 == 0x80:
                self._byte += 1
        self._index = index
        return self._byte


def line_number(data: bytes, offset: int) -> int:
    """The line, from 1, that an editor shows for that byte."""
    return data.count(b"\n", 0, offset) + 1


def line_start(data: bytes, offset: int, lower: int = 0) -> int:
    """The first byte of the line that holds that byte, which is not sought before `lower`."""
    start = max(data.rfind(b"\n", lower, offset) + 1, lower)
    return max(data.rfind(b"\r", start, offset) + 1, start)


def dash(data: bytes, offset: int, lower: int) -> int | None:
    """The first byte of the line whose first character is the next `-`, behind blanks and comments.

    `lower` is a place before it, not far: going through a file stays linear, whatever its line breaks are.
    """
    found = _GAP.match(data, offset)
    at = found.end() if found else offset
    start = line_start(data, at, lower)
    if data[at : at + 1] != b"-":
        return None
    if start == 0 and data.startswith(_BOM):
        start = len(_BOM)
    return None if data[start:at].strip(b" ") else start


def ends_line(data: bytes) -> bool:
    return data.endswith((b"\n", b"\r"))
