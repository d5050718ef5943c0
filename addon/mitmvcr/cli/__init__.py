"""The `mitmvcr` command: one module a subcommand; a subcommand's imports cost only those who use it."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

from mitmvcr import __version__
from mitmvcr.errors import MitmvcrError

COMMANDS = ("run", "proxy", "env", "ca", "convert", "show", "diff", "lint", "scrub", "orphans")
"""A module each, which is imported when it is the one that is asked for, or for the list of all."""

_EPILOG = """\
examples:
  mitmvcr run -- pytest                          record what it says to the API once, then replay
  mitmvcr proxy                                  the proxy alone, for programs started elsewhere
  mitmvcr proxy --mode replay --cassette tests   offline, from recordings/tests.yaml
  mitmvcr convert tests/cassettes recordings     VCR.py's, llama-stack's, HAR: to go-vcr's
  mitmvcr show recordings/tests.yaml             what is in it
  mitmvcr diff old.yaml new.yaml                 what changed
  mitmvcr lint .                                 secrets in any cassette below
  mitmvcr scrub tests/cassettes                  taken out, in place
  mitmvcr orphans --report report.json           cassettes that no run used
"""


def parser(arguments: Sequence[str] = ()) -> argparse.ArgumentParser:
    """The command line's parser, with the subcommand that the arguments begin with, or with all of them."""
    top = argparse.ArgumentParser(
        prog="mitmvcr",
        description="Record OpenAI traffic from any language into go-vcr cassettes, and replay it offline.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    top.add_argument("--version", action="version", version=f"mitmvcr {__version__}")
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True)
    asked = [name for name in COMMANDS if [name] == list(arguments[:1])]
    for name in asked or COMMANDS:
        importlib.import_module(f"mitmvcr.cli.commands.{name}").add_parser(commands)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a subcommand; its exit status. A user's mistake is one line on stderr and status 1 or 2."""
    arguments = sys.argv[1:] if arguments is None else arguments
    given = parser(arguments).parse_args(arguments)
    try:
        return int(given.run(given))
    except MitmvcrError as error:
        print(f"mitmvcr: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
