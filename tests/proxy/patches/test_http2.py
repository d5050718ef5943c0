"""Upstreams of HTTP/2 that go away: what they answer still comes, and the rest is sent once more."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import h2.config
import h2.connection
import h2.errors
import h2.events
import httpx
import pytest
import trustme

from tests.harness import Proxy
from tests.proxy.talk import REVERSE_H2, recordings

Answer = Callable[["Connection", int], None]


class Connection:
    """One of upstream's: its number and that of each request on it, from 1, and what it can do."""

    def __init__(self, wrapped: ssl.SSLSocket, number: int) -> None:
        self.number = number
        self.asked: list[int] = []
        self._wrapped = wrapped
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))

    def answer(self, stream: int, body: bytes = b"ok", *, ends: bool = True) -> None:
        self.h2.send_headers(stream, [(":status", "200"), ("content-type", "text/plain")])
        self.h2.send_data(stream, body, end_stream=ends)

    def go_away(self, last: int, code: h2.errors.ErrorCodes = h2.errors.ErrorCodes.NO_ERROR) -> None:
        """Say up to which stream it answers; h2 itself would send nothing after that."""
        self._wrapped.sendall(self.h2.data_to_send())
        frame = (8).to_bytes(3, "big") + b"\x07\x00" + bytes(4)
        self._wrapped.sendall(frame + last.to_bytes(4, "big") + int(code).to_bytes(4, "big"))

    def serve(self, script: Answer) -> None:
        self.h2.initiate_connection()
        while True:
            self._wrapped.sendall(self.h2.data_to_send())
            read = self._wrapped.recv(1 << 16)
            if not read:
                return
            for event in self.h2.receive_data(read):
                if isinstance(event, h2.events.DataReceived):
                    self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                if isinstance(event, h2.events.StreamEnded):
                    self.asked.append(event.stream_id)
                    script(self, event.stream_id)

    def hang_up(self) -> None:
        self._wrapped.sendall(self.h2.data_to_send())
        raise ConnectionAbortedError


class H2Upstream:
    """Does to each request what a script says."""

    def __init__(self, folder: Path, script: Answer) -> None:
        authority = trustme.CA()
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.set_alpn_protocols(["h2"])
        authority.issue_cert("127.0.0.1").configure_cert(self._context)
        self.ca: Path | None = folder / "h2-ca.pem"
        authority.cert_pem.write_to_path(str(self.ca))
        self.connections: list[Connection] = []
        self._script = script
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._server.getsockname()[1])
        self.url = f"https://127.0.0.1:{self.port}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._server.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, plain: socket.socket) -> None:
        with contextlib.suppress(OSError), self._context.wrap_socket(plain, server_side=True) as wrapped:
            connection = Connection(wrapped, len(self.connections) + 1)
            self.connections.append(connection)
            connection.serve(self._script)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()


@contextlib.contextmanager
def _recording(folder: Path, script: Answer) -> Iterator[tuple[Proxy, H2Upstream]]:
    upstream = H2Upstream(folder, script)
    with REVERSE_H2.start(folder, upstream, mode="record") as proxy:  # type: ignore[arg-type]
        try:
            yield proxy, upstream
        finally:
            upstream.close()


def _ask(folder: Path, script: Answer, *rounds: int) -> tuple[list[str], list[int], str]:
    """What so many requests at once come to, round by round; how many each connection was asked; the log."""
    with _recording(folder, script) as (proxy, upstream):
        with REVERSE_H2.client(proxy, upstream) as client, ThreadPoolExecutor(8) as pool:  # type: ignore[arg-type]
            answers: list[httpx.Response] = []
            for size in rounds:
                answers += pool.map(lambda n: client.post("/v1/x", content=b"%d" % n), range(size))
        assert proxy.stop() == 0, proxy.output
        asked = [len(connection.asked) for connection in upstream.connections]
        return [f"{answer.status_code} {answer.text}"[:6] for answer in answers], asked, proxy.output


def test_requests_under_way_are_answered_behind_a_go_away_and_new_ones_elsewhere(tmp_path: Path) -> None:
    def script(connection: Connection, stream: int) -> None:
        if connection.number == 1 and len(connection.asked) == 2:
            connection.answer(connection.asked[0], b"o", ends=False)
            connection.go_away(stream)
            connection.h2.send_data(connection.asked[0], b"k", end_stream=True)
            connection.answer(stream)
        elif connection.number > 1:
            connection.answer(stream)

    answers, asked, _ = _ask(tmp_path, script, 2, 2)
    assert answers == ["200 ok"] * 4
    assert asked == [2, 2]
    assert [kept.response.body for kept in recordings(tmp_path)] == [b"ok"] * 4


@pytest.mark.parametrize("code", [h2.errors.ErrorCodes.NO_ERROR, h2.errors.ErrorCodes.ENHANCE_YOUR_CALM])
def test_requests_that_a_go_away_leaves_out_are_sent_once_more(
    tmp_path: Path, code: h2.errors.ErrorCodes
) -> None:
    def script(connection: Connection, stream: int) -> None:
        if connection.number == 1 and len(connection.asked) < 3:
            return
        if connection.number == 1:
            connection.answer(connection.asked[0])
            connection.go_away(connection.asked[0], code)
        else:
            connection.answer(stream)

    answers, asked, log = _ask(tmp_path, script, 3)
    assert answers == ["200 ok"] * 3, log
    assert asked == [3, 2]


def test_refused_stream_is_sent_once_more_and_no_oftener(tmp_path: Path) -> None:
    refused = h2.errors.ErrorCodes.REFUSED_STREAM

    def once(connection: Connection, stream: int) -> None:
        if len(connection.asked) == 1:
            connection.h2.reset_stream(stream, refused)
        else:
            connection.answer(stream)

    assert _ask(tmp_path, once, 1)[:2] == (["200 ok"], [2])
    always = tmp_path / "always"
    always.mkdir()
    answers, asked, log = _ask(always, lambda on, stream: on.h2.reset_stream(stream, refused), 1)
    assert (answers, asked) == (['502 {"'], [2])
    assert "closed the connection before it answered" in log


def test_kept_connection_that_is_gone_is_made_anew(tmp_path: Path) -> None:
    def script(connection: Connection, stream: int) -> None:
        if connection.number == 1 and len(connection.asked) == 2:
            connection.hang_up()
        connection.answer(stream)

    assert _ask(tmp_path, script, 1, 1)[:2] == (["200 ok", "200 ok"], [2, 1])


def test_answer_that_has_begun_is_not_asked_for_again(tmp_path: Path) -> None:
    def script(connection: Connection, stream: int) -> None:
        connection.answer(stream, ends=len(connection.asked) == 1)
        if len(connection.asked) == 2:
            connection.hang_up()

    with _recording(tmp_path, script) as (proxy, upstream):
        with REVERSE_H2.client(proxy, upstream) as client:  # type: ignore[arg-type]
            assert client.get("/v1/x").text == "ok"
            with pytest.raises(Exception, match=r"(?i)stream|reset|incomplete"):
                client.get("/v1/x")
        assert proxy.stop() == 0
    assert len(upstream.connections) == 1
    assert "it broke off before its end" in proxy.output
