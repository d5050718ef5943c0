"""The one way in which a folder is walked: from the top down, in order; never opens a file."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

_OF_OTHERS = frozenset({"node_modules", "__pycache__", "site-packages"})


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder and its files, sorted by name; `problem` says why it can't be read, empty if it can.

    `links_out` are links to files that are not below the folder at which the walk began.
    """

    path: Path
    files: Sequence[os.DirEntry[str]] = ()
    problem: str = ""
    links_out: Sequence[Path] = ()


def is_own(folder: Path) -> bool:
    """Whether a folder may hold files of the user's own, and not what a package manager put there."""
    return folder.name not in _OF_OTHERS


def walk(top: Path, is_wanted: Callable[[Path], bool] | None = None) -> Iterator[Folder]:
    """A folder and all below it, those of which `is_wanted` holds if it is given.

    What is hidden is left out; links to folders are not followed, and those to files are listed apart where
    they lead out.
    """
    root = Path(os.path.realpath(top))
    waiting = [top]
    while waiting:
        path = waiting.pop()
        try:
            with os.scandir(path) as scanned:
                entries = sorted(
                    (entry for entry in scanned if not entry.name.startswith(".")),
                    key=lambda entry: entry.name,
                )
        except OSError as error:
            yield Folder(path, problem=f"can't be read: {error.strerror}")
            continue
        files = [entry for entry in entries if _is_file(entry)]
        out = [entry for entry in files if entry.is_symlink() and not _is_below(entry, root)]
        inside = [entry for entry in files if entry not in out] if out else files
        yield Folder(path, inside, links_out=[path / entry.name for entry in out])
        below = [path / entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
        waiting += [folder for folder in reversed(below) if is_wanted is None or is_wanted(folder)]


def leads_out(link: Path, top: Path) -> str:
    """Why a link to a file that is not below the folder is not followed."""
    return f"it is a link that leads out of {top} (to {os.path.realpath(link)}): name that file itself"


def _is_below(entry: os.DirEntry[str], root: Path) -> bool:
    return Path(os.path.realpath(entry.path)).is_relative_to(root)


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file()
    except OSError:  # a link that leads to itself
        return False
