"""The arguments of `mitmvcr run`, `proxy`, `env` and `ca`."""

from __future__ import annotations

import argparse

from mitmvcr.cli.parsers import proxy_flags
from mitmvcr.cli.parsers.subcommand import Subcommand
from mitmvcr.launch import folders

WEB_PORT = 8090
"""From here on a free port is looked for, for mitmweb: its own, 8081, is the reverse proxy's here."""
DOCKER_HOST = "host.docker.internal"
"""This machine's name in a container."""

_RUN_EPILOG = """\
The exit status is the program's, or 1 if it succeeded and the cassette did not hold: a request that nothing
recorded answers, an exchange that could not be written, with --strict true a recording that was never asked
for. 127: there is no such program; 126: it can't be executed.

examples:
  mitmvcr run -- pytest                              records once, then replays
  mitmvcr run --mode replay --cassette api -- go test ./...
  mitmvcr run --upstream http://localhost:11434 -- node ask.js
"""


def _run(command: argparse.ArgumentParser) -> None:
    command.add_argument("-v", "--verbose", action="store_true", help="a line for each request")
    proxy_flags.add_ways(command)
    proxy_flags.add_options(command)
    command.add_argument("command", nargs=argparse.REMAINDER, metavar="CMD", help=argparse.SUPPRESS)
    command.set_defaults(error=command.error)


_PROXY_EPILOG = """\
What stands behind -- goes to mitmdump (or mitmweb) as it is. The exit status is 0, or 1 if the cassette did
not hold.

examples:
  mitmvcr proxy                                  record once, then replay
  mitmvcr proxy --mode replay --cassette tests   offline, from recordings/tests.yaml
  mitmvcr proxy --upstream http://localhost:11434 --port 9000
  mitmvcr proxy --web                            look at the traffic in a browser
"""


def _proxy(command: argparse.ArgumentParser) -> None:
    command.add_argument("--listen-host", default="127.0.0.1", metavar="HOST", help="default: 127.0.0.1")
    proxy_flags.add_ports(command)
    command.add_argument("--web", action="store_true", help="mitmweb in place of mitmdump")
    command.add_argument(
        "--web-port",
        type=proxy_flags.port,
        metavar="PORT",
        help=f"mitmweb's; default: a free one from {WEB_PORT}",
    )
    proxy_flags.add_ways(command)
    proxy_flags.add_options(command)
    command.add_argument("mitmdump", nargs="*", metavar="ARGS", help=argparse.SUPPRESS)


_ENV_EPILOG = """\
examples:
  eval "$(mitmvcr env)"                             this shell's programs go through the proxy
  mitmvcr env --direnv > .envrc                     those started in this folder
  mitmvcr env --github >> "$GITHUB_ENV"             the following steps of a GitHub Actions job
  eval "docker run $(mitmvcr env --docker) IMAGE"   a container
"""


def _env(command: argparse.ArgumentParser) -> None:
    what = command.add_mutually_exclusive_group()
    what.add_argument("--direnv", dest="write", action="store_const", const="direnv", help="for an .envrc")
    what.add_argument("--github", dest="write", action="store_const", const="github", help="for $GITHUB_ENV")
    what.add_argument("--docker", action="store_true", help="flags of docker run")
    command.add_argument("--host", help=f"the proxy's; default: 127.0.0.1, with --docker {DOCKER_HOST}")
    proxy_flags.add_ports(command)
    command.add_argument(
        "--mode", help="with replay, a key where none is set; default: replay where CI=true is set"
    )
    proxy_flags.add_ways(command, settings=False)
    command.set_defaults(write="shell")


def _ca(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--confdir",
        default=folders.CONFDIR,
        metavar="DIR",
        help=f"mitmproxy's folder; default: {folders.CONFDIR}",
    )


SUBCOMMANDS = {
    "run": Subcommand(
        help="run a program whose API traffic is recorded or replayed",
        description="Run a program with a proxy that records what it says to the API, or replays it.",
        epilog=_RUN_EPILOG,
        usage="mitmvcr run [options] -- CMD [ARGS...]",
        add_arguments=_run,
    ),
    "proxy": Subcommand(
        help="run the proxy in the foreground",
        description="Run the proxy in the foreground: a forward proxy, and a reverse one for the API.",
        epilog=_PROXY_EPILOG,
        usage="mitmvcr proxy [options] [-- ARGS...]",
        add_arguments=_proxy,
    ),
    "env": Subcommand(
        help="print the variables that lead programs to a running mitmvcr proxy",
        description="Print the variables that lead programs to a running `mitmvcr proxy`; what makes them "
        "trust it is written into mitmproxy's folder.",
        epilog=_ENV_EPILOG,
        add_arguments=_env,
    ),
    "ca": Subcommand(
        help="print the path of the proxy's CA certificate",
        description="Print the path of the certificate that programs must trust to use the forward proxy. "
        "It is made if there is none; it is installed nowhere.",
        epilog='example:  curl --cacert "$(mitmvcr ca)" -x http://127.0.0.1:8080 https://api.openai.com/v1',
        add_arguments=_ca,
    ),
}
