"""What a rule has found in a text, and how random that is; no rules and no texts."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Detection:
    """A secret at `start` to `end` (offsets in the text that was read); `value` is it, decoded."""

    start: int
    end: int
    rule: str
    kind: str
    value: bytes


def entropy(value: bytes) -> float:
    """Shannon's entropy in bits per byte, as gitleaks computes it."""
    size = len(value)
    return -sum(n / size * math.log2(n / size) for n in Counter(value).values())
