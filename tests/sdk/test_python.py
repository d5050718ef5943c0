"""The `openai` package records against the stand-in and replays with it stopped, with equal results."""

from __future__ import annotations

import asyncio
from pathlib import Path

import openai
import pytest

from mitmvcr.model import Interaction
from tests.conftest import Start
from tests.harness import Proxy
from tests.sdk.lines import FORWARD, KINDS, REVERSE, Kind, recorded, upstream_for
from tests.sdk.python_client import Line, chat, run_async, run_sync


def line(kind: Kind, proxy: Proxy, url: str, *, http2: bool = False) -> Line:
    if kind.forward:
        return Line(f"{url}/v1", proxy.url, proxy.ca, http2=http2)
    if http2:  # mitmproxy's reverse listener speaks TLS to who begins with it
        return Line(f"{proxy.reverse.replace('http:', 'https:')}/v1", ca=proxy.ca, http2=True)
    return Line(f"{proxy.reverse}/v1")


def codes(interactions: list[Interaction]) -> list[int]:
    return [one.response.code for one in interactions if one.response.code != 200]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_sync_client_is_told_the_same_when_upstream_is_gone(kind: Kind, tmp_path: Path, start: Start) -> None:
    with upstream_for(kind) as upstream:
        proxy = kind.start(start, tmp_path, upstream.url, upstream.ca, cassette="sync")
        told = run_sync(line(kind, proxy, upstream.url))
        asked = upstream.requests()
        assert proxy.stop() == 0, proxy.output
        url = upstream.url
    assert {one.http_version for one in asked} == {"HTTP/1.1"}
    assert told["background"] == ["queued", "in_progress", "completed"]
    on_disk = recorded(tmp_path, "sync")
    assert len(on_disk) == len(asked)
    assert codes(on_disk) == [404, 429, 429, 429, 429, 401]
    assert b"sk-" + b"wrong" not in on_disk[-1].response.body
    assert all(one.response.duration > 0 for one in on_disk)

    replaying = kind.start(start, tmp_path, url, None, cassette="sync", mode="replay", strict="true")
    assert run_sync(line(kind, replaying, url).without_key()) == told
    assert replaying.stop() == 0, replaying.output
    assert f"{len(asked)} replayed, 0 misses, 0 unused" in replaying.output


@pytest.mark.parametrize("http2", [False, True], ids=["http1", "http2"])
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_async_client_is_told_the_same_when_upstream_is_gone(
    kind: Kind, tmp_path: Path, start: Start, *, http2: bool
) -> None:
    with upstream_for(kind) as upstream:
        proxy = kind.start(start, tmp_path, upstream.url, upstream.ca, cassette="async", dialect="stock")
        told = asyncio.run(run_async(line(kind, proxy, upstream.url, http2=http2)))
        spoken = {one.http_version for one in upstream.requests()}
        assert proxy.stop() == 0, proxy.output
        url = upstream.url
    assert spoken == ({"HTTP/2"} if http2 and kind.forward else {"HTTP/1.1"})
    assert told["chat_async"]["version"] == ("HTTP/2" if http2 else "HTTP/1.1")
    assert codes(recorded(tmp_path, "async")) == [404]

    replaying = kind.start(start, tmp_path, url, None, cassette="async", mode="replay", strict="true")
    assert asyncio.run(run_async(line(kind, replaying, url, http2=http2).without_key())) == told
    assert replaying.stop() == 0, replaying.output


def test_a_recording_made_in_forward_mode_answers_in_reverse_mode(tmp_path: Path, start: Start) -> None:
    with upstream_for(FORWARD) as upstream:
        proxy = FORWARD.start(start, tmp_path, upstream.url, upstream.ca, cassette="both")
        with openai.OpenAI(**line(FORWARD, proxy, upstream.url).options(asynchronous=False)) as client:
            told = chat(client)
        assert proxy.stop() == 0
        url = upstream.url
    replaying = start(upstream=url, cassette="both", mode="replay")
    without_key = line(REVERSE, replaying, url).without_key()
    with openai.OpenAI(**without_key.options(asynchronous=False)) as client:
        assert chat(client) == told
    assert replaying.stop() == 0, replaying.output


def test_a_miss_is_an_exception_with_its_explanation_and_is_not_retried(tmp_path: Path, start: Start) -> None:
    proxy = start(upstream="https://api.openai.com", mode="replay")
    with (
        openai.OpenAI(**Line(f"{proxy.reverse}/v1").options(asynchronous=False)) as client,
        pytest.raises(openai.NotFoundError, match=r"does not exist.*vcr_mode=once") as caught,
    ):
        chat(client)
    assert caught.value.code == "vcr_cassette_miss"
    assert proxy.stop() == 1
    assert "1 miss" in proxy.output
