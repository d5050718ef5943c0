"""What a run came to, for people: the terminal's last lines, a screen at most; a run's end writes all."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from mitmvcr.config.settings import Settings
from mitmvcr.misses.explain import Miss
from mitmvcr.reports.github import commands
from mitmvcr.reports.run_report import MAX_LISTED, Report, as_json, has_failed, write
from mitmvcr.text import count, printable, shortened, wants_colour

_COLUMNS = 90  # what `mitmvcr: ` leaves of a hundred
_FAILURES = 3  # shown, in two lines each at most
_MISSES = 5
_STRICT = 2
_IN_FULL = 10  # misses that are explained as they come
_IN_A_LINE = 100  # misses after which no more are told as they come


def finish(reports: Sequence[Report], failures: Sequence[str], settings: Settings) -> bool:
    """Say what came of the cassettes, write the reports that are wanted; True if a CI should fail."""
    failures = list(failures)
    for path in settings.report:
        try:
            write(path, _content(path, reports, failures, settings.dir))
        except OSError as error:
            failures.append(f"{path}: the report could not be written: {error.strerror}")
    if os.environ.get("GITHUB_ACTIONS") == "true":
        for line in commands(reports, failures):
            print(line, flush=True)
    red = wants_colour(sys.stderr)
    for line in lines(reports, failures):
        bad = line.startswith(("failed", "miss"))
        print(
            f"\033[31mmitmvcr: {line}\033[0m" if red and bad else f"mitmvcr: {line}",
            file=sys.stderr,
            flush=True,
        )
    return has_failed(reports, failures)


def _content(path: Path, reports: Sequence[Report], failures: Sequence[str], folder: Path) -> str:
    if path.suffix.lower() != ".xml":
        return as_json(reports, failures, folder)
    from mitmvcr.reports.junit import as_xml  # noqa: PLC0415 - only those who want XML need it

    return as_xml(reports, failures)


def announcement(miss: Miss, number: int) -> str:
    """What to say when the run's miss of this number (from 1) comes: less and less, at last nothing."""
    if number <= _IN_FULL:
        return "miss: " + "\n".join(miss.lines)
    if number <= _IN_A_LINE:
        return f"miss: {shortened(miss.request)}: {shortened(printable(miss.problem))}"
    return "more misses are only counted; vcr_report lists them" if number == _IN_A_LINE + 1 else ""


def lines(reports: Sequence[Report], failures: Sequence[str]) -> list[str]:
    """What stands on the terminal at the end, a screen at most: what failed, and a line of counts."""
    return [*_failed(failures), *_missed(reports), *_unused(reports), _counts(reports, failures)]


def _failed(failures: Sequence[str]) -> Iterator[str]:
    for failure in failures[:_FAILURES]:
        yield shortened(f"failed: {printable(failure)}", 2 * _COLUMNS)
    if len(failures) > _FAILURES:
        yield f"failed: and {len(failures) - _FAILURES} more"


def _missed(reports: Sequence[Report]) -> Iterator[str]:
    places = Counter((report.path, miss.request) for report in reports for miss in report.misses)
    for (path, request), times in places.most_common(_MISSES):
        often = f" ({times} times)" if times > 1 else ""
        rest = f"{often} in {_tail(path)}"
        yield f"miss: {shortened(request, _COLUMNS - len('miss: ' + rest))}{rest}"
    shown = sum(times for _, times in places.most_common(_MISSES))
    left = sum(report.miss_count for report in reports) - shown
    if left:
        cassettes = sum(bool(report.miss_count) for report in reports)
        yield f"miss: and {left} more, in {count(cassettes, 'cassette')} in all"


def _unused(reports: Sequence[Report]) -> Iterator[str]:
    strict = [report for report in reports if report.strict and report.unused_count]
    for report in strict[:_STRICT]:
        shown = ", ".join(str(one) for one in report.unused[:3])
        more = f" and {report.unused_count - 3} more" if report.unused_count > 3 else ""
        said = f"failed (strict): {_tail(report.path)}: never asked for: "
        yield f"{said}{shortened(printable(shown), 2 * _COLUMNS - len(said + more))}{more}"
    if len(strict) > _STRICT:
        yield f"failed (strict): and {len(strict) - _STRICT} more cassettes"
    if strict:
        yield "  record anew (vcr_mode=record), delete what is never asked for, or set vcr_strict=false"


def _counts(reports: Sequence[Report], failures: Sequence[str]) -> str:
    counts = [
        f"{sum(report.recorded for report in reports)} recorded",
        f"{sum(report.replayed for report in reports)} replayed",
        count(sum(report.miss_count for report in reports), "miss", "misses"),
        f"{sum(report.unused_count for report in reports)} unused",
    ]
    if cut := sum(report.cut for report in reports):
        counts.append(f"{cut} broken off (not recorded)")
    if too_large := sum(report.too_large for report in reports):
        counts.append(f"{too_large} too large (not recorded)")
    if unanswered := sum(report.unanswered for report in reports):
        counts.append(f"{unanswered} not answered by upstream")
    if ignored := sum(report.ignored for report in reports):
        counts.append(f"{ignored} ignored")
    if failures:
        more = " or more" if len(failures) >= MAX_LISTED else ""
        counts.append(count(len(failures), "failure", f"failures{more}"))
    used = [report.path for report in reports if report.recorded or report.replayed or report.miss_count]
    return ", ".join(counts) + (f" ({_names(list(dict.fromkeys(used)))})" if used else "")


def _names(paths: Sequence[str]) -> str:
    """As many paths as fit into a line, the first one always."""
    shown = [_tail(paths[0])]
    for path in paths[1:]:
        if len(", ".join([*shown, _tail(path)])) > _COLUMNS:
            break
        shown.append(_tail(path))
    more = len(paths) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")


def _tail(path: str) -> str:
    path = printable(path)
    return path if len(path) <= _COLUMNS // 2 else "…" + path[-_COLUMNS // 2 + 1 :]
