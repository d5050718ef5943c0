"""The addon: mitmproxy's hooks, each of which translates a flow and calls the core."""

from __future__ import annotations

import asyncio
import atexit
import functools
import gc
import inspect
import logging
import sys
from collections.abc import Awaitable, Callable
from typing import ParamSpec

from mitmproxy import exceptions, http
from mitmproxy.addonmanager import Loader
from mitmproxy.connection import Client
from mitmproxy.proxy.layer import NextLayer
from mitmproxy.proxy.layers import TCPLayer
from mitmproxy.proxy.layers.http import HttpStream
from mitmproxy.proxy.mode_specs import ReverseMode
from mitmproxy.proxy.server_hooks import ServerConnectionHookData

from mitmvcr import answers, control, summary
from mitmvcr.answers import Answer
from mitmvcr.errors import CassetteError, MitmvcrError, SettingsError
from mitmvcr.proxy import options
from mitmvcr.proxy.exchange import Exchange, Tee
from mitmvcr.proxy.exit import end_quietly, fail_at_exit
from mitmvcr.proxy.naming import CONTROL_HOST, NOBODY, Named, control_path, is_reverse, take_name, take_user
from mitmvcr.sessions import Miss, Play, Sessions
from mitmvcr.settings import Mode

# Nothing is logged as an error: mitmproxy's ErrorCheck ends a process that logs one between its ports'
# opening and the end of `running`, when the first requests may be here already (11.0 to 12.2).
log = logging.getLogger(__name__)

P = ParamSpec("P")


def guard(hook: Callable[P, Awaitable[None] | None]) -> Callable[P, Awaitable[None] | None]:
    """Fail closed: mitmproxy logs an exception in a hook and sends the request upstream all the same."""
    if inspect.iscoroutinefunction(hook):

        @functools.wraps(hook)
        async def guarded_async(*args: P.args, **kwargs: P.kwargs) -> None:
            try:
                await hook(*args, **kwargs)
            except Exception as error:  # noqa: BLE001 - the one guard at the hooks' edge
                _fail_closed(error, *args)

        return guarded_async

    @functools.wraps(hook)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            hook(*args, **kwargs)
        except Exception as error:  # noqa: BLE001 - the one guard at the hooks' edge
            _fail_closed(error, *args)

    return guarded


def _fail_closed(error: Exception, *args: object) -> None:
    vcr, flow = args
    if isinstance(vcr, VCR) and isinstance(flow, http.HTTPFlow):
        vcr.fail_closed(flow, error)


class VCR:
    """Records what goes to the API, or answers in its place; its state is the table of sessions."""

    name = "vcr"

    def __init__(self) -> None:
        self._given: set[str] = set()
        self._table: Sessions | None = None
        self._users: dict[str, Named] = {}
        self._exchanges: dict[str, tuple[http.HTTPFlow, Exchange]] = {}
        self._running = False

    def _sessions(self) -> Sessions:
        if self._table is None:
            raise SettingsError("mitmvcr has ended, or was never configured")
        return self._table

    # The process's life.

    def load(self, loader: Loader) -> None:
        """Declare the options."""
        self._given = options.declare(loader)

    def configure(self, updated: set[str]) -> None:
        """Check the options and open the default cassette; what is wrong ends the process here."""
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
            if self._table is not None:
                table.follow(self._table)
            atexit.register(table.close_all)  # where no `done` comes: a port in use, say
            table.open_default()
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

    def done(self) -> None:
        """End what is open, say what came of it, and make the exit status fit."""
        end_quietly()
        for flow, _ in list(self._exchanges.values()):
            self._end(flow, cut=True)
        if self._table is None:
            return
        self._table.close_all()
        failed = summary.finish(self._table)
        self._table = None
        if failed and self._running:
            fail_at_exit()

    # A connection's life.

    def http_connect(self, flow: http.HTTPFlow) -> None:
        """The proxy's user names the cassette of everything in this tunnel."""
        if flow.response is None:
            user = take_user(flow)
            if user is not None:
                self._users[flow.client_conn.id] = user

    def next_layer(self, layer: NextLayer) -> None:
        """What isn't recorded goes through as it is, whatever it speaks."""
        address = layer.context.server.address
        # Behind CONNECT's stream there are already the layers that mitmproxy's own addon would have.
        tunnelled = any(isinstance(outer, HttpStream) for outer in layer.context.layers)
        if tunnelled and address and not self._is_ours(address[0]):
            layer.layer = TCPLayer(layer.context, ignore=True)

    def client_disconnected(self, client: Client) -> None:
        """Nobody is behind this connection any more."""
        self._users.pop(client.id, None)

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
        user = take_user(flow) or self._users.get(flow.client_conn.id, NOBODY)
        named = take_name(flow, user)
        if control_path(flow) is not None:
            flow.request.stream = False
        elif is_reverse(flow) or self._is_ours(flow.request.host):
            self._begin(flow, named)

    @guard
    async def request(self, flow: http.HTTPFlow) -> None:
        """Answer from the cassette, refuse, or let it go upstream."""
        path = control_path(flow)
        _, exchange = self._exchanges.get(flow.id, (flow, None))
        if flow.response is not None:
            return
        if path is not None:
            answer = control.handle(
                self._sessions(), flow.request.method, path, flow.request.raw_content or b""
            )
            flow.response = _response(answer, flow.request.method)
        elif exchange is not None and exchange.upload is not None:
            exchange.begin_recording()
        elif exchange is not None:
            answered = self._answer(flow, exchange)
            if answered is not None:
                wait, answer = answered
                if wait > 0:
                    await asyncio.sleep(wait)
                flow.response = _response(answer, flow.request.method)

    @guard
    def responseheaders(self, flow: http.HTTPFlow) -> None:
        """From here on the body is teed: every chunk goes to the client as it comes."""
        _, exchange = self._exchanges.get(flow.id, (flow, None))
        if exchange is None or flow.response is None or exchange.session is None:
            return
        if exchange.recording and flow.response.status_code == 101:
            exchange.recording = False
            log.warning("%s: a WebSocket is passed through, not recorded", _line(flow))
        if exchange.recording:
            exchange.headers_came(flow)
        elif not exchange.answered:
            flow.response.stream = True

    @guard
    def response(self, flow: http.HTTPFlow) -> None:
        """The exchange ended whole."""
        self._end(flow, cut=False)

    @guard
    def error(self, flow: http.HTTPFlow) -> None:
        """The client hung up, or upstream did: what ended whole before that is kept."""
        self._end(flow, cut=True)

    def fail_closed(self, flow: http.HTTPFlow, error: Exception) -> None:
        """Something in here is broken: the client is told so, and the request goes nowhere."""
        message = f"mitmvcr failed ({type(error).__name__}: {error}); nothing was sent or recorded"
        log.warning("%s: %s", _line(flow), message)
        log.debug("mitmvcr failed", exc_info=error)
        if self._table is not None:
            self._table.fail(message)
        if flow.response is None and flow.error is None:
            flow.request.stream = False
            flow.response = _response(answers.failure(message), flow.request.method)

    # What the hooks are made of.

    def _is_ours(self, host: str) -> bool:
        return host == CONTROL_HOST or self._sessions().is_recorded(host)

    def _begin(self, flow: http.HTTPFlow, named: Named) -> None:
        exchange = Exchange()
        self._exchanges[flow.id] = (flow, exchange)
        try:
            exchange.session = self._sessions().get(named.cassette, named.session)
            self._show_notes()
        except CassetteError as error:
            exchange.refusal = str(error)
        if exchange.session is None or exchange.session.cassette.replays:
            flow.request.stream = False
        elif flow.request.stream and exchange.session.cassette.records:
            flow.request.stream = exchange.upload = Tee()
            exchange.begin_recording()

    def _answer(self, flow: http.HTTPFlow, exchange: Exchange) -> tuple[float, Answer] | None:
        """Seconds to wait and the answer, or None if the request goes upstream."""
        exchange.answered = True
        if exchange.session is None:
            self._sessions().fail(exchange.refusal)
            log.warning("%s: refused: %s", _line(flow), exchange.refusal)
            return 0.0, answers.refusal(exchange.refusal)
        match exchange.session.answer(exchange.request(flow)):
            case Play(interaction, wait):
                log.info("%s: replayed, interaction %d", _line(flow), interaction.id)
                version = flow.request.http_version
                return wait, answers.replayed(interaction.response, flow.request.method, version)
            case Miss(message):
                log.warning("miss: %s", message)
                return 0.0, answers.miss(message)
            case forward:
                exchange.answered = False
                if forward.record:
                    exchange.begin_recording()
                return None

    def _end(self, flow: http.HTTPFlow, *, cut: bool) -> None:
        _, exchange = self._exchanges.pop(flow.id, (flow, None))
        if exchange is not None:
            self._finish(flow, exchange, cut=cut)

    def _finish(self, flow: http.HTTPFlow, exchange: Exchange, *, cut: bool) -> None:
        if not exchange.recording or exchange.session is None:
            return
        cassette = exchange.session.cassette
        interaction = exchange.interaction(flow, cut=cut)
        if interaction is None:
            cassette.report.cut += 1
            log.warning("%s: not recorded, it broke off before its end", _line(flow))
            return
        try:
            cassette.record(interaction)
        except MitmvcrError as error:
            self._sessions().fail(error)
            log.warning("%s: not recorded: %s", _line(flow), error)
            return
        log.info("%s: recorded in %s", _line(flow), cassette.location.path)

    def _show_notes(self) -> None:
        for opened in self._sessions():
            while opened.notes:
                note = opened.notes.pop(0)
                print(f"mitmvcr: {note}", file=sys.stderr, flush=True)


def _line(flow: http.HTTPFlow) -> str:
    """A request in a log line: without its query, where keys are."""
    return f"{flow.request.method} {flow.request.host}{flow.request.path.partition('?')[0]}"


def _response(answer: Answer, method: str) -> http.Response:
    headers = http.Headers(
        [
            (name.encode("utf-8", "surrogateescape"), value.encode("utf-8", "surrogateescape"))
            for name, value in answer.headers
        ]
    )
    reason = answer.reason.encode("latin-1", "replace")
    body = b"" if method == "HEAD" else answer.body  # an error's too
    return http.Response(b"HTTP/1.1", answer.code, reason, headers, body, None, 0.0, 0.0)
