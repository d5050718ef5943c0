"""The exchanges under way: begun, answered or sent on, ended; what the addon's hooks are made of."""

from __future__ import annotations

import logging

from mitmproxy import http

from mitmvcr.errors import CassetteError, TooLargeError
from mitmvcr.http.content_coding import UNLIMITED
from mitmvcr.proxy.flow_adapter import line
from mitmvcr.proxy.hooks.exchange import Exchange
from mitmvcr.proxy.hooks.write_queue import Ended, Writing
from mitmvcr.replay import served_response
from mitmvcr.replay.served_response import ServedResponse
from mitmvcr.serving.cassette_selection import Named
from mitmvcr.serving.outcomes import Answering
from mitmvcr.serving.request_head import Incoming
from mitmvcr.sessions.open_cassette import Forward, Play
from mitmvcr.sessions.table import Sessions

log = logging.getLogger(__name__)


class Traffic:
    """The open exchanges of a process, by flow."""

    def __init__(self, answering: Answering, writing: Writing) -> None:
        self._open: dict[str, tuple[http.HTTPFlow, Exchange]] = {}
        self._answering = answering
        self._writing = writing

    def begin(self, flow: http.HTTPFlow, asked: Incoming, named: Named, sessions: Sessions) -> None:
        """A request's headers came that is ours to record or answer."""
        exchange = Exchange(asked, sessions.settings.max_body or UNLIMITED)
        self._open[flow.id] = (flow, exchange)
        try:
            exchange.session = sessions.get(named.cassette, named.session)
        except CassetteError as error:
            exchange.refusal = str(error)
        exchange.begin(flow)

    def find(self, flow: http.HTTPFlow) -> Exchange | None:
        """The flow's exchange, if it is one of ours and has not ended."""
        found = self._open.get(flow.id)
        return found[1] if found else None

    def answer(
        self, flow: http.HTTPFlow, exchange: Exchange, sessions: Sessions
    ) -> tuple[float, ServedResponse] | None:
        """Seconds to wait and the answer, or None if the request goes upstream."""
        exchange.answered = True
        if exchange.session is None:
            return 0.0, self._answering.refused(line(flow), exchange.refusal, sessions)
        try:
            verdict = exchange.session.answer(exchange.request(flow))
        except TooLargeError as error:
            if not exchange.session.cassette.records:
                return 0.0, self._answering.too_large(line(flow), error, sessions)
            exchange.answered = False
            exchange.begin_recording()  # and its end will say why it isn't
            return None
        match verdict:
            case Play(interaction, wait):
                self._answering.replayed(line(flow), interaction.id)
                version = flow.request.http_version
                return wait, served_response.replayed(interaction.response, flow.request.method, version)
            case Forward(record):
                exchange.answered = False
                if record:
                    exchange.begin_recording()
                return None
            case miss:
                return 0.0, self._answering.missed(miss)

    def end(self, flow: http.HTTPFlow, sessions: Sessions | None, *, cut: bool) -> None:
        """The exchange has ended, whole or not: have it written down, or say why not."""
        _, exchange = self._open.pop(flow.id, (flow, None))
        if sessions is None or exchange is None or exchange.session is None or not exchange.recording:
            return
        cassette = exchange.session.cassette
        try:
            interaction = exchange.interaction(flow, cut=cut)
            if interaction is None:
                cassette.report.cut += 1
                log.warning("%s: not recorded, it broke off before its end", line(flow))
                return
            self._writing.add(Ended(flow, interaction, cassette, sessions))
        except TooLargeError as error:
            cassette.report.too_large += 1
            log.warning("%s: not recorded, only passed on: %s", line(flow), error)

    def end_told(self, client: str, sessions: Sessions | None) -> None:
        """This client is gone: no hook will tell of its requests that were answered before they ended."""
        for flow, exchange in list(self._open.values()):
            if exchange.told and flow.client_conn.id == client:
                self.end(flow, sessions, cut=True)

    def end_all(self, sessions: Sessions | None) -> None:
        """The process ends, and with it what is open."""
        for flow, _ in list(self._open.values()):
            self.end(flow, sessions, cut=True)
        self._writing.flush()
