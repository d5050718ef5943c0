"""A cassette on disk: find it by name, read it, lock it, append to it, set a torn end aside.

What is read was whole when it was written; what is written is an entry at a time, in one append,
so that a process that is killed loses at most the exchange in flight.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mitmvcr import formats
from mitmvcr.config.settings import SUFFIXES
from mitmvcr.errors import CassetteError, FormatError
from mitmvcr.formats import govcr
from mitmvcr.formats.sniffing import HEAD, sniff
from mitmvcr.model import Cassette, Interaction

SUFFIX = ".yaml"
_CONTROL = re.compile("[\0-\x1f\x7f-\x9f\u2028\u2029]")
_SIDE_FILE = re.compile(r"\..+\.(?:lock|new)")
_NAME_MAX = 255  # bytes of one path component, on the file systems in use
_ROOM = len("..yaml.lock.0000000")


@dataclass(frozen=True, slots=True)
class Location:
    """Where a cassette of some name is, or will be; `name` is as it was given."""

    name: str
    path: Path
    exists: bool


def locate(root: Path, name: str) -> Location:
    """The file of a cassette's name; raises CassetteError for a name that can't be one.

    A name without suffix finds whichever file exists; two are an error that names both. The path,
    links followed, lies in `root`.
    """
    _check_name(name)
    plain = root / name
    try:
        found = _find(plain)
    except OSError as error:
        raise CassetteError(f"cassette {name!r} can't be looked for: {error.strerror} ({plain})") from None
    if len(found) > 1:
        raise CassetteError(
            f"cassette {name!r} could be any of {', '.join(map(str, found))}: name one with its suffix"
        )
    path = found[0] if found else plain if name.endswith(SUFFIXES) else _with(plain, SUFFIX)
    real = _real(path)
    if not real.is_relative_to(_real(root)):
        raise CassetteError(f"cassette {name!r} leads out of {root} (to {real}): choose another name")
    return Location(name, path, bool(found))


def _find(plain: Path) -> list[Path]:
    if plain.name.endswith(SUFFIXES):
        return [plain] if plain.exists() else []
    found = [path for path in (_with(plain, suffix) for suffix in SUFFIXES) if path.is_file()]
    return found or ([plain] if plain.is_dir() and formats.is_cassette_folder(plain) else [])


def _real(path: Path) -> Path:
    # Path.resolve raises RuntimeError for a link to itself before Python 3.13.
    return Path(os.path.realpath(path))


def _with(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def _check_name(name: str) -> None:
    parts = name.split("/")
    if not name or _CONTROL.search(name):
        raise CassetteError(f"{name!r} is no cassette's name: it is empty or has control characters")
    if name.startswith(("/", "~")) or "\\" in name:
        raise CassetteError(f"{name!r} is no cassette's name: give one relative to vcr_dir, with '/' between")
    if any(part in ("", ".", "..") for part in parts):
        raise CassetteError(f"{name!r} is no cassette's name: '.', '..' and empty parts can't be in it")
    if any(_SIDE_FILE.fullmatch(part) for part in parts[:-1]):
        raise CassetteError(
            f"{name!r} is no cassette's name: .NAME.lock and .NAME.new are mitmvcr's own files"
        )
    try:
        longest = max(len(part.encode()) for part in parts)
    except UnicodeEncodeError:
        raise CassetteError(f"{name!r} is no cassette's name: it is not UTF-8") from None
    if longest > _NAME_MAX - _ROOM or len(name.encode()) > 2048:
        raise CassetteError(
            f"cassette name {name[:40]!r}… is too long: {_NAME_MAX - _ROOM} bytes a part at most"
        )


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a file held when it was read: its format, its content, and the bytes of a torn end."""

    path: Path
    format: formats.Format
    cassette: Cassette
    torn: bytes = b""


def read(path: Path) -> Loaded:
    """Read a cassette of any format; raises CassetteError that names file, place and remedy."""
    try:
        if path.is_dir():
            return Loaded(path, formats.FOLDER, formats.load_folder(path))
    except OSError as error:
        raise CassetteError(f"{path}: can't be read: {error.strerror}") from None
    return parse(path, content(path))


def content(path: Path) -> bytes:
    """The bytes of a cassette's file; raises CassetteError."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise CassetteError(f"{path}: can't be read: {error.strerror}") from None


def parse(path: Path, data: bytes) -> Loaded:
    """What a file with these bytes holds; raises CassetteError."""
    try:
        format_, cassette, torn = formats.load(data)
    except FormatError as error:
        raise CassetteError(f"{path}: {error}") from None
    return Loaded(path, format_, cassette, torn)


def format_of(path: Path) -> str:
    """The name of the format that a file's first bytes tell; raises CassetteError if they tell none."""
    try:
        with path.open("rb") as file:
            head = file.read(HEAD)
        return sniff(head) + (", compressed" if head.startswith(b"\x1f\x8b") else "")
    except OSError as error:
        raise CassetteError(f"{path}: can't be read: {error.strerror}") from None
    except FormatError as error:
        raise CassetteError(f"{path}: {error}; move it away to record in its place") from None


def check_appendable(path: Path) -> None:
    """Raises CassetteError if the file is of a format that is never written, not even replaced."""
    name = format_of(path)
    if name != formats.GO_VCR.name:
        raise CassetteError(
            f"{path}: only go-vcr v2 cassettes are recorded to, and this one is in format {name}; "
            f"replay it, or move it away to record it anew"
        )


def check_folder(path: Path) -> None:
    """Raises CassetteError if a cassette could not be written there; leaves nothing behind."""
    Lock(path, f".{os.getpid()}").release()


class Writer:
    """The one that may write a cassette: holds its lock, or the one given, from the start until `close`.

    A new cassette, and one that is recorded anew, comes into being with its first entry: the file
    is written beside its place and moved there. Others are appended to.
    """

    def __init__(
        self,
        path: Path,
        dialect: govcr.Dialect,
        existing: Loaded | None,
        *,
        anew: bool = False,
        lock: Lock | None = None,
    ) -> None:
        path = _target(path)
        self.path = path
        self._anew = anew
        self.set_aside: Path | None = None
        self._existing = existing
        self._dialect = dialect
        self._fd = -1
        self._end = 0
        self._inode = 0
        self._beside = path.with_name(f".{path.name}.new")
        self._lock = lock or Lock(path)
        try:
            self._layout = existing.cassette if existing else None
            self.next_id = len(existing.cassette.interactions) if existing else 0
            self._beside.unlink(missing_ok=True)  # of a process that was killed
            if existing and existing.torn:
                self._set_torn_aside(existing)
        except BaseException:
            self._lock.release()
            raise

    def emit(self, interaction: Interaction) -> bytes:
        """The bytes that `append` would write for this interaction, in the file's own layout."""
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
            if self._fd < 0:
                self._begin(entry)
            else:
                self._append(entry)
        except OSError as error:
            raise CassetteError(
                f"{self.path}: interaction {self.next_id} could not be written: {error.strerror}; "
                f"what the file held before is intact"
            ) from None
        self.next_id += 1

    def rewrite(self, data: bytes) -> None:
        """Put other bytes in the place of what was written; raises CassetteError, then nothing changes."""
        try:
            self._check_ours()
            os.close(self._fd)
            self._fd = -1
            self._replace_with(data)
        except OSError as error:
            raise CassetteError(f"{self.path}: could not be put in order: {error.strerror}") from None

    def close(self) -> None:
        """Let go of the file and its lock; what was written is complete already."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
        self._lock.release()

    def _begin(self, entry: bytes) -> None:
        if self._existing is None:
            if not self._anew and self.path.exists():
                raise OSError(errno.EEXIST, "somebody else made the file meanwhile")
            self._replace_with(govcr.HEAD + entry)
            return
        source = self._existing.cassette.source
        if source is None:
            raise OSError(errno.EINVAL, "it is no go-vcr cassette")
        self._check_unchanged(source.data)
        whole = govcr.appendable(self._existing.cassette)
        if whole is not None:
            self._replace_with(whole + entry)
            return
        self._fd = os.open(self.path, os.O_RDWR | os.O_CLOEXEC)
        self._end = len(source.data)
        self._inode = os.fstat(self._fd).st_ino
        self._append(entry)

    def _check_unchanged(self, data: bytes) -> None:
        if self.path.read_bytes() != data:
            raise OSError(errno.ESTALE, "somebody else changed the file meanwhile")

    def _check_ours(self) -> None:
        status = os.stat(self.path)  # noqa: PTH116 - half the time, for each entry
        if (status.st_ino, status.st_size) != (self._inode, self._end):
            raise OSError(errno.ESTALE, "somebody else changed the file meanwhile")

    def _append(self, entry: bytes) -> None:
        self._check_ours()
        try:
            _write_all(self._fd, entry, self._end)
        except OSError:
            # A half entry that ends inside a literal would be read as a whole one.
            os.ftruncate(self._fd, self._end)
            raise
        self._end += len(entry)

    def _replace_with(self, data: bytes) -> None:
        beside = self._beside
        fd = os.open(beside, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
        try:
            _write_all(fd, data, 0)
            if self._existing is not None:
                os.fchmod(fd, self.path.stat().st_mode & 0o777)
            beside.replace(self.path)
        except BaseException:
            os.close(fd)
            beside.unlink(missing_ok=True)
            raise
        self._fd, self._end, self._inode = fd, len(data), os.fstat(fd).st_ino

    def _set_torn_aside(self, existing: Loaded) -> None:
        source = existing.cassette.source
        if source is None:
            return
        number, aside = 1, _with(self.path, ".torn")
        while aside.exists():
            number += 1
            aside = _with(self.path, f".torn{number}")
        try:
            self._check_unchanged(source.data + existing.torn)
            aside.write_bytes(existing.torn)
            os.truncate(self.path, len(source.data))
        except OSError as error:
            raise CassetteError(
                f"{self.path}: its last interaction is torn and can't be set aside: {error.strerror}"
            ) from None
        self.set_aside = aside


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Keep others from recording to a cassette meanwhile; raises CassetteError if one does."""
    lock = Lock(path)
    try:
        yield
    finally:
        lock.release()


def _write_all(fd: int, data: bytes, offset: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(fd, view, offset)
        view, offset = view[written:], offset + written


def _target(path: Path) -> Path:
    """A link's file, which has one lock and stays where it is, by whatever name it is written."""
    return _real(path) if path.is_symlink() else path


class Lock:
    """A file beside the cassette, locked by flock: gone with its process, however that ends.

    With an `infix` of one's own it keeps nobody out, and only shows that a file can be made there.
    """

    def __init__(self, cassette: Path, infix: str = "") -> None:
        cassette = _target(cassette)
        self._path = cassette.with_name(f".{cassette.name}{infix}.lock")
        self._made: list[Path] = []
        try:
            self._fd = self._take(cassette)
        except OSError as error:
            self._remove_folders()
            where = error.filename or self._path.parent
            raise CassetteError(
                f"{cassette}: can't be recorded to: {error.strerror} ({where}); "
                f"make the folder writable or set vcr_dir to another"
            ) from None

    def _make_folders(self) -> None:
        missing = self._path.parent
        while not missing.exists():
            self._made.append(missing)
            missing = missing.parent
        self._path.parent.mkdir(parents=True, exist_ok=True)

    def _remove_folders(self) -> None:
        for folder in self._made:
            with contextlib.suppress(OSError):  # not empty: it has a cassette now
                folder.rmdir()

    def _open(self) -> int:
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        self._make_folders()
        try:
            return os.open(self._path, flags, 0o666)
        except FileNotFoundError:
            # Whoever had made the folder too has just removed it, having no use for it.
            self._make_folders()
            return os.open(self._path, flags, 0o666)

    def _take(self, cassette: Path) -> int:
        while True:
            fd = self._open()
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = os.read(fd, 200).decode("utf-8", "replace").strip() or "another process"
                os.close(fd)
                raise CassetteError(
                    f"{cassette}: {holder} is recording to it; wait for its end, or name another cassette"
                ) from None
            # Whoever held it may have removed the file between our open and our lock.
            with contextlib.suppress(FileNotFoundError):
                if self._path.stat().st_ino == os.fstat(fd).st_ino:
                    break
            os.close(fd)
        os.ftruncate(fd, 0)
        since = time.strftime("%Y-%m-%d %H:%M:%S")
        os.write(fd, f"process {os.getpid()} on {socket.gethostname()} (since {since})\n".encode())
        return fd

    def release(self) -> None:
        if self._fd >= 0:
            self._path.unlink(missing_ok=True)
            os.close(self._fd)
            self._fd = -1
            self._remove_folders()
