"""Places in a file: libyaml's characters, the file's bytes and an editor's lines; reads nothing."""

from __future__ import annotations

_BOM = b"\xef\xbb\xbf"
_CONTINUATION = bytes(range(0x80, 0xC0))


class Offsets:
    """Turns character indices into byte offsets; they must be asked for in rising order.

    libyaml doesn't count a byte order mark at the start. Its own count of lines is of no use: U+0085,
    U+2028 and U+2029 are line breaks to it, and to no editor.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._ascii = data.isascii()
        self._index = 0
        self._byte = text_start(data)

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


def text_start(data: bytes) -> int:
    """The first byte behind a byte order mark."""
    return len(_BOM) if data.startswith(_BOM) else 0


def line_number(data: bytes, offset: int) -> int:
    """The line, from 1, that an editor shows for that byte."""
    return data.count(b"\n", 0, offset) + 1


def line_start(data: bytes, offset: int, lower: int = 0) -> int:
    """The first byte of the line that holds that byte, which is not sought before `lower`."""
    start = max(data.rfind(b"\n", lower, offset) + 1, lower)
    return max(data.rfind(b"\r", start, offset) + 1, start)


def ends_line(data: bytes) -> bool:
    """Whether the last line has its line break."""
    return data.endswith((b"\n", b"\r"))
