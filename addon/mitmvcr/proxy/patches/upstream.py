"""What mitmproxy 11.0 to 12.3 does less well with upstreams of HTTP/1 than clients do, mended in its classes.

Without it, a request on a kept connection that upstream has closed meanwhile is lost, an answer whose length
is said twice or beside chunks is refused, and what fails before an answer is a page of HTML to the client,
which then loses its connection. Go's net/http is the model: it sends once more what can't have been answered.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any, TypeAlias
from weakref import WeakSet

from mitmproxy import flow
from mitmproxy.net.http import http1, validate
from mitmproxy.proxy import commands, events
from mitmproxy.proxy.layers.http import (
    DropStream,
    GetHttpConnection,
    HttpLayer,
    HttpStream,
    SendHttp,
)
from mitmproxy.proxy.layers.http._base import ReceiveHttp
from mitmproxy.proxy.layers.http._events import (
    RequestData,
    RequestEndOfMessage,
    RequestHeaders,
    RequestProtocolError,
    RequestTrailers,
    ResponseData,
    ResponseEndOfMessage,
    ResponseHeaders,
    ResponseProtocolError,
)
from mitmproxy.proxy.layers.http._hooks import HttpErrorHook
from mitmproxy.proxy.layers.http._http1 import Http1Client

from mitmvcr.http.go_rules import bodiless
from mitmvcr.proxy.hooks.tee import Tee
from mitmvcr.proxy.upstream_errors import UPSTREAM_FAILED

if TYPE_CHECKING:
    from mitmproxy.connection import Connection
    from mitmproxy.http import Response

Commands: TypeAlias = "Generator[commands.Command, Any, None]"

_answered: WeakSet[Connection] = WeakSet()
"""Connections to upstreams on which an answer has come: such a one may be gone when it is used again."""
_sent_again: WeakSet[HttpStream] = WeakSet()

# What is there before, once for a process: `mend` may be called again.
_read_response_head = http1.read_response_head
_handle_protocol_error = HttpStream.handle_protocol_error
_wait_for_response_headers = HttpStream.state_wait_for_response_headers
_check_invalid = HttpStream.check_invalid
_get_connection = HttpLayer.get_connection


class UnansweredError(ResponseProtocolError):
    """Upstream, or its connection, went before anything of an answer came.

    `is_unprocessed`: upstream said that it has not looked at the request.
    """

    is_unprocessed: bool

    def __init__(self, stream_id: int, message: str, *, is_unprocessed: bool = False) -> None:
        super().__init__(stream_id, message, ResponseProtocolError.code)
        self.is_unprocessed = is_unprocessed


def mend() -> None:
    """Put what follows in the place of mitmproxy's own."""
    http1.read_response_head = read_response_head
    HttpStream.handle_protocol_error = handle_protocol_error  # type: ignore[method-assign]
    HttpStream.state_wait_for_response_headers = wait_for_response_headers  # type: ignore[method-assign]
    HttpStream.check_invalid = check_invalid  # type: ignore[method-assign]
    HttpLayer.get_connection = get_connection  # type: ignore[method-assign]


def read_response_head(lines: list[bytes]) -> Response:
    """Read an answer's head, and let it say its length once.

    Equal lengths are one (RFC 9110, 8.6), and none counts beside chunks (RFC 9112, 6.3) or has a meaning in
    an answer without a body. mitmproxy refuses them all.
    """
    response = _read_response_head(lines)
    headers = response.headers
    coding = headers.get("transfer-encoding")
    if coding is not None and (bodiless("GET", response.status_code) or coding.strip().lower() == "identity"):
        del headers["transfer-encoding"]
    elif coding is not None:
        headers.pop("content-length", None)
    lengths = {value.strip() for value in headers.get("content-length", "").split(",")}
    length = lengths.pop()
    if not lengths and length.isascii() and length.isdigit():
        headers["content-length"] = str(int(length))
    return response


def without_answer(client: Http1Client, event: events.ConnectionEvent, read: Commands) -> Commands:
    """What `read` makes of an event; where upstream closed before it said a word, that is told apart."""
    is_silent = isinstance(event, events.ConnectionClosed) and not client.buf
    for command in read:
        if is_silent and isinstance(command, ReceiveHttp):
            error = command.event
            if isinstance(error, ResponseProtocolError):
                yield ReceiveHttp(UnansweredError(error.stream_id, error.message))
                continue
        yield command


def wait_for_response_headers(self: HttpStream, event: ResponseHeaders) -> Commands:
    """Remember that this connection has answered."""
    _answered.add(self.flow.server_conn)
    yield from _wait_for_response_headers(self, event)


def check_invalid(self: HttpStream, request: bool) -> Generator[commands.Command, Any, bool]:
    """Refuse an answer that can't be trusted as any other error before an answer."""
    response = self.flow.response
    if request or response is None or not self.context.options.validate_inbound_headers:
        return (yield from _check_invalid(self, request))
    try:
        validate.validate_headers(response)
    except ValueError as error:
        self.flow.response = None
        yield commands.CloseConnection(self.flow.server_conn)
        refused = ResponseProtocolError(
            self.stream_id, f"Cannot parse HTTP response: {error}", ResponseProtocolError.code
        )
        yield from self.handle_protocol_error(refused)
        self.client_state = self.server_state = self.state_errored
        return True
    return False


def handle_protocol_error(self: HttpStream, event: RequestProtocolError | ResponseProtocolError) -> Commands:
    """Send once more what no answer came to, and let the hook for errors answer in upstream's place.

    mitmproxy answers with HTML, and closes the client's connection.
    """
    if not isinstance(event, ResponseProtocolError):
        yield from _handle_protocol_error(self, event)
        return
    self.flow.metadata[UPSTREAM_FAILED] = True
    if not _is_unanswered(self):
        yield from _handle_protocol_error(self, event)
        return
    if isinstance(event, UnansweredError) and _can_be_sent_again(self, event):
        del self.flow.metadata[UPSTREAM_FAILED]
        yield from _send_again(self)
        return
    self.flow.error = flow.Error(event.message)
    yield HttpErrorHook(self.flow)
    if (yield from self.check_killed(False)):
        return
    response = self.flow.response
    self.server_state = self.state_errored
    self.flow.live = False
    yield DropStream(self.stream_id)
    if response is None:
        yield SendHttp(event, self.context.client)
        return
    content = response.raw_content
    yield SendHttp(ResponseHeaders(self.stream_id, response, not content), self.context.client)
    if content:
        yield SendHttp(ResponseData(self.stream_id, content), self.context.client)
    yield SendHttp(ResponseEndOfMessage(self.stream_id), self.context.client)


def get_connection(self: HttpLayer, event: GetHttpConnection, *, reuse: bool = True) -> Commands:
    """Try anew where an earlier connection failed: a client that tries again comes on the same connection.

    mitmproxy, which closes that, gives it the first error again and again.
    """
    for connection in self.connections:
        if event.connection_spec_matches(connection) and connection not in self.waiting_for_establishment:
            connection.error = None
    yield from _get_connection(self, event, reuse=reuse)


def _is_unanswered(stream: HttpStream) -> bool:
    return (
        stream.flow.response is None
        and stream.client_state != stream.state_errored
        and stream.server_state in (stream.state_uninitialized, stream.state_wait_for_response_headers)
    )


def _can_be_sent_again(stream: HttpStream, event: UnansweredError) -> bool:
    """Whether the request can't have been answered, is here as far as it has come, and is sent once yet."""
    request = stream.flow.request
    is_here = not request.stream or (isinstance(request.stream, Tee) and not request.stream.is_too_large)
    is_lost = event.is_unprocessed or stream.flow.server_conn in _answered
    is_waiting = stream.server_state == stream.state_wait_for_response_headers
    return is_here and is_lost and is_waiting and stream not in _sent_again


def _send_again(stream: HttpStream) -> Commands:
    _sent_again.add(stream)
    if not (yield from stream.make_server_connection()):
        return
    request, upstream = stream.flow.request, stream.context.server
    body = request.stream.body if isinstance(request.stream, Tee) else request.raw_content
    is_whole = stream.client_state == stream.state_done
    ends = is_whole and not (body or request.trailers)
    yield SendHttp(RequestHeaders(stream.stream_id, request, ends), upstream)
    if body:
        yield SendHttp(RequestData(stream.stream_id, body), upstream)
    if is_whole and request.trailers:
        yield SendHttp(RequestTrailers(stream.stream_id, request.trailers), upstream)
    if is_whole:
        yield SendHttp(RequestEndOfMessage(stream.stream_id), upstream)
