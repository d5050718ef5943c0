"""The stand-in as a subprocess of a test: started, asked what reached it, and stopped without a trace."""

from __future__ import annotations

import base64
import http.client
import json
import os
import select
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self
from urllib.parse import urlsplit

_ROOT = Path(__file__).resolve().parents[2]
_READY = b"listening on "


class UpstreamError(Exception):
    """The stand-in didn't start, or ended when it should not have."""


@dataclass(frozen=True, slots=True)
class Received:
    """A request as it reached the stand-in; `path` with its query, header names as they were sent."""

    method: str
    path: str
    http_version: str
    headers: Sequence[tuple[str, str]]
    body: bytes
    complete: bool

    def header(self, name: str) -> str | None:
        """The first header of that name, in whatever case; None if there is none."""
        return next((value for found, value in self.headers if found.lower() == name.lower()), None)


class Upstream:
    """A running stand-in; leave it by `stop()` or use it with `with`.

    `url` is scheme, host and port (no `/v1`), `ca` the PEM file that its certificate hangs from
    (None without TLS). It ends with this process, whatever becomes of it.
    """

    def __init__(self, process: subprocess.Popen[bytes], folder: tempfile.TemporaryDirectory[str]) -> None:
        self._process = process
        self._folder = folder
        self.url = ""
        self.port = 0
        self.ca: Path | None = None

    @classmethod
    def start(cls, *, tls: bool = False, port: int = 0, timeout: float = 30.0) -> Upstream:
        """Start one and wait until it listens; raises UpstreamError after `timeout` seconds."""
        folder = tempfile.TemporaryDirectory(prefix="standin-")
        command = [sys.executable, "-m", "tests.upstream", "--port", str(port), "--until-eof"]
        if tls:
            command += ["--tls-self-signed", folder.name]
        with Path(folder.name, "stderr").open("wb") as errors:
            process = subprocess.Popen(
                command,
                cwd=_ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": "1"},
            )
        started = cls(process, folder)
        line = _first_line(process.stdout, timeout)
        if not line.startswith(_READY):
            process.kill()
            said = started.stderr() or line.decode() or f"nothing in {timeout} s"
            started.stop()
            raise UpstreamError(f"the stand-in did not start: {said}")
        started.url = line.removeprefix(_READY).decode().strip()
        started.port = urlsplit(started.url).port or 0
        started.ca = Path(folder.name, "ca.pem") if tls else None
        return started

    def requests(self) -> list[Received]:
        """What reached it since it started, or since `clear`."""
        return [
            Received(
                each["method"],
                each["path"],
                each["http_version"],
                [(name, value) for name, value in each["headers"]],
                base64.b64decode(each["body_b64"]),
                each["complete"],
            )
            for each in self._control("GET", "requests")
        ]

    def clear(self) -> None:
        """Forget the requests, and what was counted for `fail` and `count`."""
        self._control("DELETE", "requests")

    def connections(self) -> int:
        """How many TCP connections it took since it started; those of this object don't count."""
        return int(self._control("GET", "connections")["accepted"])

    def stderr(self) -> str:
        """What it complained of: nothing, if all is well."""
        return Path(self._folder.name, "stderr").read_text(errors="replace")

    def stop(self, timeout: float = 10.0) -> int:
        """End it, by force after `timeout` seconds; its exit status. Doing so again is fine."""
        self._process.terminate()
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        self._folder.cleanup()
        return self._process.returncode

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _control(self, method: str, what: str) -> Any:
        connection = self._connection()
        try:
            connection.request(method, f"/__standin__/{what}")
            body = connection.getresponse().read()
        except OSError as error:
            said = self.stderr() if self._process.poll() is not None else ""
            raise UpstreamError(f"the stand-in doesn't answer: {error} {said}".strip()) from error
        finally:
            connection.close()
        return json.loads(body) if body else None

    def _connection(self) -> http.client.HTTPConnection:
        if self.ca is None:
            return http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        context = ssl.create_default_context(cafile=str(self.ca))
        return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=30, context=context)


def _first_line(pipe: IO[bytes] | None, timeout: float) -> bytes:
    """What the pipe gives up to its first line end, its end, or the timeout."""
    if pipe is None:
        return b""
    line = b""
    deadline = time.monotonic() + timeout
    while not line.endswith(b"\n"):
        ready, _, _ = select.select([pipe], [], [], max(0.0, deadline - time.monotonic()))
        # Read past the buffer: select doesn't see what is in it.
        read = os.read(pipe.fileno(), 1) if ready else b""
        if not read:
            break
        line += read
    return line
