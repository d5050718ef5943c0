"""Text -> where long runs of token characters stand in it: what may be a secret is in one of them.

The text is mapped to two letters (token character or not) and runs are found by `bytes.find`: 2 ns a
byte, and in JSON and prose a fifth of the bytes is left to look at.
"""

from __future__ import annotations

import re
from collections.abc import Container

SHORTEST = 12
"""The shortest token that is looked at; no rule has a shorter one that is told by its looks."""

TOKEN = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~:+/="
BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=-_"

BLOB = 512
"""From this length a stretch of Base64 is taken for data, in which short literals stand by chance."""

BREAK = b"{"
"""No secret that a run tells goes over it, nor does the name in front that tells of a secret: neither the
rules' shapes nor names and what may stand between a name and its value have it, nor have fixed words."""

Span = tuple[int, int]


def _class(letters: bytes) -> bytes:
    return bytes(ord("a") if byte in letters else ord(" ") for byte in range(256))


_TOKEN_CLASS = _class(TOKEN)
_BASE64_CLASS = _class(BASE64)


def token_runs(data: bytes, but: Container[bytes] = ()) -> list[Span]:
    """The runs of token characters, SHORTEST and longer, without those that are in `but`."""
    return _runs(data, _TOKEN_CLASS, SHORTEST, but)


def blobs(data: bytes) -> list[Span]:
    """The stretches of Base64, BLOB and longer."""
    return _runs(data, _BASE64_CLASS, BLOB, ())


def _runs(data: bytes, letters: bytes, shortest: int, but: Container[bytes]) -> list[Span]:
    mapped = data.translate(letters)
    find = mapped.find
    wanted = b"a" * shortest
    out = []
    start = find(wanted)
    while start >= 0:
        end = find(b" ", start + shortest)
        if end < 0:
            end = len(mapped)
        if data[start:end] not in but:
            out.append((start, end))
        start = find(wanted, end)
    return out


# A long list of numbers, of which nothing but its digits is left out.
_VECTOR = re.compile(rb"\[[-+0-9.eE,\s]{4096,}+\]")


def without_vectors(data: bytes) -> bytes:
    """The text without vectors, most of what embeddings are; a list of whole numbers may be of codes."""
    if len(data) <= _LARGE:
        return data

    def bare(found: re.Match[bytes]) -> bytes:
        return b"[]" if data.find(b".", *found.span()) >= 0 else found.group()

    return _VECTOR.sub(bare, data)


_LARGE = 16 * 1024


def longest_token(value: bytes) -> bytes:
    """The longest run of token characters in a value."""
    mapped = value.translate(_TOKEN_CLASS)
    best = max(mapped.split(), key=len, default=b"")
    at = mapped.find(best)
    return value[at : at + len(best)]
