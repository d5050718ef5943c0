"""`mitmvcr orphans`: lists the cassettes that no run used, from the runs' reports, and can delete them."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from mitmvcr.cli.parsers import secret_policy
from mitmvcr.cli.render import terminal
from mitmvcr.errors import MitmvcrError

if TYPE_CHECKING:
    from mitmvcr.reports.orphans import Orphan, Runs

Subparsers: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"  # noqa: SLF001 - its only name

_EPILOG = """\
A run writes its report if vcr_report is set. Give the reports of all runs that use the cassettes: what only
one of them used is no orphan. Exits with 0 if there is no orphan or all were deleted, 1 if there are some,
2 if a report can't be used or a file can't be deleted.

examples:
  mitmvcr orphans --report report.json
  mitmvcr orphans --dir tests/recordings --report unit.json --report sdk-*.json
  mitmvcr orphans --report report.json --delete
"""


def add_parser(commands: Subparsers) -> None:
    """Add the subcommand."""
    command = commands.add_parser(
        "orphans",
        help="list or delete cassettes that no run used",
        description="List the cassettes below a folder that no run used, and delete them.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    command.add_argument(
        "--dir",
        type=Path,
        metavar="DIR",
        help="the folder of the cassettes; default: mitmvcr.toml's, or recordings",
    )
    command.add_argument(
        "--report",
        action="extend",
        nargs="+",
        type=Path,
        metavar="FILE",
        help="JSON reports of runs, merged; default: mitmvcr.toml's",
    )
    command.add_argument("--delete", action="store_true", help="delete them, after asking on a terminal")
    command.add_argument("--yes", action="store_true", help="do not ask")
    command.add_argument("--format", choices=("text", "json"), default="text", help="default: text")
    command.set_defaults(run=run)


def run(given: argparse.Namespace) -> int:
    """List, or delete; the exit status is 1 if orphans are left, 2 if something could not be done."""
    from mitmvcr.reports import orphans  # noqa: PLC0415 - the help needs none of it

    try:
        folder, reports = _places(given)
        runs = orphans.read_reports(reports, folder)
        found = orphans.find(folder, runs)
    except MitmvcrError as error:
        print(f"mitmvcr: {error}", file=sys.stderr)
        return 2
    _show(given, found, runs)
    if not found or not given.delete:
        return int(bool(found))
    if not given.yes and not _agreed(len(found)):
        return 2
    problems = 0
    for orphan in found:
        try:
            orphans.delete(orphan)
        except MitmvcrError as error:
            problems += 1
            print(terminal.printable(f"mitmvcr: {error}"), file=sys.stderr)
    print(f"mitmvcr: {secret_policy.count(len(found) - problems, 'cassette')} deleted", file=sys.stderr)
    return 2 if problems else 0


def _places(given: argparse.Namespace) -> tuple[Path, list[Path]]:
    """The folder and the reports: as given, else as mitmvcr.toml here says; raises MitmvcrError."""
    from mitmvcr.config.settings import Settings, read_toml  # noqa: PLC0415 - the help needs none of it

    config = Path("mitmvcr.toml")
    settings = Settings.parse(read_toml(config) if config.exists() else {})
    reports = given.report or [path for path in settings.report if path.suffix.lower() != ".xml"]
    if not reports:
        raise MitmvcrError(
            "no report is named: run with vcr_report=report.json, then give it as --report report.json"
        )
    return given.dir or settings.dir, reports


def _show(given: argparse.Namespace, found: list[Orphan], runs: Runs) -> None:
    for note in runs.notes:
        print(terminal.printable(f"mitmvcr: {note}"), file=sys.stderr)
    with terminal.output():
        if given.format == "json":
            import json  # noqa: PLC0415 - text needs none of it

            rows = [{"path": str(one.path), "bytes": one.size, "opened": one.opened} for one in found]
            print(json.dumps({"version": 1, "orphans": rows, "notes": list(runs.notes)}, indent=2))
            return
        for one in found:
            opened = "  (opened, but nothing was asked of it)" if one.opened else ""
            print(terminal.printable(f"{one.path}{opened}"))
    said = (
        f"{secret_policy.count(len(found), 'cassette')} that no run used"
        if found
        else "every cassette was used"
    )
    print(f"mitmvcr: {said}", file=sys.stderr)


def _agreed(count: int) -> bool:
    if not sys.stdin.isatty():
        print("mitmvcr: nothing is deleted: add --yes, since there is no terminal to ask on", file=sys.stderr)
        return False
    print(
        f"mitmvcr: delete {secret_policy.count(count, 'cassette')}? [y/N] ",
        end="",
        file=sys.stderr,
        flush=True,
    )
    if sys.stdin.readline().strip().lower() in ("y", "yes"):
        return True
    print("mitmvcr: nothing is deleted", file=sys.stderr)
    return False
