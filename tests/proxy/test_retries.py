"""An answer that an SDK will retry is recorded, though the SDK hangs up once it has seen the headers."""

from __future__ import annotations

import socket
import threading
import time
from pathlib import Path

import pytest

from tests.conftest import Start
from tests.proxy.talk import exchange, recordings

_BODY = b'{"error": {"message": "slow down", "type": "requests", "code": "rate_limit_exceeded"}}'
_HEAD = b"HTTP/1.1 %d Whatever\r\nContent-Type: application/json\r\n%b\r\n"
_REQUEST = b"POST /v1/chat/completions HTTP/1.1\r\nHost: it\r\nContent-Length: 2\r\n\r\n{}"


def answer_slowly(server: socket.socket, head: bytes, body: bytes) -> None:
    """Take one request; its answer's body comes a while after the headers."""
    connection, _ = server.accept()
    with connection:
        connection.recv(1 << 16)
        connection.sendall(head)
        time.sleep(0.3)
        connection.sendall(body)


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
@pytest.mark.parametrize("status", [307, 429, 500])
def test_what_will_be_retried_is_recorded_though_the_client_left_at_its_headers(
    status: int, tmp_path: Path, start: Start, *, chunked: bool
) -> None:
    framing = b"Transfer-Encoding: chunked\r\n" if chunked else b"Content-Length: %d\r\n" % len(_BODY)
    body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(_BODY), _BODY) if chunked else _BODY
    with socket.create_server(("127.0.0.1", 0)) as server:
        arguments = (server, _HEAD % (status, framing), body)
        thread = threading.Thread(target=answer_slowly, args=arguments, daemon=True)
        thread.start()
        proxy = start(upstream=f"http://127.0.0.1:{server.getsockname()[1]}")
        came = exchange(proxy.reverse, _REQUEST, until=b"\r\n\r\n")
        thread.join(10)
    assert came.startswith(b"HTTP/1.1 %d " % status)
    proxy.wait_for("recorded")
    assert proxy.stop() == 0, proxy.output
    (one,) = recordings(tmp_path)
    assert (one.response.code, one.response.body) == (status, _BODY)
