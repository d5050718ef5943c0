"""The arguments of `mitmvcr orphans`."""

from __future__ import annotations

import argparse
from pathlib import Path

from mitmvcr.cli.parsers.subcommand import Subcommand

_ORPHANS_EPILOG = """\
A run writes its report if vcr_report is set. Give the reports of all runs that use the cassettes: what only
one of them used is no orphan. Exits with 0 if there is no orphan or all were deleted, 1 if there are some,
2 if a report can't be used or a file can't be deleted.

examples:
  mitmvcr orphans --report report.json
  mitmvcr orphans --dir tests/recordings --report unit.json --report sdk-*.json
  mitmvcr orphans --report report.json --delete
"""


def _orphans(command: argparse.ArgumentParser) -> None:
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


SUBCOMMANDS = {
    "orphans": Subcommand(
        help="list or delete cassettes that no run used",
        description="List the cassettes below a folder that no run used, and delete them.",
        epilog=_ORPHANS_EPILOG,
        add_arguments=_orphans,
        failure=2,
    ),
}
