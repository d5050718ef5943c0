"""The exchanges under way: begun, answered or sent on, ended; what the addon's hooks for requests do.

mitmproxy sends a request that streams live, whatever a hook answers: so one that a cassette may answer is
held until it is whole, and all else is teed on its way. What was recorded is written behind its answer.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from mitmproxy import http

from mitmvcr.errors import CassetteError, TooLargeError
from mitmvcr.model import Interaction, Request
from mitmvcr.proxy import flow_adapter
from mitmvcr.proxy.hooks.tee import Hold, Tee
from mitmvcr.proxy.hooks.write_queue import EndedExchange, WriteQueue
from mitmvcr.proxy.upstream_errors import UPSTREAM_FAILED, explained
from mitmvcr.recording import capture
from mitmvcr.replay import served_response
from mitmvcr.replay.served_response import ServedResponse
from mitmvcr.serving.outcomes import HostRefusedError, Outcomes, body_too_large, whole_request
from mitmvcr.serving.request_head import CassetteChoice, RequestHead, control_path
from mitmvcr.sessions.open_cassette import Forward, OpenCassette, Play, Verdict
from mitmvcr.text import in_log

log = logging.getLogger(__name__)

_SMALL = 64 << 10
"""Bytes of an upload, or of an error, that is not worth streaming: it goes on behind its last byte."""


@dataclass(slots=True)
class Exchange:
    """A request that is recorded, answered or refused, from its headers to its end.

    `head` is its head, less what named the cassette; `control` the path that it asks of the control API,
    None if it asks upstream; `cassette` its cassette, why that can't be used, or how it is refused before one
    is opened; `limit` the size, in bytes, of a body that is recorded or matched; `identified` gives a head
    its host's one spelling; `ignored` is what becomes of it by `vcr_ignore_requests`. `is_answered`: nothing
    goes upstream. `has_answer_ended`: the request has not.
    """

    flow: http.HTTPFlow
    head: RequestHead
    control: str | None
    cassette: OpenCassette | CassetteError | ServedResponse
    session: str
    limit: int
    identified: Callable[[RequestHead], RequestHead]
    ignored: ServedResponse | Forward | None = None
    is_answered: bool = False
    is_recording: bool = False
    has_answer_ended: bool = False
    _upload: Tee | None = None
    _download: Tee | None = None
    _is_uploaded: bool = False
    _request: Request | None = None
    _response: capture.ResponseHead | None = None
    _sent: int = 0  # nanoseconds of the monotonic clock
    _waited: int = 0  # nanoseconds

    def begin(self) -> None:
        """The request's headers are there: its body waits for what answers, or goes on as it comes."""
        request, cassette = self.flow.request, self.cassette
        length = flow_adapter.length_of(request)
        fits = length is not None and length <= self.limit
        if self.control is not None:
            request.stream = False
        elif not isinstance(cassette, OpenCassette):
            request.stream = False if fits else Hold(self.limit)
        elif self.ignored is not None:
            is_answered = isinstance(self.ignored, ServedResponse)
            request.stream = False if fits else Hold(self.limit) if is_answered else True
        elif cassette.replays and not (cassette.records and length and not fits):
            go_on = self._go_on if cassette.records else None
            request.stream = False if fits else Hold(self.limit, go_on)
        elif request.stream or length is None or length > _SMALL:
            self._upload = Tee(self.limit if cassette.records else -1, length)
            request.stream = self._upload
            if cassette.records:
                self.begin_recording()

    def begin_recording(self) -> None:
        """The request goes upstream, and what comes back is recorded."""
        self.is_recording = True
        self._sent = time.perf_counter_ns()

    def _go_on(self) -> Tee:
        self.begin_recording()
        self._upload = Tee(-1)
        return self._upload

    @property
    def is_streaming(self) -> bool:
        """Whether the request went upstream before its end had come."""
        return self._upload is not None and self.flow.request.stream is self._upload

    @property
    def is_half(self) -> bool:
        """Whether the answer ended before the request did, as some do that refuse it."""
        return self.is_streaming and not self._is_uploaded

    def upload_ended(self) -> None:
        """The end of a request that streams is there."""
        self._is_uploaded = True
        if self._response is None:
            self._sent = time.perf_counter_ns()

    def look_up(self, cassette: OpenCassette) -> Verdict | ServedResponse:
        """What the cassette says to the request, which is whole; may raise TooLargeError."""
        if self.ignored is not None:
            return self.ignored
        try:
            return cassette.answer(self.request(), self.session)
        except TooLargeError:
            if cassette.records:
                return Forward(record=True)  # and its end will say why it isn't recorded
            raise

    def request(self) -> Request:
        """The request as it came, in the model's terms, with all of its headers; raises TooLargeError."""
        if self._request is None:
            self._check_upload()
            flow = self.flow
            body = flow.request.raw_content or b""
            if self._upload is not None and self.is_streaming:
                body = self._upload.body
            elif isinstance(flow.request.stream, Hold) and flow.request.stream.dropped:
                raise body_too_large("request", self.limit, flow.request.stream.dropped + len(body))
            # Read anew: another addon may have changed it since.
            head = self.identified(flow_adapter.request_head(flow, None))
            self._request = whole_request(head, body, self.limit)
        return self._request

    def answer_begins(self, response: http.Response) -> None:
        """The response's headers are there; its body is teed from here on."""
        if self.is_recording and response.status_code == 101:
            self.is_recording = False
            host = in_log(self.head.host)
            log.warning("%s: a WebSocket is passed through, not recorded", host)
        if self.is_recording:
            self._waited = time.perf_counter_ns() - self._sent
            self._response = flow_adapter.response_head(response)
            self._download = Tee(self.limit, flow_adapter.length_of(response))
        flow_adapter.reframe(self.flow.request, response, self.head)
        tee = self._download
        if tee is not None and _comes_whole(response):
            response.stream = Hold(_SMALL, lambda: tee)
        else:
            response.stream = tee or True

    def interaction(self, *, cut: bool) -> Interaction | None:
        """What is recorded of it; None if it did not end whole.

        `cut`: the connection went away before the end of the answer was seen. Raises TooLargeError.
        """
        response, head, download = self.flow.response, self._response, self._download
        if response is None or head is None or download is None:
            return None
        self._check_upload()
        self._check("answer", download)
        if self.is_half:
            return None
        body = download.body if download.chunks else response.raw_content or b""
        if response.trailers:
            head = replace(head, trailers=tuple(flow_adapter.pairs(response.trailers)))
        try:
            if cut and not (_is_complete(head, body) or capture.stream_is_whole(head, body, self.limit)):
                return None
            method = self.flow.request.method
            answer = capture.response(method, head, body, self._waited, self.limit, cut=cut)
        except TooLargeError:
            raise body_too_large("answer", self.limit) from None
        return Interaction(self.request(), answer)

    def let_go(self) -> None:
        """Hold on to no body: the flow, which mitmproxy keeps for a while, does so to what copied them."""
        for tee in (self._upload, self._download):
            if tee is not None:
                tee.chunks.clear()

    @property
    def ending(self) -> str:
        """How it ended, if not whole, for a log line."""
        if self._response is None:
            return "the connection closed before an answer came"
        error = self.flow.error if UPSTREAM_FAILED in self.flow.metadata else None
        return "it broke off before its end" + (f" ({error.msg})" if error else "")

    def _check_upload(self) -> None:
        if self._upload is not None and self.is_streaming:
            self._check("request", self._upload)

    def _check(self, what: str, tee: Tee) -> None:
        if tee.is_too_large:
            raise body_too_large(what, self.limit, tee.total)


def _comes_whole(response: http.Response) -> bool:
    """Whether the client gets the answer at once, behind its last byte, if it isn't large.

    openai-node 7 hangs up on one that it will retry as soon as it has read the headers; then
    nothing but what is here already can be recorded.
    """
    return response.status_code >= 300 and (flow_adapter.length_of(response) or 0) <= _SMALL


def _is_complete(head: capture.ResponseHead, body: bytes) -> bool:
    lengths = [value for name, value in head.headers if name.lower() == "content-length"]
    return lengths == [str(len(body))]


class Exchanges:
    """The open exchanges of a process, by flow."""

    def __init__(self, outcomes: Outcomes, write_queue: WriteQueue) -> None:
        self._open: dict[str, Exchange] = {}
        self._outcomes = outcomes
        self._write_queue = write_queue

    def begin(self, flow: http.HTTPFlow, head: RequestHead, choice: CassetteChoice) -> None:
        """A request's headers came: it is ours to record or answer, or goes on unseen."""
        outcomes = self._outcomes
        head = outcomes.identified(head, choice)
        control = control_path(head)
        outcomes.traffic.request_came(flow.client_conn.id, head.host)
        cassette: OpenCassette | CassetteError | ServedResponse
        if control is not None:
            cassette = CassetteError("the control API has no cassette")
        elif head.is_reverse or outcomes.is_ours(head, choice):
            cassette = outcomes.head_refusal(head) or outcomes.open(choice)
        elif outcomes.refuses_others():
            cassette = HostRefusedError(head.host)
        else:
            outcomes.traffic.passed.add(head.host)
            return
        ignored = outcomes.ignored(head, cassette) if isinstance(cassette, OpenCassette) else None
        identified = partial(outcomes.identified, choice=choice)
        limit = outcomes.max_body()
        exchange = Exchange(flow, head, control, cassette, choice.session, limit, identified, ignored)
        self._open[flow.id] = exchange
        exchange.begin()
        if isinstance(cassette, OpenCassette):
            outcomes.show_notes(cassette)

    async def settle(self, flow: http.HTTPFlow) -> None:
        """Wait until what answers a request is not being written to."""
        exchange, queue = self._open.get(flow.id), self._write_queue
        if exchange is None:
            return
        if exchange.control is not None:
            await queue.settle()
        elif isinstance(exchange.cassette, OpenCassette) and exchange.cassette.replays:
            await queue.settle(exchange.cassette)

    def answer(self, flow: http.HTTPFlow) -> tuple[float, http.Response] | None:
        """The request is whole: seconds to wait and the answer, or None if it goes, or went, upstream."""
        exchange = self._open.get(flow.id)
        if exchange is None:
            return None
        if exchange.is_streaming:
            exchange.upload_ended()
            if exchange.has_answer_ended:
                self._end(exchange, cut=False)
        elif flow.response is None:
            return self._answer(exchange)
        return None

    def _answer(self, exchange: Exchange) -> tuple[float, http.Response] | None:
        flow, head, outcomes = exchange.flow, exchange.head, self._outcomes
        exchange.is_answered = True
        if exchange.control is not None:
            document = outcomes.control(head, exchange.control, flow.request.raw_content or b"")
            return 0.0, flow_adapter.response(document, head)
        wait = 0.0
        outcome: Play | Forward | ServedResponse
        line = outcomes.line(head)
        if isinstance(exchange.cassette, ServedResponse):
            return 0.0, flow_adapter.response(exchange.cassette, head)
        outcome = outcomes.decide(line, exchange.cassette, exchange.look_up)
        if isinstance(outcome, Forward):
            exchange.is_answered = False
            if outcome.record:
                exchange.begin_recording()
            return None
        if isinstance(outcome, Play):
            wait = outcome.wait
            outcomes.replayed(line, outcome.interaction.id)
            method, version = flow.request.method, flow.request.http_version
            outcome = served_response.replayed(outcome.response, method, version)
        return wait, flow_adapter.response(outcome, head)

    def answer_begins(self, flow: http.HTTPFlow) -> None:
        """The headers of upstream's answer are there."""
        exchange = self._open.get(flow.id)
        if exchange is not None and flow.response is not None and not exchange.is_answered:
            exchange.answer_begins(flow.response)

    def answer_ended(self, flow: http.HTTPFlow) -> None:
        """The answer ended whole; where the request has not yet, the exchange goes on until it has."""
        exchange = self._open.get(flow.id)
        if exchange is not None and exchange.is_half:
            exchange.has_answer_ended = True
        elif exchange is not None:
            self._end(exchange, cut=False)

    def broke_off(self, flow: http.HTTPFlow) -> None:
        """The client hung up, or upstream did: what ended whole before that is kept."""
        exchange = self._open.get(flow.id)
        if exchange is None:
            return
        has_begun = flow.response is not None or exchange.is_answered
        if UPSTREAM_FAILED in flow.metadata and flow.error is not None and not has_begun:
            del self._open[flow.id]
            why = explained(flow.error.msg, flow.request.host)
            self._unanswered(exchange, why)
            flow.response = flow_adapter.response(served_response.upstream_failed(why), exchange.head)
        else:
            self._end(exchange, cut=True)

    def _unanswered(self, exchange: Exchange, why: str) -> None:
        """Say why nothing is recorded, or passed on, of a request that upstream did not answer."""
        if exchange.is_recording and isinstance(exchange.cassette, OpenCassette):
            exchange.cassette.report.unanswered += 1
        log.warning("%s: not answered: %s", self._outcomes.line(exchange.head), in_log(why))

    def has_any(self, client_id: str) -> bool:
        """Whether a request of this client's is under way that is recorded, answered or refused."""
        return any(exchange.flow.client_conn.id == client_id for exchange in self._open.values())

    def client_left(self, client_id: str) -> None:
        """No hook will tell of this client's requests that were answered before they ended."""
        for exchange in list(self._open.values()):
            if exchange.has_answer_ended and exchange.flow.client_conn.id == client_id:
                self._end(exchange, cut=True)

    def end_all(self) -> None:
        """The process ends, and with it what is open."""
        for exchange in list(self._open.values()):
            self._end(exchange, cut=True)
        self._write_queue.flush()

    def _end(self, exchange: Exchange, *, cut: bool) -> None:
        """The exchange has ended, whole or not: have it written down, or say why not."""
        self._open.pop(exchange.flow.id, None)
        cassette = exchange.cassette
        if not isinstance(cassette, OpenCassette) or not exchange.is_recording:
            return
        line = self._outcomes.line(exchange.head)
        try:
            interaction = exchange.interaction(cut=cut)
        except TooLargeError as error:
            cassette.report.too_large += 1
            log.warning("%s: not recorded, only passed on: %s", line, error)
            return
        if interaction is None:
            cassette.report.cut += 1
            log.warning("%s: not recorded, %s", line, in_log(exchange.ending))
            return
        if message := served_response.own_error(interaction.response):
            self._unanswered(exchange, f"upstream is another mitmvcr, which says: {message}")
            return
        exchange.let_go()
        self._write_queue.add(EndedExchange(line, interaction, cassette))
