"""Keys to the recorded interactions that have them, first in, first out; knows no request."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterable, Sequence

_BATCH = 32
"""Keys that are made at once: they cost less together, and a search for one of the first needs few."""


class Index:
    """Keys to the numbers of the interactions that have them, in recorded order; shared.

    Keys are made, some at a time, as far as one is looked for: `keys` makes those of the numbers it is given.
    """

    def __init__(self, count: int, keys: Callable[[range], Iterable[bytes]]) -> None:
        self._count = count
        self._keys = keys
        self._indexed = 0
        self._first: dict[bytes, int] = {}
        self._more: dict[bytes, list[int]] = {}

    def at(self, key: bytes, place: int) -> int | None:
        """The number of the interaction at this place among those with this key, None if they are fewer."""
        while (number := self._indexed_at(key, place)) is None and self._indexed < self._count:
            self._index_more()
        return number

    def _indexed_at(self, key: bytes, place: int) -> int | None:
        if not place:
            return self._first.get(key)
        more = self._more.get(key, ())
        return more[place - 1] if place <= len(more) else None

    def find(self, key: bytes) -> Sequence[int]:
        """Numbers of all interactions with this key, none if there is none."""
        self.complete()
        first = self._first.get(key)
        return () if first is None else (first, *self._more.get(key, ()))

    def complete(self) -> None:
        """Make the keys of all."""
        while self._indexed < self._count:
            self._index_more()

    def _index_more(self) -> None:
        numbers = range(self._indexed, min(self._indexed + _BATCH, self._count))
        for number, key in zip(numbers, list(self._keys(numbers)), strict=True):
            if self._first.setdefault(key, number) != number:
                self._more.setdefault(key, []).append(number)
        self._indexed = numbers.stop


def partners(keys: Iterable[Hashable], others: Iterable[Hashable]) -> list[int | None]:
    """For each key the number of the first equal one of the others that no key before took; None for none."""
    numbers: dict[Hashable, deque[int]] = {}
    for number, key in enumerate(others):
        numbers.setdefault(key, deque()).append(number)
    return [left.popleft() if (left := numbers.get(key)) else None for key in keys]
