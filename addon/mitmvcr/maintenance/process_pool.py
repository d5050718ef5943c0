"""Work on many files, shared out to processes, with the results in order; knows no cassettes and no folders.

Whoever closes or interrupts a run ends its processes, and these leave no half file behind. Nothing hangs
on how processes are started: what goes to them is pickled, and nothing is taken from their parent.
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
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from mitmvcr.errors import MitmvcrError
from mitmvcr.store import atomic

_CHUNK_FILES = 16
_CHUNK_BYTES = 1_000_000
_ALONE = 2_000_000
"""Bytes of all files up to which starting more processes costs more time than it saves."""


@dataclass(frozen=True, slots=True)
class File:
    """A file, or a folder that is read as one, to work on; `size` is in bytes.

    `named` says that the user gave it by name, so that it is never passed over; `problem`, if any, why it
    can't be worked on.
    """

    path: Path
    size: int = 0
    named: bool = False
    problem: str = ""


def failure_text(error: MitmvcrError | OSError) -> str:
    """Why a file could not be worked on, without its name where the system says it."""
    return (error.strerror or str(error)) if isinstance(error, OSError) else str(error)


Item = TypeVar("Item", bound=File)
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Work(Generic[Item, Result]):
    """What is done with files; `prepare` and `do` can be pickled.

    `prepare` makes, and keeps, what all work needs: it is called first in this process, which its errors
    end, and in each one that is started. `lost` makes the result of an item whose process was killed.
    Neighbours that are `together` go to one process.
    """

    prepare: Callable[[], object]
    do: Callable[[Sequence[Item]], list[Result]]
    lost: Callable[[Item], Result]
    together: Callable[[Item, Item], bool] | None = None


def run(
    items: Sequence[Item], work: Work[Item, Result], workers: int | None = None
) -> Generator[Result, None, None]:
    """The results of all items in their order, worked out in as many processes as there are cores."""
    work.prepare()
    workers = workers or _cores()
    if workers < 2 or sum(item.size for item in items) < _ALONE:
        for few in _chunks(items, work.together, 1):
            yield from _quietly(work.do, few)
        return
    chunks = list(_chunks(items, work.together, _CHUNK_FILES))
    before = set(multiprocessing.active_children())
    executor = ProcessPoolExecutor(
        min(workers, len(chunks)), initializer=_begin_worker, initargs=(work.prepare,)
    )
    waiting: deque[tuple[list[Item], Future[list[Result]]]] = deque()
    left = iter(chunks)
    try:
        for chunk in itertools.islice(left, workers * 4):
            waiting.append((chunk, _submitted(executor, work.do, chunk)))
        while waiting:
            chunk, future = waiting.popleft()
            try:
                yield from future.result()
            except BrokenProcessPool:
                yield from map(work.lost, chunk)
            for following in itertools.islice(left, 1):
                waiting.append((following, _submitted(executor, work.do, following)))
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
    executor: ProcessPoolExecutor, do: Callable[[Sequence[Item]], list[Result]], chunk: Sequence[Item]
) -> Future[list[Result]]:
    try:
        return executor.submit(_quietly, do, chunk)
    except BrokenProcessPool as error:
        failed: Future[list[Result]] = Future()
        failed.set_exception(error)
        return failed


def _quietly(do: Callable[[Sequence[Item]], list[Result]], chunk: Sequence[Item]) -> list[Result]:
    collecting = gc.isenabled()
    gc.disable()  # a cassette is many small objects without a cycle
    try:
        return do(chunk)
    finally:
        if collecting:
            gc.enable()


def _begin_worker(prepare: Callable[[], object]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process that started this one ends it
    signal.signal(signal.SIGTERM, _end_worker)
    prepare()  # forked, it has that already; started by spawn or forkserver, it has nothing


def _end_worker(*_signal: object) -> None:
    atomic.remove_unfinished()
    os._exit(143)
