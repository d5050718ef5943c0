"""The `mitmvcr` command: what it takes, does and prints; a subcommand's imports cost only those who use it.

parsers   flags and help texts; light
commands  a module for each subcommand, imported when it is the one that is asked for
render    what is printed: tables, colour, findings, interactions, differences
policy    the policy of a command's flags and mitmvcr.toml
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

from mitmvcr import __version__
from mitmvcr.cli.parsers.subcommand import Subcommand
from mitmvcr.errors import MitmvcrError

_PARSERS = {
    **dict.fromkeys(("run", "proxy", "env", "ca"), "running"),
    **dict.fromkeys(("convert", "show", "diff"), "cassettes"),
    **dict.fromkeys(("lint", "scrub"), "secrets"),
    "orphans": "reports",
}
"""The subcommands, each with the module of `parsers` that has its arguments."""

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
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True, dest="subcommand")
    named = [name for name in _PARSERS if [name] == list(arguments[:1])]
    for name in named or _PARSERS:
        module = importlib.import_module(f"mitmvcr.cli.parsers.{_PARSERS[name]}")
        subcommand: Subcommand = module.SUBCOMMANDS[name]
        command = commands.add_parser(
            name,
            help=subcommand.help,
            description=subcommand.description,
            epilog=subcommand.epilog,
            usage=subcommand.usage,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        command.set_defaults(failure=subcommand.failure)
        subcommand.add_arguments(command)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a subcommand; its exit status. A user's mistake is one line on stderr and status 1 or 2."""
    arguments = sys.argv[1:] if arguments is None else arguments
    given = parser(arguments).parse_args(arguments)
    try:
        command = importlib.import_module(f"mitmvcr.cli.commands.{given.subcommand}")
        return int(command.run(given))
    except MitmvcrError as error:
        print(f"mitmvcr: {error}", file=sys.stderr)
        return int(given.failure)
    except KeyboardInterrupt:
        return 130
