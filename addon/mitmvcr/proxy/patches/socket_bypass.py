"""A client's connection below mitmproxy's streams: what can be answered at once never goes up to them.

For each piece of data mitmproxy (11.0 to 12.3) wakes a task, takes locks, makes events and drains writers:
more than an answer that is known costs us. Without it a replayed request takes twice the CPU.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeAlias, cast

from mitmproxy import ctx
from mitmproxy.connection import Client
from mitmproxy.proxy.server import ConnectionHandler, TimeoutWatchdog

AnswerAtOnce: TypeAlias = "Callable[[bytes], bytes | None]"
"""What came from a client -> what is sent for it, None where the same data must come as an event."""


class BypassProtocol(asyncio.Protocol):
    """Takes the place of the stream's protocol, which gets all that `answer` gives None for."""

    answer: AnswerAtOnce

    def __init__(
        self,
        transport: asyncio.Transport,
        reader: asyncio.StreamReader,
        watchdog: TimeoutWatchdog,
    ) -> None:
        self._stream = cast("asyncio.Protocol", transport.get_protocol())
        self._reader = reader
        self._write = transport.write
        self._watchdog = watchdog
        self._is_paused = False

    def data_received(self, data: bytes) -> None:
        """Answer, if nothing that came before still waits for mitmproxy."""
        if not self._is_paused and not self._reader._buffer:  # type: ignore[attr-defined]  # noqa: SLF001
            answer = self.answer(data)
            if answer is not None:
                self._watchdog.register_activity()  # type: ignore[no-untyped-call]
                self._write(answer)
                return
        self._stream.data_received(data)

    def pause_writing(self) -> None:
        """The client doesn't read: mitmproxy knows how to wait."""
        self._is_paused = True
        self._stream.pause_writing()

    def resume_writing(self) -> None:
        """The client has read."""
        self._is_paused = False
        self._stream.resume_writing()

    def eof_received(self) -> bool | None:
        """The client sends no more."""
        return self._stream.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self._stream.connection_lost(exc)


def _handler(client: Client) -> ConnectionHandler | None:
    connections = ctx.master.addons.get("proxyserver").connections  # type: ignore[no-untyped-call]
    return cast("ConnectionHandler | None", connections.get(client.id))


def _transport(handler: ConnectionHandler | None, client: Client) -> asyncio.Transport | None:
    io = handler.transports.get(client) if handler else None
    return getattr(io.writer if io else None, "transport", None)


def shorten(client: Client, answer: AnswerAtOnce) -> None:
    """Ask `answer` for each piece of data that comes from this client, before mitmproxy sees it."""
    handler = _handler(client)
    transport = _transport(handler, client)
    if handler is None or transport is None:
        return
    protocol = transport.get_protocol()
    if not isinstance(protocol, BypassProtocol):
        reader = cast("asyncio.StreamReader", handler.transports[client].reader)
        protocol = BypassProtocol(transport, reader, handler.timeout_watchdog)
        transport.set_protocol(protocol)
    protocol.answer = answer


def unsent(client: Client) -> int:
    """Bytes that wait to be read by the client."""
    transport = _transport(_handler(client), client)
    return transport.get_write_buffer_size() if transport else 0
