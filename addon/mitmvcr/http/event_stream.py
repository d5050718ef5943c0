"""AWS's event streams (`application/vnd.amazon.eventstream`): frames with lengths and checksums; no I/O.

A frame is its length and that of its headers (four bytes each, big-endian), the CRC32 of these eight, the
headers, the payload, and the CRC32 of all before (smithy.io, "Amazon Event Stream Specification"). Whoever
changes a payload or a header's text makes these anew.

A model's answer comes in many frames, one JSON each, as the events of an SSE stream do. `EventText` is that
stream: what looks for secrets reads it and need not know frames.
"""

from __future__ import annotations

import base64
import binascii
import re
import struct
import zlib
from bisect import bisect_right
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

_PRELUDE = struct.Struct(">III")
_CRC = struct.Struct(">I")
_LARGEST = 24 << 20  # bytes of a frame: no more than 16 MB of payload and 128 KB of headers are allowed
_SHORTEST_TEXT = 16  # bytes of a header's text that may be a secret

# The bytes of a header's value by its type; texts (7) and bytes (6) have two bytes of length in front.
_FIXED = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}
_WITH_LENGTH = (6, 7)


class Patch(NamedTuple):
    """Bytes of the stream, from `start` to `end`, that get others."""

    start: int
    end: int
    new: bytes


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame's places in its stream: `start` and `end`, its payload's, and those of its headers' texts.

    `end` is the stream's where that breaks off in the frame, or what follows is none.
    """

    start: int
    end: int
    payload: tuple[int, int]
    texts: tuple[tuple[int, int], ...] = ()


def sealed(headers: bytes, payload: bytes) -> bytes:
    """A frame of headers, as they are on the wire, and a payload."""
    lengths = struct.pack(">II", len(headers) + len(payload) + 16, len(headers))
    front = lengths + _CRC.pack(zlib.crc32(lengths)) + headers + payload
    return front + _CRC.pack(zlib.crc32(front))


def is_event_stream(body: bytes) -> bool:
    """Whether a body begins with a frame's lengths and their checksum."""
    if len(body) < _PRELUDE.size or body[0] > _LARGEST >> 24:  # as every text's first byte is
        return False
    total, headers, checksum = _PRELUDE.unpack_from(body)
    return bool(16 + headers <= total <= _LARGEST and zlib.crc32(body[:8]) == checksum)


def frames(stream: bytes) -> Iterator[Frame]:
    """The stream's frames in their order; what is behind the last whole one is one more."""
    at = 0
    while at < len(stream):
        end = len(stream)
        if not is_event_stream(stream[at : at + _PRELUDE.size]):
            yield Frame(at, end, (at, end))
            return
        total, headers, _ = _PRELUDE.unpack_from(stream, at)
        start = at + _PRELUDE.size + headers
        payload = (min(start, end), max(min(at + total - _CRC.size, end), min(start, end)))
        yield Frame(at, min(at + total, end), payload, _header_texts(stream, at + _PRELUDE.size, payload[0]))
        at += total


def _header_texts(stream: bytes, at: int, end: int) -> tuple[tuple[int, int], ...]:
    """The places of the headers' texts; none behind a header that is no header."""
    found = []
    while at < end:
        at += 1 + stream[at]  # behind the name
        if at >= end:
            break
        kind = stream[at]
        at += 1
        if kind in _WITH_LENGTH:
            size = int.from_bytes(stream[at : at + 2], "big")
            at += 2
            if at + size > end:
                break
            found.append((at, at + size))
            at += size
        elif kind in _FIXED:
            at += _FIXED[kind]
        else:
            break
    return tuple(found)


def sealing(stream: bytes, patches: Sequence[Patch]) -> list[Patch]:
    """What must be put right when payloads and headers' texts are patched: lengths and checksums.

    Each patch lies within one payload or one text; they don't overlap.
    """
    out: list[Patch] = []
    waiting = deque(sorted(patches))
    for frame in frames(stream) if waiting else ():
        own = []
        while waiting and waiting[0].end <= frame.end:
            own.append(waiting.popleft())
        if own and is_event_stream(stream[frame.start : frame.start + _PRELUDE.size]):
            out += _sealing(stream, frame, own)
    return out


def _sealing(stream: bytes, frame: Frame, patches: Sequence[Patch]) -> Iterator[Patch]:
    total, headers, _ = _PRELUDE.unpack_from(stream, frame.start)
    lengths = []
    grown = 0  # of the headers
    for start, end in frame.texts:
        own = [patch for patch in patches if start <= patch.start and patch.end <= end]
        more = sum(map(_growth, own))
        if more:
            lengths.append(Patch(start - 2, start, (end - start + more).to_bytes(2, "big")))
            grown += more
    yield from lengths
    lengths_anew = struct.pack(">II", total + sum(map(_growth, patches)), headers + grown)
    prelude = lengths_anew + _CRC.pack(zlib.crc32(lengths_anew))
    yield Patch(frame.start, frame.start + _PRELUDE.size, prelude)
    checksum_at = frame.payload[1]
    inside = patched(stream, [*patches, *lengths], frame.start + _PRELUDE.size, checksum_at)
    checksum = _CRC.pack(zlib.crc32(prelude + inside))
    yield Patch(checksum_at, frame.end, checksum[: frame.end - checksum_at])


def _growth(patch: Patch) -> int:
    return len(patch.new) - (patch.end - patch.start)


def patched(stream: bytes, patches: Sequence[Patch], start: int = 0, end: int | None = None) -> bytes:
    """A part of the stream with the patches in it made."""
    end = len(stream) if end is None else end
    out: list[bytes] = []
    for patch in sorted(patches):
        if start <= patch.start and patch.end <= end:
            out += stream[start : patch.start], patch.new
            start = patch.end
    return b"".join([*out, stream[start:end]])


# Where a frame has the model's JSON in Base64 (Bedrock's InvokeModelWithResponseStream).
_CODED = re.compile(rb'"bytes"\s{0,16}+:\s{0,16}+"([A-Za-z0-9+/]{0,33554432}+={0,2}+)"')
_ONE_LINE = bytes.maketrans(b"\r\n", b"  ")


class _Piece(NamedTuple):
    """A stretch of the text: where it stands there, and where in the stream; `coded` in Base64 there."""

    at: int
    text: bytes
    start: int
    end: int
    coded: bool = False


@dataclass(frozen=True, slots=True)
class EventText:
    """A stream's frames as the events of an SSE stream, and the way back to the frames.

    A payload is an event's data in one line, a header's text is a comment in front of it; what a frame has in
    Base64 is decoded.
    """

    text: bytes
    _stream: bytes = field(repr=False)
    _pieces: tuple[_Piece, ...] = field(repr=False)

    @classmethod
    def of(cls, stream: bytes) -> EventText:
        """The text of a body that begins as `is_event_stream` says."""
        out: list[bytes] = []
        pieces: list[_Piece] = []
        size = 0

        def add(front: bytes, text: bytes, start: int, end: int, *, coded: bool = False) -> None:
            nonlocal size
            out.extend((front, text.translate(_ONE_LINE)))
            pieces.append(_Piece(size + len(front), text, start, end, coded))
            size += len(front) + len(text)

        for frame in frames(stream):
            for start, end in frame.texts:
                if end - start >= _SHORTEST_TEXT:
                    add(b"\n: ", stream[start:end], start, end)
            start, end = frame.payload
            text = stream[start:end]
            coded = _CODED.search(text)
            plain = _decoded(coded[1]) if coded else None
            if coded and plain is not None:
                add(b"\n: ", text[: coded.start(1)], start, start + coded.start(1))
                add(b"\ndata: ", plain, start + coded.start(1), start + coded.end(1), coded=True)
                add(b"\n: ", text[coded.end(1) :], start + coded.end(1), end)
            else:
                add(b"\ndata: ", text, start, end)
            out.append(b"\n")
            size += 1
        return cls(b"".join(out), stream, tuple(pieces))

    def back(self, changes: Sequence[Patch]) -> tuple[list[Patch], list[Patch]]:
        """The patches of the stream that changes of the text come to, one each, and what they make necessary.

        Of several changes in one Base64 the first one makes all of them, and the others nothing.
        """
        pieces = [
            self._pieces[max(bisect_right(self._pieces, change.start, key=lambda piece: piece.at) - 1, 0)]
            for change in changes
        ]
        in_base64: dict[_Piece, list[Patch]] = {}
        for piece, change in zip(pieces, changes, strict=True):
            if piece.coded:
                in_base64.setdefault(piece, []).append(_within(piece, change))
        patches = []
        for piece, change in zip(pieces, changes, strict=True):
            if not piece.coded:
                inner = _within(piece, change)
                patches.append(Patch(piece.start + inner.start, piece.start + inner.end, change.new))
            elif own := in_base64.pop(piece, []):
                patches.append(Patch(piece.start, piece.end, base64.b64encode(patched(piece.text, own))))
            else:
                patches.append(Patch(piece.end, piece.end, b""))
        return patches, sealing(self._stream, patches)


def as_text(body: bytes) -> bytes:
    """The body as it is read: an event stream's events, any other itself."""
    return EventText.of(body).text if is_event_stream(body) else body


def _within(piece: _Piece, change: Patch) -> Patch:
    """A change of the text as one of the piece that it is in."""
    start, end = max(change.start - piece.at, 0), min(change.end - piece.at, len(piece.text))
    return Patch(min(start, len(piece.text)), max(end, start), change.new)


def _decoded(text: bytes) -> bytes | None:
    """What Base64 stands for, if that is JSON's text."""
    try:
        plain = binascii.a2b_base64(text, strict_mode=True)
        plain.decode()
    except ValueError:
        return None
    return plain if plain.lstrip()[:1] in (b"{", b"[") else None
