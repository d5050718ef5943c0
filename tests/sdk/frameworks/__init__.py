"""The packages of programs that run in a virtual environment of their own, and that environment."""

from __future__ import annotations

import sys
from pathlib import Path

from tests import toolchains

HERE = Path(__file__).parent

needs_frameworks = toolchains.needs()


def python() -> Path:
    """The interpreter that has the packages; all of the machine's Pythons share the first one's."""
    return toolchains.built(HERE, _make) / "venv" / "bin" / "python"


def _make(folder: Path) -> None:
    toolchains.build(folder, [sys.executable, "-m", "venv", "venv"])
    # Of 370 MB the tests load a small part: that is compiled when it is first loaded.
    uv = Path(sys.executable).with_name("uv")
    install = (
        [str(uv), "pip", "install", "--quiet", "--python", "venv/bin/python"]
        if uv.exists()
        else ["venv/bin/python", "-m", "pip", "install", "--quiet", "--no-compile"]
    )
    toolchains.fetch(folder, [*install, "--requirement", "requirements.txt"])
