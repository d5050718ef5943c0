"""What a subcommand's parser is made from, and arguments that several have; it runs nothing."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Subcommand:
    """A subcommand's help texts, and what adds its arguments; `usage` where argparse's own says it badly.

    `failure` is the exit status of an error: 2 where 1 says something of cassettes.
    """

    help: str
    description: str
    epilog: str
    add_arguments: Callable[[argparse.ArgumentParser], None]
    usage: str | None = None
    failure: int = 1


def positive(text: str) -> int:
    """A number from 1, for argparse."""
    number = int(text)
    if number < 1:
        raise ValueError
    return number


def add_jobs(command: argparse.ArgumentParser) -> None:
    """How many processes work."""
    command.add_argument("--jobs", type=positive, metavar="N", help="processes; default: one a core")
