"""The arguments of `convert`, `show`, `diff`, `lint`, `scrub` and `orphans`; reads no cassette."""

from __future__ import annotations

import argparse
from pathlib import Path


def _positive(text: str) -> int:
    """A number from 1, for argparse."""
    number = int(text)
    if number < 1:
        raise ValueError
    return number


def _add_jobs(command: argparse.ArgumentParser) -> None:
    command.add_argument("--jobs", type=_positive, metavar="N", help="processes; default: one a core")


def convert(command: argparse.ArgumentParser) -> None:
    """Add the arguments of `mitmvcr convert`."""
    add = command.add_argument
    add("paths", nargs="+", type=Path, metavar="SRC... DST", help="what to convert, and to where")
    add("--to", choices=("go-vcr", "vcrpy", "har"), help="default: har if DST ends in .har, else go-vcr")
    add("--dialect", choices=("charm", "stock"), default="charm", help="go-vcr's layout; default: charm")
    add("--check", action="store_true", help="only report what would come of it; DST can be left out")
    add("--force", action="store_true", help="write over files that exist")
    add("--keep-headers", metavar="NAMES", help="more header names to keep, separated by commas")
    add("--redact", metavar="RULES", help="what else to redact: emails, home-paths, JSONPaths, patterns")
    add("--allow", metavar="RULES", help="what the gate lets pass, as RULE@FIELD")
    _add_jobs(command)
    add("--verbose", action="store_true", help="name everything that was left out")


def show(command: argparse.ArgumentParser) -> None:
    """Add the arguments of `mitmvcr show`."""
    add = command.add_argument
    add("cassette", metavar="CASSETTE", help="a file, a folder of llama-stack's, or a name")
    add("number", metavar="N", nargs="?", type=int, help="the interaction with this id")
    add("--all", action="store_true", help="show every interaction, without times")
    add("--json", action="store_true", help="print JSON, for programs")
    add("--raw", action="store_true", help="write the exact bytes of N's body, unscrubbed")
    add("--request", action="store_true", help="with --raw: of the request's body")
    add("--dir", metavar="DIR", help="the folder of names; default: as for the proxy")


def diff(command: argparse.ArgumentParser) -> None:
    """Add the arguments of `mitmvcr diff`."""
    add = command.add_argument
    add("files", nargs="+", metavar="FILE", help="the two cassettes; with --git, git's arguments")
    add("--ignore", metavar="PATHS", help="JSONPaths of bodies that are left out, as vcr_ignore")
    add("--full", action="store_true", help="don't shorten values")
    add("--json", action="store_true", help="print JSON, for programs")
    add("--git", action="store_true", help="be git's external diff: seven arguments, status 0")


def _add_shared(command: argparse.ArgumentParser) -> None:
    """The paths, the policy and how many processes."""
    add = command.add_argument
    add("paths", nargs="+", type=Path, metavar="PATH", help="a cassette, or a folder, which is searched")
    add(
        "--allow",
        metavar="RULES",
        help="what is no secret, as RULE@FIELD with * as wildcard, separated by commas",
    )
    add("--redact", metavar="RULES", help="what else is one: emails, home-paths, JSONPaths, patterns")
    add("--keep-headers", metavar="NAMES", help="as NAME=redact: more headers whose value is a secret")
    add("--skip-others", action="store_true", help="pass over files that are no cassettes, as in folders")
    _add_jobs(command)


def lint(command: argparse.ArgumentParser) -> None:
    """Add the arguments of `mitmvcr lint`."""
    _add_shared(command)
    command.add_argument(
        "--format", choices=("text", "json", "sarif", "github"), default="text", help="default: text"
    )


def scrub(command: argparse.ArgumentParser) -> None:
    """Add the arguments of `mitmvcr scrub`."""
    _add_shared(command)
    command.add_argument("--check", action="store_true", help="write nothing, say what would change")


def orphans(command: argparse.ArgumentParser) -> None:
    """Add the arguments of `mitmvcr orphans`."""
    add = command.add_argument
    add(
        "--dir",
        type=Path,
        metavar="DIR",
        help="the folder of the cassettes; default: mitmvcr.toml's, or recordings",
    )
    add(
        "--report",
        action="extend",
        nargs="+",
        type=Path,
        metavar="FILE",
        help="JSON reports of runs, merged; default: mitmvcr.toml's",
    )
    add("--delete", action="store_true", help="delete them, after asking on a terminal")
    add("--yes", action="store_true", help="do not ask")
    add("--format", choices=("text", "json"), default="text", help="default: text")
