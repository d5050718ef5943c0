"""A cassette's name -> the file that it is in, or will be; looks for files, never opens one."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from mitmvcr import formats
from mitmvcr.config.settings import SUFFIXES
from mitmvcr.errors import CassetteError

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
        candidates = _find(plain)
    except OSError as error:
        raise CassetteError(f"cassette {name!r} can't be looked for: {error.strerror} ({plain})") from None
    if len(candidates) > 1:
        raise CassetteError(
            f"cassette {name!r} could be any of {', '.join(map(str, candidates))}: name one with its suffix"
        )
    path = candidates[0] if candidates else plain if name.endswith(SUFFIXES) else with_suffix(plain, SUFFIX)
    real = real_path(path)
    if not real.is_relative_to(real_path(root)):
        raise CassetteError(f"cassette {name!r} leads out of {root} (to {real}): choose another name")
    return Location(name, path, bool(candidates))


def _find(plain: Path) -> list[Path]:
    if plain.name.endswith(SUFFIXES):
        return [plain] if plain.exists() else []
    candidates = [path for path in (with_suffix(plain, suffix) for suffix in SUFFIXES) if path.is_file()]
    return candidates or ([plain] if plain.is_dir() and formats.is_cassette_folder(plain) else [])


def real_path(path: Path) -> Path:
    """Where a path leads when all links are followed; one that leads to itself is as it stands."""
    return Path(os.path.realpath(path))  # Path.resolve raises RuntimeError for it before Python 3.13


def followed(path: Path) -> Path:
    """A link's file, which has one lock and stays where it is, by whatever name it is written."""
    return real_path(path) if path.is_symlink() else path


def with_suffix(path: Path, suffix: str) -> Path:
    """The path with a suffix more behind its name."""
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
