"""Replay: nothing reaches upstream, whatever a client does; first in, first out; what a miss looks like."""

from __future__ import annotations

import json
import socket
import ssl
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import h2.config
import h2.connection
import h2.events
import httpx
import openai
import pytest

from mitmvcr.model import Interaction
from tests import build
from tests.conftest import Start
from tests.harness import Proxy
from tests.proxy.talk import (
    CHAT,
    FORWARD_H2,
    FORWARD_PLAIN,
    FORWARD_TLS,
    HEADERS,
    REVERSE_H2,
    REVERSE_PLAIN,
    Way,
    chat,
    exchange,
    forward,
    nothing_reaches,
    receive,
    reverse,
    trusting,
)
from tests.upstream.server import Upstream


def _tape(folder: Path, base: str, *answers: str, prompt: str = "Hi", duration: int = 0) -> None:
    """A cassette whose recordings all answer one prompt."""
    asked = build.request(chat(prompt), url=base + CHAT)
    build.write(
        folder / "recordings" / "default.yaml",
        *(Interaction(asked, build.response({"said": said}, duration=duration)) for said in answers),
    )


def test_identical_requests_are_answered_first_in_first_out(
    start: Start, tmp_path: Path, upstream: Upstream
) -> None:
    _tape(tmp_path, upstream.url, "one", "two", "three")
    proxy = start(upstream=upstream.url, mode="replay")
    with nothing_reaches(upstream), reverse(proxy) as client, forward(proxy) as other:
        said = [
            client.post(CHAT, json=chat("Hi")).json()["said"],
            other.post(upstream.url + CHAT, json=chat("Hi")).json()["said"],
            client.post(CHAT, json=chat("Hi")).json()["said"],
        ]
        assert said == ["one", "two", "three"]
        assert client.post(CHAT, json=chat("Hi")).status_code == 404
    assert proxy.stop() == 1
    assert "3 replayed, 1 miss, 0 unused" in proxy.lines[-1]


@pytest.mark.parametrize(("repeat", "then"), [("last", "two"), ("any", "one")])
def test_recording_repeats_as_vcr_repeat_says(
    start: Start, tmp_path: Path, upstream: Upstream, repeat: str, then: str
) -> None:
    _tape(tmp_path, upstream.url, "one", "two")
    proxy = start(upstream=upstream.url, mode="replay", repeat=repeat)
    with reverse(proxy) as client:
        said = [client.post(CHAT, json=chat("Hi")).json()["said"] for _ in range(3)]
    assert said == ["one", "two", then]
    assert proxy.stop() == 0


def test_miss_is_a_404_that_says_what_differs(start: Start, tmp_path: Path, upstream: Upstream) -> None:
    _tape(tmp_path, upstream.url, "one")
    proxy = start(upstream=upstream.url, mode="replay")
    with nothing_reaches(upstream), reverse(proxy) as client:
        answer = client.post(CHAT, json=chat("Ho"))
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-should-retry"] == "false"
    error = answer.json()["error"]
    assert {key: error[key] for key in ("type", "param", "code")} == {
        "type": "vcr_cassette_miss",
        "param": None,
        "code": "vcr_cassette_miss",
    }
    for part in (f"POST {upstream.url}{CHAT}", "recordings/default.yaml", '"Hi"', '"Ho"', "new-episodes"):
        assert part in error["message"]
    assert proxy.stop() == 1
    assert "1 miss, 1 unused" in proxy.lines[-1]


def test_openai_client_raises_for_a_miss_at_once(start: Start, tmp_path: Path, upstream: Upstream) -> None:
    _tape(tmp_path, upstream.url, "one")
    proxy = start(upstream=upstream.url, mode="replay")
    with (
        openai.OpenAI(base_url=proxy.reverse + "/v1", api_key="none", max_retries=3) as client,
        pytest.raises(openai.NotFoundError, match="has no recording of it"),
    ):
        client.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": "Ho"}])
    proxy.stop()
    assert "1 miss," in proxy.lines[-1]


def test_latency_waits_before_the_headers(start: Start, tmp_path: Path, upstream: Upstream) -> None:
    _tape(tmp_path, upstream.url, "one", duration=500_000_000)
    for latency, least, most in (("recorded", 0.5, 2.0), ("off", 0.0, 0.45)):
        proxy = start(upstream=upstream.url, mode="replay", latency=latency)
        with reverse(proxy) as client:
            begun = time.monotonic()
            with client.stream("POST", CHAT, json=chat("Hi")) as answer:
                waited = time.monotonic() - begun
                answer.read()
        assert least <= waited < most
        assert proxy.stop() == 0


def test_replay_works_when_upstream_is_gone(start: Start, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        gone = f"http://127.0.0.1:{taken.getsockname()[1]}"
    _tape(tmp_path, gone, "one", "two")
    proxy = start(upstream=gone, mode="replay")
    with reverse(proxy) as client, forward(proxy) as other:
        assert client.post(CHAT, json=chat("Hi")).json() == {"said": "one"}
        assert other.post(gone + CHAT, json=chat("Hi")).json() == {"said": "two"}
    assert proxy.stop() == 0


def test_host_that_only_the_cassette_names_is_answered_from_it(start: Start, tmp_path: Path) -> None:
    host = "https://api.no-such-host.invalid"
    _tape(tmp_path, host, "one")
    proxy = start(hosts="api.openai.com", mode="replay")
    with forward(proxy) as client:
        assert client.post(host + CHAT, json=chat("Hi")).json() == {"said": "one"}
        assert client.post(host + CHAT, json=chat("Ho")).status_code == 404


@pytest.fixture
def replaying(
    start: Start, tmp_path: Path, plain_upstream: Upstream, tls_upstream: Upstream
) -> Iterator[tuple[Proxy, Proxy]]:
    """Two proxies with nothing to replay, before upstreams that nothing may reach.

    One is for plain upstreams, one for those with TLS; all that makes mitmproxy eager is set.
    """
    eager = ("--set", "connection_strategy=eager", "--set", "stream_large_bodies=1")
    trust = ("--set", f"ssl_verify_upstream_trusted_ca={tls_upstream.ca}")
    plain_upstream.clear()
    tls_upstream.clear()
    with nothing_reaches(plain_upstream), nothing_reaches(tls_upstream):
        plain = start(*eager, upstream=plain_upstream.url, mode="replay")
        tls = start(*eager, *trust, upstream=tls_upstream.url, mode="replay")
        yield plain, tls
        plain.stop()
        tls.stop()


def test_nothing_reaches_upstream_whatever_a_client_sends(
    replaying: tuple[Proxy, Proxy], plain_upstream: Upstream, tls_upstream: Upstream
) -> None:
    plain, tls = replaying
    ways = (
        (FORWARD_PLAIN, plain),
        (REVERSE_PLAIN, plain),
        (FORWARD_TLS, tls),
        (FORWARD_H2, tls),
        (REVERSE_H2, tls),
    )
    for way, proxy in ways:
        upstream = tls_upstream if way.tls else plain_upstream
        with way.client(proxy, upstream) as client:
            _ask_for_what_is_not_there(client, way)
    for proxy, upstream in ((plain, plain_upstream), (tls, tls_upstream)):
        _connect_and_say_nothing(proxy, upstream)
    for url, target in ((plain.reverse, CHAT), (plain.url, plain_upstream.url + CHAT)):
        _expect_to_continue(url, target)
        _ask_for_a_websocket(url, target)
    assert plain.stop() == 1
    assert tls.stop() == 1


def _ask_for_what_is_not_there(client: httpx.Client, way: Way) -> None:
    large = b"x" * 300_000
    for content in (b"", b"{}", large, iter([large, large])):
        answer = client.post(CHAT, content=content)
        assert answer.status_code == 404, way
        assert answer.json()["error"]["code"] == "vcr_cassette_miss", way
    assert client.head("/v1/models").status_code == 404, way
    assert client.get("/v1/models").status_code == 404, way


def _connect_and_say_nothing(proxy: Proxy, upstream: Upstream) -> None:
    at = httpx.URL(proxy.reverse)
    with socket.create_connection((at.host, at.port), 10), socket.create_connection((at.host, at.port), 10):
        time.sleep(0.3)
    host = f"127.0.0.1:{upstream.port}"
    at = httpx.URL(proxy.url)
    with socket.create_connection((at.host, at.port), 10) as tunnel:
        tunnel.sendall(f"CONNECT {host} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        assert receive(tunnel, b"\r\n\r\n").startswith(b"HTTP/1.1 200")
        time.sleep(0.2)
        # What is neither TLS nor HTTP goes nowhere either.
        tunnel.sendall(b"\x00\x01\x02\x03 hello\r\n\r\n")
        tunnel.shutdown(socket.SHUT_WR)
        receive(tunnel)


def _expect_to_continue(url: str, target: str) -> None:
    at = httpx.URL(url)
    head = f"POST {target} HTTP/1.1\r\nHost: upstream\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"
    with socket.create_connection((at.host, at.port), 10) as connection:
        connection.sendall(head.encode())
        assert receive(connection, b"\r\n\r\n").startswith(b"HTTP/1.1 100")
        connection.sendall(b"{}")
        assert b" 404 " in receive(connection, b"vcr_cassette_miss")


def _ask_for_a_websocket(url: str, target: str) -> None:
    head = (
        f"GET {target} HTTP/1.1\r\nHost: upstream\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    assert b" 404 " in exchange(url, head.encode(), until=b"vcr_cassette_miss")


@pytest.mark.parametrize("http_version", ["1.0", "1.1"])
def test_answer_is_framed_for_the_client_that_asks(
    start: Start, tmp_path: Path, upstream: Upstream, http_version: str
) -> None:
    asked = build.request(method="GET", url=upstream.url + "/v1/models", content_type="")
    sized = build.response("known length", content_type="text/plain")
    unsized = replace(sized, body=b"unknown length", content_length=-1, transfer_encoding=["chunked"])
    build.write(
        tmp_path / "recordings" / "default.yaml",
        Interaction(asked, sized),
        Interaction(asked, unsized),
    )
    proxy = start(upstream=upstream.url, mode="replay")
    request = f"GET /v1/models HTTP/{http_version}\r\nHost: x\r\nConnection: close\r\n\r\n".encode()
    first, second = (exchange(proxy.reverse, request).split(b"\r\n\r\n", 1) for _ in range(2))
    assert b"content-length: 12" in first[0].lower()
    assert first[1] == b"known length"
    if http_version == "1.0":
        assert b"transfer-encoding" not in second[0].lower()
        assert second[1] == b"unknown length"
    else:
        assert b"transfer-encoding: chunked" in second[0].lower()
        assert second[1] == b"e\r\nunknown length\r\n0\r\n\r\n"
    assert proxy.stop() == 0


def test_http2_client_without_a_key_is_answered(start: Start, tmp_path: Path, tls_upstream: Upstream) -> None:
    _tape(tmp_path, tls_upstream.url, "one")
    proxy = start(mode="replay")
    body = json.dumps(chat("Hi")).encode()
    with _tunnel(proxy, tls_upstream.port) as connection:
        events = _ask_over_http2(connection, tls_upstream.port, [("authorization", "Bearer ")], body)
    (told,) = (one for one in events if isinstance(one, h2.events.ResponseReceived))
    assert {str(name): str(value) for name, value in told.headers or ()}[":status"] == "200"
    assert proxy.stop() == 0


def _tunnel(proxy: Proxy, port: int) -> ssl.SSLSocket:
    at = httpx.URL(proxy.url)
    raw = socket.create_connection((at.host, at.port), 10)
    raw.sendall(f"CONNECT 127.0.0.1:{port} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
    receive(raw, b"\r\n\r\n")
    context = trusting(proxy.ca)
    context.set_alpn_protocols(["h2"])
    return context.wrap_socket(raw, server_hostname="127.0.0.1")


def _ask_over_http2(
    connection: ssl.SSLSocket, port: int, headers: list[tuple[str, str]], body: bytes
) -> list[h2.events.Event]:
    """One POST whose headers are sent as they are; what came until the stream, or the connection, ended."""
    config = h2.config.H2Configuration(
        header_encoding="utf-8", validate_outbound_headers=False, normalize_outbound_headers=False
    )
    client = h2.connection.H2Connection(config)
    client.initiate_connection()
    pseudo = [(":method", "POST"), (":scheme", "https"), (":authority", f"127.0.0.1:{port}"), (":path", CHAT)]
    client.send_headers(1, [*pseudo, ("content-type", "application/json"), *headers])
    client.send_data(1, body, end_stream=True)
    events: list[h2.events.Event] = []
    ends = (h2.events.StreamEnded, h2.events.ConnectionTerminated, h2.events.StreamReset)
    while not any(isinstance(event, ends) for event in events):
        connection.sendall(client.data_to_send())
        data = connection.recv(1 << 16)
        if not data:
            break
        events += client.receive_data(data)
    return events


def test_request_is_matched_whatever_its_key_and_multipart_boundary(
    start: Start, tmp_path: Path, upstream: Upstream
) -> None:
    def send(proxy: Proxy, key: str) -> httpx.Response:
        with reverse(proxy, headers={**HEADERS, "Authorization": f"Bearer {key}"}) as client:
            form = {"files": {"file": ("a.wav", b"RIFF\x00\xff")}, "data": {"model": "whisper-1"}}
            return client.post("/v1/audio/transcriptions", **form)  # type: ignore[arg-type]

    proxy = start(upstream=upstream.url)
    told = send(proxy, "sk-" + "a" * 48)
    assert proxy.stop() == 0, proxy.output
    proxy = start(upstream=upstream.url, mode="replay")
    with nothing_reaches(upstream):
        again = send(proxy, "sk-" + "b" * 48)
    assert (again.status_code, again.content) == (told.status_code, told.content)
    assert proxy.stop() == 0, proxy.output
