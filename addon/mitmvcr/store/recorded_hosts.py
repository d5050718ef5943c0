"""Which hosts the cassette files below a folder have, also those that nobody has opened.

A look through files, for a host that nothing else knows: it takes the time that reading takes, within bounds,
so whoever serves others meanwhile calls it in a thread. What can't be read, what a package manager has put
there, and what is beyond the bounds, is taken for a file without the host.
"""

from __future__ import annotations

import contextlib
import gzip
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from mitmvcr.config.settings import SUFFIXES
from mitmvcr.errors import MitmvcrError
from mitmvcr.store import cassette as disk
from mitmvcr.store.cache import hosts_of
from mitmvcr.store.walk import is_own, walk

_FRESH = 2.0
_REST = 20
"""It is not looked again for a host that no file has for so many seconds, or times the look's own."""
_SECONDS = 5.0
_MOST_HOSTS = 4096
_FILE_BYTES = 256 << 20


@dataclass(slots=True)
class _File:
    """A file as it was seen; `hosts` is None until it was read."""

    stamp: tuple[int, int, int]
    hosts: frozenset[str] | None = None


class RecordedHosts:
    """The hosts of all cassettes below a folder; calls from several threads wait for each other."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._files: dict[Path, _File] = {}
        self._absent: dict[str, float] = {}
        self._lock = threading.Lock()

    def has(self, host: str) -> bool:
        """Whether a request of any cassette is to this host, which is in its canonical spelling."""
        with self._lock:
            start = time.monotonic()
            if self._absent.get(host, 0.0) > start:
                return False
            if self._look(host, start + _SECONDS):
                return True
            if len(self._absent) >= _MOST_HOSTS:
                self._absent.clear()
            end = time.monotonic()
            self._absent[host] = end + max(_FRESH, _REST * (end - start))
            return False

    def _look(self, host: str, deadline: float) -> bool:
        texts = {host.encode()}
        with contextlib.suppress(UnicodeError):  # as it may stand in a file: with letters beyond ASCII
            texts.add(host.encode("ascii").decode("idna").lower().encode())
        for folder in walk(self._root, is_own):
            for entry in folder.files:
                if time.monotonic() > deadline:
                    return False
                if entry.name.endswith(SUFFIXES):
                    with contextlib.suppress(OSError):
                        if self._has(folder.path / entry.name, host, texts):
                            return True
        return False

    def _has(self, path: Path, host: str, texts: set[bytes]) -> bool:
        status = path.stat()
        stamp = (status.st_mtime_ns, status.st_size, status.st_ino)
        file = self._files.get(path)
        if file is None or file.stamp != stamp:
            file = self._files[path] = _File(stamp)
        if file.hosts is None and status.st_size <= _FILE_BYTES and _mentions(path, texts):
            try:
                file.hosts = hosts_of(disk.read(path).cassette)
            except MitmvcrError:  # it is no cassette
                file.hosts = frozenset()
        return file.hosts is not None and host in file.hosts


def _mentions(path: Path, texts: set[bytes]) -> bool:
    """Whether the bytes have the host's name at all: most files need not be parsed for that."""
    data = path.read_bytes()
    if data.startswith(b"\x1f\x8b"):
        with contextlib.suppress(OSError, EOFError):
            data = gzip.decompress(data)
    data = data.lower()
    return any(text in data for text in texts)
