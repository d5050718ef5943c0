"""An error inside the addon answers the client with an error: nothing goes upstream, in any mode."""

from __future__ import annotations

from pathlib import Path

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
    nothing_reaches,
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
        ("record", "table.Sessions.opened"),
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
