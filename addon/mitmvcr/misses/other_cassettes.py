"""Other cassette files that seem to have a request, or whose name is much like the one that was given.

A look through a few files, for a miss's message: bounded in time, files and bytes; it parses nothing,
follows no link and takes what can't be read for a file that doesn't have it.
"""

from __future__ import annotations

import contextlib
import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path

from mitmvcr.model import Request
from mitmvcr.store.locate import SUFFIX
from mitmvcr.store.walk import walk

_SECONDS = 0.02
_FILES = 400
_FILE_BYTES = 4 << 20
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
    deadline = time.perf_counter() + _SECONDS
    for path in _files(root, besides.parent):
        if time.perf_counter() > deadline:
            return None
        if path == besides:
            continue
        with contextlib.suppress(OSError):
            status = path.lstat()
            if stat.S_ISREG(status.st_mode) and status.st_size <= _FILE_BYTES:
                data = path.read_bytes()
                if body in data and url in data:
                    return path.relative_to(root).as_posix().removesuffix(SUFFIX)
    return None


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
    found = difflib.get_close_matches(wanted, names, 1, 0.75)
    return (path.parent / found[0]).relative_to(root).as_posix() if found else None


def _files(root: Path, first: Path) -> Iterator[Path]:
    """Cassettes' files below a folder, those below `first` first; so many at most."""
    seen, left = set(), _FILES
    for top in dict.fromkeys((first, root)):
        for folder in walk(top):
            if folder.path in seen:
                continue
            seen.add(folder.path)
            for entry in folder.files:
                if left and entry.name.endswith(SUFFIX):
                    left -= 1
                    yield folder.path / entry.name
