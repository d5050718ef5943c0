"""What loading, matching and saving cost without a proxy: beside VCR.py, cassetter and go-vcr, in one run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.contender import APPEND, EACH, FIRST, LOAD, MATCH, MEMORY, PEAK, SAVE, prepare
from bench.exchanges import many
from bench.measure import Goal, Result, in_turn
from mitmvcr.formats.govcr import HEAD, Dialect, emit_interaction
from mitmvcr.model import Interaction

PEER = "peer, as named"
_ROOT = Path(__file__).parents[1]
_COUNT = 1_000
_SIZE = 2_000
_ASKED = 21  # the first one comes with the load
_AHEAD = Goal(1.0, "ratio")
_CASSETTER = "cassetter==0.16.1"


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


def run(*, quick: bool) -> list[Result]:
    """All contenders that can be had, in turn; then memory, and our own cassettes of several sizes."""
    rounds = 3 if quick else 7
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="bench-")))
        contenders = list(_contenders(folder))
        found = _rounds(contenders, folder, rounds)
        memory = _memory(contenders, folder, 2_000 if quick else 10_000)
        sizes = list(_sizes(contenders[0], folder, (1, 1_000, 10_000 if quick else 100_000)))
    ours, *peers = contenders
    results = [one for peer in peers for one in _beside(peer.title, found[ours.name], found[peer.name])]
    results += [
        Result.of(
            f"memory of a recording ({peer.title})", "bytes", memory[ours.name], memory[peer.name], _AHEAD
        )
        for peer in peers
    ]
    return [*results, *sizes]


def _beside(title: str, ours: Mapping[str, list[float]], peer: Mapping[str, list[float]]) -> list[Result]:
    steps = (
        (LOAD, LOAD, "ms"),
        (EACH, LOAD, "ms"),
        (FIRST, FIRST, "ms"),
        (MATCH, MATCH, "µs"),
        (SAVE, SAVE, "ms"),
    )
    return [
        Result.of(
            f"{step}: {clock} ({title})",
            unit,
            ours[f"{step} {clock}"],
            peer[f"{other} {clock}"],
            _AHEAD if step in (LOAD, MATCH, SAVE) else None,
        )
        for clock in ("CPU", "wall")
        for step, other, unit in (*steps, (APPEND, SAVE, "ms"))
    ]


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
    """Bytes a recording; ours has its index then."""
    interactions = _interactions(count)
    return {one.name: [one.figures(*_files(one, interactions, folder))[MEMORY] / count] for one in contenders}


def _sizes(ours: Contender, folder: Path, counts: Sequence[int]) -> Iterator[Result]:
    """Memory beside the file's size, and time beside that of the middle one."""
    found = {count: ours.figures(*_large(folder, count)) for count in counts}
    for count, figures in found.items():
        size = [(folder / f"{count}.yaml").stat().st_size / 1e6]
        goal = Goal(2.0, "ratio") if count > _COUNT else None
        for what in (MEMORY, PEAK):
            yield Result.of(f"{count:,}: {what}, beside the file", "MB", [figures[what] / 1e6], size, goal)
        for what in (LOAD, FIRST):
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


def _contenders(folder: Path) -> Iterator[Contender]:
    """Ours first; those that can't be had are named, with the reason."""
    python = [sys.executable, "-m", "bench.contender"]
    yield Contender("mitmvcr", "mitmvcr", [*python, "mitmvcr"])
    program = folder / "govcr"
    if _done("go-vcr", ["go", "build", "-o", str(program), "."], cwd=_ROOT / "bench" / "go"):
        yield Contender("go-vcr", "go-vcr 4.0.7", [str(program)])
    target = folder / "cassetter-packages"
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(target), _CASSETTER]
    if _done("cassetter", install):
        # In a folder of its own: beside pytest it would be a plugin.
        sys.path.append(str(target))
        yield Contender("cassetter", _CASSETTER.replace("==", " "), [*python, "cassetter"], [str(target)])
    yield Contender("VCR.py", "VCR.py", [*python, "VCR.py"])


def _done(name: str, command: Sequence[str], cwd: Path | None = None) -> bool:
    try:
        subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=True)
    except OSError as error:
        print(f"{name} is not here: {error}")
    except subprocess.CalledProcessError as error:
        print(f"{name} is not here: {' '.join(command[:3])} failed: {error.stderr.strip()[-300:]}")
    else:
        return True
    return False
