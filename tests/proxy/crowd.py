"""Many clients at once, each on a cassette of its own, by raw sockets: nothing here knows what must hold."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from tests.harness import Proxy

PATH = "/v1/chat/completions"


@dataclass(frozen=True, slots=True)
class Way:
    """How a client names its cassette: at which listener, in which request target, by which header."""

    name: str
    reverse: bool
    prefix: bool = False
    user: bool = False


WAYS = (
    Way("user", reverse=False, user=True),
    Way("forward-header", reverse=False),
    Way("prefix", reverse=True, prefix=True),
    Way("reverse-header", reverse=True),
)


def request_head(way: Way, upstream: str, cassette: str, session: str = "x") -> bytes:
    """All of a request but its length and its body."""
    name = quote(cassette, safe="")
    target = f"/vcr/{name}{PATH}" if way.prefix else PATH if way.reverse else upstream + PATH
    lines = [
        f"POST {target} HTTP/1.1",
        f"Host: {urlsplit(upstream).netloc}",
        "Content-Type: application/json",
    ]
    if way.user:
        token = base64.b64encode(f"{name}:{session}".encode()).decode()
        lines.append(f"Proxy-Authorization: Basic {token}")
    elif not way.prefix:
        lines.append(f"X-VCR-Cassette: {name}")
    return "\r\n".join(lines).encode()


@dataclass(slots=True)
class Client:
    """One connection to the proxy."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    head: bytes

    @classmethod
    async def connect(
        cls, proxy: Proxy, way: Way, upstream: str, cassette: str, session: str = "x"
    ) -> Client:
        """A client of the listener that its way goes through."""
        address = urlsplit(proxy.reverse if way.reverse else proxy.url)
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        return cls(reader, writer, request_head(way, upstream, cassette, session))

    async def ask(self, body: object) -> tuple[int, object]:
        """The status and the JSON that a body is answered with."""
        data = json.dumps(body).encode()
        self.writer.write(b"%b\r\nContent-Length: %d\r\n\r\n%b" % (self.head, len(data), data))
        code, answer = await _message(self.reader)
        return int(code.split()[1]), json.loads(answer)

    async def close(self) -> None:
        """Hang up."""
        self.writer.close()
        with contextlib.suppress(ConnectionError):
            await self.writer.wait_closed()


async def _message(reader: asyncio.StreamReader) -> tuple[str, bytes]:
    """The first line and the body of a message that has a length."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    first, *lines = head.split("\r\n")
    (length,) = (int(line.split(":")[1]) for line in lines if line.lower().startswith("content-length:"))
    return first, await reader.readexactly(length)


@contextlib.asynccontextmanager
async def echo(seen: Callable[[bytes], None] = lambda _: None) -> AsyncIterator[str]:
    """The URL of an upstream that answers each request with the body that it had."""
    serving: dict[asyncio.StreamWriter, asyncio.Task[object] | None] = {}

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving[writer] = asyncio.current_task()
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                _, body = await _message(reader)
                seen(body)
                head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
                writer.write(head % len(body) + body)
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for writer in serving:
            writer.close()
        await asyncio.gather(*filter(None, serving.values()), return_exceptions=True)


async def all_at_once(
    clients: Sequence[Client], asks: Callable[[int], Sequence[object]]
) -> list[list[object]]:
    """What each client is answered; `asks` has the bodies that the client of a number sends, one by one."""

    async def one(number: int, client: Client) -> list[object]:
        return [await client.ask(body) for body in asks(number)]

    return await asyncio.gather(*(one(number, client) for number, client in enumerate(clients)))
