"""`mitmvcr ca`: where the proxy's certificate authority is; makes it, and installs it nowhere."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TypeAlias

from mitmvcr.launch import folders

Subparsers: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"  # noqa: SLF001 - its only name


def add_parser(commands: Subparsers) -> None:
    """Add the subcommand."""
    command = commands.add_parser(
        "ca",
        help="print the path of the proxy's CA certificate",
        description="Print the path of the certificate that programs must trust to use the forward proxy. "
        "It is made if there is none; it is installed nowhere.",
        epilog='example:  curl --cacert "$(mitmvcr ca)" -x http://127.0.0.1:8080 https://api.openai.com/v1',
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    command.add_argument(
        "--confdir",
        default=folders.CONFDIR,
        metavar="DIR",
        help=f"mitmproxy's folder; default: {folders.CONFDIR}",
    )
    command.set_defaults(run=run)


def run(given: argparse.Namespace) -> int:
    """Print the path; raises MitmvcrError if there is none, and none can be made."""
    from mitmvcr.proxy import certificate_authority  # noqa: PLC0415 - imports mitmproxy

    print(certificate_authority.prepare(Path(given.confdir).expanduser().absolute()).certificate)
    return 0
