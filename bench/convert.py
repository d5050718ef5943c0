"""What `mitmvcr convert` costs on trees of VCR.py's cassettes, against PyYAML's C loader and dumper."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from bench.exchanges import many
from bench.measure import Goal, Result, in_turn
from mitmvcr.formats import vcrpy
from mitmvcr.model import Cassette

PEER = "PyYAML (C)"
_ADDON = Path(__file__).parents[1] / "addon"
_FLAT = 1.2

# CSafeLoader and CSafeDumper, in one process: what a small script that converts would do at the least.
_PEER = """
import sys, yaml
from pathlib import Path
for source in sorted(Path(sys.argv[1]).rglob("*.yaml")):
    value = yaml.load(source.read_bytes(), yaml.CSafeLoader)
    (Path(sys.argv[2]) / source.name).write_text(yaml.dump(value, Dumper=yaml.CSafeDumper))
"""


def run(*, quick: bool) -> list[Result]:
    """Time by the clock and CPU of whole processes, and memory with few files and with many."""
    rounds = 3 if quick else 7
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        home = Path(folder)
        results = []
        for count, size in ((500, 2_000), (500, 20_000)):
            results += _tree(home / f"{count}-{size}", count, size, rounds)
        few, large = home / "few", home / "500-20000"
        _write(few, 50, 20_000)
        many_files, few_files = ([_ours(tree, "--jobs", "1")["memory"]] for tree in (large, few))
        name = "memory with 500 files, against 50"
        return [*results, Result.of(name, "MB", many_files, few_files, Goal(_FLAT, "ratio"))]


def _tree(tree: Path, count: int, size: int, rounds: int) -> list[Result]:
    _write(tree, count, size)
    total = sum(path.stat().st_size for path in tree.iterdir()) / 1e6
    one = lambda: _ours(tree, "--jobs", "1")  # noqa: E731 - beside the two others
    found = in_turn(rounds, {"ours": lambda: _ours(tree), "one": one, "peer": lambda: _peer(tree)})
    name = f"{count} files of 4 interactions of {size // 1000} KB ({total:.1f} MB)"
    peer = found["peer"]
    return [
        Result.of(f"{name}: time", "s", found["ours"]["time"], peer["time"], Goal(1.5, "ratio")),
        Result.of(f"{name}: time, one process", "s", found["one"]["time"], peer["time"]),
        Result.of(f"{name}: CPU", "s", found["ours"]["cpu"], peer["cpu"]),
    ]


def _write(tree: Path, count: int, size: int) -> None:
    tree.mkdir()
    ones = many(count * 4, size)
    for number in range(count):
        cassette = Cassette(ones[number * 4 : number * 4 + 4])
        (tree / f"test_{number}.yaml").write_bytes(vcrpy.dump(cassette))


def _ours(tree: Path, *options: str) -> Mapping[str, float]:
    with tempfile.TemporaryDirectory(prefix="bench-") as out:
        return _process([sys.executable, "-m", "mitmvcr", "convert", *options, str(tree), out])


def _peer(tree: Path) -> Mapping[str, float]:
    with tempfile.TemporaryDirectory(prefix="bench-") as out:
        return _process([sys.executable, "-c", _PEER, str(tree), out])


def _process(command: list[str]) -> Mapping[str, float]:
    """Seconds by the clock and of CPU, and the peak of memory in MB, of a process and its children."""
    began = time.perf_counter()
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, env={**os.environ, "PYTHONPATH": str(_ADDON)}
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    took = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if process.returncode:
        raise AssertionError(f"{command} ended with {process.returncode}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"time": took, "cpu": cpu, "memory": usage.ru_maxrss / 1000}
