"""`mitmvcr env`: what `mitmvcr run` sets, as lines for a shell, direnv, GitHub Actions or docker."""

from __future__ import annotations

import argparse
import os
import secrets
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path

from mitmvcr.cli.parsers import running
from mitmvcr.cli.render import terminal
from mitmvcr.config.settings import Mode, parse_mode
from mitmvcr.errors import MitmvcrError
from mitmvcr.launch import folders
from mitmvcr.launch.contract import OPENAI, Ready
from mitmvcr.launch.environment import Changes, Via
from mitmvcr.launch.planning import ProxyPlan, plan
from mitmvcr.proxy import certificate_authority

_MOUNTED = "/mitmvcr"
_FOLDER = "mitmvcr"  # in mitmproxy's own


def run(given: argparse.Namespace) -> int:
    """Print the variables; raises MitmvcrError."""
    folder = Path(given.confdir or folders.CONFDIR).expanduser().absolute() / _FOLDER
    # A container has none of this machine's variables.
    around: Mapping[str, str] = {} if given.docker else os.environ
    host = given.host or (running.DOCKER_HOST if given.docker else "127.0.0.1")
    options = {"mode": given.mode} if given.mode else {}
    proxy_plan = plan(os.environ, options, upstream=given.upstream, via=Via(given.via))
    changes = proxy_plan.changes(_ready(given, proxy_plan, folder), folder, around, host)
    if given.docker:
        print(_docker(changes, folder))
        if not given.host:
            terminal.say(
                f"on Linux containers find {host} if it has --listen-host 172.17.0.1, docker's bridge"
            )
        return 0
    for line in _WRITERS[given.write](changes):
        print(line)
    return 0


def _ready(given: argparse.Namespace, proxy_plan: ProxyPlan, folder: Path) -> Ready:
    """What the proxy would say; a run of its own has asked it."""
    ca = certificate_authority.prepare(folder.parent)
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise MitmvcrError(f"{folder}: can't be made: {error.strerror}; give --confdir") from None
    upstreams = proxy_plan.launch.order.upstreams
    return Ready(
        given.port,
        running.reverse_ports(given, len(upstreams)),
        tuple(url or OPENAI for url in upstreams),
        str(ca.certificate),
        ca.hash,
        replays=parse_mode(proxy_plan.mode) is Mode.REPLAY,
    )


def _shell(changes: Changes) -> Iterator[str]:
    return (f"export {name}={shlex.quote(value)}" for name, value in changes.items())


def _direnv(changes: Changes) -> Iterator[str]:
    yield "# made by mitmvcr env --direnv"
    yield from _shell(changes)


def _github(changes: Changes) -> Iterator[str]:
    for name, value in changes.items():
        if "\n" in value:
            end = f"end-{secrets.token_hex(8)}"
            yield f"{name}<<{end}\n{value}\n{end}"
        else:
            yield f"{name}={value}"


_WRITERS = {"shell": _shell, "direnv": _direnv, "github": _github}


def _docker(changes: Changes, folder: Path) -> str:
    """Flags of docker run, on one line; the files are mounted."""
    words = ["--add-host", f"{running.DOCKER_HOST}:host-gateway", "--volume", f"{folder}:{_MOUNTED}:ro"]
    for name, value in changes.items():
        words += ["--env", f"{name}={value.replace(str(folder), _MOUNTED)}"]
    return shlex.join(words)
