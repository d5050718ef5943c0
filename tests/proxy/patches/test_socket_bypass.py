"""What is answered below mitmproxy's streams: the same, however requests are cut, joined and encrypted."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import json
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TypeAlias

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st
from mitmproxy import options
from mitmproxy.connection import Client, ConnectionState
from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers.http import HTTPMode
from mitmproxy.proxy.server import TimeoutWatchdog
from OpenSSL import SSL

from mitmvcr.model import Interaction
from mitmvcr.proxy.layer.http1_layer import ReplayLayer
from mitmvcr.proxy.patches.client_tls import HostTlsLayer
from mitmvcr.proxy.patches.socket_bypass import BypassProtocol
from mitmvcr.serving.outcomes import Outcomes, access_lines
from mitmvcr.serving.responder import Responder, Route
from tests import build
from tests.conftest import Start
from tests.harness import Proxy
from tests.proxy.layer.test_http1_layer import BASE, Raw, post, resident, talk
from tests.proxy.talk import CHAT, chat, connect, trusting

_HOST = "api.openai.com"
_LARGE = 800_000
_COUNTER = """
import atexit
from mitmproxy.proxy.server import ConnectionHandler
count, stock = 0, ConnectionHandler.server_event
async def server_event(self, event):
    global count
    count += 1
    await stock(self, event)
ConnectionHandler.server_event = server_event
atexit.register(lambda: print(f"mitmproxy saw {count} events", flush=True))
"""


def _replays(start: Start, folder: Path, **settings: object) -> Proxy:
    (folder / "counter.py").write_text(_COUNTER)
    build.write(
        folder / "recordings" / "default.yaml",
        *(
            Interaction(
                build.request(chat(prompt), url=base + CHAT),
                build.response({"said": prompt * (_LARGE if prompt == "large" else 1)}, duration=30_000_000),
            )
            for prompt in ("Hi", "large")
            for base in (BASE, f"https://{_HOST}")
        ),
    )
    options = {"hosts": _HOST, "repeat": "any", **settings}
    counter = str(folder / "counter.py")
    return start("-s", counter, upstream=BASE, mode="replay", engine="layer", **options)


def _seen(proxy: Proxy) -> int:
    """How many events mitmproxy has had of all its clients."""
    assert proxy.stop() in (0, 1)  # 1 where there were misses
    (line,) = [line for line in proxy.lines if line.startswith("mitmproxy saw ")]
    return int(line.split()[2])


class _Secured(Raw):
    """The same inside a tunnel's TLS."""

    def __init__(self, proxy: Proxy) -> None:
        connection = connect(proxy.url, 20)
        connection.sendall(f"CONNECT {_HOST}:443 HTTP/1.1\r\nHost: {_HOST}:443\r\n\r\n".encode())
        assert b" 200 " in connection.recv(1 << 12)
        self.socket = trusting(proxy.ca).wrap_socket(connection, server_hostname=_HOST)
        self._file = self.socket.makefile("rb")


@pytest.mark.parametrize("secured", [False, True])
def test_request_whose_head_came_before_never_reaches_mitmproxys_streams(
    start: Start, tmp_path: Path, *, secured: bool
) -> None:
    proxy = _replays(start, tmp_path)
    raw = _Secured(proxy) if secured else Raw(proxy.reverse)
    for _ in range(200):
        raw.send(post())
        assert raw.said() == "Hi"
    raw.socket.close()
    raw._file.close()
    assert _seen(proxy) < 20
    assert proxy.output.count("replayed, interaction") == 200


def test_whatever_else_comes_on_a_kept_connection_is_served_as_ever(start: Start, tmp_path: Path) -> None:
    proxy = _replays(start, tmp_path)
    whole = post()
    with talk(proxy.reverse) as raw:
        raw.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

        def is_quick() -> None:
            raw.send(whole)
            assert raw.said() == "Hi"

        for at in range(1, len(whole), 9):
            is_quick()
            raw.send(whole[:at])
            time.sleep(0.002)
            raw.send(whole[at:])
            assert raw.said() == "Hi"
        is_quick()
        raw.send(whole * 3)
        assert [raw.said() for _ in range(3)] == ["Hi"] * 3
        is_quick()
        for _ in range(2):
            raw.send(post("Nobody said this"))
            code, _, body = raw.answer()
            assert (code, json.loads(body)["error"]["type"]) == (404, "vcr_cassette_miss")
        for _ in range(2):
            raw.send(b"GET /__vcr__/cassettes/default HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            code, _, body = raw.answer()
            assert (code, json.loads(body)["replayed"] > 0) == (200, True)
        for _ in range(2):
            raw.send(post("Hi", "Expect: 100-continue"))
            code, _, _ = raw.answer()
            assert code == 200
        is_quick()
        raw.send(b"\x16\x03\x01\r\n\r\n")
        assert raw.answer()[0] == 400
        assert raw.is_closed()


def test_answer_that_has_to_wait_keeps_those_behind_it_waiting(start: Start, tmp_path: Path) -> None:
    proxy = _replays(start, tmp_path, latency="recorded")
    whole = post()
    with talk(proxy.reverse) as raw:
        for _ in range(3):
            began = time.monotonic()
            raw.send(whole)
            time.sleep(0.01)
            raw.send(whole + whole)
            assert [raw.said() for _ in range(3)] == ["Hi"] * 3
            assert time.monotonic() - began >= 0.09
    assert proxy.output.count("replayed, interaction") <= 9


def test_client_that_asks_on_and_does_not_read_is_not_written_to_without_end(
    start: Start, tmp_path: Path
) -> None:
    proxy = _replays(start, tmp_path)
    asked, wanted = (post("large"), post()), ("large" * _LARGE, "Hi")
    with talk(proxy.reverse) as raw:
        for _ in range(3):
            raw.send(*asked)
            assert tuple(raw.said() for _ in asked) == wanted
        before = resident(proxy)
        for _ in range(100):  # 400 MB of answers
            for one in asked:
                raw.send(one)
                time.sleep(0.002)
        assert resident(proxy) - before < 100 << 20
        for _ in range(100):
            assert tuple(raw.said() for _ in asked) == wanted
        raw.send(*asked)
        assert tuple(raw.said() for _ in asked) == wanted


@pytest.mark.parametrize("count", [0, 1, 2])
def test_end_of_tls_that_comes_with_a_request_is_met(start: Start, tmp_path: Path, count: int) -> None:
    proxy = _replays(start, tmp_path)
    read, write = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = trusting(proxy.ca).wrap_bio(read, write, server_hostname=_HOST)

    def answer() -> bytes:
        return tls.read(1 << 16)

    with connect(proxy.url, 20) as connection:
        connection.sendall(f"CONNECT {_HOST}:443 HTTP/1.1\r\nHost: {_HOST}:443\r\n\r\n".encode())
        assert b" 200 " in connection.recv(1 << 12)
        _until(connection, read, write, tls.do_handshake)
        for _ in range(count):
            tls.write(post())
            assert b"Hi" in _until(connection, read, write, answer)
        tls.write(post())
        with pytest.raises(ssl.SSLWantReadError):
            tls.unwrap()
        assert b"Hi" in _until(connection, read, write, answer)
        while connection.recv(1 << 16):  # its end comes without ours
            pass
    assert proxy.stop() == 0


def _until(
    connection: socket.socket, read: ssl.MemoryBIO, write: ssl.MemoryBIO, step: Callable[[], bytes | None]
) -> bytes:
    while True:
        try:
            made = step()
        except ssl.SSLWantReadError:
            connection.sendall(write.read())
            read.write(connection.recv(1 << 16))
        else:
            connection.sendall(write.read())
            return made or b""


# In one process: the wire alone, then the layers, and how data may come.


class _Transport(asyncio.Transport):
    """Remembers what is written; its protocol is that of a stream."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        super().__init__()
        self._protocol: asyncio.BaseProtocol = asyncio.StreamReaderProtocol(reader)
        self.written: list[bytes] = []

    def get_protocol(self) -> asyncio.BaseProtocol:
        return self._protocol

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written.append(bytes(data))


def test_wire_leaves_to_the_stream_what_must_wait_behind_other_things() -> None:
    async def talk() -> None:
        reader = asyncio.StreamReader()
        transport = _Transport(reader)
        wire = BypassProtocol(transport, reader, TimeoutWatchdog(600, asyncio.Event().wait))
        wire.answer = lambda data: data.upper() if data != b"unknown" else None
        wire.data_received(b"a")
        assert transport.written == [b"A"]
        wire.data_received(b"unknown")
        wire.data_received(b"b")  # behind what the stream's reader hasn't read yet
        assert await reader.read(100) == b"unknownb"
        wire.data_received(b"c")
        wire.pause_writing()
        wire.data_received(b"d")
        assert await reader.read(100) == b"d"
        wire.resume_writing()
        wire.data_received(b"e")
        assert transport.written == [b"A", b"C", b"E"]
        wire.eof_received()
        assert await reader.read() == b""
        wire.connection_lost(None)

    asyncio.run(asyncio.wait_for(talk(), 20))


@pytest.mark.parametrize("error", [None, ConnectionResetError()])
def test_wire_tells_the_stream_how_the_connection_ends(error: Exception | None) -> None:
    async def talk() -> None:
        reader = asyncio.StreamReader()
        transport = _Transport(reader)
        wire = BypassProtocol(transport, reader, TimeoutWatchdog(600, asyncio.Event().wait))
        wire.connection_lost(error)
        with pytest.raises(ConnectionResetError) if error else contextlib.nullcontext():
            assert await reader.read() == b""

    asyncio.run(asyncio.wait_for(talk(), 20))


_COUNT = 3


@pytest.fixture(scope="module")
def responder(tmp_path_factory: pytest.TempPathFactory) -> Responder:
    folder = tmp_path_factory.mktemp("wire")
    build.write(
        folder / "default.yaml",
        *(
            Interaction(build.request(chat(f"{number}"), url=BASE + CHAT), build.response({"said": number}))
            for number in range(_COUNT)
        ),
    )
    table = build.sessions(folder, mode="replay", repeat="any")
    return Responder(Outcomes(lambda: table))


@pytest.fixture(scope="module", autouse=True)
def quiet() -> Iterator[None]:
    access_lines.disabled = True  # its lines need an event loop
    yield
    access_lines.disabled = False


class _Served:
    """A layer as mitmproxy's connection handler and the wire drive it; `out` is what the client gets."""

    def __init__(self, top: layer.Layer, client: Client, at_once: Callable[[bytes], bytes | None]) -> None:
        self._top, self._client, self.at_once = top, client, at_once
        self._waiting = b""
        self.out = b""
        self.quick = 0
        self.tell(events.Start())

    def take(self, data: bytes, *, later: bool) -> None:
        """Data came; `later`: mitmproxy doesn't get to it before there is more."""
        answer = None if self._waiting else self.at_once(data)
        if answer is not None:
            self.out += answer
            self.quick += 1
            return
        self._waiting += data
        if not later:
            self.catch_up()

    def catch_up(self) -> None:
        while self._waiting:
            data, self._waiting = self._waiting[:_READ], self._waiting[_READ:]
            self.tell(events.DataReceived(self._client, data))

    def tell(self, event: events.Event) -> None:
        for command in self._top.handle_event(event):
            assert isinstance(command, commands.SendData), command
            self.out += command.data


_READ = 1500
"""Bytes that mitmproxy reads at once here; there they are 65,535."""


def _context() -> Context:
    client = Client(
        peername=("127.0.0.1", 1),
        sockname=("127.0.0.1", 2),
        timestamp_start=0.0,
        state=ConnectionState.OPEN,
    )
    return Context(client, options.Options())


def _layer(context: Context, responder: Responder) -> ReplayLayer:
    return ReplayLayer(
        context,
        Route("http", "127.0.0.1", 9, is_reverse=True),
        responder,
        stock=HTTPMode.transparent,
        tunnel=lambda _: layer.NextLayer(context),
        unsent=lambda _: 0,
    )


class _Client:
    """Sends requests, in plain or inside TLS; `out` is what the server has sent it."""

    def __init__(self, responder: Responder, tls: tuple[SSL.Connection, SSL.Connection] | None) -> None:
        context = _context()
        made = _layer(context, responder)
        self._tls = None
        if tls is None:
            self.server = _Served(made, context.client, made.at_once)
            return
        self._tls, server = tls
        tls_layer = HostTlsLayer(context, server, lambda: made)
        self.server = _Served(tls_layer, context.client, partial(tls_layer.at_once, made.at_once))
        self._tls.set_connect_state()
        server.set_accept_state()
        server.set_app_data({"client_alpn": None, "server_alpn": None, "http2": False})
        for _ in range(2):
            with contextlib.suppress(SSL.WantReadError):
                self._tls.do_handshake()
            self.server.tell(events.DataReceived(context.client, self._tls.bio_read(1 << 16)))
            self._read()

    def send(self, data: bytes, cuts: Sequence[Cut], sealed_cuts: Sequence[Cut]) -> None:
        """Send data in such pieces, and in TLS each as a record that is cut once more."""
        for piece, later in _pieces(data, cuts):
            if self._tls is None:
                self.server.take(piece, later=later)
            else:
                self._tls.sendall(piece)
        if self._tls is not None:
            for piece, later in _pieces(self._tls.bio_read(1 << 20), sealed_cuts):
                self.server.take(piece, later=later)

    def answers(self) -> list[int]:
        """What the answers say."""
        self.server.catch_up()
        out, found = self._read(), []
        while out:
            head, _, rest = out.partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200 "), head
            length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
            found.append(json.loads(rest[:length])["said"])
            out = rest[length:]
        return found

    def _read(self) -> bytes:
        """Take what the server has sent."""
        out, self.server.out = self.server.out, b""
        if self._tls is None:
            return out
        plain = b""
        if out:
            self._tls.bio_write(out)
        with contextlib.suppress(SSL.WantReadError):
            while True:
                plain += self._tls.recv(1 << 16)
        return plain


@pytest.fixture(scope="module")
def contexts() -> tuple[SSL.Context, SSL.Context]:
    """Of a client and of a server."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "wire.test")])
    now = dt.datetime.now(dt.UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(now).not_valid_after(now + dt.timedelta(1))
    server = SSL.Context(SSL.TLS_SERVER_METHOD)
    server.use_certificate(builder.sign(key, hashes.SHA256()))
    server.use_privatekey(key)
    server.set_alpn_select_callback(lambda _, offered: offered[0])
    client = SSL.Context(SSL.TLS_CLIENT_METHOD)
    client.set_alpn_protos([b"http/1.1"])
    return client, server


Cut: TypeAlias = tuple[int, bool]
"""How many bytes come at once, and whether more come before mitmproxy has time for them."""
CUTS = st.lists(st.tuples(st.integers(1, 500), st.booleans()), max_size=6)
SENT = st.tuples(st.lists(st.integers(0, _COUNT - 1), min_size=1, max_size=3), CUTS, CUTS)
"""Requests that are sent together, and how."""


def _pieces(data: bytes, cuts: Sequence[Cut]) -> Iterator[tuple[bytes, bool]]:
    """The data in these pieces, and all that is left in one."""
    for size, later in cuts:
        if data:
            yield data[:size], later
            data = data[size:]
    if data:
        yield data, False


@pytest.mark.parametrize("secured", [False, True])
@given(sent=st.lists(SENT, max_size=6))
def test_answers_are_the_same_however_data_comes(
    responder: Responder,
    contexts: tuple[SSL.Context, SSL.Context],
    *,
    secured: bool,
    sent: list[tuple[list[int], list[Cut], list[Cut]]],
) -> None:
    connections = [SSL.Connection(one) for one in contexts]
    client = _Client(responder, (connections[0], connections[1]) if secured else None)
    for numbers, cuts, sealed_cuts in sent:
        client.send(b"".join(post(f"{number}") for number in numbers), cuts, sealed_cuts)
    assert client.answers() == [number for numbers, _, _ in sent for number in numbers]
    for _ in range(2):  # the first one tells by what name this connection knows us
        client.send(post("0"), [], [])
        assert client.answers() == [0]
    before = client.server.quick
    for number in range(_COUNT):
        client.send(post(f"{number}"), [], [])
        assert client.answers() == [number]
    assert client.server.quick == before + _COUNT


def test_what_breaks_while_a_request_is_answered_is_told(
    responder: Responder, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    client = _Client(responder, None)
    for _ in range(2):
        client.send(post("0"), [], [])
        assert client.answers() == [0]
    with monkeypatch.context() as patch:
        patch.setattr(responder, "answer", lambda *_: 1 / 0)
        client.send(post("0"), [], [])
    assert client.server.out.startswith(b"HTTP/1.1 500 ")
    assert b"vcr_internal_error" in client.server.out
    assert "ZeroDivisionError" in caplog.text
    client.server.out = b""
    client.send(post("1"), [], [])
    assert client.answers() == [1]
