"""Whether a cassette's file is still what was read, or was edited, removed or made since; reads nothing."""

from __future__ import annotations

import time
from enum import Enum

from mitmvcr.store.cache import CachedCassette, current_stamp

_EVERY = 0.1
"""Seconds between two looks, so that requests don't pay for them."""
_SHARE = 50
"""Looks at a folder of thousands of files take milliseconds: so many times that is between them."""


class FileChange(Enum):
    """What has become of a file since it was read."""

    EDITED = "edited"
    REMOVED = "removed"


class FileWatch:
    """Looks at the file, or folder of files, that a cassette was read from; tells each change once."""

    def __init__(self, cached: CachedCassette) -> None:
        self._path = cached.file.path
        self._stamp = cached.stamp
        self._due = time.monotonic() + _EVERY

    def look(self) -> FileChange | None:
        """What has changed since the last look, None if nothing has, or it is too early to look again."""
        now = time.monotonic()
        if now < self._due:
            return None
        stamp = current_stamp(self._path)
        took = time.monotonic() - now
        self._due = now + max(_EVERY, _SHARE * took)
        if stamp == self._stamp:
            return None
        self._stamp = stamp
        return FileChange.EDITED if stamp else FileChange.REMOVED
