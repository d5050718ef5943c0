"""Upstreams of HTTP/2 that go: what they still answer is waited for, and the rest can be sent once more.

GOAWAY says up to which request upstream answers, REFUSED_STREAM that it has not looked at one (RFC 9113, 6.8
and 8.7); nginx sends the first behind a thousand requests, load balancers when they are redeployed. Without
this, mitmproxy (11.0 to 12.3) fails every request that is under way, answered or not.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, TypeAlias
from weakref import WeakSet

import h2.connection
import h2.errors
import h2.events
import h2.stream
from mitmproxy.connection import ConnectionState
from mitmproxy.proxy import commands
from mitmproxy.proxy.layers.http._base import ReceiveHttp
from mitmproxy.proxy.layers.http._events import ResponseProtocolError
from mitmproxy.proxy.layers.http._http2 import Http2Client, Http2Connection, StreamState

from mitmvcr.proxy.patches.upstream import UnansweredError

Commands: TypeAlias = "Generator[commands.Command, Any, None]"
Decision: TypeAlias = "Generator[commands.Command, Any, bool]"
"""Commands, and whether nothing else is to be done with the connection."""

_CLOSED = "peer closed connection"  # as mitmproxy has it
_GONE = "upstream has gone away"

_going_away: WeakSet[Http2Client] = WeakSet()

# What is there before, once for a process: `mend` may be called again.
_handle_h2_event = Http2Client.handle_h2_event
_close_connection = Http2Connection.close_connection


def mend() -> None:
    """Put what follows in the place of mitmproxy's own."""
    Http2Client.handle_h2_event = handle_h2_event  # type: ignore[method-assign]
    Http2Client.close_connection = close_connection  # type: ignore[method-assign, assignment]
    # h2 (4.1 to 4.4) takes a connection that has got GOAWAY for closed, and what still comes for an error.
    state, inputs = h2.connection.ConnectionState.CLIENT_OPEN, h2.connection.ConnectionInputs.RECV_GOAWAY
    transitions = h2.connection.H2ConnectionStateMachine._transitions  # noqa: SLF001 - there is no other way
    transitions[state, inputs] = (None, state)


def handle_h2_event(self: Http2Client, event: h2.events.Event) -> Decision:
    """Tell apart what upstream has not looked at, and let what it answers come to its end."""
    if isinstance(event, h2.events.ConnectionTerminated):
        return (yield from _go_away(self, event))
    if isinstance(event, h2.events.StreamReset) and _is_refused(self, event):
        yield from _unprocessed(self, event.stream_id, "upstream refused the stream")
        return False
    is_at_end = yield from _handle_h2_event(self, event)
    if self in _going_away and not self.streams and not is_at_end:
        yield from self.close_connection(_GONE)
        return True
    return is_at_end


def _is_refused(self: Http2Client, event: h2.events.StreamReset) -> bool:
    is_waiting = self.streams.get(event.stream_id) is StreamState.EXPECTING_HEADERS
    return is_waiting and event.error_code == h2.errors.ErrorCodes.REFUSED_STREAM


def _go_away(self: Http2Client, event: h2.events.ConnectionTerminated) -> Decision:
    """Give back what upstream won't look at; the connection takes nothing more, and ends with its answers."""
    _going_away.add(self)
    last = event.last_stream_id or 0
    self.conn.state &= ~ConnectionState.CAN_WRITE  # which mitmproxy looks at for new requests alone
    for stream_id in [number for number in self.streams if number > last]:
        yield from _unprocessed(self, stream_id, _GONE)
    for theirs in list(self.stream_queue):  # they wait for others' end
        del self.stream_queue[theirs]
        self.their_stream_id[-theirs] = theirs
        yield ReceiveHttp(UnansweredError(-theirs, _GONE, is_unprocessed=True))
    for stream_id in [number for number in self.streams if not _is_sent(self, number)]:
        # h2 has thrown away what was to be sent of it.
        yield ReceiveHttp(ResponseProtocolError(stream_id, _GONE, ResponseProtocolError.code))
        self.streams.pop(stream_id, None)
    if self.streams and event.error_code == h2.errors.ErrorCodes.NO_ERROR:
        return False
    yield from self.close_connection(f"HTTP/2 connection closed: {_name(event.error_code)}")
    return True


def _is_sent(self: Http2Client, stream_id: int) -> bool:
    stream = self.h2_conn.streams.get(stream_id)
    return stream is None or stream.state_machine.state is not h2.stream.StreamState.OPEN


def _name(code: int | None) -> str:
    return next((known.name for known in h2.errors.ErrorCodes if known == code), str(code))


def _unprocessed(self: Http2Client, stream_id: int, message: str) -> Commands:
    self.streams.pop(stream_id, None)
    self.our_stream_id.pop(self.their_stream_id[stream_id], None)  # it may come again, on this connection
    yield ReceiveHttp(UnansweredError(stream_id, message, is_unprocessed=True))


def close_connection(self: Http2Client, msg: str) -> Commands:
    """Tell apart the streams on which nothing came before upstream closed."""
    if msg == _CLOSED:
        waiting = [number for number, state in self.streams.items() if state is StreamState.EXPECTING_HEADERS]
        for stream_id in waiting:
            self.streams.pop(stream_id, None)
        yield commands.CloseConnection(self.conn)
        for stream_id in waiting:
            yield ReceiveHttp(UnansweredError(stream_id, msg))
    yield from _close_connection(self, msg)
