"""`mitmvcr env`: what `mitmvcr run` sets, as lines for a shell, direnv, GitHub Actions or docker."""

from __future__ import annotations

import argparse
import contextlib
import os
import secrets
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path

from mitmvcr.cli.parsers import running
from mitmvcr.cli.render import terminal
from mitmvcr.config import load
from mitmvcr.config.settings import Mode, parse_mode
from mitmvcr.errors import CassetteError, MitmvcrError
from mitmvcr.launch import folders
from mitmvcr.launch.contract import Ready
from mitmvcr.launch.environment import (
    JAVA,
    Changes,
    Via,
    found_upstream,
    without_passwords,
    without_user,
)
from mitmvcr.launch.planning import ProxyPlan, plan
from mitmvcr.launch.trust import PHP_FOLDERS, WGETRC
from mitmvcr.proxy import certificate_authority
from mitmvcr.sessions.table import DEFAULT_NAME
from mitmvcr.store import cassette
from mitmvcr.store.locate import locate
from mitmvcr.store.recorded_url import only_base_url

_MOUNTED = "/mitmvcr"
_FOLDER = "mitmvcr"  # in mitmproxy's own


def run(given: argparse.Namespace) -> int:
    """Print the variables; raises MitmvcrError."""
    folder = Path(given.confdir or folders.CONFDIR).expanduser().absolute() / _FOLDER
    environ, upstream, reduced = _printable(given)
    # A container has none of this machine's variables.
    around: Mapping[str, str] = {} if given.docker else environ
    host = given.host or (running.DOCKER_HOST if given.docker else "127.0.0.1")
    options = {"mode": given.mode} if given.mode else {}
    proxy_plan = plan(environ, options, upstream=upstream, via=Via(given.via))
    changes = proxy_plan.changes(_ready(given, proxy_plan, folder), folder, around, host)
    if reduced:
        terminal.say(f"a password is left out of {', '.join(reduced)}; --passwords prints it")
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


def _printable(given: argparse.Namespace) -> tuple[Mapping[str, str], str, list[str]]:
    """The environment and --upstream as they may be printed, and what is not as it was given."""
    if given.passwords:
        return os.environ, given.upstream, []
    environ, reduced = without_passwords(os.environ)
    upstream = without_user(given.upstream)
    if given.docker:
        reduced = [name for name in reduced if name != JAVA]
    return environ, upstream, [*reduced, *(["--upstream"] if upstream != given.upstream else [])]


def _ready(given: argparse.Namespace, proxy_plan: ProxyPlan, folder: Path) -> Ready:
    """What the proxy would say; a run of its own has asked it."""
    ca = certificate_authority.prepare(folder.parent)
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise MitmvcrError(f"{folder}: can't be made: {error.strerror}; give --confdir") from None
    upstreams = proxy_plan.launch.order.upstreams
    found = found_upstream("", _recorded_from() if "" in upstreams else "")
    return Ready(
        given.port,
        running.reverse_ports(given, len(upstreams)),
        tuple(url or found for url in upstreams),
        str(ca.certificate),
        ca.hash,
        replays=parse_mode(proxy_plan.mode) is Mode.REPLAY,
    )


def _recorded_from() -> str:
    """The base URL that the cassette of mitmvcr.toml was recorded from, as the proxy finds it, too."""
    settings = load.read().settings({}, only=("dir", "cassette"))
    with contextlib.suppress(CassetteError):
        location = locate(settings.dir, settings.cassette or DEFAULT_NAME)
        if location.exists:
            return only_base_url(cassette.read(location.path).cassette.urls)
    return ""


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
        if name in (WGETRC, PHP_FOLDERS):  # in these files stand this machine's paths
            continue
        words += ["--env", f"{name}={value.replace(str(folder), _MOUNTED)}"]
    return shlex.join(words)
