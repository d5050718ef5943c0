"""Findings in the formats that people and CI systems read: text, JSON, SARIF 2.1.0, GitHub's commands."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from urllib.parse import quote

from mitmvcr import __version__
from mitmvcr.maintenance.scrub_tree import FileResult
from mitmvcr.reports.github import error_command
from mitmvcr.scrub.files.file_secrets import FileFinding
from mitmvcr.text import printable

_JSON_FIELDS = ("line", "column", "rule", "kind", "field", "sample")


def as_text(rows: Sequence[FileResult]) -> Iterator[str]:
    """A line for each finding, as compilers write them."""
    for row, finding in _findings(rows):
        place = f"{printable(str(row.path))}:{finding.line}:{finding.column}"
        yield f"{place}: {finding.rule} in {printable(finding.field)}: {printable(finding.sample)}"


def as_json(rows: Sequence[FileResult]) -> Iterator[str]:
    """One object with `files`, `findings` and `errors`."""
    document = {
        "version": 1,
        "files": sum(row.is_cassette for row in rows),
        "findings": [
            {"file": str(row.path)} | {name: getattr(finding, name) for name in _JSON_FIELDS}
            for row, finding in _findings(rows)
        ],
        "errors": [{"file": str(row.path), "message": row.problem} for row in rows if row.problem],
    }
    yield json.dumps(document, indent=2)


def as_github(rows: Sequence[FileResult]) -> Iterator[str]:
    """Workflow commands of GitHub Actions."""
    for row, finding in _findings(rows):
        where = {"file": str(row.path), "line": str(finding.line), "col": str(finding.column)}
        title = f"{finding.rule} in {finding.field}"
        yield error_command({**where, "title": title}, _message(finding))
    for row in rows:
        if row.problem:
            yield error_command({"file": str(row.path), "title": "unreadable"}, row.problem)


def as_sarif(rows: Sequence[FileResult]) -> Iterator[str]:
    """A log with one run (OASIS SARIF 2.1.0)."""
    rules = sorted({finding.rule for _, finding in _findings(rows)})
    driver = {
        "name": "mitmvcr",
        "version": __version__,
        "rules": [{"id": rule, "shortDescription": {"text": rule.replace("-", " ")}} for rule in rules],
    }
    notifications = [
        {
            "level": "error",
            "message": {"text": row.problem},
            "locations": [{"physicalLocation": _artifact(row)}],
        }
        for row in rows
        if row.problem
    ]
    results = [
        {
            "ruleId": finding.rule,
            "ruleIndex": rules.index(finding.rule),
            "level": "error",
            "message": {"text": _message(finding)},
            "locations": [_location(row, finding)],
        }
        for row, finding in _findings(rows)
    ]
    invocation = {"executionSuccessful": not notifications, "toolExecutionNotifications": notifications}
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "invocations": [invocation],
        "results": results,
    }
    schema = "https://json.schemastore.org/sarif-2.1.0.json"
    yield json.dumps({"$schema": schema, "version": "2.1.0", "runs": [run]}, indent=2)


def _location(row: FileResult, finding: FileFinding) -> dict[str, object]:
    region = {"startLine": finding.line, "startColumn": finding.column}
    return {
        "physicalLocation": {**_artifact(row), "region": region},
        "logicalLocations": [{"fullyQualifiedName": finding.field}],
    }


def _artifact(row: FileResult) -> dict[str, object]:
    uri = row.path.as_uri() if row.path.is_absolute() else quote(row.path.as_posix())
    return {"artifactLocation": {"uri": uri}}


def _message(finding: FileFinding) -> str:
    return f"{finding.rule} in {finding.field}: {finding.sample}. `mitmvcr scrub` replaces it."


def _findings(rows: Sequence[FileResult]) -> Iterator[tuple[FileResult, FileFinding]]:
    for row in rows:
        for finding in row.findings:
            yield row, finding


FORMATS = {"text": as_text, "json": as_json, "sarif": as_sarif, "github": as_github}
