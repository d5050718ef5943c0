"""What mitmproxy 11.0 to 12.3 gets wrong and no hook can help: mended in its classes, no more than that.

Without it, in HTTP/1: upstream's 1xx answers are taken for the answer, chunked requests with trailers hang,
trailers of HTTP/2 break the connection, bodies without a length are sent upstream without an end, bodies
larger than vcr_max_body are gathered whole, clients that end their side behind a request get no answer, and
Java's clients of TLS 1.3 wait for their end.
"""

from __future__ import annotations

import re
import time
from collections.abc import Generator
from typing import TYPE_CHECKING, Any, TypeAlias
from weakref import WeakKeyDictionary

import h11
from h11._readers import ChunkedReader
from mitmproxy.connection import ConnectionState
from mitmproxy.proxy import commands, events
from mitmproxy.proxy.layers.http import HttpStream, _http1
from mitmproxy.proxy.layers.http._events import (
    RequestData,
    RequestHeaders,
    RequestTrailers,
    ResponseData,
    ResponseTrailers,
)
from mitmproxy.proxy.layers.http._http1 import Http1Client, Http1Server
from mitmproxy.proxy.layers.tls import TLSLayer
from OpenSSL import SSL

from mitmvcr.proxy.hooks.tee import Hold
from mitmvcr.proxy.patches.upstream import without_answer

if TYPE_CHECKING:
    from mitmproxy.proxy.layers.http._events import HttpEvent

Commands: TypeAlias = "Generator[commands.Command, Any, None]"

_INFORMATIONAL = re.compile(rb"HTTP/1\.[01] 1(?!01)[0-9][0-9]\b")
_AT_ONCE = 1.0
"""Seconds behind its request in which a client that ends its side still waits for the answer."""
_CONTINUE = 100
_request_ends: WeakKeyDictionary[Http1Server, float] = WeakKeyDictionary()
"""When the end of a connection's last request came, by the monotonic clock, in seconds."""
_NO_ERROR = "TLS Error: (-1, "  # pyOpenSSL's SysCallError where OpenSSL's queue has none

# What is there before, once for a process: `mend` may be called again.
_read_headers = Http1Client.read_headers
_send_upstream = Http1Client.send
_send_to_client = Http1Server.send
_wait = Http1Server.wait
_mark_done = Http1Server.mark_done
_make_body_reader = _http1.make_body_reader
_read_chunk = ChunkedReader.__call__
_check_body_size = HttpStream.check_body_size
_receive_tls = TLSLayer.receive_data


def mend() -> None:
    """Put what follows in the place of mitmproxy's own."""
    Http1Client.read_headers = read_final_headers  # type: ignore[method-assign]
    Http1Client.send = send_framed  # type: ignore[method-assign]
    Http1Server.send = send_without_trailers  # type: ignore[method-assign]
    Http1Server.wait = wait  # type: ignore[method-assign, assignment]
    Http1Server.mark_done = mark_done  # type: ignore[method-assign]
    _http1.make_body_reader = make_body_reader
    HttpStream.check_body_size = check_body_size  # type: ignore[method-assign]
    TLSLayer.receive_data = receive_end  # type: ignore[method-assign]


def read_final_headers(self: Http1Client, event: events.ConnectionEvent) -> Commands:
    """Pass over 100, 102 and 103, as mitmproxy itself does in HTTP/2.

    In HTTP/1 it takes them for the answer, and what comes behind them for nobody's.
    """
    while self.request and _INFORMATIONAL.match(bytes(self.buf)):
        if self.buf.maybe_extract_lines() is None:
            break
    yield from without_answer(self, event, _read_headers(self, event))


class _WithoutTrailers(ChunkedReader):
    def __call__(self, buf: Any) -> Any:
        event = _read_chunk(self, buf)
        return h11.EndOfMessage() if type(event) is h11.EndOfMessage else event


def make_body_reader(expected_size: int | None) -> Any:
    """Discard HTTP/1's trailers (RFC 9112, 7.1.2); mitmproxy raises NotImplementedError and hangs."""
    return _WithoutTrailers() if expected_size is None else _make_body_reader(expected_size)


def send_without_trailers(self: Http1Server, event: HttpEvent) -> Commands:
    """Keep HTTP/2's trailers from a client of HTTP/1, where they are an AssertionError."""
    if not isinstance(event, ResponseTrailers):
        yield from _send_to_client(self, event)


def wait(self: Http1Server, event: events.Event) -> Commands:
    """Go on for a client that ends its side as soon as its request is sent, as `nc -N` does.

    Nothing tells it from one that hangs up. But who hangs up does so because it has waited, or when it has
    read something; and if it is gone, the answer's first bytes will show it.
    """
    if isinstance(event, events.ConnectionClosed):
        has_begun = self.response is not None and self.response.status_code != _CONTINUE
        is_at_once = time.monotonic() - _request_ends.get(self, 0.0) < _AT_ONCE
        if is_at_once and not has_begun and self.conn.state & ConnectionState.CAN_WRITE:
            return
    yield from _wait(self, event)


def mark_done(self: Http1Server, *, request: bool = False, response: bool = False) -> Commands:
    """Close the connection behind the last answer to a client that has ended its side."""
    if request:
        _request_ends[self] = time.monotonic()
    yield from _mark_done(self, request=request, response=response)
    is_open = self.conn.state & ConnectionState.CAN_WRITE
    if is_open and not self.conn.state & ConnectionState.CAN_READ and self.state == self.read_headers:
        yield commands.CloseConnection(self.conn)


def send_framed(self: Http1Client, event: HttpEvent) -> Commands:
    """Keep HTTP/2's trailers from an upstream of HTTP/1; give a body without a length the chunks it needs."""
    if isinstance(event, RequestTrailers):
        return
    if isinstance(event, RequestHeaders) and not event.end_stream:
        headers = event.request.headers
        if "Content-Length" not in headers and "Transfer-Encoding" not in headers:
            headers["Transfer-Encoding"] = "chunked"
    yield from _send_upstream(self, event)


def check_body_size(self: HttpStream, request: bool) -> Generator[commands.Command, Any, bool]:
    """Keep no more of a body than it may hold that waits: a request for an answer, an answer for its end."""
    message = self.flow.request if request else self.flow.response
    hold = message.stream if message is not None else None
    waiting = self.request_body_buf if request else self.response_body_buf
    if message is None or not isinstance(hold, Hold) or len(waiting) <= hold.limit:
        return (yield from _check_body_size(self, request))
    body = bytes(waiting)
    waiting.clear()  # type: ignore[no-untyped-call]
    if hold.go_on is None:
        hold.dropped += len(body)
        return False
    # As mitmproxy does for its own stream_large_bodies.
    message.stream = hold.go_on()
    yield from self.start_request_stream() if request else self.start_response_stream()
    data = RequestData(self.stream_id, body) if request else ResponseData(self.stream_id, body)
    yield from self.handle_event(data)
    return False


def receive_end(self: TLSLayer, data: bytes) -> Commands:
    """See the end of TLS 1.3 as Java sends it (JDK 17): `user_canceled` before `close_notify`.

    OpenSSL (3.4, 4.0) knows that it is the end and reports an error; mitmproxy logs that and goes on, while
    Java waits for its end.
    """
    for command in _receive_tls(self, data):
        is_end = isinstance(command, commands.Log) and command.message.startswith(_NO_ERROR)
        if not is_end or not self.tls.get_shutdown() & SSL.RECEIVED_SHUTDOWN:
            yield command
        elif self.conn.state & ConnectionState.CAN_READ:
            self.conn.state &= ~ConnectionState.CAN_READ
            yield from self.event_to_child(events.ConnectionClosed(self.conn))
