"""What loading, matching and saving cost without a proxy: beside VCR.py, cassetter and go-vcr, in one run."""

from __future__ import annotations

import importlib.metadata
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeAlias

import mitmvcr
from bench.contender import APPEND, EACH, FIRST, KEYS, LOAD, MATCH, MEMORY, PEAK, SAVE, prepare
from bench.exchanges import many
from bench.fetched import AbsentError, needs, run_in
from bench.measure import Goal, Line, Result, Spread, in_turn
from mitmvcr.formats.govcr import HEAD, Dialect, emit_interaction
from mitmvcr.model import Interaction
from tests import toolchains

PEER = "peer, as named"
_STEPS = {LOAD: "ms", EACH: "ms", FIRST: "ms", KEYS: "ms", MATCH: "µs", SAVE: "ms", APPEND: "ms"}
COLUMNS = {**_STEPS, MEMORY: "KB"}
_CLOCKS = {"CPU": "1,000 JSON interactions of 2 KB, CPU", "wall": "the same, wall time"}
TABLE = tuple((step, _CLOCKS["CPU"], step, unit) for step, unit in COLUMNS.items())
"""What the docs show: heading, workload, figure and unit."""
_ROOT = Path(__file__).parents[1]
_COUNT = 1_000
_SIZE = 2_000
_MANY = 2_000  # cassetter reads no more than some 3,000
_ASKED = 21  # the first one comes with the load
_AHEAD = Goal(1.0, "ratio")
CASSETTER = "0.16.1"
GO_VCR = "4.0.7"  # as in bench/go/go.mod


Found: TypeAlias = Mapping[str, Mapping[str, Sequence[float]]]
"""By contender and figure."""


@dataclass(frozen=True, slots=True)
class Contender:
    """A recorder and how its process is started; `title` has its version."""

    name: str
    title: str
    command: Sequence[str]
    path: Sequence[str] = ()

    def figures(self, *files: Path) -> dict[str, float]:
        """What `bench.contender` measures, with these files as its arguments."""
        path = os.pathsep.join([*self.path, str(_ROOT), str(_ROOT / "addon")])
        environment = {**os.environ, "PYTHONPATH": path, "PYTHONHASHSEED": "0"}
        command = [*self.command, *map(str, files)]
        done = subprocess.run(
            command, env=environment, cwd=_ROOT, stdout=subprocess.PIPE, text=True, check=True
        )
        figures: dict[str, float] = json.loads(done.stdout)
        for clock in ("CPU", "wall"):
            figures[f"{MATCH} {clock}"] /= _ASKED - 1
            # The others' first answer has no index to make: it is a match more.
            figures[f"{FIRST} {clock}"] += figures.get(f"{LOAD} {clock}", 0) if self.name != "mitmvcr" else 0
        return figures


def run(*, quick: bool) -> tuple[list[Line], list[Result]]:
    """All contenders that can be had, in turn; then memory, and our own cassettes of several sizes."""
    rounds = 2 if quick else 7
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="bench-")))
        contenders = list(_contenders())
        found = _rounds(contenders, folder, rounds)
        memory = {name: [size / _COUNT / 1000 for size in figures[MEMORY]] for name, figures in found.items()}
        if not quick:
            memory = _memory(contenders, folder, _MANY)
        sizes = list(_sizes(contenders[0], folder, (1, 1_000, 10_000 if quick else 100_000)))
    return list(_lines(contenders, found, memory)), [*_goals(contenders, found, memory), *sizes]


def _lines(
    contenders: Sequence[Contender], found: Found, memory: Mapping[str, list[float]]
) -> Iterator[Line]:
    for clock, workload in _CLOCKS.items():
        for one in contenders:
            figures = {
                step: Spread.of(found[one.name][f"{step} {clock}"])
                for step in _STEPS
                if f"{step} {clock}" in found[one.name]
            }
            if clock == "CPU":
                figures[MEMORY] = Spread.of(memory[one.name])
            yield Line(workload, one.name, one.title, figures)


def _goals(
    contenders: Sequence[Contender], found: Found, memory: Mapping[str, list[float]]
) -> Iterator[Result]:
    """Each beside the best of the others."""
    ours, *peers = contenders
    for clock in _CLOCKS:
        for step in (LOAD, MATCH, SAVE):
            figure = f"{step} {clock}"
            best = min(peers, key=lambda peer: statistics.median(found[peer.name][figure]))
            values = found[ours.name][figure], found[best.name][figure]
            yield Result.of(f"{figure}, beside {best.name}", _STEPS[step], *values, _AHEAD)
    best = min(peers, key=lambda peer: statistics.median(memory[peer.name]))
    said = f"memory of a recording, beside {best.name}"
    yield Result.of(said, "KB", memory[ours.name], memory[best.name], _AHEAD)


def _interactions(count: int) -> list[Interaction]:
    """Asked and answered in JSON, with the URL's host, which go-vcr's matcher looks at."""
    return [
        replace(one, request=replace(one.request, host="api.openai.com"), id=number)
        for number, one in enumerate(many(2 * count, _SIZE)[::2])
    ]


def _spread(count: int) -> list[int]:
    """The numbers of those that are asked for, from all over the cassette."""
    return [(2 * place + 1) * count // (2 * _ASKED) for place in range(_ASKED)]


def _files(contender: Contender, interactions: Sequence[Interaction], folder: Path) -> tuple[Path, Path]:
    folder = folder / f"{contender.name} {len(interactions)}"
    folder.mkdir()
    asked, file = folder / "asked.yaml", folder / "file.yaml"
    prepare(contender.name, [interactions[number] for number in _spread(len(interactions))], asked)
    prepare(contender.name, interactions, file)
    return asked, file


def _rounds(contenders: Sequence[Contender], folder: Path, rounds: int) -> dict[str, dict[str, list[float]]]:
    interactions = _interactions(_COUNT)
    files = {one.name: _files(one, interactions, folder) for one in contenders}
    out = folder / "out.yaml"
    return in_turn(rounds, {one.name: partial(one.figures, *files[one.name], out) for one in contenders})


def _memory(contenders: Sequence[Contender], folder: Path, count: int) -> dict[str, list[float]]:
    """Kilobytes a recording; ours has its index then."""
    interactions = _interactions(count)
    return {
        one.name: [one.figures(*_files(one, interactions, folder))[MEMORY] / count / 1000]
        for one in contenders
    }


def _sizes(ours: Contender, folder: Path, counts: Sequence[int]) -> Iterator[Result]:
    """Memory beside the file's size, and time beside that of the middle one."""
    found = {count: ours.figures(*_large(folder, count)) for count in counts}
    for count, figures in found.items():
        size = [(folder / f"{count}.yaml").stat().st_size / 1e6]
        goal = Goal(2.0, "ratio") if count > _COUNT else None
        for what in (MEMORY, PEAK):
            yield Result.of(f"{count:,}: {what}, beside the file", "MB", [figures[what] / 1e6], size, goal)
        for what in (LOAD, FIRST, KEYS):
            ours_, usual = ([f[f"{what} CPU"] / n] for n, f in ((count, figures), (_COUNT, found[_COUNT])))
            yield Result.of(f"{count:,}: {what}, one, beside {_COUNT:,}", "µs", ours_, usual)
        yield Result.of(
            f"{count:,}: {MATCH}, beside {_COUNT:,}",
            "µs",
            [figures[f"{MATCH} CPU"]],
            [found[_COUNT][f"{MATCH} CPU"]],
            Goal(1.5, "ratio") if count > _COUNT else None,
        )


def _large(folder: Path, count: int) -> tuple[Path, Path]:
    """The same interactions over and over, but for a number in what was asked."""
    those = _interactions(min(count, _COUNT))
    asked, file = folder / f"asked {count}.yaml", folder / f"{count}.yaml"

    def numbered(number: int) -> Interaction:
        one = those[number % len(those)]
        body = one.request.body.replace(b"Number ", b"Number %d, " % number, 1)
        return replace(one, request=replace(one.request, body=body), id=number)

    prepare("mitmvcr", [numbered(number) for number in _spread(count)], asked)
    with file.open("wb") as text:
        text.write(HEAD)
        for number in range(count):
            text.write(emit_interaction(numbered(number), number, Dialect.STOCK))
    return asked, file


def _contenders() -> Iterator[Contender]:
    """Ours first; those that can't be had are named, with the reason."""
    python = [sys.executable, "-m", "bench.contender"]
    yield Contender("mitmvcr", f"mitmvcr {mitmvcr.__version__}", [*python, "mitmvcr"])
    for contender in (_go_vcr, _cassetter):
        try:
            yield contender(python)
        except AbsentError as error:
            print(f"{contender.__name__[1:].replace('_', '-')} is left out: {error}")
    yield Contender("VCR.py", f"VCR.py {importlib.metadata.version('vcrpy')}", [*python, "VCR.py"])


def _go_vcr(_python: Sequence[str]) -> Contender:
    def build(folder: Path) -> None:
        run_in(folder, ["go", "build", "-o", "govcr", "."])

    needs("go")
    folder = toolchains.built(_ROOT / "bench" / "go", build)
    return Contender("go-vcr", f"go-vcr {GO_VCR}", [str(folder / "govcr")])


def _cassetter(python: Sequence[str]) -> Contender:
    def install(folder: Path) -> None:
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(folder)]
        run_in(folder, [*pip, f"cassetter=={CASSETTER}"])

    version = f"{CASSETTER}-{sys.version_info.major}.{sys.version_info.minor}"
    folder = toolchains.kept("bench-cassetter", version, install)
    # In a folder of its own: beside pytest it would be a plugin.
    sys.path.append(str(folder))
    return Contender("cassetter", f"cassetter {CASSETTER}", [*python, "cassetter"], [str(folder)])
