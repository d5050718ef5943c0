"""One exchange on its way upstream and back: the tee that gathers its body, and what it amounts to."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from mitmproxy import http

from mitmvcr import capture
from mitmvcr.httpfacts import bodiless
from mitmvcr.model import Interaction, Request
from mitmvcr.proxy.naming import url_of
from mitmvcr.sessions import Session


@dataclass(slots=True)
class Tee:
    """Passes every chunk on as it comes and keeps a copy; for mitmproxy's `message.stream`.

    An empty one is not passed on: mitmproxy would write it as the last chunk of a chunked body (an
    HTTP/2 frame may be empty, and up to mitmproxy 12.1 the one that ends a stream is).
    """

    chunks: list[bytes] = field(default_factory=list)

    def __call__(self, chunk: bytes) -> list[bytes]:
        if not chunk:
            return []
        self.chunks.append(chunk)
        return [chunk]

    @property
    def body(self) -> bytes:
        """All that has come so far."""
        return b"".join(self.chunks)


@dataclass(slots=True)
class Exchange:
    """A request to a recorded host, from its headers to its end.

    `refusal` says why there is no session, `answered` that nothing goes upstream. Times are of the
    monotonic clock, in nanoseconds.
    """

    session: Session | None = None
    refusal: str = ""
    answered: bool = False
    recording: bool = False
    upload: Tee | None = None
    download: Tee | None = None
    sent: int = 0
    waited: int = 0

    def request(self, flow: http.HTTPFlow) -> Request:
        """The request in the model's terms, with all of its headers."""
        body = self.upload.body if self.upload else flow.request.raw_content or b""
        return capture.request(flow.request.method, url_of(flow.request), pairs(flow.request.headers), body)

    def begin_recording(self) -> None:
        """The request goes upstream now."""
        self.recording = True
        self.sent = time.perf_counter_ns()

    def headers_came(self, flow: http.HTTPFlow) -> None:
        """The response's headers are there; its body is teed from here on."""
        self.waited = time.perf_counter_ns() - self.sent
        self.download = Tee()
        if flow.response is not None:
            _frame(flow.request, flow.response)
            flow.response.stream = self.download

    def interaction(self, flow: http.HTTPFlow, *, cut: bool = False) -> Interaction | None:
        """What is recorded of it; None if it did not end whole.

        `cut`: the connection went away before the end of the answer was seen.
        """
        if flow.response is None or self.download is None:
            return None
        body = self.download.body if self.download.chunks else flow.response.raw_content or b""
        head = head_of(flow.response)
        if cut and not (_is_complete(head, body) or capture.stream_is_whole(head, body)):
            return None
        request = self.request(flow)
        response = capture.response(request.method, head, body, self.waited, cut=cut)
        return Interaction(request, response)


def _frame(request: http.Request, response: http.Response) -> None:
    """Let a client of HTTP/1.1 know where an answer ends that HTTP/2 brought without a length.

    mitmproxy (11.0 to 12.2) would close the connection to say so.
    """
    framed = "content-length" in response.headers or bodiless(request.method, response.status_code)
    if request.http_version == "HTTP/1.1" and response.is_http2 and not framed:
        response.headers["Transfer-Encoding"] = "chunked"


def _is_complete(head: capture.Head, body: bytes) -> bool:
    lengths = [value for name, value in head.headers if name.lower() == "content-length"]
    return lengths == [str(len(body))]


def head_of(response: http.Response) -> capture.Head:
    """A response's status line and headers."""
    return capture.Head(
        response.status_code, response.reason, response.http_version, tuple(pairs(response.headers))
    )


def pairs(headers: http.Headers) -> Iterator[tuple[str, str]]:
    """Header fields as text, each once, bytes that are not UTF-8 as PEP 383 has them."""
    for name, value in headers.fields:
        yield name.decode("utf-8", "surrogateescape"), value.decode("utf-8", "surrogateescape")
