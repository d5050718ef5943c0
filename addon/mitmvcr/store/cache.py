"""Cassettes that were read, kept while their files are unchanged, with their indexes; never writes."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mitmvcr import formats
from mitmvcr.http.hosts import origin_of
from mitmvcr.model import Cassette, Interaction
from mitmvcr.replay.index import Index
from mitmvcr.replay.matcher import Matcher
from mitmvcr.replay.overview import Overview
from mitmvcr.scrub import Memory, Scrubber
from mitmvcr.store import cassette as disk
from mitmvcr.store.cassette import CassetteFile

LIMIT = 64 << 20
"""Bytes of the files whose content is kept when they are closed; in memory it takes some three times that."""

_COARSE = 2_000_000_000
"""Nanoseconds in which a file may change without a new time of change, on the coarsest file systems (FAT)."""

_WAYS = 8
"""Ways to match one cassette whose indexes are kept; a client may think of any number."""

Stamp = tuple[tuple[int, int, int], ...]
"""Time of change, size and inode of each file of a cassette, which may be a folder."""


@dataclass(slots=True, eq=False)
class CachedCassette:
    """A cassette that was read, and what was found out about it; `size` is its files' in bytes.

    `hosts` are the requests', in their canonical spelling. `memory` is what the scrubber knows from the file
    alone, `overview` is of those interactions whose keys were made. An index comes with what the scrubber
    knows when recorded requests were scrubbed: it decides how later ones are.
    `digest` is of the file's bytes, empty where those are kept themselves, and `read_at` in nanoseconds
    since the epoch.
    """

    file: CassetteFile
    size: int
    stamp: Stamp
    read_at: int
    digest: bytes = b""
    overview: Overview = field(default_factory=Overview)
    hosts: frozenset[str] = field(init=False)
    memory: Memory = field(init=False)
    _matchers: dict[Matcher, Matcher] = field(default_factory=dict)
    _indexes: dict[Matcher, tuple[Index, Memory]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.hosts = hosts_of(self.file.cassette)
        self.memory = Memory.resume(self.file.cassette)

    @classmethod
    def empty(cls, path: Path) -> CachedCassette:
        """What stands for a file that isn't there, or isn't read: a go-vcr cassette without interactions."""
        return cls(CassetteFile(path, formats.GO_VCR, Cassette()), 0, (), 0)

    @property
    def interactions(self) -> Sequence[Interaction]:
        """The interactions in the file's order."""
        return self.file.cassette.interactions

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
        cached = self._indexes.get(matcher)
        if cached is None:
            if len(self._indexes) >= _WAYS:
                self._indexes.clear()
            cached = self._indexes[matcher] = self._new_index(matcher, scrubber)
        index, seen = cached
        if whole or matcher.asks_functions or self._may_have_credentials(scrubber):
            index.complete()
        memory.learn(seen)
        return index

    def _new_index(self, matcher: Matcher, scrubber: Scrubber) -> tuple[Index, Memory]:
        seen = Memory({})
        seen.learn(self.memory)

        def keys(numbers: range) -> Iterable[bytes]:
            requests = list(map(self.file.cassette.request, numbers))
            self.overview.add(numbers.start, requests)
            return map(matcher.key, scrubber.requests(requests, seen))

        return Index(len(self.interactions), keys), seen

    def _may_have_credentials(self, scrubber: Scrubber) -> bool:
        """Whether a request may have headers with credentials, which the scrubber looks out for then."""
        names = self.file.cassette.request_headers
        return names is None or scrubber.may_hold_credentials(names)

    def is_current(self, stamp: Stamp) -> bool:
        """Whether the stamp alone says so: a file just written may change within a tick of the clock."""
        newest = max((changed for changed, *_ in stamp), default=0)
        return self.stamp == stamp and newest + _COARSE < self.read_at

    def is_of(self, data: bytes) -> bool:
        """Whether it was read from these bytes."""
        source = self.file.cassette.source
        return _digest(data) == self.digest if self.digest else source is not None and source.data == data


def hosts_of(cassette: Cassette) -> frozenset[str]:
    """The hosts of a cassette's requests, in their canonical spelling."""
    origins = {origin_of(url) for url in cassette.urls}
    return frozenset(origin.host for origin in origins if origin is not None)


def url_notes(cassette: Cassette) -> Iterator[str]:
    """A line for the first request whose URL no server has, edited or redacted by others perhaps."""
    odd = {url for url in cassette.urls if "://" in url and origin_of(url) is None}
    if odd:
        numbers = range(len(cassette.interactions))
        first = next(number for number in numbers if cassette.request(number).url in odd)
        more = f" (and {len(odd) - 1} URLs more)" if len(odd) > 1 else ""
        yield (
            f"interaction {cassette.interactions[first].id} has the URL {cassette.request(first).url!r}, "
            f"which no server has{more}: mend it, or record it anew"
        )


class CassetteCache:
    """Cassettes by their paths; those that were used last are kept, up to `limit` bytes of files."""

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._cassettes: dict[Path, CachedCassette] = {}
        self._size = 0

    def read(self, path: Path) -> CachedCassette:
        """The cassette in a file or folder, read anew only if it has changed; raises CassetteError."""
        before = self._cassettes.get(path)
        cached = _read(path, before)
        if before is not None:
            self._size -= self._cassettes.pop(path).size
        if cached.size <= self._limit:
            self._cassettes[path] = cached
            self._size += cached.size
            while self._size > self._limit:
                oldest = next(iter(self._cassettes))
                self._size -= self._cassettes.pop(oldest).size
        return cached


def current_stamp(path: Path) -> Stamp:
    """The stamp of a cassette as it is now; empty if it isn't there, or can't be looked at."""
    try:
        return _stamp(path, is_folder=path.is_dir())
    except OSError:
        return ()


def _read(path: Path, before: CachedCassette | None) -> CachedCassette:
    with disk.reading(path):
        is_folder = path.is_dir()
        stamp = _stamp(path, is_folder=is_folder)
    if before is not None and before.is_current(stamp):
        return before
    now = time.time_ns()
    if is_folder:
        return CachedCassette(disk.read(path), sum(size for _, size, _ in stamp), stamp, now)
    data = disk.content(path)
    if before is not None and before.is_of(data):
        before.stamp, before.read_at = stamp, now
        return before
    file = disk.parse(path, data)
    source = file.cassette.source
    digest = b"" if source is not None and source.data is data else _digest(data)
    return CachedCassette(file, len(data), stamp, now, digest)


def _digest(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=16).digest()


def _stamp(path: Path, *, is_folder: bool) -> Stamp:
    stats = [file.stat() for file in (formats.files_of(path) if is_folder else [path])]
    return tuple((status.st_mtime_ns, status.st_size, status.st_ino) for status in stats)
