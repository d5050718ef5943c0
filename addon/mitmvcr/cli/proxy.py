"""`mitmvcr proxy`: mitmdump with the addon in it, in the foreground, on loopback."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TypeAlias

import mitmvcr
from mitmvcr.errors import MitmvcrError
from mitmvcr.settings import OPTIONS

Subparsers: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"  # noqa: SLF001 - its only name

SCRIPT = Path(mitmvcr.__file__).parent / "proxy" / "script.py"


def add_parser(commands: Subparsers) -> None:
    """Add the subcommand."""
    command = commands.add_parser(
        "proxy",
        help="run the proxy in the foreground",
        description="Run the proxy in the foreground: a forward proxy, or with --upstream a reverse one.",
        epilog="What stands behind -- goes to mitmdump as it is.",
        allow_abbrev=False,
    )
    command.add_argument("--listen-host", default="127.0.0.1", metavar="HOST", help="default: 127.0.0.1")
    command.add_argument("--port", default="8080", metavar="PORT", help="0 takes a free one; default: 8080")
    command.add_argument(
        "--upstream", metavar="URL", help="be a reverse proxy in front of this, as https://api.openai.com"
    )
    for option in OPTIONS:
        flag = "--" + option.name.replace("_", "-")
        default = f"; default: {option.default}" if option.default else ""
        command.add_argument(
            flag, dest=option.name, metavar=option.metavar, help=option.help.rstrip(".") + default
        )
    command.add_argument("mitmdump", nargs="*", metavar="-- ARGS", help="more arguments for mitmdump")
    command.set_defaults(run=run)


def run(given: argparse.Namespace) -> int:
    """Become mitmdump."""
    mitmdump = Path(sys.executable).with_name("mitmdump")
    if not mitmdump.exists():
        raise MitmvcrError(f"{mitmdump}: there is no mitmdump beside this Python; install mitmproxy there")
    command = [str(mitmdump), "-s", str(SCRIPT)]
    command += ["--listen-host", given.listen_host, "--listen-port", given.port]
    if given.upstream:
        command += ["--mode", f"reverse:{given.upstream}"]
    for option in OPTIONS:
        value = getattr(given, option.name)
        if value is not None:
            command += ["--set", f"vcr_{option.name}={value}"]
    sys.stdout.flush()
    os.execv(mitmdump, [*command, *given.mitmdump])  # noqa: S606 - no shell is wanted
