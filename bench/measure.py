"""What the benchmarks share: rounds in turn, medians and spread, CPU clocks, table and JSON; runs nothing."""

from __future__ import annotations

import itertools
import os
import re
import statistics
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
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


@dataclass(frozen=True, slots=True)
class Line:
    """What was measured of one contender at one workload; times are in seconds.

    `product` is its name and version.
    """

    workload: str
    who: str
    product: str
    figures: Mapping[str, Spread]


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


def cpu_of_tree(pid: int) -> float:
    """As `cpu_of`, with its children's and theirs, those that have ended included (in ticks of 10 ms)."""
    process = Path(f"/proc/{pid}")
    ended = process.joinpath("stat").read_text().rpartition(") ")[2].split()[13:15]
    children = [
        int(child)
        for task in process.joinpath("task").iterdir()
        for child in task.joinpath("children").read_text().split()
    ]
    return cpu_of(pid) + sum(map(int, ended)) / os.sysconf("SC_CLK_TCK") + sum(map(cpu_of_tree, children))


def memory_of(pid: int) -> dict[str, int]:
    """Bytes of a process that are in memory now (VmRSS) and were at most (VmHWM); Linux."""
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.findall(r"^(VmRSS|VmHWM):\s+(\d+) kB$", status, re.MULTILINE)
    return {name: 1024 * int(size) for name, size in found}


@contextmanager
def on_cores(cores: Collection[int]) -> Iterator[None]:
    """Let this thread, and what it starts in the meantime, run on these cores alone; no cores: on any."""
    if not cores:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def cores() -> tuple[set[int], set[int]]:
    """One for servers, the others for clients; none where there is one core, or no way to choose."""
    if not hasattr(os, "sched_getaffinity"):
        return set(), set()
    first, *others = sorted(os.sched_getaffinity(0))
    return ({first}, set(others)) if others else (set(), set())


def cpu(call: Callable[[], object]) -> float:
    """Seconds of CPU that a call uses in this process."""
    began = time.process_time()
    call()
    return time.process_time() - began


def table(title: str, peer: str, results: Iterable[Result]) -> str:
    """The results as text, one a line: medians with their quartiles."""
    head = (title, "mitmvcr", peer, "difference", "ratio", "goal")
    return _aligned([head, *(_row(result) for result in results)])


def blocks(lines: Iterable[Line], columns: Mapping[str, str]) -> str:
    """The lines by workload, contenders below each other; `columns` are figures and their units."""
    rows: list[tuple[str, ...]] = []
    for workload, group in itertools.groupby(lines, key=lambda line: line.workload):
        rows.append((workload, *columns))
        rows += [
            (
                f"  {line.who}",
                *(
                    _spread(line.figures[name], unit) if name in line.figures else ""
                    for name, unit in columns.items()
                ),
            )
            for line in group
        ]
    return _aligned(rows)


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join([row[0].ljust(widths[0]), *(map(str.rjust, row[1:], widths[1:]))]).rstrip() for row in rows
    )


def _row(result: Result) -> tuple[str, str, str, str, str, str]:
    goal, limit = result.goal, ""
    if goal:
        limit = f"{goal.limit:.3g}" if goal.of == "ratio" else shown(goal.limit, result.unit)
        sign = "+" if goal.of == "difference" else ""
        limit = f"{'met' if result.is_met else 'MISSED'}: {goal.of} ≤ {sign}{limit}"
    difference = result.difference.median
    return (
        result.what,
        _spread(result.ours, result.unit),
        _spread(result.peer, result.unit),
        f"{'+' if difference >= 0 else ''}{shown(difference, result.unit)}",
        f"{result.ratio.median:.2f}" if result.ratio else "",
        limit,
    )


def _spread(spread: Spread, unit: str) -> str:
    """The median with its unit, and the quartiles."""
    scale = _SHOWN.get(unit, (1, ""))[0]
    return f"{shown(spread.median, unit)} ({_number(spread.low * scale)}-{_number(spread.high * scale)})"


def shown(value: float, unit: str) -> str:
    """A figure for people: seconds in that unit, anything else as it is."""
    return f"{_number(value * _SHOWN.get(unit, (1, ''))[0])} {unit}"


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def plain(result: Result | Line) -> dict[str, object]:
    """What JSON has of it: seconds, or the result's own unit."""
    if isinstance(result, Line):
        figures = {name: _plain(spread) for name, spread in result.figures.items()}
        return {"workload": result.workload, "who": result.who, "product": result.product, "figures": figures}
    return {
        "what": result.what,
        "unit": "s" if result.unit in _SHOWN else result.unit,
        "shown_in": result.unit,
        "ours": _plain(result.ours),
        "peer": _plain(result.peer),
        "difference": _plain(result.difference),
        "ratio": _plain(result.ratio),
        "goal": {"of": result.goal.of, "limit": result.goal.limit} if result.goal else None,
        "goal_met": result.is_met,
    }


def _plain(spread: Spread | None) -> dict[str, float] | None:
    if spread is None:
        return None
    return {"median": spread.median, "low": spread.low, "high": spread.high, "count": spread.count}
