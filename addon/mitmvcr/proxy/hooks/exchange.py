"""One exchange on its way upstream and back: what is kept of its bodies, and what it amounts to."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

from mitmproxy import http

from mitmvcr.errors import TooLargeError
from mitmvcr.http.content_coding import UNLIMITED
from mitmvcr.model import Interaction, Request
from mitmvcr.proxy.flow_adapter import frame, head_of, incoming, length_of, pairs
from mitmvcr.proxy.hooks.tee import Hold, Tee
from mitmvcr.recording import capture
from mitmvcr.serving.request_head import Incoming
from mitmvcr.sessions.table import Session

_SMALL = 64 << 10
"""Bytes of an upload, or of an error, that is not worth streaming: it goes on behind its last byte."""


@dataclass(slots=True)
class Exchange:
    """A request to a recorded host, from its headers to its end.

    `refusal` says why there is no session, `answered` that nothing goes upstream, `told` that the
    answer has ended. `asked` is its head, less what named the cassette. `limit` is the size, in bytes, of a
    body that is recorded or matched.
    """

    asked: Incoming
    limit: int = UNLIMITED
    session: Session | None = None
    refusal: str = ""
    answered: bool = False
    recording: bool = False
    told: bool = False
    _upload: Tee | None = None
    _download: Tee | None = None
    _uploaded: bool = False
    _request: Request | None = None
    _head: capture.ResponseHead | None = None
    _sent: int = 0  # nanoseconds of the monotonic clock
    _waited: int = 0  # nanoseconds

    def begin(self, flow: http.HTTPFlow) -> None:
        """The request's headers are there: its body waits for what answers, or goes on as it comes."""
        length = length_of(flow.request)
        fits = length is not None and length <= self.limit
        cassette = self.session.cassette if self.session is not None else None
        if cassette is None or (cassette.replays and not (cassette.records and length and not fits)):
            # mitmproxy sends a request that streams live, whatever a hook answers.
            go_on = self._go_on if cassette is not None and cassette.records else None
            flow.request.stream = False if fits else Hold(self.limit, go_on)
        elif flow.request.stream or length is None or length > _SMALL:
            self._upload = Tee(self.limit if cassette.records else -1, length)
            flow.request.stream = self._upload
            if cassette.records:
                self.begin_recording()

    def begin_recording(self) -> None:
        """The request goes upstream, and what comes back is recorded."""
        self.recording = True
        self._sent = time.perf_counter_ns()

    def _go_on(self) -> Tee:
        self.begin_recording()
        self._upload = Tee(-1)
        return self._upload

    def is_streaming(self, flow: http.HTTPFlow) -> bool:
        """Whether the request went upstream before its end had come."""
        return self._upload is not None and flow.request.stream is self._upload

    def upload_ended(self) -> None:
        """The end of a request that streams is there."""
        self._uploaded = True
        if self._head is None:
            self._sent = time.perf_counter_ns()

    def is_half(self, flow: http.HTTPFlow) -> bool:
        """Whether the answer ended before the request did, as some do that refuse it."""
        return self.is_streaming(flow) and not self._uploaded

    def request(self, flow: http.HTTPFlow) -> Request:
        """The request as it came, in the model's terms, with all of its headers; raises TooLargeError."""
        if self._request is None:
            self._check_upload(flow)
            body = flow.request.raw_content or b""
            if self._upload is not None and self.is_streaming(flow):
                body = self._upload.body
            elif isinstance(flow.request.stream, Hold) and flow.request.stream.dropped:
                raise self._too_large("request", flow.request.stream.dropped + len(body))
            try:
                asked = incoming(flow, None)
                self._request = capture.request(asked.method, asked.url, asked.fields, body, self.limit)
            except TooLargeError:
                raise self._too_large("request") from None
        return self._request

    def headers_came(self, flow: http.HTTPFlow, response: http.Response) -> None:
        """The response's headers are there; its body is teed from here on."""
        if self.recording:
            self._waited = time.perf_counter_ns() - self._sent
            self._head = head_of(response)
            self._download = Tee(self.limit, length_of(response))
        frame(flow.request, response)
        tee = self._download
        if tee is not None and self._comes_whole(response):
            response.stream = Hold(_SMALL, lambda: tee)
        else:
            response.stream = tee or True

    def _comes_whole(self, response: http.Response) -> bool:
        """Whether the client gets the answer at once, behind its last byte, if it isn't large.

        openai-node 7 hangs up on one that it will retry as soon as it has read the headers; then
        nothing but what is here already can be recorded.
        """
        return response.status_code >= 300 and (length_of(response) or 0) <= _SMALL

    def interaction(self, flow: http.HTTPFlow, *, cut: bool = False) -> Interaction | None:
        """What is recorded of it; None if it did not end whole.

        `cut`: the connection went away before the end of the answer was seen. Raises TooLargeError.
        """
        response, head, download = flow.response, self._head, self._download
        if response is None or head is None or download is None:
            return None
        self._check_upload(flow)
        self._check("answer", download)
        if self.is_half(flow):
            return None
        body = download.body if download.chunks else response.raw_content or b""
        if response.trailers:
            head = replace(head, trailers=tuple(pairs(response.trailers)))
        try:
            if cut and not (_is_complete(head, body) or capture.stream_is_whole(head, body, self.limit)):
                return None
            answer = capture.response(flow.request.method, head, body, self._waited, self.limit, cut=cut)
        except TooLargeError:
            raise self._too_large("answer") from None
        return Interaction(self.request(flow), answer)

    def _check_upload(self, flow: http.HTTPFlow) -> None:
        if self._upload is not None and self.is_streaming(flow):
            self._check("request", self._upload)

    def _check(self, what: str, tee: Tee) -> None:
        if tee.is_too_large:
            raise self._too_large(what, tee.total)

    def _too_large(self, what: str, size: int | None = None) -> TooLargeError:
        return too_large(what, self.limit, size)


def too_large(what: str, limit: int, size: int | None = None) -> TooLargeError:
    """The error for a body of so many bytes, None for one that is too large when decoded."""
    large = f"{limit + 1:,} bytes or more when decoded" if size is None else f"{size:,} bytes"
    return TooLargeError(f"the body of its {what} has {large}, and vcr_max_body is {limit:,}")


def _is_complete(head: capture.ResponseHead, body: bytes) -> bool:
    lengths = [value for name, value in head.headers if name.lower() == "content-length"]
    return lengths == [str(len(body))]
