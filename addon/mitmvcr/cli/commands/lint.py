"""`mitmvcr lint`: finds secrets in cassettes that exist, and shows none of them."""

from __future__ import annotations

import argparse
import sys
from typing import TypeAlias

from mitmvcr.cli.parsers import secret_policy
from mitmvcr.cli.render import findings, terminal
from mitmvcr.errors import MitmvcrError

Subparsers: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"  # noqa: SLF001 - its only name

_EPILOG = """\
Reads cassettes of go-vcr, VCR.py and llama-stack, and HAR. Exits with 0 if there is no secret, 1 if there
is one, 2 if something could not be read.

examples:
  mitmvcr lint .                                    every cassette in the repository
  mitmvcr lint --format github tests/cassettes      as annotations of a pull request
  mitmvcr lint --allow 'jwt@response.body' a.yaml   what is found there is none
"""


def add_parser(commands: Subparsers) -> None:
    """Add the subcommand."""
    command = commands.add_parser(
        "lint",
        help="find secrets in cassettes",
        description="Find secrets in cassettes of any format, wherever they came from.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    secret_policy.add_arguments(command)
    command.add_argument("--format", choices=tuple(findings.FORMATS), default="text", help="default: text")
    command.set_defaults(run=run)


def run(given: argparse.Namespace) -> int:
    """Look; the exit status is 1 if there are findings, 2 if something could not be read."""
    from mitmvcr.maintenance import scrub_tree  # noqa: PLC0415 - the scrubber's patterns take a while to compile

    try:
        policy = secret_policy.policy_of(given)
        found = list(scrub_tree.files(given.paths, skip_others=given.skip_others))
        rows = [
            row
            for row in scrub_tree.run(found, scrub_tree.Task(policy), given.jobs)
            if row.is_cassette or row.problem
        ]
    except MitmvcrError as error:
        print(f"mitmvcr: {error}", file=sys.stderr)
        return 2
    with terminal.output():
        for line in findings.FORMATS[given.format](rows):
            print(line)
    secrets = sum(len(row.findings) for row in rows)
    bad = [row for row in rows if row.problem]
    for row in bad:
        print(terminal.printable(f"mitmvcr: {row.path}: {row.problem}"), file=sys.stderr)
    if given.format == "text":
        dirty = sum(bool(row.findings) for row in rows)
        looked = secret_policy.count(len(rows) - len(bad), "cassette")
        said = (
            f"{secret_policy.count(secrets, 'secret')} in {dirty} of {looked}"
            if secrets
            else f"no secret in {looked}"
        )
        print(f"mitmvcr: {said}", file=sys.stderr)
    return 2 if bad else int(secrets > 0)
