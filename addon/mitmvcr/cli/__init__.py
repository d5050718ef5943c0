"""The `mitmvcr` command: what it takes, does and prints; a subcommand's imports cost only those who use it.

parsers   flags, and the help texts of all (texts.json); light
commands  a module for each subcommand, imported when it is the one that is asked for
render    what is printed: tables, colour, findings, interactions, differences
standard_streams  those that somebody has closed
policy    the policy of a command's flags and mitmvcr.toml
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from mitmvcr import __version__
from mitmvcr.cli import standard_streams
from mitmvcr.errors import MitmvcrError
from mitmvcr.text import in_log

_TEXTS = Path(__file__).parent / "parsers" / "texts.json"
"""What help says of each subcommand, which module of `parsers` has its arguments, and what an error's exit
status is: 2 where 1 says something of cassettes."""


def parser(arguments: Sequence[str] = ()) -> argparse.ArgumentParser:
    """The command line's parser, with the subcommand that the arguments begin with, or with all of them."""
    texts = json.loads(_TEXTS.read_text("utf-8"))
    top = argparse.ArgumentParser(
        prog="mitmvcr",
        description="Record OpenAI traffic from any language into go-vcr cassettes, and replay it offline.",
        epilog="\n".join(texts["epilog"]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    top.add_argument("--version", action="version", version=f"mitmvcr {__version__}")
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True, dest="subcommand")
    subcommands = texts["subcommands"]
    for name in set(arguments[:1]) & subcommands.keys() or subcommands:
        text = subcommands[name]
        command = commands.add_parser(
            name,
            help=text["help"],
            description=text["description"],
            epilog="\n".join(text["epilog"]),
            usage=text.get("usage"),
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        command.set_defaults(failure=text.get("failure", 1))
        getattr(importlib.import_module(f"mitmvcr.cli.parsers.{text['parser']}"), name)(command)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a subcommand; its exit status. A user's mistake is one line on stderr and status 1 or 2."""
    arguments = sys.argv[1:] if arguments is None else arguments
    closed_streams = standard_streams.fill()
    given = parser(arguments).parse_args(arguments)
    given.closed_streams = closed_streams
    try:
        command = importlib.import_module(f"mitmvcr.cli.commands.{given.subcommand}")
        return int(command.run(given))
    except MitmvcrError as error:
        print(f"mitmvcr: {in_log(str(error), lines=True)}", file=sys.stderr)
        return int(given.failure)
    except KeyboardInterrupt:
        return 130
