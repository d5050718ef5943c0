"""What came of the cassettes that were closed: one report of each, however often it was opened; no I/O."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from mitmvcr.reports.run_report import MAX_LISTED, Report


class Ledger:
    """Reports by cassette. It grows with the cassettes that were used, never with how often they were."""

    def __init__(self) -> None:
        self._reports: dict[tuple[object, ...], Report] = {}

    def __iter__(self) -> Iterator[Report]:
        return iter(self._reports.values())

    def add(self, report: Report, *, had_recordings: bool) -> Report:
        """Add what came of one opening; the report in which it is counted now.

        Counts add up. Unused is what no opening asked for, as far as openings had recordings at all
        (`had_recordings`); where more than MAX_LISTED were, it is what the opening with the fewest says.
        """
        key = (report.path, report.mode, report.strict, had_recordings)
        before = self._reports.get(key)
        if before is None:
            before = self._reports[key] = replace(
                report,
                misses=list(report.misses),
                failures=list(report.failures),
                redacted_places=report.redacted_places.copy(),
            )
            return before
        counts = ("recorded", "replayed", "cut", "too_large", "unanswered", "ignored", "miss_count")
        for count in (*counts, "matched_by_redaction"):
            setattr(before, count, getattr(before, count) + getattr(report, count))
        before.add_redacted(report.redacted_places)
        before.misses += report.misses[: MAX_LISTED - len(before.misses)]
        before.failures += report.failures[: MAX_LISTED - len(before.failures)]
        before.is_used |= report.is_used
        if max(before.unused_count, report.unused_count) <= MAX_LISTED:
            still_unused = set(report.unused)
            before.unused = [unused for unused in before.unused if unused in still_unused]
            before.unused_count = len(before.unused)
        elif report.unused_count < before.unused_count:
            before.unused, before.unused_count = report.unused, report.unused_count
        return before

    def take(self, other: Ledger) -> None:
        """Add all that another one has."""
        for key, report in other._reports.items():
            self.add(report, had_recordings=bool(key[-1]))
