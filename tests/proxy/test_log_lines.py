"""What clients put into paths and headers drives neither a terminal nor a CI's log, and tells no key."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import h2.config
import h2.connection
import h2.events
import pytest

from mitmvcr.model import Interaction
from tests import build
from tests.conftest import Start
from tests.proxy.layer.test_http1_layer import BASE, talk
from tests.proxy.talk import CHAT
from tests.upstream.server import Upstream

EVIL = "/v1/x\r\n::error file=a::PWNED\n::add-mask::x\x1b[31mRED\x1b]0;title\x07\u202e"
KEY = "sk-" + "proj-Qw3rTy6uIo9pAsDfGh1jKl2zXcVb5nM7qW8eR4tY6uI0oP3a"  # made up
ACTIONS = {"GITHUB_ACTIONS": "true"}


@contextlib.contextmanager
def tunnel(proxy: str, host: str) -> Iterator[ssl.SSLSocket]:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    address = urlsplit(proxy)
    with socket.create_connection((address.hostname, address.port), 10) as raw:
        raw.sendall(f"CONNECT {host}:443 HTTP/1.1\r\nHost: {host}:443\r\n\r\n".encode())
        assert b" 200 " in raw.recv(65536)
        with context.wrap_socket(raw, server_hostname=host) as client:
            yield client


def ask_over_http2(proxy: str, path: str, **headers: str) -> None:
    """One request, whatever its path is, and wait for its end."""
    config = h2.config.H2Configuration(validate_outbound_headers=False, normalize_outbound_headers=False)
    wire = h2.connection.H2Connection(config)
    fields = {":method": "POST", ":path": path, ":scheme": "https", ":authority": "api.openai.com", **headers}
    with tunnel(proxy, "api.openai.com") as client:
        wire.initiate_connection()
        wire.send_headers(1, [(name.replace("_", "-"), value) for name, value in fields.items()])
        wire.send_data(1, b"x" * 300, end_stream=True)
        client.sendall(wire.data_to_send())
        while data := client.recv(65536):
            ends = h2.events.StreamEnded, h2.events.StreamReset, h2.events.ConnectionTerminated
            if any(isinstance(event, ends) for event in wire.receive_data(data)):
                return


def is_harmless(output: str) -> bool:
    """Whether a CI finds no command in it but our own, and a terminal nothing that drives it."""
    text = output.replace("\r\n", "\n")
    commands = [line for line in text.split("\n") if line.lstrip().startswith("::")]
    ours = ("::error title=mitmvcr failed::", "::error file=recordings/default.yaml")
    return not any(char in text for char in "\r\x1b\x07\u202e") and all(
        line.startswith(ours) for line in commands
    )


@pytest.mark.parametrize("max_body", ["100", "1MB"])
def test_a_path_of_http2_stays_on_its_line(start: Start, tmp_path: Path, max_body: str) -> None:
    asked = build.request({"a": 1}, url="https://api.openai.com" + CHAT)
    build.write(tmp_path / "recordings" / "default.yaml", Interaction(asked, build.response("ok")))
    proxy = start(mode="replay", max_body=max_body, report="r.json,r.xml", env=ACTIONS)
    ask_over_http2(proxy.url, EVIL)
    ask_over_http2(proxy.url, EVIL, x_vcr_cassette="../x\n::error::PWNED")
    ask_over_http2(proxy.url, "/v1/##[add-mask]x")
    assert proxy.stop() == 1
    assert is_harmless(proxy.output), proxy.output
    assert "##[" not in proxy.output
    assert "PWNED" in proxy.output  # it is said, all on one line
    xml = (tmp_path / "r.xml").read_text("utf-8")
    assert not {"\x1b", "\u202e", "\x07"} & set(xml)


@pytest.mark.parametrize("engine", ["layer", "hooks"])
def test_a_key_in_a_path_is_told_nowhere_in_replay(start: Start, tmp_path: Path, engine: str) -> None:
    recorded = build.request(None, method="GET", url=f"{BASE}/v1/files/REDACTED-token-1", content_type="")
    build.write(tmp_path / "recordings" / "default.yaml", Interaction(recorded, build.response("ok")))
    options = {"mode": "replay", "strict": "true", "max_body": "1KB", "report": "r.json,r.xml"}
    proxy = start(upstream=BASE, engine=engine, env=ACTIONS, **options)
    authorization = "Authorization: Bearer opaque-value-of-a-gateway"
    with talk(proxy.reverse) as raw:
        for path in (f"/v1/files/{KEY}", f"/v1/other/{KEY}?key={KEY}", "/v1/opaque-value-of-a-gateway"):
            raw.send(f"GET {path} HTTP/1.1\r\nHost: a\r\n{authorization}\r\n\r\n".encode())
            raw.answer()
        raw.send(f"POST /v1/{KEY} HTTP/1.1\r\nHost: a\r\nContent-Length: 2000\r\n\r\n".encode(), b"x" * 2000)
        raw.answer()
        raw.send(f"GET /v1/{KEY} HTTP/1.1\r\nHost: a\r\nX-VCR-Cassette: ../x\r\n\r\n".encode())
        raw.answer()
    assert proxy.stop() == 1
    said = proxy.output + "".join((tmp_path / name).read_text("utf-8") for name in ("r.json", "r.xml"))
    assert KEY not in said
    assert "opaque-value-of-a-gateway" not in said
    assert "GET 127.0.0.1/v1/files/REDACTED-token-1: replayed, interaction 0" in proxy.output
    assert json.loads((tmp_path / "r.json").read_text("utf-8"))["cassettes"][0]["miss_count"] == 2


def test_a_key_in_a_path_is_told_nowhere_when_it_is_recorded(
    start: Start, upstream: Upstream, tmp_path: Path
) -> None:
    proxy = start(upstream=upstream.url)
    with talk(proxy.reverse) as raw:
        raw.send(f"GET /v1/files/{KEY}/content HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        raw.answer()
    proxy.stop()
    assert "/v1/files/REDACTED-token-1/content: recorded in" in proxy.output
    assert KEY not in proxy.output
    assert KEY.encode() not in (tmp_path / "recordings" / "default.yaml").read_bytes()
