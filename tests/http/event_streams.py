"""AWS's event streams by the rules of their specification, for tests: nothing of what is tested."""

from __future__ import annotations

import struct
import zlib


def header(name: str, value: bytes, kind: int = 7) -> bytes:
    size = struct.pack(">H", len(value)) if kind in (6, 7) else b""
    return bytes([len(name)]) + name.encode() + bytes([kind]) + size + value


HEADERS = header(":event-type", b"chunk") + header(":content-type", b"application/json")


def messages(stream: bytes) -> list[tuple[bytes, bytes]]:
    """Headers and payload of each message, by the specification's rules; fails where one is broken."""
    found = []
    while stream:
        total, size, checksum = struct.unpack_from(">III", stream)
        assert zlib.crc32(stream[:8]) == checksum
        assert 16 + size <= total <= len(stream)
        assert struct.unpack_from(">I", stream, total - 4) == (zlib.crc32(stream[: total - 4]),)
        found.append((stream[12 : 12 + size], stream[12 + size : total - 4]))
        stream = stream[total:]
    return found
