"""What a run came to: the line on the terminal, the JSON report, and whether it failed."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict

from mitmvcr import __version__
from mitmvcr.sessions import Report, Sessions

_SHOWN = 5


def finish(sessions: Sessions) -> bool:
    """Say what came of the closed cassettes, write the report if one is wanted; True if a CI should fail."""
    reports, failures = sessions.closed, list(sessions.failures)
    path = sessions.settings.report
    if path is not None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(as_json(reports, failures), "utf-8", "backslashreplace")
        except OSError as error:
            failures.append(f"{path}: the report could not be written: {error.strerror}")
    for line in lines(reports, failures):
        print(f"mitmvcr: {line}", file=sys.stderr, flush=True)
    return bool(failures) or any(report.failed for report in reports)


def as_json(reports: list[Report], failures: list[str]) -> str:
    """The report that `vcr_report` names: a version, the cassettes, and what else went wrong."""
    document = {
        "version": 1,
        "mitmvcr": __version__,
        "failed": bool(failures) or any(report.failed for report in reports),
        "cassettes": [asdict(report) for report in reports],
        "failures": failures,
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def lines(reports: list[Report], failures: list[str]) -> list[str]:
    """What stands on the terminal at the end: one line of counts, and the reasons of a failure."""
    used = [report for report in reports if report.recorded or report.replayed or report.misses]
    counts = [
        f"{sum(report.recorded for report in reports)} recorded",
        f"{sum(report.replayed for report in reports)} replayed",
        _count(sum(len(report.misses) for report in reports), "miss", "misses"),
        f"{sum(len(report.unused) for report in reports)} unused",
    ]
    if cut := sum(report.cut for report in reports):
        counts.append(f"{cut} broken off (not recorded)")
    if failures:
        counts.append(_count(len(failures), "failure", "failures"))
    names = [report.path for report in used]
    where = f" ({', '.join(names[:_SHOWN])}{', …' if len(names) > _SHOWN else ''})" if names else ""
    reasons = [f"failed: {failure}" for failure in failures]
    reasons += [
        f"failed (strict): {report.path}: never asked for: {', '.join(report.unused)}"
        for report in reports
        if report.strict and report.unused
    ]
    more = [f"and {len(reasons) - _SHOWN} more"] if len(reasons) > _SHOWN else []
    return [*reasons[:_SHOWN], *more, ", ".join(counts) + where]


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"
