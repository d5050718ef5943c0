"""How long mitmdump takes to start with the addon, against mitmdump alone; bytecode caches warm.

A start is over when the port is open, and again when the first right answer has come: mitmproxy 12 opens
its port before it has loaded everything.
"""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from mitmproxy import io
from mitmproxy.http import Headers, Response
from mitmproxy.http import Request as HTTPRequest
from mitmproxy.test import tflow

from bench.exchanges import many
from bench.measure import Goal, Result, cpu_of, in_turn
from mitmvcr.formats import govcr
from mitmvcr.model import Cassette, Interaction
from tests.harness import MITMDUMP, SCRIPT
from tests.upstream.server import Upstream

PEER = "bare mitmdump"
_PATIENCE = 60.0
_POLL = 0.001
_RECORDINGS = 1_000
_REPLAY, _STOCK = "replay", "--server-replay"
LISTENING, FIRST, CPU = "to listening", "to the first answer", "CPU until then"
_ALLOWED = Goal(0.1, "difference")
_LIMIT = Goal(1.1, "ratio")
_AHEAD = Goal(1.0, "ratio")


@dataclass(frozen=True, slots=True)
class Ask:
    """A request and the status of its right answer."""

    method: str
    path: str
    body: bytes | None
    status: int = 200


MODELS = Ask("GET", "/v1/models", None)
HEADERS = {"Authorization": "Bearer " + "k" * 40, "Content-Type": "application/json"}


def run(*, quick: bool) -> list[Result]:
    """Start each of them in turn, and time them."""
    rounds = 3 if quick else 15
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, Upstream.start() as upstream:
        root = Path(folder)
        (root / "empty").mkdir()
        (root / "recordings").mkdir()
        several = many(_RECORDINGS, 1_000)
        (root / "recordings" / "bench.yaml").write_bytes(govcr.dump(Cassette(several)))
        _write_flows(several, root / "flows")
        recorded = Ask("POST", "/v1/chat/completions", several[0].request.body)
        begin = partial(start, root, upstream.url)
        addon = ["-s", str(SCRIPT), "--set", f"vcr_dir={root / 'empty'}"]
        replay = ["-s", str(SCRIPT), "--set", f"vcr_dir={root / 'recordings'}"]
        replay += ["--set", "vcr_mode=replay", "--set", "vcr_cassette=bench", "--set", "vcr_repeat=any"]
        stock = ["--server-replay", str(root / "flows"), "--set", "connection_strategy=lazy"]
        contenders: dict[str, Callable[[], dict[str, float]]] = {
            "bare": lambda: begin([], MODELS),
            "no cassette": lambda: begin([*addon, "--set", "vcr_mode=record"], MODELS),
            _REPLAY: lambda: begin(replay, recorded, "https://api.openai.com"),
            _STOCK: lambda: begin(stock, recorded, "https://api.openai.com"),
        }
        for contender in contenders.values():
            contender()  # makes the CA and the bytecode caches
        found = in_turn(rounds, contenders)
    bare, theirs, fresh, replays = (found[name] for name in ("bare", _STOCK, "no cassette", _REPLAY))
    replayed = f"replay of {_RECORDINGS:,}"
    return [
        *(
            Result.of(f"no cassette, {mark}", "ms", fresh[mark], bare[mark], goal)
            for mark, goal in ((LISTENING, _ALLOWED), (FIRST, _ALLOWED), (CPU, None))
        ),
        Result.of(f"{replayed}, {LISTENING}", "ms", replays[LISTENING], bare[LISTENING], _LIMIT),
        Result.of(f"{replayed}, {FIRST}, beside listening", "ms", replays[FIRST], bare[LISTENING], _LIMIT),
        Result.of(f"{replayed}, {FIRST}, beside {_STOCK}", "ms", replays[FIRST], theirs[FIRST], _AHEAD),
        Result.of(f"{replayed}, {CPU}", "ms", replays[CPU], bare[CPU]),
    ]


def _write_flows(interactions: Sequence[Interaction], path: Path) -> None:
    """What mitmproxy's own replay reads."""
    with path.open("wb") as file:
        writer = io.FlowWriter(file)  # type: ignore[no-untyped-call]
        for interaction in interactions:
            recorded, response = interaction.request, interaction.response
            headers = Headers(content_type="application/json")
            request = HTTPRequest.make(recorded.method, recorded.url, recorded.body, headers)
            flow = tflow.tflow(req=request, resp=Response.make(response.code, response.body, headers))
            writer.add(flow)


def start(root: Path, upstream: str, arguments: Sequence[str], ask: Ask, host: str = "") -> dict[str, float]:
    """Seconds from exec to each mark, and of CPU; the process is gone afterwards."""
    port = _free_port()
    command = [str(MITMDUMP), "--set", f"confdir={root / 'ca'}", "--listen-host", "127.0.0.1"]
    command += ["--mode", f"reverse:{host or upstream}@{port}", *arguments]
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    env["PYTHONPYCACHEPREFIX"] = str(root / "bytecode")
    with (root / "output").open("wb") as output:
        began = time.perf_counter()
        process = subprocess.Popen(
            command, cwd=root, env=env, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
    try:
        connection = _connect(process, port, began + _PATIENCE, root / "output")
        listening = time.perf_counter() - began
        _expect(connection, ask)
        answered = time.perf_counter() - began
        used = cpu_of(process.pid)
    finally:
        process.terminate()
        process.wait()
    return {LISTENING: listening, FIRST: answered, CPU: used}


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port: int = unused.getsockname()[1]
        return port


def _connect(process: subprocess.Popen[bytes], port: int, deadline: float, output: Path) -> socket.socket:
    while time.perf_counter() < deadline and process.poll() is None:
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=_PATIENCE)
        except ConnectionRefusedError:
            time.sleep(_POLL)
    raise TimeoutError(output.read_text(errors="replace"))


def _expect(sock: socket.socket, ask: Ask) -> None:
    connection = http.client.HTTPConnection("127.0.0.1")
    connection.sock = sock
    try:
        connection.request(ask.method, ask.path, ask.body, HEADERS)
        answer = connection.getresponse()
        body = answer.read()
        if answer.status != ask.status:
            raise AssertionError(f"{answer.status}: {body.decode(errors='replace')}")
    finally:
        connection.close()
