"""What a run came to, for people: its last lines, a screen at most on a terminal; a run's end writes all."""

from __future__ import annotations

import contextlib
import os
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mitmvcr.config.settings import Settings
from mitmvcr.misses.explain import Miss
from mitmvcr.reports.github import commands
from mitmvcr.reports.run_report import MAX_LISTED, Report, as_json, has_failed, write
from mitmvcr.reports.traffic import Traffic
from mitmvcr.text import count, in_log, shortened, wants_colour

_COLUMNS = 90  # what `mitmvcr: ` leaves of a hundred
_NAMES = 2000  # characters of the cassettes' names behind the counts, wherever they stand
_IN_FULL = 10  # misses that are explained as they come
_IN_A_LINE = 100  # misses after which no more are told as they come


@dataclass(frozen=True, slots=True)
class Room:
    """What a summary may take: columns of a line, and how many lines of each kind."""

    columns: int
    failures: int
    misses: int
    cassettes: int

    def shortened(self, text: str, lines: int = 1, beside: str = "") -> str:
        """The text in so many lines at most, which have `beside`, too."""
        return shortened(text, lines * self.columns - len(beside))


SCREEN = Room(_COLUMNS, failures=3, misses=5, cassettes=2)
"""A terminal's screen at most."""

WHOLE = Room(sys.maxsize, MAX_LISTED, MAX_LISTED, MAX_LISTED)
"""In a file, or a CI's log, nobody can ask for more."""


def finish(
    reports: Sequence[Report], failures: Sequence[str], settings: Settings, traffic: Traffic | None = None
) -> bool:
    """Say what came of the cassettes, write the reports that are wanted; True if a CI should fail.

    `traffic` is what else came to the process, None where that isn't known. What fails on the way is a
    failure of the run, and the rest is done.
    """
    failures = list(failures)
    for path in settings.report:
        try:
            write(path, _content(path, reports, failures, settings.dir, traffic))
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            failures.append(f"{path}: the report could not be written: {reason}")
    if os.environ.get("GITHUB_ACTIONS") == "true":
        with contextlib.suppress(OSError):  # a pipe that nobody reads any more
            for line in commands(reports, failures):
                print(line, flush=True)
    room = SCREEN if sys.stderr.isatty() else WHOLE
    red = wants_colour(sys.stderr)
    with contextlib.suppress(OSError):
        *what_failed, counts = lines(reports, failures, room)
        for line in [*what_failed, *(map(in_log, traffic.lines()) if traffic else ()), counts]:
            bad = line.startswith(("failed", "miss"))
            print(
                f"\033[31mmitmvcr: {line}\033[0m" if red and bad else f"mitmvcr: {line}",
                file=sys.stderr,
                flush=True,
            )
    return has_failed(reports, failures)


def _content(
    path: Path, reports: Sequence[Report], failures: Sequence[str], folder: Path, traffic: Traffic | None
) -> str:
    if path.suffix.lower() != ".xml":
        return as_json(reports, failures, folder, traffic)
    from mitmvcr.reports.junit import as_xml  # noqa: PLC0415 - only those who want XML need it

    return as_xml(reports, failures)


def announcement(miss: Miss, number: int) -> str:
    """What to say when the run's miss of this number (from 1) comes: less and less, at last nothing."""
    if number <= _IN_FULL:
        return in_log("miss: " + "\n".join(miss.lines), lines=True)
    if number <= _IN_A_LINE:
        return f"miss: {shortened(miss.request)}: {shortened(in_log(miss.problem))}"
    return "more misses are only counted; vcr_report lists them" if number == _IN_A_LINE + 1 else ""


def lines(reports: Sequence[Report], failures: Sequence[str], room: Room = SCREEN) -> list[str]:
    """What is said at the end: what failed, what was redacted, and a line of counts."""
    return [
        *_failed(failures, room),
        *_missed(reports, room),
        *_unused(reports, room),
        *_redacted(reports, room),
        *_matched_by_redaction(reports, room),
        _counts(reports, failures, room),
    ]


def _failed(failures: Sequence[str], room: Room) -> Iterator[str]:
    for failure in failures[: room.failures]:
        yield room.shortened(f"failed: {in_log(failure)}", 2)
    if len(failures) > room.failures:
        yield f"failed: and {len(failures) - room.failures} more"


def _missed(reports: Sequence[Report], room: Room) -> Iterator[str]:
    places = Counter((report.path, miss.request) for report in reports for miss in report.misses)
    for (path, request), times in places.most_common(room.misses):
        often = f" ({times} times)" if times > 1 else ""
        rest = f"{often} in {_tail(path, room)}"
        yield f"miss: {room.shortened(request, beside='miss: ' + rest)}{rest}"
    shown = sum(times for _, times in places.most_common(room.misses))
    left = sum(report.miss_count for report in reports) - shown
    if left:
        cassettes = sum(bool(report.miss_count) for report in reports)
        yield f"miss: and {left} more, in {count(cassettes, 'cassette')} in all"


def _unused(reports: Sequence[Report], room: Room) -> Iterator[str]:
    strict = [report for report in reports if report.strict and report.unused_count]
    listed = 3 if room is SCREEN else MAX_LISTED
    for report in strict[: room.cassettes]:
        shown = ", ".join(map(str, report.unused[:listed]))
        left = report.unused_count - len(report.unused[:listed])
        more = f" and {left} more" if left else ""
        said = f"failed (strict): {_tail(report.path, room)}: never asked for: "
        yield f"{said}{room.shortened(shown, 2, said + more)}{more}"
    if len(strict) > room.cassettes:
        yield f"failed (strict): and {len(strict) - room.cassettes} more cassettes"
    if strict:
        yield "  record anew (vcr_mode=record), delete what is never asked for, or set vcr_strict=false"


def _redacted(reports: Sequence[Report], room: Room) -> Iterator[str]:
    """What was taken out of bodies: a program that is replayed gets the replacements."""
    redacting = [report for report in reports if report.redacted_count]
    for report in redacting[: room.cassettes]:
        shown = ", ".join(f"{one.count} {one.kind} in {in_log(one.field)}" for one in report.redacted)
        said = f"redacted in bodies: {_tail(report.path, room)}: "
        yield f"{said}{room.shortened(shown, 2, said)}"
    if rest := redacting[room.cassettes :]:
        values = sum(report.redacted_count for report in rest)
        yield f"redacted in bodies: and {count(values, 'value')} in {len(rest)} more cassettes"


def _matched_by_redaction(reports: Sequence[Report], room: Room) -> Iterator[str]:
    matched = [report for report in reports if report.matched_by_redaction]
    for report in matched[: room.cassettes]:
        answers = count(report.matched_by_redaction, "answer")
        yield (
            f"matched by redaction: {_tail(report.path, room)}: {answers}: what differs may be a value that "
            f"was redacted for its name"
        )
    if rest := matched[room.cassettes :]:
        answers = count(sum(report.matched_by_redaction for report in rest), "answer")
        yield f"matched by redaction: and {answers} of {len(rest)} more cassettes"


def _counts(reports: Sequence[Report], failures: Sequence[str], room: Room) -> str:
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
    return ", ".join(counts) + (f" ({_names(list(dict.fromkeys(used)), room)})" if used else "")


def _names(paths: Sequence[str], room: Room) -> str:
    """As many paths as fit into a line, the first one always."""
    shown = [_tail(paths[0], room)]
    for path in paths[1:]:
        if len(", ".join([*shown, _tail(path, room)])) > min(room.columns, _NAMES):
            break
        shown.append(_tail(path, room))
    more = len(paths) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")


def _tail(path: str, room: Room) -> str:
    path = in_log(path)
    most = room.columns // 2
    return path if len(path) <= most else "…" + path[-most + 1 :]
