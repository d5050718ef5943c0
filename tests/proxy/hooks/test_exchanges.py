"""Exchanges through a proxy: whoever asks, or ends it, sees all that was answered, and waits for no other."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.conftest import Start
from tests.harness import Proxy
from tests.proxy.talk import CHAT, Wire, chat, recordings, reverse
from tests.upstream.server import Upstream


def _talk(proxy: Proxy, name: str) -> None:
    with reverse(proxy) as client:
        for number in range(20):
            answer = client.post(CHAT, json=chat(f"{name}.{number}", stream=bool(number % 2)))
            assert answer.status_code == 200


def test_whoever_asks_or_ends_the_process_sees_all_that_was_answered(
    start: Start, tmp_path: Path, upstream: Upstream
) -> None:
    proxy = start(upstream=upstream.url, mode="record")
    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(_talk, proxy, str(one)) for one in range(4)]:
            done.result(60)
    with reverse(proxy) as client:
        client.post(CHAT, json=chat("last"))
        assert client.get("/__vcr__/cassettes/default").json()["recorded"] == 81
        client.post(CHAT, json=chat("after"))
        assert client.delete("/__vcr__/cassettes/default").json()["recorded"] == 82
        client.post(CHAT, json=chat("behind"), headers={"X-VCR-Cassette": "other"})
    assert proxy.stop() == 0
    assert [one.id for one in recordings(tmp_path)] == list(range(82))
    assert len(recordings(tmp_path, "other")) == 1


def test_client_waits_for_no_large_body_of_anothers(start: Start, tmp_path: Path) -> None:
    large = json.dumps({"data": [[n / 7 for n in range(40_000)] for _ in range(4)]}).encode()
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    answers = [head % len(body) + body for body in (large, b"{}")]
    with Wire(*answers) as upstream:
        proxy = start(upstream=upstream.url, mode="record")
        with reverse(proxy) as client:
            assert client.get("/v1/large").content == large
            begun = time.monotonic()
            waits = []
            while not (tmp_path / "recordings" / "default.yaml").exists():
                before = time.monotonic()
                answer = client.get("/v1/small", headers={"X-VCR-Cassette": "other"})
                waits.append(time.monotonic() - before)
                assert answer.content == b"{}"
            took = time.monotonic() - begun
            assert client.get("/__vcr__/cassettes/default").json()["recorded"] == 1
        assert proxy.stop() == 0, proxy.output
    assert recordings(tmp_path)[0].response.body == large
    assert max(waits) < max(0.5, took / 2), (waits, took)
