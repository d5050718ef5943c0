"""What came of each cassette, as data, and the report that programs read: JSON, or JUnit's XML; never prints.

The JSON's schema is report.schema.json, in words docs/reports.md. Its `version` grows when a reader
must change; fields may be added to a version.
"""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mitmvcr import __version__
from mitmvcr.errors import MitmvcrError
from mitmvcr.misses.explain import Miss
from mitmvcr.reports.traffic import Traffic
from mitmvcr.store.atomic import write_file
from mitmvcr.text import request_name

VERSION = 1
"""Of the JSON report's schema."""

SCHEMA = Path(__file__).with_name("report.schema.json")

MAX_LISTED = 1000
"""Misses, failures and unused recordings of a cassette that are listed; more are counted."""

_HALF = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Unused:
    """A recorded interaction that nothing asked for; `url` is scrubbed."""

    number: int
    method: str
    url: str

    def __str__(self) -> str:
        return f"{self.number} {request_name(self.method, self.url)}"


@dataclass(frozen=True, slots=True)
class Redacted:
    """How many values of a `kind` were redacted in one place of bodies.

    `field` is `request.body` or `response.body` and where in it, `[*]` for any of a list's items.
    """

    kind: str
    field: str
    count: int


@dataclass(slots=True)
class Report:
    """What came of one cassette since it was opened.

    `is_used` says that a client used it (or that the user named it). `misses` and `unused` have the
    first MAX_LISTED, the counts are of all. `failures` say which recordings were refused, and why.
    `redacted_places` has how many values were redacted in bodies when they were recorded, by kind and field,
    in MAX_LISTED places at most. `matched_by_redaction` counts answers whose requests may differ from the
    recorded ones in values that their names alone tell to be secret.
    """

    name: str
    path: str
    mode: str
    recorded: int = 0
    replayed: int = 0
    cut: int = 0
    too_large: int = 0
    unanswered: int = 0
    ignored: int = 0
    miss_count: int = 0
    misses: list[Miss] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    unused_count: int = 0
    unused: list[Unused] = field(default_factory=list)
    strict: bool = False
    is_used: bool = False
    matched_by_redaction: int = 0
    redacted_count: int = 0
    redacted_places: Counter[tuple[str, str]] = field(default_factory=Counter)

    def add(self, miss: Miss) -> None:
        """Count a miss, and keep it if there are not too many."""
        self.miss_count += 1
        if len(self.misses) < MAX_LISTED:
            self.misses.append(miss)

    def fail(self, error: MitmvcrError) -> None:
        """Remember what went wrong, if there is not too much."""
        if len(self.failures) < MAX_LISTED:
            self.failures.append(str(error))

    def add_redacted(self, places: Mapping[tuple[str, str], int]) -> None:
        """Count what was redacted in bodies, by kind and field; further places are counted, and not kept."""
        for place, count in places.items():
            self.redacted_count += count
            if place in self.redacted_places or len(self.redacted_places) < MAX_LISTED:
                self.redacted_places[place] += count

    @property
    def redacted(self) -> list[Redacted]:
        """What was redacted in bodies, what comes most often first."""
        return [Redacted(*place, count) for place, count in self.redacted_places.most_common()]

    @property
    def failed(self) -> bool:
        """Whether a CI should fail for it."""
        return bool(self.miss_count or self.failures or (self.strict and self.unused_count))


def has_failed(reports: Sequence[Report], failures: Sequence[str]) -> bool:
    """Whether a CI should fail for a run."""
    return bool(failures) or any(report.failed for report in reports)


def document(report: Report) -> dict[str, object]:
    """One cassette's part of the JSON report."""
    return {
        "name": report.name,
        "path": report.path,
        "mode": report.mode,
        "asked": report.is_used,
        "recorded": report.recorded,
        "replayed": report.replayed,
        "cut": report.cut,
        "too_large": report.too_large,
        "unanswered": report.unanswered,
        "ignored": report.ignored,
        "strict": report.strict,
        "failed": report.failed,
        "miss_count": report.miss_count,
        "misses": [_miss(miss) for miss in report.misses],
        "failures": report.failures,
        "unused_count": report.unused_count,
        "unused": [asdict(unused) for unused in report.unused],
        "matched_by_redaction": report.matched_by_redaction,
        "redacted_count": report.redacted_count,
        "redacted": [asdict(redacted) for redacted in report.redacted],
    }


def _miss(miss: Miss) -> dict[str, object]:
    return {
        "reason": miss.reason,
        "message": miss.message,
        "request": {"method": miss.method, "url": miss.url, "key": miss.key},
        "nearest": None if miss.number is None else {"number": miss.number, "line": miss.line},
        "differences": [asdict(difference) for difference in miss.differences],
        "more_differences": miss.more,
        "hints": list(miss.hints),
    }


def as_json(
    reports: Sequence[Report], failures: Sequence[str], folder: Path, traffic: Traffic | None = None
) -> str:
    """The report of a run as JSON; `folder` is `vcr_dir`, told from the current folder if in it."""
    # As it is written, links not followed: cassettes' paths begin so too.
    inside = os.path.relpath(folder)
    run = {
        "version": VERSION,
        "mitmvcr": __version__,
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "dir": str(folder.absolute()) if inside.startswith("..") else inside,
        "cwd": str(Path.cwd()),
        "failed": has_failed(reports, failures),
        "failures": list(failures),
        "cassettes": [document(report) for report in reports],
        **({"hosts": traffic.document()} if traffic else {}),
    }
    # A half character is escaped in JSON's way, so that the file is UTF-8.
    text = json.dumps(run, indent=2, ensure_ascii=False) + "\n"
    return _HALF.sub(lambda half: f"\\u{ord(half[0]):04x}", text)


def write(path: Path, text: str) -> None:
    """Write a report, whole or not at all, in a folder that is made if there is none; raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_file(path, text.encode())


def read(path: Path) -> dict[str, Any]:
    """The JSON report in a file; raises MitmvcrError for what is none, or one of a later version."""
    try:
        report = json.loads(path.read_bytes())
    except OSError as error:
        raise MitmvcrError(f"{path}: the report can't be read: {error.strerror}") from None
    except (ValueError, RecursionError):
        hint = "give the JSON one" if path.suffix.lower() == ".xml" else "a run that was killed leaves none"
        raise MitmvcrError(f"{path}: this is no report, for it is no JSON; {hint}") from None
    version = report.get("version") if isinstance(report, dict) else None
    if isinstance(version, int) and version > VERSION:
        raise MitmvcrError(
            f"{path}: the report is of version {version}, and this mitmvcr reads {VERSION}: update mitmvcr"
        )
    if version != VERSION or not _is_report(report):
        raise MitmvcrError(f"{path}: this is no report of mitmvcr: give a file that vcr_report named")
    document: dict[str, Any] = report
    return document


def _is_report(report: dict[str, Any]) -> bool:
    cassettes = report.get("cassettes")
    return (
        isinstance(report.get("dir"), str)
        and isinstance(report.get("cwd"), str)
        and isinstance(report.get("failed"), bool)
        and isinstance(cassettes, list)
        and all(
            isinstance(cassette, dict)
            and isinstance(cassette.get("path"), str)
            and {"asked", "recorded", "replayed", "miss_count"} <= cassette.keys()
            for cassette in cassettes
        )
    )


def check_folder(path: Path, report: dict[str, Any], folder: Path) -> None:
    """Raises MitmvcrError unless the report in a file is of a run that used this folder as vcr_dir.

    It is the run's by its place, or as it stands to where each process ran.
    """
    used = report["dir"]
    is_place = os.path.realpath(Path(report["cwd"], used)) == os.path.realpath(folder)
    if not is_place and used != os.path.relpath(folder):
        raise MitmvcrError(
            f"{path}: the run used vcr_dir={used}, not {folder}: give --dir {used}, or another report"
        )
