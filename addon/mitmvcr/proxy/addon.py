"""The addon: mitmproxy's hooks, in the order of a process's, a connection's and a request's life.

Each translates what it is called with, and calls what decides.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import gc
import logging
import sys
from collections.abc import Callable, Iterator

from mitmproxy import ctx, exceptions, http
from mitmproxy.addonmanager import Loader
from mitmproxy.connection import Client
from mitmproxy.proxy.layer import NextLayer
from mitmproxy.proxy.layers.http import HttpStream
from mitmproxy.proxy.mode_specs import ReverseMode
from mitmproxy.proxy.server_hooks import ServerConnectionHookData
from mitmproxy.tls import TlsData

from mitmvcr.config.settings import Engine, Mode
from mitmvcr.errors import MitmvcrError, SettingsError
from mitmvcr.proxy import flow_adapter, log_privacy, options
from mitmvcr.proxy.engine_selection import EngineSelection, watchers
from mitmvcr.proxy.exit_status import end_on_hangup, end_quietly, fail_at_exit
from mitmvcr.proxy.fail_closed import Subject, guard, refuse_connection
from mitmvcr.proxy.flow_adapter import ClientAuthorities
from mitmvcr.proxy.hooks.exchanges import Exchanges
from mitmvcr.proxy.hooks.write_queue import WriteQueue
from mitmvcr.proxy.patches import gate
from mitmvcr.proxy.tunnels import Tunnels
from mitmvcr.reports import terminal_summary
from mitmvcr.serving.outcomes import Outcomes
from mitmvcr.serving.request_head import DEFAULT
from mitmvcr.serving.responder import Responder
from mitmvcr.sessions.table import Sessions

# Nothing is logged as an error: mitmproxy's ErrorCheck ends a process that logs one between its ports'
# opening and the end of `running`, when the first requests may be here already (11.0 to 12.3).
log = logging.getLogger(__name__)

_INSTEAD = "leave it out, or set vcr_engine=auto, which then serves through mitmproxy's hooks"


class VCR:
    """Records what goes to the API, or answers in its place; its state is the table of sessions."""

    name = "vcr"

    def __init__(self) -> None:
        self._given: set[str] = set()
        self._table: Sessions | None = None
        self._authorities = ClientAuthorities()
        self._outcomes = Outcomes(self._sessions, flow_adapter.reverse_ports)
        self._tunnels = Tunnels(self._outcomes)
        self._write_queue = WriteQueue(self._outcomes)
        self._exchanges = Exchanges(self._outcomes, self._write_queue)
        self._engines = EngineSelection(Responder(self._outcomes), self._tunnels.choices)
        self._running = False

    def _sessions(self) -> Sessions:
        if self._table is None:
            raise SettingsError("mitmvcr has ended, or was never configured")
        return self._table

    def recorded_from(self) -> str:
        """The base URL that the default cassette was recorded from; empty unless that is one host."""
        return self._sessions().recorded_from()

    def record_host(self, base_url: str) -> None:
        """Have the host of a base URL recorded, as the reverse listener in front of it does."""
        self._sessions().add_host(base_url)

    def only_replays(self) -> bool:
        """Whether requests that name no cassette are answered from one, and none goes upstream."""
        return self._sessions().only_replays()

    # The process's life.

    def load(self, loader: Loader) -> None:
        """Declare the options."""
        log_privacy.install()
        gate.put_in_place()
        self._given = options.declare(loader)

    def configure(self, updated: set[str]) -> None:
        """Check the options and open the default cassette; what is wrong ends the process here."""
        self._engines.options_changed()
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
                self._write_queue.flush()
                table.take_over(self._table)
        except MitmvcrError as error:
            if self._running:
                raise exceptions.OptionsError(str(error)) from None  # type: ignore[no-untyped-call]
            options.end(error)
        options.set_mitmproxys_own(settings.mode)
        self._table = table
        self._outcomes.show_notes()

    def running(self) -> None:
        """Everything is loaded: what is there now lives as long as the process."""
        self._running = True
        end_on_hangup()
        gc.freeze()
        self._engines.addons_changed()
        self._outcomes.access_log.come_first()
        self._engines.quieten()
        if self._sessions().settings.engine is Engine.LAYER and (why := watchers()):
            print(f"mitmvcr: vcr_engine is 'layer', but {why}: {_INSTEAD}", file=sys.stderr, flush=True)
            fail_at_exit()
            ctx.master.shutdown()  # type: ignore[no-untyped-call]

    def done(self) -> None:
        """End what is open, say what came of it, and make the exit status fit, whatever fails on the way."""
        end_quietly()
        self._engines.addons_changed()
        for step in (self._exchanges.end_all, self._outcomes.access_log.flush):
            with _going_on(self._outcomes.fail):
                step()
        table = self._table
        if table is None:
            return
        with _going_on(table.fail):
            table.close_all()
        self._table = None
        is_failed = True
        with _going_on(lambda problem: print(f"mitmvcr: {problem}", file=sys.stderr, flush=True)):
            self._end_connections()
            traffic = self._outcomes.traffic
            is_failed = terminal_summary.finish(table.closed, table.failures, table.settings, traffic)
        if is_failed and self._running:
            fail_at_exit()

    def _end_connections(self) -> None:
        """Those that are still open end with the process, and no hook will tell of them in time."""
        for handler in ctx.master.addons.get("proxyserver").connections.values():  # type: ignore[no-untyped-call]
            self._connection_ended(handler.client)

    def _connection_ended(self, client: Client) -> None:
        self._outcomes.traffic.connection_ended(client.id, flow_adapter.server_name(client))

    # A connection's life.

    @guard
    def client_connected(self, client: Client) -> None:
        """Serve this machine alone, unless told where to listen: mitmproxy's default is all interfaces."""
        if not options.is_invited(client):
            client.error = (
                "mitmvcr serves this machine alone; --listen-host says where else it may be reached"
            )
            log.warning("%s is refused: %s", client.peername[0], client.error)

    @guard
    async def http_connect(self, flow: http.HTTPFlow) -> None:
        """The proxy's user names the cassette of everything in this tunnel."""
        if flow.response is None:
            head, choice = flow_adapter.take_tunnel(flow)
            if choice is not None and choice.error:
                refusal = self._outcomes.refused(self._outcomes.line(head), choice.error)
                flow.response = flow_adapter.response(refusal, head)
            elif await self._tunnels.is_refused(head.host, choice or DEFAULT):
                flow.response = flow_adapter.response(self._outcomes.host_refused(head.host), head)
            elif choice is not None:
                self._tunnels.choices[flow.client_conn.id] = choice

    @guard
    async def next_layer(self, layer: NextLayer) -> None:
        """What isn't recorded goes through as it is, whatever it speaks."""
        # Behind CONNECT's stream there are already the layers that mitmproxy's own addon would have.
        if any(isinstance(outer, HttpStream) for outer in layer.context.layers):
            await self._tunnels.take(layer)
        self._authorities.look(layer)
        if self._table is not None:
            self._engines.take(layer)

    @guard
    def tls_start_client(self, data: TlsData) -> None:
        """Speak TLS in mitmproxy's place where it is for a recorded host: so it costs less."""
        address = data.context.server.address
        is_reverse = isinstance(data.context.client.proxy_mode, ReverseMode)
        if self._table is None or address is None:
            return
        if is_reverse or self._outcomes.is_served_host(address[0]):
            self._engines.start_tls(data)

    @guard
    def client_disconnected(self, client: Client) -> None:
        """Nobody is behind this connection any more."""
        self._tunnels.choices.pop(client.id, None)
        self._connection_ended(client)
        self._authorities.forget(client)
        self._exchanges.client_left(client.id)

    @guard
    def server_connect(self, data: ServerConnectionHookData) -> None:
        """In replay nothing reaches upstream; the hooks see to that, and this sees to the hooks."""
        address = data.server.address
        if self._table is None:
            data.server.error = "mitmvcr has ended"
            return
        is_reverse = isinstance(data.client.proxy_mode, ReverseMode)
        is_served = is_reverse or (address is not None and self._outcomes.is_served_host(address[0]))
        if is_served and self._table.settings.mode is Mode.REPLAY:
            data.server.error = "mitmvcr replays: no connection goes upstream"
        elif (
            not is_served
            and self._outcomes.refuses_others()
            # A request of ours may go to another address: that of a proxy, or one that TLS gives the name.
            and not self._exchanges.has_any(data.client.id)
        ):
            data.server.error = "mitmvcr refuses hosts that are not recorded (vcr_others=refuse)"

    # A request's life.

    @guard
    def requestheaders(self, flow: http.HTTPFlow) -> None:
        """Find the session, and take off what names it."""
        if flow.response is None and flow.error is None:
            tunnel = self._tunnels.choices.get(flow.client_conn.id)
            head, choice = flow_adapter.take_request(flow, self._authorities.of(flow), tunnel)
            self._exchanges.begin(flow, head, choice)

    @guard
    async def request(self, flow: http.HTTPFlow) -> None:
        """Answer from the cassette, refuse, or let it go upstream."""
        await self._exchanges.settle(flow)
        answer = self._exchanges.answer(flow)
        if answer is not None:
            wait, response = answer
            if wait > 0:
                await asyncio.sleep(wait)
            flow.response = response

    @guard
    def responseheaders(self, flow: http.HTTPFlow) -> None:
        """From here on the body is teed: every chunk goes to the client as it comes."""
        self._exchanges.answer_begins(flow)

    @guard
    def response(self, flow: http.HTTPFlow) -> None:
        """The answer ended whole: record it."""
        self._exchanges.answer_ended(flow)

    @guard
    def error(self, flow: http.HTTPFlow) -> None:
        """The client hung up, or upstream did: what ended whole before that is kept."""
        self._exchanges.broke_off(flow)

    # What ends all of these lives where something in here is broken.

    def fail_closed(self, subject: Subject, error: Exception) -> None:
        """The client is told so, and the request goes nowhere; or the connection is refused."""
        if not isinstance(subject, http.HTTPFlow):
            self._outcomes.failed("a connection", error)
            refuse_connection(subject, f"mitmvcr failed ({type(error).__name__}: {error})")
            return
        head = flow_adapter.request_head(subject, None)
        answer = self._outcomes.failed(self._outcomes.line(head), error)
        if subject.response is None and subject.error is None:
            subject.request.stream = False
            subject.response = flow_adapter.response(answer, head)


@contextlib.contextmanager
def _going_on(tell: Callable[[str], object]) -> Iterator[None]:
    """Whatever fails in here is told, and the process's end goes on."""
    try:
        yield
    except Exception as error:
        log.debug("mitmvcr failed at its end", exc_info=error)
        is_plain = isinstance(error, MitmvcrError)
        tell(str(error) if is_plain else f"mitmvcr failed at its end ({type(error).__name__}: {error})")
