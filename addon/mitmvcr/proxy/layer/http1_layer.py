"""The serving layer: HTTP/1 from a client, answers from the cassettes; no flow, no hook, nothing upstream.

It stands where mitmproxy would put its HttpLayer. Each request is read whole before it is answered, and
answers go in the order of the requests. What isn't ours is handed, with every byte since the last answer,
to mitmproxy's own layers, which then keep the connection.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any, TypeAlias

import h11
from mitmproxy.connection import Client
from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers.http import HttpLayer, HTTPMode

from mitmvcr.replay import served_response
from mitmvcr.serving import request_parser
from mitmvcr.serving.request_head import CassetteChoice, RequestHead
from mitmvcr.serving.request_parser import HeadError, NotOursError
from mitmvcr.serving.responder import Responder, Route, RoutedHead
from mitmvcr.serving.response_bytes import assembled

Commands: TypeAlias = "Generator[commands.Command, Any, None]"

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_CONNECTED = b"HTTP/1.1 200 Connection established\r\n\r\n"
_AHEAD = 64 << 20
"""Bytes that a client may send ahead while an answer waits for its time."""
_BURST = 1 << 20
"""Bytes of answers to pipelined requests behind which the client must have read before it gets more."""
_PAUSE = 0.01  # seconds until that is looked at again
_TCP_TIMEOUT = 600
"""Seconds; mitmproxy 11.0 has them without an option."""
_CHUNK_LINES = 64 << 10
"""Bytes of a chunk's head, or of trailers, in a chunked body."""
_CHUNKED = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
_NO_HEAD = RequestHead("GET", "http", "", 0, "/", "HTTP/1.1", ())
"""What is answered where a head could not be read."""


class _Body:
    """A request's body as it comes; of one that is larger than `limit` little more than that is kept."""

    def __init__(self, length: int | None, limit: int) -> None:
        self.size = 0
        self._data = bytearray()
        self._left = length or 0
        self._limit = limit
        self._chunks = _chunk_reader() if length is None else None

    def take(self, buffer: bytearray) -> bool:
        """Take its bytes out of the buffer; whether that was its end. Raises HeadError."""
        if self._chunks is not None:
            return self._take_chunks(self._chunks, buffer)
        part = buffer[: self._left]
        del buffer[: self._left]
        self._left -= len(part)
        self._add(part)
        return not self._left

    def _take_chunks(self, chunks: h11.Connection, buffer: bytearray) -> bool:
        if not buffer:
            return False
        try:
            chunks.receive_data(bytes(buffer))
            buffer.clear()
            while isinstance(event := chunks.next_event(), h11.Data):
                self._add(event.data)
        except h11.RemoteProtocolError as error:
            if error.error_status_hint == 431:
                problem = f"has a line of more than {_CHUNK_LINES:,} bytes"
            else:
                problem = f"can't be read: {error}"
            raise HeadError(400, f"the request's body {problem}") from None
        if isinstance(event, h11.EndOfMessage):
            buffer += chunks.trailing_data[0]
            return True
        return False

    def _add(self, data: bytes | bytearray) -> None:
        self.size += len(data)
        if len(self._data) <= self._limit:
            self._data += data

    @property
    def data(self) -> bytes:
        """What is kept of it."""
        return bytes(self._data)


def _chunk_reader() -> h11.Connection:
    """What reads a body in chunks: behind a head that says no more than that, since ours is read already."""
    reader = h11.Connection(h11.SERVER, max_incomplete_event_size=_CHUNK_LINES)
    reader.receive_data(_CHUNKED)
    reader.next_event()
    return reader


class ReplayLayer(layer.Layer):
    """Serves one connection.

    `stock` is the mode of the HttpLayer that would else stand here. `tunnel` is told the choice of a CONNECT
    that is ours and makes the layer for what is in it, `unsent` tells how many bytes the client has not
    read yet.
    """

    def __init__(  # noqa: PLR0913 - what a connection needs, once
        self,
        context: Context,
        route: Route,
        responder: Responder,
        *,
        stock: HTTPMode,
        tunnel: Callable[[CassetteChoice], layer.Layer],
        unsent: Callable[[Client], int],
    ) -> None:
        super().__init__(context)
        self._route = responder.route(route)
        self._responder = responder
        self._stock = stock
        self._tunnel = tunnel
        self._unsent = unsent
        self._buffer = bytearray()
        self._searched = 0
        self._request: RoutedHead | None = None
        self._body: _Body | None = None
        self._out: list[bytes] = []
        self._timer: commands.RequestWakeup | None = None
        self._pending = b""
        self._wait = 0.0  # seconds that are left until that is sent, when the timer ends
        self._ended = False
        self._closing = False
        self._held = False
        self._child: layer.Layer | None = None
        self._is_idle = False
        self._decided: tuple[float, bytes] | None = None

    def at_once(self, data: bytes) -> bytes | None:
        """The answer to one whole request whose head came before, None where it takes events."""
        end = data.find(request_parser.END) + len(request_parser.END)
        before = self._responder.read_again(self._route, data[:end]) if self._is_idle else None
        if before is None:
            return None
        routed, length = before
        if length != len(data) - end or not self._responder.serves(routed):
            return None
        try:
            wait, answer = self._responder.answer(routed, data[end:], length)
        except Exception as error:  # noqa: BLE001 - the one guard at the layer's other edge
            wait, answer = 0.0, self._responder.failed(routed.head, error)
        if wait <= 0:
            return answer
        self._decided = wait, answer
        return None

    # The name is private, and the one that each layer has to give its code.
    def _handle_event(self, event: events.Event) -> Commands:
        if self._child is not None:
            yield from self._child.handle_event(event)
            return
        self._is_idle = False
        if self._closing:
            return
        if isinstance(event, events.DataReceived):
            self._buffer += event.data
            if len(self._buffer) > _AHEAD and self._timer is not None:
                self._closing = True
                yield commands.CloseConnection(self.context.client)
                return
        elif isinstance(event, events.ConnectionClosed):
            self._ended = True
        elif isinstance(event, events.Wakeup) and event.command is self._timer:
            self._timer = self._next_timer() if self._wait > 0 else None
            if self._timer is not None:
                yield self._timer
            elif self._request is not None:
                self._out.append(self._pending)
                self._closing = self._request.parsed.close
                self._request, self._pending = None, b""
        if self._timer is None:
            yield from self._go_on()

    def _go_on(self) -> Commands:
        """Serve what is there, send what came of it, and close when that is due."""
        child = None
        try:
            child = self._serve()
        except HeadError as error:
            self._out.append(
                assembled(served_response.error(error.code, "vcr_bad_request", str(error)), _NO_HEAD)
            )
            self._closing = True
        except Exception as error:  # noqa: BLE001 - the one guard at the layer's edge
            head = self._request.head if self._request else _NO_HEAD
            self._out.append(self._responder.failed(head, error))
            self._closing = True
        if self._out:
            yield commands.SendData(self.context.client, b"".join(self._out))
            self._out.clear()
        if self._timer is not None:
            yield self._timer
        elif child is not None:
            yield from self._hand_over(child)
        elif self._closing or self._ended:
            self._closing = True
            self._buffer.clear()
            yield commands.CloseConnection(self.context.client)
        else:
            self._is_idle = self._request is None and not self._buffer

    def _hand_over(self, child: layer.Layer) -> Commands:
        """From here on the connection is another layer's, with all that came and was not answered."""
        self._child = child
        yield from child.handle_event(events.Start())
        if self._buffer:
            yield from child.handle_event(events.DataReceived(self.context.client, bytes(self._buffer)))
            self._buffer.clear()
        if self._ended:
            yield from child.handle_event(events.ConnectionClosed(self.context.client))

    def _serve(self) -> layer.Layer | None:
        """Answer what has come whole; who serves from here on, if it isn't this layer."""
        sent = 0
        if self._held and self._unsent(self.context.client) > _BURST:
            self._timer = commands.RequestWakeup(_PAUSE)
            return None
        self._held = False
        while self._timer is None and not self._closing:
            if sent > _BURST and self._buffer:
                self._held = True
                self._timer = commands.RequestWakeup(_PAUSE)
            elif self._request is None:
                raw = self._head()
                if raw is None:
                    break
                child = self._begin(raw)
                if child is not None:
                    return child
            elif self._body is not None and self._body.take(self._buffer):
                sent += self._answer(self._request, self._body)
            else:
                break
        return None

    def _head(self) -> bytes | None:
        """The next request's head, which stays in the buffer; None if its end has not come."""
        buffer = self._buffer
        if not buffer:
            return None
        while buffer.startswith(b"\r\n"):
            del buffer[:2]
        new = max(0, self._searched - len(request_parser.END))
        end = buffer.find(request_parser.END, new)
        self._searched = len(buffer) if end < 0 else 0
        if (end if end >= 0 else len(buffer)) > request_parser.LIMIT:
            raise HeadError(431, f"the request's head has more than {request_parser.LIMIT:,} bytes")
        if end < 0:
            if buffer.find(b"\n\n", new) >= 0:
                raise HeadError(400, "the request's lines end in LF alone, not in CRLF")
            return None
        return bytes(buffer[: end + len(request_parser.END)])

    def _begin(self, raw: bytes) -> layer.Layer | None:
        """A request's head is there: serve it, or say who does."""
        try:
            routed, length = self._responder.read(self._route, raw)
        except NotOursError:
            return self._stocks()
        if self._route.is_reverse and self._route.authority is None:
            self._route = self._responder.route(self._route.with_authority(routed.head.authority))
        is_tunnel = routed.head.method == "CONNECT"
        if not self._responder.serves(routed) or (is_tunnel and self._stock is not HTTPMode.regular):
            return self._stocks()
        del self._buffer[: len(raw)]
        if is_tunnel:
            return self._open_tunnel(routed)
        self._responder.outcomes.traffic.request_came(self.context.client.id, routed.head.host)
        self._request = routed
        self._body = _Body(length, self._responder.limit(routed))
        if routed.parsed.expects and not self._buffer:
            self._out.append(_CONTINUE)
        return None

    def _open_tunnel(self, routed: RoutedHead) -> layer.Layer | None:
        """What serves in a CONNECT's tunnel; nothing does, and it closes, where its user can't be read."""
        head = routed.head
        if routed.choice.error:
            self._out.append(self._responder.answer(routed, b"", 0)[1])
            self._closing = True
            return None
        self.context.server.address = (head.host, head.port)
        self._out.append(_CONNECTED)
        return self._tunnel(routed.choice)

    def _stocks(self) -> layer.Layer:
        self.context.layers.remove(self)
        return HttpLayer(self.context, self._stock)

    def _answer(self, routed: RoutedHead, body: _Body) -> int:
        """Answer a request that is whole, now or in its time; the bytes that are sent now."""
        wait, data = self._decided or self._responder.answer(routed, body.data, body.size)
        self._body = self._decided = None
        if wait > 0:
            self._pending, self._wait = data, wait
            self._timer = self._next_timer()
            return 0
        self._out.append(data)
        self._closing = routed.parsed.close
        self._request = None
        return len(data)

    def _next_timer(self) -> commands.RequestWakeup:
        """A part of the wait: mitmproxy closes what is silent for so long, also while an answer is due."""
        part = min(self._wait, getattr(self.context.options, "tcp_timeout", _TCP_TIMEOUT) / 2)
        self._wait -= part
        return commands.RequestWakeup(part)
