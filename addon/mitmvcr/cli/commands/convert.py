"""`mitmvcr convert`: cassettes of any format to go-vcr's, VCR.py's or HAR, scrubbed, files and trees."""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from mitmvcr.cli.policy import policy_of
from mitmvcr.cli.render import terminal
from mitmvcr.errors import CassetteError
from mitmvcr.formats.govcr import Dialect
from mitmvcr.maintenance import convert_tree
from mitmvcr.maintenance.convert import Target
from mitmvcr.maintenance.convert_tree import Conversion, ConvertOptions, Job, Outcome
from mitmvcr.text import count, printable

_SHOWN = 3
_PATIENCE = 0.5  # seconds until work counts as long


def run(given: argparse.Namespace) -> int:
    """Convert; the exit status is 1 if any source failed."""
    sources, destination = _split(given.paths, check=given.check)
    name = given.to or ("har" if str(destination or "").lower().endswith(".har") else "go-vcr")
    jobs, root = convert_tree.plan(sources, destination, name)
    target = Target(name, Dialect(given.dialect))
    options = ConvertOptions(target, policy_of(given), root, write=not given.check, force=given.force)
    conversions: list[Conversion] = []
    with _ended_by_sigterm(), contextlib.closing(convert_tree.run(jobs, options, given.jobs)) as done:
        progress = _Progress(jobs)
        for conversion in done:
            if conversion.outcome is not Outcome.NO_CASSETTE:
                conversions.append(conversion)
            progress.step(conversion.source)
        progress.end()
    if not conversions:
        places = ", ".join(map(str, sources))
        raise CassetteError(f"{places}: there is no cassette ({count(len(jobs), 'file')} looked at)")
    with terminal.output():
        for line in _report(conversions, given, name, len(jobs) - len(conversions)):
            print(line)
    return int(any(conversion.failed for conversion in conversions))


def _split(paths: Sequence[Path], *, check: bool) -> tuple[Sequence[Path], Path | None]:
    if len(paths) > 1:
        return paths[:-1], paths[-1]
    if check:
        return paths, None
    raise CassetteError(f"where shall {paths[0]} go? mitmvcr convert {paths[0]} FILE.yaml (or a folder)")


@contextlib.contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """SIGTERM ends the work in here as Ctrl-C does: nothing half-done stays."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(*_signal: object) -> None:
        raise SystemExit(143)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


class _Progress:
    """A line on the terminal that says how far long work has come."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        self._total = len(jobs)
        self._done = 0
        self._shown = False
        self._next = time.monotonic() + _PATIENCE if sys.stderr.isatty() else float("inf")

    def step(self, source: str) -> None:
        """One more is done."""
        self._done += 1
        now = time.monotonic()
        if now < self._next or self._done == self._total:
            return
        self._next = now + 0.1
        self._shown = True
        filled = 20 * self._done // self._total
        bar = "#" * filled + "." * (20 - filled)
        text = f"[{bar}] {self._done}/{self._total} {printable(source)}"
        sys.stderr.write(f"\r\033[K{text[: _columns() - 1]}")
        sys.stderr.flush()

    def end(self) -> None:
        """Take the line away."""
        if self._shown:
            sys.stderr.write("\r\033[K")
            sys.stderr.flush()


def _columns() -> int:
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns
    except OSError:
        return 80


def _report(
    conversions: Sequence[Conversion], given: argparse.Namespace, name: str, passed_over: int
) -> Iterator[str]:
    style = terminal.Style(sys.stdout)
    cells = [("FILE", "FORMAT", "INTERACTIONS", "SKIPPED", "LOST", "RESULT")]
    cells += [_cells(conversion, check=given.check) for conversion in conversions]
    head, *lines = terminal.table(cells, right=frozenset({2, 3, 4}))
    yield style.bold(head)
    for conversion, line in zip(conversions, lines, strict=True):
        yield style.red(line) if conversion.failed else line
        yield from map(style.dim, _notes(conversion, len(conversion.skipped) if given.verbose else _SHOWN))
    yield from _lost(conversions, name)
    failed = sum(conversion.failed for conversion in conversions)
    counts = [f"{len(conversions) - failed} {'can be converted' if given.check else 'converted'}"]
    counts += [f"{failed} failed"] if failed else []
    counts += [f"{count(passed_over, 'file')} passed over (no cassettes)"] if passed_over else []
    yield ", ".join(counts)


def _cells(conversion: Conversion, *, check: bool) -> tuple[str, str, str, str, str, str]:
    result = printable(conversion.result)
    if conversion.failed:
        result = f"failed: {result}"
    elif check and result:
        result = f"would be {result}"
    interactions = "" if conversion.failed else str(conversion.interactions)
    numbers = (interactions, str(len(conversion.skipped) or ""), str(len(conversion.lost) or ""))
    return (printable(conversion.source), conversion.format or "?", *numbers, result or "ok")


def _notes(conversion: Conversion, shown: int) -> Iterator[str]:
    for note in conversion.skipped[:shown]:
        yield f"    {printable(note)}"
    if len(conversion.skipped) > shown:
        yield f"    and {len(conversion.skipped) - shown} more (--verbose names them)"


def _lost(conversions: Sequence[Conversion], target: str) -> Iterator[str]:
    """What the target has no place for, and in how many of the files."""
    kinds = Counter(loss.rpartition(" (")[0] for conversion in conversions for loss in conversion.lost)
    for kind, files in sorted(kinds.items()):
        yield f"lost in {target}: {kind} ({count(files, 'file')})"
