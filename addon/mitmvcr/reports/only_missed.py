"""What a run's report says was missed -> how cassettes are used to record just that."""

from __future__ import annotations

import re
from pathlib import Path

from mitmvcr.config.settings import Mode, Table
from mitmvcr.reports import run_report

_SPECIAL = re.compile(r"[*?\[]")


def tables(report: Path, folder: Path) -> tuple[Table, ...]:
    """Cassettes that had misses record what they don't have, and all others are replayed.

    `folder` is vcr_dir. Raises MitmvcrError for a report that can't be used.
    """
    document = run_report.read(report)
    run_report.check_folder(report, document, folder)
    found = [Table(str(report), "*", (("mode", Mode.REPLAY.value),))]
    for cassette in document["cassettes"]:
        if cassette["miss_count"]:
            name = _SPECIAL.sub(lambda special: f"[{special[0]}]", str(cassette.get("name", "")))
            found.append(Table(str(report), name, (("mode", Mode.NEW_EPISODES.value),)))
    return tuple(found)
