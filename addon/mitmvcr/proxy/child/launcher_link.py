"""The tie to whoever started the proxy: opens the reverse listeners, says where it serves, ends with him."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import shlex
import socket
import sys
from pathlib import Path

from mitmproxy import ctx
from mitmproxy.addons.proxyserver import Proxyserver
from mitmproxy.proxy.mode_servers import ServerInstance
from mitmproxy.proxy.mode_specs import ProxyMode

from mitmvcr.errors import MitmvcrError
from mitmvcr.launch import folders
from mitmvcr.launch.contract import GOODBYE, OPENAI, PORT, Order, Ready
from mitmvcr.launch.environment import found_upstream, is_loopback, origin, rebased
from mitmvcr.proxy.addon import VCR
from mitmvcr.proxy.certificate_authority import Authority
from mitmvcr.proxy.exit_status import fail_at_exit
from mitmvcr.proxy.upstream_proxy import UpstreamProxy
from mitmvcr.text import in_log

_IDLE = frozenset({"mitmproxy.addons.disable_h2c"})
"""Who warns of what harms nobody: Java's client asks for HTTP/2 on each connection, and takes HTTP/1.1."""
_TRIES = 5
_READ = 64

pending: list[LauncherLink] = []
"""The order that `entrypoint` has for the script; a plain mitmdump has none."""


def addons(vcr: VCR) -> list[object]:
    """What the script adds to the addon; where it is loaded anew because it was touched, nothing."""
    added: list[object] = []
    while pending:
        link = pending.pop()
        link.vcr = vcr
        added.append(link)
        if link.order.via:
            added.append(UpstreamProxy(link.order.via, link.order.direct))
    return added


class LauncherLink:
    """Serves the launcher's order; one for each process."""

    vcr: VCR

    def __init__(self, order: Order, ca: Authority) -> None:
        self.order = order
        self._ca = ca
        self._orphaned = False
        self._task: asyncio.Task[None] | None = None

    def load(self, _loader: object) -> None:
        """Take over what is said on the terminal."""
        if self.order.ready >= 0:
            logging.getLogger().addHandler(_TerminalHandler(verbose=self.order.verbose))

    def running(self) -> None:
        """The addon has its cassette, and the forward listener is open."""
        gc.enable()  # `entrypoint` has it off; the addon has put all that is there out of its reach
        loop = asyncio.get_running_loop()
        if self.order.alive >= 0:
            loop.add_reader(self.order.alive, self._launcher_ended)
        self._task = loop.create_task(self._serve())

    def done(self) -> None:
        """Whoever would remove the folder is no more."""
        if self._orphaned:
            folders.remove(Path(self.order.folder))

    def _launcher_ended(self) -> None:
        self._orphaned = os.read(self.order.alive, _READ) != GOODBYE
        asyncio.get_running_loop().remove_reader(self.order.alive)
        ctx.master.shutdown()  # type: ignore[no-untyped-call]

    async def _serve(self) -> None:
        """Open what is still to be opened, and say where all is; end where that can't be done."""
        try:
            ready = await self._open()
        except MitmvcrError as error:
            # A SystemExit in here would be shown with a traceback.
            print(f"mitmvcr: {error}", file=sys.stderr, flush=True)
            fail_at_exit()
            ctx.master.shutdown()  # type: ignore[no-untyped-call]
            return
        if self.order.ready >= 0:
            os.write(self.order.ready, ready.to_json().encode() + b"\n")
            os.close(self.order.ready)
        else:
            self._invite(ready)

    async def _open(self) -> Ready:
        found = found_upstream("", self.vcr.recorded_from())
        upstreams = tuple(url or found for url in self.order.upstreams)
        if "" in self.order.upstreams or not upstreams:
            self.vcr.record_host(found)
        listeners = zip(upstreams, self.order.ports, strict=True)
        reverse = [await self._listen(origin(url), port) for url, port in listeners]
        return Ready(
            forward=_port(_proxyserver().servers[ctx.options.mode[0]]),
            reverse=tuple(reverse),
            upstreams=upstreams,
            ca=str(self._ca.certificate),
            ca_hash=self._ca.hash,
            replays=self.vcr.only_replays(),
        )

    def _invite(self, ready: Ready) -> None:
        """Tell the user in the terminal what to paste into another."""
        from mitmvcr.launch.planning import reachable  # noqa: PLC0415 - a run has no use for it

        host = reachable(self.order.host)
        words = [self.order.hint] if self.order.hint else []
        found = [real for url, real in zip(self.order.upstreams, ready.upstreams, strict=True) if not url]
        words += [f"--upstream {shlex.quote(url)}" for url in found if url != OPENAI]
        words += [f"--host {host}"] if not is_loopback(f"http://{host}") else []
        words += [f"--port {ready.forward}"] if ready.forward != PORT else []
        if ready.reverse and ready.reverse[0] != ready.forward + 1:
            words.append(f"--reverse-port {ready.reverse[0]}")
        lines = [f"a forward proxy is at http://{host}:{ready.forward}"]
        for url, port in zip(ready.upstreams, ready.reverse, strict=True):
            lines.append(f"a reverse proxy is at http://{host}:{port}, in front of {origin(url)}")
        if not is_loopback(f"http://{self.order.host or '*'}"):
            lines.append("whoever can reach this machine's address can use it: let no one else in")
        lines += [
            "in another shell, for programs of any kind:",
            "",
            f'    eval "$({" ".join(["mitmvcr env", *words])})"',
        ]
        if ready.reverse:
            base = rebased(ready.upstreams[0], f"http://{host}:{ready.reverse[0]}")
            lines += [
                "",
                "or, for those that read it:",
                "",
                f"    export OPENAI_BASE_URL={shlex.quote(base)}",
            ]
        for line in lines:
            start = "" if not line or line.startswith(" ") else "mitmvcr: "
            print(start + line, file=sys.stderr, flush=True)

    async def _listen(self, upstream: str, port: int) -> int:
        """Open a reverse listener; the port. mitmproxy refuses a second one on port 0: it gets a number."""
        host = self.order.host
        for _ in range(1 if port else _TRIES):
            mode = f"reverse:{upstream}@{port or _free_port(host)}"
            modes = [*ctx.options.mode, mode]
            if await _proxyserver().servers.update([ProxyMode.parse(spec) for spec in modes]):
                ctx.options.update(mode=modes)  # type: ignore[no-untyped-call]
                return _port(_proxyserver().servers[mode])
        raise MitmvcrError(f"no reverse proxy can listen at {host}:{port or 'any port'}; give --reverse-port")


class _TerminalHandler(logging.Handler):
    """Warnings, on the terminal that a program under test is using; all that happens if `verbose`.

    Errors are mitmproxy's to show.
    """

    def __init__(self, *, verbose: bool) -> None:
        super().__init__(logging.INFO if verbose else logging.WARNING)

    def emit(self, record: logging.LogRecord) -> None:
        """Show a line."""
        ours = record.name.startswith("mitmvcr.")
        if not ours and (record.levelno < logging.WARNING or record.name in _IDLE):
            return
        if record.levelno < logging.ERROR or ours:
            with contextlib.suppress(OSError):  # a terminal that is gone
                print(f"mitmvcr: {in_log(record.getMessage(), lines=True)}", file=sys.stderr, flush=True)


def _proxyserver() -> Proxyserver:
    server: Proxyserver = ctx.master.addons.get("proxyserver")  # type: ignore[no-untyped-call]
    return server


def _port(server: ServerInstance[ProxyMode]) -> int:
    return next(int(address[1]) for address in server.listen_addrs)


def _free_port(host: str) -> int:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as unused:
        unused.bind((host, 0))
        return int(unused.getsockname()[1])
