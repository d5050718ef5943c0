"""Bodies too large to record: they pass, in little memory, and that they are not recorded is said."""

from __future__ import annotations

import gzip
import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import openai
import pytest

from mitmvcr.model import Interaction
from tests import build
from tests.conftest import Start, check_discretion
from tests.harness import Proxy
from tests.proxy.talk import (
    CHAT,
    FORWARD_H2,
    FORWARD_PLAIN,
    FORWARD_TLS,
    KEY,
    REVERSE_H2,
    REVERSE_PLAIN,
    Answering,
    Case,
    Way,
    Wire,
    ask,
    chat,
    connect,
    nothing_reaches,
    receive,
    recordings,
    reverse,
)
from tests.upstream.server import Upstream

MB = 1 << 20
_JSON = {"Content-Type": "application/json"}
_PIECE = bytes(range(256)) * 4096  # 1 MB
_OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok"


def _pieces(size: int) -> Iterator[bytes]:
    for _ in range(size // MB):
        yield _PIECE


def _sized(size: int) -> Iterator[bytes]:
    yield b"HTTP/1.1 200 OK\r\nContent-Type: audio/wav\r\nContent-Length: %d\r\n\r\n" % size
    yield from _pieces(size)


def _chunked(size: int) -> Iterator[bytes]:
    yield b"HTTP/1.1 200 OK\r\nContent-Type: audio/wav\r\nTransfer-Encoding: chunked\r\n\r\n"
    for piece in _pieces(size):
        yield b"%x\r\n%b\r\n" % (len(piece), piece)
    yield b"0\r\n\r\n"


def _peak(proxy: Proxy) -> int:
    """The most memory that the proxy has had at a time, in bytes."""
    status = Path(f"/proc/{proxy.pid}/status")
    if not status.exists():
        pytest.skip("there is no /proc to ask for a process's memory")
    return int(status.read_text().partition("VmHWM:")[2].split()[0]) * 1024


def _download(client: httpx.Client, size: int, path: str = "/v1/files/file-1/content") -> None:
    came = 0
    with client.stream("GET", path) as answer:
        for piece in answer.iter_raw(MB):
            came += len(piece)
    assert came == size


def _said(proxy: Proxy) -> list[str]:
    return [line.partition("the body of its ")[2] for line in proxy.lines if "not recorded, only" in line]


@pytest.mark.parametrize(
    ("way", "mode", "size"), [(REVERSE_PLAIN, "record", 200), (FORWARD_PLAIN, "new-episodes", 64)]
)
@pytest.mark.slow
def test_large_bodies_pass_both_ways_in_little_memory_and_are_not_recorded(
    tmp_path: Path, way: Way, mode: str, size: int
) -> None:
    large = size * MB
    answers: list[Answering] = [_OK, _OK, lambda: _sized(large), lambda: _chunked(large), _OK]
    with Wire(*answers) as upstream, way.start(tmp_path, upstream, mode=mode) as proxy:
        with way.client(proxy, upstream) as client:
            before = _peak(proxy)
            length = {"Content-Length": str(large)}
            assert client.post("/v1/files", content=_pieces(large), headers=length).text == "ok"
            assert client.post("/v1/files", content=_pieces(large)).text == "ok"
            _download(client, large)
            _download(client, large)
            grown = _peak(proxy) - before
            assert client.post(CHAT, json=chat()).text == "ok"
        assert proxy.stop() == 0, proxy.output
    assert [asked.size for asked in upstream.requests[:2]] == [large, large]
    assert upstream.requests[0].body == upstream.requests[1].body == _PIECE
    assert grown < (64 if mode == "record" else 160) * MB  # a copy or three of 32 MB, and no more
    check_discretion(proxy)
    assert [one.request.url for one in recordings(tmp_path)] == [upstream.url + CHAT]
    reason = f"has {large:,} bytes, and vcr_max_body is 33,554,432"
    assert _said(proxy) == [f"{what} {reason}" for what in ("request", "request", "answer", "answer")]
    assert "1 recorded" in proxy.lines[-1]
    assert "4 too large (not recorded)" in proxy.lines[-1]


@pytest.mark.parametrize("way", [REVERSE_PLAIN, FORWARD_PLAIN], ids=lambda way: way.name)
def test_errors_of_any_length_pass_in_little_memory(tmp_path: Path, way: Way) -> None:
    """They wait for their end, as long as they aren't large."""
    small, large = 1 * MB, 200 * MB

    def refused(size: int) -> Iterator[bytes]:
        return (part.replace(b" 200 OK", b" 500 No") for part in _chunked(size))

    answers: list[Answering] = [_OK, lambda: refused(small), lambda: refused(large), _OK]
    with Wire(*answers) as upstream, way.start(tmp_path, upstream, mode="record") as proxy:
        with way.client(proxy, upstream) as client:
            assert client.post(CHAT, json=chat()).text == "ok"
            before = _peak(proxy)
            _download(client, small, "/v1/files/small/content")
            _download(client, large)
            grown = _peak(proxy) - before
            assert client.post(CHAT, json=chat()).text == "ok"
        assert proxy.stop() == 0, proxy.output
    assert grown < 64 * MB
    first, error, last = recordings(tmp_path)
    assert (error.response.code, error.response.body) == (500, _PIECE)
    assert first.response.body == last.response.body == b"ok"
    assert _said(proxy) == [f"answer has {large:,} bytes, and vcr_max_body is 33,554,432"]


@pytest.mark.parametrize(
    "way", [REVERSE_PLAIN, FORWARD_TLS, FORWARD_H2, REVERSE_H2], ids=lambda way: way.name
)
@pytest.mark.parametrize("chunked", [False, True], ids=["sized", "chunked"])
def test_limit_is_the_largest_body_that_is_recorded(
    tmp_path: Path, way: Way, chunked: bool, plain_upstream: Upstream, tls_upstream: Upstream
) -> None:
    upstream = tls_upstream if way.tls else plain_upstream
    upstream.clear()
    fitting = json.dumps(chat("x" * 200_000)).encode()
    limit = len(fitting)
    short, long = (_JSON | {"x-standin": f"size={size}"} for size in (10, 300_000))
    cases = [
        Case("fits", "POST", CHAT, fitting, short, chunked),
        Case("one more", "POST", CHAT, fitting + b" ", short, chunked),
        Case("answer", "POST", CHAT, json.dumps(chat("answer")).encode(), long),
    ]
    with way.start(tmp_path, upstream, max_body=str(limit), mode="record") as proxy:
        with way.client(proxy, upstream) as client:
            told = [ask(client, case) for case in cases]
        assert proxy.stop() == 0, proxy.output
    assert [one.code for one in told] == [200] * 3
    assert len(told[2].body) > 300_000
    assert [received.body for received in upstream.requests()] == [case.content for case in cases]
    (kept,) = recordings(tmp_path)
    assert kept.request.body == fitting
    assert kept.response.body == told[0].body
    assert kept.request.content_length == (0 if chunked else limit)
    assert [line.split(" ", 1)[0] for line in _said(proxy)] == ["request", "answer"]
    with way.start(tmp_path, upstream, mode="replay", max_body=str(limit)) as proxy:
        with nothing_reaches(upstream), way.client(proxy, upstream) as client:
            again, refused, _ = (ask(client, case) for case in cases)
        assert proxy.stop() == 1
    assert again.body == told[0].body
    assert refused.code == 413
    check_discretion(proxy)


@pytest.mark.parametrize("way", [FORWARD_PLAIN, REVERSE_PLAIN], ids=lambda way: way.name)
def test_upload_that_is_too_large_to_be_looked_up_gets_413_and_is_never_held(
    tmp_path: Path, upstream: Upstream, way: Way
) -> None:
    build.write(tmp_path / "recordings" / "default.yaml")
    with way.start(tmp_path, upstream, mode="once", max_body="256KB") as proxy:
        before = _peak(proxy)
        with nothing_reaches(upstream), way.client(proxy, upstream) as client:
            for headers in ({}, {"Content-Length": str(16 * MB)}):
                answer = client.post("/v1/files", content=_pieces(16 * MB), headers=headers)
                assert answer.status_code == 413
                error = answer.json()["error"]
                assert error["code"] == "vcr_body_too_large"
                assert "16,777,216 bytes, and vcr_max_body is 262,144" in error["message"]
                assert answer.headers["x-should-retry"] == "false"
        assert _peak(proxy) - before < 8 * MB
        assert proxy.stop() == 1
    assert "2 failures" in proxy.lines[-1]


def _bomb(size: int) -> bytes:
    """So many bytes, packed by gzip to a thousandth."""
    return gzip.compress(bytes(MB), mtime=0) * (size // MB)


@pytest.mark.parametrize("mode", ["record", "new-episodes"])
def test_body_that_unpacks_to_more_than_the_limit_passes_and_is_not_unpacked(
    tmp_path: Path, mode: str
) -> None:
    bomb = _bomb(512 * MB)
    assert len(bomb) < 2 * MB
    packed = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\n"
    answer = head + b"Content-Length: %d\r\n\r\n" % len(bomb) + bomb
    with Wire(answer, _OK) as upstream:
        proxy = REVERSE_PLAIN.start(tmp_path, upstream, mode=mode)
        with proxy, REVERSE_PLAIN.client(proxy, upstream) as client:
            before = _peak(proxy)
            with client.stream("POST", CHAT, json=chat()) as told:
                assert b"".join(told.iter_raw()) == bomb
            assert client.post(CHAT, content=bomb, headers=packed).text == "ok"
            assert _peak(proxy) - before < 160 * MB
            assert proxy.stop() == 0, proxy.output
    assert upstream.requests[1].size == len(bomb)
    reason = "has 33,554,433 bytes or more when decoded, and vcr_max_body is 33,554,432"
    assert _said(proxy) == [f"answer {reason}", f"request {reason}"]
    assert not (tmp_path / "recordings" / "default.yaml").exists()


def test_recorded_bodies_are_served_whatever_the_limit_is(
    start: Start, tmp_path: Path, upstream: Upstream
) -> None:
    asked = build.request(method="GET", url=upstream.url + "/v1/models", content_type="")
    large = build.response("large " * 100_000, content_type="text/plain")
    build.write(tmp_path / "recordings" / "default.yaml", Interaction(asked, large))
    proxy = start(upstream=upstream.url, mode="replay", max_body="1KB")
    with nothing_reaches(upstream), reverse(proxy) as client:
        assert client.get("/v1/models").content == large.body
    assert proxy.stop() == 0, proxy.output


def test_0_lets_any_body_be_recorded(start: Start, tmp_path: Path, upstream: Upstream) -> None:
    proxy = start(upstream=upstream.url, max_body="0")
    with reverse(proxy) as client:
        told = client.post(CHAT, json=chat("x" * 100_000), headers={"x-standin": "size=100000"})
    assert proxy.stop() == 0, proxy.output
    (kept,) = recordings(tmp_path)
    assert kept.response.body == told.content


def test_slow_reader_holds_upstream_back(tmp_path: Path) -> None:
    sent = []

    def counted() -> Iterator[bytes]:
        for piece in _sized(100 * MB):
            sent.append(len(piece))
            yield piece

    with Wire(counted) as upstream, REVERSE_PLAIN.start(tmp_path, upstream, mode="record") as proxy:
        before = _peak(proxy)
        at = httpx.URL(proxy.reverse)
        with socket.create_connection((at.host, at.port)) as connection:
            connection.sendall(b"GET /v1/files/file-1/content HTTP/1.1\r\nHost: x\r\n\r\n")
            time.sleep(2)
            assert sum(sent) < 30 * MB  # what the kernel's buffers hold
        assert _peak(proxy) - before < 16 * MB
        assert proxy.stop() == 0, proxy.output


def test_answer_that_comes_before_the_upload_has_ended_is_kept_when_it_has(tmp_path: Path) -> None:
    refusal = b"HTTP/1.1 401 Unauthorized\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nno"
    with (
        Wire(refusal, early=True) as upstream,
        REVERSE_PLAIN.start(tmp_path, upstream, mode="record") as proxy,
    ):
        head = b"POST /v1/files HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\n"
        for rest in (100_000, 0):
            connection = connect(proxy.reverse)
            with connection:
                connection.sendall(head + b"Content-Length: 200000\r\n\r\n" + b"x" * 100_000)
                assert receive(connection, b"no").endswith(b"\r\n\r\nno")
                connection.sendall(b"y" * rest)
                if rest:
                    proxy.wait_for("recorded in")
        proxy.wait_for("not recorded, it broke off")
        assert proxy.stop() == 0, proxy.output
    (kept,) = recordings(tmp_path)
    assert kept.request.body == b"x" * 100_000 + b"y" * 100_000
    assert (kept.response.code, kept.response.body) == (401, b"no")


def test_sdk_that_retries_a_large_upload_is_recorded_as_it_happened(
    start: Start, tmp_path: Path, upstream: Upstream
) -> None:
    def ask_for(proxy: Proxy) -> str | None:
        with openai.OpenAI(api_key=KEY, base_url=proxy.reverse + "/v1", max_retries=3) as client:
            said = client.chat.completions.create(
                model="gpt-4o-mini",
                messages=[{"role": "user", "content": "again " + "x" * 300_000}],
                extra_headers={"x-standin": "fail=2:429,retry-after-ms=20", "x-standin-id": "large"},
            )
        return said.choices[0].message.content

    proxy = start(upstream=upstream.url, mode="record")
    told = ask_for(proxy)
    assert proxy.stop() == 0, proxy.output
    assert [one.response.code for one in recordings(tmp_path)] == [429, 429, 200]
    proxy = start(upstream=upstream.url, mode="replay")
    with nothing_reaches(upstream):
        assert ask_for(proxy) == told
    assert proxy.stop() == 0, proxy.output


def test_client_that_leaves_in_the_middle_of_its_upload_leaves_nothing_behind(tmp_path: Path) -> None:
    with Wire(_OK) as upstream, REVERSE_PLAIN.start(tmp_path, upstream, mode="record") as proxy:
        with connect(proxy.reverse) as connection:
            connection.sendall(
                b"POST /v1/files HTTP/1.1\r\nHost: x\r\nContent-Length: 200000\r\n\r\n" + b"x" * 100_000
            )
            proxy.wait_for("server connect")
        proxy.wait_for("not recorded, it broke off")
        assert proxy.stop() == 0, proxy.output
    assert [asked.whole for asked in upstream.requests] == [False]
    assert not (tmp_path / "recordings" / "default.yaml").exists()
    assert "1 broken off" in proxy.lines[-1]
