"""The addon: mitmproxy's hooks, each of which translates a flow and calls the core."""

from __future__ import annotations

import asyncio
import atexit
import gc
import logging
import sys

from mitmproxy import ctx, exceptions, http
from mitmproxy.addonmanager import Loader
from mitmproxy.connection import Client
from mitmproxy.proxy.layer import NextLayer
from mitmproxy.proxy.layers import TCPLayer
from mitmproxy.proxy.layers.http import HttpStream
from mitmproxy.proxy.mode_specs import ReverseMode
from mitmproxy.proxy.server_hooks import ServerConnectionHookData
from mitmproxy.tls import TlsData

from mitmvcr.config.settings import Engine, Mode
from mitmvcr.control import api as control_api
from mitmvcr.errors import MitmvcrError, SettingsError
from mitmvcr.proxy import options
from mitmvcr.proxy.client_authority import Callers
from mitmvcr.proxy.engine_selection import Layers, watchers
from mitmvcr.proxy.exit_status import end_quietly, fail_at_exit
from mitmvcr.proxy.fail_closed import guard
from mitmvcr.proxy.flow_adapter import incoming, lead_here, line, response_of, take_off
from mitmvcr.proxy.hooks.traffic import Traffic
from mitmvcr.proxy.hooks.write_queue import Writing
from mitmvcr.proxy.patches import hook_dispatch, http1
from mitmvcr.proxy.patches.client_tls import Handshakes
from mitmvcr.reports import summary
from mitmvcr.serving.access_log import Lines
from mitmvcr.serving.cassette_selection import CONTROL_HOST, Named, asked_of, control_path, take_user
from mitmvcr.serving.outcomes import Answering, failed, named
from mitmvcr.serving.responder import Replies
from mitmvcr.sessions.table import Sessions

# Nothing is logged as an error: mitmproxy's ErrorCheck ends a process that logs one between its ports'
# opening and the end of `running`, when the first requests may be here already (11.0 to 12.2).
log = logging.getLogger(__name__)

_INSTEAD = "leave it out, or set vcr_engine=auto, which then serves through mitmproxy's hooks"


class VCR:
    """Records what goes to the API, or answers in its place; its state is the table of sessions."""

    name = "vcr"

    def __init__(self) -> None:
        self._given: set[str] = set()
        self._table: Sessions | None = None
        self._users: dict[str, Named] = {}
        self._callers = Callers()
        self._lines = Lines()
        self._answering = Answering(self._lines)
        self._writing = Writing(self._lines)
        self._traffic = Traffic(self._answering, self._writing)
        self._replies = Replies(self._sessions, self._answering, self._show_notes)
        self._handshakes = Handshakes()
        self._layers = Layers(self._replies, self._users, self._handshakes)
        self._running = False

    def _sessions(self) -> Sessions:
        if self._table is None:
            raise SettingsError("mitmvcr has ended, or was never configured")
        return self._table

    def recorded_from(self) -> str:
        """The base URL that the default cassette was recorded from; empty unless that is one host."""
        return self._sessions().recorded_from()

    def only_replays(self) -> bool:
        """Whether requests that name no cassette are answered from one, and none goes upstream."""
        return self._sessions().only_replays()

    # The process's life.

    def load(self, loader: Loader) -> None:
        """Declare the options."""
        http1.mend()
        hook_dispatch.quicken()
        self._given = options.declare(loader)

    def configure(self, updated: set[str]) -> None:
        """Check the options and open the default cassette; what is wrong ends the process here."""
        self._layers.forget()
        self._handshakes.forget()
        changed = {name.removeprefix(options.PREFIX) for name in updated if name.startswith(options.PREFIX)}
        if not changed:
            return
        if self._table is not None:
            self._given |= changed
        try:
            settings = options.settings(self._given)
            if self._table is not None and settings == self._table.settings:
                return  # mitmproxy takes back a value that was refused
            table = Sessions(settings, options.scrubber(settings))
            atexit.register(table.close_all)  # where no `done` comes: a port in use, say
            if self._table is None:
                table.open_default()
            else:
                self._writing.flush()
                table.take_over(self._table)
        except MitmvcrError as error:
            if self._running:
                raise exceptions.OptionsError(str(error)) from None  # type: ignore[no-untyped-call]
            options.end(error)
        options.set_mitmproxys_own(settings.mode)
        self._table = table
        self._show_notes()

    def running(self) -> None:
        """Everything is loaded: what is there now lives as long as the process."""
        self._running = True
        gc.freeze()
        self._layers.forget()
        self._lines.come_first()
        self._layers.quieten()
        if self._sessions().settings.engine is Engine.LAYER and (why := watchers()):
            print(f"mitmvcr: vcr_engine is 'layer', but {why}: {_INSTEAD}", file=sys.stderr, flush=True)
            fail_at_exit()
            ctx.master.shutdown()  # type: ignore[no-untyped-call]

    def done(self) -> None:
        """End what is open, say what came of it, and make the exit status fit."""
        end_quietly()
        self._layers.forget()
        self._traffic.end_all(self._table)
        self._lines.flush()
        if self._table is None:
            return
        self._table.close_all()
        failed = summary.finish(self._table.closed, self._table.failures, self._table.settings)
        self._table = None
        if failed and self._running:
            fail_at_exit()

    # A connection's life.

    def client_connected(self, client: Client) -> None:
        """Serve this machine alone, unless told where to listen: mitmproxy's default is all interfaces."""
        if not options.is_invited(client):
            client.error = (
                "mitmvcr serves this machine alone; --listen-host says where else it may be reached"
            )
            log.warning("%s is refused: %s", client.peername[0], client.error)

    def http_connect(self, flow: http.HTTPFlow) -> None:
        """The proxy's user names the cassette of everything in this tunnel."""
        if flow.response is None:
            asked = incoming(flow, None)
            user = take_user(asked, flow.metadata.get("proxyauth"))
            take_off(flow, asked)
            if user is not None:
                self._users[flow.client_conn.id] = user

    def next_layer(self, layer: NextLayer) -> None:
        """What isn't recorded goes through as it is, whatever it speaks."""
        address = layer.context.server.address
        # Behind CONNECT's stream there are already the layers that mitmproxy's own addon would have.
        tunnelled = any(isinstance(outer, HttpStream) for outer in layer.context.layers)
        if tunnelled and address and not self._is_ours(address[0]):
            layer.layer = TCPLayer(layer.context, ignore=True)
        self._callers.look(layer)
        if self._table is not None:
            self._layers.take(layer)

    def tls_start_client(self, data: TlsData) -> None:
        """Speak TLS in mitmproxy's place where it is for a recorded host: so it costs less."""
        address = data.context.server.address
        reverse = isinstance(data.context.client.proxy_mode, ReverseMode)
        if self._table is not None and address and (reverse or self._is_ours(address[0])):
            self._handshakes.start(data)

    def client_disconnected(self, client: Client) -> None:
        """Nobody is behind this connection any more."""
        self._users.pop(client.id, None)
        self._callers.forget(client)
        self._traffic.end_told(client.id, self._table)

    def server_connect(self, data: ServerConnectionHookData) -> None:
        """In replay nothing reaches upstream; the hooks see to that, and this sees to the hooks."""
        address = data.server.address
        if self._table is None:
            data.server.error = "mitmvcr has ended"
        elif self._table.settings.mode is not Mode.REPLAY:
            return
        elif isinstance(data.client.proxy_mode, ReverseMode) or (address and self._is_ours(address[0])):
            data.server.error = "mitmvcr replays: no connection goes upstream"

    # A request's life.

    @guard
    def requestheaders(self, flow: http.HTTPFlow) -> None:
        """Find the session, and take off what names it."""
        if flow.response is not None or flow.error is not None:
            return
        asked = incoming(flow, self._callers.host(flow))
        cassette = named(asked, self._users.get(flow.client_conn.id), flow.metadata.get("proxyauth"))
        take_off(flow, asked)
        if control_path(asked) is not None:
            flow.request.stream = False
        elif asked.is_reverse or self._is_ours(asked.host):
            self._traffic.begin(flow, asked, cassette, self._sessions())
            self._show_notes()

    @guard
    async def request(self, flow: http.HTTPFlow) -> None:
        """Answer from the cassette, refuse, or let it go upstream."""
        exchange = self._traffic.find(flow)
        asked = exchange.asked if exchange is not None else incoming(flow, self._callers.host(flow))
        path = control_path(asked)
        if exchange is not None and exchange.is_streaming(flow):
            exchange.upload_ended()
            if exchange.told:
                self._traffic.end(flow, self._table, cut=False)
        elif flow.response is not None:
            return
        elif path is not None:
            self._writing.flush()
            answer = control_api.handle(
                self._sessions(), asked_of(asked, path, flow.request.raw_content or b"")
            )
            flow.response = response_of(answer, asked)
        elif exchange is not None:
            answered = self._traffic.answer(flow, exchange, self._sessions())
            if answered is not None:
                wait, answer = answered
                if wait > 0:
                    await asyncio.sleep(wait)
                flow.response = response_of(answer, asked)

    @guard
    def responseheaders(self, flow: http.HTTPFlow) -> None:
        """From here on the body is teed: every chunk goes to the client as it comes."""
        exchange = self._traffic.find(flow)
        if exchange is None or flow.response is None or exchange.answered:
            return
        if exchange.recording and flow.response.status_code == 101:
            exchange.recording = False
            log.warning("%s: a WebSocket is passed through, not recorded", line(flow))
        exchange.headers_came(flow, flow.response)
        lead_here(exchange.asked, flow.response)

    @guard
    def response(self, flow: http.HTTPFlow) -> None:
        """The answer ended whole; where the request has not yet, the exchange goes on until it has."""
        exchange = self._traffic.find(flow)
        if exchange is not None and exchange.is_half(flow):
            exchange.told = True
        else:
            self._traffic.end(flow, self._table, cut=False)

    @guard
    def error(self, flow: http.HTTPFlow) -> None:
        """The client hung up, or upstream did: what ended whole before that is kept."""
        self._traffic.end(flow, self._table, cut=True)

    def fail_closed(self, flow: http.HTTPFlow, error: Exception) -> None:
        """Something in here is broken: the client is told so, and the request goes nowhere."""
        answer = failed(line(flow), error, self._table.fail if self._table is not None else None)
        if flow.response is None and flow.error is None:
            flow.request.stream = False
            flow.response = response_of(answer, incoming(flow, None))

    # What the hooks are made of.

    def _is_ours(self, host: str) -> bool:
        return host == CONTROL_HOST or self._sessions().is_recorded(host)

    def _show_notes(self) -> None:
        for opened in self._sessions():
            while opened.notes:
                note = opened.notes.pop(0)
                print(f"mitmvcr: {note}", file=sys.stderr, flush=True)
