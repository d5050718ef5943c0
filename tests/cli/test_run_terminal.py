"""`mitmvcr run` in a shell in a terminal: Ctrl-C, Ctrl-Z, fg and the like are the program's."""

from __future__ import annotations

import os
import pty
import re
import select
import shlex
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import pytest

from tests.cli.running import PATIENCE, clean, run_command

_TRAPS = """
trap 'echo the program got INT' INT
trap 'echo the program goes on' CONT
echo the program runs
while :; do sleep 0.05; done
"""


class Shell:
    """bash in a terminal of its own, as a user has it."""

    def __init__(self, folder: Path) -> None:
        self.pid, self._terminal = pty.fork()
        if self.pid == 0:  # pragma: no cover - another process
            os.chdir(folder)
            env = {**clean(folder), "PS1": "$ ", "TERM": "dumb"}
            os.execvpe("bash", ["bash", "--norc", "--noprofile", "-i"], env)  # noqa: S606 - it is one
        self._seen = ""

    def type(self, text: str) -> Self:
        """What a user types."""
        os.write(self._terminal, text.encode())
        return self

    def wait_for(self, text: str) -> str:
        """Wait until a line begins with this, and return it; what was shown up to it is forgotten."""
        deadline = time.monotonic() + PATIENCE
        pattern = re.compile(rf"^(?:\^.)*{text}.*?\r?\n", re.MULTILINE)
        while (found := pattern.search(self._seen)) is None:
            left = deadline - time.monotonic()
            assert left > 0, f"no {text!r} in {self._seen!r}"
            if select.select([self._terminal], [], [], left)[0]:
                self._seen += os.read(self._terminal, 65536).decode()
        self._seen = self._seen[found.end() :]
        return found[0]

    def end(self) -> None:
        """Hang up."""
        os.close(self._terminal)
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    started = Shell(tmp_path)
    try:
        yield started
    finally:
        started.end()


def line(*program: str) -> str:
    return shlex.join(run_command("--", *program)) + '; echo "status $?"\n'


def test_ctrl_c_ends_the_program_and_the_run(shell: Shell, tmp_path: Path) -> None:
    # dash loses a Ctrl-C that comes while it starts a program, so it becomes that one.
    shell.type(line("sh", "-c", "echo the program runs; exec sleep 60")).wait_for("the program runs")
    shell.type("\x03").wait_for("mitmvcr: 0 recorded")
    assert "130" in shell.wait_for("status")
    assert not list((tmp_path / "tmp").iterdir())


def test_each_ctrl_c_comes_to_the_program_once_and_ctrl_backslash_ends_it(shell: Shell) -> None:
    shell.type(line("sh", "-c", _TRAPS)).wait_for("the program runs")
    for _ in range(2):
        shell.type("\x03").wait_for("the program got INT")
    assert "got INT" not in shell.type("\x1c").wait_for("mitmvcr: 0 recorded")
    assert "131" in shell.wait_for("status")


def test_ctrl_z_stops_both_and_fg_goes_on(shell: Shell) -> None:
    shell.type(line("sh", "-c", _TRAPS)).wait_for("the program runs")
    for _ in range(2):
        shell.type("\x1a").wait_for(r"\[1\]\+  Stopped")
        shell.type("fg\n").wait_for("the program goes on")
    shell.type("\x1c").wait_for("mitmvcr: 0 recorded")


def test_a_program_that_stops_itself_gives_the_shell_back(shell: Shell) -> None:
    shell.type(line("sh", "-c", "kill -STOP $$; echo the program goes on; exit 3"))
    shell.wait_for(r"\[1\]\+  Stopped")
    shell.type("fg; echo status $?\n").wait_for("the program goes on")
    shell.wait_for("mitmvcr: 0 recorded")
    assert "3" in shell.wait_for("status")
