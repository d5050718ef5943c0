"""Many files: found below folders, shared out to processes, their rows in order; knows no cassettes.

Whoever closes or interrupts a run ends its processes, and these leave no half file behind.
"""

from __future__ import annotations

import gc
import itertools
import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

_CHUNK_FILES = 16
_CHUNK_BYTES = 1_000_000
_ALONE = 2_000_000
"""Bytes of all files up to which starting more processes costs more time than it saves."""


class _Sized(Protocol):
    @property
    def size(self) -> int: ...


Item = TypeVar("Item", bound=_Sized)
Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder and its files, sorted by name; `problem` says why it can't be read, empty if it can."""

    path: Path
    files: Sequence[os.DirEntry[str]] = ()
    problem: str = ""


def folders(top: Path, is_wanted: Callable[[Path], bool]) -> Iterator[Folder]:
    """A folder and all below it of which `is_wanted` holds, from the top down, in order.

    What is hidden is left out; links to folders are not followed, those to files are.
    """
    waiting = [top]
    while waiting:
        path = waiting.pop()
        try:
            with os.scandir(path) as found:
                entries = sorted(
                    (entry for entry in found if not entry.name.startswith(".")), key=lambda one: one.name
                )
        except OSError as error:
            yield Folder(path, problem=f"can't be read: {error.strerror}")
            continue
        yield Folder(path, [entry for entry in entries if _is_file(entry)])
        below = [path / entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
        waiting += [folder for folder in reversed(below) if is_wanted(folder)]


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file()
    except OSError:  # a link that leads to itself
        return False


def run(
    items: Sequence[Item],
    work: Callable[[Sequence[Item]], list[Row]],
    lost: Callable[[Item], Row],
    workers: int | None = None,
    together: Callable[[Item, Item], bool] | None = None,
) -> Generator[Row, None, None]:
    """The rows of all items in their order, worked out in as many processes as there are cores.

    `lost` makes the row of one whose process was killed. Neighbours that are `together` go to one process.
    """
    workers = workers or _cores()
    if workers < 2 or sum(item.size for item in items) < _ALONE:
        for few in _chunks(items, together, 1):
            yield from _quietly(work, few)
        return
    chunks = list(_chunks(items, together, _CHUNK_FILES))
    before = set(multiprocessing.active_children())
    executor = ProcessPoolExecutor(min(workers, len(chunks)), initializer=_begin_worker)
    waiting: deque[tuple[list[Item], Future[list[Row]]]] = deque()
    left = iter(chunks)
    try:
        for chunk in itertools.islice(left, workers * 4):
            waiting.append((chunk, _submitted(executor, work, chunk)))
        while waiting:
            chunk, future = waiting.popleft()
            try:
                yield from future.result()
            except BrokenProcessPool:
                yield from map(lost, chunk)
            for following in itertools.islice(left, 1):
                waiting.append((following, _submitted(executor, work, following)))
    except BaseException:
        executor.shutdown(wait=False, cancel_futures=True)
        for process in set(multiprocessing.active_children()) - before:
            process.terminate()
            process.join()
        raise
    executor.shutdown()


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _chunks(
    items: Sequence[Item], together: Callable[[Item, Item], bool] | None, most: int
) -> Iterator[list[Item]]:
    chunk: list[Item] = []
    size = 0
    for item in items:
        if (len(chunk) >= most or size >= _CHUNK_BYTES) and not (together and together(chunk[-1], item)):
            yield chunk
            chunk, size = [], 0
        chunk.append(item)
        size += item.size
    if chunk:
        yield chunk


def _submitted(
    executor: ProcessPoolExecutor, work: Callable[[Sequence[Item]], list[Row]], chunk: Sequence[Item]
) -> Future[list[Row]]:
    try:
        return executor.submit(_quietly, work, chunk)
    except BrokenProcessPool as error:
        failed: Future[list[Row]] = Future()
        failed.set_exception(error)
        return failed


def _quietly(work: Callable[[Sequence[Item]], list[Row]], chunk: Sequence[Item]) -> list[Row]:
    collecting = gc.isenabled()
    gc.disable()  # a cassette is many small objects without a cycle
    try:
        return work(chunk)
    finally:
        if collecting:
            gc.enable()


_unfinished: list[Path] = []
"""The files that this process is writing, to be removed if it is told to end."""


@contextmanager
def unfinished(path: Path) -> Iterator[None]:
    """While a file is written: it is gone afterwards, unless it was moved to its place."""
    _unfinished.append(path)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        _unfinished.remove(path)


def _begin_worker() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process that started this one ends it
    signal.signal(signal.SIGTERM, _end_worker)


def _end_worker(*_signal: object) -> None:
    for path in _unfinished:
        path.unlink(missing_ok=True)
    os._exit(143)
