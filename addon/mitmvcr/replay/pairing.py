"""Pairs of equal keys in two lists, first in, first out: as replay answers requests; no I/O."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from mitmvcr.config.settings import Repeat
from mitmvcr.replay.player import Index, Player


def in_order(keys: Iterable[bytes], recorded: Sequence[bytes]) -> list[int | None]:
    """For each key the place of the recorded one that answers it; each answers once, None if none is left."""
    index = Index(len(recorded), lambda numbers: recorded[numbers.start : numbers.stop])
    player = Player(index, Repeat.ONCE)
    return [player.play(key) for key in keys]
