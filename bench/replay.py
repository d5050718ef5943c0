"""What a replayed request costs the proxy: our layer, and our hooks, against mitmproxy's own replay.

CPU for each request of 16 kept connections, which all ask at once; the clients are this process, not the
proxy's. All have their flow log off.
"""

from __future__ import annotations

import contextlib
import json
import re
import socket
import ssl
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from mitmproxy import io
from mitmproxy.http import Headers, HTTPFlow, Request, Response
from mitmproxy.test import tflow

from bench.measure import Goal, Result, cpu_of, in_turn
from mitmvcr.model import Interaction
from tests import build
from tests.harness import Proxy
from tests.proxy.talk import trusting

PEER = "mitmproxy --server-replay"
CLIENTS = 16
_BASES = {"plain": "http://127.0.0.1:9", "tls": "https://127.0.0.1:9"}  # where nobody listens
_PATH = "/v1/chat/completions"
_ASKED = (
    b'{"model":"gpt-4o-mini","stream":%b,"messages":[{"role":"user","content":"' + b"Go on " * 150 + b'"}]}'
)
_LENGTH = re.compile(rb"\r\ncontent-length: (\d+)", re.IGNORECASE)
_WORKLOADS = {
    "JSON": (b"false", json.dumps({"said": "x" * 1000}).encode(), "application/json"),
    "SSE": (
        b"true",
        b"".join(b'data: {"n":%d,"text":"%b"}\n\n' % (number, b"x" * 240) for number in range(60))
        + b"data: [DONE]\n\n",
        "text/event-stream",
    ),
}
_GOALS = {("JSON", "plain"): 1 / 30, ("SSE", "plain"): 1 / 25, ("JSON", "tls"): 1 / 15}


class Client:
    """One connection, plain to a reverse listener or through a tunnel of the forward proxy."""

    def __init__(self, proxy: Proxy, way: str) -> None:
        url = proxy.reverse if way == "plain" else proxy.url
        self._sock = socket.create_connection((urlsplit(url).hostname, urlsplit(url).port), timeout=60)
        self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.reader = self._sock.makefile("rb")
        if way == "tls":
            self._sock.sendall(b"CONNECT 127.0.0.1:9 HTTP/1.1\r\nHost: 127.0.0.1:9\r\n\r\n")
            while self.reader.readline().strip():
                pass
            context: ssl.SSLContext = trusting(proxy.ca)
            context.set_alpn_protocols(["http/1.1"])
            self._sock = context.wrap_socket(self._sock, server_hostname="127.0.0.1")
            self.reader = self._sock.makefile("rb")

    def send(self, body: bytes) -> None:
        head = (
            f"POST {_PATH} HTTP/1.1\r\nHost: 127.0.0.1:9\r\nAccept: */*\r\nContent-Type: application/json\r\n"
            f"Authorization: Bearer {'k' * 40}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        self._sock.sendall(head.encode() + body)

    def read(self, wanted: bytes) -> None:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            line = self.reader.readline()
            if not line:
                raise ConnectionError(f"the answer broke off: {head!r}")
            head += line
        found = _LENGTH.search(head)
        body = b""
        if found:
            body = self.reader.read(int(found[1]))
        else:
            while size := int(self.reader.readline(), 16):
                body += self.reader.read(size)
                self.reader.readline()
            self.reader.readline()
        if body != wanted:
            raise AssertionError(head + body)


def run(*, quick: bool) -> list[Result]:
    """Each contender in turn, for each workload and way."""
    rounds, each = (4, 20) if quick else (15, 60)
    results = []
    with tempfile.TemporaryDirectory(prefix="bench-") as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        flows = _prepare(folder)
        start = partial(Proxy, upstream=_BASES["plain"])
        ours = partial(start, dir=name, cassette="bench", mode="replay", repeat="any")
        stock = ("--set", "connection_strategy=lazy", "--set", "flow_detail=0", "--server-replay", str(flows))
        proxies = {
            "layer": stack.enter_context(ours(folder, engine="layer")),
            "hooks": stack.enter_context(ours(folder, engine="hooks")),
            "stock": stack.enter_context(
                start(folder, *stock, "--set", "server_replay_reuse=true", script=None)
            ),
        }
        for way in _BASES:
            clients = {who: [Client(one, way) for _ in range(CLIENTS)] for who, one in proxies.items()}
            for workload in _WORKLOADS:
                burst = {
                    who: partial(_burst, those, proxies[who], workload, each)
                    for who, those in clients.items()
                }
                for one in burst.values():
                    one()
                found = in_turn(rounds, burst)
                for who in ("layer", "hooks"):
                    limit = _GOALS.get((workload, way)) if who == "layer" else None
                    goal = Goal(round(limit, 3), "ratio") if limit else None
                    what = f"{workload}, {way}, {who}: CPU a request"
                    results.append(Result.of(what, "µs", found[who]["cpu"], found["stock"]["cpu"], goal))
    return results


def _burst(clients: Sequence[Client], proxy: Proxy, workload: str, each: int) -> dict[str, float]:
    stream, wanted, _ = _WORKLOADS[workload]
    body = _ASKED % stream
    used = cpu_of(proxy.pid)
    for _ in range(each):
        for client in clients:
            client.send(body)
        for client in clients:
            client.read(wanted)
    return {"cpu": (cpu_of(proxy.pid) - used) / (each * len(clients))}


def _prepare(folder: Path) -> Path:
    """The same answers as a cassette and as mitmproxy's flows; the flows' file."""
    interactions, path = [], folder / "flows"
    with path.open("wb") as file:
        writer = io.FlowWriter(file)  # type: ignore[no-untyped-call]
        for base in _BASES.values():
            for stream, answer, kind in _WORKLOADS.values():
                asked = _ASKED % stream
                request = build.request(json.loads(asked), url=base + _PATH)
                interactions.append(Interaction(request, build.response(answer, content_type=kind)))
                writer.add(_flow(base, asked, answer, kind))
    build.write(folder / "bench.yaml", *interactions)
    return path


def _flow(base: str, asked: bytes, answer: bytes, kind: str) -> HTTPFlow:
    flow: HTTPFlow = tflow.tflow(
        req=Request.make("POST", base + _PATH, asked, Headers(content_type="application/json")),
        resp=Response.make(200, answer, Headers(content_type=kind)),
    )
    return flow
