"""Which recorded interaction answers this request: first in, first out among those with its key."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Protocol

from mitmvcr.config.settings import Repeat
from mitmvcr.replay.index import Index
from mitmvcr.replay.own_values import OwnValues


class Values(Protocol):
    """What a request has in the places of recordings' replacements."""

    def of(self, number: int) -> OwnValues:
        """By replacement, in the recorded request of this number."""
        ...

    def is_same(self, number: int) -> bool:
        """Whether the request has the very texts of that one."""
        ...


class Player:
    """One session's place in a cassette."""

    def __init__(self, index: Index, repeat: Repeat) -> None:
        self._index = index
        self._repeat = repeat
        self._positions: dict[bytes, int] = {}
        self._liked: set[bytes] = set()  # keys of which recordings are not played in their order
        self._times: Counter[int] = Counter()
        self._values: dict[str, str] = {}
        self.played: set[int] = set()

    def play(self, key: bytes) -> int | None:
        """The number of the interaction that answers next, None if none is left.

        `last` gives the last one again and again; `any` begins anew, so that a recorded
        conversation can be had any number of times.
        """
        if key in self._liked:
            return self._next(key, {})
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

    def play_like(self, key: bytes, values: Values, *, is_same_preferred: bool) -> int | None:
        """As `play`, where recordings with this key have replacements, or values that would be replaced.

        If `is_same_preferred`, those recordings come first that this session played with the same values,
        then those that it played with none.
        """
        self._liked.add(key)
        numbers = self._index.find(key)
        number = self._next(
            key, {number: self._rank(number, values) for number in numbers if is_same_preferred}
        )
        if number is not None:
            for mark, value in values.of(number).items():
                self._values.setdefault(mark, value)
        return number

    def _next(self, key: bytes, ranks: Mapping[int, int]) -> int | None:
        """What comes next among those of the lowest rank, or, where these are used up, among the others."""
        numbers = self._index.find(key)
        lowest = min(ranks.values(), default=0)
        best = [number for number in numbers if ranks.get(number, 0) == lowest]
        left = [number for number in best if number not in self.played]
        if not left:
            match self._repeat:
                case Repeat.ONCE:
                    unplayed = (number for number in numbers if number not in self.played)
                    left = sorted(unplayed, key=lambda number: ranks.get(number, 0))
                case Repeat.ANY:
                    left = sorted(best, key=self._times.__getitem__)
                case Repeat.LAST:
                    left = best[-1:]
        self._positions[key] = self._positions.get(key, 0) + 1
        if not left:
            return None
        self.played.add(left[0])
        self._times[left[0]] += 1
        return left[0]

    def _rank(self, number: int, values: Values) -> int:
        """0 for a recording with the request's values, as far as the session knows, 2 for one with others."""
        own = values.of(number)
        if values.is_same(number) or (own and all(self._values.get(mark) == own[mark] for mark in own)):
            return 0
        taken = set(self._values.values())
        is_free = own and all(
            value == self._values[mark] if mark in self._values else value not in taken
            for mark, value in own.items()
        )
        return 1 if is_free else 2

    def first(self, key: bytes) -> int | None:
        """The number of the first interaction with this key, None if there is none."""
        return self._index.at(key, 0)

    def times_asked(self, key: bytes) -> int:
        """How often a recorded key was asked for; what no recording has isn't counted."""
        return self._positions.get(key, 0)

    def matching(self, key: bytes) -> Sequence[int]:
        """Numbers of all interactions with this key, played or not."""
        return self._index.find(key)
