"""Which engine serves a connection: our layer, where it can, or mitmproxy's with its hooks."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from mitmproxy import ctx
from mitmproxy.addonmanager import traverse
from mitmproxy.log import LegacyLogEvents
from mitmproxy.proxy import layer
from mitmproxy.tls import TlsData

from mitmvcr.config.settings import Engine, Mode, Settings
from mitmvcr.proxy.patches import gate
from mitmvcr.serving.outcomes import access_lines
from mitmvcr.serving.request_head import CassetteChoice
from mitmvcr.serving.responder import Responder

if TYPE_CHECKING:
    from mitmvcr.proxy.layer.placement import Placement

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
_MITMPROXYS = ("mitmproxy.", "mitmvcr.")


def watchers() -> str:
    """Why our layer can't serve here, for a message: who has to see flows; empty if it can."""
    if why := gate.refusal():
        return why
    if type(ctx.master).__module__ != _DUMP:
        return "this is not mitmdump"
    for name in _OPTIONS:
        if name in ctx.options and ctx.options.has_changed(name):  # type: ignore[no-untyped-call]
            return f"{name} is set"
    return _hook_of_others(_HOOKS)


def _hook_of_others(hooks: Sequence[str]) -> str:
    for addon in traverse(ctx.master.addons.chain):  # type: ignore[no-untyped-call]
        if type(addon).__module__.startswith(_MITMPROXYS):
            continue
        for hook in hooks:
            if callable(getattr(addon, hook, None)):
                name = getattr(addon, "__name__", type(addon).__name__)
                return f"the script or addon {name} has the hook {hook}"
    return ""


class EngineSelection:
    """Puts our layer where it can serve; asks once who watches, and again when options change."""

    def __init__(self, responder: Responder, choices: dict[str, CassetteChoice]) -> None:
        self._settings: Callable[[], Settings] = lambda: responder.outcomes.sessions().settings
        self._placement: Placement | None = None
        if not gate.refusal():
            from mitmvcr.proxy.layer.placement import Placement  # noqa: PLC0415 - another mitmproxy may not have it

            self._placement = Placement(responder, choices)
        self._is_layer_on: bool | None = None
        self._speaks_tls = False
        self._is_log_heard: bool | None = None

    def quieten(self) -> None:
        """Keep mitmproxy from running a hook for each line in its log while nobody has that hook.

        It is `add_log`, which is older than Python's logging there (12.2); it wakes the event loop for each.
        """
        for handler in logging.getLogger().handlers:
            if isinstance(handler, LegacyLogEvents):
                handler.addFilter(self._is_heard)

    def _is_heard(self, _line: logging.LogRecord) -> bool:
        if self._is_log_heard is None:
            self._is_log_heard = bool(_hook_of_others(("add_log",)))
        return self._is_log_heard

    def addons_changed(self) -> None:
        """Addons may have come or gone."""
        self._is_layer_on = self._is_log_heard = None

    def options_changed(self) -> None:
        """Options may have changed, and with them the CA."""
        self.addons_changed()
        if self._placement is not None:
            self._placement.handshakes.forget()

    def _has_layer(self) -> bool:
        if self._is_layer_on is None:
            settings = self._settings()
            is_wanted = settings.mode is Mode.REPLAY and settings.engine is not Engine.HOOKS
            self._is_layer_on = is_wanted and not watchers()
            self._speaks_tls = self._is_layer_on and not _hook_of_others(_TUNNEL_HOOKS)
            is_shown = any(
                handler.level <= logging.INFO and not isinstance(handler, LegacyLogEvents)
                for handler in logging.getLogger().handlers
            )
            is_quiet = self._is_layer_on and not is_shown
            access_lines.setLevel(logging.WARNING if is_quiet else logging.NOTSET)
        return self._is_layer_on

    def take(self, nextlayer: layer.NextLayer) -> None:
        """Our layer, if what the client begins with is its to serve; before, nothing is set."""
        if nextlayer.layer is not None or self._placement is None:
            return
        data: bytes = nextlayer.data_client()  # type: ignore[no-untyped-call]
        speaks_http1 = data[:1].isalpha() and not _PRIOR_KNOWLEDGE.startswith(data[: len(_PRIOR_KNOWLEDGE)])
        if speaks_http1 and self._has_layer():
            nextlayer.layer = self._placement.place(nextlayer.context, speaks_tls=self._speaks_tls)

    def start_tls(self, data: TlsData) -> None:
        """Speak TLS with the client of a recorded host, where mitmproxy's insides are known."""
        if self._placement is not None:
            self._placement.handshakes.start(data)
