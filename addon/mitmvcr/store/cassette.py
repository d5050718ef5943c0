"""A cassette's file, or folder of files, as it was read: format, content, torn end; never writes."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mitmvcr import formats
from mitmvcr.errors import CassetteError, FormatError, NoRecordingError
from mitmvcr.formats import container
from mitmvcr.formats.sniffing import HEAD, sniff
from mitmvcr.model import Cassette


@dataclass(frozen=True, slots=True)
class CassetteFile:
    """What a file held when it was read: its format, its content, and the bytes of a torn end."""

    path: Path
    format: formats.Format
    cassette: Cassette
    torn: bytes = b""


@contextlib.contextmanager
def reading(path: Path) -> Iterator[None]:
    """Raises CassetteError that names the file for what the system says meanwhile."""
    try:
        yield
    except OSError as error:
        raise CassetteError(f"{path}: can't be read: {error.strerror}") from None


def read(path: Path) -> CassetteFile:
    """Read a cassette of any format; raises CassetteError that names file, place and remedy."""
    with reading(path):
        if path.is_dir():
            return CassetteFile(path, formats.FOLDER, formats.load_folder(path))
    return parse(path, content(path))


def content(path: Path) -> bytes:
    """The bytes of a cassette's file; raises CassetteError."""
    with reading(path):
        return path.read_bytes()


def parse(path: Path, data: bytes) -> CassetteFile:
    """What a file with these bytes holds; raises CassetteError."""
    try:
        format_, cassette, torn = formats.load(data)
    except FormatError as error:
        raise CassetteError(f"{path}: {error}") from None
    return CassetteFile(path, format_, cassette, torn)


def format_of(path: Path) -> str:
    """The name of the format that a file's first bytes tell; raises CassetteError if they tell none."""
    with reading(path), path.open("rb") as file:
        head = file.read(HEAD)
    try:
        return ", ".join(filter(None, (sniff(head), container.title(head))))
    except FormatError as error:
        raise CassetteError(f"{path}: {error}; move it away to record in its place") from None


def begun_format(path: Path) -> str:
    """The name of the format that a file's first bytes tell; empty if they tell none, or can't be read."""
    with contextlib.suppress(CassetteError):
        return format_of(path)
    return ""


def may_be_recording(path: Path) -> bool:
    """Whether a file's first bytes don't tell that it is no recording of HTTP."""
    with contextlib.suppress(OSError), path.open("rb") as file:
        try:
            sniff(file.read(HEAD))
        except NoRecordingError:
            return False
        except FormatError:
            pass
    return True


# Without one of these a file of YAML or JSON that begins like a cassette is none.
_WORDS = {
    "go-vcr": (b"interactions",),
    "vcrpy": (b"interactions", b"requests", b"responses", b"request:"),
    "llama-stack": (b'"request"',),
    "har": (b"entries",),
}


def recorded_format(data: bytes) -> str:
    """The name of the format that a file is meant to be in, be it broken.

    Raises NoRecordingError for what is no recording of HTTP, and FormatError for one that no reader reads.
    """
    name = sniff(data)
    text = container.unwrapped(data)
    if not any(word in text for word in _WORDS[name]):
        raise NoRecordingError(f"this is no cassette: it has no {_WORDS[name][0].decode()}")
    if name == formats.FOLDER.name:  # many a file has a request and a response
        formats.FOLDER.load(text)
    return name


def check_appendable(path: Path) -> None:
    """Raises CassetteError if the file is of a format that is never written, not even replaced."""
    name = format_of(path)
    if name != formats.GO_VCR.name:
        raise CassetteError(
            f"{path}: only go-vcr v2 cassettes are recorded to, and this one is in format {name}; "
            f"replay it, or move it away to record it anew"
        )
