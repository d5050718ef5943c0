"""Builds the Rust program beside this file, once for all tests of a machine's user."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests import toolchains

HERE = Path(__file__).parent

needs_rust = toolchains.needs("cargo")


def build() -> Path:
    """The program; built anew only when its sources change, and then its crates are not."""
    return toolchains.built(HERE / "sdk", _make) / "program"


def _make(folder: Path) -> None:
    target = toolchains.cache() / "cargo-target"
    toolchains.fetch(folder, ["cargo", "fetch", "--quiet"])
    toolchains.build(folder, ["cargo", "build", "--quiet", "--offline", "--target-dir", str(target)])
    shutil.copy(target / "debug" / "sdk", folder / "program")
