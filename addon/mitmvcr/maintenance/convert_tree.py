"""Many cassettes from files to files: which becomes which, each written whole or not at all, in parallel.

Nothing is written outside the destination, and nothing over an existing file unless that is wanted.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from functools import lru_cache, partial
from pathlib import Path

from mitmvcr import formats
from mitmvcr.config.settings import FILE_SUFFIXES
from mitmvcr.config.settings import SUFFIXES as CASSETTE_SUFFIXES
from mitmvcr.errors import CassetteError, FormatError, MitmvcrError, NoRecordingError
from mitmvcr.maintenance import process_pool
from mitmvcr.maintenance.convert import SUFFIXES, Target, convert, skipped
from mitmvcr.maintenance.process_pool import File
from mitmvcr.scrub import Policy, Scrubber
from mitmvcr.store import cassette as disk
from mitmvcr.store.atomic import write_file
from mitmvcr.store.walk import Folder, leads_out, walk

_READ_SUFFIXES = (*CASSETTE_SUFFIXES, ".har.gz")  # a HAR can be read compressed, but is not looked for so
_LARGE = 1_000_000
"""Bytes from which on a file is read only if its first ones are a cassette's."""


@dataclass(frozen=True, slots=True)
class Job(File):
    """A source and the file that it is to become; None when nothing is to be written, whatever happens."""

    target: Path | None = None


@dataclass(frozen=True, slots=True)
class ConvertOptions:
    """What holds for all jobs; `root` is the folder that no target may leave."""

    target: Target
    policy: Policy
    root: Path | None
    write: bool = True
    force: bool = False


class Outcome(Enum):
    """What came of a source."""

    DONE = "done"
    FAILED = "failed"
    NO_CASSETTE = "no cassette"


@dataclass(frozen=True, slots=True)
class Conversion:
    """What came of a source, a line of the report; `result` is the target's path or why it failed."""

    source: str
    outcome: Outcome
    result: str
    format: str = ""
    interactions: int = 0
    skipped: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()

    @property
    def failed(self) -> bool:
        """Whether it is a cassette, or was given by name, and could not be converted."""
        return self.outcome is Outcome.FAILED


def plan(sources: Sequence[Path], destination: Path | None, name: str) -> tuple[list[Job], Path | None]:
    """What becomes what, in the format of this name, and the folder that targets stay in.

    A destination that ends in `.yaml`, `.yml`, `.json` or `.har` is a file, any other a folder. Raises
    CassetteError for a source that isn't there and for a destination that can't be.
    """
    for source in sources:
        if not source.exists():
            raise CassetteError(f"{source}: there is no such file or folder")
    if destination is not None and destination.suffix.lower() in FILE_SUFFIXES and not destination.is_dir():
        return [_single(sources, destination, name)], destination.parent
    if destination is not None and destination.exists() and not destination.is_dir():
        raise CassetteError(
            f"{destination}: this is a file; name a folder, or a file with a suffix as .yaml that is free"
        )
    jobs: list[Job] = []
    for source in sources:
        if source.is_dir():
            jobs += _tree(source, destination, SUFFIXES[name][0])
        else:
            target = destination / _renamed(source.name, SUFFIXES[name][0]) if destination else None
            jobs.append(_named(source, target))
    return _without_doubles(jobs), destination


def _single(sources: Sequence[Path], destination: Path, name: str) -> Job:
    if destination.suffix.lower() not in SUFFIXES[name]:
        allowed = " or ".join(SUFFIXES[name])
        raise CassetteError(f"{destination}: a file of {name} is named {allowed}")
    source = sources[0]
    if len(sources) > 1 or (source.is_dir() and not formats.is_cassette_folder(source)):
        raise CassetteError(
            f"{destination} names one file, and there are several sources: name a folder "
            f"(a name without suffix), which is made"
        )
    return _named(source, destination)


def _renamed(name: str, suffix: str) -> str:
    for read_suffix in _READ_SUFFIXES:
        if name.lower().endswith(read_suffix) and len(name) > len(read_suffix):
            return name[: -len(read_suffix)] + suffix
    return name + suffix


def _named(source: Path, target: Path | None) -> Job:
    """The job of a source that the user gave by name."""
    try:
        size = source.stat().st_size if source.is_file() else 0
    except OSError:
        size = 0
    return Job(source, size, named=True, target=target)


def _tree(top: Path, destination: Path | None, suffix: str) -> Iterator[Job]:
    """Every file below a folder, in order; links to folders and what is hidden are not looked into.

    The destination is left out if it lies inside.
    """
    inside = destination.resolve() if destination is not None and destination.is_dir() else None
    if inside == top.resolve():
        inside = None

    def target(source: Path) -> Path | None:
        if destination is None:
            return None
        name = _renamed(source.resolve().name if source == top else source.name, suffix)
        return destination / (name if source == top else source.relative_to(top).parent / name)

    def is_wanted(folder: Path) -> bool:
        return inside is None or folder.resolve() != inside

    for folder in walk(top, is_wanted):
        if folder.problem:
            yield Job(folder.path, problem=folder.problem)
        for path in filter(disk.may_be_recording, folder.links_out):
            yield Job(path, problem=leads_out(path, top))
        for path, size in _sources(folder):
            yield Job(path, size, target=target(path))


def _sources(folder: Folder) -> Iterator[tuple[Path, int]]:
    """What in a folder may be a cassette, with its size: the folder itself, and its files."""
    recordings = not folder.problem and formats.is_cassette_folder(folder.path)
    if recordings:
        yield folder.path, sum(entry.stat().st_size for entry in folder.files if entry.name.endswith(".json"))
    for entry in folder.files:
        path = folder.path / entry.name
        if not (recordings and _belongs(path)):
            yield path, entry.stat().st_size


def _belongs(path: Path) -> bool:
    """Whether a file in a folder of llama-stack's recordings is read with them, not by itself."""
    # One that is no recording is named in the folder's notes.
    return path.suffix == ".json" and disk.begun_format(path) in ("", formats.FOLDER.name)


def _without_doubles(jobs: Sequence[Job]) -> list[Job]:
    """The jobs, of which no two have one target; a source that was given twice counts once."""
    unique: dict[tuple[Path | None, Path], Job] = {}
    for job in jobs:
        unique.setdefault((job.target, job.path.resolve()), job)
    uses = Counter(job.target for job in unique.values())
    rivals: dict[Path | None, list[Job]] = {}
    for job in unique.values():
        is_shared = job.target is not None and uses[job.target] > 1
        if is_shared and (job.named or job.path.is_dir() or disk.begun_format(job.path)):
            rivals.setdefault(job.target, []).append(job)
    return [_refused(job, rivals.get(job.target, ())) for job in unique.values()]


def _refused(job: Job, rivals: Sequence[Job]) -> Job:
    others = [str(rival.path) for rival in rivals if rival is not job]
    if job not in rivals or not others:
        return job
    return replace(job, problem=f"{', '.join(others)} would become {job.target}, too: convert it by itself")


def run(
    jobs: Sequence[Job], options: ConvertOptions, workers: int | None = None
) -> Generator[Conversion, None, None]:
    """Do the jobs, in as many processes as there are cores; what came of each, in order.

    Ends its processes and leaves no half file behind when it is closed or interrupted.
    """
    work = process_pool.Work(partial(_scrubber, options.policy), partial(_do_all, options=options), _lost)
    return process_pool.run(jobs, work, workers)


def _lost(job: Job) -> Conversion:
    reason = "a process that converted was killed (is there too little memory?): convert it by itself"
    return Conversion(str(job.path), Outcome.FAILED, reason)


def _do_all(jobs: Sequence[Job], options: ConvertOptions) -> list[Conversion]:
    return [_do(job, options) for job in jobs]


@lru_cache(maxsize=1)
def _scrubber(policy: Policy) -> Scrubber:
    """The policy compiled, once in a process; raises PolicyError."""
    return Scrubber(policy)


def _do(job: Job, options: ConvertOptions) -> Conversion:
    """One job; what goes wrong is in what it returns."""
    source = str(job.path)
    format_ = ""
    notes: tuple[str, ...] = ()
    try:
        if job.problem:
            raise CassetteError(job.problem)
        loaded = None if _is_passed_over(job) else _read(job)
        if loaded is None:
            return Conversion(source, Outcome.NO_CASSETTE, "")
        format_ = loaded.format.title
        notes = skipped(loaded.cassette.notes, loaded.torn)
        if job.target:
            _check_target(job.target, options)
        converted = convert(loaded.format, loaded.cassette, options.target, _scrubber(options.policy))
        if job.target and options.write:
            _write(job.target, converted.data, force=options.force)
    except MemoryError:
        return Conversion(source, Outcome.FAILED, "it is too large for the memory there is")
    except FormatError as error:
        return Conversion(source, Outcome.FAILED, str(error), _title(job.path))
    except (MitmvcrError, OSError) as error:
        reason = process_pool.failure_text(error)
        return Conversion(source, Outcome.FAILED, reason, format_, skipped=notes)
    result = str(job.target or "")
    return Conversion(source, Outcome.DONE, result, format_, converted.interactions, notes, converted.lost)


def _is_passed_over(job: Job) -> bool:
    """Whether a large file that was found in a folder need not be read to know that it is no recording."""
    return not job.named and job.size > _LARGE and job.path.is_file() and not disk.may_be_recording(job.path)


def _read(job: Job) -> disk.CassetteFile | None:
    """The cassette; None if a file that was found in a folder is none. Raises FormatError and OSError."""
    path = job.path
    if path.is_dir():
        return disk.CassetteFile(path, formats.FOLDER, formats.load_folder(path))
    if not path.is_file():
        raise CassetteError("this is neither a file nor a folder")
    data = path.read_bytes()
    try:
        return disk.CassetteFile(path, *formats.load(data))
    except FormatError:
        if not job.named:
            try:
                disk.recorded_format(data)
            except NoRecordingError:
                return None
        raise


def _title(path: Path) -> str:
    """The format that a file which can't be read begins in."""
    if path.is_dir():
        return formats.FOLDER.title
    name = disk.begun_format(path).partition(",")[0]
    return formats.FORMATS[name].title if name else ""


def _check_target(target: Path, options: ConvertOptions) -> None:
    # A link in the target's own place is replaced; what it leads to is not touched.
    # (Path.resolve fails on links that lead to themselves before Python 3.13.)
    folder = os.path.realpath(target.parent)
    if options.root is not None and not Path(folder).is_relative_to(os.path.realpath(options.root)):
        raise CassetteError(f"{target} leads out of {options.root} (to {folder})")
    if target.is_dir():
        raise CassetteError(f"{target} is a folder")
    if not options.force and (target.exists() or target.is_symlink()):
        raise CassetteError(f"{target} exists: --force writes over it")


def _write(target: Path, data: bytes, *, force: bool) -> None:
    """Write a file whole or not at all; raises OSError or CassetteError, and then there is none."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        write_file(target, data, replace=force)
    except FileExistsError:
        raise CassetteError(f"{target} exists: --force writes over it") from None
