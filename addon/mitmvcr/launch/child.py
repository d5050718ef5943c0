"""The program under test: found, started with the terminal and all open files, signalled, waited for.

It stays in our process group: what the terminal sends (Ctrl-C, Ctrl-Z, a hang-up) comes to it and to us,
and a pipeline's other programs see one job. What is sent to us alone is passed on.
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import stat
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from mitmvcr.errors import MitmvcrError

NOT_FOUND = 127
NOT_EXECUTABLE = 126
_SIGNALLED = 128

_PASSED_ON = (
    signal.SIGINT,
    signal.SIGTERM,
    signal.SIGHUP,
    signal.SIGQUIT,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGALRM,
)
_FROM_TERMINAL = (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP)
_SI_KERNEL = 0x80  # asm-generic/siginfo.h: the terminal's driver sent it, to the whole group
_RACE = 0.05  # seconds; how far apart the group's members may see a Ctrl-Z or an `fg`


class CommandError(MitmvcrError):
    """The program can't be started; `status` is what a shell would exit with."""

    def __init__(self, message: str, status: int) -> None:
        self.status = status
        super().__init__(message)


def find(name: str, environ: Mapping[str, str]) -> str:
    """The path of a program, as a shell finds it; raises CommandError."""
    if "/" in name:
        return _checked(name)
    refused = ""
    for folder in environ.get("PATH", os.defpath).split(os.pathsep):
        path = f"{folder or os.curdir}/{name}"
        try:
            return _checked(path)
        except CommandError as error:
            if error.status == NOT_EXECUTABLE and not Path(path).is_dir():
                refused = refused or path
    if refused:
        raise CommandError(f"{refused}: it is not executable", NOT_EXECUTABLE)
    raise CommandError(f"{name}: there is no such command", NOT_FOUND)


def _checked(path: str) -> str:
    try:
        mode = Path(path).stat().st_mode
    except OSError as error:
        status = NOT_EXECUTABLE if error.errno == errno.EACCES else NOT_FOUND
        raise CommandError(f"{path}: {_lower(error)}", status) from None
    if stat.S_ISDIR(mode):
        raise CommandError(f"{path}: it is a folder", NOT_EXECUTABLE)
    if not os.access(path, os.X_OK):
        raise CommandError(f"{path}: it is not executable", NOT_EXECUTABLE)
    return path


def _lower(error: OSError) -> str:
    text = error.strerror or str(error)
    return text[:1].lower() + text[1:]


def hold_signals() -> None:
    """From here on signals wait until they are asked for; those that are ignored stay so."""
    heeded = [number for number in _PASSED_ON if signal.getsignal(number) is not signal.SIG_IGN]
    signal.pthread_sigmask(signal.SIG_BLOCK, [*heeded, signal.SIGCHLD])


def pending() -> int:
    """The number of a signal that has come and would end us, 0 for none."""
    waiting = signal.sigpending()
    return next((int(number) for number in _PASSED_ON if number in waiting), 0)


def start(path: str, arguments: list[str], environ: Mapping[str, str], closed: Sequence[int] = ()) -> int:
    """Start the program, without the open files whose numbers are `closed`; its process id.

    Raises CommandError.
    """
    sys.stdout.flush()
    try:
        # What Python itself ignores, nobody else should.
        ignored = [signal.SIGPIPE, signal.SIGXFSZ]
        actions = [(os.POSIX_SPAWN_CLOSE, descriptor) for descriptor in closed]
        return os.posix_spawn(
            path, arguments, environ, file_actions=actions, setsigmask=(), setsigdef=ignored
        )
    except OSError as error:
        hint = ": has it a first line as #!/bin/sh?" if error.errno == errno.ENOEXEC else ""
        raise CommandError(f"{path}: {_lower(error)}{hint}", NOT_EXECUTABLE) from None


def wait(pid: int, look: Callable[[], None]) -> int:
    """Wait for the program's end, and pass on what signals come; its exit status, as a shell has it.

    `look` is called whenever any child of ours has changed its state. `hold_signals` must have been called.
    """
    watched = [*_PASSED_ON, signal.SIGCHLD]
    while True:
        number, from_terminal = _next_signal(watched)
        if number != signal.SIGCHLD:
            if not from_terminal:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)
            continue
        look()
        status = _state(pid)
        if status is not None:
            return status


def _next_signal(watched: Sequence[int]) -> tuple[int, bool]:
    if hasattr(signal, "sigwaitinfo"):  # macOS has none
        info = signal.sigwaitinfo(watched)
        # A terminal's hang-up comes to its session's leader alone; that may be us (`ssh host mitmvcr run …`).
        is_ours_alone = info.si_signo == signal.SIGHUP and os.getsid(0) == os.getpid()
        return info.si_signo, info.si_code == _SI_KERNEL and not is_ours_alone
    number = signal.sigwait(watched)
    return number, number in _FROM_TERMINAL and _in_foreground()


def _in_foreground() -> bool:
    """Whether what the terminal sends comes to our group; where a signal's sender can't be known."""
    for descriptor in (0, 1, 2):
        with contextlib.suppress(OSError):
            return os.tcgetpgrp(descriptor) == os.getpgrp()
    return False


def _state(pid: int) -> int | None:
    """The exit status if the program has ended. While it is stopped so are we, for the shell to see."""
    flags = os.WEXITED | os.WSTOPPED | os.WNOHANG | os.WNOWAIT
    seen = os.waitid(os.P_PID, pid, flags)
    if seen is not None and seen.si_code == os.CLD_STOPPED:
        time.sleep(_RACE)
        if os.waitid(os.P_PID, pid, flags) is not None:
            os.waitpid(pid, os.WNOHANG | os.WUNTRACED)
            os.kill(os.getpid(), signal.SIGSTOP)
            os.kill(pid, signal.SIGCONT)
        seen = None
    if seen is None:
        return None
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return status if status >= 0 else _SIGNALLED - status
