"""What a cassette's text is wrapped in (gzip, UTF-16, UTF-32), undone and done again; knows no format.

A byte order mark stays at the front of the text, as that of UTF-8, so that places in it are a file's.
"""

from __future__ import annotations

import gzip
import io
import re
import zlib

from mitmvcr.errors import FormatError
from mitmvcr.http.content_coding import GZIP_MAGIC

MAX_SIZE = 1 << 30
"""Bytes that a compressed cassette may have when it is decompressed."""

_BOM = "\ufeff"
_CODES = ("utf-32-le", "utf-32-be", "utf-16-le", "utf-16-be")
_UNIT = {code: _BOM.encode(code) for code in _CODES}
_LONGEST = 4  # bytes of a character
# What a cassette may begin with, in ASCII: text, blanks and line breaks.
_BEGINNING = re.compile(r"[ -~\t\r\n]+")


def unwrapped(data: bytes, limit: int = MAX_SIZE) -> bytes:
    """The text in UTF-8; the bytes themselves if they are wrapped in nothing.

    Raises FormatError for more than `limit` bytes, for gzip that is damaged or cut short, and for UTF-16 or
    UTF-32 that is none.
    """
    text = _decompressed(data, limit)
    code = _code_of(text)
    if not code:
        return text
    try:
        return text.decode(code).encode()
    except UnicodeError:
        raise FormatError(f"{_title(code)} text that is damaged: fetch the file again") from None


def rewrapped(text: bytes, like: bytes) -> bytes:
    """A text in UTF-8 in what the bytes of another file are wrapped in, which `unwrapped` takes."""
    inner = _decompressed(like, MAX_SIZE)
    code = _code_of(inner)
    if code:
        text = text.decode().encode(code)
    return text if inner is like else gzip.compress(text, mtime=0)


def head(data: bytes, size: int) -> bytes:
    """The first bytes of the text, from the first ones of a file; raises FormatError for damaged gzip."""
    if data.startswith(GZIP_MAGIC):
        try:
            data = zlib.decompressobj(wbits=31).decompress(data[:size], size)
        except zlib.error as error:
            raise FormatError(f"damaged gzip ({error}): fetch the file again") from None
    data = data[:size]
    code = _code_of(data)
    if not code:
        return data
    whole = len(data) - len(data) % len(_UNIT[code])
    return data[:whole].decode(code, "replace").encode()


def title(data: bytes) -> str:
    """What a file's first bytes say that it is wrapped in, in words; empty for plain UTF-8."""
    if data.startswith(GZIP_MAGIC):
        return "compressed"
    return _title(_code_of(data))


def _title(code: str) -> str:
    return code.upper().rpartition("-")[0]


def _code_of(data: bytes) -> str:
    """The code of a text of more than one byte a character; empty for UTF-8.

    By its byte order mark; without one by the zeros of its first characters, which are in ASCII.
    """
    first = data[:_LONGEST]
    marked = next((code for code in _CODES if first.startswith(_UNIT[code])), "")
    if marked or len(first) < _LONGEST or 0 not in first:
        return marked
    return next((code for code in _CODES if _BEGINNING.fullmatch(first.decode(code, "replace"))), "")


def _decompressed(data: bytes, limit: int) -> bytes:
    """The bytes without gzip, by its magic number."""
    if not data.startswith(GZIP_MAGIC):
        return data
    try:
        out = gzip.GzipFile(fileobj=io.BytesIO(data)).read(limit + 1)
    except EOFError:
        raise FormatError("gzip data that ends too early: the file is cut short") from None
    except (OSError, zlib.error) as error:
        raise FormatError(f"damaged gzip ({error}): fetch the file again") from None
    if len(out) > limit:
        raise FormatError(f"more than {limit:,} bytes when decompressed: decompress and split it")
    return out
