"""A value -> whether it looks random, as keys do, or is made of words, numbers and names of things.

Two guesses at how a value came about are compared: letter by letter as words have them (what follows two
letters is in trigrams.bin, counted over prose, code and names), or by chance from the letters that it has.
The logarithm of how much better the second one is, in bits, is all there is to it for words, identifiers,
paths, models' names. What is random and no secret, ids and hashes of things, is told by its look
(rules/things.toml), as far as it can be: 32 hexadecimal digits are a key or an MD5, and only who knows the
name beside them can tell.
"""

from __future__ import annotations

import binascii
import re
import zlib
from functools import cache
from math import log2
from pathlib import Path

from mitmvcr.scrub.rules.tables import rows

SYMBOLS = 28
"""Letters without their case (0 to 25), digits, and all else."""
DIGIT, BOUNDARY = 26, 27

_LETTERS = bytes(range(97, 123))
_DIGITS = b"0123456789"
_OTHERS = bytes({*range(256)} - {*_LETTERS, *_LETTERS.upper(), *_DIGITS})
FOLD = bytes.maketrans(
    _LETTERS + _LETTERS.upper() + _DIGITS + _OTHERS,
    bytes(range(26)) * 2 + bytes([DIGIT] * 10) + bytes([BOUNDARY] * len(_OTHERS)),
)
"""A byte's symbol, for `bytes.translate`."""

BITS = 1.5
"""The unit of the table's costs."""

_SHORTEST = 8
_LONG = 16
# Of longer values the beginning is looked at.
_LOOKED_AT = 256
_FEWEST_LETTERS = 7
# How much likelier chance must be, in bits: hexadecimal digits tell less each, few letters could be anything.
_LEAST_HEX, _LEAST, _LEAST_SHORT = 6.0, 13.0, 24.0

# `a1b2c3…`, `fedcba98…`: letters in a row, whatever digits stand between them.
_ROWS = b" ".join(row[::step] for row in (_LETTERS * 2, b"abcdef" * 22) for step in (1, -1))
_HEX = _DIGITS + b"abcdefABCDEF"


def looks_random(value: bytes) -> bool:
    """Whether a value, or a word of it if it has blanks, looks random; false below 8 bytes and for numbers.

    True of hexadecimal digits in any number, which may also be a hash: see `looks_like_hash`.
    """
    words = value.split()
    return _is_random(value) if len(words) == 1 else any(map(_is_random, words))


def looks_like_hash(value: bytes) -> bool:
    """Whether a value is hexadecimal digits and as long as MD5, SHA-1, SHA-2 or a shortened commit."""
    return len(value) in _HASHES and not (value.translate(None, _HEX) or value.isdigit())


_HASHES = frozenset([*range(7, 13), 32, 40, 56, 64, 96, 128])


def _is_random(value: bytes) -> bool:
    if len(value) < _SHORTEST:
        return False
    head = value[:_LOOKED_AT]
    bare = head.translate(None, _OTHERS)
    digits = len(bare) - len(bare.translate(None, _DIGITS))
    is_hex = digits > 0 and not bare.translate(None, _HEX)
    letters = 16 if is_hex else 26 if not digits else 36
    least = _LEAST_SHORT if len(value) < _LONG else _LEAST_HEX if is_hex else _LEAST
    return (
        _bits_as_words(head) - len(bare) * log2(letters) > least
        and len(set(bare)) >= _FEWEST_LETTERS
        and bare.translate(None, _DIGITS).lower() not in _ROWS
        and _things().fullmatch(value) is None
        and not _is_coded_text(head)
    )


def _bits_as_words(value: bytes) -> float:
    """What a value costs in bits, if each letter follows the two before as in words; less is likelier."""
    levels, states = _table()
    level = 0
    state = (BOUNDARY * SYMBOLS + BOUNDARY) * SYMBOLS
    for symbol in value.translate(FOLD):
        state += symbol
        level += levels[state]
        state = states[state]
    return level * BITS


@cache
def _table() -> tuple[bytes, list[int]]:
    """What a symbol costs behind two others, and where the row of the last two begins."""
    levels = zlib.decompress(Path(__file__).with_name("trigrams.bin").read_bytes())
    return levels, [number % SYMBOLS**2 * SYMBOLS for number in range(SYMBOLS**3)]


@cache
def _things() -> re.Pattern[bytes]:
    """What a number, an address, a place or an id looks like, all kinds of rules/things.toml."""
    return re.compile("|".join(f"(?:{row['pattern']})" for row in rows("things").values()).encode())


def _is_coded_text(value: bytes) -> bool:
    """Whether a value is Base64 of a text in words: of 12 random bytes hardly any are all printable."""
    try:
        text = binascii.a2b_base64(value[: len(value) // 4 * 4].translate(_STANDARD), strict_mode=True)
        plain = text.decode()
    except ValueError:
        return False
    return plain.replace("\n", "").replace("\t", "").isprintable() and not looks_random(text)


_STANDARD = bytes.maketrans(b"-_", b"+/")
