"""What `mitmvcr run` costs: a program that does nothing, and the streams of one that is recorded.

The whole of `mitmvcr run -- true`, from exec until it is gone with its proxy, is held against a bare
mitmdump's start, from exec until its first answer; bytecode caches warm. Streams are held against those of
the stand-in itself, and against bare mitmdump's that streams.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from bench.measure import Goal, Result, in_turn
from bench.peers import is_without
from bench.record import BARE, Client, delays, firsts
from bench.startup import MODELS, start
from tests.harness import ROOT, Proxy
from tests.upstream.server import Upstream

PEER = "peer"
_DIRECT, _BARE = "direct", "bare mitmdump"
_COMMAND = (sys.executable, "-P", "-m", "mitmvcr", "run")
_EAGER = "all imported at the start"
_SITECUSTOMIZE = """
import sys
if any("entrypoint" in word for word in sys.orig_argv):
    from mitmvcr.proxy.patches import lazy_imports
    lazy_imports.put_off = lambda: None
"""
_TO_ANSWER, _CPU = "to the first answer", "CPU until then"
_STREAM = ("stream: to the first byte", "stream: to the first event", "stream: between two events")


def run(*, quick: bool) -> list[Result]:
    """Starts in turn, then streams in turn."""
    rounds, streams = (4, 5) if quick else (20, 60)
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, Upstream.start() as upstream:
        root = Path(folder)
        bare = partial(start, root, upstream.url, [], MODELS)
        bare()  # makes the CA
        _nothing(root)
        contenders = {"bare": bare, "ours": partial(_nothing, root)}
        if is_without("lazy_imports"):
            _nothing(root, eager=True)
            contenders[_EAGER] = partial(_nothing, root, eager=True)
        started = in_turn(rounds, contenders)
        streamed = _streams(root, upstream, streams)
    results = [
        Result.of(
            f"run -- true, beside {_BARE}'s start",
            "ms",
            *_pair(started, _TO_ANSWER),
            Goal(0.15, "difference"),
        ),
        Result.of("run -- true: CPU, beside the same", "ms", *_pair(started, _CPU)),
    ]
    if _EAGER in started:
        for what in (_TO_ANSWER, _CPU):
            ours, eager = started["ours"][what], started[_EAGER][what]
            results.append(Result.of(f"run -- true: {what}, beside {_EAGER}", "ms", ours, eager))
    for what in _STREAM:
        for peer in (_DIRECT, _BARE):
            ours, other = streamed["ours"][what], streamed[peer][what]
            results.append(Result.of(f"{what}, beside {peer}", "ms", ours, other))
    return results


def _pair(found: dict[str, dict[str, list[float]]], figure: str) -> tuple[list[float], list[float]]:
    return found["ours"][figure], found["bare"][figure]


def _environment(root: Path) -> dict[str, str]:
    kept = {
        name: value for name, value in os.environ.items() if name not in ("PYTHONDONTWRITEBYTECODE", "CI")
    }
    return {**kept, "PYTHONPATH": str(ROOT / "addon"), "PYTHONPYCACHEPREFIX": str(root / "bytecode")}


def _nothing(root: Path, *, eager: bool = False) -> dict[str, float]:
    """Seconds of `mitmvcr run -- true`, and of CPU of all its processes, under the names of a start's.

    `eager`: all that mitmproxy imports is imported at the start.
    """
    command = [*_COMMAND, "--confdir", str(root / "ca"), "--", "true"]
    began = time.perf_counter()
    environment = _environment(root)
    if eager:
        (root / "eager").mkdir(exist_ok=True)
        (root / "eager" / "sitecustomize.py").write_text(_SITECUSTOMIZE)
        environment["PYTHONPATH"] += f"{os.pathsep}{root / 'eager'}"
    process = subprocess.Popen(command, cwd=root, env=environment, stderr=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise AssertionError(f"{command} exits with {process.returncode}")
    return {_TO_ANSWER: time.perf_counter() - began, _CPU: used.ru_utime + used.ru_stime}


def _streams(root: Path, upstream: Upstream, rounds: int) -> dict[str, dict[str, list[float]]]:
    """What a client measures at the stand-in, behind bare mitmdump, and in a run that records."""
    script = root / "bare.py"
    script.write_text(BARE)
    listeners = [f"reverse:{upstream.url}@0"]
    with (
        Proxy(root, "--set", "flow_detail=0", script=script, listeners=listeners) as bare,
        _recording(root, upstream) as ours,
    ):
        clients = {_DIRECT: Client(upstream.url), _BARE: Client(bare.reverse), "ours": Client(ours)}
        for client in clients.values():
            delays(client)
        short = in_turn(rounds * 4, {name: partial(firsts, client) for name, client in clients.items()})
        long = in_turn(rounds, {name: partial(delays, client) for name, client in clients.items()})
    return {name: short[name] | long[name] for name in clients}


@contextmanager
def _recording(root: Path, upstream: Upstream) -> Iterator[str]:
    """The base URL that a program in `mitmvcr run` is given, while that program runs."""
    command = [*_COMMAND, "--confdir", str(root / "ca"), "--mode", "record", "--upstream", upstream.url]
    process = subprocess.Popen(
        [*command, "--", "sh", "-c", 'echo "$OPENAI_BASE_URL"; read line'],
        cwd=root,
        env=_environment(root),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.stdin.close()
