"""Where a secret stands in a text, and how several such places become one list."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Hit:
    """A secret at `start` to `end` (offsets in the text that was scanned); `value` is it, decoded."""

    start: int
    end: int
    rule: str
    kind: str
    value: bytes


def entropy(value: bytes) -> float:
    """Shannon's entropy in bits per byte, as gitleaks computes it."""
    size = len(value)
    return -sum(n / size * math.log2(n / size) for n in Counter(value).values())


def merge(hits: list[Hit]) -> list[Hit]:
    """In order, and of those that overlap the one that begins first, and the longest of these."""
    out: list[Hit] = []
    for hit in sorted(hits, key=lambda one: (one.start, -one.end)):
        if not out or hit.start >= out[-1].end:
            out.append(hit)
    return out
