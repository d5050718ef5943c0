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
from typing import TYPE_CHECKING, TypeAlias

from mitmvcr.cli.render import terminal
from mitmvcr.errors import CassetteError

if TYPE_CHECKING:
    from mitmvcr.maintenance.convert_tree import How, Job, Row

Subparsers: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"  # noqa: SLF001 - its only name

_SHOWN = 3
_PATIENCE = 0.5  # seconds until work counts as long

_EPILOG = """\
A source is a cassette of go-vcr, VCR.py or llama-stack (a file, or the folder of its recordings), HAR,
or a folder of any of these. DST is a file if it ends in .yaml, .yml, .json or .har, else a folder.
Everything is scrubbed as when it is recorded.

examples:
  mitmvcr convert tests/cassettes recordings           a whole tree, to go-vcr's format
  mitmvcr convert --check tests/cassettes              only say what would come of it
  mitmvcr convert weather.yaml weather.har             to HAR
  mitmvcr convert --to vcrpy recordings tests/cassettes
"""


def add_parser(commands: Subparsers) -> None:
    """Add the subcommand."""
    command = commands.add_parser(
        "convert",
        help="convert cassettes between formats",
        description="Convert cassettes of any format to go-vcr's (the default), VCR.py's or HAR.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        usage="mitmvcr convert [options] SRC... DST",
        allow_abbrev=False,
    )
    command.add_argument(
        "paths", nargs="+", type=Path, metavar="SRC... DST", help="what to convert, and to where"
    )
    command.add_argument(
        "--to", choices=("go-vcr", "vcrpy", "har"), help="default: har if DST ends in .har, else go-vcr"
    )
    command.add_argument(
        "--dialect", choices=("charm", "stock"), default="charm", help="go-vcr's layout; default: charm"
    )
    command.add_argument(
        "--check", action="store_true", help="only report what would come of it; DST can be left out"
    )
    command.add_argument("--force", action="store_true", help="write over files that exist")
    command.add_argument(
        "--keep-headers", default="", metavar="NAMES", help="more header names to keep, separated by commas"
    )
    command.add_argument(
        "--redact", default="", metavar="PATTERNS", help="more patterns or JSONPaths to redact"
    )
    command.add_argument(
        "--allow", default="", metavar="RULES", help="what the gate lets pass, as RULE@FIELD"
    )
    command.add_argument("--jobs", type=_positive, metavar="N", help="processes; default: one a core")
    command.add_argument("--verbose", action="store_true", help="name everything that was left out")
    command.set_defaults(run=run)


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError
    return number


def run(given: argparse.Namespace) -> int:
    """Convert; the exit status is 1 if any source failed."""
    from mitmvcr.maintenance import convert_tree  # noqa: PLC0415 - the scrubber's patterns take a while to compile

    sources, destination = _split(given.paths, check=given.check)
    name = given.to or convert_tree.target_name(str(destination or "")) or "go-vcr"
    jobs, root = convert_tree.plan(sources, destination, name)
    rows: list[Row] = []
    with (
        _ended_by_sigterm(),
        contextlib.closing(convert_tree.run(jobs, _how(given, name, root), given.jobs)) as done,
    ):
        progress = _Progress(jobs)
        for row in done:
            if row.outcome is not convert_tree.Outcome.NO_CASSETTE:
                rows.append(row)
            progress.step(row.source)
        progress.end()
    if not rows:
        places = ", ".join(map(str, sources))
        raise CassetteError(f"{places}: there is no cassette ({_count(len(jobs), 'file')} looked at)")
    with terminal.output():
        for line in _report(rows, given, name, len(jobs) - len(rows)):
            print(line)
    return int(any(row.outcome is convert_tree.Outcome.FAILED for row in rows))


def _split(paths: Sequence[Path], *, check: bool) -> tuple[Sequence[Path], Path | None]:
    if len(paths) > 1:
        return paths[:-1], paths[-1]
    if check:
        return paths, None
    raise CassetteError(f"where shall {paths[0]} go? mitmvcr convert {paths[0]} FILE.yaml (or a folder)")


def _how(given: argparse.Namespace, name: str, root: Path | None) -> How:
    from mitmvcr.config.settings import Settings  # noqa: PLC0415
    from mitmvcr.formats.govcr import Dialect  # noqa: PLC0415
    from mitmvcr.maintenance.convert import Target  # noqa: PLC0415
    from mitmvcr.maintenance.convert_tree import How  # noqa: PLC0415 - as in run
    from mitmvcr.scrub import Policy  # noqa: PLC0415

    checked = Settings.parse(
        {"keep_headers": given.keep_headers, "redact": given.redact, "allow": given.allow}
    )
    policy = Policy(checked.keep_headers, checked.redact, checked.allow)
    return How(Target(name, Dialect(given.dialect)), policy, root, write=not given.check, force=given.force)


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
        text = f"[{bar}] {self._done}/{self._total} {terminal.printable(source)}"
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


def _report(rows: Sequence[Row], given: argparse.Namespace, name: str, passed_over: int) -> Iterator[str]:
    from mitmvcr.maintenance.convert_tree import Outcome  # noqa: PLC0415 - as in run

    style = terminal.Style(sys.stdout)
    cells = [("FILE", "FORMAT", "INTERACTIONS", "SKIPPED", "LOST", "RESULT")]
    cells += [_cells(row, failed=row.outcome is Outcome.FAILED, check=given.check) for row in rows]
    head, *lines = terminal.table(cells, right=frozenset({2, 3, 4}))
    yield style.bold(head)
    for row, line in zip(rows, lines, strict=True):
        yield style.red(line) if row.outcome is Outcome.FAILED else line
        yield from map(style.dim, _notes(row, len(row.skipped) if given.verbose else _SHOWN))
    yield from _lost(rows, name)
    failed = sum(row.outcome is Outcome.FAILED for row in rows)
    counts = [f"{len(rows) - failed} {'can be converted' if given.check else 'converted'}"]
    counts += [f"{failed} failed"] if failed else []
    counts += [f"{_count(passed_over, 'file')} passed over (no cassettes)"] if passed_over else []
    yield ", ".join(counts)


def _cells(row: Row, *, failed: bool, check: bool) -> tuple[str, str, str, str, str, str]:
    if failed:
        result = f"failed: {terminal.printable(row.result)}"
    else:
        result = terminal.printable(row.result) or "ok"
        result = f"would be {result}" if check and row.result else result
    count = "" if failed else str(row.interactions)
    numbers = (count, str(len(row.skipped) or ""), str(len(row.lost) or ""))
    return (terminal.printable(row.source), row.format or "?", *numbers, result)


def _notes(row: Row, shown: int) -> Iterator[str]:
    for note in row.skipped[:shown]:
        yield f"    {terminal.printable(note)}"
    if len(row.skipped) > shown:
        yield f"    and {len(row.skipped) - shown} more (--verbose names them)"


def _lost(rows: Sequence[Row], target: str) -> Iterator[str]:
    """What the target has no place for, and in how many of the files."""
    kinds = Counter(loss.rpartition(" (")[0] for row in rows for loss in row.lost)
    for kind, count in sorted(kinds.items()):
        yield f"lost in {target}: {kind} ({_count(count, 'file')})"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
