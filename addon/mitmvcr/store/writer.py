"""Writes a go-vcr cassette, an entry at a time in one append each; never reads what it has written.

A process that is killed loses at most the exchange in flight. The system is not made to put each entry on
the disk, which would hold up all requests: a loss of power may cost what was recorded since the process
began, never what stood there before; what `close` has returned for stays. No file stays open between two
entries: thousands of cassettes may be recorded at once.
"""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path

from mitmvcr.errors import CassetteError
from mitmvcr.formats import govcr
from mitmvcr.model import Interaction
from mitmvcr.store import atomic
from mitmvcr.store.cassette import CassetteFile
from mitmvcr.store.locate import followed, with_suffix
from mitmvcr.store.lock import Lock

_CHANGED = "somebody else changed the file meanwhile: start again, with vcr_mode=new-episodes to add to it"


class Writer:
    """The one that may write a cassette: holds its lock, or the one given, from the start until `close`.

    A new cassette, and one that is recorded anew, comes into being with its first entry: the file
    is written beside its place and moved there. Others are appended to. One that somebody removes meanwhile
    is begun anew, as who removes it means; `notes` says so.
    """

    def __init__(
        self,
        path: Path,
        dialect: govcr.Dialect,
        existing: CassetteFile | None,
        *,
        anew: bool = False,
        lock: Lock | None = None,
    ) -> None:
        path = followed(path)
        self.path = path
        self.set_aside: Path | None = None
        self.notes: list[str] = []
        self._anew = anew
        self._existing = existing
        self._layout = existing.cassette if existing else None
        self._dialect = dialect
        self.next_id = len(existing.cassette.interactions) if existing else 0
        self._size = 0  # bytes of the file, as this writer left it
        self._inode = 0  # the file's; 0 before the first entry
        self._unsynced = False  # whether bytes of the file may not be on the disk
        self._moved = False  # whether its name may not be
        self._beside = path.with_name(f".{path.name}.new")
        self._lock = lock or Lock(path)
        try:
            self._clear_beside()
            if existing and existing.torn:
                self._set_torn_aside(existing)
        except BaseException:
            self._lock.release()
            raise

    def emit(self, interaction: Interaction) -> bytes:
        """The bytes that `append` would write for this interaction, in the file's own layout.

        Raises CassetteError.
        """
        self._begin_anew_if_removed()
        dialect = self._dialect
        if self._layout is not None and self._layout.source is not None and self._layout.interactions:
            dialect = govcr.dialect_of(self._layout)
        interaction = govcr.with_host(interaction, dialect)
        if self._layout is None:
            return govcr.emit_interaction(interaction, self.next_id, self._dialect)
        return govcr.entry(interaction, self.next_id, self._layout)

    def append(self, entry: bytes) -> None:
        """Write one entry; raises CassetteError, and then the file is as it was before."""
        try:
            if self._inode:
                self._append(entry)
            else:
                self._begin(entry)
        except OSError as error:
            is_gone = isinstance(error, FileNotFoundError)
            state = "the file was removed" if is_gone else "what the file held before is intact"
            raise CassetteError(
                f"{self.path}: interaction {self.next_id} could not be written: {error.strerror}; {state}"
            ) from None
        self.next_id += 1

    def rewrite(self, data: bytes) -> None:
        """Put other bytes in the place of what was written; raises CassetteError, then nothing changes."""
        try:
            self._check_ours(os.stat(self.path))  # noqa: PTH116 - as in _append
            self._put(data)
        except OSError as error:
            raise CassetteError(f"{self.path}: could not be put in order: {error.strerror}") from None

    def close(self) -> None:
        """Force what was written to the disk, and let go of the lock in any case; raises CassetteError."""
        try:
            if self._unsynced:
                with contextlib.suppress(FileNotFoundError):  # somebody has removed it
                    atomic.sync(self.path)
            if self._moved:
                atomic.sync_folder(self.path.parent)
        except OSError as error:
            raise CassetteError(f"{self.path}: may not have come to the disk: {error.strerror}") from None
        finally:
            self._unsynced = self._moved = False
            self._lock.release()

    def _clear_beside(self) -> None:
        """Remove what a process that was killed has left; raises CassetteError."""
        try:
            self._beside.unlink(missing_ok=True)
        except OSError as error:
            raise CassetteError(f"{self._beside}: is in the way: {error.strerror}; remove it") from None

    def _begin_anew_if_removed(self) -> None:
        if not (self._inode or self._existing) or os.path.lexists(self.path):
            return
        self._lock.renew()
        self._existing = self._layout = None
        self.next_id = self._size = self._inode = 0
        self._unsynced = self._moved = False
        self.notes.append(f"{self.path}: it was removed while it is recorded, and is begun anew")

    def _begin(self, entry: bytes) -> None:
        if self._existing is None:
            try:
                self._put(govcr.HEAD + entry, replace=self._anew)
            except FileExistsError:
                raise OSError(errno.EEXIST, "somebody else made the file meanwhile") from None
            return
        source = self._existing.cassette.source
        if source is None:
            raise OSError(errno.EINVAL, "it is no go-vcr cassette")
        self._check_unchanged(source.data)
        whole = govcr.appendable(self._existing.cassette)
        if whole is not None:
            self._put(whole + entry)
            return
        self._size, self._inode = len(source.data), self.path.stat().st_ino
        try:
            self._append(entry)
        except OSError:
            self._inode = 0  # not begun: whether it is unchanged is looked at again
            raise

    def _check_unchanged(self, data: bytes) -> None:
        if self.path.read_bytes() != data:
            raise OSError(errno.ESTALE, _CHANGED)

    def _check_ours(self, status: os.stat_result) -> None:
        if (status.st_ino, status.st_size) != (self._inode, self._size):
            raise OSError(errno.ESTALE, _CHANGED)

    def _append(self, entry: bytes) -> None:
        fd = os.open(self.path, os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            self._check_ours(os.fstat(fd))
            try:
                atomic.write_all(fd, entry, self._size)
            except OSError:
                # A half entry that ends inside a literal would be read as a whole one.
                os.ftruncate(fd, self._size)
                raise
        finally:
            os.close(fd)
        self._size += len(entry)
        self._unsynced = True

    def _put(self, data: bytes, *, replace: bool = True) -> None:
        status = atomic.write_file(self.path, data, replace=replace, beside=self._beside, durable=False)
        self._size, self._inode = status.st_size, status.st_ino
        self._unsynced = self._moved = True

    def _set_torn_aside(self, existing: CassetteFile) -> None:
        source = existing.cassette.source
        if source is None:
            return
        number, aside = 1, with_suffix(self.path, ".torn")
        while os.path.lexists(aside):
            number += 1
            aside = with_suffix(self.path, f".torn{number}")
        try:
            self._check_unchanged(source.data + existing.torn)
            atomic.write_file(aside, existing.torn, replace=False)
            os.truncate(self.path, len(source.data))
        except OSError as error:
            raise CassetteError(
                f"{self.path}: its last interaction is torn and can't be set aside: {error.strerror}"
            ) from None
        self.set_aside = aside
