"""Builds the small Go programs beside this file, once for all tests of a machine's user."""

from __future__ import annotations

import getpass
import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

HERE = Path(__file__).parent

needs_go = pytest.mark.skipif(shutil.which("go") is None, reason="go is not installed")


def build(name: str) -> Path:
    """The program built from the folder `name`; built anew only when its sources change.

    The test is skipped where the program's modules can't be had (offline, before the first build);
    not in CI, which must not pass without it.
    Two test processes may build it at the same time: each moves a whole file to its place.
    """
    source = HERE / name
    digest = hashlib.sha256()
    for file in sorted([*source.glob("*.go"), source / "go.mod", source / "go.sum"]):
        digest.update(file.read_bytes())
    folder = Path(tempfile.gettempdir()) / f"mitmvcr-tests-{getpass.getuser()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    program = folder / f"{name}-{digest.hexdigest()[:16]}"
    if not program.exists():
        fetched = subprocess.run(
            ["go", "mod", "download"], cwd=source, capture_output=True, text=True, check=False
        )
        if fetched.returncode and not os.environ.get("CI"):
            pytest.skip(f"the Go modules of {name} can't be had: {fetched.stderr.strip()[-200:]}")
        handle, unfinished = tempfile.mkstemp(dir=folder)
        os.close(handle)
        done = subprocess.run(
            ["go", "build", "-o", unfinished, "."], cwd=source, capture_output=True, text=True, check=False
        )
        if done.returncode:
            Path(unfinished).unlink()
            raise RuntimeError(
                f"go build of {name} failed (does it reach the Go module proxy?): {done.stderr}"
            )
        Path(unfinished).replace(program)
    return program
