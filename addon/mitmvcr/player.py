"""Which recorded interaction answers this request: first in, first out among those with its key."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from mitmvcr.settings import Repeat


class Index:
    """Keys to the numbers of the interactions that have them, in recorded order; shared, never changed."""

    def __init__(self, keys: Iterable[bytes]) -> None:
        self._numbers: dict[bytes, list[int]] = {}
        for number, key in enumerate(keys):
            self._numbers.setdefault(key, []).append(number)

    def find(self, key: bytes) -> Sequence[int]:
        """Numbers of all interactions with this key, none if there is none."""
        return self._numbers.get(key, ())


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
        numbers = self._index.find(key)
        if not numbers:
            return None
        position = self._positions.get(key, 0)
        if position >= len(numbers):
            if self._repeat is Repeat.ONCE:
                self._positions[key] = position + 1
                return None
            position = len(numbers) - 1 if self._repeat is Repeat.LAST else 0
        self._positions[key] = position + 1
        number = numbers[position]
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
