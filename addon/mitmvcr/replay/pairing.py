"""Equal requests of two recordings, paired first in, first out, as replay answers them; knows no request."""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Iterable


def partners(keys: Iterable[Hashable], others: Iterable[Hashable]) -> list[int | None]:
    """For each key the number of the first equal one of the others that no key before took; None for none."""
    numbers: dict[Hashable, deque[int]] = {}
    for number, key in enumerate(others):
        numbers.setdefault(key, deque()).append(number)
    return [left.popleft() if (left := numbers.get(key)) else None for key in keys]
