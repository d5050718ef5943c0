"""In what two JSON values differ, place by place, with both values; bounded work, no text is made of it.

Lists are aligned, so that one message more reads as one message more. Nothing is quadratic: what is equal
at both ends is skipped by halving, and only short middles are aligned.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, TypeAlias, TypeVar

_VALUES = 200  # differing values that are looked for
_STEPS = 20_000  # pairs of values that are looked at
_DEPTH = 64  # levels; deeper values are compared whole
_ALIGNED = 64  # list items on either side that are aligned


class Nothing(Enum):
    """No value at all: a field that one side doesn't have."""

    NOTHING = 0


NOTHING: Final = Nothing.NOTHING
Step: TypeAlias = "str | int"


@dataclass(frozen=True, slots=True)
class DifferingValue:
    """One place where two requests differ, with the values as they are.

    `kind` is `json` for a place in a JSON body (`where` are its names and indexes), and else the name
    of a part of the request: `method scheme host port path query form headers part url body`; `where`
    is then the name in it, if it has names. `items`: how many list items one side has more, from
    `where` on; the first of them is the value.
    """

    kind: str
    where: tuple[Step, ...]
    recorded: object
    request: object
    items: int = 0


def json_path(where: Sequence[Step | None]) -> str:
    """The JSONPath of a place: `$.a[0]["b c"]`; None stands for any index: `$.a[*]`."""
    steps = ["$"]
    for step in where:
        if step is None:
            steps.append("[*]")
        elif isinstance(step, int):
            steps.append(f"[{step}]")
        else:
            # A name with other characters needs quotes; every language's JSON escapes fit RFC 9535's.
            steps.append(f".{step}" if step.isidentifier() else f"[{json.dumps(step)}]")
    return "".join(steps)


def in_json(recorded: object, now: object) -> tuple[list[DifferingValue], bool]:
    """Where two JSON values differ, and whether those are all places; raises RecursionError."""
    walk = _Walk()
    walk.compare((), recorded, now)
    if not walk.differences:
        walk = _Walk(strict=True)
        walk.compare((), recorded, now)
    return walk.differences, walk.steps < _STEPS and len(walk.differences) < _VALUES


@dataclass(slots=True)
class _Walk:
    """Python takes True for 1; only a `strict` walk, which goes into what is equal too, does not."""

    strict: bool = False
    differences: list[DifferingValue] = field(default_factory=list)
    steps: int = 0

    def compare(self, where: tuple[Step, ...], recorded: object, now: object) -> None:
        """Add what differs below this place."""
        self.steps += 1
        if self.steps >= _STEPS or len(self.differences) >= _VALUES or (not self.strict and recorded == now):
            return
        if len(where) < _DEPTH and isinstance(recorded, dict) and isinstance(now, dict):
            for name in [*recorded, *(name for name in now if name not in recorded)]:
                self.compare((*where, name), recorded.get(name, NOTHING), now.get(name, NOTHING))
        elif len(where) < _DEPTH and isinstance(recorded, list) and isinstance(now, list):
            self._lists(where, recorded, now)
        elif recorded != now or isinstance(recorded, bool) != isinstance(now, bool):
            self.differences.append(DifferingValue("json", where, recorded, now))

    def _lists(self, where: tuple[Step, ...], recorded: list[object], now: list[object]) -> None:
        if self.strict and len(recorded) == len(now):
            self._pairwise(where, 0, recorded, now)
            return
        start = common_start(recorded, now)
        end = common_end(recorded[start:], now[start:])
        old, new = recorded[start : len(recorded) - end], now[start : len(now) - end]
        if len(old) == len(new):
            self._pairwise(where, start, old, new)
            return
        for begin, stop, begin_now, stop_now in _changed(old, new):
            paired = min(stop - begin, stop_now - begin_now)
            self._pairwise(where, start + begin_now, old[begin:], new[begin_now : begin_now + paired])
            place = (*where, start + begin_now + paired)
            if stop - begin > paired:
                more = stop - begin - paired
                self.differences.append(DifferingValue("json", place, old[begin + paired], NOTHING, more))
            elif stop_now - begin_now > paired:
                more = stop_now - begin_now - paired
                self.differences.append(DifferingValue("json", place, NOTHING, new[begin_now + paired], more))

    def _pairwise(
        self, where: tuple[Step, ...], start: int, recorded: Sequence[object], now: Sequence[object]
    ) -> None:
        for number, (before, after) in enumerate(zip(recorded, now, strict=False), start):
            if self.steps >= _STEPS or len(self.differences) >= _VALUES:
                return
            self.compare((*where, number), before, after)


def _changed(recorded: list[object], now: list[object]) -> Iterator[tuple[int, int, int, int]]:
    """Stretches (from, to) of two lists that differ; those of long lists are one stretch."""
    if not recorded or not now or max(len(recorded), len(now)) > _ALIGNED:
        yield 0, len(recorded), 0, len(now)
        return
    import difflib  # noqa: PLC0415 - only lists that grew in the middle need it

    texts, texts_now = ([json.dumps(item, sort_keys=True) for item in side] for side in (recorded, now))
    for tag, *places in difflib.SequenceMatcher(None, texts, texts_now, autojunk=False).get_opcodes():
        if tag != "equal":
            yield places[0], places[1], places[2], places[3]


Sliced = TypeVar("Sliced", str, bytes, list[object])


def common_start(first: Sliced, second: Sliced) -> int:
    """How many items two sequences have in common at their beginning, found by halving."""
    low, high = 0, min(len(first), len(second))
    if first[:high] == second[:high]:
        return high
    while high - low > 1:  # first[:low] is common, first[:high] isn't
        middle = (low + high) // 2
        if first[low:middle] == second[low:middle]:
            low = middle
        else:
            high = middle
    return low


def common_end(first: Sliced, second: Sliced) -> int:
    """How many items two sequences have in common at their end, found by halving."""
    return common_start(first[::-1], second[::-1])
