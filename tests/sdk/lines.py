"""The two lines that SDKs are tried on: HTTPS through the forward proxy, HTTP to the reverse one."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mitmvcr.launch import trust
from mitmvcr.launch.environment import Endpoints, Via, changes
from mitmvcr.model import Interaction
from mitmvcr.store.cassette import read
from tests.conftest import Start
from tests.harness import Proxy
from tests.proxy.talk import HEADERS, KEY
from tests.upstream.server import Upstream


@dataclass(frozen=True, slots=True)
class Kind:
    """A line by its name; what it needs of the stand-in and of the proxy."""

    name: str
    forward: bool

    def start(self, start: Start, folder: Path, url: str, ca: Path | None, **options: str) -> Proxy:
        """A proxy on this line, in front of the stand-in at `url`, or of nothing if that is stopped."""
        trust = ["--set", f"ssl_verify_upstream_trusted_ca={ca}"] if ca else []
        return start(*trust, folder=folder, upstream="" if self.forward else url, **options)


FORWARD = Kind("forward", forward=True)
REVERSE = Kind("reverse", forward=False)
KINDS = (FORWARD, REVERSE)


def upstream_for(kind: Kind) -> Upstream:
    """A stand-in of the test's own, which it can stop; with TLS where the proxy opens TLS."""
    return Upstream.start(tls=kind.forward)


def recorded(folder: Path, name: str) -> list[Interaction]:
    """What stands in a cassette, which has none of the headers that SDKs and the stand-in add."""
    interactions = list(read(folder / "recordings" / f"{name}.yaml").cassette.interactions)
    for one in interactions:
        assert set(one.request.headers) <= {"Accept", "Content-Type", "User-Agent", "Openai-Beta"}
        assert set(one.response.headers) <= {
            "Access-Control-Expose-Headers",
            "Allow",
            "Content-Disposition",
            "Content-Type",
            "Openai-Version",
            "Retry-After",
            "Retry-After-Ms",
            "X-Should-Retry",
        }
    return interactions


Told = dict[str, dict[str, Any]]
"""What a program was told, by the names of its steps."""

# What is for api.openai.com goes to the stand-in, which has a certificate for that name. (A connection that
# gets another address in a hook is not used again, and mitmproxy waits for ever to open the sixth.)
_DETOUR = """
import asyncio

connect = asyncio.open_connection

async def open_connection(host, port, **options):
    assert (host, port) == ("api.openai.com", 443)
    return await connect("127.0.0.1", {port}, **options)

asyncio.open_connection = open_connection
"""


def told_the_same(
    kind: Kind, start: Start, folder: Path, run: Callable[[dict[str, str]], Told]
) -> tuple[Told, list[Interaction]]:
    """What a program was told by the stand-in, and what was recorded; it is told the same without it.

    `run` starts the program with this environment. Forward, it asks api.openai.com.
    """
    with upstream_for(kind) as upstream:
        detour = folder / "detour.py"
        detour.write_text(_DETOUR.format(port=upstream.port))
        arguments = ["-s", str(detour), "--set", f"ssl_verify_upstream_trusted_ca={upstream.ca}"]
        target = "" if kind.forward else upstream.url
        options = {"cassette": "program", "upstream": target, "hosts": "api.openai.com"}
        proxy = start(*arguments[: 4 * kind.forward], folder=folder, **options)
        told = run(environment(kind, proxy, KEY))
        asked = upstream.requests()
        assert proxy.stop() == 0, proxy.output
    on_disk = recorded(folder, "program")
    assert len(on_disk) == len(asked) > 0, proxy.output

    replaying = start(folder=folder, mode="replay", strict="true", **options)
    assert run(environment(kind, replaying, "dummy")) == told
    assert replaying.stop() == 0, replaying.output
    return told, on_disk


def environment(kind: Kind, proxy: Proxy, key: str) -> dict[str, str]:
    """What `mitmvcr run` tells a program of the proxy, and the key; with a real one, whose it is, too."""
    real = "https://api.openai.com/v1"
    via = Via.PROXY if kind.forward else Via.BASE_URL
    bases = {} if kind.forward else {"OPENAI_BASE_URL": (real, f"{proxy.reverse}/v1")}
    folder = proxy.folder / "trust"
    folder.mkdir(exist_ok=True)
    files = trust.write(folder, proxy.ca, "0", [], {})
    given = changes(Endpoints(proxy.url if kind.forward else "", bases), files, {}, via, replays=False)
    known = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    who = {"OPENAI_ORG_ID": "OpenAI-Organization", "OPENAI_PROJECT_ID": "OpenAI-Project"}
    known |= {name: HEADERS[header] for name, header in who.items()} if key == KEY else {}
    return {**known, **given, "OPENAI_API_KEY": key}


def run_program(command: Sequence[str | Path], environment: dict[str, str]) -> Told:
    """What a program printed, that prints for each of its steps a line of JSON with its name."""
    done = subprocess.run(
        command, env=environment, capture_output=True, encoding="utf-8", check=False, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return {line.pop("name"): line for line in lines}


def codes(interactions: list[Interaction]) -> list[int]:
    """The statuses of the answers, those that are not 200."""
    return [one.response.code for one in interactions if one.response.code != 200]
