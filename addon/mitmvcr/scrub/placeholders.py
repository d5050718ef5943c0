"""Values that stand where a secret would and are none: ours, other tools', test suites', counts and flags."""

from __future__ import annotations

import re
from functools import cache
from itertools import pairwise

from mitmvcr.scrub.rules.tables import compiled, rows

MARK = re.compile(rb"REDACTED-([a-z][a-z0-9]*)-([0-9]+)")
"""Our own replacement: its kind and its number in the cassette."""

_LONGEST = 64
"""Longer values (in bytes) are not taken for placeholders of words or masks."""


@cache
def _patterns() -> dict[str, re.Pattern[bytes]]:
    """Of `dummy` words, `fact`s and `redacted` values."""
    table = rows("placeholders")
    return {name: compiled("|".join(row["any_of"]), any_case=True) for name, row in table.items()}


_FEW = 3
_STEADY = 0.8


def is_dummy(value: bytes) -> bool:
    """Whether a value is nothing but such words, one character many times, or characters in a row.

    `sk-xxxx…`, `sk-test-1234567890`, `<your key>`. Of values of 16 random letters and digits less than one
    in 10^11 is: four of five neighbours would have to follow each other.
    """
    rest = _patterns()["dummy"].sub(b"", value).lower()
    if len(rest) <= _FEW:
        return True
    steps = sum(_follows(left, right) for left, right in pairwise(rest))
    return steps >= _STEADY * (len(rest) - 1)


_ROUND = frozenset([b"90", b"9a", b"0a", b"z0", b"z1", b"za", b"f0", b"f1", b"01", b"0f"])


def _follows(left: int, right: int) -> bool:
    return right - left in (0, 1) or bytes((left, right)) in _ROUND


# 16 letters and digits in a row, a digit among them: too random for such a word to make it harmless.
_RANDOM = re.compile(rb"(?=[A-Za-z]{0,15}[0-9])[A-Za-z0-9]{16}")
# Up to five words of one case each, a short number behind: `test-key`, `my_key_12`; no `aB3dE5`.
_PLAIN_WORDS = re.compile(
    rb"(?:[a-z]{1,15}|[A-Z]{1,15})(?:[-_. ](?:[a-z]{1,15}|[A-Z]{1,15})){0,4}[-_ ]?[0-9]{0,3}"
)


def is_fact(value: bytes) -> bool:
    """Whether a value is a count, a time, a flag, a mask or a variable's name: never anybody's secret."""
    return len(value) <= _LONGEST and _patterns()["fact"].fullmatch(value) is not None


def is_redacted(value: bytes) -> bool:
    """Whether another tool, or the author, has put a word or a mask in a secret's place."""
    if len(value) > _LONGEST:
        return False
    return (
        _patterns()["redacted"].search(value) is not None and not _RANDOM.search(value)
    ) or not value.strip(b"*.xX# ")


def is_placeholder(value: bytes, kind: str) -> bool:
    """Whether a credential's value is one that a recording may show.

    `test-key` is, but an organization's name may be words, and a cookie's value anything.
    """
    if len(value) > _LONGEST:
        return False
    if is_fact(value) or is_redacted(value):
        return True
    return kind == "token" and (_PLAIN_WORDS.fullmatch(value) is not None or is_dummy(value))
