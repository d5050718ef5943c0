"""Text -> the runs in it that are Base64, hexadecimal or the like of another text or of an archive, decoded.

Only the beginning of a run is decoded to tell: images, audio and vectors, which are most of what is in
Base64, begin with bytes that no text begins with.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from mitmvcr.scrub.detect.archives import begins_archive
from mitmvcr.scrub.rules.phrases import decode_base64

SHORTEST = 24
"""The shortest run (in characters) that is decoded: no key that a rule knows has fewer in Base64."""


@dataclass(frozen=True, slots=True)
class CodedRun:
    """A run from `start` to `end` and what it stands for, which is packed if `is_archive`."""

    start: int
    end: int
    plain: bytes
    is_archive: bool = False


# Base64 of either alphabet, and with it hexadecimal and Base32: a line, or lines as MIME and PEM have
# them. What stands for a text or an archive begins with none of `+ - _`, which may stand in front of it.
_RUN = re.compile(rb"[A-Za-z0-9/][A-Za-z0-9+/_-]{23,}+={0,6}")
_NEXT_LINE = re.compile(rb"\r?\n[ \t]{0,64}([A-Za-z0-9+/_-]{1,256}+={0,6})(?![A-Za-z0-9+/_=-])")
_WIDTHS = frozenset([60, 64, 72, 76])
"""The lengths of lines of Base64."""

# Hexadecimal digits in pairs, with colons between, as tools print keys.
_PAIRS = re.compile(rb"(?<![0-9A-Fa-f])[0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2}){11,}+(?![0-9A-Fa-f])")
# Codes of characters in a list.
_CODES = re.compile(rb"(?<![0-9.])[0-9]{2,3}(?:,[ ]?[0-9]{2,3}){11,}+(?![0-9.])")
_HEX = b"0123456789abcdefABCDEF"
_BASE32 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567="


def may_be_coded(run: bytes) -> bool:
    """Whether a run of token characters may hold any; never a wrong no."""
    return len(run) >= SHORTEST and any(_plain_head(found) for found in _RUN.findall(run))


def coded_runs(text: bytes) -> Iterator[CodedRun]:
    """The runs of a text that stand for another text, or for an archive."""
    at = tried = 0
    for found in _RUN.finditer(text):
        if found.start() < at:
            continue
        decode = _plain_head(found.group())
        if decode is None:
            continue
        # Lines that were tried together and stand for nothing are tried by themselves.
        ends = [found.end()] if found.start() < tried else _ends(text, found)
        tried = max(tried, ends[0])
        for end in ends:
            plain = decode(_without_breaks(text[found.start() : end]))
            if plain and (begins_archive(plain) or _is_text(plain)):
                at = end
                yield CodedRun(found.start(), end, plain, begins_archive(plain))
                break
    yield from other_runs(text)


def other_runs(text: bytes) -> Iterator[CodedRun]:
    """The runs of codes with something between them."""
    if _THREE_PAIRS.search(text):
        for found in _PAIRS.finditer(text):
            yield CodedRun(*found.span(), bytes.fromhex(found.group().replace(b":", b"").decode()))
    if _THREE_CODES.search(text):
        for found in _CODES.finditer(text):
            codes = [int(code) for code in found.group().split(b",")]
            if max(codes) < 127:
                yield CodedRun(*found.span(), bytes(codes))


# What tells quickly that there are none.
_THREE_PAIRS = re.compile(rb":[0-9A-Fa-f]{2}:[0-9A-Fa-f]{2}:")
_THREE_CODES = re.compile(rb",[ ]?[0-9]{2,3},[ ]?[0-9]{2,3},[ ]?[0-9]{2,3},")

Decoder = Callable[[bytes], bytes | None]


def _plain_head(run: bytes) -> Decoder | None:
    """What decodes a run, told by its beginning; None if that stands for no text and no archive."""
    head = run[:SHORTEST]
    if not head.strip(_HEX):
        return _from_hex if _begins_text(bytes.fromhex(head.decode())) else None
    if _begins_text(binascii.a2b_base64(head.translate(_STANDARD))):
        return decode_base64
    if not head.strip(_BASE32):
        return _from_base32 if _begins_text(_from_base32(head) or b"\0") else None
    # Of tar's files the sign stands behind the first one's name.
    if len(run) >= _TAR_BLOCK and begins_archive(decode_base64(run[:_TAR_BLOCK]) or b""):
        return decode_base64
    return None


def _begins_text(plain: bytes) -> bool:
    return not plain.translate(None, _PRINTABLE) or _is_wide(plain) or begins_archive(plain)


_STANDARD = bytes.maketrans(b"-_", b"+/")
_TAR_BLOCK = 684
"""The 512 bytes of tar's first header, in Base64."""


def _from_hex(text: bytes) -> bytes | None:
    if len(text) % 2 or text.strip(_HEX):
        return None
    return bytes.fromhex(text.decode())


def _from_base32(text: bytes) -> bytes | None:
    text = text.rstrip(b"=")
    if text.strip(_BASE32):
        return None
    text = text[: len(text) // 8 * 8 + _BASE32_REST[len(text) % 8]]
    try:
        return base64.b32decode(text + b"=" * (-len(text) % 8))
    except binascii.Error:
        return None


_BASE32_REST = (0, 0, 2, 2, 4, 5, 5, 7)
"""How many characters behind the last eight stand for whole bytes."""


def _is_text(plain: bytes) -> bool:
    """Whether bytes are text: UTF-8 without control characters, or UTF-16 of mostly ASCII."""
    if _is_wide(plain):
        return True
    try:
        plain.decode()
    except UnicodeDecodeError:
        return False
    return not plain.translate(None, _PRINTABLE)


def _is_wide(plain: bytes) -> bool:
    return plain.startswith((b"\xff\xfe", b"\xfe\xff")) or not plain[1:16:2].strip(b"\0")


_PRINTABLE = bytes([9, 10, 12, 13, *range(0x20, 0x7F), *range(0x80, 0x100)])


def _ends(text: bytes, first: re.Match[bytes]) -> list[int]:
    """Where a run may end: behind lines of one length and a shorter one, which may be a word of its own."""
    width, end = first.end() - first.start(), first.end()
    lines = [end]
    while width in _WIDTHS and (line := _NEXT_LINE.match(text, end)) and len(line[1]) <= width:
        end = line.end()
        lines.append(end)
        if len(line[1]) < width:
            break
    return list(dict.fromkeys((*lines[-1:-3:-1], first.end())))


def _without_breaks(text: bytes) -> bytes:
    return text.translate(None, b" \t\r\n") if b"\n" in text else text
