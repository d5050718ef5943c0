"""A program in another network namespace, as in a container, that uses the proxy on this machine."""

from __future__ import annotations

import os
import random
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.cli.running import ASK, PATIENCE, PROGRAM, clean, started
from tests.harness import confdir
from tests.upstream.server import Upstream

pytestmark = pytest.mark.skipif(
    not shutil.which("ip") or os.geteuid() != 0, reason="network namespaces need iproute2 and root"
)


@dataclass(frozen=True, slots=True)
class Namespace:
    """A network namespace by its name, and this machine's address as it is seen from in there."""

    name: str
    host: str

    def run(self, script: str, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
        """Run a shell script in it."""
        command = ["ip", "netns", "exec", self.name, "sh", "-c", script]
        return subprocess.run(command, env=env, capture_output=True, text=True, timeout=PATIENCE, check=False)


@pytest.fixture
def namespace() -> Iterator[Namespace]:
    """One with a link to this machine and to nothing else: no route, no name server."""
    name = f"vcr{os.getpid()}"
    net = f"10.213.{random.randrange(256)}"
    lines = [
        f"ip netns add {name}",
        f"ip link add {name} type veth peer name inside netns {name}",
        f"ip addr add {net}.1/24 dev {name}",
        f"ip link set {name} up",
        f"ip -n {name} addr add {net}.2/24 dev inside",
        f"ip -n {name} link set inside up",
        f"ip -n {name} link set lo up",
    ]
    made = subprocess.run(["sh", "-ec", "\n".join(lines)], capture_output=True, text=True, check=False)
    try:
        if made.returncode:
            pytest.skip(f"no network namespace can be made here: {made.stderr.strip()}")
        yield Namespace(name, f"{net}.1")
    finally:
        subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)


@pytest.mark.slow
def test_what_a_container_asks_is_recorded_and_replayed(namespace: Namespace, tmp_path: Path) -> None:
    asking = [sys.executable, "-c", ASK]
    with Upstream.start() as upstream:
        base = f"{upstream.url}/v1"
        told = []
        # The reverse proxy when it is recorded, the forward proxy when it is replayed.
        for way, ask in (
            (["--via", "base-url"], asking),
            (
                ["--mode", "replay"],
                ["env", "-u", "NO_PROXY", "-u", "no_proxy", *asking, f"{base}/chat/completions"],
            ),
        ):
            options = ["--confdir", str(confdir()), "--upstream", base, *way]
            command = [*PROGRAM, "proxy", *options, "--port", "0", "--listen-host", namespace.host]
            with started(tmp_path, *command) as proxy:
                assert proxy.stderr is not None
                line = next(line for line in proxy.stderr if "mitmvcr env" in line)
                ports = shlex.join(re.findall(r"--(?:reverse-)?port \d+", line)).replace("'", "")
                env = clean(tmp_path)
                words = f"env {shlex.join(options)} --host {namespace.host} {ports}"
                led = f'eval "$({shlex.join(PROGRAM)} {words})"'
                done = namespace.run(f"{led}\n{shlex.join(ask)}", env)
                proxy.terminate()
                assert proxy.wait(PATIENCE) == 0, proxy.stderr.read()
            assert done.returncode == 0, done.stderr
            told.append(done.stdout)
        assert told[0] == told[1] != ""
        assert len(upstream.requests()) == 1


def test_what_listens_on_loopback_is_not_reached_from_there(namespace: Namespace, tmp_path: Path) -> None:
    with started(tmp_path, *PROGRAM, "proxy", "--confdir", str(confdir()), "--port", "0") as proxy:
        assert proxy.stderr is not None
        line = next(line for line in proxy.stderr if "a forward proxy is at" in line)
        port = line.rstrip().rpartition(":")[2]
        code = f"import socket; socket.create_connection(({namespace.host!r}, {port}), 5)"
        done = namespace.run(shlex.join([sys.executable, "-c", code]), clean(tmp_path))
        assert "ConnectionRefusedError" in done.stderr
