"""Web pages that ask the proxy: those of this machine are served as programs are, other sites' never."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mitmvcr.model import Interaction
from tests import build
from tests.conftest import Start
from tests.harness import Proxy
from tests.proxy.talk import RawClient, connect, receive, told

_BASE = "http://api.openai.com"
_LOCAL = "http://localhost:3000"
_EVIL = "https://evil.example"

_STRANGERS = {
    "another site": ("127.0.0.1", f"Origin: {_EVIL}\r\nSec-Fetch-Site: cross-site\r\n"),
    "no word of the site": ("127.0.0.1", f"Origin: {_EVIL}\r\n"),
    "a sandbox": ("127.0.0.1", "Origin: null\r\nSec-Fetch-Site: cross-site\r\n"),
    "an image": ("127.0.0.1", "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: no-cors\r\n"),
    "a name led here": ("evil.example:8081", ""),
    "a page led here": ("evil.example:8081", "Origin: http://evil.example:8081\r\n"),
}
_FRIENDS = {
    "a program": ("127.0.0.1", ""),
    "a page of this machine": ("127.0.0.1", f"Origin: {_LOCAL}\r\nSec-Fetch-Site: cross-site\r\n"),
    "an image of this machine": ("localhost", "Sec-Fetch-Site: same-site\r\n"),
    "a typed address": ("localhost", "Sec-Fetch-Site: none\r\n"),
    "a program that means upstream": ("api.openai.com", ""),
    "a page that is named": ("127.0.0.1", "Origin: https://app.mine.example\r\n"),
}
_PATHS = ("/v1/models", "/vcr/tape/v1/models", "/vcr/new/v1/models", "/v1/missed")


def _ask(proxy: Proxy, sender: tuple[str, str], path: str, *, forward: bool = False) -> bytes:
    host, fields = sender
    url, target = (proxy.url, _BASE + path) if forward else (proxy.reverse, path)
    host = "api.openai.com" if forward else host
    with RawClient(url) as client:
        client.socket.sendall(f"GET {target} HTTP/1.1\r\nHost: {host}\r\n{fields}\r\n".encode())
        return client.answer()


@pytest.mark.parametrize("engine", ["hooks", "layer"])
def test_page_of_another_site_reads_no_answer_and_no_miss(start: Start, tmp_path: Path, engine: str) -> None:
    recorded = Interaction(
        build.request(b"", url=_BASE + "/v1/models", method="GET"), build.response({"a": 1})
    )
    for name in ("default", "tape"):
        build.write(tmp_path / "recordings" / f"{name}.yaml", recorded)
    options = {"mode": "replay", "engine": engine, "repeat": "any", "origins": "https://*.mine.example"}
    proxy = start(upstream=_BASE, hosts="api.openai.com", **options)
    for path in _PATHS:
        for name, sender in _STRANGERS.items():
            for forward in (False, True):
                if forward and "led here" in name:
                    continue  # a forward proxy is asked by the API's name
                line, fields, body = told(_ask(proxy, sender, path, forward=forward))
                assert b" 403 " in line, (name, path, forward)
                assert json.loads(body)["error"]["code"] == "vcr_page_refused"
                assert "Access-Control-Allow-Origin" not in dict(fields)
        for name, sender in _FRIENDS.items():
            line, fields, _ = told(_ask(proxy, sender, path))
            code = 404 if path in (_PATHS[2], _PATHS[3]) else 200
            assert b" %d " % code in line, (name, path)
            origin = dict(pair.split(": ") for pair in sender[1].splitlines()).get("Origin")
            assert dict(fields).get("Access-Control-Allow-Origin") == (origin if code == 404 else None), name
    assert proxy.stop() == 1
    assert f"set vcr_origins={_EVIL}" in proxy.output
    assert proxy.output.count(f"refused: a page of {_EVIL} asks") == 1


@pytest.mark.parametrize("mode", ["once", "record"])
def test_page_of_another_site_neither_makes_nor_replaces_a_cassette(
    start: Start, tmp_path: Path, mode: str
) -> None:
    recorded = Interaction(build.request({"mine": 1}, url=_BASE + "/v1/x"), build.response({"a": 1}))
    build.write(tmp_path / "recordings" / "tape.yaml", recorded)
    before = (tmp_path / "recordings" / "tape.yaml").read_bytes()
    proxy = start(upstream="http://127.0.0.1:9", mode=mode)
    for sender in _STRANGERS.values():
        for path in ("/vcr/tape/v1/y", "/vcr/new/v1/y", "/v1/y"):
            with connect(proxy.reverse) as client:
                body = b"x" * 100_000  # which streams, where it goes upstream
                fields = f"Host: {sender[0]}\r\n{sender[1]}Content-Length: {len(body)}\r\n"
                client.sendall(f"POST {path} HTTP/1.1\r\n{fields}\r\n".encode() + body)
                assert b" 403 " in receive(client, b"\r\n")
    assert proxy.stop() == 1
    assert [path.name for path in (tmp_path / "recordings").iterdir()] == ["tape.yaml"]
    assert (tmp_path / "recordings" / "tape.yaml").read_bytes() == before
    assert "server connect" not in proxy.output


def test_coded_chunks_are_refused_by_every_engine(start: Start, tmp_path: Path) -> None:
    (tmp_path / "recordings").mkdir()
    for options in ({"engine": "layer"}, {"engine": "hooks"}, {"mode": "record"}):
        proxy = start(upstream="http://127.0.0.1:9", **{"mode": "replay", **options})
        for coding in (b"gzip, chunked", b"gzip,chunked", b"GZIP , chunked", b"deflate, chunked"):
            with RawClient(proxy.reverse) as client:
                head = b"POST /v1/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: %b\r\n\r\n" % coding
                client.socket.sendall(head + b"2\r\n{}\r\n0\r\n\r\n")
                assert client.answer().startswith(b"HTTP/1.1 400 "), (options, coding)
        proxy.stop()
        assert "server connect" not in proxy.output
