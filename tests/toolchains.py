"""Programs that other languages' toolchains build from the tree; each is made once and kept outside of it."""

from __future__ import annotations

import fcntl
import getpass
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest


def needs(*tools: str) -> pytest.MarkDecorator:
    """The mark of tests that need these programs, and what they fetch and build; conftest skips and sorts."""
    return pytest.mark.toolchain(*tools)


def missing(item: pytest.Item) -> list[str]:
    """The programs that this test needs and this machine has not."""
    marks = item.iter_markers("toolchain")
    return [tool for mark in marks for tool in mark.args if shutil.which(tool) is None]


def cache() -> Path:
    """Where all that is built is kept, for all tests of this machine's user."""
    folder = Path(tempfile.gettempdir()) / f"mitmvcr-tests-{getpass.getuser()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def built(source: Path, make: Callable[[Path], None]) -> Path:
    """A folder with the files of `source` in it, in which `make` has built; anew only when a file changed.

    Of the test processes that want it at the same time one builds, and the others wait.
    """
    files = sorted(path for path in source.iterdir() if path.is_file())
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.name.encode() + b"\0" + file.read_bytes())

    def copy_and_make(folder: Path) -> None:
        for file in files:
            shutil.copy(file, folder)
        make(folder)

    return kept(f"{source.parent.name}-{source.name}", digest.hexdigest()[:16], copy_and_make)


def kept(name: str, version: str, make: Callable[[Path], None]) -> Path:
    """A folder that `make` has filled, once for each version; raises what it raises."""
    finished = cache() / f"{name}-{version}"
    if finished.exists():
        return finished
    with (cache() / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not finished.exists():
            with tempfile.TemporaryDirectory(dir=cache(), ignore_cleanup_errors=True) as unfinished:
                folder = Path(unfinished) / "folder"
                folder.mkdir()
                make(folder)
                folder.rename(finished)
    return finished


def fetch(folder: Path, command: Sequence[str]) -> None:
    """Run what gets a program's packages from a registry.

    The test is skipped where they can't be had (offline, before the first build); not in CI, which must
    not pass without them.
    """
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        said = f"{' '.join(command)}: {(done.stdout + done.stderr).strip()[-500:]}"
        if os.environ.get("CI"):
            raise RuntimeError(f"packages can't be had (is their registry reached?): {said}")
        pytest.skip(f"packages can't be had: {said}")


def build(folder: Path, command: Sequence[str], env: dict[str, str] | None = None) -> None:
    """Run what builds a program from packages that are there; raises RuntimeError with what it said."""
    environment = {**os.environ, **(env or {})}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed: {done.stdout}{done.stderr}")
