"""The formats of cassettes: bytes <-> model, a module a format; this registry finds the right one.

A format is found from what the bytes are, never from the file's name.

container      what a file's text is wrapped in: gzip, UTF-16
sniffing       which format a text is in, JSON or YAML
govcr          go-vcr's cassettes, read and written
vcrpy          VCR.py's, read and written
har            HAR 1.2, read and written
har_text       the text of HAR's bodies in Base64, hexadecimal, in pieces
llamastack     llama-stack's recordings, read
recorded_http  what others keep of an exchange, in go-vcr's terms
yaml_nodes     YAML as nodes with their places: the one reader of YAML that is in no known layout
yaml_json      YAML and JSON as plain data, for others' formats
yaml_to_json   YAML's structure as the JSON that it stands for
places         characters, bytes and lines of a file
collector      Python's garbage collector, off while a file is read
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from mitmvcr.config.settings import Repeat
from mitmvcr.errors import FormatError
from mitmvcr.formats import container, govcr, sniffing
from mitmvcr.model import Cassette


@dataclass(frozen=True, slots=True)
class Format:
    """A format and how its own tools match: fields of `vcr_match`, and how often one answers."""

    name: str
    title: str
    module: str
    match: tuple[str, ...]
    repeat: Repeat = Repeat.ONCE
    llama_stack: bool = False

    def load(self, data: bytes) -> Cassette:
        """The cassette in the bytes; raises FormatError."""
        return cast("Callable[[bytes], Cassette]", self._function("load"))(data)

    def _function(self, name: str) -> object:
        return getattr(importlib.import_module(self.module), name)


GO_VCR = Format("go-vcr", "go-vcr v2", "mitmvcr.formats.govcr", ("method", "url", "body"))
VCR_PY = Format(
    "vcrpy",
    "VCR.py v1",
    "mitmvcr.formats.vcrpy",
    ("method", "scheme", "host", "port", "path", "query"),
)
LLAMA_STACK = Format(
    "llama-stack",
    "llama-stack",
    "mitmvcr.formats.llamastack",
    ("method", "path", "body"),
    Repeat.ANY,
    llama_stack=True,
)
HAR = Format("har", "HAR 1.2", "mitmvcr.formats.har", ("method", "url", "body"))

FORMATS = {format_.name: format_ for format_ in (GO_VCR, VCR_PY, LLAMA_STACK, HAR)}

FOLDER = LLAMA_STACK
"""The one format whose cassette is a folder of files."""


def load(data: bytes) -> tuple[Format, Cassette, bytes]:
    """The format, the cassette and the bytes of a torn last entry; raises FormatError."""
    format_ = FORMATS[sniffing.sniff(data)]
    data = container.unwrapped(data)
    if format_ is GO_VCR:
        return format_, *govcr.recover(data)
    return format_, format_.load(data), b""


def is_cassette_folder(folder: Path) -> bool:
    """Whether a folder is one cassette: llama-stack keeps one JSON file per call, named by its hash."""
    return any(_is_recording(path) for path in files_of(folder))


def _is_recording(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return sniffing.sniff(file.read(sniffing.HEAD)) == FOLDER.name
    except (FormatError, OSError):
        return False


def load_folder(folder: Path) -> Cassette:
    """All recordings in a folder as one cassette, by name; raises FormatError that names the file."""
    from mitmvcr.formats import llamastack  # noqa: PLC0415 - only such folders need it

    return llamastack.load_directory((path.name, path.read_bytes()) for path in files_of(folder))


def files_of(folder: Path) -> list[Path]:
    """The files that a folder's recordings are in, by name; none that a link has led out of the folder."""
    return sorted(path for path in folder.glob("*.json") if path.is_file() and _is_inside(path, folder))


def _is_inside(path: Path, folder: Path) -> bool:
    return not path.is_symlink() or path.resolve().is_relative_to(folder.resolve())


__all__ = [
    "FOLDER",
    "FORMATS",
    "GO_VCR",
    "Format",
    "FormatError",
    "files_of",
    "is_cassette_folder",
    "load",
    "load_folder",
]
