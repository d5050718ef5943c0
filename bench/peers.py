"""The servers of `replay`: ours and its peers, each set up to give the same answers; measures nothing.

What matches on bodies does: hoverfly and WireMock compare JSON, aimock the model and the user's whole
message, `--server-replay` the bytes; nginx sends a file for a path. Each has its journal of requests and
its log off, where that can be said.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import mitmproxy.version
from mitmproxy import io
from mitmproxy.http import Headers, HTTPFlow, Request, Response
from mitmproxy.test import tflow

import mitmvcr
from bench import fetched
from bench.fetched import AbsentError, Program
from bench.load import Way
from bench.numbered import (
    CONTENT_TYPE,
    CREATED,
    EVENT_TEXT,
    ID,
    KINDS,
    MODEL,
    PATH,
    PLAIN,
    TLS,
    USAGE,
    Exchange,
    Kind,
    exchanges,
    write_cassette,
)
from tests.harness import Proxy

OURS, HOOKS, STOCK = "mitmvcr", "mitmvcr, hooks", "--server-replay"
NO_BYPASS = "mitmvcr, through mitmproxy's streams"
_WITHOUT = "MITMVCR_BENCH_WITHOUT"
"""The environment's variable: ours without this is measured, too: `socket_bypass`, or `lazy_imports`."""
_NO_BYPASS_SCRIPT = """
from mitmvcr.proxy.layer import placement
placement.shorten = lambda *_: None
"""
HOVERFLY, WIREMOCK, AIMOCK, NGINX = "hoverfly", "WireMock", "aimock", "nginx"
_PATIENCE = 60.0
_JVM = 12.0
"""Seconds: on one core the compiler of Java's hot code is not done earlier."""
_NODE = 1.0
_NODE_IDLE = 4.0
"""Seconds; Node's servers drop what has been idle for 5."""


@dataclass(frozen=True, slots=True)
class Server:
    """A peer that runs: what it holds, its ports for a reverse and a forward proxy, 0 for none.

    It drops connections that are idle for `idle` seconds, and is at its pace when it has been asked for
    `warm` seconds.
    """

    name: str
    product: str
    recordings: int
    pid: int
    reverse: int
    forward: int
    stop: Callable[[], object]
    idle: float = math.inf
    warm: float = 0.0
    paths: Mapping[Kind, str] = field(default_factory=lambda: dict.fromkeys(KINDS, PATH))

    def port(self, way: Way) -> int:
        """Where it is asked in this way; 0 if it isn't."""
        return self.reverse if way == "plain" else self.forward


@dataclass(frozen=True, slots=True)
class Peer:
    """How one is had and started in a folder of its own; and with how many recordings, at most."""

    name: str
    start: Callable[[Path, int], Server]
    largest: int


def is_without(what: str) -> bool:
    """Whether ours without this is to be measured, too."""
    return os.environ.get(_WITHOUT) == what


def _ours(folder: Path, count: int, *, name: str = OURS, engine: str = "layer") -> Server:
    write_cassette(folder / "bench.yaml", count)
    words: tuple[str, ...] = ()
    if name == NO_BYPASS:
        script = folder / "no_bypass.py"
        script.write_text(_NO_BYPASS_SCRIPT)
        words = ("-s", str(script))
    start = partial(Proxy, dir=folder, cassette="bench", mode="replay", repeat="any")
    proxy = start(folder, *words, upstream=PLAIN, engine=engine)
    return _proxied(proxy, name, f"mitmvcr {mitmvcr.__version__}", count)


def _stock(folder: Path, count: int) -> Server:
    flows = folder / "flows"
    with flows.open("wb") as file:
        writer = io.FlowWriter(file)  # type: ignore[no-untyped-call]
        for base in (PLAIN, TLS) if count == 1 else (PLAIN,):
            for one in exchanges(count):
                writer.add(_flow(base, one))
    options = ("connection_strategy=lazy", "flow_detail=0", "server_replay_reuse=true")
    words = [word for option in options for word in ("--set", option)]
    proxy = Proxy(folder, *words, "--server-replay", str(flows), upstream=PLAIN, script=None)
    return _proxied(proxy, STOCK, f"mitmproxy {mitmproxy.version.VERSION}", count)


def _proxied(proxy: Proxy, name: str, product: str, count: int) -> Server:
    if proxy.ended:
        raise AssertionError(proxy.output)
    reverse, forward = (int(url.rpartition(":")[2]) for url in (proxy.reverse, proxy.url))
    return Server(name, product, count, proxy.pid, reverse, forward, proxy.stop)


def _flow(base: str, one: Exchange) -> HTTPFlow:
    flow: HTTPFlow = tflow.tflow(
        req=Request.make("POST", base + PATH, one.asked, Headers(content_type="application/json")),
        resp=Response.make(200, one.answer, Headers(content_type=CONTENT_TYPE[one.kind])),
    )
    return flow


def _hoverfly(folder: Path, count: int, *, program: Program, tunnels: bool) -> Server:
    """Its webserver does no proxy's work; tunnels need the other mode, in a process of its own."""

    def pair(one: Exchange) -> dict[str, object]:
        request = {
            "method": [{"matcher": "exact", "value": "POST"}],
            "path": [{"matcher": "exact", "value": PATH}],
            "body": [{"matcher": "json", "value": one.asked.decode()}],
        }
        headers = {"Content-Type": [CONTENT_TYPE[one.kind]]}
        return {
            "request": request,
            "response": {"status": 200, "body": one.answer.decode(), "headers": headers},
        }

    data = {"pairs": [pair(one) for one in exchanges(count)]}
    simulation = folder / "simulation.json"
    simulation.write_text(json.dumps({"data": data, "meta": {"schemaVersion": "v5.2"}}))
    port, admin = _free_ports(2)
    words = ["-pp", str(port), "-ap", str(admin), "-listen-on-host", "127.0.0.1"]
    words += ["-import", str(simulation), "-no-import-check", "-log-level", "panic", "-journal-size", "0"]
    if tunnels:
        return _started(HOVERFLY, program, folder, count, words, forward=port)
    return _started(HOVERFLY, program, folder, count, ["-webserver", *words], reverse=port)


def _wiremock(folder: Path, count: int, *, program: Program) -> Server:
    def mapping(one: Exchange) -> dict[str, object]:
        body = [{"equalToJson": one.asked.decode()}]
        headers = {"Content-Type": CONTENT_TYPE[one.kind]}
        return {
            "request": {"method": "POST", "urlPath": PATH, "bodyPatterns": body},
            "response": {"status": 200, "headers": headers, "body": one.answer.decode()},
        }

    (folder / "mappings").mkdir()
    mappings = {"mappings": [mapping(one) for one in exchanges(count)]}
    (folder / "mappings" / "bench.json").write_text(json.dumps(mappings))
    (port,) = _free_ports(1)
    words = ["--port", str(port), "--bind-address", "127.0.0.1", "--root-dir", str(folder)]
    words += ["--no-request-journal", "--disable-request-logging", "--disable-gzip", "--disable-banner"]
    return _started(
        WIREMOCK, program, folder, count, words, reverse=port, warm=_JVM if count == 1 else _JVM / 4
    )


def _aimock(folder: Path, count: int, *, program: Program) -> Server:
    """It makes OpenAI's answers itself, from what the model says; so the exchanges' are made as it does."""

    def fixture(one: Exchange) -> dict[str, object]:
        said = {"content": one.text, "id": ID, "created": CREATED, "usage": USAGE}
        return {"match": {"userMessage": one.prompt, "model": MODEL}, "response": said}

    file = folder / "fixtures.json"
    file.write_text(json.dumps({"fixtures": [fixture(one) for one in exchanges(count)]}))
    (port,) = _free_ports(1)
    words = ["--port", str(port), "--fixtures", str(file), "--chunk-size", str(EVENT_TEXT)]
    words += ["--log-level", "silent", "--journal-max", "1"]
    return _started(AIMOCK, program, folder, count, words, reverse=port, idle=_NODE_IDLE, warm=_NODE)


def _nginx(folder: Path, count: int, *, program: Program) -> Server:
    """A POST of a file is refused; and what then is shown in the refusal's place is the file."""
    (port,) = _free_ports(1)
    locations = ""
    for one in exchanges(count):
        (folder / one.kind).write_bytes(one.answer)
        what = f"types {{}} default_type {CONTENT_TYPE[one.kind]}; error_page 405 =200 $uri;"
        locations += f"location = /{one.kind} {{ {what} }}\n"
    places = "".join(
        f"{what}_temp_path {folder};\n" for what in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    user = "user root;" if os.geteuid() == 0 else ""
    (folder / "nginx.conf").write_text(
        f"""\
{user} daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/errors crit;
events {{ worker_connections 1024; }}
http {{
{places}access_log off; sendfile on; tcp_nopush on; keepalive_requests 100000000; keepalive_timeout 1h;
open_file_cache max=10;
server {{ listen 127.0.0.1:{port}; root {folder};
{locations}}} }}
"""
    )
    words = ["-e", f"{folder}/errors", "-c", f"{folder}/nginx.conf"]
    paths: dict[Kind, str] = {kind: f"/{kind}" for kind in KINDS}
    return _started(NGINX, program, folder, count, words, reverse=port, paths=paths)


def _started(  # noqa: PLR0913 - what a server is, once
    name: str,
    program: Program,
    folder: Path,
    count: int,
    words: Sequence[str],
    *,
    reverse: int = 0,
    forward: int = 0,
    idle: float = math.inf,
    warm: float = 0.0,
    paths: Mapping[Kind, str] | None = None,
) -> Server:
    output = folder / "output"
    with output.open("wb") as file:
        process = subprocess.Popen(
            [*program.command, *words], cwd=folder, stdin=subprocess.DEVNULL, stdout=file, stderr=file
        )

    def stop() -> None:
        process.terminate()
        process.wait(_PATIENCE)

    deadline = time.monotonic() + _PATIENCE
    while not _listens(reverse or forward):
        if process.poll() is not None or time.monotonic() > deadline:
            stop()
            raise AbsentError(
                f"{name} is left out: it does not start: {output.read_text(errors='replace')[-500:]}"
            )
        time.sleep(0.02)
    where = paths or dict.fromkeys(KINDS, PATH)
    return Server(
        name, f"{name} {program.version}", count, process.pid, reverse, forward, stop, idle, warm, where
    )


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        opened = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [one.getsockname()[1] for one in opened]


def peers() -> Iterator[Peer]:
    """All that can be had, ours first; the others are named, with the reason."""
    yield Peer(OURS, _ours, 100_000)
    yield Peer(HOOKS, partial(_ours, name=HOOKS, engine="hooks"), 1)
    if is_without("socket_bypass"):
        yield Peer(NO_BYPASS, partial(_ours, name=NO_BYPASS), 1)
    yield Peer(STOCK, _stock, 1_000)
    had: tuple[tuple[str, Callable[[], Program], Callable[..., Server], int], ...] = (
        (HOVERFLY, fetched.hoverfly, partial(_hoverfly, tunnels=False), 1_000),
        (HOVERFLY, fetched.hoverfly, partial(_hoverfly, tunnels=True), 1),
        (WIREMOCK, fetched.wiremock, _wiremock, 1_000),
        (AIMOCK, fetched.aimock, _aimock, 1_000),
        (NGINX, fetched.nginx, _nginx, 1),
    )
    absent = set()
    for name, fetch, start, largest in had:
        try:
            yield Peer(name, partial(start, program=fetch()), largest)
        except AbsentError as error:
            if name not in absent:
                print(f"{name} is left out: {error}")
            absent.add(name)
