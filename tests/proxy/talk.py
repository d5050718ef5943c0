"""Clients of the proxy, what they say, and what they are told: nothing here knows what must hold."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import httpx

from mitmvcr.formats import govcr
from mitmvcr.model import Interaction
from tests.harness import Proxy
from tests.upstream import PRIVATE
from tests.upstream.server import Upstream

CHAT = "/v1/chat/completions"
RESPONSES = "/v1/responses"

KEY = "sk-" + "proj-" + "Client" + "k" * 42
HEADERS = {
    "Authorization": f"Bearer {KEY}",
    "OpenAI-Organization": "org-" + "ClientOrganization" + "11",
    "OpenAI-Project": "proj_" + "ClientProject" + "22",
    "Cookie": "__cf_bm=" + "ClientCookie" + "33",
    "X-Stainless-Lang": "client-" + "stainless",
    "Traceparent": "00-" + "ab" * 16 + "-" + "cd" * 8 + "-01",
}
"""What clients send that nobody else may learn."""

SECRETS = (*PRIVATE, KEY, *(value.rpartition("=")[2] for value in list(HEADERS.values())[1:]))


def chat(text: str = "Say hello", **more: object) -> dict[str, object]:
    """The body of a chat completion."""
    return {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": text}], **more}


@dataclass(frozen=True, slots=True)
class Way:
    """How a client reaches upstream: which listener, and what is spoken on either side.

    `translated`: the client takes HTTP/2 too but prefers HTTP/1.1, and mitmproxy speaks HTTP/2 to
    upstream (what httpx does with `http2=True`).
    """

    name: str
    reverse: bool
    tls: bool
    http2: bool = False
    translated: bool = False

    def start(self, folder: Path, upstream: Upstream | Wire, *arguments: str, **options: str | Path) -> Proxy:
        """A proxy for this way in front of this upstream."""
        trust = ["--set", f"ssl_verify_upstream_trusted_ca={upstream.ca}"] if upstream.ca else []
        target = upstream.url if self.reverse else ""
        options = {"hosts": "127.0.0.1", **options}
        return Proxy(folder, *trust, *arguments, upstream=target, **options)  # type: ignore[arg-type]

    def client(self, proxy: Proxy, upstream: Upstream | Wire, **more: Any) -> httpx.Client:
        """A client that comes this way."""
        more = {"headers": HEADERS, "trust_env": False, "timeout": 30, **more}
        context = only_http2(proxy.ca) if self.http2 else trusting(proxy.ca)
        more = {"http2": self.http2 or self.translated, "verify": context, **more}
        if self.reverse:
            base = proxy.reverse.replace("http:", "https:") if self.http2 else proxy.reverse
            return httpx.Client(base_url=base, **more)
        return httpx.Client(base_url=upstream.url, proxy=proxy.url, **more)


FORWARD_PLAIN = Way("forward-plain", reverse=False, tls=False)
FORWARD_TLS = Way("forward-tls", reverse=False, tls=True)
FORWARD_H2 = Way("forward-h2", reverse=False, tls=True, http2=True)
FORWARD_TRANSLATED = Way("forward-translated", reverse=False, tls=True, translated=True)
REVERSE_PLAIN = Way("reverse-plain", reverse=True, tls=False)
REVERSE_TLS = Way("reverse-tls", reverse=True, tls=True)
REVERSE_H2 = Way("reverse-h2", reverse=True, tls=True, http2=True)
WAYS = (FORWARD_PLAIN, FORWARD_TLS, FORWARD_H2, FORWARD_TRANSLATED, REVERSE_PLAIN, REVERSE_TLS, REVERSE_H2)


def trusting(ca: Path) -> ssl.SSLContext:
    """A TLS context that trusts this CA alone."""
    return ssl.create_default_context(cafile=str(ca))


class _OnlyHTTP2(ssl.SSLContext):
    def set_alpn_protocols(self, alpn_protocols: Iterable[str]) -> None:
        """What httpcore wants has http/1.1 first, and mitmproxy takes the first."""
        super().set_alpn_protocols([one for one in alpn_protocols if one == "h2"])


def only_http2(ca: Path) -> ssl.SSLContext:
    """A TLS context that trusts this CA alone and offers nothing but HTTP/2."""
    context = _OnlyHTTP2(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(ca)
    return context


def direct(upstream: Upstream, *, http2: bool = False, **more: Any) -> httpx.Client:
    """A client without a proxy."""
    verify = trusting(upstream.ca) if upstream.ca else True
    more = {"headers": HEADERS, "trust_env": False, "timeout": 30, **more}
    return httpx.Client(base_url=upstream.url, http2=http2, verify=verify, **more)


def reverse(proxy: Proxy, **more: Any) -> httpx.Client:
    """A client of the reverse listener, which has a key unless it says otherwise."""
    more = {"base_url": proxy.reverse, "headers": HEADERS, "trust_env": False, "timeout": 30, **more}
    return httpx.Client(**more)


def forward(proxy: Proxy, **more: Any) -> httpx.Client:
    """A client of the forward listener."""
    more = {"headers": HEADERS, "trust_env": False, "timeout": 30, **more}
    return httpx.Client(proxy=proxy.url, verify=trusting(proxy.ca), **more)


@dataclass(frozen=True, slots=True)
class Case:
    """One request, always the same."""

    name: str
    method: str
    path: str
    content: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    chunked: bool = False


def posts(name: str, path: str, body: object, standin: str = "", **headers: str) -> Case:
    """A request with a JSON body."""
    asked = {"x-standin": standin} if standin else {}
    return Case(
        name,
        "POST",
        path,
        json.dumps(body).encode(),
        {"Content-Type": "application/json", **asked, **{k.replace("_", "-"): v for k, v in headers.items()}},
    )


@dataclass(frozen=True, slots=True)
class Told:
    """What a client was told: `raw` as it came over the wire, `body` without its coding."""

    code: int
    reason: str
    http_version: str
    headers: tuple[tuple[str, str], ...]
    raw: bytes
    body: bytes
    came_from: tuple[str, int]

    def header(self, name: str) -> list[str]:
        """The values of a header, in order."""
        return [value for found, value in self.headers if found.lower() == name.lower()]


def ask(client: httpx.Client, case: Case) -> Told:
    """Send the request and read the answer to its end."""
    content: Any = iter([case.content[:7], case.content[7:]]) if case.chunked else case.content
    with client.stream(case.method, case.path, content=content or None, headers=dict(case.headers)) as answer:
        address = answer.extensions["network_stream"].get_extra_info("client_addr")
        raw = b"".join(answer.iter_raw())
        headers = tuple(answer.headers.multi_items())
        decoded = httpx.Response(answer.status_code, headers=answer.headers, content=raw)
        return Told(
            answer.status_code,
            answer.reason_phrase,
            answer.http_version,
            headers,
            raw,
            raw if case.method == "HEAD" else decoded.content,
            address,
        )


def recordings(folder: Path, name: str = "default") -> list[Interaction]:
    """What is in a cassette of the proxy in this folder."""
    return list(govcr.load((folder / "recordings" / f"{name}.yaml").read_bytes()).interactions)


@contextlib.contextmanager
def nothing_reaches(upstream: Upstream) -> Iterator[None]:
    """What happens inside opens no connection to upstream, let alone asks it something."""
    before = upstream.connections(), len(upstream.requests())
    yield
    assert (upstream.connections(), len(upstream.requests())) == before


def exchange(url: str, data: bytes, *, until: bytes = b"", timeout: float = 10) -> bytes:
    """Send these bytes to a listener and return what comes back, up to its end, or up to `until`."""
    with connect(url, timeout) as connection:
        connection.sendall(data)
        return receive(connection, until)


def connect(url: str, timeout: float = 10) -> socket.socket:
    """A connection to a listener."""
    parts = httpx.URL(url)
    return socket.create_connection((parts.host, parts.port), timeout)


def receive(connection: socket.socket, until: bytes = b"") -> bytes:
    """What comes, up to its end, or up to `until`."""
    came = b""
    while not until or until not in came:
        read = connection.recv(1 << 16)
        if not read:
            break
        came += read
    return came


Answering = bytes | Callable[[], Iterable[bytes]]


@dataclass(slots=True)
class Asked:
    """A request as it reached a `Wire`: its head byte for byte, the body's size and its first bytes."""

    head: bytes
    size: int = 0
    body: bytes = b""
    whole: bool = False


class Wire:
    """A server of HTTP/1 that answers with these bytes, as they are, whatever is asked.

    The answers take turns, the last one repeats. The end of one with `Connection: close` is the end of
    its connection. `early` answers before the request's body came.
    """

    def __init__(self, *answers: Answering, early: bool = False) -> None:
        self.requests: list[Asked] = []
        self._answers = list(answers)
        self._early = early
        self._lock = threading.Lock()
        self._open: list[socket.socket] = []
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._server.getsockname()[1])
        self.url = f"http://127.0.0.1:{self.port}"
        self.ca: Path | None = None
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._server.accept()
                self._open.append(connection)
                self._threads.append(threading.Thread(target=self._serve, args=(connection,), daemon=True))
                self._threads[-1].start()

    def _serve(self, connection: socket.socket) -> None:
        rest = b""
        with contextlib.suppress(OSError), connection:
            while True:
                head, rest = _until(connection, rest, b"\r\n\r\n")
                if not head:
                    return
                asked = Asked(head)
                with self._lock:
                    self.requests.append(asked)
                    answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
                if not self._early:
                    rest = _take_body(connection, asked, rest)
                ends = False
                for piece in [answer] if isinstance(answer, bytes) else answer():
                    connection.sendall(piece)
                    ends = ends or b"connection: close" in piece[:1000].lower()
                if self._early:
                    rest = _take_body(connection, asked, rest)
                if ends:
                    return

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)  # which ends `accept`; closing alone does not
        self._threads[0].join(10)
        self._server.close()
        for connection in self._open:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)


def _until(connection: socket.socket, came: bytes, end: bytes) -> tuple[bytes, bytes]:
    while end not in came:
        read = connection.recv(1 << 16)
        if not read:
            return b"", came
        came += read
    before, _, rest = came.partition(end)
    return before + end, rest


def _take_body(connection: socket.socket, asked: Asked, rest: bytes) -> bytes:
    """Read the request's body, of which `rest` has come; what came behind it."""
    fields = {name.lower(): value for name, value in told(asked.head)[1]}
    if "chunked" in fields.get("transfer-encoding", ""):
        length = -1
        while length:
            line, rest = _until(connection, rest, b"\r\n")
            if not line:
                return b""
            length = int(line.split(b";")[0], 16)
            rest = _take(connection, asked, rest, length)
            _, rest = _until(connection, rest, b"\r\n")
    else:
        rest = _take(connection, asked, rest, int(fields.get("content-length", "0")))
    asked.whole = True
    return rest


def _take(connection: socket.socket, asked: Asked, rest: bytes, length: int) -> bytes:
    while True:
        part, rest = rest[:length], rest[length:]
        asked.size += len(part)
        asked.body += part[: max(0, (1 << 20) - len(asked.body))]
        length -= len(part)
        if not length:
            return rest
        rest = connection.recv(1 << 20)
        if not rest:
            raise ConnectionResetError


def told(answer: bytes) -> tuple[bytes, list[tuple[str, str]], bytes]:
    """The first line, the header fields and the rest of a raw message."""
    head, _, body = answer.partition(b"\r\n\r\n")
    line, *fields = head.split(b"\r\n")
    pairs = [field.decode("latin-1").split(": ", 1) for field in fields]
    return line, [(pair[0], pair[-1]) for pair in pairs], body


class RawClient:
    """One connection on which bytes are sent, and answers of HTTP/1 read up to where each ends."""

    def __init__(self, url: str) -> None:
        self.socket = connect(url, 20)
        self._rest = b""

    def answer(self, *, head: bool = False) -> bytes:
        """The next answer as it came; `head`: to a HEAD, so that nothing follows the header fields."""
        whole, self._rest = _until(self.socket, self._rest, b"\r\n\r\n")
        line, pairs, _ = told(whole)
        fields = {name.lower(): value for name, value in pairs}
        if head or line[9:12] in (b"100", b"204", b"304"):
            return whole
        if fields.get("transfer-encoding") == "chunked":
            last = b""
            while not last.startswith(b"0"):
                last, self._rest = _until(self.socket, self._rest, b"\r\n")
                whole += last + self._exactly(int(last, 16) + 2)
            return whole
        if "content-length" in fields:
            return whole + self._exactly(int(fields["content-length"]))
        rest, self._rest = self._rest, b""
        return whole + rest + receive(self.socket)

    def _exactly(self, size: int) -> bytes:
        while len(self._rest) < size:
            read = self.socket.recv(1 << 16)
            if not read:
                raise ConnectionResetError(self._rest)
            self._rest += read
        exact, self._rest = self._rest[:size], self._rest[size:]
        return exact

    def is_closed(self) -> bool:
        """Whether the other side ends the connection and sends nothing more."""
        return not self._rest and not self.socket.recv(1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.socket.close()
