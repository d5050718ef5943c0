"""Which layer serves a connection: ours, where it can, or mitmproxy's with its hooks."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from functools import partial

from mitmproxy import ctx
from mitmproxy.addonmanager import traverse
from mitmproxy.log import LegacyLogEvents
from mitmproxy.proxy import layer
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers.http import HTTPMode, HttpStream
from mitmproxy.proxy.mode_specs import RegularMode, ReverseMode

from mitmvcr.config.settings import Engine, Mode, Settings
from mitmvcr.proxy.layer.http1_layer import ReplayLayer
from mitmvcr.proxy.patches.client_tls import Handshakes, Session, Tunnel
from mitmvcr.proxy.patches.socket_bypass import shorten, unsent
from mitmvcr.serving.access_log import log as log_lines
from mitmvcr.serving.cassette_selection import NOBODY, Named
from mitmvcr.serving.responder import Place, Replies

_DUMP = "mitmproxy.tools.dump"
_PRIOR_KNOWLEDGE = b"PRI * HTTP/2.0"
_OPTIONS = (
    "allow_hosts",
    "anticache",
    "anticomp",
    "block_list",
    "body_size_limit",
    "dumper_filter",
    "hardump",
    "ignore_hosts",
    "map_local",
    "map_remote",
    "modify_body",
    "modify_headers",
    "proxyauth",
    "save_stream_file",
    "server_replay",
    "stickyauth",
    "stickycookie",
    "tcp_hosts",
)
"""Options of mitmproxy's that do something with flows, or with connections before they are HTTP."""
_HOOKS = (
    "add_log",
    "http_connect",
    "http_connected",
    "requestheaders",
    "request",
    "responseheaders",
    "response",
    "error",
)
_TUNNEL_HOOKS = (
    "next_layer",
    "tls_clienthello",
    "tls_start_client",
    "tls_established_client",
)
"""What nobody else may want to see for us to speak TLS without mitmproxy's hooks for it."""
_HTTP1 = (None, b"", b"http/1.1", b"http/1.0")
_MITMPROXYS = ("mitmproxy.", "mitmvcr.")


def watchers() -> str:
    """Who has to see flows, for a message; empty if nobody does."""
    if type(ctx.master).__module__ != _DUMP:
        return "this is not mitmdump"
    for name in _OPTIONS:
        if name in ctx.options and ctx.options.has_changed(name):  # type: ignore[no-untyped-call]
            return f"{name} is set"
    return _hook_of_others(_HOOKS)


def _hook_of_others(hooks: Sequence[str]) -> str:
    for addon in _others():
        for hook in hooks:
            if callable(getattr(addon, hook, None)):
                name = getattr(addon, "__name__", type(addon).__name__)
                return f"the script or addon {name} has the hook {hook}"
    return ""


def _handlers() -> Iterator[logging.Handler]:
    """Who shows lines, or keeps them."""
    return (one for one in logging.getLogger().handlers if not isinstance(one, LegacyLogEvents))


def _others() -> Iterator[object]:
    for addon in traverse(ctx.master.addons.chain):  # type: ignore[no-untyped-call]
        if not type(addon).__module__.startswith(_MITMPROXYS):
            yield addon


class Layers:
    """Puts our layer where it can serve; asks once who watches, and again when options change."""

    def __init__(self, replies: Replies, users: dict[str, Named], handshakes: Handshakes) -> None:
        self._replies = replies
        self._users = users
        self._handshakes = handshakes
        self._on: bool | None = None
        self._tunnels = False
        self._heard: bool | None = None

    def quieten(self) -> None:
        """Keep mitmproxy from running a hook for each line in its log while nobody has that hook.

        It is `add_log`, which is older than Python's logging there (12.2); it wakes the event loop for each.
        """
        for handler in logging.getLogger().handlers:
            if isinstance(handler, LegacyLogEvents):
                handler.addFilter(self._is_heard)

    def _is_heard(self, _line: logging.LogRecord) -> bool:
        if self._heard is None:
            self._heard = bool(_hook_of_others(("add_log",)))
        return self._heard

    def forget(self) -> None:
        """Options or addons may have changed."""
        self._on = self._heard = None

    def _is_on(self) -> bool:
        settings = self._replies.sessions().settings
        if self._on is None:
            self._on = is_wanted(settings) and not watchers()
            self._tunnels = self._on and not _hook_of_others(_TUNNEL_HOOKS)
            quiet = self._on and not any(handler.level <= logging.INFO for handler in _handlers())
            log_lines.setLevel(logging.WARNING if quiet else logging.NOTSET)
        return self._on

    def take(self, nextlayer: layer.NextLayer) -> None:
        """Our layer, if what the client begins with is its to serve; before, nothing is set."""
        data: bytes = nextlayer.data_client()  # type: ignore[no-untyped-call]
        if nextlayer.layer is not None or not data[:1].isalpha() or not self._is_on():
            return
        if _PRIOR_KNOWLEDGE.startswith(data[: len(_PRIOR_KNOWLEDGE)]):
            return
        nextlayer.layer = self._layer(nextlayer.context)

    def _layer(self, context: Context) -> layer.Layer | None:
        found = self._place(context)
        if found is None:
            return None
        place, stock = found
        tunnel = self._tunnel(context)
        made = ReplayLayer(context, place, self._replies, stock=stock, tunnel=tunnel, unsent=unsent)
        session = next((one for one in context.layers if isinstance(one, Session)), None)
        if session is not None:
            shorten(context.client, partial(session.at_once, made.at_once))
        elif not context.client.tls:
            shorten(context.client, made.at_once)
        return made

    def _tunnel(self, context: Context) -> Callable[[Named], layer.Layer]:
        def inside() -> layer.Layer:
            return self._layer(context) or layer.NextLayer(context)

        def opened(user: Named) -> layer.Layer:
            if user is not NOBODY:
                self._users[context.client.id] = user
            return Tunnel(context, self._handshakes, inside) if self._tunnels else layer.NextLayer(context)

        return opened

    def _place(self, context: Context) -> tuple[Place, HTTPMode] | None:
        client, layers, address = context.client, context.layers, context.server.address
        place = None
        stock = HTTPMode.transparent
        if client.transport_protocol != "tcp" or client.alpn not in _HTTP1:
            pass
        elif isinstance(client.proxy_mode, RegularMode) and len(layers) == 1 and not client.tls:
            place, stock = Place(), HTTPMode.regular
        elif address is None:
            pass
        elif isinstance(client.proxy_mode, ReverseMode) and client.proxy_mode.scheme in ("http", "https"):
            if len(layers) == 1 and not client.tls:
                rewrites = not context.options.keep_host_header
                place = Place(client.proxy_mode.scheme, *address[:2], is_reverse=True, rewrites_host=rewrites)
        elif _is_tunnel(layers) and self._replies.is_recorded(address[0]):
            scheme = "https" if context.server.tls else "http"
            place = Place(scheme, *address[:2], user=self._users.get(client.id, NOBODY))
        return (place, stock) if place is not None else None


def _is_tunnel(layers: Sequence[layer.Layer]) -> bool:
    """Whether these are behind a CONNECT, which either we or mitmproxy have answered."""
    return any(isinstance(one, (ReplayLayer, HttpStream)) for one in layers)


def is_wanted(settings: Settings) -> bool:
    """Whether the settings let our layer serve."""
    return settings.mode is Mode.REPLAY and settings.engine is not Engine.HOOKS
