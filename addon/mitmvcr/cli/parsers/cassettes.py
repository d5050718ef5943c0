"""The arguments of `mitmvcr convert`, `show` and `diff`."""

from __future__ import annotations

import argparse
from pathlib import Path

from mitmvcr.cli.parsers.subcommand import Subcommand, add_jobs

_CONVERT_EPILOG = """\
A source is a cassette of go-vcr, VCR.py or llama-stack (a file, or the folder of its recordings), HAR,
or a folder of any of these. DST is a file if it ends in .yaml, .yml, .json or .har, else a folder.
Everything is scrubbed as when it is recorded, by what mitmvcr.toml here says and flags over it.

examples:
  mitmvcr convert tests/cassettes recordings           a whole tree, to go-vcr's format
  mitmvcr convert --check tests/cassettes              only say what would come of it
  mitmvcr convert weather.yaml weather.har             to HAR
  mitmvcr convert --to vcrpy recordings tests/cassettes
"""


def _convert(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "paths", nargs="+", type=Path, metavar="SRC... DST", help="what to convert, and to where"
    )
    command.add_argument(
        "--to", choices=("go-vcr", "vcrpy", "har"), help="default: har if DST ends in .har, else go-vcr"
    )
    command.add_argument(
        "--dialect", choices=("charm", "stock"), default="charm", help="go-vcr's layout; default: charm"
    )
    command.add_argument(
        "--check", action="store_true", help="only report what would come of it; DST can be left out"
    )
    command.add_argument("--force", action="store_true", help="write over files that exist")
    command.add_argument(
        "--keep-headers", metavar="NAMES", help="more header names to keep, separated by commas"
    )
    command.add_argument(
        "--redact", metavar="RULES", help="what else to redact: emails, home-paths, JSONPaths, patterns"
    )
    command.add_argument("--allow", metavar="RULES", help="what the gate lets pass, as RULE@FIELD")
    add_jobs(command)
    command.add_argument("--verbose", action="store_true", help="name everything that was left out")


_SHOW_EPILOG = """\
Secrets are shown as they would be recorded (mitmvcr.toml here counts), replaced; only --raw gives a body's
own bytes.

examples:
  mitmvcr show recordings/haiku.yaml             a line for each interaction
  mitmvcr show haiku                             the same: a name below vcr_dir
  mitmvcr show haiku 1                           one interaction, its stream put together
  mitmvcr show haiku 1 --raw                     the bytes of its answer's body
  mitmvcr show haiku --all                       every interaction, for git's textconv (mitmvcr diff --help)
  mitmvcr show haiku --json                      for programs
"""


def _show(command: argparse.ArgumentParser) -> None:
    command.add_argument("cassette", metavar="CASSETTE", help="a file, a folder of llama-stack's, or a name")
    command.add_argument("number", metavar="N", nargs="?", type=int, help="the interaction with this id")
    command.add_argument("--all", action="store_true", help="show every interaction, without times")
    command.add_argument("--json", action="store_true", help="print JSON, for programs")
    command.add_argument("--raw", action="store_true", help="write the exact bytes of N's body, unscrubbed")
    command.add_argument("--request", action="store_true", help="with --raw: of the request's body")
    command.add_argument("--dir", metavar="DIR", help="the folder of names; default: as for the proxy")


_DIFF_EPILOG = """\
The order of interactions, their numbers and durations are not compared. What is shown is scrubbed, as
mitmvcr.toml here says, too. The exit status is 0 if they say the same, 1 if they don't, 2 if one can't be
read.

examples:
  mitmvcr diff old.yaml recordings/tests.yaml
  mitmvcr diff --ignore '$.id,$.created,$.system_fingerprint' old.yaml new.yaml
  mitmvcr diff --full old.yaml new.yaml          values at their whole length

with git, for files that .gitattributes has as `recordings/*.yaml diff=mitmvcr`:
  git config diff.mitmvcr.command "mitmvcr diff --git"
  git config diff.mitmvcr.textconv "mitmvcr show --all"    or this: for git log -p and others
  git difftool -x "mitmvcr diff"
"""


def _diff(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "files", nargs="+", metavar="FILE", help="the two cassettes; with --git, git's arguments"
    )
    command.add_argument(
        "--ignore", metavar="PATHS", help="JSONPaths of bodies that are left out, as vcr_ignore"
    )
    command.add_argument("--full", action="store_true", help="don't shorten values")
    command.add_argument("--json", action="store_true", help="print JSON, for programs")
    command.add_argument(
        "--git", action="store_true", help="be git's external diff: seven arguments, status 0"
    )


SUBCOMMANDS = {
    "convert": Subcommand(
        help="convert cassettes between formats",
        description="Convert cassettes of any format to go-vcr's (the default), VCR.py's or HAR.",
        epilog=_CONVERT_EPILOG,
        usage="mitmvcr convert [options] SRC... DST",
        add_arguments=_convert,
    ),
    "show": Subcommand(
        help="show what is in a cassette",
        description="Show what is in a cassette of any format, or one of its interactions.",
        epilog=_SHOW_EPILOG,
        add_arguments=_show,
    ),
    "diff": Subcommand(
        help="show what changed between two cassettes",
        description="Show what changed between two cassettes of any format, interaction by interaction.",
        epilog=_DIFF_EPILOG,
        add_arguments=_diff,
        failure=2,
    ),
}
