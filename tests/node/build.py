"""Installs what the Node program beside this file needs, once for all tests of a machine's user."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from tests import toolchains

HERE = Path(__file__).parent

needs_node = toolchains.needs("node", "npm")


@dataclass(frozen=True, slots=True)
class Program:
    """The program, and the Nodes to run it with: the machine's own, and the one in `package.json`.

    There is no `pinned` one where npm has none for this machine.
    """

    script: str
    node: str
    pinned: str


def build() -> Program:
    """The program with its packages; installed anew only when its sources change."""
    folder = toolchains.built(HERE / "sdk", _make)
    pinned = next(folder.glob("node_modules/node-*/bin/node"), "")
    return Program(str(folder / "main.js"), shutil.which("node") or "", str(pinned))


def _make(folder: Path) -> None:
    # Each version is an exact one, and no package has dependencies of its own: a lock would add nothing.
    toolchains.fetch(
        folder, ["npm", "install", "--no-package-lock", "--ignore-scripts", "--no-audit", "--no-fund"]
    )
