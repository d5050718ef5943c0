"""`mitmvcr proxy`: the proxy in the foreground, on loopback, for programs that are started elsewhere."""

from __future__ import annotations

import argparse
import os
import shlex
import socket
import sys
from dataclasses import replace
from typing import TypeAlias
from urllib.parse import urlsplit

from mitmvcr.cli.parsers import proxy_flags
from mitmvcr.errors import MitmvcrError
from mitmvcr.launch import folders
from mitmvcr.launch.contract import VARIABLE, Order
from mitmvcr.launch.environment import Via, base_urls, is_loopback, upstreams_of
from mitmvcr.launch.planning import plan

Subparsers: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"  # noqa: SLF001 - its only name

_WEB_PORT = 8090  # mitmweb's own, 8081, is the reverse proxy's here
_WEB_PORTS = 100

_EPILOG = """\
What stands behind -- goes to mitmdump (or mitmweb) as it is. The exit status is 0, or 1 if the cassette did
not hold.

examples:
  mitmvcr proxy                                  record once, then replay
  mitmvcr proxy --mode replay --cassette tests   offline, from recordings/tests.yaml
  mitmvcr proxy --upstream http://localhost:11434 --port 9000
  mitmvcr proxy --web                            look at the traffic in a browser
"""


def add_parser(commands: Subparsers) -> None:
    """Add the subcommand."""
    command = commands.add_parser(
        "proxy",
        help="run the proxy in the foreground",
        description="Run the proxy in the foreground: a forward proxy, and a reverse one for the API.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        usage="mitmvcr proxy [options] [-- ARGS...]",
        allow_abbrev=False,
    )
    command.add_argument("--listen-host", default="127.0.0.1", metavar="HOST", help="default: 127.0.0.1")
    proxy_flags.add_ports(command)
    command.add_argument("--web", action="store_true", help="mitmweb in place of mitmdump")
    command.add_argument(
        "--web-port",
        type=proxy_flags.port,
        metavar="PORT",
        help=f"mitmweb's; default: a free one from {_WEB_PORT}",
    )
    proxy_flags.add_ways(command)
    proxy_flags.add_options(command)
    command.add_argument("mitmdump", nargs="*", metavar="ARGS", help=argparse.SUPPRESS)
    command.set_defaults(run=run)


def run(given: argparse.Namespace) -> int:
    """Become the proxy."""
    names = base_urls(os.environ, given.upstream)
    ports = proxy_flags.reverse_ports(given, len(upstreams_of(names)))
    order = Order(
        given.confdir or str(folders.CONFDIR),
        given.listen_host,
        ports=ports if given.via != Via.PROXY else (),
        hint=_hint(given),
    )
    arguments = [*proxy_flags.settings(given), *(_web(given) if given.web else ()), *given.mitmdump]
    wanted = plan(
        os.environ,
        proxy_flags.options(given),
        upstream=given.upstream,
        via=Via(given.via),
        order=order,
        arguments=arguments,
    )
    for note in wanted.notes:
        print(f"mitmvcr: {note}", file=sys.stderr)
    one = wanted.launch
    if is_loopback(one.order.via) and urlsplit(one.order.via).port == given.port:
        # This shell was led to the proxy that is started now.
        one = replace(one, order=replace(one.order, via=""))
    launch = replace(one, program="mitmweb" if given.web else "mitmdump", port=given.port)
    sys.stdout.flush()
    sys.stderr.flush()
    command = launch.command()
    os.execve(command[0], command, {**os.environ, VARIABLE: one.order.to_json()})  # noqa: S606 - no shell


def _hint(given: argparse.Namespace) -> str:
    """What `mitmvcr env` must be given to mean this proxy, besides its ports."""
    words = []
    for name, usual in (("via", Via.AUTO), ("upstream", ""), ("confdir", "")):
        if getattr(given, name) != usual:
            words += [f"--{name}", str(getattr(given, name))]
    return shlex.join(words)


def _web(given: argparse.Namespace) -> list[str]:
    return ["--web-port", str(given.web_port or _free_web_port()), "--set", "web_open_browser=false"]


def _free_web_port() -> int:
    for port in range(_WEB_PORT, _WEB_PORT + _WEB_PORTS):
        with socket.socket() as one:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                one.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise MitmvcrError(f"no port from {_WEB_PORT} on is free for mitmweb; give one with --web-port")
