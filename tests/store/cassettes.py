"""Cassettes that the tests of the store write, read and kill the writers of."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from mitmvcr.formats.govcr import Dialect
from mitmvcr.store import cassette
from mitmvcr.store.writer import Writer
from tests.build import interaction

ROOT = Path(__file__).resolve().parents[2]


def writer(path: Path, dialect: Dialect = Dialect.CHARM, *, anew: bool = False) -> Writer:
    existing = cassette.read(path) if path.exists() and not anew else None
    return Writer(path, dialect, existing, anew=anew)


def add(to: Writer, *bodies: object) -> None:
    for body in bodies:
        to.append(to.emit(interaction(body, body)))


def bodies(path: Path) -> list[bytes]:
    """The requests' bodies in a cassette that must be whole."""
    loaded = cassette.read(path)
    assert not loaded.torn
    assert [one.id for one in loaded.cassette.interactions] == list(range(len(loaded.cassette.interactions)))
    return [one.request.body for one in loaded.cassette.interactions]


def litter(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name.startswith("."))


def child(code: str, *arguments: str | Path) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "addon"), str(ROOT)])}
    return subprocess.Popen(
        [sys.executable, "-B", "-c", code, *map(str, arguments)],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
