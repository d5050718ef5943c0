"""Which recorded interaction answers this request: first in, first out among those with its key."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from mitmvcr.config.settings import Repeat
from mitmvcr.replay.index import Index
from mitmvcr.replay.own_values import OwnValues


class Player:
    """One session's place in a cassette."""

    def __init__(self, index: Index, repeat: Repeat) -> None:
        self._index = index
        self._repeat = repeat
        self._positions: dict[bytes, int] = {}
        self._times: Counter[int] = Counter()
        self._values: dict[str, str] = {}
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

    def play_like(
        self, key: bytes, own_values: Callable[[int], OwnValues], *, is_same_preferred: bool
    ) -> int | None:
        """As `play`, where recordings with this key have replacements.

        `own_values` tells what the request has in their places. If `is_same_preferred`, those recordings come
        first that this session played with the same values, then those that it played with none.
        """
        numbers = self._index.find(key)
        rank = {number: self._rank(own_values(number)) if is_same_preferred else 0 for number in numbers}
        best = [number for number in numbers if rank[number] == min(rank.values())]
        left = [number for number in best if number not in self.played]
        if not left:
            match self._repeat:
                case Repeat.ONCE:
                    unplayed = (number for number in numbers if number not in self.played)
                    left = sorted(unplayed, key=rank.__getitem__)
                case Repeat.ANY:
                    left = sorted(best, key=self._times.__getitem__)
                case Repeat.LAST:
                    left = best[-1:]
        self._positions[key] = self._positions.get(key, 0) + 1
        if not left:
            return None
        self.played.add(left[0])
        self._times[left[0]] += 1
        for mark, value in own_values(left[0]).items():
            self._values.setdefault(mark, value)
        return left[0]

    def first(self, key: bytes) -> int | None:
        """The number of the first interaction with this key, None if there is none."""
        return self._index.at(key, 0)

    def _rank(self, values: OwnValues) -> int:
        """0 where all values are those that stood for these replacements before, 2 where one is another's."""
        if all(value in (mark, self._values.get(mark)) for mark, value in values.items()):
            return 0
        taken = set(self._values.values())
        is_free = all(
            value in (mark, self._values[mark]) if mark in self._values else value not in taken
            for mark, value in values.items()
        )
        return 1 if is_free else 2

    def times_asked(self, key: bytes) -> int:
        """How often a recorded key was asked for; what no recording has isn't counted."""
        return self._positions.get(key, 0)

    def matching(self, key: bytes) -> Sequence[int]:
        """Numbers of all interactions with this key, played or not."""
        return self._index.find(key)
