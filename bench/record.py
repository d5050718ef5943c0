"""What recording costs a client and the machine: mitmdump with the addon in `record`, against bare mitmdump.

Both are reverse proxies in front of the stand-in upstream, and both stream; the bare one by the shortest
script that does, and with its flow log off, as the addon has it.
"""

from __future__ import annotations

import itertools
import socket
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from bench.measure import Goal, Result, cpu_of, in_turn
from tests.harness import Proxy
from tests.upstream.server import Upstream

PEER = "bare mitmdump"
BARE = """\
def responseheaders(flow):
    flow.response.stream = True
"""
_END = b"\r\n0\r\n\r\n"  # of a chunked body
_EVENTS = 60
_SLOW = f"events={_EVENTS},delay=0.01"
_SHORT = "events=3,delay=0.01"
_FAST = f"events={_EVENTS}"
_JSON = "size=1000,chunked"
_BURST = 25  # requests for one figure of CPU


class Client:
    """One connection to a proxy (or to the upstream itself), on which requests follow each other."""

    def __init__(self, url: str) -> None:
        self._host = urlsplit(url).netloc
        self._sock = socket.create_connection((urlsplit(url).hostname, urlsplit(url).port), timeout=60)
        self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(self, standin: str, *, stream: bool) -> list[tuple[float, bytes]]:
        """Each read of the answer, with the seconds since the request."""
        body = b'{"model":"gpt-4o-mini","stream":%b,"messages":[{"role":"user","content":"Go on"}]}'
        body %= b"true" if stream else b"false"
        head = (
            f"POST /v1/chat/completions HTTP/1.1\r\nHost: {self._host}\r\nx-standin: {standin}\r\n"
            f"Authorization: Bearer {'k' * 40}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        reads: list[tuple[float, bytes]] = []
        tail = b""
        began = time.perf_counter()
        self._sock.sendall(head.encode() + body)
        while not tail.endswith(_END):
            read = self._sock.recv(1 << 16)
            if not read:
                raise ConnectionError(f"the answer broke off: {b''.join(one for _, one in reads)!r}")
            reads.append((time.perf_counter() - began, read))
            tail = tail[-len(_END) :] + read
        if not reads[0][1].startswith(b"HTTP/1.1 200"):
            raise AssertionError(b"".join(one for _, one in reads))
        return reads


def run(*, quick: bool) -> list[Result]:
    """Streams one by one for the delays, bursts for the CPU; each contender in turn."""
    starts, streams, bursts = (40, 5, 4) if quick else (400, 40, 30)
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, Upstream.start() as upstream:
        bare = Path(folder, "bare.py")
        bare.write_text(BARE)
        start = partial(Proxy, listeners=[f"reverse:{upstream.url}@0"])
        with (
            start(Path(folder), "--set", "flow_detail=0", script=bare) as peer,
            start(Path(folder), dir=folder, cassette="bench", mode="record") as ours,
        ):
            clients = {"bare": Client(peer.reverse), "ours": Client(ours.reverse)}
            for client in clients.values():
                for standin, stream in ((_FAST, True), (_JSON, False)):
                    client.ask(standin, stream=stream)
            begun = in_turn(starts, {name: partial(firsts, one) for name, one in clients.items()})
            followed = in_turn(streams, {name: partial(delays, one) for name, one in clients.items()})
            pids = {"bare": peer.pid, "ours": ours.pid}
            costs = in_turn(bursts, {name: partial(_costs, one, pids[name]) for name, one in clients.items()})
            recorded = Path(folder, "bench.yaml").read_bytes().count(b"\n- id: ")
            wanted = 2 + starts + streams + 2 * bursts * _BURST
            if recorded != wanted:
                raise AssertionError(f"{recorded} exchanges were recorded, not {wanted}: {ours.output}")
    found = {name: begun[name] | followed[name] | costs[name] for name in clients}
    return [
        Result.of(what, unit, found["ours"][what], found["bare"][what], goal) for what, unit, goal in _FIGURES
    ]


_FIGURES: tuple[tuple[str, str, Goal | None], ...] = (
    ("stream: to the first byte", "ms", Goal(0.0002, "difference")),
    ("stream: to the first event", "ms", Goal(0.0002, "difference")),
    ("stream: to the last event", "ms", None),
    ("stream: between two events", "ms", Goal(0.0002, "difference")),
    ("stream: widest gap", "ms", None),
    ("stream: events that came with another", "%", Goal(1, "difference")),
    ("JSON of 1 KB: whole answer", "ms", None),
    ("JSON of 1 KB: CPU a request", "ms", Goal(1.05, "ratio")),
    (f"stream of {_EVENTS} events: whole answer", "ms", None),
    (f"stream of {_EVENTS} events: CPU a request", "ms", Goal(1.05, "ratio")),
)


def firsts(client: Client) -> dict[str, float]:
    """When a stream begins; there are many short ones, for this is the least of the figures."""
    reads = client.ask(_SHORT, stream=True)
    return {
        "stream: to the first byte": reads[0][0],
        "stream: to the first event": next(when for when, read in reads if b"data: " in read),
    }


def delays(client: Client) -> dict[str, float]:
    """When the events of a slow stream come: a chunk that is held comes late, and with the next one."""
    reads = client.ask(_SLOW, stream=True)
    events = [(when, read.count(b"data: ")) for when, read in reads if b"data: " in read]
    gaps = [later - earlier for (earlier, _), (later, _) in itertools.pairwise(events)]
    total = sum(count for _, count in events)
    return {
        "stream: to the last event": events[-1][0],
        "stream: between two events": statistics.median(gaps),
        "stream: widest gap": max(gaps),
        "stream: events that came with another": 100 * (total - len(events)) / total,
    }


def _costs(client: Client, pid: int) -> dict[str, float]:
    """Seconds and the proxy's CPU for a request, over a burst of them."""
    plain, plain_cpu = _burst(lambda: client.ask(_JSON, stream=False), pid)
    stream, stream_cpu = _burst(lambda: client.ask(_FAST, stream=True), pid)
    return {
        "JSON of 1 KB: whole answer": plain,
        "JSON of 1 KB: CPU a request": plain_cpu,
        f"stream of {_EVENTS} events: whole answer": stream,
        f"stream of {_EVENTS} events: CPU a request": stream_cpu,
    }


def _burst(ask: Callable[[], object], pid: int) -> tuple[float, float]:
    used, began = cpu_of(pid), time.perf_counter()
    for _ in range(_BURST):
        ask()
    return (time.perf_counter() - began) / _BURST, (cpu_of(pid) - used) / _BURST
