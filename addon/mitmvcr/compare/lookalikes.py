"""Two texts that look the same and are not: what makes them so, and how that is made to be seen; no I/O."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from itertools import islice

from mitmvcr.compare.json_diff import common_end, common_start

# What has no look of its own: format characters, joiners, fillers, variation selectors, tags, and every blank
# but the space (Default_Ignorable_Code_Point and White_Space of Unicode 16.0); no control characters.
INVISIBLE = re.compile(
    "[\xa0\xad\u034f\u061c\u115f\u1160\u1680\u17b4\u17b5\u180b-\u180f\u2000-\u200f\u2028-\u202f\u205f-\u206f"
    "\u3000\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0000-\U000e0fff]"
)

# Letters and signs that look like ASCII's in most fonts; which, says the string at the same place. What NFKD
# takes apart (full width, mathematical, ligatures) is not among them.
_LIKE = str.maketrans(
    "АВЕКМНОРСТУХЅІЈҮаеорсухѕіјһԁԛԝΑΒΕΖΗΙΚΜΝΟΡΤΥΧαορνυιγχԌӏɑɡıʼ‘’‛′“”″‐‑‒–—―−∕⁄∶։ᅳ",  # noqa: RUF001
    "ABEKMHOPCTYXSIJYaeopcyxsijhdqwABEZHIKMNOPTYXaopvuiyxGlagi'''''\"\"\"-------//::-",
)

_BEYOND_ASCII = re.compile(r"[^\x00-\x7f]")
# Marks that stand on the character before them.
_COMBINING = re.compile("[\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]")

_MARKS_DIFFER = "only combining marks differ"

_LONGEST = 1 << 16
"""Characters of differing texts that are looked at closely."""

_NAMED = 2  # characters whose code points are told


def likeness(first: str, second: str) -> str:
    """What makes two different texts look the same; empty if they don't."""
    if first.split() == second.split():
        return "only white space differs"
    if unicodedata.normalize("NFC", first) == unicodedata.normalize("NFC", second):
        return "the same text in another Unicode form"
    same_looks = _same_looks(*_apart(first, second))
    if not same_looks and first.casefold() == second.casefold():
        return "only upper and lower case differ"
    return same_looks


def _apart(first: str, second: str) -> tuple[str, str]:
    """The texts without what they begin and end with in common."""
    start = common_start(first, second)
    end = common_end(first[start:], second[start:])
    return first[start : len(first) - end], second[start : len(second) - end]


def _same_looks(first: str, second: str) -> str:
    if max(len(first), len(second)) > _LONGEST:
        return ""
    bare, other = INVISIBLE.sub("", first), INVISIBLE.sub("", second)
    if bare == other:
        return f"only characters that can't be seen differ: {_names(_invisible(first, second))}"
    if _skeleton(bare) == _skeleton(other):
        return f"the texts look alike: {_names(_pairs(bare, other))}".removesuffix(": ")
    return _MARKS_DIFFER if _unmarked(bare) == _unmarked(other) else ""


def seen(text: str, note: str) -> str:
    """The text with what looks the same escaped, where `note` (of `likeness`) says that something does."""
    if not note:
        return text
    pattern = _COMBINING if note == _MARKS_DIFFER else _BEYOND_ASCII
    return pattern.sub(_escaped, text)


def seen_apart(first: str, second: str) -> tuple[str, str]:
    """The texts with what can't be seen escaped, where they don't have the same of it."""
    if INVISIBLE.findall(first) == INVISIBLE.findall(second):
        return first, second
    return INVISIBLE.sub(_escaped, first), INVISIBLE.sub(_escaped, second)


def _escaped(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _skeleton(text: str) -> str:
    return unicodedata.normalize("NFKD", text).translate(_LIKE)


def _unmarked(text: str) -> str:
    return _COMBINING.sub("", unicodedata.normalize("NFD", text))


def _invisible(first: str, second: str) -> Iterator[str]:
    for text, other in ((first, second), (second, first)):
        for char in dict.fromkeys(INVISIBLE.findall(text)):
            if text.count(char) > other.count(char):
                yield _name(char)


def _pairs(first: str, second: str) -> Iterator[str]:
    """Characters that differ, where both texts have as many."""
    if len(first) == len(second):
        for left, right in dict.fromkeys(zip(first, second, strict=True)):
            if left != right:
                yield f"{_name(left)} and {_name(right)}"


def _names(names: Iterator[str]) -> str:
    named = list(islice(names, _NAMED + 1))
    return ", ".join(named[:_NAMED]) + (", …" if len(named) > _NAMED else "")


def _name(char: str) -> str:
    return f"U+{ord(char):04X} {unicodedata.name(char, '')}".rstrip()
