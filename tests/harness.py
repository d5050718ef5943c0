"""A real mitmdump with the addon in it, as a user starts it; for tests that need processes and sockets."""

from __future__ import annotations

import atexit
import os
import re
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self

from tests.fork_server import ForkedProcess, ForkServer

ROOT = Path(__file__).resolve().parent.parent
SCRIPT = ROOT / "addon" / "vcr.py"
MITMDUMP = Path(sys.executable).with_name("mitmdump")

ENGINE = "MITMVCR_TEST_ENGINE"
"""The environment's variable with the `vcr_engine` of proxies that replay; conftest's --engine sets it."""

fork_server: Callable[[], ForkServer] | None = None
"""What proxies are forked from, if they are: conftest gives it to tests that don't try the start itself."""

_LISTENING = re.compile(r"(HTTP\(S\) proxy|reverse proxy to \S+) listening at \S*?:(\d+)\.?$", re.IGNORECASE)
_PATIENCE = 90.0  # seconds; only a broken process takes that long


def confdir() -> Path:
    """A folder with mitmproxy's CA, made once for each test process and used by all of its proxies."""
    if not _confdir:
        _confdir.append(tempfile.TemporaryDirectory(prefix="mitmvcr-ca-"))
        atexit.register(_confdir[0].cleanup)
    return Path(_confdir[0].name)


_confdir: list[tempfile.TemporaryDirectory[str]] = []


class Proxy:
    """mitmdump in a process of its own, on free loopback ports; `upstream` adds a reverse listener.

    It is there when it listens, or when it has ended (`ended`). `options` are the addon's, without
    `vcr_`; `listeners` takes the place of the two `--mode`s, `ca_folder` that of `confdir()`.
    """

    def __init__(
        self,
        folder: Path,
        *arguments: str,
        upstream: str = "",
        script: Path | None = SCRIPT,
        env: dict[str, str] | None = None,
        listeners: Sequence[str] | None = None,
        ca_folder: Path | None = None,
        **options: str | Path,
    ) -> None:
        self.folder = folder
        self._confdir = ca_folder or confdir()
        command = [str(MITMDUMP), "--listen-host", "127.0.0.1", "--set", f"confdir={self._confdir}"]
        command += ["-s", str(script)] if script else []
        if listeners is None:
            # mitmproxy refuses two listeners on one address, port 0 or not; another name for it is fine
            # where no QUIC is spoken, which a reverse listener for https does.
            listeners = ["regular@localhost:0", *([f"reverse:{upstream}@0"] if upstream else [])]
        for listener in listeners:
            command += ["--mode", listener]
        if os.environ.get(ENGINE) and options.get("mode") == "replay" and script:
            options = {"engine": os.environ[ENGINE], **options}
        for name, value in options.items():
            command += ["--set", f"vcr_{name}={value}"]
        environment = {**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1", **(env or {})}
        self._process: subprocess.Popen[str] | ForkedProcess
        if fork_server and script in (SCRIPT, None):  # another script brings its own package
            self._process = fork_server().mitmdump([*command[1:], *arguments], folder, environment)
        else:
            self._process = subprocess.Popen(
                [*command, *arguments],
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                env=environment,
            )
        self.lines: list[str] = []
        self._ports: dict[str, int] = {}
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self._wait(lambda: len(self._ports) >= len(listeners) or self.ended)

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with self._changed:
                self.lines.append(line.rstrip("\n"))
                if found := _LISTENING.search(line.strip()):
                    kind = "reverse" if found[1].lower().startswith("reverse") else "forward"
                    self._ports[kind] = int(found[2])
                self._changed.notify_all()
        with self._changed:
            self._changed.notify_all()

    def _wait(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + _PATIENCE
        with self._changed:
            while not condition():
                left = deadline - time.monotonic()
                if left <= 0:
                    self._process.kill()
                    raise TimeoutError("\n".join(self.lines))
                self._changed.wait(min(left, 0.1))

    def wait_for(self, text: str, times: int = 1) -> None:
        """Wait until so many lines of the proxy's output have this text."""
        self._wait(lambda: sum(text in line for line in self.lines) >= times or self.ended)
        assert self.output.count(text) >= times, self.output

    def limit_file_size(self, size: int) -> None:
        """From now on no file of this process grows beyond so many bytes, as on a full disk."""
        resource.prlimit(self.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

    @property
    def ended(self) -> bool:
        """Whether the process is no more."""
        return self._process.poll() is not None

    def _listener(self, kind: str) -> str:
        assert kind in self._ports, f"no {kind} listener:\n{self.output}"
        return f"http://127.0.0.1:{self._ports[kind]}"

    @property
    def output(self) -> str:
        """All that the proxy has printed so far."""
        return "\n".join(self.lines)

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    @property
    def url(self) -> str:
        """Where the forward proxy listens."""
        return self._listener("forward")

    @property
    def reverse(self) -> str:
        """Where the reverse proxy listens."""
        return self._listener("reverse")

    @property
    def ca(self) -> Path:
        """The certificate that a client must trust in forward mode."""
        return self._confdir / "mitmproxy-ca-cert.pem"

    def stop(self, with_signal: signal.Signals = signal.SIGTERM) -> int:
        """End the proxy; its exit status."""
        if self._process.poll() is None:
            self._process.send_signal(with_signal)
        try:
            status = self._process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            raise
        self._reader.join(_PATIENCE)
        assert self._process.stdout is not None
        self._process.stdout.close()
        return status

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()
