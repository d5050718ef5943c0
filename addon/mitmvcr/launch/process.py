"""The proxy as a child process: started, waited for, stopped; what it serves is its own matter."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Self

from mitmvcr.errors import MitmvcrError
from mitmvcr.launch import folders
from mitmvcr.launch.contract import GOODBYE, VARIABLE, Order, Ready

SERVE = Path(__file__).parents[1] / "proxy" / "child" / "entrypoint.py"
_PATIENCE = 60.0  # seconds; only a broken process takes that long
_TICK = 0.05  # seconds between looks at what else happens while the proxy starts
_READ = 1 << 16


class ProxyError(MitmvcrError):
    """The proxy did not start, or ended; `status` is its exit status and `output` what it said.

    A status below 0 is a signal's number, as in `subprocess`.
    """

    def __init__(self, message: str, status: int | None, output: str = "") -> None:
        self.status = status
        self.output = output
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class Launch:
    """Which proxy to start.

    `options` are the addon's, without `vcr_`. `order` says where it listens and what for; the descriptors
    and the folder in it are filled in at the start. `arguments` go to mitmproxy's command line as they
    are; what they set wins over `defaults`, which are mitmproxy's options, too. `port` is the forward
    proxy's, 0 for a free one.
    """

    order: Order
    options: Mapping[str, str] = field(default_factory=dict)
    arguments: Sequence[str] = ()
    defaults: Mapping[str, str] = field(default_factory=dict)
    program: str = "mitmdump"
    port: int = 0

    def command(self) -> list[str]:
        """The proxy's command line."""
        host = self.order.host
        command = [sys.executable, "-P", str(SERVE), self.program]
        command += ["--set", f"confdir={self.order.confdir}"]
        command += ["--mode", "regular", "--listen-host", host, "--listen-port", str(self.port)]
        defaults = dict(self.defaults)
        if self.order.ready >= 0:
            defaults["termlog_verbosity"] = "error"  # `link` shows the warnings
        given = _options_set(self.arguments)
        for name, value in defaults.items():
            command += ["--set", f"{name}={value}"] if name not in given else []
        for name, value in self.options.items():
            command += ["--set", f"vcr_{name}={value}"]
        return [*command, *self.arguments]


def _options_set(arguments: Sequence[str]) -> set[str]:
    """The names of mitmproxy's options that its command line sets: it refuses one that is set twice."""
    settings = [after for before, after in pairwise(arguments) if before == "--set"]
    settings += [argument.removeprefix("--set=") for argument in arguments if argument.startswith("--set=")]
    return {setting.partition("=")[0] for setting in settings}


class ProxyProcess:
    """A proxy, started when this is made; leave it by `stop()` or use it with `with`.

    It has a session of its own, so that a Ctrl-C in the terminal is not its end. It ends in an orderly way
    when this object is stopped, and when this process ends in whatever way, SIGKILL included. `folder` is a
    new one, only this user's, for files that are to be gone with the proxy.
    """

    def __init__(self, launch: Launch, *, output: int | None = None, cwd: Path | None = None) -> None:
        """Start it; what it prints goes to the descriptor `output`, or is kept.

        Raises ProxyError when no process can be started.
        """
        self.folder = folders.create()
        self._log = None if output is not None else self.folder / "proxy.log"
        self._kept = ""
        self._ready, ready = os.pipe()
        watched, self._alive = os.pipe()
        order = replace(launch.order, ready=ready, alive=watched, folder=str(self.folder))
        if not order.confdir:
            order = replace(order, confdir=str(folders.confdir(self.folder)))
        environment = {**os.environ, VARIABLE: order.to_json(), "PYTHONUNBUFFERED": "1"}
        try:
            with contextlib.ExitStack() as opened:
                target = output if self._log is None else opened.enter_context(self._log.open("wb"))
                self._process = subprocess.Popen(
                    replace(launch, order=order).command(),
                    cwd=cwd,
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=target,
                    stderr=target,
                    pass_fds=(ready, watched),
                    start_new_session=True,
                )
        except OSError as error:
            os.close(self._ready)
            os.close(self._alive)
            folders.remove(self.folder)
            reason = f"the proxy can't be started: {error.strerror}"
            raise ProxyError(f"{sys.executable}: {reason}", None) from None
        finally:
            os.close(ready)
            os.close(watched)
        self.pid = self._process.pid

    def wait(self, timeout: float = _PATIENCE, meanwhile: Callable[[], None] = lambda: None) -> Ready:
        """Wait until it serves; `meanwhile` is called now and then, and may raise.

        Raises ProxyError if the proxy ends instead, or takes longer than `timeout` seconds.
        """
        deadline = time.monotonic() + timeout
        line = b""
        with selectors.DefaultSelector() as selector:  # select() takes no descriptor above 1023
            selector.register(self._ready, selectors.EVENT_READ)
            while not line.endswith(b"\n"):
                meanwhile()
                if selector.select(_TICK):
                    read = os.read(self._ready, _READ)
                    if not read:
                        raise self._ended()
                    line += read
                elif time.monotonic() > deadline:
                    raise ProxyError(f"the proxy does not answer within {timeout:.0f} s", None, self.output)
        return Ready.from_json(line.decode())

    def _ended(self) -> ProxyError:
        status = self._process.wait()
        output = self.output
        reason = next(
            (line for line in reversed(output.splitlines()) if line.strip()), f"exit status {status}"
        )
        return ProxyError(f"the proxy did not start: {reason.removeprefix('mitmvcr: ')}", status, output)

    @property
    def status(self) -> int | None:
        """The exit status, None while it runs; below 0 it is a signal's number."""
        return self._process.poll()

    @property
    def output(self) -> str:
        """All that the proxy has printed so far, where that is kept."""
        if self._log is None or not self._log.exists():
            return self._kept
        return self._log.read_text("utf-8", "replace")

    def stop(self, timeout: float = _PATIENCE) -> int:
        """End it, let it write what is open, and take its folder away; the exit status.

        It is killed after `timeout` seconds. Stopping it again is fine.
        """
        if self._alive >= 0:
            with contextlib.suppress(BrokenPipeError):
                os.write(self._alive, GOODBYE)
            os.close(self._alive)
            os.close(self._ready)
            self._alive = self._ready = -1
        try:
            status = self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            self._process.send_signal(signal.SIGKILL)
            status = self._process.wait()
        self._kept = self.output
        folders.remove(self.folder)
        return status

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.stop()
