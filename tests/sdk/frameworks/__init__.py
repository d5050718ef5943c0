"""The packages of programs that run in a virtual environment of their own, and that environment."""

from __future__ import annotations

import sys
from pathlib import Path

from tests import toolchains

HERE = Path(__file__).parent


def python() -> Path:
    """The interpreter that has the packages; all of the machine's Pythons share the first one's."""
    return toolchains.built(HERE, _make) / "venv" / "bin" / "python"


def _make(folder: Path) -> None:
    toolchains.build(folder, [sys.executable, "-m", "venv", "venv"])
    # Of 370 MB the tests load a small part: that is compiled when it is first loaded.
    install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile"]
    toolchains.fetch(folder, ["venv/bin/python", *install, "--requirement", "requirements.txt"])
