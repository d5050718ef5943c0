"""Other cassette files that seem to have a request, or whose name is much like the one that was given.

A look through a few files, for a miss's message: bounded in time, files and bytes; it parses nothing,
follows no link and takes what can't be read for a file that doesn't have it.
"""

from __future__ import annotations

import contextlib
import os
import stat
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mitmvcr.model import Request
from mitmvcr.store.locate import SUFFIX
from mitmvcr.store.walk import walk

_SECONDS = 0.02
_FILES = 400
_BYTES = 64 << 20
_FILE_BYTES = 4 << 20
_PIECE = 256 << 10  # bytes that are read at once
_NAMES = 200
_SHORTEST = 16  # bytes; shorter bodies occur by chance


def with_request(root: Path, request: Request, besides: Path) -> str | None:
    """The name of a go-vcr cassette below `root` whose text has this body and URL; None if none is found.

    A JSON body stands in a single-quoted line there, so that it can be searched for as it is.
    """
    body = request.body.replace(b"'", b"''")
    url = f" url: {request.url}\n".encode("utf-8", "surrogateescape")
    if len(body) < _SHORTEST or len(body) > _FILE_BYTES or b"\n" in body:
        return None
    look = _Look(time.perf_counter() + _SECONDS, _FILES, _BYTES)
    for path in _files(root, besides.parent, look):
        with contextlib.suppress(OSError):
            if path != besides and look.has(path, (body, url)):
                return path.relative_to(root).as_posix().removesuffix(SUFFIX)
    return None


@dataclass(slots=True)
class _Look:
    """What a look may still cost."""

    deadline: float
    files: int
    room: int  # bytes

    @property
    def is_over(self) -> bool:
        return self.files <= 0 or self.room <= 0 or time.perf_counter() > self.deadline

    def has(self, path: Path, texts: Sequence[bytes]) -> bool:
        """Whether a file has all of these texts, as far as it may be read; raises OSError."""
        self.files -= 1
        status = path.lstat()
        if not stat.S_ISREG(status.st_mode) or status.st_size > _FILE_BYTES:
            return False
        data = bytearray()
        with path.open("rb") as file:
            while piece := file.read(_PIECE):
                data += piece
                self.room -= len(piece)
                if self.is_over:
                    return False
        return all(text in data for text in texts)


def with_like_name(root: Path, path: Path) -> str | None:
    """The name of a cassette in the same folder that one may have meant; None if there is none."""
    names = []
    with contextlib.suppress(OSError), os.scandir(path.parent) as entries:
        for entry in entries:
            if entry.name.endswith(SUFFIX) and not entry.name.startswith("."):
                names.append(entry.name.removesuffix(SUFFIX))
            if len(names) >= _NAMES:
                break
    import difflib  # noqa: PLC0415 - only a cassette that isn't there needs it

    wanted = path.name.removesuffix(SUFFIX)
    similar = difflib.get_close_matches(wanted, names, 1, 0.75)
    return (path.parent / similar[0]).relative_to(root).as_posix() if similar else None


def _files(root: Path, first: Path, look: _Look) -> Iterator[Path]:
    """Cassettes' files below a folder, those below `first` first, until the look is over."""
    seen: set[Path] = set()
    for top in dict.fromkeys((first, root)):
        for folder in walk(top):
            if folder.path in seen:
                continue
            seen.add(folder.path)
            for entry in folder.files:
                if entry.name.endswith(SUFFIX):
                    yield folder.path / entry.name
                if look.is_over:
                    return
            if look.is_over:
                return
