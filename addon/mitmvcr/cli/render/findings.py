"""Findings in the formats that people and CI systems read: text, JSON, SARIF 2.1.0, GitHub's commands."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from mitmvcr import __version__
from mitmvcr.cli.render.terminal import printable

if TYPE_CHECKING:
    from mitmvcr.maintenance.scrub_tree import Row
    from mitmvcr.scrub.files.file_secrets import FileFinding


def as_text(rows: Sequence[Row]) -> Iterator[str]:
    """A line for each finding, as compilers write them."""
    for row, one in _findings(rows):
        yield (
            f"{printable(str(row.path))}:{one.line}:{one.column}: {one.rule} in {printable(one.field)}: "
            f"{printable(one.sample)}"
        )


def as_json(rows: Sequence[Row]) -> Iterator[str]:
    """One object with `files`, `findings` and `errors`."""
    document = {
        "version": 1,
        "files": sum(row.is_cassette for row in rows),
        "findings": [
            {
                "file": str(row.path),
                "line": one.line,
                "column": one.column,
                "rule": one.rule,
                "kind": one.kind,
                "field": one.field,
                "sample": one.sample,
            }
            for row, one in _findings(rows)
        ],
        "errors": [{"file": str(row.path), "message": row.problem} for row in rows if row.problem],
    }
    yield json.dumps(document, indent=2)


def as_github(rows: Sequence[Row]) -> Iterator[str]:
    """Workflow commands; escaped as @actions/core does (packages/core/src/command.ts)."""
    for row, one in _findings(rows):
        where = f"file={_property(str(row.path))},line={one.line},col={one.column}"
        title = _property(f"{one.rule} in {one.field}")
        yield f"::error {where},title={title}::{_data(_message(one))}"
    for row in rows:
        if row.problem:
            yield f"::error file={_property(str(row.path))},title=unreadable::{_data(row.problem)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def as_sarif(rows: Sequence[Row]) -> Iterator[str]:
    """A log of one run (OASIS SARIF 2.1.0)."""
    rules = sorted({one.rule for _, one in _findings(rows)})
    run = {
        "tool": {
            "driver": {
                "name": "mitmvcr",
                "version": __version__,
                "rules": [
                    {"id": rule, "shortDescription": {"text": rule.replace("-", " ")}} for rule in rules
                ],
            }
        },
        "columnKind": "unicodeCodePoints",
        "invocations": [
            {
                "executionSuccessful": not any(row.problem for row in rows),
                "toolExecutionNotifications": [
                    {
                        "level": "error",
                        "message": {"text": row.problem},
                        "locations": [{"physicalLocation": _artifact(row)}],
                    }
                    for row in rows
                    if row.problem
                ],
            }
        ],
        "results": [
            {
                "ruleId": one.rule,
                "ruleIndex": rules.index(one.rule),
                "level": "error",
                "message": {"text": _message(one)},
                "locations": [
                    {
                        "physicalLocation": _artifact(row)
                        | {"region": {"startLine": one.line, "startColumn": one.column}},
                        "logicalLocations": [{"fullyQualifiedName": one.field}],
                    }
                ],
            }
            for row, one in _findings(rows)
        ],
    }
    schema = "https://json.schemastore.org/sarif-2.1.0.json"
    yield json.dumps({"$schema": schema, "version": "2.1.0", "runs": [run]}, indent=2)


def _artifact(row: Row) -> dict[str, object]:
    path: Path = row.path
    uri = path.as_uri() if path.is_absolute() else quote(path.as_posix())
    return {"artifactLocation": {"uri": uri}}


def _message(one: FileFinding) -> str:
    return f"{one.rule} in {one.field}: {one.sample}. `mitmvcr scrub` replaces it."


def _findings(rows: Sequence[Row]) -> Iterator[tuple[Row, FileFinding]]:
    for row in rows:
        for one in row.findings:
            yield row, one


FORMATS = {"text": as_text, "json": as_json, "sarif": as_sarif, "github": as_github}
