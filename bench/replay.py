"""What a replayed request costs: ours beside mitmproxy's own replay, hoverfly, WireMock, aimock and nginx.

CPU is that of the server's whole process tree, which has one core to itself where there are several; the
clients are this process, on the others. Answers are compared byte for byte at first, by their length then.
"""

from __future__ import annotations

import contextlib
import itertools
import random
import statistics
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeAlias

from bench.fetched import AbsentError
from bench.load import CPU, P50, P99, WALL, Asked, Connection, Way, allow_many_files, anew, burst
from bench.measure import Goal, Line, Result, Spread, cores, cpu_of_tree, in_turn, memory_of, on_cores
from bench.numbered import Kind, exchanges
from bench.peers import AIMOCK, HOOKS, HOVERFLY, OURS, STOCK, WIREMOCK, Peer, Server, peers

PEER = "peer, as named"
TIMES = "times ours"
COLUMNS = {CPU: "µs", TIMES: "", WALL: "µs", P50: "µs", P99: "µs"}
SEVERAL, MANY = 1_000, 100_000
_ONCE = "each asked once"
_SOME = 32  # recordings, from all over the cassette
_LEAST = 3  # passes over all connections that make a figure of latency


@dataclass(frozen=True, slots=True)
class Workload:
    """What is asked, how, and by how many at once."""

    kind: Kind
    way: Way
    clients: int

    @property
    def title(self) -> str:
        """As it stands in tables."""
        if self.way in ("new TLS", "resumed TLS"):
            return f"{self.kind}, a {self.way} connection each"
        clients = "1 client" if self.clients == 1 else f"{self.clients} clients"
        return f"{self.kind}, {'TLS, ' if self.way == 'TLS' else ''}{clients}"


JSON, SSE = Workload("JSON", "plain", 16), Workload("SSE", "plain", 16)
JSON_ALONE, SSE_ALONE = Workload("JSON", "plain", 1), Workload("SSE", "plain", 1)
JSON_TLS, SSE_TLS = Workload("JSON", "TLS", 16), Workload("SSE", "TLS", 16)
NEW_TLS, RESUMED_TLS = Workload("JSON", "new TLS", 1), Workload("JSON", "resumed TLS", 1)
JSON_CROWD, SSE_CROWD = Workload("JSON", "plain", 256), Workload("SSE", "plain", 256)
QUICK = (JSON, SSE, JSON_ALONE, SSE_ALONE, JSON_TLS, NEW_TLS)
WORKLOADS = (*QUICK, JSON_CROWD, SSE_CROWD, SSE_TLS, RESUMED_TLS)


def titled(name: str, recordings: int = 1, how: str = "") -> str:
    """A contender's name in tables: with one recording of each kind, which goes without saying, or with many.

    `how` its recordings are asked for, if not over and over.
    """
    count = f", {recordings:,} recordings" if recordings > 1 else ""
    return f"{name}{count}{f', {how}' if how else ''}"


_BEST = "the best of the others"
_GOALS: tuple[tuple[Workload, str, str, str, float], ...] = (
    (JSON, CPU, OURS, STOCK, 1 / 30),
    (JSON, CPU, OURS, HOVERFLY, 1 / 1.5),
    (SSE, CPU, OURS, STOCK, 1 / 25),
    (SSE, CPU, OURS, HOVERFLY, 1 / 2),
    (JSON, CPU, titled(OURS, SEVERAL), OURS, 1.1),
    (SSE, CPU, titled(OURS, SEVERAL), OURS, 1.1),
    (JSON, CPU, titled(OURS, MANY), OURS, 1.1),
    (JSON, CPU, titled(OURS, MANY, _ONCE), OURS, 1.1),
    (SSE, CPU, titled(OURS, MANY), OURS, 1.1),
    *((workload, figure, OURS, _BEST, 1.0) for workload in (JSON_ALONE, SSE_ALONE) for figure in (P50, P99)),
    (JSON_TLS, CPU, OURS, STOCK, 1 / 15),
    (NEW_TLS, CPU, OURS, STOCK, 1 / 3),
)
_MEMORY = Goal(2.0, "ratio")
TABLE = (
    ("JSON", JSON.title, CPU, "µs"),
    ("stream", SSE.title, CPU, "µs"),
    ("JSON, TLS", JSON_TLS.title, CPU, "µs"),
    ("JSON, new TLS", NEW_TLS.title, CPU, "µs"),
    ("JSON, one client: p50", JSON_ALONE.title, P50, "µs"),
    ("p99", JSON_ALONE.title, P99, "µs"),
)
"""What the docs show: heading, workload, figure and unit."""

Found: TypeAlias = Mapping[str, Mapping[str, Sequence[float]]]
"""By contender and figure."""


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is done: rounds, and the seconds that one contender has in each, or to get warm."""

    rounds: int
    seconds: float
    warm: float


def run(*, quick: bool) -> tuple[list[Line], list[Result]]:
    """All contenders at all workloads, in turn; then our memory."""
    effort = Effort(3, 0.03, 0.05) if quick else Effort(15, 0.15, 0.5)
    allow_many_files()
    here, there = cores()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        servers = _start(folder, here, stack)
        stack.enter_context(on_cores(there))
        for server in servers:
            _warm(server, server.warm * (1 if quick else 2))
        found = {
            workload: _measured(workload, servers, effort) for workload in (QUICK if quick else WORKLOADS)
        }
        memory = list(_memory(folder, servers))
    products = {server.name.partition(", ")[0]: server.product for server in servers}
    return list(_lines(found, products)), [*_goals(found), *memory]


def _start(folder: Path, here: set[int], stack: contextlib.ExitStack) -> list[Server]:
    """Every peer that can be had, with each number of recordings that it takes."""

    def start(peer: Peer, number: int, count: int) -> Server:
        own = folder / f"{number}-{count}"
        own.mkdir()
        with on_cores(here):
            server = peer.start(own, count)
        stack.callback(server.stop)
        return server

    # More at once, and on one core the last one would be waited for too long.
    with ThreadPoolExecutor(3) as pool:
        started = [
            pool.submit(start, peer, number, count)
            for number, peer in enumerate(peers())
            for count in (MANY, SEVERAL, 1)
            if count <= peer.largest
        ]
    servers = []
    for server in started:
        try:
            servers.append(server.result())
        except AbsentError as error:
            print(error)
    return servers


def _warm(server: Server, seconds: float) -> None:
    """Ask for so long: a JIT compiler takes its time."""
    for kind in ("JSON", "SSE") if seconds and server.reverse else ():
        connections = [Connection(server.reverse, "plain", server.idle) for _ in range(JSON.clients)]
        asked = itertools.cycle(_asked(server, kind))
        size = connections[0].check(next(asked))
        until = time.perf_counter() + seconds / 2
        while time.perf_counter() < until:
            burst(connections, asked, size, 100, lambda: 0.0)
        for connection in connections:
            connection.close()


class Cell:
    """One contender at one workload, its connections open."""

    def __init__(self, server: Server, workload: Workload, effort: Effort, how: str) -> None:
        port, self._way = server.port(workload.way), workload.way
        self._connections = [Connection(port, self._way, server.idle) for _ in range(workload.clients)]
        self._cpu = partial(cpu_of_tree, server.pid)
        asked = _asked(server, workload.kind)
        self._asked = _at_random(server, workload.kind) if how == _ONCE else itertools.cycle(asked)
        self._size = self._checked(len(asked))
        self._count = workload.clients
        until = time.perf_counter() + effort.warm
        while True:
            wall = self.measure()[WALL]
            self._count = max(int(effort.seconds / wall), _LEAST, workload.clients)
            if time.perf_counter() > until:
                break

    def _checked(self, several: int) -> int:
        """The size of an answer, after several were compared byte for byte."""
        sizes = {self._connections[0].check(next(self._asked)) for _ in range(several)}
        if len(sizes) != 1:
            raise AssertionError(f"answers have several sizes: {sizes}")
        return sizes.pop()

    def measure(self) -> Mapping[str, float]:
        """A burst of requests."""
        if self._way in ("new TLS", "resumed TLS"):
            return anew(self._connections[0], self._asked, self._size, self._count, self._cpu)
        return burst(self._connections, self._asked, self._size, self._count, self._cpu)

    def close(self) -> None:
        """Close its connections."""
        for connection in self._connections:
            connection.close()


def _asked(server: Server, kind: Kind) -> list[Asked]:
    """What is asked over and over, from all over the cassette."""
    mine = [exchange for exchange in exchanges(server.recordings) if exchange.kind == kind]
    return [exchange.on_the_wire(server.paths[kind]) for exchange in mine[:: max(1, len(mine) // _SOME)]]


def _at_random(server: Server, kind: Kind) -> Iterator[Asked]:
    """All that there is, in no order, and each once."""
    mine = [exchange for exchange in exchanges(server.recordings) if exchange.kind == kind]
    random.Random(0).shuffle(mine)
    return (exchange.on_the_wire(server.paths[kind]) for exchange in mine)


def _measured(workload: Workload, servers: Sequence[Server], effort: Effort) -> Found:
    with contextlib.ExitStack() as stack:
        cells = {}
        for server, how in _contenders(workload, servers):
            cell = Cell(server, workload, effort, how)
            stack.callback(cell.close)
            cells[titled(server.name, server.recordings, how)] = cell
        return in_turn(effort.rounds, {title: cell.measure for title, cell in cells.items()})


def _contenders(workload: Workload, servers: Sequence[Server]) -> Iterator[tuple[Server, str]]:
    for server in sorted(servers, key=lambda server: server.recordings):
        if server.name == HOOKS and workload.clients != JSON.clients:
            continue
        if server.port(workload.way) and (server.recordings == 1 or workload in (JSON, SSE)):
            yield server, ""
            if server.recordings == MANY and workload.kind == "JSON":
                yield server, _ONCE


def _lines(found: Mapping[Workload, Found], products: Mapping[str, str]) -> Iterator[Line]:
    """One for each contender at each workload; the ratio is the median of those within each round."""
    for workload, contenders in found.items():
        for who, figures in contenders.items():
            spreads = {name: Spread.of(values) for name, values in figures.items()}
            if who != OURS:
                times = zip(figures[CPU], contenders[OURS][CPU], strict=True)
                spreads[TIMES] = Spread.of([theirs / ours for theirs, ours in times])
            yield Line(workload.title, who, products[who.partition(", ")[0]], spreads)


def _goals(found: Mapping[Workload, Found]) -> Iterator[Result]:
    """What there is a goal for, where its peer is there."""
    for workload, figure, who, named, limit in _GOALS:
        contenders = found[workload]
        others = [name for name in (HOVERFLY, WIREMOCK, AIMOCK) if name in contenders]
        peer = named
        if named == _BEST and others:
            peer = min(others, key=lambda name: statistics.median(contenders[name][figure]))
        if who in contenders and peer in contenders:
            what = f"{workload.title}: {figure}, {'' if who == OURS else f'{who}, '}beside {peer}"
            goal = Goal(limit, "ratio")
            yield Result.of(what, "µs", contenders[who][figure], contenders[peer][figure], goal)


def _memory(folder: Path, servers: Sequence[Server]) -> Iterator[Result]:
    """The whole process, with its index and after it has answered, beside the cassette's file."""
    for server in servers:
        if server.name == OURS and server.recordings == MANY:
            (file,) = folder.glob(f"*-{MANY}/bench.yaml")
            size = file.stat().st_size / 1e6
            found = memory_of(server.pid)
            for name, what in (("VmRSS", "memory"), ("VmHWM", "peak of memory")):
                said = f"{server.recordings:,} recordings of 2 KB: {what}, beside the file"
                yield Result.of(said, "MB", [found[name] / 1e6], [size], _MEMORY)
