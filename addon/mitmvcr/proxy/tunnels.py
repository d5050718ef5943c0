"""What becomes of a CONNECT and of what is in its tunnel: ours, looked into, passed on untouched, refused.

Where a process replays, a request may name a cassette that nobody has opened yet. It is seen where the tunnel
is of plain HTTP, and in TLS to a host that any cassette file has; other TLS is nobody's, and stays closed.
"""

from __future__ import annotations

import asyncio
import re

from mitmproxy import exceptions
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layer import NextLayer
from mitmproxy.proxy.layers import ClientTLSLayer, TCPLayer
from mitmproxy.proxy.layers.http import HttpLayer, HTTPMode, HttpStream
from mitmproxy.proxy.layers.tls import parse_client_hello

from mitmvcr.config.settings import Mode
from mitmvcr.http.hosts import canonical_host, is_address
from mitmvcr.proxy.fail_closed import ClosingLayer
from mitmvcr.serving.outcomes import Outcomes
from mitmvcr.serving.request_head import DEFAULT, CassetteChoice

_TLS_HANDSHAKE = b"\x16"
_LINE_LIMIT = 64 << 10
# The first line of a request of HTTP/1, and what one may begin with.
_REQUEST_LINE = re.compile(rb"[A-Za-z]{1,20} [^\r\n]{1,65536} HTTP/1\.[01]\r?\n")
_LINE_BEGINS = re.compile(rb"[A-Za-z]{1,20}(?: [^\r\n]*\r?)?")


class Tunnels:
    """The tunnels of a process; `choices` are what their users name, by the client's id."""

    def __init__(self, outcomes: Outcomes) -> None:
        self.choices: dict[str, CassetteChoice] = {}
        self._outcomes = outcomes

    async def is_refused(self, host: str, choice: CassetteChoice) -> bool:
        """Whether a CONNECT is refused at once: to a name that is none of ours, where others are.

        TLS in a tunnel to an address may name a host of ours.
        """
        if not self._outcomes.refuses_others() or is_address(canonical_host(host)):
            return False
        return not (self._outcomes.is_our_tunnel(host, "", choice) or await self._may_be_named(host))

    async def take(self, nextlayer: NextLayer) -> None:
        """Say what serves behind a CONNECT that isn't ours; what is looked into is others' to serve.

        Raises AddonHalt where more has to come before that is known.
        """
        context = nextlayer.context
        if _is_opened(context):
            return
        choice = self.choices.get(context.client.id, DEFAULT)
        host = context.server.address[0] if context.server.address else ""
        if not host or self._outcomes.is_our_tunnel(host, "", choice):
            return
        data: bytes = nextlayer.data_client()  # type: ignore[no-untyped-call]
        if data.startswith(_TLS_HANDSHAKE):
            name = _server_name(data)
            if self._outcomes.is_our_tunnel(host, name, choice) or await self._may_be_named(host, name):
                return
        elif self._outcomes.sessions().settings.mode is Mode.REPLAY and _is_request(data):
            nextlayer.layer = HttpLayer(context, HTTPMode.transparent)
            return
        if self._outcomes.refuses_others():
            self._outcomes.host_refused(canonical_host(host))
            nextlayer.layer = ClosingLayer(context)
        else:
            self._outcomes.traffic.passed.add(canonical_host(host))
            nextlayer.layer = TCPLayer(context, ignore=True)

    async def _may_be_named(self, *names: str) -> bool:
        """Whether a request to one of these may name a cassette, which is seen in its headers alone."""
        sessions = self._outcomes.sessions()
        if sessions.settings.mode is not Mode.REPLAY:
            return False
        hosts = [name for name in names if name]
        return any([await asyncio.to_thread(sessions.may_be_named, host) for host in hosts])


def _is_opened(context: Context) -> bool:
    """Whether TLS in a tunnel is spoken here already; what a client speaks to an HTTPS proxy is no matter."""
    layers = context.layers
    connect = next(at for at, outer in enumerate(layers) if isinstance(outer, HttpStream))
    return any(isinstance(inner, ClientTLSLayer) for inner in layers[connect:])


def _server_name(data: bytes) -> str:
    """What a ClientHello calls the server, empty if it doesn't; raises AddonHalt if it hasn't come whole."""
    try:
        hello = parse_client_hello(data)
    except (ValueError, EOFError):
        return ""
    if hello is None:
        raise exceptions.AddonHalt
    return hello.sni or ""


def _is_request(data: bytes) -> bool:
    """Whether a request of HTTP/1 begins here; raises AddonHalt if its line hasn't come whole."""
    if _REQUEST_LINE.match(data):
        return True
    if len(data) < _LINE_LIMIT and _LINE_BEGINS.fullmatch(data):
        raise exceptions.AddonHalt
    return False
