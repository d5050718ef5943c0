"""Builds the small Go programs beside this file, once for all tests of a machine's user."""

from __future__ import annotations

from pathlib import Path

from tests import toolchains

HERE = Path(__file__).parent

needs_go = toolchains.needs("go")


def build(name: str) -> Path:
    """The program built from the folder `name`; built anew only when its sources change."""
    return toolchains.built(HERE / name, _make) / "program"


def _make(folder: Path) -> None:
    toolchains.fetch(folder, ["go", "mod", "download"])
    toolchains.build(folder, ["go", "build", "-buildvcs=false", "-o", "program", "."])
