"""What reading and writing cassettes costs, against PyYAML's C loader and dumper on the same bytes."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

import yaml

from bench.exchanges import many
from bench.measure import Goal, Result, cpu, in_turn
from mitmvcr.formats import govcr
from mitmvcr.formats.govcr import Dialect
from mitmvcr.model import Cassette, Interaction
from mitmvcr.store.writer import Writer

PEER = "PyYAML (C), append no. 2"
_ROUNDS = 50
_SECOND = 2
_PLACES = (_SECOND, 100, 1_000, 10_000)
_FLAT = 1.5  # what noise makes of 1


def run(*, quick: bool) -> list[Result]:
    """Whole cassettes, then the growing of one."""
    rounds = 3 if quick else 15
    results = []
    for count, size, dialect, goal in (
        (200, 20_000, Dialect.CHARM, Goal(0.3)),
        (200, 20_000, Dialect.STOCK, Goal(0.3)),
        (1_000, 2_000, Dialect.CHARM, None),
        (1_000, 2_000, Dialect.STOCK, None),
    ):
        results += _whole(count, size, dialect, goal, rounds)
    return [*results, *_appends()]


def _whole(count: int, size: int, dialect: Dialect, goal: Goal | None, rounds: int) -> list[Result]:
    data = govcr.dump(Cassette(many(count, size)), dialect)
    cassette = govcr.load(data)
    parsed = yaml.load(data, yaml.CSafeLoader)
    if govcr.dump(cassette, dialect) != data or govcr.dump(cassette) != data:
        raise AssertionError("what was read is not written as it was")

    def ours() -> dict[str, float]:
        return {
            "load + dump": cpu(lambda: govcr.dump(govcr.load(data), dialect)),
            "load + unchanged dump": cpu(lambda: govcr.dump(govcr.load(data))),
            "load": cpu(lambda: govcr.load(data)),
            "load, each made": cpu(lambda: list(govcr.load(data).interactions)),
        }

    def peer() -> dict[str, float]:
        load = cpu(lambda: yaml.load(data, yaml.CSafeLoader))
        both = load + cpu(lambda: yaml.dump(parsed, Dumper=yaml.CSafeDumper, allow_unicode=True))
        return {
            "load + dump": both,
            "load + unchanged dump": both,
            "load": load,
            "load, each made": load,
        }

    found = in_turn(rounds, {"ours": ours, "peer": peer})
    name = f"{count:,} of {size // 1000} KB ({len(data) / 1e6:.1f} MB), {dialect.value}"
    return [
        Result.of(
            f"{name}: {figure}",
            "ms",
            found["ours"][figure],
            found["peer"][figure],
            goal if "dump" in figure else None,
        )
        for figure in ("load + dump", "load + unchanged dump", "load", "load, each made")
    ]


def _appends() -> list[Result]:
    """Emitting and appending one interaction more to files of several lengths: CPU, and the bytes written.

    The first append makes the file; the later ones are compared with the second.
    """
    entries = many(_ROUNDS, 1_000)
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        writers = {place: Writer(Path(folder, f"{place}.yaml"), Dialect.CHARM, None) for place in _PLACES}
        for place, writer in writers.items():
            for number in range(1, place):
                _append(writer, entries[number % _ROUNDS])
        costs: dict[int, list[tuple[float, int]]] = {place: [] for place in (1, *_PLACES)}
        for number, entry in enumerate(entries):
            first = Writer(Path(folder, f"first{number}.yaml"), Dialect.CHARM, None)
            costs[1].append(_append(first, entry))
            first.close()
        for entry in entries:
            for place, writer in writers.items():
                costs[place].append(_append(writer, entry))
        for writer in writers.values():
            writer.close()
    usual = costs.pop(_SECOND)
    results = []
    for place, those in costs.items():
        goal = Goal(_FLAT, "ratio") if place > 1 else None
        for what, unit, index in (("CPU", "µs", 0), ("written", "bytes", 1)):
            ours, peer = ([cost[index] for cost in each] for each in (those, usual))
            results.append(Result.of(f"append no. {place:,}: {what}", unit, ours, peer, goal))
    return results


def _append(writer: Writer, entry: Interaction) -> tuple[float, int]:
    before = _written()
    used = cpu(lambda: writer.append(writer.emit(entry)))
    return used, _written() - before


def _written() -> int:
    """Bytes that this process has passed to write calls so far (/proc/PID/io, Linux)."""
    found = re.search(r"^wchar: (\d+)$", Path("/proc/self/io").read_text(), re.MULTILINE)
    if found is None:
        raise AssertionError("/proc/self/io has no wchar")
    return int(found[1])
