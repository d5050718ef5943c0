"""`mitmvcr orphans`: lists the cassettes that no run used, from the runs' reports, and can delete them."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from mitmvcr.cli.render import terminal
from mitmvcr.config import load
from mitmvcr.errors import MitmvcrError
from mitmvcr.reports import orphans
from mitmvcr.reports.orphans import Orphan, Runs
from mitmvcr.text import count, printable


def run(given: argparse.Namespace) -> int:
    """List, or delete; the exit status is 1 if orphans are left, 2 if something could not be done."""
    folder, reports = _places(given)
    runs = orphans.read_reports(reports, folder)
    unused = orphans.find(folder, runs)
    _show(given, unused, runs)
    if not unused or not given.delete:
        return int(bool(unused))
    if not given.yes and not _is_agreed(len(unused)):
        return 2
    problems = 0
    for orphan in unused:
        try:
            orphans.delete(orphan)
        except MitmvcrError as error:
            problems += 1
            terminal.say(str(error))
    terminal.say(f"{count(len(unused) - problems, 'cassette')} deleted")
    return 2 if problems else 0


def _places(given: argparse.Namespace) -> tuple[Path, list[Path]]:
    """The folder and the reports: as given, else as mitmvcr.toml here says; raises MitmvcrError."""
    settings = load.read().settings({}, only=("dir", "report"))
    reports = given.report or [path for path in settings.report if path.suffix.lower() != ".xml"]
    if not reports:
        raise MitmvcrError(
            "no report is named: run with vcr_report=report.json, then give it as --report report.json"
        )
    return given.dir or settings.dir, reports


def _show(given: argparse.Namespace, unused: list[Orphan], runs: Runs) -> None:
    for note in runs.notes:
        terminal.say(note)
    with terminal.output():
        if given.format == "json":
            rows = [
                {"path": str(orphan.path), "bytes": orphan.size, "opened": orphan.opened} for orphan in unused
            ]
            print(json.dumps({"version": 1, "orphans": rows, "notes": list(runs.notes)}, indent=2))
            return
        for orphan in unused:
            opened = "  (opened, but nothing was asked of it)" if orphan.opened else ""
            print(printable(f"{orphan.path}{opened}"))
    terminal.say(
        f"{count(len(unused), 'cassette')} that no run used" if unused else "every cassette was used"
    )


def _is_agreed(number: int) -> bool:
    if not sys.stdin.isatty():
        terminal.say("nothing is deleted: add --yes, since there is no terminal to ask on")
        return False
    print(f"mitmvcr: delete {count(number, 'cassette')}? [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() in ("y", "yes"):
        return True
    terminal.say("nothing is deleted")
    return False
