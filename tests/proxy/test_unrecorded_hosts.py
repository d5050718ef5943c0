"""Hosts that are not recorded: tunnelled untouched, or passed through, and never seen by the addon."""

from __future__ import annotations

import socket
import ssl
import threading
from pathlib import Path

import httpx
import pytest

from tests.conftest import Start
from tests.proxy.talk import CHAT, HEADERS, chat, direct, forward, receive, trusting
from tests.upstream.server import Upstream


@pytest.mark.parametrize("mode", ["once", "replay"])
def test_tunnel_to_another_host_is_not_opened(
    start: Start, tmp_path: Path, tls_upstream: Upstream, mode: str
) -> None:
    assert tls_upstream.ca is not None
    proxy = start(hosts="api.openai.com", mode=mode)
    # The client trusts the stand-in's own CA and not mitmproxy's.
    options = {"verify": trusting(tls_upstream.ca), "trust_env": False, "headers": HEADERS}
    with (
        httpx.Client(proxy=proxy.url, http2=True, **options) as client,  # type: ignore[arg-type]
        direct(tls_upstream, http2=True) as other,
    ):
        told = client.post(tls_upstream.url + CHAT, json=chat())
        assert told.content == other.post(CHAT, json=chat()).content
    assert told.http_version == "HTTP/2"
    assert proxy.stop() == 0, proxy.output
    assert not (tmp_path / "recordings").exists()


@pytest.mark.parametrize("mode", ["once", "replay"])
def test_plain_http_to_another_host_passes_through(
    start: Start, tmp_path: Path, upstream: Upstream, mode: str
) -> None:
    proxy = start(hosts="api.openai.com", mode=mode)
    with forward(proxy) as client, direct(upstream) as other:
        told = client.post(upstream.url + CHAT, json=chat("pass"))
        assert told.content == other.post(CHAT, json=chat("pass")).content
    assert proxy.stop() == 0
    assert not (tmp_path / "recordings").exists()
    assert "0 recorded" in proxy.lines[-1]


def test_tunnel_to_another_host_carries_whatever_is_spoken(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=_greet, args=(server,), daemon=True).start()
        host = f"127.0.0.1:{server.getsockname()[1]}"
        at = httpx.URL(start(hosts="api.openai.com").url)
        with socket.create_connection((at.host, at.port), 10) as tunnel:
            tunnel.sendall(f"CONNECT {host} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
            assert b" 200 " in receive(tunnel, b"\r\n\r\n")
            tunnel.sendall(b"EHLO\r\n")
            assert receive(tunnel, b"bye") == b"you said EHLO\r\nbye"


def _greet(server: socket.socket) -> None:
    connection, _ = server.accept()
    with connection:
        connection.sendall(b"you said " + receive(connection, b"\r\n") + b"bye")


def test_connects_host_decides_and_not_the_name_in_the_handshake(
    start: Start, tmp_path: Path, tls_upstream: Upstream
) -> None:
    proxy = start(mode="replay", hosts="127.0.0.1")
    at = httpx.URL(proxy.url)
    context = ssl.create_default_context(cafile=str(proxy.ca))
    context.check_hostname = False
    host = f"127.0.0.1:{tls_upstream.port}"
    with socket.create_connection((at.host, at.port), 10) as raw:
        raw.sendall(f"CONNECT {host} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        receive(raw, b"\r\n\r\n")
        with context.wrap_socket(raw, server_hostname="other.example") as tunnel:
            tunnel.sendall(b"GET /v1/models HTTP/1.1\r\nHost: other.example\r\n\r\n")
            answer = receive(tunnel, b"vcr_cassette_miss").partition(b"\r\n\r\n")[2]
    assert host.encode() in answer
    assert proxy.stop() == 1
    assert "1 miss" in proxy.lines[-1]
