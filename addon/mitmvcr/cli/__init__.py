"""The `mitmvcr` command: one module a subcommand; a subcommand's imports cost only those who use it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from mitmvcr import __version__
from mitmvcr.cli import convert, lint, proxy, scrub, show
from mitmvcr.errors import MitmvcrError

COMMANDS = (proxy, convert, show, lint, scrub)

_EPILOG = """\
examples:
  mitmvcr proxy                                  record once, then replay
  mitmvcr proxy --mode replay --cassette tests   offline, from recordings/tests.yaml
  mitmvcr proxy --upstream https://api.openai.com --port 8081
  mitmvcr convert tests/cassettes recordings     VCR.py's, llama-stack's, HAR: to go-vcr's
  mitmvcr show recordings/tests.yaml             what is in it
  mitmvcr lint .                                 secrets in any cassette below
  mitmvcr scrub tests/cassettes                  taken out, in place
"""


def parser() -> argparse.ArgumentParser:
    """The command line's parser, with every subcommand."""
    top = argparse.ArgumentParser(
        prog="mitmvcr",
        description="Record OpenAI traffic from any language into go-vcr cassettes, and replay it offline.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    top.add_argument("--version", action="version", version=f"mitmvcr {__version__}")
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in COMMANDS:
        command.add_parser(commands)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a subcommand; its exit status. A user's mistake is one line on stderr and status 1 or 2."""
    given = parser().parse_args(arguments)
    try:
        return int(given.run(given))
    except MitmvcrError as error:
        print(f"mitmvcr: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
