"""Upstreams that go, or say odd things: what clients of the proxy get is what they would get without it."""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from mitmproxy.options import Options

from tests.conftest import Start
from tests.harness import Proxy
from tests.proxy.talk import RawClient, Wire, connect, exchange, receive, recordings, told

_OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok"
_GET = b"GET /v1/x HTTP/1.1\r\nHost: localhost\r\n\r\n"

Script = Callable[[int, int], bytes | None]
"""By the number of a connection and of a request on it, from 1: what is sent; None closes, b"" resets."""


class ScriptedUpstream:
    """Reads requests of HTTP/1 to their end, and does what the script says; `requests` as they came."""

    def __init__(self, script: Script) -> None:
        self.requests: list[bytes] = []
        self.connections = 0
        self._script = script
        self._server = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._server.getsockname()[1]}"
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._server.accept()
                self.connections += 1
                serve = threading.Thread(target=self._serve, args=(connection, self.connections), daemon=True)
                self._threads.append(serve)
                serve.start()

    def _serve(self, connection: socket.socket, number: int) -> None:
        came, count = b"", 0
        with contextlib.suppress(OSError), connection:
            while True:
                while not (end := _end(came)):
                    read = connection.recv(1 << 16)
                    if not read:
                        return
                    came += read
                count += 1
                self.requests.append(came[:end])
                came = came[end:]
                answer = self._script(number, count)
                if answer == b"":
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                if not answer:
                    return
                connection.sendall(answer)
                if b"connection: close" in answer.lower():
                    return

    def close(self) -> None:
        """Let nobody in any more."""
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        for thread in self._threads:
            thread.join(10)


def _end(came: bytes) -> int:
    """Where the first request ends, 0 if its end has not come."""
    head, found, _ = came.partition(b"\r\n\r\n")
    if not found:
        return 0
    start, fields = len(head) + 4, {name.lower(): value for name, value in told(head + b"\r\n\r\n")[1]}
    if "transfer-encoding" in fields:
        last = came.find(b"0\r\n\r\n", start)
        return last + 5 if last >= 0 else 0
    end = start + int(fields.get("content-length", "0"))
    return end if len(came) >= end else 0


@contextlib.contextmanager
def _upstream(script: Script) -> Iterator[ScriptedUpstream]:
    upstream = ScriptedUpstream(script)
    try:
        yield upstream
    finally:
        upstream.close()


def _post(body: bytes, *fields: bytes) -> bytes:
    lines = [b"POST /v1/x HTTP/1.1", b"Host: localhost", *fields, b"Content-Length: %d" % len(body)]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def _chunked(body: bytes) -> bytes:
    head = b"POST /v1/x HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head + b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)


_REQUESTS = {
    "get": _GET,
    "post": _post(b'{"n": 1}'),
    "upload that streams": _post(b"x" * 200_000),
    "chunked": _chunked(b"y" * 100),
}


@pytest.mark.parametrize("ending", [None, b""], ids=["closes", "resets"])
def test_request_on_a_kept_connection_that_is_gone_is_sent_once_more(
    start: Start, tmp_path: Path, ending: bytes | None
) -> None:
    with _upstream(lambda _, count: _OK if count == 1 else ending) as upstream:
        proxy = start(upstream=upstream.url, mode="record")
        for number, request in enumerate(_REQUESTS.values(), start=1):
            with RawClient(proxy.reverse) as client:
                for _ in range(2):
                    client.socket.sendall(request)
                    assert client.answer().endswith(b"ok")
            assert len(upstream.requests) == 3 * number
            assert upstream.requests[-1] == upstream.requests[-2]
        assert proxy.stop() == 0, proxy.output
    assert len(recordings(tmp_path)) == 2 * len(_REQUESTS)
    assert recordings(tmp_path)[4].request.body == b"x" * 200_000
    assert "not answered" not in proxy.lines[-1]


def test_request_is_sent_twice_at_most_and_once_on_a_new_connection(start: Start, tmp_path: Path) -> None:
    with _upstream(lambda number, count: _OK if (number, count) == (1, 1) else None) as upstream:
        proxy = start(upstream=upstream.url, mode="record")
        with RawClient(proxy.reverse) as client:
            client.socket.sendall(_GET)
            assert client.answer().endswith(b"ok")
            for _ in range(2):  # sent again for the first, and once for the second
                client.socket.sendall(_GET)
                assert _error(client.answer())["type"] == "vcr_upstream_error"
        assert len(upstream.requests) == 4
        assert proxy.stop() == 0
    assert len(recordings(tmp_path)) == 1
    assert "2 not answered by upstream" in proxy.lines[-1]


def test_request_is_not_sent_again_when_an_answer_has_begun(start: Start, tmp_path: Path) -> None:
    begun = iter([_OK, b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Le"])
    with _upstream(lambda *_: next(begun)) as upstream:
        proxy = start(upstream=upstream.url, mode="record")
        with RawClient(proxy.reverse) as client:
            client.socket.sendall(_GET)
            client.answer()
            client.socket.sendall(_GET)
            assert "can't be read" in _error(client.answer())["message"]
        assert len(upstream.requests) == 2
        assert proxy.stop() == 0
    assert len(recordings(tmp_path)) == 1


def _error(answer: bytes) -> dict[str, str]:
    line, fields, body = told(answer)
    assert line.split()[1] == b"502"
    assert ("Content-Type", "application/json") in fields
    error: dict[str, str] = json.loads(body)["error"]
    assert error["type"] == error["code"]
    return error


_UNREADABLE = {
    "no status": b"HTTP/1.1 two hundred\r\nConnection: close\r\n\r\n",
    "no HTTP": b"SSH-2.0-OpenSSH_9.6 connection: close\r\n\r\n",
    "other lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2, 3\r\nConnection: close\r\n\r\nok",
    "no length": b"HTTP/1.1 200 OK\r\nContent-Length: -2\r\nConnection: close\r\n\r\nok",
    "odd name": b"HTTP/1.1 200 OK\r\nA b: 2\r\nConnection: close\r\n\r\nok",
    "odd coding": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: x\r\nConnection: close\r\n\r\nok",
}


def test_what_upstream_does_wrong_is_told_by_its_name_and_the_connection_goes_on(
    start: Start, tmp_path: Path
) -> None:
    answers = list(_UNREADABLE.values())
    with Wire(*answers, _OK) as upstream:
        proxy = start(upstream=upstream.url, mode="record")
        with RawClient(proxy.reverse) as client:
            for name in _UNREADABLE:
                client.socket.sendall(_GET)
                error = _error(client.answer())
                assert "127.0.0.1 sent an answer that can't be read" in error["message"], name
            client.socket.sendall(_GET)
            assert client.answer().endswith(b"ok")
        assert proxy.stop() == 0
    assert proxy.output.count("GET 127.0.0.1/v1/x: not answered: 127.0.0.1 sent an answer") == len(
        _UNREADABLE
    )
    assert "OpenSSH" not in proxy.output
    assert "broke off" not in proxy.output
    assert len(recordings(tmp_path)) == 1


@pytest.mark.parametrize("mode", ["record", "passthrough"])
def test_client_whose_upstream_comes_up_meanwhile_is_answered_on_its_connection(
    start: Start, mode: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    proxy = start(upstream=f"http://127.0.0.1:{port}", mode=mode)
    with RawClient(proxy.reverse) as client:
        for request in (_GET, _post(b"x" * 200_000)):
            client.socket.sendall(request)
            message = _error(client.answer())["message"]
            assert message.startswith("127.0.0.1 can't be reached: connection refused: does it run")
        server = socket.create_server(("127.0.0.1", port))
        threading.Thread(target=_answer_once, args=(server,), daemon=True).start()
        client.socket.sendall(_GET)
        assert client.answer().endswith(b"ok")
        server.close()
    assert proxy.stop() == 0
    assert proxy.output.count("not answered: 127.0.0.1 can't be reached: connection refused") == 2


def _answer_once(server: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection, _ = server.accept()
        with connection:
            connection.recv(1 << 16)
            connection.sendall(_OK)


_LENGTHS = {
    "twice": (b"Content-Length: 2\r\nContent-Length: 2\r\n", b"ok"),
    "in a list": (b"Content-Length: 2, 2\r\n", b"ok"),
    "with a zero": (b"Content-Length: 02\r\n", b"ok"),
    "beside chunks": (b"Content-Length: 7\r\nTransfer-Encoding: chunked\r\n", b"2\r\nok\r\n0\r\n\r\n"),
    "behind chunks": (b"Transfer-Encoding: chunked\r\nContent-Length: 1\r\n", b"2\r\nok\r\n0\r\n\r\n"),
    "of itself": (b"Transfer-Encoding: identity\r\nContent-Length: 2\r\n", b"ok"),
}


def test_lengths_that_clients_understand_are_passed_on_once(start: Start, tmp_path: Path) -> None:
    answers = [b"HTTP/1.1 200 OK\r\n" + fields + b"\r\n" + body for fields, body in _LENGTHS.values()]
    empty = b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n"
    with Wire(*answers, empty) as upstream:
        proxy = start(upstream=upstream.url, mode="record")
        with RawClient(proxy.reverse) as client:
            for name in _LENGTHS:
                client.socket.sendall(_GET)
                _, fields, body = told(client.answer())
                framing = [field for field in fields if field[0] in ("Content-Length", "Transfer-Encoding")]
                assert framing == (
                    [("Transfer-Encoding", "chunked")] if "chunks" in name else [("Content-Length", "2")]
                ), name
                assert b"ok" in body
            client.socket.sendall(_GET)
            assert client.answer().startswith(b"HTTP/1.1 204")
        assert proxy.stop() == 0, proxy.output
    assert [kept.response.body for kept in recordings(tmp_path)] == [b"ok"] * len(_LENGTHS) + [b""]


def _half_closed(proxy: Proxy, request: bytes, *, until_end: bool = True) -> bytes:
    with connect(proxy.reverse) as client:
        client.sendall(request)
        client.shutdown(socket.SHUT_WR)
        return receive(client) if until_end else b""


def _slow(answer: bytes) -> Script:
    def script(*_: int) -> bytes:
        time.sleep(0.3)
        return answer

    return script


@pytest.mark.slow
def test_client_that_ends_its_side_is_answered_by_every_engine(start: Start, tmp_path: Path) -> None:
    pipelined = _GET + _post(b"{}") + _GET
    stream = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"
    for answer, folder in ((_OK, tmp_path / "sized"), (stream, tmp_path / "chunked")):
        folder.mkdir()
        with _upstream(_slow(answer)) as upstream:
            proxy = start(folder=folder, upstream=upstream.url, mode="record")
            live = [_half_closed(proxy, request) for request in (_GET, pipelined)]
            assert proxy.stop() == 0, proxy.output
        assert [answers.count(b"HTTP/1.1 200") for answers in live] == [1, 3]
        assert [answers.count(b"ok") for answers in live] == [1, 3]
        for engine in ("hooks", "layer"):
            proxy = start(folder=folder, upstream=upstream.url, mode="replay", engine=engine, repeat="any")
            replayed = [_half_closed(proxy, request) for request in (_GET, pipelined)]
            assert [answers.count(b"ok") for answers in replayed] == [1, 3]
            assert proxy.stop() == 0


def test_client_that_is_gone_before_its_answer_is_let_go_of(start: Start, tmp_path: Path) -> None:
    stream = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n"

    def pieces() -> Iterator[bytes]:
        yield stream
        for _ in range(40):
            time.sleep(0.05)
            yield b"2\r\nok\r\n"

    with Wire(pieces) as upstream:
        proxy = start(upstream=upstream.url, mode="record")
        client = connect(proxy.reverse)
        client.sendall(_GET)
        client.close()
        proxy.wait_for("not recorded, it broke off before its end")
        client = connect(proxy.reverse)
        client.sendall(_GET)
        receive(client, b"ok")
        client.close()
        proxy.wait_for("not recorded, it broke off before its end", 2)
        assert proxy.stop() == 0
    assert not (tmp_path / "recordings" / "default.yaml").exists()


@pytest.mark.slow
def test_request_under_way_is_not_idle(start: Start) -> None:
    def script(*_: int) -> bytes:
        time.sleep(1.6)
        return _OK

    has_option = "tcp_timeout" in Options()  # not in mitmproxy 11, which has ten minutes
    with _upstream(script) as upstream:
        proxy = start("--set", "tcp_timeout=1", upstream=upstream.url, mode="record")
        with RawClient(proxy.reverse) as client:
            client.socket.sendall(_GET)
            assert client.answer().endswith(b"ok")
            assert not has_option or client.is_closed()  # which is idle now
        assert proxy.stop() == 0
    for engine in ("hooks", "layer"):
        options = {"mode": "replay", "latency": "recorded", "engine": engine}
        proxy = start("--set", "tcp_timeout=1", upstream=upstream.url, **options)
        assert exchange(proxy.reverse, _GET, until=b"ok").endswith(b"ok")
        assert proxy.stop() == 0


def test_error_of_another_mitmvcr_is_passed_on_and_not_recorded(start: Start, tmp_path: Path) -> None:
    (tmp_path / "behind").mkdir()
    behind = start(folder=tmp_path / "behind", upstream="http://127.0.0.1:9", mode="replay")
    proxy = start(upstream=behind.reverse, mode="record")
    with RawClient(proxy.reverse) as client:
        for request in (_GET, _post(b"{}", b"X-VCR-Cassette: ../x")):
            client.socket.sendall(request)
            answer = client.answer()
            assert json.loads(told(answer)[2])["error"]["type"].startswith("vcr_cassette_")
    assert proxy.stop() == 1  # ../x is an error here, too
    assert behind.stop() == 1
    assert not (tmp_path / "recordings" / "default.yaml").exists()
    assert "not answered: upstream is another mitmvcr, which says: " in proxy.output
