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
_LONG_ROW = 5
# How much likelier chance must be, in bits: hexadecimal digits tell less each, few letters could be anything.
_LEAST_HEX, _LEAST, _LEAST_SHORT = 4.0, 13.0, 24.0

# `a1b2c3…`, `fedcba98…`: letters in a row, whatever digits stand between them.
_ROWS = b" ".join(row[::step] for row in (_LETTERS * 2, b"abcdef" * 22) for step in (1, -1))


_HEX = _DIGITS + b"abcdefABCDEF"


def looks_random(value: bytes) -> bool:
    """Whether a value, or a word of it, looks random; false below 8 bytes and for numbers.

    Words are parted by blanks and by what is not ASCII: `Schlüssel`, or a key between Chinese characters.

    True of hexadecimal digits in any number, which may also be a hash: see `looks_like_hash`.
    """
    words = value.split() if value.isascii() else _BETWEEN_WORDS.split(value)
    return _is_random(value) if len(words) == 1 else any(map(_is_random, words))


_BETWEEN_WORDS = re.compile(rb"[\s\x80-\xff]+")


def is_spelled(value: bytes) -> bool:
    """Whether a value's letters are spelled as words are rather than by chance.

    The least that a secret's prefix asks of what is behind it: of 1,000 random values of 16 characters no
    more than one is. Digits speak for neither.
    """
    bare = value[:_LOOKED_AT].translate(None, _OTHERS)
    digits = len(bare) - len(bare.translate(None, _DIGITS))
    by_chance = (len(bare) - digits) * log2(26) + digits * log2(10)
    return digits < len(bare) and _bits_as_words(value[:_LOOKED_AT]) <= by_chance


def looks_like_hash(value: bytes) -> bool:
    """Whether a value is hexadecimal digits and as long as MD5, SHA-1, SHA-2 or a shortened commit."""
    return len(value) in _HASHES and not (value.translate(None, _HEX) or value.isdigit())


_HASHES = frozenset([*range(7, 13), 32, 40, 56, 64, 96, 128])


def _is_random(value: bytes) -> bool:
    head = value[:_LOOKED_AT]
    return (
        len(value) >= _SHORTEST
        and (_is_by_chance(head) or any(map(_is_by_chance, _HEX_PART.findall(head))))
        and _things().fullmatch(value) is None
        and not _is_coded_text(head)
    )


def _is_by_chance(value: bytes) -> bool:
    """Whether the value's letters and digits are likelier by chance than as words."""
    bare = value.translate(None, _OTHERS)
    letters = bare.translate(None, _DIGITS).lower()
    is_hex = len(letters) < len(bare) and not letters.translate(None, b"abcdef")
    choices = 16 if is_hex else 26 if len(letters) == len(bare) else 36
    least = _LEAST_SHORT if len(value) < _LONG else _LEAST_HEX if is_hex else _LEAST
    return (
        _bits_as_words(value) - len(bare) * log2(choices) > least
        and len(set(bare)) >= _FEWEST_LETTERS
        and (letters not in _ROWS if len(letters) >= _LONG_ROW else letters != b"")
    )


# Hexadecimal digits between others than letters: fewer letters to choose from than the value's beginning has.
_HEX_PART = re.compile(rb"(?<![A-Za-z0-9])[0-9a-fA-F]{16,256}(?![A-Za-z0-9])")


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
