"""Which recorded interaction answers this request: first in, first out among those with its key."""

from __future__ import annotations

from collections.abc import Sequence

from mitmvcr.config.settings import Repeat
from mitmvcr.replay.index import Index


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

    def times_asked(self, key: bytes) -> int:
        """How often a recorded key was asked for; what no recording has isn't counted."""
        return self._positions.get(key, 0)

    def matching(self, key: bytes) -> Sequence[int]:
        """Numbers of all interactions with this key, played or not."""
        return self._index.find(key)
