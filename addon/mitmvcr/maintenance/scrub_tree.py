"""Files and folders of cassettes, looked through for secrets or scrubbed in place, in parallel.

A file is replaced whole or not at all, and keeps its mode. A link that is named leads to the file that is
replaced; one that is found in a folder does only if that file lies in the folder, too.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path

from mitmvcr.config.settings import FILE_SUFFIXES
from mitmvcr.errors import CassetteError, MitmvcrError, NoRecordingError
from mitmvcr.formats import FOLDER
from mitmvcr.maintenance import process_pool
from mitmvcr.maintenance.process_pool import File
from mitmvcr.scrub import Memory, Policy
from mitmvcr.scrub.files import file_secrets
from mitmvcr.store.atomic import write_file
from mitmvcr.store.cassette import content, may_be_recording, recorded_format
from mitmvcr.store.lock import locked
from mitmvcr.store.walk import is_own, leads_out, walk

_LARGE = 1_000_000
"""Bytes from which on a file is read only if its first ones may be a recording's."""


@dataclass(frozen=True, slots=True)
class Task:
    """What to do with files: look, or scrub; `write` is false if scrubbing only says what would change."""

    policy: Policy
    scrub: bool = False
    write: bool = True
    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))


@dataclass(frozen=True, slots=True)
class FileResult:
    """What came of a file: `problem` says why it could not be done, empty if it could."""

    path: Path
    findings: tuple[file_secrets.FileFinding, ...] = ()
    replaced: Mapping[str, int] = field(default_factory=dict)
    problem: str = ""
    is_cassette: bool = True


def files(paths: Sequence[Path], *, skip_others: bool = False) -> Iterator[File]:
    """The files to look at, each once, in order; raises CassetteError for a path that isn't there."""
    seen: set[Path] = set()
    for top in paths:
        if not top.exists():
            raise CassetteError(f"{top}: there is no such file or folder")
        named = top.is_file() and not skip_others
        for file in [File(top, top.stat().st_size, named)] if top.is_file() else _below(top):
            real = file.path.resolve()
            if real not in seen:
                seen.add(real)
                yield file


def _below(top: Path) -> Iterator[File]:
    for folder in walk(top, is_own):
        if folder.problem:
            yield File(folder.path, problem=folder.problem)
        for entry in folder.files:
            path = folder.path / entry.name
            if path.suffix.lower() in (*FILE_SUFFIXES, ""):
                yield File(path, entry.stat().st_size)
        for path in folder.links_out:
            if path.suffix.lower() in (*FILE_SUFFIXES, "") and may_be_recording(path):
                yield File(path, problem=leads_out(path, top))


def run(items: Sequence[File], task: Task, workers: int | None = None) -> Iterator[FileResult]:
    """Do the task with each file, in as many processes as there are cores; results in the files' order.

    Raises PolicyError.
    """
    together = _shares_memory if task.scrub else None
    work = process_pool.Work(partial(_rules, task.policy), partial(do, task=task), _lost, together)
    return process_pool.run(items, work, workers)


def _shares_memory(before: File, file: File) -> bool:
    """Whether both may be of one cassette, a folder's JSON, which is never shared out."""
    return file.path.suffix == ".json" and file.path.parent == before.path.parent


def _lost(file: File) -> FileResult:
    return FileResult(
        file.path, problem="a process was killed (is there too little memory?): try it by itself"
    )


@lru_cache(maxsize=1)
def _rules(policy: Policy) -> file_secrets.Rules:
    return file_secrets.Rules(policy)


def do(unit: Sequence[File], task: Task) -> list[FileResult]:
    """Some files, one after the other; what goes wrong with one is in its row."""
    folders = _folder_memories(unit, task) if task.scrub else {}
    return [_result(file, task, folders) for file in unit]


def _folder_memories(unit: Sequence[File], task: Task) -> dict[Path, Memory]:
    """The one memory of each folder of llama-stack's recordings."""
    contents: dict[Path, list[bytes]] = {}
    for file in unit:
        if file.path.suffix == ".json":
            with contextlib.suppress(MitmvcrError):
                data = content(file.path)
                if recorded_format(data) == FOLDER.name:
                    contents.setdefault(file.path.parent, []).append(data)
    return {
        folder: file_secrets.memory_for(recordings, task.environ) for folder, recordings in contents.items()
    }


def _result(file: File, task: Task, folders: Mapping[Path, Memory]) -> FileResult:
    try:
        if file.problem:
            raise CassetteError(file.problem)
        if not file.named and file.size > _LARGE and not may_be_recording(file.path):
            return FileResult(file.path, is_cassette=False)
        data = content(file.path)
        format_ = recorded_format(data)
        memory = folders.get(file.path.parent) if format_ == FOLDER.name else None
        if memory is None:
            memory = file_secrets.memory_for([data], task.environ)
        if not task.scrub:
            return FileResult(file.path, tuple(file_secrets.examine(data, _rules(task.policy), memory)))
        done = file_secrets.scrub(data, _rules(task.policy), memory)
        if done.replaced and task.write:
            _replace(file.path.resolve(), data, done.data)
    except NoRecordingError as error:
        return FileResult(file.path, problem=str(error) if file.named else "", is_cassette=False)
    except (MitmvcrError, OSError) as error:
        problem = process_pool.failure_text(error).removeprefix(f"{file.path}: ")
        return FileResult(file.path, problem=problem)
    return FileResult(file.path, replaced=done.replaced, problem="; ".join(done.stuck))


def _replace(path: Path, before: bytes, after: bytes) -> None:
    """Put a file's new bytes in its place at once; raises CassetteError if others are at it."""
    with locked(path):
        if path.read_bytes() != before:
            raise CassetteError("it changed while it was scrubbed: run this again")
        write_file(path, after)
