"""Cassettes that were read, kept while their files are unchanged, with their indexes; reads, never writes."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from mitmvcr import formats
from mitmvcr.errors import CassetteError
from mitmvcr.model import Interaction
from mitmvcr.replay.matcher import Matcher
from mitmvcr.replay.player import Index
from mitmvcr.scrub import Memory, Scrubber
from mitmvcr.store import cassette as disk
from mitmvcr.store.cassette import Loaded

LIMIT = 64 << 20
"""Bytes of the files whose content is kept when they are closed; in memory it takes some three times that."""

_COARSE = 2_000_000_000
"""Nanoseconds in which a file may change without a new time of change, on the coarsest file systems (FAT)."""

_WAYS = 8
"""Ways to match one cassette whose indexes are kept; a client may think of any number."""

Stamp = tuple[tuple[int, int, int], ...]
"""Time of change, size and inode of each file of a cassette, which may be a folder."""


@dataclass(slots=True)
class Recorded:
    """What a cassette's file holds, and what was found out about it; `size` is in bytes.

    `memory` is what the scrubber knows from the file alone. An index comes with what the scrubber
    knows when recorded requests were scrubbed: it decides how later ones are.
    """

    loaded: Loaded
    size: int
    hosts: frozenset[str]
    memory: Memory
    _matchers: dict[Matcher, Matcher] = field(default_factory=dict)
    _indexes: dict[Matcher, tuple[Index, Memory]] = field(default_factory=dict)

    @classmethod
    def of(cls, loaded: Loaded, size: int) -> Recorded:
        """What a file that was just read holds."""
        hosts = frozenset(map(_host, loaded.cassette.urls))
        return cls(loaded, size, hosts, Memory.resume(loaded.cassette))

    @property
    def interactions(self) -> Sequence[Interaction]:
        """The interactions in the file's order."""
        return self.loaded.cassette.interactions

    def matcher(self, matcher: Matcher) -> Matcher:
        """An equal matcher that knows the bodies which were seen before."""
        if len(self._matchers) >= _WAYS:
            self._matchers.clear()
        return self._matchers.setdefault(matcher, matcher)

    def index(self, matcher: Matcher, scrubber: Scrubber, memory: Memory, *, whole: bool = False) -> Index:
        """The interactions by their keys, made when it is first asked for; `memory` learns what they hold.

        Keys are made as far as one is looked for, all of them now if `whole`, and where that makes a
        difference: where requests tell credentials, which may stand in any, or a function may fail.
        """
        known = self._indexes.get(matcher)
        if known is None:
            if len(self._indexes) >= _WAYS:
                self._indexes.clear()
            known = self._indexes[matcher] = self._new_index(matcher, scrubber)
        index, seen = known
        if whole or matcher.asks_functions or self._tells(scrubber):
            index.complete()
        memory.learn(seen)
        return index

    def _new_index(self, matcher: Matcher, scrubber: Scrubber) -> tuple[Index, Memory]:
        seen = Memory({})
        seen.learn(self.memory)

        def keys(numbers: range) -> Iterable[bytes]:
            requests = list(map(self.loaded.cassette.request, numbers))
            return map(matcher.key, scrubber.requests(requests, seen))

        return Index(len(self.interactions), keys), seen

    def _tells(self, scrubber: Scrubber) -> bool:
        """Whether a request may have headers with credentials, which the scrubber looks out for then."""
        names = self.loaded.cassette.request_headers
        return names is None or scrubber.may_hold_credentials(names)


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


@dataclass(slots=True)
class _Kept:
    """What was read from a file; `digest` is that of its bytes, empty where those are kept themselves."""

    recorded: Recorded
    stamp: Stamp
    read: int  # nanoseconds since the epoch
    digest: bytes

    def is_of(self, data: bytes) -> bool:
        """Whether it was read from these bytes."""
        source = self.recorded.loaded.cassette.source
        return _digest(data) == self.digest if self.digest else source is not None and source.data == data

    def is_current(self, stamp: Stamp) -> bool:
        """Whether the stamp alone says so: a file just written may change within a tick of the clock."""
        return self.stamp == stamp and max((one[0] for one in stamp), default=0) + _COARSE < self.read


class Library:
    """Cassettes by their files; those that were used last are kept, up to `limit` bytes of files."""

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._kept: dict[Path, _Kept] = {}
        self._size = 0

    def read(self, path: Path) -> Recorded:
        """The cassette in a file, read anew only if the file has changed; raises CassetteError."""
        before = self._kept.pop(path, None)
        if before is not None:
            self._size -= before.recorded.size
        kept = _look(path, before)
        if kept.recorded.size <= self._limit:
            self._kept[path] = kept
            self._size += kept.recorded.size
            while self._size > self._limit:
                oldest = next(iter(self._kept))
                self._size -= self._kept.pop(oldest).recorded.size
        return kept.recorded


def _look(path: Path, before: _Kept | None) -> _Kept:
    try:
        is_folder = path.is_dir()
        stamp = _stamp(formats.files_of(path) if is_folder else [path])
    except OSError as error:
        raise CassetteError(f"{path}: can't be read: {error.strerror}") from None
    if before is not None and before.is_current(stamp):
        return before
    now = time.time_ns()
    if is_folder:
        size = sum(one[1] for one in stamp)
        return _Kept(Recorded.of(disk.read(path), size), stamp, now, b"")
    data = disk.content(path)
    if before is not None and before.is_of(data):
        return _Kept(before.recorded, stamp, now, before.digest)
    loaded = disk.parse(path, data)
    source = loaded.cassette.source
    digest = b"" if source is not None and source.data is data else _digest(data)
    return _Kept(Recorded.of(loaded, len(data)), stamp, now, digest)


def _digest(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=16).digest()


def _stamp(files: Sequence[Path]) -> Stamp:
    stats = [file.stat() for file in files]
    return tuple((one.st_mtime_ns, one.st_size, one.st_ino) for one in stats)
