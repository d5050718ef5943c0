"""In replay nothing goes upstream that names a cassette, or to a host that any has; seen from outside."""

from __future__ import annotations

import base64
import contextlib
import json
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self

import httpx
import pytest

from mitmvcr.http.hosts import host_header
from mitmvcr.model import Interaction
from tests import build
from tests.conftest import Start
from tests.harness import Proxy
from tests.proxy.talk import HEADERS, connect, only_http2, receive

ENGINES = ("auto", "hooks")
ADDRESS = "127.0.0.2"
NAMED = base64.b64encode(b"named:session").decode()


class Outside:
    """What is on the other side: it counts connections and answers each in plain HTTP."""

    def __init__(self) -> None:
        self.connections = 0
        self._server = socket.create_server((ADDRESS, 0))
        self.port = int(self._server.getsockname()[1])
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._server.accept()
                self.connections += 1
                with connection:
                    connection.recv(1 << 16)
                    connection.sendall(
                        b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\nLIVE"
                    )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._thread.join(10)
        self._server.close()


def recorded(*urls: str) -> list[Interaction]:
    answer = build.response({"said": "REPLAYED"})
    return [Interaction(build.request({}, url=url), answer) for url in urls]


@pytest.fixture(params=ENGINES)
def watched(request: pytest.FixtureRequest, start: Start, tmp_path: Path) -> Iterator[tuple[Proxy, Outside]]:
    """A proxy that replays, and what it must not reach: a host of a cassette that nobody has opened yet."""
    with Outside() as outside:
        here, folder = f"{ADDRESS}:{outside.port}", tmp_path / "recordings"
        build.write(
            folder / "default.yaml", *recorded("https://api.openai.com/v1/x", "https://openai.test/v1/x")
        )
        build.write(folder / "named.yaml", *recorded(f"http://{here}/v1/x", f"https://{here}/v1/x"))
        # The default cassette's host, to which an address of the outside is led by its TLS and by Host.
        proxy = start(
            mode="replay",
            engine=request.param,
            repeat="any",
            hosts="api.openai.com",
            upstream=f"http://{here}",
        )
        yield proxy, outside


def request(target: str, *headers: str, host: str = "somewhere") -> bytes:
    key = f"Authorization: {HEADERS['Authorization']}"
    lines = [f"POST {target} HTTP/1.1", f"Host: {host}", key, "Content-Type: application/json", *headers]
    return "\r\n".join([*lines, "Content-Length: 2", "", "{}"]).encode()


def tunnel(proxy: Proxy, target: str, *headers: str) -> socket.socket:
    raw = connect(proxy.url)
    raw.sendall("\r\n".join([f"CONNECT {target} HTTP/1.1", f"Host: {target}", *headers, "", ""]).encode())
    status = receive(raw, b"\r\n\r\n")
    if b" 200 " not in status:
        raw.close()
        raise ConnectionRefusedError(status)
    return raw


def tls(proxy: Proxy, target: str, *headers: str, name: str = ADDRESS) -> socket.socket:
    context = ssl.create_default_context(cafile=str(proxy.ca))
    context.check_hostname = False
    raw = tunnel(proxy, target, *headers)
    try:
        return context.wrap_socket(raw, server_hostname=name)
    except OSError:
        raw.close()
        raise


def answer_to(connection: socket.socket, data: bytes) -> bytes:
    with connection:
        connection.sendall(data)
        return receive(connection, b"}")


def over_http2(proxy: Proxy, url: str, headers: dict[str, str], user: str = "") -> bytes:
    at = proxy.url.replace("//", f"//{user}@") if user else proxy.url
    context = only_http2(proxy.ca)
    context.check_hostname = False
    with httpx.Client(proxy=at, http1=False, http2=True, verify=context, trust_env=False) as client:
        return client.post(url, json={}, headers={**HEADERS, **headers}).content


USER = f"Proxy-Authorization: Basic {NAMED}"
HEADER = "X-VCR-Cassette: named"

Way = Callable[[Proxy, str], bytes]
NAMING: dict[str, Way] = {
    "plain, header": lambda p, at: answer_to(connect(p.url), request(f"http://{at}/v1/x", HEADER)),
    "plain, user": lambda p, at: answer_to(connect(p.url), request(f"http://{at}/v1/x", USER)),
    "plain, origin form": lambda p, at: answer_to(connect(p.url), request("/v1/x", HEADER, host=at)),
    "tunnel, header": lambda p, at: answer_to(tunnel(p, at), request("/v1/x", HEADER)),
    "tunnel, user": lambda p, at: answer_to(tunnel(p, at, USER), request("/v1/x")),
    "tunnel, later header": lambda p, at: answer_to(tunnel(p, at), request("/v1/x", HEADER) * 2),
    "TLS, header": lambda p, at: answer_to(tls(p, at), request("/v1/x", HEADER)),
    "TLS, user": lambda p, at: answer_to(tls(p, at, USER), request("/v1/x")),
    "HTTP/2, header": lambda p, at: over_http2(p, f"https://{at}/v1/x", {"X-VCR-Cassette": "named"}),
    "HTTP/2, user": lambda p, at: over_http2(p, f"https://{at}/v1/x", {}, "named:x"),
    "reverse, header": lambda p, _: answer_to(connect(p.reverse), request("/v1/x", HEADER)),
    "reverse, prefix": lambda p, _: answer_to(connect(p.reverse), request("/vcr/named/v1/x")),
}


@pytest.mark.parametrize("first", NAMING)
def test_what_names_a_cassette_is_answered_from_it_open_or_not(
    watched: tuple[Proxy, Outside], first: str
) -> None:
    proxy, outside = watched
    assert b"REPLAYED" in NAMING[first](proxy, f"{ADDRESS}:{outside.port}")
    assert outside.connections == 0


def test_all_ways_to_name_one_stay_inside_and_so_do_unnamed_ones_when_it_is_closed(
    watched: tuple[Proxy, Outside],
) -> None:
    proxy, outside = watched
    here = f"{ADDRESS}:{outside.port}"
    for way, ask in NAMING.items():
        assert b"REPLAYED" in ask(proxy, here), way
    missing = "X-VCR-Cassette: missing"
    for data in (request(f"http://{here}/v1/x", missing), request("http://elsewhere.test/v1/x", missing)):
        assert b"vcr_cassette_miss" in answer_to(connect(proxy.url), data)
    with httpx.Client(proxy=proxy.url, trust_env=False) as control:
        assert control.delete("http://MITMVCR.local./cassettes/named").status_code == 200
    unnamed: dict[str, Callable[[], bytes]] = {
        "plain": lambda: answer_to(connect(proxy.url), request(f"http://{here}/v1/x")),
        "tunnel": lambda: answer_to(tunnel(proxy, here), request("/v1/x")),
        "TLS": lambda: answer_to(tls(proxy, here), request("/v1/x")),
        "HTTP/2": lambda: over_http2(proxy, f"https://{here}/v1/x", {}),
    }
    for way, ask_unnamed in unnamed.items():
        assert b"vcr_cassette_miss" in ask_unnamed(), way
    assert outside.connections == 0


SPELLINGS = ("api.openai.com", "API.OpenAI.com", "api.openai.com.")


def test_a_recorded_host_is_one_however_it_is_written(watched: tuple[Proxy, Outside]) -> None:
    proxy, outside = watched
    outside_at = f"{ADDRESS}:{outside.port}"
    for host in SPELLINGS:
        assert b"REPLAYED" in answer_to(tls(proxy, f"{host}:443", name=host.rstrip(".")), request("/v1/x")), (
            host
        )
        assert b"vcr_cassette_miss" in answer_to(connect(proxy.url), request(f"http://{host}:80/v1/x")), host
        assert b"REPLAYED" in answer_to(connect(proxy.url), request(f"https://{host}:443/v1/x")), host
    # An address that TLS, or Host, calls by the name: the miss says under which.
    for answer in (
        answer_to(tls(proxy, outside_at, name="openai.test"), request("/v1/x")),
        answer_to(connect(proxy.url), request(f"http://{outside_at}/v1/x", host="OpenAI.test.:443")),
        answer_to(tunnel(proxy, outside_at), request("/v1/x", host="openai.test")),
    ):
        assert b"openai.test:" in answer
    assert outside.connections == 0
    assert proxy.stop() == 1


@pytest.mark.parametrize("engine", ENGINES)
def test_other_hosts_are_passed_on_counted_and_named(start: Start, engine: str, tmp_path: Path) -> None:
    with Outside() as outside:
        here = f"{ADDRESS}:{outside.port}"
        proxy = start(mode="replay", engine=engine, hosts="api.openai.com", report="report.json")
        assert b"LIVE" in receive_all(connect(proxy.url), request(f"http://{here}/v1/x"))
        assert b"LIVE" in receive_all(tunnel(proxy, here), request("/v1/x"))
        assert b"LIVE" in receive_all(tunnel(proxy, here), b"EHLO\r\n")
        assert outside.connections == 3
    assert proxy.stop() == 0, proxy.output
    assert f"passed on, not recorded: {ADDRESS} (3)" in proxy.output
    passed = json.loads((tmp_path / "report.json").read_text())["hosts"]["passed"]
    assert passed == {"total": 3, "hosts": {ADDRESS: 3}}


def receive_all(connection: socket.socket, data: bytes) -> bytes:
    with connection:
        connection.sendall(data)
        return receive(connection)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("mode", ["replay", "record"])
def test_refused_hosts_get_a_502_and_nothing_goes_out(
    start: Start, mode: str, engine: str, tmp_path: Path
) -> None:
    with Outside() as outside:
        here = f"{ADDRESS}:{outside.port}"
        engine = engine if mode == "replay" else "auto"
        proxy = start(mode=mode, engine=engine, hosts="api.openai.com", others="refuse", report="report.json")
        answers = [
            answer_to(connect(proxy.url), request(f"http://{here}/v1/x")),
            answer_to(
                connect(proxy.url), b"CONNECT elsewhere.test:443 HTTP/1.1\r\nHost: elsewhere.test\r\n\r\n"
            ),
        ]
        if mode == "replay":
            answers.append(answer_to(tunnel(proxy, here), request("/v1/x")))
        for answer in answers:
            head, _, body = answer.partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 502 Refused by mitmvcr"), answer
            assert json.loads(body + b"}" * (body.count(b"{") - body.count(b"}")))["error"]["code"] == (
                "vcr_host_refused"
            )
        # TLS to an address might have named a host of ours, so its tunnel is opened; then it is closed.
        with pytest.raises(OSError, match=r"EOF|reset"):
            tls(proxy, here, name="elsewhere.test")
        with tunnel(proxy, here) as raw:
            raw.sendall(b"EHLO\r\n")
            assert raw.recv(100) == b""
        assert outside.connections == 0
    assert proxy.stop() == 0, proxy.output
    assert "refused, not recorded: 127.0.0.2 (" in proxy.output
    assert "vcr_others=pass" in proxy.output
    assert (
        json.loads((tmp_path / "report.json").read_text())["hosts"]["refused"]["hosts"]["elsewhere.test"] == 1
    )


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
@pytest.mark.parametrize("engine", ENGINES)
def test_no_name_of_a_recorded_host_is_looked_up(start: Start, engine: str, tmp_path: Path) -> None:
    build.write(tmp_path / "recordings" / "default.yaml", *recorded("https://bücher.test/v1/x"))
    proxy = start(mode="replay", engine=engine, repeat="any", others="refuse")
    log = tmp_path / "strace"
    tracing = [
        "strace",
        "-f",
        "-qq",
        "-e",
        "trace=connect,sendto,sendmmsg",
        "-o",
        str(log),
        "-p",
        str(proxy.pid),
    ]
    with subprocess.Popen(tracing, stderr=subprocess.PIPE, text=True) as tracer:
        time.sleep(0.5)
        if tracer.poll() is not None:
            pytest.skip("strace may not look at other processes here")
        for host in (
            "bücher.test",
            "xn--bcher-kva.test",
            "BÜCHER.test.",
            "elsewhere.test",
            "api.openai.com.",
        ):
            name = host.encode("idna").decode()
            for target in (f"http://{name}/v1/x", f"https://{name}/v1/x"):
                answer_to(connect(proxy.url), request(target, host=host_header("http", name, 80)))
            with contextlib.suppress(OSError):
                answer_to(tls(proxy, f"{name}:443", name=name.rstrip(".")), request("/v1/x"))
        tracer.terminate()
    assert not [line for line in log.read_text("utf-8", "replace").splitlines() if "sin" in line]
