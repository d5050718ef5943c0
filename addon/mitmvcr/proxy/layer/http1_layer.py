"""The serving layer: HTTP/1 from a client, answers from the cassettes; no flow, no hook, nothing upstream.

It stands where mitmproxy would put its HttpLayer. Each request is read whole before it is answered, and
answers go in the order of the requests. What isn't ours is handed, with every byte since the last answer,
to mitmproxy's own layers, which then keep the connection.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import replace
from typing import Any, TypeAlias

import h11
from h11._receivebuffer import ReceiveBuffer
from mitmproxy.connection import Client
from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers.http import HttpLayer, HTTPMode

from mitmvcr.proxy.flow_adapter import assembled
from mitmvcr.proxy.patches.http1 import make_body_reader
from mitmvcr.replay import served_response
from mitmvcr.serving import request_parser
from mitmvcr.serving.cassette_selection import Named
from mitmvcr.serving.outcomes import failed
from mitmvcr.serving.request_head import Incoming
from mitmvcr.serving.request_parser import HeadError, NotOursError
from mitmvcr.serving.responder import Known, Place, Replies

Commands: TypeAlias = "Generator[commands.Command, Any, None]"

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_CONNECTED = b"HTTP/1.1 200 Connection established\r\n\r\n"
_AHEAD = 64 << 20
"""Bytes that a client may send ahead while an answer waits for its time."""
_BURST = 1 << 20
"""Bytes of answers to pipelined requests behind which the client must have read before it gets more."""
_PAUSE = 0.01  # seconds until that is looked at again
_CHUNK_LINES = 64 << 10
"""Bytes of a chunk's head, or of trailers, in a chunked body."""


_UNKNOWN = Incoming("GET", "http", "", 0, "/", "HTTP/1.1", [], is_reverse=False, called="")
"""What is answered where a head could not be read."""


class _Body:
    """A request's body as it comes; of one that is larger than `limit` little more than that is kept."""

    def __init__(self, length: int | None, limit: int) -> None:
        self.size = 0
        self._data = bytearray()
        self._left = length or 0
        self._limit = limit
        self._chunks = make_body_reader(None) if length is None else None
        self._lines = ReceiveBuffer()

    def take(self, buffer: bytearray) -> bool:
        """Take its bytes out of the buffer; whether that was its end. Raises HeadError."""
        if self._chunks is None:
            part = buffer[: self._left]
            del buffer[: self._left]
            self._left -= len(part)
            self._add(part)
            return not self._left
        self._lines += bytes(buffer)
        buffer.clear()
        try:
            while event := self._chunks(self._lines):
                if isinstance(event, h11.EndOfMessage):
                    buffer += bytes(self._lines)
                    return True
                self._add(event.data)
        except h11.ProtocolError as error:
            raise HeadError(400, f"the request's body can't be read: {error}") from None
        if len(self._lines) > _CHUNK_LINES:
            raise HeadError(400, f"the request's body has a line of more than {_CHUNK_LINES:,} bytes")
        return False

    def _add(self, data: bytes | bytearray) -> None:
        self.size += len(data)
        if len(self._data) <= self._limit:
            self._data += data

    @property
    def data(self) -> bytes:
        """What is kept of it."""
        return bytes(self._data)


class ReplayLayer(layer.Layer):
    """Serves one connection.

    `stock` is the mode of the HttpLayer that would else stand here. `tunnel` is told the user of a CONNECT
    that is ours and makes the layer for what is in it, `unsent` tells how many bytes the client has not
    read yet.
    """

    def __init__(  # noqa: PLR0913 - what a connection needs, once
        self,
        context: Context,
        place: Place,
        replies: Replies,
        *,
        stock: HTTPMode,
        tunnel: Callable[[Named], layer.Layer],
        unsent: Callable[[Client], int],
    ) -> None:
        super().__init__(context)
        self._place = replies.place(place)
        self._replies = replies
        self._stock = stock
        self._tunnel = tunnel
        self._unsent = unsent
        self._buffer = bytearray()
        self._searched = 0
        self._request: Known | None = None
        self._body: _Body | None = None
        self._out: list[bytes] = []
        self._timer: commands.RequestWakeup | None = None
        self._pending = b""
        self._ended = False
        self._closing = False
        self._held = False
        self._child: layer.Layer | None = None
        self._is_idle = False
        self._decided: tuple[float, bytes] | None = None

    def at_once(self, data: bytes) -> bytes | None:
        """The answer to one whole request whose head came before, None where it takes events."""
        end = data.find(request_parser.END) + len(request_parser.END)
        plain = self._replies.plain(self._place, data[:end]) if self._is_idle else None
        if plain is None:
            return None
        known, length = plain
        if length != len(data) - end or not self._replies.is_ours(known):
            return None
        try:
            wait, answer = self._replies.reply(known, data[end:], length)
        except Exception as error:  # noqa: BLE001 - the one guard at the layer's other edge
            wait, answer = 0.0, assembled(failed(known.line, error, self._replies.fail), known.asked)
        if wait <= 0:
            return answer
        self._decided = wait, answer
        return None

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
            self._timer = None
            if self._request is not None:
                self._out.append(self._pending)
                self._closing = self._request.head.close
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
                assembled(served_response.error(error.code, "vcr_bad_request", str(error)), _UNKNOWN)
            )
            self._closing = True
        except Exception as error:  # noqa: BLE001 - the one guard at the layer's edge
            asked = self._request.asked if self._request else _UNKNOWN
            self._out.append(assembled(failed(asked.line, error, self._replies.fail), asked))
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
            known, length = self._replies.known(self._place, raw)
        except NotOursError:
            return self._stocks()
        if self._place.is_reverse and self._place.called is None:
            self._place = self._replies.place(replace(self._place, called=known.asked.called, heads={}))
        is_tunnel = known.head.method == "CONNECT"
        if not self._replies.is_ours(known) or (is_tunnel and self._stock is not HTTPMode.regular):
            return self._stocks()
        del self._buffer[: len(raw)]
        if is_tunnel:
            self.context.server.address = (known.asked.host, known.asked.port)
            self._out.append(_CONNECTED)
            return self._tunnel(known.named)
        self._request = known
        self._body = _Body(length, self._replies.limit(known))
        if known.head.expects and not self._buffer:
            self._out.append(_CONTINUE)
        return None

    def _stocks(self) -> layer.Layer:
        self.context.layers.remove(self)
        return HttpLayer(self.context, self._stock)

    def _answer(self, known: Known, body: _Body) -> int:
        """Answer a request that is whole, now or in its time; the bytes that are sent now."""
        wait, data = self._decided or self._replies.reply(known, body.data, body.size)
        self._body = self._decided = None
        if wait > 0:
            self._pending = data
            self._timer = commands.RequestWakeup(wait)
            return 0
        self._out.append(data)
        self._closing = known.head.close
        self._request = None
        return len(data)
