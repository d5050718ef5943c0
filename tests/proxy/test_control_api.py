"""The control API, through both listeners of a running proxy."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from tests import build
from tests.conftest import Start
from tests.proxy.talk import (
    CHAT,
    HEADERS,
    chat,
    exchange,
    forward,
    nothing_reaches,
    recordings,
    reverse,
    trusting,
)
from tests.upstream.server import Upstream


@pytest.mark.parametrize("listener", ["forward", "reverse"])
def test_cassettes_are_opened_reported_rewound_and_closed(
    start: Start, tmp_path: Path, upstream: Upstream, listener: str
) -> None:
    tape = tmp_path / "recordings" / "a" / "b.yaml"
    build.write(tape, *(build.interaction(chat(text), text, url=upstream.url + CHAT) for text in "xy"))
    with nothing_reaches(upstream):
        proxy = start(upstream=upstream.url, mode="replay")
        if listener == "forward":
            control = forward(proxy, base_url="http://mitmvcr.local")
        else:
            control = reverse(proxy, base_url=proxy.reverse + "/__vcr__")
        with control, reverse(proxy) as client:
            overview = control.get("/").json()
            assert (overview["mode"], overview["cassettes"]) == ("replay", [])
            assert control.get("/cassettes/a%2Fb").status_code == 404
            opened = control.put("/cassettes/a%2Fb", json={"default": True, "repeat": "once"})
            assert opened.json()["interactions"] == 2
            for _ in range(2):
                assert client.post(CHAT, json=chat("x")).text == "x"
                assert client.post(CHAT, json=chat("x")).status_code == 404
                report = control.get("/cassettes/a%2Fb").json()
                assert (report["recorded"], report["replayed"], len(report["misses"])) == (0, 1, 1)
                assert [(one["number"], one["method"]) for one in report["unused"]] == [(1, "POST")]
                control.put("/cassettes/a%2Fb", json={"default": True})
            refused = control.put("/cassettes/new", json={"mode": "record"})
            assert refused.status_code in (400, 409)
            assert "only replays" in refused.json()["error"]["message"]
            assert control.put("/cassettes/a%2Fb", json={"mdoe": "replay"}).status_code == 400
            assert control.put("/cassettes/..%2Fx", json={}).status_code == 400
            assert control.delete("/cassettes/a%2Fb").status_code == 200
            assert control.delete("/cassettes/a%2Fb").status_code == 404
            assert client.post(CHAT, json=chat("x")).status_code in (400, 404)
        assert proxy.stop() == 1


def test_cassette_is_recorded_and_then_replayed_in_one_process(
    start: Start, tmp_path: Path, upstream: Upstream
) -> None:
    proxy = start(upstream=upstream.url)
    with forward(proxy, base_url="http://mitmvcr.local") as control:
        named = {**HEADERS, "X-VCR-Cassette": "one"}
        with reverse(proxy, headers=named) as client:
            assert control.put("/cassettes/one", json={"mode": "record"}).status_code == 200
            told = client.post(CHAT, json=chat())
            assert control.delete("/cassettes/one").json()["recorded"] == 1
            assert len(recordings(tmp_path, "one")) == 1
            assert control.put("/cassettes/one", json={"mode": "replay"}).status_code == 200
            assert client.post(CHAT, json=chat()).content == told.content
            assert control.get("/cassettes/one").json()["replayed"] == 1
    assert len(upstream.requests()) == 1
    assert proxy.stop() == 0


def test_cassette_that_is_closed_during_an_exchange_does_not_get_it(
    start: Start, tmp_path: Path, upstream: Upstream
) -> None:
    proxy = start(upstream=upstream.url, cassette="one")
    standin = {"x-standin": "events=4,delay=0.1"}
    with (
        reverse(proxy) as client,
        reverse(proxy) as control,
        client.stream("POST", CHAT, json=chat(stream=True), headers=standin) as answer,
    ):
        chunks = answer.iter_raw()
        next(chunks)
        assert control.delete("/__vcr__/cassettes/one").status_code == 200
        assert len(list(chunks)) > 1
    assert proxy.stop() == 1
    assert "closed before the exchange ended" in proxy.output
    assert not (tmp_path / "recordings").exists()


def test_control_requests_never_reach_upstream_and_are_no_misses(start: Start, upstream: Upstream) -> None:
    with nothing_reaches(upstream):
        proxy = start(upstream=upstream.url, mode="replay")
        with reverse(proxy) as client, forward(proxy) as other:
            assert client.get("/__vcr__").status_code == 200
            assert client.get("/__vcr__/nonsense").status_code == 404
            assert client.post("/__vcr__/").status_code == 405
            assert client.head("/__vcr__/").status_code == 200
            assert other.get("http://mitmvcr.local/").json()["version"]
        assert proxy.stop() == 0, proxy.output


_GET = "GET /__vcr__/ HTTP/1.1\r\nHost: {host}\r\n{more}\r\n"


@pytest.mark.parametrize(
    ("host", "more", "code"),
    [
        ("127.0.0.1", "", 200),
        ("localhost:1", "Origin: http://localhost:1\r\n", 200),
        ("example.org", "", 403),
        ("api.openai.com", "", 403),
        ("127.0.0.1", "Origin: http://example.org\r\n", 403),
        ("127.0.0.1", "Sec-Fetch-Site: cross-site\r\n", 403),
    ],
)
def test_pages_of_other_sites_can_not_use_it(
    start: Start, upstream: Upstream, host: str, more: str, code: int
) -> None:
    with nothing_reaches(upstream):
        proxy = start(upstream=upstream.url, mode="replay")
        told = exchange(proxy.reverse, _GET.format(host=host, more=more).encode(), until=b"}")
        assert told.startswith(f"HTTP/1.1 {code} ".encode())
        assert b"access-control" not in told.lower()
        assert (b"recordings" in told) is (code == 200)
        assert proxy.stop() == 0, proxy.output


def test_page_whose_name_was_bound_to_loopback_can_not_use_it_over_tls_or_later_in_its_connection(
    start: Start, upstream: Upstream
) -> None:
    with nothing_reaches(upstream):
        proxy = start(upstream=upstream.url, mode="replay")
        port = httpx.URL(proxy.reverse).port
        model = f"GET /v1/models HTTP/1.1\r\nHost: example.org:{port}\r\n\r\n".encode()
        late = _GET.format(host="127.0.0.1", more="Connection: close\r\n").encode()
        assert exchange(proxy.reverse, model + late).count(b" 403 ") == 2
        for name, codes in (("example.org", 403), ("localhost", 200)):
            for http2 in (False, True):
                extensions = {"sni_hostname": name}
                with httpx.Client(verify=trusting(proxy.ca), http2=http2, trust_env=False) as client:
                    url = f"https://127.0.0.1:{port}/__vcr__/"
                    answer = client.get(url, headers={"Host": name}, extensions=extensions)
                assert answer.status_code == codes, (name, answer.http_version)
        proxy.stop()


def test_the_description_and_all_cassettes_are_served(start: Start, tmp_path: Path) -> None:
    build.write(tmp_path / "recordings" / "a.yaml", build.interaction(chat("x"), "x"))
    proxy = start(mode="replay")
    with forward(proxy, base_url="http://mitmvcr.local") as control:
        described = control.get("/openapi.json")
        assert described.json()["openapi"].startswith("3.1")
        assert control.head("/openapi.json").headers["content-length"] == described.headers["content-length"]
        assert control.head("/openapi.json").content == b""
        control.put("/cassettes/a")
        assert [one["name"] for one in control.get("/cassettes").json()["cassettes"]] == ["a"]
        refused = control.post("/cassettes/a")
        assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD, PUT, DELETE")
        assert control.put("/cassettes/a", content=b" " * (2 << 20)).status_code == 413
        assert len(control.delete("/cassettes").json()["cassettes"]) == 1
        assert control.get("/").json()["cassettes"] == []
    proxy.stop()
