"""Packed bytes -> what is in them: content codings and archives, never more than a bound; writes nothing.

A few KB may unpack to gigabytes, so that all of it is bounded, and who asks is told what was not read.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from io import BytesIO

from mitmvcr.errors import MitmvcrError, TooLargeError
from mitmvcr.http.content_coding import MAGIC, actual_coding, coding_of, decode_body
from mitmvcr.http.multipart import body_parts

LIMIT = 64 * 1024 * 1024
"""Bytes that a body, with all that is packed in it, is unpacked to at most."""

_XZ_MEMORY = 256 * 1024 * 1024

_DEPTH = 4
"""Archives within archives that are looked into."""


class PackedError(MitmvcrError):
    """Packed bytes that can't be read; the text says why."""


def unpacked(body: bytes, coding: str, limit: int = LIMIT) -> bytes:
    """The body without its content coding; itself where recorders have decoded it and left the header.

    Raises PackedError if it can't be decoded or is too large.
    """
    coding = actual_coding(body, coding)
    try:
        plain = decode_body(body, coding, limit)
    except TooLargeError:
        raise PackedError(f"{coding}, more than {limit:,} bytes when decompressed") from None
    if plain is None:
        raise PackedError(f"{coding}, {len(body):,} bytes that can't be decompressed")
    return plain


def members(body: bytes) -> Iterator[bytes]:
    """The texts in a body's archives, or in those of its multipart parts: zip, tar, gzip, zstd, bzip2, xz.

    Nothing for any other body. Raises PackedError for one that can't be read, and where there is too much.
    """
    budget = _Budget(LIMIT)
    for part in _parts(body):
        yield from _inside(part, budget, _DEPTH)


def begins_archive(data: bytes) -> bool:
    """Whether bytes begin as an archive, or what a tool has compressed, does."""
    return data.startswith(_MAGIC) or data[257:262] == b"ustar"


def has_archives(body: bytes) -> bool:
    """Whether a body is an archive, or has parts that are."""
    return any(_ARCHIVE.match(part) for part in _parts(body))


# How archives and bzip2's and xz's files begin; tar's sign stands 257 bytes behind the beginning.
_ARCHIVE = re.compile(
    rb"(?P<zip>PK\x03\x04)|(?P<compressed>BZh[1-9]1AY&SY|\xfd7zXZ\0)|(?P<other>7z\xbc\xaf\x27\x1c|Rar!\x1a\x07)"
    rb"|(?P<coding>" + b"|".join(map(re.escape, MAGIC)) + rb")|(?P<tar>.{257}ustar)",
    re.DOTALL,
)


_MAGIC = (b"PK\x03\x04", b"\xfd7zXZ\0", b"7z\xbc\xaf\x27\x1c", b"Rar!\x1a\x07", b"BZh", *MAGIC)


def _parts(body: bytes) -> Iterator[bytes]:
    """What the parts of a multipart body hold, or the body itself."""
    if not body.startswith(b"--"):
        yield body
        return
    for part in body_parts(body):
        if part.content is not None:
            yield part.content


class _Budget:
    """How many bytes may still be unpacked."""

    def __init__(self, left: int) -> None:
        self.left = left

    def take(self, data: bytes, what: str) -> bytes:
        self.left -= len(data)
        if self.left < 0:
            raise PackedError(f"{what} with more than {LIMIT:,} bytes in it")
        return data


def _inside(data: bytes, budget: _Budget, depth: int, *, is_member: bool = False) -> Iterator[bytes]:
    archive = _ARCHIVE.match(data)
    if archive is None:
        if is_member:
            yield data
        return
    if not depth:
        raise PackedError(f"archives in archives, more than {_DEPTH} deep")
    for member in _READERS[archive.lastgroup or ""](data, budget):
        yield from _inside(member, budget, depth - 1, is_member=True)


def _zip(data: bytes, budget: _Budget) -> Iterator[bytes]:
    import zipfile  # noqa: PLC0415 - 10 ms that only a body with an archive costs

    try:
        with zipfile.ZipFile(BytesIO(data)) as archive:
            yield archive.comment
            for info in archive.infolist():
                yield info.filename.encode("utf-8", "surrogateescape") + b"\n" + info.comment
                with archive.open(info) as file:
                    yield budget.take(file.read(budget.left + 1), "a zip archive")
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError, zlib.error) as error:
        # RuntimeError is what zipfile has for a password, NotImplementedError for odd compressions.
        raise PackedError(f"a zip archive that can't be read ({error})") from None


def _tar(data: bytes, budget: _Budget) -> Iterator[bytes]:
    import tarfile  # noqa: PLC0415 - as above

    try:
        with tarfile.open(fileobj=BytesIO(data)) as archive:
            for info in archive:
                yield f"{info.name}\n{info.linkname}".encode("utf-8", "surrogateescape")
                file = archive.extractfile(info) if info.isreg() else None
                if file:
                    yield budget.take(file.read(budget.left + 1), "a tar archive")
    except (tarfile.TarError, OSError, EOFError) as error:
        raise PackedError(f"a tar archive that can't be read ({error})") from None


def _coded(data: bytes, budget: _Budget) -> Iterator[bytes]:
    coding = coding_of(data)
    yield budget.take(unpacked(data, coding, budget.left), coding)


def _compressed(data: bytes, budget: _Budget) -> Iterator[bytes]:
    import bz2  # noqa: PLC0415 - as above
    import lzma  # noqa: PLC0415 - as above

    tool: bz2.BZ2Decompressor | lzma.LZMADecompressor = (
        bz2.BZ2Decompressor() if data.startswith(b"BZ") else lzma.LZMADecompressor(memlimit=_XZ_MEMORY)
    )
    try:
        plain = tool.decompress(data, max_length=budget.left + 1)
    except (OSError, lzma.LZMAError) as error:
        raise PackedError(f"compressed data that can't be read ({error})") from None
    budget.take(plain, "compressed data")
    if not tool.eof or tool.unused_data:
        raise PackedError("compressed data that is cut off, or has more behind it")
    yield plain


def _unknown(_data: bytes, _budget: _Budget) -> Iterator[bytes]:
    raise PackedError("an archive of 7-Zip or RAR, which can't be looked into")


_READERS = {"zip": _zip, "tar": _tar, "coding": _coded, "compressed": _compressed, "other": _unknown}
