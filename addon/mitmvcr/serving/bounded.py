"""A mapping with a bound, for what can be found out again; does no I/O."""

from __future__ import annotations

from collections import OrderedDict
from typing import Generic, TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")


class Bounded(Generic[Key, Value]):
    """Forgets what was longest unused as soon as the costs of all that it holds come to more than `limit`."""

    __slots__ = ("_entries", "_limit", "cost")

    def __init__(self, limit: int) -> None:
        self._entries: OrderedDict[Key, tuple[Value, int]] = OrderedDict()
        self._limit = limit
        self.cost = 0

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: Key) -> Value | None:
        """The value, None if there is none; it is the last to be forgotten now."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        self._entries.move_to_end(key)
        return entry[0]

    def add(self, key: Key, value: Value, cost: int = 1) -> None:
        """Hold a value of a key that has none."""
        self._entries[key] = value, cost
        self.cost += cost
        while self.cost > self._limit:
            _, (_, freed) = self._entries.popitem(last=False)
            self.cost -= freed

    def clear(self) -> None:
        """Forget everything."""
        self._entries.clear()
        self.cost = 0
