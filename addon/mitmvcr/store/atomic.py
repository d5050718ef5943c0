"""The one way in which a whole file is written: there whole, or as if nothing had been; never appends.

The bytes go to a file beside and take their place by one rename: whoever reads meanwhile, or looks after a
crash of the process, finds the old file or the new one. So does who looks after a loss of power, for bytes
that replace others are forced to the disk before.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from pathlib import Path

_NO_LINKS = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK})
"""What `link` says on file systems that have no hard links, or no more of them for this file."""

_unfinished: set[Path] = set()


def write_file(
    path: Path, data: bytes, *, replace: bool = True, beside: Path | None = None, durable: bool = True
) -> os.stat_result:
    """Put a file with these bytes in its place; what `fstat` says of it.

    An existing file is replaced, and its mode kept; if not `replace`, FileExistsError is raised. A link
    at `path` is replaced itself. `beside` is a name in the same folder for the file until it is whole,
    for who alone may use that name; else one is made up. Unless it is to be `durable` at once, a file that
    replaces none may be lost with the power, and one that does may be the old one again, until `sync` is
    called for it and its folder. Raises OSError, and then nothing has changed.
    """
    beside = beside or path.with_name(f".mitmvcr-{os.urandom(8).hex()}")
    fd = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    _unfinished.add(beside)
    try:
        try:
            is_there = _keep_mode(fd, path)
            write_all(fd, data, 0)
            if is_there or durable:
                os.fsync(fd)
            status = os.fstat(fd)
        finally:
            os.close(fd)
        if replace:
            beside.replace(path)
        else:
            _link(beside, path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    finally:
        _unfinished.discard(beside)
    if durable:
        sync_folder(path.parent)
    return status


def write_all(fd: int, data: bytes, offset: int) -> None:
    """Write all bytes at an offset, in as many writes as the system needs; raises OSError."""
    view = memoryview(data)
    while view:
        written = os.pwrite(fd, view, offset)
        view, offset = view[written:], offset + written


def sync(path: Path) -> None:
    """Force what was written to a file, or the names in a folder, to the disk; raises OSError."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def sync_folder(folder: Path) -> None:
    """Force the names of whole files in a folder to the disk, where the file system can do that.

    One that can't loses at most the news of them, and to say that they weren't written would be false.
    """
    with contextlib.suppress(OSError):
        sync(folder)


def remove_unfinished() -> None:
    """Remove the files that this process has not finished, for a process that ends at once."""
    for path in _unfinished:
        path.unlink(missing_ok=True)


def _keep_mode(fd: int, path: Path) -> bool:
    """Give a file the mode of that whose place it takes; whether there is one.

    Before anything is written: what only its owner may read never stands in a file that others may.
    """
    try:
        status = path.lstat()
    except FileNotFoundError:
        return False
    if stat.S_ISREG(status.st_mode):
        os.fchmod(fd, stat.S_IMODE(status.st_mode))
    return True


def _link(beside: Path, path: Path) -> None:
    try:
        os.link(beside, path)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        if path.exists() or path.is_symlink():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path)) from None
        beside.rename(path)
    else:
        beside.unlink()
