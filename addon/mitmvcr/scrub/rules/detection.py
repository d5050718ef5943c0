"""What a rule has found in a text, how random that is, and where fixed words stand; no rules."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum


class Evidence(Enum):
    """Why a value counts as a secret.

    `SEEN`: it was passed as a credential, or stands under a secret's name in the environment. `SHAPE`: it
    tells itself, by a prefix, a structure or a pattern of the user's. `NAME`: a credential's name stands
    beside it.
    """

    SEEN = "seen"
    SHAPE = "shape"
    NAME = "name"


@dataclass(frozen=True, slots=True)
class Detection:
    """A secret at `start` to `end` (offsets in the text that was read); `value` is it, decoded."""

    start: int
    end: int
    rule: str
    kind: str
    value: bytes
    evidence: Evidence = Evidence.SHAPE


def entropy(value: bytes) -> float:
    """Shannon's entropy in bits per byte, as gitleaks computes it."""
    size = len(value)
    return -sum(n / size * math.log2(n / size) for n in Counter(value).values())


def places(data: bytes, words: bytes) -> Iterator[int]:
    """Where fixed words begin in a text; those that overlap with the ones before don't count."""
    at = data.find(words)
    while at >= 0:
        yield at
        at = data.find(words, at + len(words))
