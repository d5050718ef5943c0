"""`mitmvcr proxy`: the proxy in the foreground, on loopback, for programs that are started elsewhere."""

from __future__ import annotations

import argparse
import os
import shlex
import socket
import sys
from dataclasses import replace
from urllib.parse import urlsplit

from mitmvcr.cli.parsers import running
from mitmvcr.cli.render import terminal
from mitmvcr.errors import MitmvcrError
from mitmvcr.launch import folders
from mitmvcr.launch.contract import VARIABLE, Order
from mitmvcr.launch.environment import Via, base_urls, is_loopback, upstreams_of, without_user
from mitmvcr.launch.planning import plan

_PORTS_TRIED = 100


def run(given: argparse.Namespace) -> int:
    """Become the proxy."""
    urls_by_variable = base_urls(os.environ, given.upstream)
    ports = running.reverse_ports(given, len(upstreams_of(urls_by_variable)))
    order = Order(
        given.confdir or str(folders.CONFDIR),
        given.listen_host,
        ports=ports if given.via != Via.PROXY else (),
        hint=_hint(given),
    )
    arguments = [*running.settings(given), *(_web(given) if given.web else ()), *given.mitmdump]
    proxy_plan = plan(
        os.environ,
        running.options(given),
        upstream=given.upstream,
        via=Via(given.via),
        order=order,
        arguments=arguments,
    )
    for note in proxy_plan.notes:
        terminal.say(note)
    order = proxy_plan.launch.order
    if is_loopback(order.via) and urlsplit(order.via).port == given.port:
        order = replace(order, via="")  # this shell was led to the proxy that is started now
    program = "mitmweb" if given.web else "mitmdump"
    launch = replace(proxy_plan.launch, order=order, program=program, port=given.port)
    sys.stdout.flush()
    sys.stderr.flush()
    command = launch.command()
    os.execve(command[0], command, {**os.environ, VARIABLE: order.to_json()})  # noqa: S606 - no shell


def _hint(given: argparse.Namespace) -> str:
    """What `mitmvcr env` must be given to mean this proxy, besides its ports."""
    words = []
    for name, usual in (("via", Via.AUTO), ("upstream", ""), ("confdir", "")):
        if getattr(given, name) != usual:
            words += [f"--{name}", without_user(str(getattr(given, name)))]
    return shlex.join(words)


def _web(given: argparse.Namespace) -> list[str]:
    return ["--web-port", str(given.web_port or _free_web_port()), "--set", "web_open_browser=false"]


def _free_web_port() -> int:
    for port in range(running.WEB_PORT, running.WEB_PORT + _PORTS_TRIED):
        with socket.socket() as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listener.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise MitmvcrError(f"no port from {running.WEB_PORT} on is free for mitmweb; give one with --web-port")
