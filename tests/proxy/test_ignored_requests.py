"""Tracing and telemetry: never recorded, never a miss, passed on where anything is, and counted."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mitmvcr.model import Interaction
from tests import build
from tests.conftest import Start
from tests.proxy.talk import RawClient, Wire, recordings, told

_TRACES = "/v1/traces/ingest"
_OTHER = "/v1/x"
_UPSTREAMS = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 8\r\n\r\n{"up":1}'


def _post(target: str, body: bytes, *fields: str) -> bytes:
    lines = [f"POST {target} HTTP/1.1", "Host: localhost", "Content-Type: application/json", *fields]
    return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode() + body


@pytest.mark.parametrize("is_forward", [False, True], ids=["reverse", "forward"])
@pytest.mark.parametrize("mode", ["record", "new-episodes", "once", "passthrough"])
def test_where_requests_go_upstream_they_are_passed_on_and_not_recorded(
    start: Start, tmp_path: Path, mode: str, is_forward: bool
) -> None:
    with Wire(_UPSTREAMS) as upstream:
        proxy = start(upstream=upstream.url, mode=mode)
        base = upstream.url if is_forward else ""
        with RawClient(proxy.url if is_forward else proxy.reverse) as client:
            for body in (b'{"n":1}', b"x" * 200_000):
                for path in (_TRACES, _OTHER):
                    client.socket.sendall(_post(base + path, body))
                    assert client.answer().endswith(b'{"up":1}')
        assert proxy.stop() == 0, proxy.output
        assert len(upstream.requests) == 4
    assert "2 ignored" in proxy.lines[-1]
    if mode != "passthrough":
        urls = [kept.request.url.rpartition(":")[2].partition("/")[2] for kept in recordings(tmp_path)]
        assert urls == ["v1/x", "v1/x"]


@pytest.mark.parametrize(("mode", "engine"), [("replay", "hooks"), ("replay", "layer"), ("once", "hooks")])
def test_in_replay_they_are_answered_with_an_empty_success(
    start: Start, tmp_path: Path, mode: str, engine: str
) -> None:
    base = "http://api.openai.com"
    older = Interaction(build.request({"id": 1}, url=base + _TRACES), build.response({"older": 1}))
    kept = Interaction(build.request({"n": 1}, url=base + _OTHER), build.response({"n": 1}))
    build.write(tmp_path / "recordings" / "default.yaml", older, kept)
    more = "POST api.openai.com/v1/stats*"
    options = {"mode": mode, "engine": engine, "strict": "true", "max_body": "1KB", "ignore_requests": more}
    proxy = start(upstream=base, hosts="api.openai.com", **options)
    asked = 0
    for url, prefix in ((proxy.reverse, ""), (proxy.url, base)):
        with RawClient(url) as client:
            for body in (b'{"id": 1}', b'{"id": 2}', b"x" * 5000):
                client.socket.sendall(_post(prefix + _TRACES, body))
                assert client.answer(head=True).startswith(b"HTTP/1.1 204 ")
                client.socket.sendall(_post(prefix + "/v1/stats/a", body))
                line, fields, content = told(client.answer())
                assert (line.split()[1], content) == (b"200", b"{}")
                assert ("Content-Type", "application/json") in fields
                asked += 2
    with RawClient(proxy.reverse) as client:
        client.socket.sendall(_post(_OTHER, b'{"n": 1}'))
        assert json.loads(told(client.answer())[2]) == {"n": 1}
    assert proxy.stop() == 0, proxy.output
    assert f"0 misses, 0 unused, {asked} ignored" in proxy.lines[-1]


def test_one_that_is_taken_from_the_list_is_recorded_and_replayed(start: Start, tmp_path: Path) -> None:
    less = {"ignore_requests": f"-POST *{_TRACES}"}
    with Wire(_UPSTREAMS) as upstream:
        for mode in ("record", "replay"):
            proxy = start(upstream=upstream.url, mode=mode, **less)
            with RawClient(proxy.reverse) as client:
                client.socket.sendall(_post(_TRACES, b'{"n":1}'))
                assert client.answer().endswith(b'{"up":1}')
            assert proxy.stop() == 0
        assert len(upstream.requests) == 1
    assert len(recordings(tmp_path)) == 1


@pytest.mark.parametrize("engine", ["hooks", "layer"])
def test_random_keys_of_agents_are_left_out_of_matching_unless_one_is_brought_back(
    start: Start, tmp_path: Path, engine: str
) -> None:
    url = "http://api.openai.com/v1/responses"
    recorded = {"input": "a", "prompt_cache_key": "1", "client_metadata": {"a": 1}, "safety_identifier": "u"}
    kept = Interaction(build.request(recorded, url=url), build.response({"n": 1}))
    build.write(tmp_path / "recordings" / "default.yaml", kept)
    options = {"mode": "replay", "engine": engine, "repeat": "any"}
    other = {"input": "a", "prompt_cache_key": "2", "client_metadata": {"a": 2}}
    codes = {}
    for ignore in ("", "-prompt_cache_key", "-safety_identifier,$.prompt_cache_key"):
        proxy = start(upstream="http://api.openai.com", ignore=ignore, **options)
        with RawClient(proxy.reverse) as client:
            answers = []
            for body in (recorded, other, {**recorded, "prompt_cache_key": "3"}, {**other, "input": "b"}):
                client.socket.sendall(_post("/v1/responses", json.dumps(body).encode()))
                answers.append(int(client.answer()[9:12]))
        codes[ignore] = answers
        assert proxy.stop() == 1
    assert codes == {
        "": [200, 200, 200, 404],
        "-prompt_cache_key": [200, 404, 404, 404],
        "-safety_identifier,$.prompt_cache_key": [200, 404, 200, 404],
    }
