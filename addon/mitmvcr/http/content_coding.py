"""Content codings (RFC 9110, 8.4): which a body is in, undone within a limit, done again; no I/O.

What passes on the wire is in the coding that its header says. What a recorder has stored may not be: many
decode a body and leave the header.
"""

from __future__ import annotations

import gzip
import sys
import zlib
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Protocol

import brotli
import zstandard

from mitmvcr.errors import TooLargeError
from mitmvcr.model import Values

UNLIMITED = sys.maxsize - 1
"""A limit that no body reaches."""

GZIP_MAGIC = b"\x1f\x8b"
"""What gzip begins with, be it whole or damaged (RFC 1952, 2.3.1)."""

MAGIC = {GZIP_MAGIC + b"\x08": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}
"""What bodies in a coding begin with; gzip's third byte is the only method that there is."""

_CODED_NOTHING = (b";", b"\x06")
"""An empty body in brotli, as its encoder and as its specification has it (RFC 7932): bytes that are text."""


def stated_coding(headers: Values) -> str:
    """The Content-Encoding in headers of any spelling, empty if there is none."""
    name = _header_name(tuple(headers))
    return ",".join(headers[name]) if name else ""


@lru_cache(maxsize=256)
def _header_name(names: tuple[str, ...]) -> str:
    return next((name for name in names if name.lower() == "content-encoding"), "")


def _codings(content_encoding: str) -> list[str]:
    """`gzip, BR` → `["gzip", "br"]`, in the order in which they were done, without `identity`."""
    names = [name.strip().lower() for name in content_encoding.split(",")]
    return ["gzip" if name == "x-gzip" else name for name in names if name not in ("", "identity")]


def coding_of(body: bytes) -> str:
    """The coding that bytes begin in, by their magic number; empty for any other."""
    return next((coding for magic, coding in MAGIC.items() if body.startswith(magic)), "")


def actual_coding(body: bytes, content_encoding: str) -> str:
    """What a stored body's bytes are in: what the header says, or its magic number; empty if in nothing.

    A body is decoded already if its coding has a magic number that it lacks, or if it is text.
    """
    if not body:
        return ""
    codings = _codings(content_encoding) if content_encoding else []
    if not codings:
        return coding_of(body)
    if codings[-1] in MAGIC.values():
        return content_encoding if coding_of(body) == codings[-1] else coding_of(body)
    is_decoded = is_text(body) and b"\0" not in body and body not in _CODED_NOTHING
    return "" if is_decoded else content_encoding


def is_text(body: bytes) -> bool:
    """Whether the bytes are UTF-8."""
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


def decode_body(
    body: bytes, content_encoding: str, limit: int = UNLIMITED, *, cut: bool = False
) -> bytes | None:
    """The body without its content codings; None if one is unknown or the bytes are not in it.

    Knows gzip (several members), deflate (with and without zlib's frame), br and zstd, in any order and
    number. `cut` says that the body's end is missing: then it is what can be read. Raises TooLargeError when
    it comes to more than `limit` bytes, and takes no more memory than a few times that.
    """
    for coding in reversed(_codings(content_encoding)):
        decoder = _DECODERS.get(coding)
        if decoder is None:
            return None
        pieces: list[bytes] = []
        room = limit
        try:
            for piece in decoder(body, limit, cut):
                room -= len(piece)
                if room < 0:
                    raise TooLargeError
                pieces.append(piece)
        except (zlib.error, brotli.error, zstandard.ZstdError, EOFError):
            return None
        body = b"".join(pieces)
    return body


def encode_body(body: bytes, content_encoding: str) -> bytes:
    """The body in these codings, which `decode_body` knows; equal bodies give equal bytes."""
    for coding in _codings(content_encoding):
        body = _ENCODERS[coding](body)
    return body


class _Stream(Protocol):
    """One member or frame that is decoded piece by piece."""

    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, /) -> bytes: ...


_LARGEST_SLICE = 4096


def _slices(body: bytes, limit: int, ratio: int) -> Iterator[bytes]:
    """The body in slices that come to no more than the limit, or some MB, each; `ratio`: bytes out of one."""
    step = min(max(limit // ratio, 64), _LARGEST_SLICE)
    return (body[at : at + step] for at in range(0, len(body), step))


def _members(
    pieces: Iterator[bytes], cut: bool, new: Callable[[], _Stream], magic: bytes = b""
) -> Iterator[bytes]:
    """The content of members (gzip) or frames (zstd) that stand one behind the other.

    Behind the first one, what doesn't begin with `magic` is left out, with all that follows.
    """
    stream: _Stream | None = None
    has_ended = False
    for rest in pieces:
        while rest:
            if stream is None and has_ended and not magic.startswith(rest[: len(magic)]):
                return
            stream = stream or new()
            yield stream.decompress(rest)
            if not stream.eof:
                break
            has_ended = True
            rest, stream = stream.unused_data, None  # noqa: PLW2901 - what is behind the member's end
    if stream is not None and not cut:
        raise EOFError


def _gunzip(body: bytes, limit: int, cut: bool) -> Iterator[bytes]:
    # Zeros may fill it up (gzip's manual, "Tapes"); curl, Node and urllib3 read past anything.
    return _members(_slices(body, limit, 1032), cut, lambda: zlib.decompressobj(wbits=31), GZIP_MAGIC)


def _unzstd(body: bytes, limit: int, cut: bool) -> Iterator[bytes]:
    # A block of four bytes may come to 128 KB (RFC 8878, 3.1.1.2).
    return _members(_slices(body, limit, 1 << 15), cut, lambda: zstandard.ZstdDecompressor().decompressobj())


def _has_zlib_frame(body: bytes) -> bool:
    return len(body) > 1 and body[0] & 0x0F == 8 and int.from_bytes(body[:2], "big") % 31 == 0


def _inflate(body: bytes, limit: int, cut: bool) -> Iterator[bytes]:
    stream = zlib.decompressobj(wbits=15 if _has_zlib_frame(body) else -15)
    for piece in _slices(body, limit, 1032):
        yield stream.decompress(piece)
        if stream.eof:
            return
    if body and not cut:
        raise EOFError


_BROTLI_OUTPUT = 1 << 20
_BROTLI_HAS_LIMITS = hasattr(brotli.Decompressor, "can_accept_more_data")  # from 1.2 on


def _unbrotli(body: bytes, limit: int, cut: bool) -> Iterator[bytes]:
    stream = brotli.Decompressor()
    if _BROTLI_HAS_LIMITS:
        piece = stream.process(body, output_buffer_limit=_BROTLI_OUTPUT) if body else b""
        while piece or not (stream.is_finished() or stream.can_accept_more_data()):
            yield piece
            piece = b"" if stream.is_finished() else stream.process(b"", output_buffer_limit=_BROTLI_OUTPUT)
    else:
        for rest in _slices(body, limit, 1_200_000):
            yield stream.process(rest)
    if body and not (stream.is_finished() or cut):
        raise EOFError


_DECODERS: dict[str, Callable[[bytes, int, bool], Iterator[bytes]]] = {
    "gzip": _gunzip,
    "deflate": _inflate,
    "br": _unbrotli,
    "zstd": _unzstd,
}

_ENCODERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": lambda body: gzip.compress(body, mtime=0),
    "deflate": zlib.compress,
    "br": lambda body: bytes(brotli.compress(body)),
    "zstd": lambda body: zstandard.ZstdCompressor().compress(body),
}
