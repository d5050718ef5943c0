"""The stand-in on a socket: hypercorn set up, its connections counted, its end without a hang."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import h2.errors
import h2.exceptions
from hypercorn.asyncio import serve
from hypercorn.config import Config, Sockets
from hypercorn.events import Closed
from hypercorn.protocol.events import StreamClosed
from hypercorn.protocol.h2 import H2Protocol
from hypercorn.protocol.h11 import H11Protocol
from hypercorn.protocol.http_stream import HTTPStream

from tests.upstream.app import App, Control, Send

_GRACE = 1.0


@dataclass(frozen=True, slots=True)
class Settings:
    port: int = 0
    cert: Path | None = None
    key: Path | None = None
    until_eof: bool = False


class _Listener(socket.socket):
    """A listening socket that remembers how many it let in, by their ports."""

    def __init__(self, port: int) -> None:
        # With the protocol unsaid, asyncio sets no TCP_NODELAY, and each answer waits 40 ms for an ACK.
        super().__init__(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self.peers: Counter[int] = Counter()
        self.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.bind(("127.0.0.1", port))
        self.setblocking(False)

    def accept(self) -> tuple[socket.socket, Any]:
        accepted, address = super().accept()
        self.peers[address[1]] += 1
        return accepted, address

    def accepted_without(self, port: int) -> int:
        """How many came, from now on without one from this port."""
        if self.peers[port]:
            self.peers[port] -= 1
        return self.peers.total()


class _Config(Config):
    """hypercorn's settings, with a socket that is ours."""

    def __init__(self, listener: _Listener, settings: Settings) -> None:
        super().__init__()
        self._listener = listener
        self.certfile = str(settings.cert) if settings.cert else None
        self.keyfile = str(settings.key) if settings.key else None
        self.loglevel = "WARNING"
        self.include_server_header = False
        self.keep_alive_timeout = 120
        self.keep_alive_max_requests = sys.maxsize
        self.h11_max_incomplete_size = 1 << 20
        self.h11_pass_raw_headers = True
        self.graceful_timeout = _GRACE
        self.backlog = 1024

    def create_sockets(self) -> Sockets:
        mine: list[socket.socket] = [self._listener]
        return Sockets(mine, [], []) if self.ssl_enabled else Sockets([], mine, [])


async def abort(send: Send) -> None:
    """Break off the answer that `send` serves: HTTP/1.1 closes the connection, HTTP/2 resets the stream.

    ASGI has no word for it. In hypercorn 0.17 and 0.18, `send` is a method of the HTTPStream, whose
    own `send` is one of the protocol.
    """
    stream = cast("Any", send).__self__
    if not isinstance(stream, HTTPStream):
        raise TypeError(f"hypercorn hands out another send than before: {send!r}")
    protocol = cast("Any", stream.send).__self__
    if isinstance(protocol, H2Protocol):
        buffer = protocol.stream_buffers.get(stream.stream_id)
        if buffer is not None and buffer.buffer:
            await buffer.drain()
        with suppress(h2.exceptions.ProtocolError):
            protocol.connection.reset_stream(stream.stream_id, h2.errors.ErrorCodes.INTERNAL_ERROR)
        await protocol._flush()
    elif isinstance(protocol, H11Protocol):
        await protocol.send(Closed())
    await stream.handle(StreamClosed(stream.stream_id))


async def run(settings: Settings) -> None:
    """Serve until SIGTERM, SIGINT or, if so set, the end of stdin; say on stdout when it is ready."""
    loop = asyncio.get_running_loop()
    closing = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, closing.set)
    if settings.until_eof:
        loop.add_reader(sys.stdin.fileno(), _read_to_eof, loop, closing)
    listener = _Listener(settings.port)
    config = _Config(listener, settings)

    async def ready_then_closing() -> None:
        # hypercorn asks for its trigger once it listens.
        scheme = "https" if config.ssl_enabled else "http"
        print(f"listening on {scheme}://127.0.0.1:{listener.getsockname()[1]}", flush=True)
        await closing.wait()

    app = cast("Any", App(Control(listener.accepted_without, closing, abort)))
    server = asyncio.ensure_future(serve(app, config, shutdown_trigger=ready_then_closing, mode="asgi"))
    closed = asyncio.ensure_future(closing.wait())
    await asyncio.wait({server, closed}, return_when="FIRST_COMPLETED")
    # From Python 3.12 on, hypercorn's wait_closed waits for clients that never leave.
    await asyncio.wait({server}, timeout=2 * _GRACE)
    closed.cancel()
    if not server.done():
        server.cancel()
    with suppress(asyncio.CancelledError):
        await server


def _read_to_eof(loop: asyncio.AbstractEventLoop, closing: asyncio.Event) -> None:
    if not os.read(sys.stdin.fileno(), 4096):
        loop.remove_reader(sys.stdin.fileno())
        closing.set()
