"""One writer a cassette: a file beside it that says who writes; gone with its process, however that ends.

All lock files of a process are hard links to one file, which the process keeps open and locked by flock:
thousands of cassettes cost one descriptor, and the system lets all of them go when the process ends. A
lock file that a killed process left is one that nobody has locked; the next writer takes its place.
Where there are no hard links each lock file is a file, and costs a descriptor, of its own.

What stands at a lock file's name is taken away only by who has locked just that file, so that two
processes never take away each other's. Not safe for threads: one thread serves requests.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

from mitmvcr.errors import CassetteError
from mitmvcr.store.locate import followed

_TRIES = 3
_PAUSE = 0.01
"""Seconds between tries: who clears a dead process's lock file away has all that are links to it locked
for a moment, and a file that is no cassette's any more may be locked for others."""


class _LockedFile:
    """A file that this process has open and locked, and the lock files that are names of it."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.names: set[Path] = set()

    def link(self, path: Path) -> bool:
        """Give it one name more; False if that can't be, or something is there."""
        try:
            os.link(next(iter(self.names)), path)
        except OSError:  # or: another file system, one without hard links, or no more of them
            return False
        if _is_at(self.fd, path):
            return True
        path.unlink()  # somebody had put a file of their own in the place of the name that was linked
        return False

    def remove(self, path: Path) -> None:
        """Take a name away, and let go of the file with the last one; raises OSError."""
        if _is_at(self.fd, path):
            path.unlink()
        self.names.discard(path)
        if not self.names:
            os.close(self.fd)


_by_device: dict[int, _LockedFile] = {}
"""The locked file that the next lock file is a link to, by file system."""

# A forked child shares its parent's files: a link to one would stay locked when the child has ended.
os.register_at_fork(after_in_child=_by_device.clear)


class Lock:
    """Keeps others from recording to a cassette until `release`; raises CassetteError if one does.

    With an `infix` of one's own it keeps nobody out, and only shows that a file can be made there.
    """

    def __init__(self, cassette: Path, infix: str = "") -> None:
        cassette = followed(cassette)
        self._path = cassette.with_name(f".{cassette.name}{infix}.lock")
        self._new_folders: list[Path] = []
        self._cassette = cassette
        self._file: _LockedFile | None = self._lock(cassette)

    def release(self) -> None:
        """Let others record; raises CassetteError if the lock file can't be removed."""
        file, self._file = self._file, None
        if file is None:
            return
        try:
            file.remove(self._path)
        except OSError as error:
            raise CassetteError(f"{self._path}: can't be removed: {error.strerror}") from None
        finally:
            self._remove_folders()

    def renew(self) -> None:
        """Take it again if somebody has removed the lock file; raises CassetteError if others were faster."""
        file = self._file
        if file is None or _is_at(file.fd, self._path):
            return
        file.remove(self._path)
        self._file = None
        self._file = self._lock(self._cassette)

    def _lock(self, cassette: Path) -> _LockedFile:
        try:
            return self._take(cassette)
        except OSError as error:
            self._remove_folders()
            where = error.filename or self._path.parent
            if error.errno == errno.ELOOP and where == os.fspath(self._path):
                raise CassetteError(f"{where}: is a link, which no lock of mitmvcr's is: remove it") from None
            raise CassetteError(
                f"{cassette}: can't be recorded to: {error.strerror} ({where}); "
                f"make the folder writable or set vcr_dir to another"
            ) from None

    def _take(self, cassette: Path) -> _LockedFile:
        tries = 0
        while True:
            self._make_folders()
            # Others come first, or have removed the folder that they had made, too.
            with contextlib.suppress(FileExistsError, FileNotFoundError, BlockingIOError):
                return self._make()
            if holder := self._holder():
                tries += 1
                if tries == _TRIES:
                    raise CassetteError(
                        f"{cassette}: {holder} is recording to it; wait for its end, or name another cassette"
                    )
                time.sleep(_PAUSE)

    def _make(self) -> _LockedFile:
        device = self._path.parent.stat().st_dev
        file = _by_device.get(device)
        if not (file and file.names and file.link(self._path)):
            file = _by_device[device] = _LockedFile(self._open())
        file.names.add(self._path)
        return file

    def _open(self) -> int:
        """A file of its own, made and locked; raises BlockingIOError if somebody was faster."""
        fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            since = time.strftime("%Y-%m-%d %H:%M:%S")
            os.write(fd, f"process {os.getpid()} on {socket.gethostname()} (since {since})\n".encode())
            # Who came between our open and our lock may have taken it for a dead process's.
            if not _is_at(fd, self._path):
                raise BlockingIOError  # noqa: TRY301 - it is closed as for any other error
        except BaseException:
            os.close(fd)
            raise
        return fd

    def _holder(self) -> str:
        """Who has the lock file that is there; empty if nobody has, and then it is gone."""
        try:
            # A link, which none of us makes, is an error: what it leads to is not ours to remove.
            fd = os.open(self._path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:
            return ""
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Nobody but who has it locked removes a lock file: it is the dead process's still.
            if _is_at(fd, self._path):
                self._path.unlink()
        except BlockingIOError:
            return os.read(fd, 200).decode("utf-8", "replace").strip() or "another process"
        finally:
            os.close(fd)
        return ""

    def _make_folders(self) -> None:
        missing = self._path.parent
        while not missing.exists():
            self._new_folders.append(missing)
            missing = missing.parent
        self._path.parent.mkdir(parents=True, exist_ok=True)

    def _remove_folders(self) -> None:
        for folder in self._new_folders:
            with contextlib.suppress(OSError):  # not empty: it has a cassette now
                folder.rmdir()


def _is_at(fd: int, path: Path) -> bool:
    with contextlib.suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(fd), path.lstat())
    return False


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Keep others from recording to a cassette meanwhile; raises CassetteError if one does."""
    lock = Lock(path)
    try:
        yield
    finally:
        lock.release()


def check_folder(path: Path) -> None:
    """Raises CassetteError if a cassette could not be written there; leaves nothing behind."""
    Lock(path, f".{os.getpid()}").release()
