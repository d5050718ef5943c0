"""What a run came to as workflow commands of GitHub Actions, which become annotations; it prints nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path

from mitmvcr.reports.run_report import Report
from mitmvcr.text import in_log, printable, shortened

_ANNOTATIONS = 10  # GitHub shows no more errors of a step


def commands(reports: Sequence[Report], failures: Sequence[str]) -> list[str]:
    """Workflow commands of GitHub Actions, an error for each of what failed; as many as are shown."""
    return list(islice(_commands(reports, failures), _ANNOTATIONS))


def _commands(reports: Sequence[Report], failures: Sequence[str]) -> Iterator[str]:
    for failure in failures:
        yield error_command({"title": "mitmvcr failed"}, failure)
    seen = set()
    for report in reports:
        for miss in report.misses:
            if (miss.path, miss.message) not in seen:
                seen.add((miss.path, miss.message))
                where = {"file": _in_repository(miss.path)} if miss.reason != "no-cassette" else {}
                where |= {"line": str(miss.line)} if miss.line else {}
                yield error_command(
                    {**where, "title": f"Not recorded: {shortened(miss.request)}"}, "\n".join(miss.lines)
                )
        if report.strict and report.unused_count:
            listed = [str(unused) for unused in report.unused[:20]]
            properties = {
                "file": _in_repository(report.path),
                "title": f"{report.unused_count} recordings are unused",
            }
            yield error_command(properties, "\n".join(["Nothing asked for:", *listed]))


def _in_repository(path: str) -> str:
    """The path from the repository's top, where GitHub finds the file."""
    top = Path(os.environ.get("GITHUB_WORKSPACE") or Path.cwd()).resolve()
    whole = Path(path).resolve()
    return whole.relative_to(top).as_posix() if whole.is_relative_to(top) else path


def error_command(properties: Mapping[str, str], message: str) -> str:
    """An `::error` command; escaped as @actions/core does (packages/core/src/command.ts)."""
    given = ",".join(
        f"{name}={_escaped(printable(value)).replace(':', '%3A').replace(',', '%2C')}"
        for name, value in properties.items()
    )
    return f"::error {given}::{_escaped(in_log(message, lines=True))}"


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
