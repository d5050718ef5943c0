"""What the benchmarks share: rounds in turn, medians and spread, CPU clocks, table and JSON; runs nothing."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

_SHOWN = {"s": (1, "s"), "ms": (1e3, "ms"), "µs": (1e6, "µs")}


@dataclass(frozen=True, slots=True)
class Spread:
    """A figure measured several times: its median, the quartiles around it, and how often."""

    median: float
    low: float
    high: float
    count: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        several = values if len(values) > 1 else [*values, *values]
        low, median, high = statistics.quantiles(several, n=4, method="inclusive")
        return cls(median, low, high, len(values))


@dataclass(frozen=True, slots=True)
class Goal:
    """What our figure, its difference from the peer's or its ratio to it is not to exceed."""

    limit: float
    of: Literal["figure", "difference", "ratio"] = "figure"


@dataclass(frozen=True, slots=True)
class Result:
    """One line of the table: a figure of ours beside the same one of its peer.

    Times are in seconds and shown in `unit`; any other unit is shown as it is. Difference and ratio are
    the medians of those within each round: what else the machine did then is in both figures of a round.
    """

    what: str
    unit: str
    ours: Spread
    peer: Spread
    difference: Spread
    ratio: Spread | None
    goal: Goal | None

    @classmethod
    def of(
        cls, what: str, unit: str, ours: Sequence[float], peer: Sequence[float], goal: Goal | None = None
    ) -> Result:
        pairs = list(zip(ours, peer, strict=True))
        return cls(
            what,
            unit,
            Spread.of(ours),
            Spread.of(peer),
            Spread.of([one - other for one, other in pairs]),
            Spread.of([one / other for one, other in pairs]) if all(peer) else None,
            goal,
        )

    @property
    def is_met(self) -> bool | None:
        """Whether the goal is reached; None if there is none."""
        if self.goal is None:
            return None
        spread = {"figure": self.ours, "difference": self.difference, "ratio": self.ratio}[self.goal.of]
        return spread is not None and spread.median <= self.goal.limit


def in_turn(
    rounds: int, contenders: Mapping[str, Callable[[], Mapping[str, float]]]
) -> dict[str, dict[str, list[float]]]:
    """Each contender's figures, a value a round: in turn, so that a busy machine is busy for all of them."""
    found: dict[str, dict[str, list[float]]] = {name: {} for name in contenders}
    for number in range(rounds):
        names = list(contenders)
        for name in names if number % 2 else reversed(names):
            for figure, value in contenders[name]().items():
                found[name].setdefault(figure, []).append(value)
    return found


def cpu_of(pid: int) -> float:
    """Seconds of CPU that a process has used so far, ended threads and the kernel's share included.

    Linux makes the id of a process's CPU clock out of its pid (`clock_getcpuclockid`); /proc/PID/stat
    has the same figure in ticks of 10 ms.
    """
    return time.clock_gettime((~pid << 3) | 2)


def cpu(call: Callable[[], object]) -> float:
    """Seconds of CPU that a call uses in this process."""
    began = time.process_time()
    call()
    return time.process_time() - began


def table(title: str, peer: str, results: Iterable[Result]) -> str:
    """The results as text, one a line: medians with their quartiles."""
    head = (title, "mitmvcr", peer, "difference", "ratio", "goal")
    rows = [head, *(_row(result) for result in results)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    return "\n".join(
        "  ".join([row[0].ljust(widths[0]), *(map(str.rjust, row[1:], widths[1:]))]).rstrip() for row in rows
    )


def _row(result: Result) -> tuple[str, str, str, str, str, str]:
    goal, limit = result.goal, ""
    if goal:
        limit = f"{goal.limit}" if goal.of == "ratio" else _shown(goal.limit, result.unit)
        sign = "+" if goal.of == "difference" else ""
        limit = f"{'met' if result.is_met else 'MISSED'}: {goal.of} ≤ {sign}{limit}"
    difference = result.difference.median
    return (
        result.what,
        _spread(result.ours, result.unit),
        _spread(result.peer, result.unit),
        f"{'+' if difference >= 0 else ''}{_shown(difference, result.unit)}",
        f"{result.ratio.median:.2f}" if result.ratio else "",
        limit,
    )


def _spread(spread: Spread, unit: str) -> str:
    scale = _SHOWN.get(unit, (1, ""))[0]
    return f"{_shown(spread.median, unit)} ({_number(spread.low * scale)}-{_number(spread.high * scale)})"


def _shown(value: float, unit: str) -> str:
    return f"{_number(value * _SHOWN.get(unit, (1, ''))[0])} {unit}"


def _number(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def write_json(path: Path, parts: Mapping[str, Sequence[Result]], about: Mapping[str, object]) -> None:
    """All results in seconds (or their own unit), with what tells one machine's from another's."""
    path.write_text(
        json.dumps(
            {"about": about, "parts": {name: [_plain(one) for one in part] for name, part in parts.items()}},
            indent=2,
            ensure_ascii=False,
        )
        + "\n"
    )


def _plain(result: Result) -> dict[str, object]:
    def plain(spread: Spread | None) -> dict[str, float] | None:
        if spread is None:
            return None
        return {"median": spread.median, "low": spread.low, "high": spread.high, "count": spread.count}

    return {
        "what": result.what,
        "unit": "s" if result.unit in _SHOWN else result.unit,
        "ours": plain(result.ours),
        "peer": plain(result.peer),
        "difference": plain(result.difference),
        "ratio": plain(result.ratio),
        "goal_met": result.is_met,
    }
