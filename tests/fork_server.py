"""mitmdump for tests, forked from a process that has imported it: a fifth of the time, and the start untried.

A child differs from what a user starts in one thing: its modules were imported before it began.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import json
import os
import random
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

_ROOT = Path(__file__).resolve().parent.parent


class ForkedProcess:
    """What tests need of a `subprocess.Popen`, for a process that is another's child."""

    def __init__(self, stdout: IO[str], status: int) -> None:
        self.stdout = stdout
        self._status = status
        self._returncode: int | None = None
        self.pid = int(self._line())

    def _line(self) -> bytes:
        line = b""
        while not line.endswith(b"\n"):
            if not (read := os.read(self._status, 1)):
                raise EOFError("the process that forks proxies has ended")
            line += read
        return line

    def wait(self, timeout: float | None = None) -> int:
        """The exit status, negative for a signal; raises TimeoutExpired after so many seconds."""
        if self._returncode is None:
            if not select.select([self._status], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired("mitmdump", timeout or 0)
            self._returncode = int(self._line())
            os.close(self._status)
        return self._returncode

    def poll(self) -> int | None:
        """The exit status; None while it runs."""
        try:
            return self.wait(0)
        except subprocess.TimeoutExpired:
            return None

    def send_signal(self, number: int) -> None:
        """Unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """At once."""
        self.send_signal(signal.SIGKILL)


class ForkServer:
    """The process that forks: it starts with the first use, and ends with this process."""

    def __init__(self) -> None:
        self._control, theirs = socket.socketpair()
        with theirs:
            command = [sys.executable, "-m", "tests.fork_server", str(theirs.fileno())]
            environment = {**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1"}
            self._process = subprocess.Popen(
                command, cwd=_ROOT, env=environment, stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()]
            )
        atexit.register(self.close)

    def close(self) -> None:
        """End it; its children go on."""
        self._control.close()
        self._process.wait()

    def mitmdump(
        self, arguments: Sequence[str], folder: Path, environment: Mapping[str, str]
    ) -> ForkedProcess:
        """A process with these arguments, in this folder; its output, errors too, is in `stdout`."""
        order = json.dumps([list(arguments), str(folder), dict(environment)]).encode()
        output, output_end = os.pipe()
        status, status_end = os.pipe()
        try:
            socket.send_fds(self._control, [len(order).to_bytes(4, "big")], [output_end, status_end])
            self._control.sendall(order)
        finally:
            os.close(output_end)
            os.close(status_end)
        return ForkedProcess(open(output, errors="replace"), status)  # noqa: PTH123 - a descriptor


def _serve(control: socket.socket) -> list[str]:
    """Fork a child for each order until there are no more; returns in each child, with its arguments."""
    woken, wake = socket.socketpair()
    for end in (woken, wake):
        end.setblocking(False)
    signal.set_wakeup_fd(wake.fileno())
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    statuses: dict[int, int] = {}
    while True:
        ready, _, _ = select.select([control, woken], [], [])
        if woken in ready:
            woken.recv(4096)
            _tell_of_the_dead(statuses)
        if control not in ready:
            continue
        length, descriptors, _, _ = socket.recv_fds(control, 4, 2)
        if not length:
            os._exit(0)
        order = b""
        while len(order) < int.from_bytes(length, "big"):
            order += control.recv(1 << 20)
        output, status = descriptors
        pid = os.fork()
        if pid == 0:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            for end in (control, woken, wake):
                end.close()
            for descriptor in (status, *statuses.values()):
                os.close(descriptor)
            return _become(json.loads(order), output)
        statuses[pid] = status
        os.close(output)
        os.write(status, b"%d\n" % pid)


def _tell_of_the_dead(statuses: dict[int, int]) -> None:
    while statuses:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return
        descriptor = statuses.pop(pid)
        with contextlib.suppress(BrokenPipeError):  # nobody asks any more
            os.write(descriptor, b"%d\n" % os.waitstatus_to_exitcode(status))
        os.close(descriptor)


def _become(order: tuple[list[str], str, dict[str, str]], output: int) -> list[str]:
    """Take on what a process of its own would have had from its start."""
    arguments, folder, environment = order
    for descriptor in (1, 2):
        os.dup2(output, descriptor)
    os.close(output)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    random.seed()
    sys.argv = [str(Path(sys.executable).with_name("mitmdump")), *arguments]
    sys.path[:] = [path for path in sys.path if path not in ("", str(_ROOT))]
    return arguments


if __name__ == "__main__":
    import mitmproxy.tools.dump  # noqa: F401
    from mitmproxy.tools.main import mitmdump

    import mitmvcr.proxy.addon  # noqa: F401

    gc.freeze()
    sys.exit(mitmdump(_serve(socket.socket(fileno=int(sys.argv[1])))))
