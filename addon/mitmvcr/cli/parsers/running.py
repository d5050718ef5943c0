"""The arguments of `run`, `proxy`, `env` and `ca`, and what they say of options and ports; starts nothing."""

from __future__ import annotations

import argparse

from mitmvcr.config.options import OPTIONS
from mitmvcr.config.settings import Others
from mitmvcr.errors import SettingsError
from mitmvcr.launch import folders
from mitmvcr.launch.contract import PORT
from mitmvcr.launch.environment import Via

WEB_PORT = 8090
"""From here on a free port is looked for, for mitmweb: its own, 8081, is the reverse proxy's here."""
DOCKER_HOST = "host.docker.internal"
"""This machine's name in a container."""
_LAST_PORT = 65535


def run(command: argparse.ArgumentParser) -> None:
    """Add the arguments of `mitmvcr run`."""
    add = command.add_argument
    add("-v", "--verbose", action="store_true", help="a line for each request")
    _add_ways(command)
    _add_options(command)
    add("command", nargs=argparse.REMAINDER, metavar="CMD", help=argparse.SUPPRESS)
    command.set_defaults(error=command.error)


def proxy(command: argparse.ArgumentParser) -> None:
    """Add the arguments of `mitmvcr proxy`."""
    add = command.add_argument
    add("--listen-host", default="127.0.0.1", metavar="HOST", help="default: 127.0.0.1")
    _add_ports(command)
    add("--web", action="store_true", help="mitmweb in place of mitmdump")
    add("--web-port", type=_port, metavar="PORT", help=f"mitmweb's; default: a free one from {WEB_PORT}")
    _add_ways(command)
    _add_options(command)
    add("mitmdump", nargs="*", metavar="ARGS", help=argparse.SUPPRESS)


def env(command: argparse.ArgumentParser) -> None:
    """Add the arguments of `mitmvcr env`."""
    what = command.add_mutually_exclusive_group()
    what.add_argument("--direnv", dest="write", action="store_const", const="direnv", help="for an .envrc")
    what.add_argument("--github", dest="write", action="store_const", const="github", help="for $GITHUB_ENV")
    what.add_argument("--docker", action="store_true", help="flags of docker run")
    add = command.add_argument
    add("--host", help=f"the proxy's; default: 127.0.0.1, with --docker {DOCKER_HOST}")
    _add_ports(command)
    add("--passwords", action="store_true", help="print users and passwords, which are left out else")
    add("--mode", help="with replay, a key where none is set; default: replay where CI=true is set")
    _add_ways(command, settings=False)
    command.set_defaults(write="shell")


def ca(command: argparse.ArgumentParser) -> None:
    """Add the arguments of `mitmvcr ca`."""
    command.add_argument(
        "--confdir",
        default=folders.CONFDIR,
        metavar="DIR",
        help=f"mitmproxy's folder; default: {folders.CONFDIR}",
    )


def _add_options(command: argparse.ArgumentParser) -> None:
    """A flag for each of the addon's options."""
    group = command.add_argument_group("what is recorded, and how (these can stand in mitmvcr.toml, too)")
    for option in OPTIONS:
        flag = "--" + option.name.replace("_", "-")
        default = f"; default: {option.default}" if option.default else ""
        if option.name == "mode":
            default += ", and replay where CI=true is set"
        help_ = (option.help.rstrip(".") + default).replace("%", "%%")
        last = "last" if option.name == "only_missed" else None  # what it means without a value
        group.add_argument(
            flag, dest=option.name, metavar=option.metavar, help=help_, nargs=last and "?", const=last
        )
    group.add_argument(
        "--offline",
        dest="others",
        action="store_const",
        const=Others.REFUSE.value,
        help="nothing goes to hosts that are not recorded: --others refuse",
    )


def _add_ports(command: argparse.ArgumentParser) -> None:
    """Where the proxy listens."""
    add = command.add_argument
    add(
        "--port",
        type=_port,
        default=PORT,
        metavar="PORT",
        help=f"the forward proxy's; 0 takes a free one; default: {PORT}",
    )
    add(
        "--reverse-port",
        type=_port,
        metavar="PORT",
        help="the reverse proxy's; default: the next one. AZURE_OPENAI_ENDPOINT's has the one after",
    )


def _port(text: str) -> int:
    """A port's number, for argparse."""
    number = int(text)
    if not 0 <= number <= _LAST_PORT:
        raise ValueError
    return number


def reverse_ports(given: argparse.Namespace, count: int) -> tuple[int, ...]:
    """The reverse listeners' ports; 0 stands for a free one."""
    first = given.reverse_port if given.reverse_port is not None else given.port and given.port + 1
    return tuple(first and first + number for number in range(count))


def _add_ways(command: argparse.ArgumentParser, *, settings: bool = True) -> None:
    """How programs come to the proxy, and how it goes on from there."""
    group = command.add_argument_group("ways to the proxy, and from it")
    group.add_argument(
        "--via",
        choices=tuple(Via),
        default=Via.AUTO,
        help="how programs come to it: as a forward proxy, by the API's base URL, or both (auto, default); "
        "some do other things where OPENAI_BASE_URL is set, and --via proxy sets none (docs/run.md)",
    )
    group.add_argument(
        "--upstream",
        default="",
        metavar="URL",
        help="the API's base URL; default: OPENAI_BASE_URL, else the only host in the cassette, "
        "else https://api.openai.com/v1",
    )
    group.add_argument(
        "--confdir", default="", metavar="DIR", help="where mitmproxy has its CA; default: ~/.mitmproxy"
    )
    if not settings:
        return
    group.add_argument(
        "--set",
        action="append",
        default=[],
        dest="settings",
        metavar="NAME=VALUE",
        help="an option of mitmproxy's own, as ssl_verify_upstream_trusted_ca=FILE",
    )


def options(given: argparse.Namespace) -> dict[str, str]:
    """The addon's options that were given."""
    values = {option.name: getattr(given, option.name) for option in OPTIONS}
    return {name: value for name, value in values.items() if value is not None}


def settings(given: argparse.Namespace) -> list[str]:
    """Mitmproxy's options that were given, for its command line; raises SettingsError."""
    arguments = []
    for setting in given.settings:
        name = setting.partition("=")[0]
        if name.startswith("vcr_"):
            flag = name.removeprefix("vcr_").replace("_", "-")
            raise SettingsError(f"--set {setting}: give --{flag}")
        if name in ("confdir", "mode", "listen_host", "listen_port", "scripts"):
            raise SettingsError(f"--set {setting}: mitmvcr sets {name}; see --help for flags")
        arguments += ["--set", setting]
    return arguments
