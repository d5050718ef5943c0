"""Our layer in a connection: where it may stand, what would stand there else, and TLS in front of it.

It imports the patches, so it may only be imported where their gate lets it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from mitmproxy.proxy import layer
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers.http import HTTPMode, HttpStream
from mitmproxy.proxy.mode_specs import RegularMode, ReverseMode

from mitmvcr.proxy.layer.http1_layer import ReplayLayer
from mitmvcr.proxy.patches.client_tls import Handshakes, HostTlsLayer, Tunnel
from mitmvcr.proxy.patches.socket_bypass import shorten, unsent
from mitmvcr.serving.request_head import DEFAULT, CassetteChoice
from mitmvcr.serving.responder import Responder, Route

_HTTP1 = (None, b"", b"http/1.1", b"http/1.0")


class Placement:
    """Makes the layers of a process's connections; `choices` are those of its tunnels, by the client's id."""

    def __init__(self, responder: Responder, choices: dict[str, CassetteChoice]) -> None:
        self._responder = responder
        self._choices = choices
        self.handshakes = Handshakes()

    def place(self, context: Context, *, speaks_tls: bool) -> layer.Layer | None:
        """Our layer, None where it can't serve. `speaks_tls`: in its tunnels, too, past mitmproxy's hooks."""
        routed = self._route(context)
        if routed is None:
            return None
        route, stock = routed
        tunnel = self._tunnel(context, speaks_tls=speaks_tls)
        replay = ReplayLayer(context, route, self._responder, stock=stock, tunnel=tunnel, unsent=unsent)
        tls = next((outer for outer in context.layers if isinstance(outer, HostTlsLayer)), None)
        if tls is not None:
            shorten(context.client, partial(tls.at_once, replay.at_once))
        elif not context.client.tls:
            shorten(context.client, replay.at_once)
        return replay

    def _tunnel(self, context: Context, *, speaks_tls: bool) -> Callable[[CassetteChoice], layer.Layer]:
        def inside() -> layer.Layer:
            return self.place(context, speaks_tls=speaks_tls) or layer.NextLayer(context)

        def opened(choice: CassetteChoice) -> layer.Layer:
            if choice is not DEFAULT:
                self._choices[context.client.id] = choice
            return Tunnel(context, self.handshakes, inside) if speaks_tls else layer.NextLayer(context)

        return opened

    def _route(self, context: Context) -> tuple[Route, HTTPMode] | None:
        """What the connection says of its requests, and the mode of the HttpLayer that would stand there."""
        client, layers, address = context.client, context.layers, context.server.address
        mode = client.proxy_mode
        if client.transport_protocol != "tcp" or client.alpn not in _HTTP1:
            return None
        if isinstance(mode, RegularMode) and len(layers) == 1 and not client.tls:
            return Route(), HTTPMode.regular
        if isinstance(mode, ReverseMode) and mode.scheme in ("http", "https"):
            if len(layers) > 1 or client.tls or address is None:
                return None
            rewrites = not context.options.keep_host_header
            route = Route(mode.scheme, *address[:2], is_reverse=True, rewrites_host=rewrites)
            return route, HTTPMode.transparent
        name, choice = client.sni or "", self._choices.get(client.id, DEFAULT)
        if (
            address
            and _is_tunnel(layers)
            and self._responder.outcomes.is_our_tunnel(address[0], name, choice)
        ):
            scheme = "https" if context.server.tls else "http"
            return Route(scheme, *address[:2], tunnel=choice, server_name=name), HTTPMode.transparent
        return None


def _is_tunnel(layers: Sequence[layer.Layer]) -> bool:
    """Whether these are behind a CONNECT, which either we or mitmproxy have answered."""
    return any(isinstance(outer, (ReplayLayer, HttpStream)) for outer in layers)
