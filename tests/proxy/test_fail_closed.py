"""An error inside the addon answers the client with an error: nothing goes upstream, in any mode."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from tests.conftest import Start
from tests.proxy.talk import (
    CHAT,
    FORWARD_H2,
    FORWARD_PLAIN,
    FORWARD_TLS,
    REVERSE_PLAIN,
    Way,
    chat,
    exchange,
    forward,
    nothing_reaches,
    reverse,
)
from tests.upstream.server import Upstream

_BROKEN = """
from mitmvcr.sessions import table
from mitmvcr.proxy import addon, flow_adapter
from mitmvcr.serving import responder

def broken(*args, **more):
    raise RuntimeError("broken on purpose")

{target} = broken
"""


@pytest.mark.parametrize(
    ("mode", "target"),
    [
        ("once", "table.OpenCassette.answer"),
        ("record", "table.Sessions.get"),
        ("replay", "responder.choose = flow_adapter.choose"),
        ("passthrough", "table.Sessions.is_recorded"),
    ],
)
def test_broken_addon_answers_500_and_nothing_reaches_upstream(
    tmp_path: Path, upstream: Upstream, mode: str, target: str
) -> None:
    script = tmp_path / "broken.py"
    script.write_text(_BROKEN.format(target=target))
    ways = (FORWARD_PLAIN, REVERSE_PLAIN)
    with (
        nothing_reaches(upstream),
        REVERSE_PLAIN.start(tmp_path, upstream, "-s", str(script), mode=mode) as proxy,
    ):
        for way in ways:
            if way is REVERSE_PLAIN and target.endswith("is_recorded"):
                continue  # Not asked in reverse mode: there all is recorded.
            with way.client(proxy, upstream) as client:
                answer = client.post(CHAT, json=chat("x" * 100))
            assert answer.status_code == 500, (way, answer.text)
            assert answer.json()["error"]["code"] == "vcr_internal_error"
            assert "broken on purpose" in answer.json()["error"]["message"]
        assert proxy.stop() == 1
    assert "Traceback" not in proxy.output


@pytest.mark.parametrize("way", [FORWARD_TLS, FORWARD_H2], ids=["http1", "http2"])
def test_broken_addon_lets_nothing_out_of_a_tunnel(tmp_path: Path, tls_upstream: Upstream, way: Way) -> None:
    script = tmp_path / "broken.py"
    script.write_text(_BROKEN.format(target="table.OpenCassette.answer"))
    tls_upstream.clear()
    with (
        nothing_reaches(tls_upstream),
        way.start(tmp_path, tls_upstream, "-s", str(script)) as proxy,
        way.client(proxy, tls_upstream) as client,
    ):
        assert client.post(CHAT, json=chat()).status_code == 500
        assert proxy.stop() == 1


def test_broken_recorder_leaves_the_client_its_answer_and_fails_the_run(
    tmp_path: Path, upstream: Upstream
) -> None:
    script = tmp_path / "broken.py"
    script.write_text(_BROKEN.format(target="table.OpenCassette.record"))
    with REVERSE_PLAIN.start(tmp_path, upstream, "-s", str(script)) as proxy:
        with REVERSE_PLAIN.client(proxy, upstream) as client:
            assert client.post(CHAT, json=chat()).status_code == 200
            assert client.post(CHAT, json=chat(stream=True)).text.endswith("data: [DONE]\n\n")
        assert proxy.stop() == 1
    assert "0 recorded" in proxy.lines[-1]
    assert "2 failures" in proxy.lines[-1]
    assert not (tmp_path / "recordings").exists()


def test_answer_of_another_addon_is_left_alone(start: Start, tmp_path: Path, upstream: Upstream) -> None:
    with nothing_reaches(upstream):
        watched = ("--set", "proxyauth=user:secret")
        proxy = start(*watched, upstream=upstream.url, mode="replay", engine="auto")
        with FORWARD_PLAIN.client(proxy, upstream) as client:
            assert client.get("/v1/models").status_code == 407
        assert proxy.stop() == 0
    assert "0 misses" in proxy.lines[-1]


_BROKEN_HOOK = """
from mitmvcr.proxy import addon, options
from mitmvcr.proxy.flow_adapter import ClientAuthorities
from mitmvcr.proxy.engine_selection import EngineSelection
from mitmvcr.proxy import flow_adapter

def broken(*args, **more):
    raise RuntimeError("broken on purpose")

{target} = broken
"""


@pytest.mark.parametrize(
    ("target", "mode"),
    [
        ("options.is_invited", "once"),
        ("flow_adapter.take_tunnel", "once"),
        ("ClientAuthorities.look", "once"),
        ("EngineSelection.take", "replay"),
        ("EngineSelection.start_tls", "once"),
    ],
)
def test_broken_hook_of_a_connection_refuses_it_and_nothing_reaches_upstream(
    start: Start, tmp_path: Path, tls_upstream: Upstream, target: str, mode: str
) -> None:
    script = tmp_path / "broken.py"
    script.write_text(_BROKEN_HOOK.format(target=target))
    tls_upstream.clear()
    with nothing_reaches(tls_upstream):
        trust = ("--set", f"ssl_verify_upstream_trusted_ca={tls_upstream.ca}")
        proxy = start("-s", str(script), *trust, mode=mode, engine="hooks")
        with forward(proxy) as client, pytest.raises(httpx.TransportError):
            client.post(tls_upstream.url + CHAT, json=chat())
        assert proxy.stop() == 1, proxy.output
    assert "mitmvcr failed (RuntimeError: broken on purpose)" in proxy.output
    assert not (tmp_path / "recordings").exists()


@pytest.mark.parametrize("served", [("once", "hooks"), ("replay", "hooks"), ("replay", "layer")])
@pytest.mark.parametrize("method", ["CONNECT", "GET"])
def test_user_that_can_not_be_read_is_refused_and_not_taken_for_none(
    start: Start, tls_upstream: Upstream, plain_upstream: Upstream, served: tuple[str, str], method: str
) -> None:
    mode, engine = served
    upstream = tls_upstream if method == "CONNECT" else plain_upstream
    target = f"127.0.0.1:{upstream.port}" if method == "CONNECT" else upstream.url + "/v1/models"
    upstream.clear()
    with nothing_reaches(upstream):
        proxy = start(mode=mode, engine=engine)
        for user in ("é", "dXNlcg", "***"):
            request = f"{method} {target} HTTP/1.1\r\nHost: x\r\nProxy-Authorization: Basic {user}\r\n\r\n"
            answer = exchange(proxy.url, request.encode(), until=b"vcr_cassette_error")
            assert answer.startswith(b"HTTP/1.1 400 "), (user, answer)
            assert b"the proxy's user name can't be read" in answer
        assert proxy.stop() == 1
    assert "3 failures" in proxy.lines[-1]


def test_run_whose_end_fails_still_says_what_came_of_it_and_fails(
    start: Start, tmp_path: Path, upstream: Upstream
) -> None:
    script = tmp_path / "broken.py"
    for target in ("Exchanges.end_all", "Sessions.close_all", "terminal_summary.finish"):
        script.write_text(
            "from mitmvcr.proxy.addon import Exchanges, Sessions, terminal_summary\n"
            "def broken(*args, **more):\n    raise OSError('the disk is gone')\n"
            f"{target} = broken\n"
        )
        proxy = start("-s", str(script), upstream=upstream.url, mode="replay", report=f"{target}.json")
        with reverse(proxy) as client:
            client.get("/v1/models")
        assert proxy.stop() == 1, target
        assert "mitmvcr failed at its end (OSError: the disk is gone)" in proxy.output, target
        if target != "terminal_summary.finish":
            assert (tmp_path / f"{target}.json").exists(), target
            assert "1 failure" in proxy.lines[-1], target


@pytest.mark.parametrize(
    ("hook", "status"),
    [
        ("Exchanges.begin", 500),
        ("Exchanges.settle", 500),
        ("Exchanges.answer", 500),
        ("Exchanges.answer_begins", 200),
        ("Exchanges.answer_ended", 200),
        ("Exchanges.client_left", 200),
    ],
)
def test_each_hook_that_breaks_refuses_what_has_not_gone_out_and_fails_the_run(
    tmp_path: Path, upstream: Upstream, hook: str, status: int
) -> None:
    script = tmp_path / "broken.py"
    script.write_text(_BROKEN_EXCHANGES.format(target=hook))
    with REVERSE_PLAIN.start(tmp_path, upstream, "-s", str(script), mode="record") as proxy:
        for stream in (False, True):
            with REVERSE_PLAIN.client(proxy, upstream) as client:
                answer = client.post(CHAT, json=chat(stream=stream))
                assert answer.status_code == status, answer.text
        proxy.wait_for("mitmvcr failed (RuntimeError: broken on purpose)", times=2)
        assert proxy.stop() == 1
    assert len(upstream.requests()) == (0 if status == 500 else 2)
    assert "Traceback" not in proxy.output
    # What has come whole is written when the process ends at the latest.
    assert (tmp_path / "recordings").exists() == (hook in ("Exchanges.answer_ended", "Exchanges.client_left"))


_BROKEN_EXCHANGES = """
from mitmvcr.proxy.hooks.exchanges import Exchanges

def broken(*args, **more):
    raise RuntimeError("broken on purpose")

{target} = broken
"""


def test_connection_upstream_that_can_not_be_judged_is_not_made(
    start: Start, tmp_path: Path, upstream: Upstream
) -> None:
    script = tmp_path / "broken.py"
    script.write_text(
        "from mitmvcr.proxy import addon\n"
        "class Broken:\n    def __getattr__(self, _):\n        raise RuntimeError('broken on purpose')\n"
        "addon.Mode = Broken()  # which server_connect alone looks at\n"
    )
    with nothing_reaches(upstream):
        proxy = start("-s", str(script), upstream=upstream.url, mode="passthrough")
        with reverse(proxy) as client:
            answer = client.get("/v1/models")
        assert answer.status_code == 502
        assert "broken on purpose" in answer.json()["error"]["message"]
        proxy.stop()
