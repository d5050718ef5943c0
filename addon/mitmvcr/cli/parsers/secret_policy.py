"""What `mitmvcr lint` and `mitmvcr scrub` have in common: their arguments and how these become a policy."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mitmvcr.scrub import Policy

_POLICY = ("keep_headers", "redact", "allow")


def add_arguments(command: argparse.ArgumentParser) -> None:
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
    command.add_argument("--jobs", type=positive, metavar="N", help="processes; default: one a core")


def positive(text: str) -> int:
    """A number from 1, for argparse."""
    number = int(text)
    if number < 1:
        raise ValueError
    return number


def policy_of(given: argparse.Namespace) -> Policy:
    """What mitmvcr.toml here says, and over it the command line; raises SettingsError and PolicyError."""
    from mitmvcr.config.settings import Settings, read_toml  # noqa: PLC0415
    from mitmvcr.scrub import Policy  # noqa: PLC0415 - the help needs none of it

    config = Path("mitmvcr.toml")
    texts = read_toml(config) if config.exists() else {}
    texts |= {name: getattr(given, name) for name in _POLICY if getattr(given, name) is not None}
    policy = Policy.of(Settings.parse(texts))
    if any(entry.startswith("py:") for entry in policy.redact):
        sys.path.append(str(Path.cwd()))  # as `python -m` has it, the installed command doesn't
    return policy


def count(number: int, noun: str) -> str:
    """`1 file`, `2 files`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
