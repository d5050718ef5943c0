"""Cassettes on disk that no run used, by the runs' reports; deletes one only if it is a cassette by content.

Links are neither followed nor deleted: what they lead to may be anything.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mitmvcr.config.settings import SUFFIXES
from mitmvcr.errors import CassetteError, MitmvcrError
from mitmvcr.reports import run_report
from mitmvcr.store import cassette as disk
from mitmvcr.store.lock import locked
from mitmvcr.store.walk import is_own, walk


@dataclass(frozen=True, slots=True)
class Orphan:
    """A file that no run used; `opened` if it was opened and nothing asked of it. `size` is in bytes."""

    path: Path
    size: int
    opened: bool


@dataclass(frozen=True, slots=True)
class Runs:
    """What reports say: real paths of what was used and of what was only opened, and notes for the user."""

    used: frozenset[str]
    opened: frozenset[str]
    notes: tuple[str, ...]


def read_reports(paths: Sequence[Path], folder: Path) -> Runs:
    """What the runs used, from their reports; raises MitmvcrError for one that can't be used."""
    used: set[str] = set()
    opened: set[str] = set()
    notes: list[str] = []
    for path in paths:
        report = run_report.read(path)
        run_report.check_folder(path, report, folder)
        top = Path(report["cwd"], report["dir"])
        for cassette in report["cassettes"]:
            inside = os.path.relpath(Path(report["cwd"], cassette["path"]), top)
            real = os.path.realpath(folder / inside)
            is_used = any(cassette[count] for count in ("asked", "recorded", "replayed", "miss_count"))
            (used if is_used else opened).add(real)
        if report["failed"]:
            notes.append(f"{path}: this run failed, so it may not have come to all the cassettes it uses")
        elif not report["cassettes"]:
            notes.append(f"{path}: this run used no cassette at all")
    return Runs(frozenset(used), frozenset(opened - used), tuple(notes))


def find(folder: Path, runs: Runs) -> list[Orphan]:
    """The cassettes below a folder that no run used, by name; raises MitmvcrError if there is no folder."""
    if not folder.is_dir():
        raise MitmvcrError(
            f"{folder}: there is no such folder: give the one that holds the cassettes as --dir"
        )
    return [
        Orphan(path, path.stat().st_size, str(real) in runs.opened)
        for path in _cassettes(folder)
        for real in [Path(os.path.realpath(path))]
        if runs.used.isdisjoint(map(str, (real, real.parent)))
    ]


def _cassettes(top: Path) -> Iterator[Path]:
    for folder in walk(top, is_own):
        for entry in folder.files:
            path = folder.path / entry.name
            if entry.name.endswith(SUFFIXES) and not entry.is_symlink() and disk.begun_format(path):
                yield path


def delete(orphan: Orphan) -> None:
    """Delete the file; raises MitmvcrError if it can't be read as a cassette, or is recorded to."""
    path = orphan.path
    with locked(path):
        if path.is_symlink():
            raise CassetteError(f"{path}: it is a link now, and is not deleted")
        disk.read(path)
        try:
            path.unlink()
        except OSError as error:
            raise CassetteError(f"{path}: can't be deleted: {error.strerror}") from None
