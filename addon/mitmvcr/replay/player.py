"""Which recorded interaction answers this request: first in, first out among those with its key."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from mitmvcr.config.settings import Repeat

_AT_ONCE = 32
"""How many keys are made at once: they cost less together, and who looks for one of the first needs few."""


class Index:
    """Keys to the numbers of the interactions that have them, in recorded order; shared.

    Keys are made, some at a time, as far as one is looked for: `keys` makes those of the numbers it is given.
    """

    def __init__(self, count: int, keys: Callable[[range], Iterable[bytes]]) -> None:
        self._count = count
        self._keys = keys
        self._known = 0
        self._first: dict[bytes, int] = {}
        self._more: dict[bytes, list[int]] = {}

    def at(self, key: bytes, place: int) -> int | None:
        """The number of the interaction at this place among those with this key, None if they are fewer."""
        while (number := self._known_at(key, place)) is None and self._known < self._count:
            self._learn()
        return number

    def _known_at(self, key: bytes, place: int) -> int | None:
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
        while self._known < self._count:
            self._learn()

    def _learn(self) -> None:
        numbers = range(self._known, min(self._known + _AT_ONCE, self._count))
        for number, key in zip(numbers, list(self._keys(numbers)), strict=True):
            if self._first.setdefault(key, number) != number:
                self._more.setdefault(key, []).append(number)
        self._known = numbers.stop


class Player:
    """One session's place in a cassette."""

    def __init__(self, index: Index, repeat: Repeat) -> None:
        self._index = index
        self._repeat = repeat
        self._positions: dict[bytes, int] = {}
        self.played: set[int] = set()

    def play(self, key: bytes) -> int | None:
        """The number of the interaction that answers next, None if none is left.

        `last` gives the last one again and again; `any` begins anew, so that a recorded
        conversation can be had any number of times.
        """
        position = self._positions.get(key, 0)
        number = self._index.at(key, position)
        if number is None and not position:
            return None
        if number is None and self._repeat is not Repeat.ONCE:
            position = len(self._index.find(key)) - 1 if self._repeat is Repeat.LAST else 0
            number = self._index.at(key, position)
        self._positions[key] = position + 1
        if number is not None:
            self.played.add(number)
        return number

    def asked(self, key: bytes) -> int:
        """How often a recorded key was asked for; what no recording has isn't counted."""
        return self._positions.get(key, 0)

    def matching(self, key: bytes) -> Sequence[int]:
        """Numbers of all interactions with this key, played or not."""
        return self._index.find(key)

    def rewind(self) -> None:
        """Begin anew: nothing counts as played."""
        self._positions.clear()
        self.played.clear()
