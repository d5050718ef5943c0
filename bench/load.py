"""Clients as light as can be: prebuilt requests out, so many bytes in; they know no product."""

from __future__ import annotations

import functools
import itertools
import re
import resource
import socket
import ssl
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

Way: TypeAlias = Literal["plain", "TLS", "new TLS", "resumed TLS"]
"""Plain HTTP to a reverse listener, or TLS through a forward proxy, kept or anew for each request."""
CPU, WALL, P50, P99 = "CPU", "wall", "p50", "p99"

HOST = "api.openai.com"
_CONNECT = f"CONNECT {HOST}:443 HTTP/1.1\r\nHost: {HOST}:443\r\n\r\n".encode()
_GOOD = b"HTTP/1.1 200"
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_PATIENCE = 60  # seconds
_BUFFER = memoryview(bytearray(1 << 18))


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it goes over the wire, and the body of its right answer."""

    request: bytes
    wanted: bytes


class Connection:
    """One client of the server at this port, which drops connections that are idle for `idle` seconds."""

    def __init__(self, port: int, way: Way, idle: float) -> None:
        self._port, self._way, self._idle = port, way, idle
        self._context = _context()
        self._session: ssl.SSLSession | None = None
        self._sock: socket.socket | None = None
        self._used = 0.0

    def ready(self) -> socket.socket:
        """The open connection; a new one where there is none, or one may be about to be dropped."""
        if self._sock is None or time.perf_counter() - self._used > self._idle:
            self.close()
            self._sock = self._open()
        self._used = time.perf_counter()
        return self._sock

    def _open(self) -> socket.socket:
        sock = socket.create_connection(("127.0.0.1", self._port), timeout=_PATIENCE)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._way == "plain":
            return sock
        sock.sendall(_CONNECT)
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += _some(sock)
        if b" 200 " not in head:
            raise AssertionError(head)
        return self._context.wrap_socket(sock, server_hostname=HOST, session=self._session)

    def send(self, request: bytes) -> None:
        """Send a request; `ready` comes first."""
        assert self._sock is not None
        self._sock.sendall(request)

    def receive(self, size: int) -> None:
        """Read an answer of so many bytes, head included."""
        assert self._sock is not None
        receive = self._sock.recv_into
        got = receive(_BUFFER)
        if _BUFFER[: len(_GOOD)] != _GOOD:
            raise AssertionError(bytes(_BUFFER[:got]))
        while 0 < got < size:
            more = receive(_BUFFER)
            got = got + more if more else 0
        if got != size:
            raise AssertionError(f"an answer has {got} bytes, not {size}")

    def check(self, asked: Asked) -> int:
        """Ask, and hold the answer against what is wanted byte for byte; its size, head included."""
        sock = self.ready()
        sock.sendall(asked.request)
        data = b""
        while b"\r\n\r\n" not in data:
            data += _some(sock)
        head, _, body = data.partition(b"\r\n\r\n")
        found = _LENGTH.search(head)
        size = len(head) + 4
        if found:
            while len(body) < int(found[1]):
                body += _some(sock)
            size += len(body)
        else:
            while not body.endswith(b"\r\n0\r\n\r\n"):
                body += _some(sock)
            size += len(body)
            body = b"".join(_chunks(body))
        if not head.startswith(_GOOD) or body != asked.wanted:
            raise AssertionError(f"not the right answer: {(head + b' ' + body)[:2000]!r}")
        return size

    def ask_anew(self, asked: Asked, size: int) -> None:
        """Connect, ask, read so many bytes and close."""
        self.close()
        self.ready()
        self.send(asked.request)
        self.receive(size)
        if self._way == "resumed TLS" and isinstance(self._sock, ssl.SSLSocket):
            self._session = self._sock.session
        self.close()

    @property
    def was_resumed(self) -> bool:
        """Whether the connection that is open was made from an earlier one's session."""
        return isinstance(self._sock, ssl.SSLSocket) and bool(self._sock.session_reused)

    def close(self) -> None:
        """Close it, if it is open."""
        if self._sock is not None:
            self._sock.close()
            self._sock = None


@functools.cache
def _context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # each peer has a CA of its own, and checking is the client's time
    context.set_alpn_protocols(["http/1.1"])
    return context


def _some(sock: socket.socket) -> bytes:
    data = sock.recv(1 << 18)
    if not data:
        raise ConnectionError("the server has closed the connection")
    return data


def _chunks(body: bytes) -> Iterator[bytes]:
    at = 0
    while True:
        end = body.index(b"\r\n", at)
        length = int(body[at:end].partition(b";")[0], 16)
        if not length:
            return
        yield body[end + 2 : end + 2 + length]
        at = end + length + 4


def allow_many_files() -> None:
    """Let this process have as many connections open as the system lets it."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def burst(
    connections: Sequence[Connection], asked: Iterator[Asked], size: int, count: int, cpu: Callable[[], float]
) -> Mapping[str, float]:
    """So many requests, all connections at once; CPU of the server and wall time for each, in seconds.

    A connection whose answer has come asks again at once, so that the server always has something to do. Of
    one connection the median and the 99th percentile of what each request took, too.
    """
    requests = [next(asked).request for _ in range(max(count, len(connections)))]
    for one in connections:
        one.ready()
    if len(connections) == 1:
        return _alone(connections[0], requests, size, cpu)
    first, later = requests[: len(connections)], requests[len(connections) :]
    used, began = cpu(), time.perf_counter()
    for connection, request in zip(connections, first, strict=True):
        connection.send(request)
    turns = itertools.cycle(connections)
    for request, connection in zip(later, turns, strict=False):
        connection.receive(size)
        connection.send(request)
    for connection in itertools.islice(turns, len(connections)):
        connection.receive(size)
    return {CPU: (cpu() - used) / len(requests), WALL: (time.perf_counter() - began) / len(requests)}


def _alone(
    connection: Connection, requests: Sequence[bytes], size: int, cpu: Callable[[], float]
) -> Mapping[str, float]:
    took = []
    used, began = cpu(), time.perf_counter()
    for request in requests:
        start = time.perf_counter()
        connection.send(request)
        connection.receive(size)
        took.append(time.perf_counter() - start)
    wall, used = time.perf_counter() - began, cpu() - used
    return {CPU: used / len(requests), WALL: wall / len(requests), **percentiles(took)}


def anew(
    connection: Connection, asked: Iterator[Asked], size: int, count: int, cpu: Callable[[], float]
) -> Mapping[str, float]:
    """So many requests, each on a connection of its own, one after the other."""
    took = []
    used = cpu()
    for one in [next(asked) for _ in range(count)]:
        start = time.perf_counter()
        connection.ask_anew(one, size)
        took.append(time.perf_counter() - start)
    return {CPU: (cpu() - used) / count, WALL: statistics.fmean(took)}


def percentiles(took: Sequence[float]) -> dict[str, float]:
    """Median and 99th percentile."""
    several = took if len(took) > 1 else [*took, *took]
    return {
        P50: statistics.median(several),
        P99: statistics.quantiles(several, n=100, method="inclusive")[98],
    }
