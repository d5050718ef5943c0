"""How a run ends: the summary, the report, the exit status, and what else still gets its turn."""

from __future__ import annotations

import json
import shutil
import signal
import socket
from pathlib import Path

import httpx
import pytest

from tests import build
from tests.conftest import Start
from tests.harness import ROOT
from tests.proxy.talk import CHAT, KEY, chat, recordings, reverse
from tests.upstream.server import Upstream

pytestmark = pytest.mark.real_start


def _tape(folder: Path, base: str, *prompts: str) -> None:
    path = folder / "recordings" / "default.yaml"
    build.write(path, *(build.interaction(chat(prompt), url=base + CHAT) for prompt in prompts))


@pytest.mark.parametrize(
    ("strict", "asked", "status", "summary"),
    [
        ("false", ["a"], 0, "0 recorded, 1 replayed, 0 misses, 1 unused"),
        ("true", ["a"], 1, "0 recorded, 1 replayed, 0 misses, 1 unused"),
        ("true", ["a", "b"], 0, "0 recorded, 2 replayed, 0 misses, 0 unused"),
        ("false", ["a", "c", "d"], 1, "0 recorded, 1 replayed, 2 misses, 1 unused"),
    ],
)
def test_summary_counts_and_the_exit_status_says_whether_it_failed(
    start: Start,
    tmp_path: Path,
    upstream: Upstream,
    *,
    strict: str,
    asked: list[str],
    status: int,
    summary: str,
) -> None:
    _tape(tmp_path, upstream.url, "a", "b")
    proxy = start(
        upstream=upstream.url, mode="replay", strict=strict, cassette="default", report="out/r.json"
    )
    with reverse(proxy) as client:
        for prompt in asked:
            client.post(CHAT, json=chat(prompt))
        # The connection is open still.
        assert proxy.stop() == status, proxy.output
    assert summary in proxy.lines[-1]
    assert proxy.lines[-1].startswith("mitmvcr: ")
    assert "recordings/default.yaml" in proxy.lines[-1]
    report = json.loads((tmp_path / "out" / "r.json").read_text())
    (one,) = report["cassettes"]
    assert report["failed"] == bool(status)
    assert report["version"] == 1
    assert (one["name"], one["mode"], one["recorded"]) == ("default", "replay", 0)
    assert one["replayed"] == len(set(asked) & {"a", "b"})
    assert [len(one["misses"]), len(one["unused"])] == [len(set(asked) - {"a", "b"}), 2 - one["replayed"]]
    if strict == "true" and status:
        assert "strict" in proxy.output


def test_strict_fails_where_no_request_came_though_nobody_named_the_cassette(
    start: Start, tmp_path: Path, upstream: Upstream
) -> None:
    _tape(tmp_path, upstream.url, "a")
    assert start(upstream=upstream.url, mode="replay", strict="true").stop() == 1


def test_report_that_cannot_be_written_fails_the_run(
    start: Start, tmp_path: Path, upstream: Upstream
) -> None:
    (tmp_path / "file").write_text("")
    proxy = start(upstream=upstream.url, report="file/report.json")
    with reverse(proxy) as client:
        client.post(CHAT, json=chat())
    assert proxy.stop() == 1
    assert "file/report.json" in proxy.output
    assert len(recordings(tmp_path)) == 1


@pytest.mark.parametrize("with_signal", [signal.SIGINT, signal.SIGTERM])
def test_miss_is_the_exit_status_whatever_ends_the_process(
    start: Start, tmp_path: Path, tls_upstream: Upstream, with_signal: signal.Signals
) -> None:
    proxy = start(mode="replay")
    at = httpx.URL(proxy.url)
    host = f"127.0.0.1:{tls_upstream.port}"
    with (
        socket.create_connection((at.host, at.port), 10) as idle,
        socket.create_connection((at.host, at.port)),
    ):
        idle.sendall(f"CONNECT {host} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        idle.recv(1 << 16)
        with httpx.Client(proxy=proxy.url, trust_env=False) as client:
            assert client.get(f"http://127.0.0.1:{tls_upstream.port}/v1/models").status_code == 404
        assert proxy.stop(with_signal) == 1
    assert "1 miss" in proxy.lines[-1]


def test_other_addons_end_in_order_and_hardump_writes_its_file(
    start: Start, tmp_path: Path, upstream: Upstream
) -> None:
    har = tmp_path / "dump" / "out.har"
    har.parent.mkdir()
    script = tmp_path / "other.py"
    script.write_text("def done():\n    open('other-ended', 'w').close()\n")
    more = ("-s", str(script), "--set", f"hardump={har}")
    proxy = start(*more, upstream=upstream.url, mode="replay", engine="auto")
    with reverse(proxy, headers={"Authorization": "Bearer x"}) as client:
        assert client.post(CHAT, json=chat()).status_code == 404
    assert proxy.stop() == 1
    assert (tmp_path / "other-ended").exists()
    assert len(json.loads(har.read_text())["log"]["entries"]) == 1


def test_script_that_is_touched_while_it_runs_goes_on(
    start: Start, tmp_path: Path, upstream: Upstream
) -> None:
    shutil.copytree(ROOT / "addon", tmp_path / "addon", ignore=shutil.ignore_patterns("__pycache__"))
    script = tmp_path / "addon" / "vcr.py"
    proxy = start(upstream=upstream.url, script=script, mode="new-episodes")
    with reverse(proxy) as client:
        assert client.post(CHAT, json=chat("before")).status_code == 200
        script.write_text(script.read_text() + "\n# touched\n")
        proxy.wait_for("Loading script", times=2)
        assert client.post(CHAT, json=chat("before")).status_code == 200
        assert client.post(CHAT, json=chat("after")).status_code == 200
    assert proxy.stop() == 0, proxy.output
    assert [b"after" in one.request.body for one in recordings(tmp_path)] == [False, True]
    assert len(upstream.requests()) == 2


def test_log_shows_each_request_without_its_query(start: Start, upstream: Upstream) -> None:
    proxy = start(upstream=upstream.url, mode="new-episodes")
    with reverse(proxy) as client:
        client.get(f"/v1/models?api-key={KEY}")
        client.get("/v1/models?limit=2", headers={"X-VCR-Cassette": "../x"})
    assert proxy.stop() == 1
    assert "GET 127.0.0.1/v1/models: recorded in recordings/default.yaml" in proxy.output
    assert "GET 127.0.0.1/v1/models: refused" in proxy.output
    assert "limit=2" not in proxy.output
