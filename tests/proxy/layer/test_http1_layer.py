"""The serving layer as a server: pieces, pipelines, limits and bad framing, over raw sockets."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mitmvcr.model import Interaction
from mitmvcr.serving.request_parser import LIMIT
from tests import build
from tests.conftest import Start
from tests.harness import Proxy
from tests.proxy.talk import CHAT, chat

BASE = "http://127.0.0.1:9"  # where nobody listens


class Raw:
    """A connection on which bytes go as they are."""

    def __init__(self, url: str) -> None:
        host, _, port = url.removeprefix("http://").partition(":")
        self.socket = socket.create_connection((host, int(port)), timeout=20)
        self._file = self.socket.makefile("rb")

    def send(self, *pieces: bytes) -> None:
        for piece in pieces:
            self.socket.sendall(piece)

    def head(self) -> list[str]:
        lines = []
        while line := self._file.readline().decode().rstrip("\r\n"):
            lines.append(line)
        return lines

    def answer(self, *, bodiless: bool = False) -> tuple[int, dict[str, str], bytes]:
        status, *fields = self.head()
        headers = {name.lower(): value for name, _, value in (field.partition(": ") for field in fields)}
        body = b""
        if headers.get("transfer-encoding") == "chunked":
            while size := int(self._file.readline(), 16):
                body += self._file.read(size)
                self._file.readline()
            self._file.readline()
        elif not bodiless:
            body = self._file.read(int(headers.get("content-length", 0)))
        return int(status.split()[1]), headers, body

    def said(self) -> str:
        code, _, body = self.answer()
        assert code == 200, (code, body)
        return str(json.loads(body)["said"])

    def read(self, size: int) -> bytes:
        return self._file.read(size)

    def is_closed(self) -> bool:
        return self._file.read(1) == b""


@contextmanager
def talk(url: str) -> Iterator[Raw]:
    raw = Raw(url)
    try:
        yield raw
    finally:
        raw.socket.close()
        raw._file.close()


def post(prompt: str = "Hi", *fields: str, path: str = CHAT, version: str = "1.1") -> bytes:
    """A request, with its length unless the fields say how long it is."""
    body = json.dumps(chat(prompt)).encode()
    lines = [f"POST {path} HTTP/{version}", "Host: 127.0.0.1", "Content-Type: application/json", *fields]
    if not any("length" in field.lower() or "transfer" in field.lower() for field in fields):
        lines.append(f"Content-Length: {len(body)}")
    return "".join(f"{line}\r\n" for line in lines).encode() + b"\r\n" + body


def chunked(prompt: str, *sizes: int) -> bytes:
    head, _, body = post(prompt, "Transfer-Encoding: chunked").partition(b"\r\n\r\n")
    out = head + b"\r\n\r\n"
    for size in (*sizes, len(body)):
        part, body = body[:size], body[size:]
        out += b"%x\r\n%s\r\n" % (len(part), part) if part else b""
    return out + b"0\r\n\r\n"


@pytest.fixture
def proxy(start: Start, tmp_path: Path) -> Proxy:
    """A proxy whose cassette answers some prompts with themselves."""
    tape(tmp_path, "Hi", "one", "two", "three")
    return start(upstream=BASE, mode="replay", repeat="any", engine="layer", max_body="64KB")


def tape(folder: Path, *prompts: str, duration: int = 0) -> None:
    build.write(
        folder / "recordings" / "default.yaml",
        *(
            Interaction(
                build.request(chat(prompt), url=BASE + CHAT),
                build.response({"said": prompt}, duration=duration),
            )
            for prompt in prompts
        ),
    )


def test_request_that_comes_byte_by_byte_is_answered(proxy: Proxy) -> None:
    for url, path in ((proxy.reverse, CHAT), (proxy.url, BASE + CHAT)):
        for whole in (post(path=path), chunked("Hi", 3, 5).replace(CHAT.encode(), path.encode())):
            with talk(url) as raw:
                raw.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                for at in range(len(whole)):
                    raw.send(whole[at : at + 1])
                    if at % 16 == 0:
                        time.sleep(0.001)
                assert raw.said() == "Hi"
                raw.send(whole)
                assert raw.said() == "Hi"


def test_pipelined_requests_are_answered_in_their_order(proxy: Proxy) -> None:
    prompts = ["one", "two", "three", "Hi"] * 20
    with talk(proxy.reverse) as raw:
        raw.send(b"".join(post(p) if at % 2 else chunked(p, 7) for at, p in enumerate(prompts)))
        assert [raw.said() for _ in prompts] == prompts
        raw.send(b"\r\n\r\n" + post("two"))  # blank lines in front are passed over (RFC 9112, 2.2)
        assert raw.said() == "two"


def test_pipelined_requests_wait_for_the_answer_before_them(start: Start, tmp_path: Path) -> None:
    tape(tmp_path, "one", "two", duration=300_000_000)
    proxy = start(upstream=BASE, mode="replay", latency="recorded", engine="layer")
    with talk(proxy.reverse) as raw:
        began = time.monotonic()
        raw.send(post("one"), post("two"))
        raw.socket.shutdown(socket.SHUT_WR)
        assert raw.said() == "one"
        assert time.monotonic() - began >= 0.3
        assert raw.said() == "two"
        assert time.monotonic() - began >= 0.6
        assert raw.is_closed()


FRAMINGS = (
    ("Content-Length: 5", "Content-Length: 6"),
    ("Content-Length: 5", "Content-Length: 5"),
    ("Content-Length: 5, 6",),
    ("Content-Length: +5",),
    ("Content-Length: -1",),
    ("Content-Length: 0x10",),
    ("Content-Length: 99999999999999999999999",),
    ("Content-Length: 5", "Transfer-Encoding: chunked"),
    ("Transfer-Encoding: chunked", "Content-Length: 5"),
    ("Transfer-Encoding: chunked, identity",),
    ("Transfer-Encoding: gzip",),
    ("Transfer-Encoding: xchunked",),
    ("Transfer-Encoding : chunked",),
    ("Transfer-Encoding:\x0bchunked",),
    ("X: y", " folded: z", "Content-Length: 5"),
    ("Host: other", "Content-Length: 5"),
)
MALFORMED = (
    b"GET / HTTP/1.1\nHost: x\n\n",
    b"GET /\0 HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\r\nX: a\0b\r\n\r\n",
    b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
    post("Hi", "Transfer-Encoding: chunked", version="1.0"),
    post("Hi", "Transfer-Encoding: chunked").partition(b"\r\n\r\n")[0] + b"\r\n\r\nzz\r\n",
    post("Hi", "Transfer-Encoding: chunked").partition(b"\r\n\r\n")[0] + b"\r\n\r\n-5\r\nabcde\r\n",
)


def test_request_of_doubtful_length_is_refused_and_the_connection_closed(proxy: Proxy) -> None:
    for framing in FRAMINGS:
        with talk(proxy.reverse) as raw:
            raw.send(post("Hi", *framing))
            code, headers, body = raw.answer()
            assert code == 400, (framing, body)
            assert json.loads(body)["error"]["code"] == "vcr_bad_request"
            assert headers["x-should-retry"] == "false"
            assert raw.is_closed(), framing


def test_malformed_request_is_refused_and_the_connection_closed(proxy: Proxy) -> None:
    for sent in MALFORMED:
        with talk(proxy.reverse) as raw:
            raw.send(sent)
            assert raw.answer()[0] == 400, sent
            assert raw.is_closed(), sent


def test_head_that_does_not_end_is_refused(proxy: Proxy) -> None:
    with talk(proxy.reverse) as raw:
        # Hardly more than the limit: what is not read when the connection is closed resets it.
        raw.send(b"GET / HTTP/1.1\r\n" + b"X-Long: " + b"x" * LIMIT)
        assert raw.answer()[0] == 431
        assert raw.is_closed()
    with talk(proxy.reverse) as raw:
        raw.send(post("Hi", "X-Long: " + "x" * 100_000))
        assert raw.said() == "Hi"


def test_body_beyond_vcr_max_body_is_read_to_its_end_and_told(proxy: Proxy) -> None:
    large = b"x" * 200_000
    length = post("Hi", f"Content-Length: {len(large)}").partition(b"\r\n\r\n")[0] + b"\r\n\r\n" + large
    pieces = post("Hi", "Transfer-Encoding: chunked").partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
    pieces += b"%x\r\n%s\r\n0\r\n\r\n" % (len(large), large)
    with talk(proxy.reverse) as raw:
        for sent in (length, pieces):
            raw.send(sent, post())
            code, _, body = raw.answer()
            assert code == 413
            assert "200,000 bytes, and vcr_max_body is 65,536" in json.loads(body)["error"]["message"]
            assert raw.said() == "Hi"
    assert proxy.stop() == 1


def test_expect_is_met_before_the_body_comes(proxy: Proxy) -> None:
    head, _, body = post("Hi", "Expect: 100-continue").partition(b"\r\n\r\n")
    with talk(proxy.reverse) as raw:
        raw.send(head + b"\r\n\r\n")
        assert raw.head() == ["HTTP/1.1 100 Continue"]
        raw.send(body)
        assert raw.said() == "Hi"


def test_connection_stays_or_ends_as_the_client_says(proxy: Proxy) -> None:
    with talk(proxy.reverse) as raw:
        raw.send(post("Hi", "Connection: close"), post())
        assert raw.said() == "Hi"
        assert raw.is_closed()
    with talk(proxy.reverse) as raw:
        raw.send(b"GET /v1/models HTTP/1.1\r\nConnection: x, Close\r\n\r\n")
        assert raw.answer()[0] == 404
        assert raw.is_closed()
    with talk(proxy.reverse) as raw:
        raw.send(post(version="1.0"))
        assert raw.said() == "Hi"
        assert raw.is_closed()
    with talk(proxy.reverse) as raw:
        for _ in range(2):
            raw.send(post("Hi", "Connection: keep-alive", version="1.0"))
            code, headers, _ = raw.answer()
            assert (code, headers["connection"]) == (200, "keep-alive")


def test_head_request_has_no_body(proxy: Proxy) -> None:
    with talk(proxy.reverse) as raw:
        raw.send(f"HEAD {CHAT} HTTP/1.1\r\nHost: x\r\n\r\n".encode(), post())
        code, headers, _ = raw.answer(bodiless=True)
        assert (code, int(headers["content-length"]) > 0) == (404, True)
        assert raw.said() == "Hi"


def test_client_that_goes_in_the_middle_of_a_request_disturbs_nobody(proxy: Proxy) -> None:
    whole = post()
    for at in (1, 20, len(whole) // 2, len(whole) - 1):
        with talk(proxy.reverse) as raw:
            raw.send(whole[:at])
            raw.socket.shutdown(socket.SHUT_WR)
            assert raw.is_closed()
    with talk(proxy.reverse) as raw:
        raw.send(whole)
        assert raw.said() == "Hi"
    assert proxy.stop() == 0


def test_client_that_does_not_read_is_not_written_to_without_end(start: Start, tmp_path: Path) -> None:
    large = "x" * (4 << 20)
    asked = build.request(chat("Hi"), url=BASE + CHAT)
    build.write(tmp_path / "recordings" / "default.yaml", Interaction(asked, build.response({"said": large})))
    proxy = start(upstream=BASE, mode="replay", repeat="any", engine="layer")
    with talk(proxy.reverse) as raw:
        raw.send(post())
        assert raw.said() == large
        before = resident(proxy)
        raw.send(post() * 200)  # 800 MB of answers in one read
        time.sleep(1)
        assert resident(proxy) - before < 100 << 20
        assert [len(raw.said()) for _ in range(20)] == [len(large)] * 20


def resident(proxy: Proxy) -> int:
    lines = Path(f"/proc/{proxy.pid}/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))


def test_kept_connection_of_a_forward_proxy_goes_on_to_a_host_that_is_not_recorded(
    start: Start, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        proxy = start(mode="replay", repeat="any", engine="layer", hosts="api.test")
        asked = build.request(chat("Hi"), url="http://api.test" + CHAT)
        build.write(tmp_path / "recordings" / "more.yaml", Interaction(asked, build.response({"said": "Hi"})))
        with talk(proxy.url) as raw:
            raw.send(post("Hi", "X-VCR-Cassette: more", path="http://api.test" + CHAT))
            assert raw.said() == "Hi"
            raw.send(f"GET http://127.0.0.1:{other.getsockname()[1]}/x HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            other.settimeout(20)
            theirs, _ = other.accept()
            with theirs:
                assert theirs.recv(1000).startswith(b"GET /x HTTP/1.1\r\n")
                theirs.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
                assert raw.answer()[2] == b"ok"
            raw.send(post("Hi", "X-VCR-Cassette: more", path="http://api.test" + CHAT))
            assert raw.said() == "Hi"
    assert proxy.stop() == 0


def test_layer_is_refused_where_flows_are_watched_and_auto_leaves_them_to_the_hooks(
    start: Start, tmp_path: Path
) -> None:
    tape(tmp_path, "Hi")
    saved = tmp_path / "flows"
    watched = ("--set", f"save_stream_file={saved}")
    refused = start(*watched, mode="replay", engine="layer", upstream=BASE)
    assert refused.stop() == 1
    assert "vcr_engine is 'layer', but save_stream_file is set" in refused.output
    script = tmp_path / "watch.py"
    script.write_text("def response(flow):\n    print('seen', flow.request.path, flush=True)\n")
    for more in (watched, ("-s", str(script))):
        proxy = start(*more, mode="replay", engine="auto", upstream=BASE)
        with talk(proxy.reverse) as raw:
            raw.send(post())
            assert raw.said() == "Hi"
        assert proxy.stop() == 0
    assert f"seen {CHAT}" in proxy.output
    assert saved.stat().st_size > 0


def test_layer_is_refused_in_a_mode_that_records(start: Start) -> None:
    refused = start(mode="once", engine="layer")
    assert refused.stop() == 1
    assert "vcr_engine is 'layer', which only replays: set mode=replay" in refused.output
