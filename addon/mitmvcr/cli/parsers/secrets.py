"""The arguments of `mitmvcr lint` and `scrub`."""

from __future__ import annotations

import argparse
from pathlib import Path

from mitmvcr.cli.parsers.subcommand import Subcommand, add_jobs

FINDING_FORMATS = ("text", "json", "sarif", "github")

_LINT_EPILOG = """\
Reads cassettes of go-vcr, VCR.py and llama-stack, and HAR. Exits with 0 if there is no secret, 1 if there
is one, 2 if something could not be read.

examples:
  mitmvcr lint .                                    every cassette in the repository
  mitmvcr lint --format github tests/cassettes      as annotations of a pull request
  mitmvcr lint --allow 'jwt@response.body' a.yaml   what is found there is none
"""


def _add_shared(command: argparse.ArgumentParser) -> None:
    """The paths, the policy and how many processes."""
    command.add_argument(
        "paths", nargs="+", type=Path, metavar="PATH", help="a cassette, or a folder, which is searched"
    )
    command.add_argument(
        "--allow",
        metavar="RULES",
        help="what is no secret, as RULE@FIELD with * as wildcard, separated by commas",
    )
    command.add_argument(
        "--redact", metavar="RULES", help="what else is one: emails, home-paths, JSONPaths, patterns"
    )
    command.add_argument(
        "--keep-headers", metavar="NAMES", help="as NAME=redact: more headers whose value is a secret"
    )
    command.add_argument(
        "--skip-others", action="store_true", help="pass over files that are no cassettes, as in folders"
    )
    add_jobs(command)


def _lint(command: argparse.ArgumentParser) -> None:
    _add_shared(command)
    command.add_argument("--format", choices=FINDING_FORMATS, default="text", help="default: text")


_SCRUB_EPILOG = """\
A secret's own bytes are replaced where they stand; every other byte of the file stays. Equal secrets in a
cassette get equal replacements. A second run changes nothing. Exits with 0 if all is done, 2 if a file could
not be; with --check 1 if something would change.

examples:
  mitmvcr scrub tests/cassettes            a whole tree
  mitmvcr scrub --check tests/cassettes    only say what would change
"""


def _scrub(command: argparse.ArgumentParser) -> None:
    _add_shared(command)
    command.add_argument("--check", action="store_true", help="write nothing, say what would change")


SUBCOMMANDS = {
    "lint": Subcommand(
        help="find secrets in cassettes",
        description="Find secrets in cassettes of any format, wherever they came from.",
        epilog=_LINT_EPILOG,
        add_arguments=_lint,
        failure=2,
    ),
    "scrub": Subcommand(
        help="take the secrets out of cassettes, in place",
        description="Replace the secrets in cassettes of any format, in place, byte for byte.",
        epilog=_SCRUB_EPILOG,
        add_arguments=_scrub,
        failure=2,
    ),
}
