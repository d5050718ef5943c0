"""The `openai` package records against the stand-in and replays with it stopped, with equal results."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import openai
import pytest

from mitmvcr.model import Interaction
from tests.conftest import Start
from tests.harness import Proxy
from tests.proxy.talk import KEY, recordings
from tests.sdk.lines import FORWARD, KINDS, REVERSE, Kind, recorded, upstream_for
from tests.sdk.python_client import ASYNC, Line, chat, run_async, run_sync
from tests.sdk.python_resources import (
    ASYNC_RESOURCES,
    RESOURCES,
    azure,
    azure_async,
    azure_v1,
    redirected,
    redirected_async,
)

# The SDK says of the assistants' methods that they are deprecated; they are recorded all the same.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def line(kind: Kind, proxy: Proxy, url: str, *, http2: bool = False) -> Line:
    if kind.forward:
        return Line(f"{url}/v1", proxy.url, proxy.ca, http2=http2)
    if http2:  # mitmproxy's reverse listener speaks TLS to who begins with it
        return Line(f"{proxy.reverse.replace('http:', 'https:')}/v1", ca=proxy.ca, http2=True)
    return Line(f"{proxy.reverse}/v1")


def codes(interactions: list[Interaction]) -> list[int]:
    return [one.response.code for one in interactions if one.response.code != 200]


def run_azure(by: Line) -> list[object]:
    """What Azure's clients are told: with a key; with a token of Entra ID; and the plain one."""
    endpoint = by.base_url.removesuffix("/v1")
    azure_: Any = {"azure_endpoint": endpoint, "api_version": "2025-03-01-preview"}

    async def run_async_() -> object:
        client = by.options(asynchronous=True)["http_client"]
        async with openai.AsyncAzureOpenAI(**azure_, azure_ad_token=by.key, http_client=client) as made:
            return await azure_async(made)

    client = by.options(asynchronous=False)["http_client"]
    with openai.AzureOpenAI(**azure_, api_key=by.key, http_client=client) as made:
        told = [azure(made), asyncio.run(run_async_())]
    v1 = by.options(asynchronous=False) | {"base_url": f"{endpoint}/openai/v1"}
    with openai.OpenAI(**v1) as plain:
        return [*told, azure_v1(plain)]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
@pytest.mark.slow
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


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
@pytest.mark.slow
def test_every_endpoint_tells_the_same_when_upstream_is_gone(
    kind: Kind, tmp_path: Path, start: Start
) -> None:
    with upstream_for(kind) as upstream:
        proxy = kind.start(start, tmp_path, upstream.url, upstream.ca, cassette="all")
        told = run_sync(line(kind, proxy, upstream.url), RESOURCES)
        asked = upstream.requests()
        assert proxy.stop() == 0, proxy.output
        url = upstream.url
    on_disk = recorded(tmp_path, "all")
    assert len(on_disk) == len(asked)
    assert codes(on_disk) == [429, 429, 503, 404, 400, 404]
    assert [retries for retries, _ in told["retried"]] == [2, 1]
    assert [batch["status"] for batch in told["batches"]["seen"]] == [
        "validating",
        "in_progress",
        "finalizing",
        "completed",
    ]

    replaying = kind.start(start, tmp_path, url, None, cassette="all", mode="replay", strict="true")
    assert run_sync(line(kind, replaying, url).without_key(), RESOURCES) == told
    assert replaying.stop() == 0, replaying.output
    assert f"{len(asked)} replayed, 0 misses, 0 unused" in replaying.output


@pytest.mark.parametrize("transport", ["httpx", "http2", "aiohttp"])
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_async_client_is_told_the_same_when_upstream_is_gone(
    kind: Kind, tmp_path: Path, start: Start, transport: str
) -> None:
    def run(proxy: Proxy, url: str, key: str = KEY) -> dict[str, Any]:
        by = replace(line(kind, proxy, url, http2=http2), aiohttp=transport == "aiohttp", key=key)
        # What is asked of the rest of the API does not depend on who carries it.
        return asyncio.run(run_async(by, (*ASYNC, *ASYNC_RESOURCES) if transport == "httpx" else ASYNC))

    http2 = transport == "http2"
    with upstream_for(kind) as upstream:
        proxy = kind.start(start, tmp_path, upstream.url, upstream.ca, cassette="async", dialect="stock")
        told = run(proxy, upstream.url)
        spoken = {one.http_version for one in upstream.requests()}
        assert proxy.stop() == 0, proxy.output
        url = upstream.url
    assert spoken == ({"HTTP/2"} if http2 and kind.forward else {"HTTP/1.1"})
    assert told["chat_async"]["version"] == ("HTTP/2" if http2 else "HTTP/1.1")
    assert codes(recorded(tmp_path, "async")) == ([404, 429, 429] if transport == "httpx" else [404])

    replaying = kind.start(start, tmp_path, url, None, cassette="async", mode="replay", strict="true")
    assert run(replaying, url, "dummy") == told
    assert replaying.stop() == 0, replaying.output


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_azure_client_is_told_the_same_when_upstream_is_gone(
    kind: Kind, tmp_path: Path, start: Start
) -> None:
    with upstream_for(kind) as upstream:
        proxy = kind.start(start, tmp_path, upstream.url, upstream.ca, cassette="azure")
        told = run_azure(line(kind, proxy, upstream.url))
        asked = upstream.requests()
        assert proxy.stop() == 0, proxy.output
        url = upstream.url
    assert {one.header("api-key") for one in asked if "api-version=" in one.path} == {KEY, None}
    on_disk = recorded(tmp_path, "azure")
    assert [one.request.url for one in on_disk] == [url + one.path for one in asked]

    replaying = kind.start(start, tmp_path, url, None, cassette="azure", mode="replay", strict="true")
    assert run_azure(line(kind, replaying, url).without_key()) == told
    assert replaying.stop() == 0, replaying.output


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_redirects_are_followed_again_when_upstream_is_gone(kind: Kind, tmp_path: Path, start: Start) -> None:
    def run(by: Line) -> list[object]:
        return [run_sync(by, [redirected]), asyncio.run(run_async(by, [redirected_async]))]

    with upstream_for(kind) as upstream:
        proxy = kind.start(start, tmp_path, upstream.url, upstream.ca)
        told = run(line(kind, proxy, upstream.url))
        assert proxy.stop() == 0, proxy.output
        url = upstream.url
    on_disk = recordings(tmp_path)
    assert [one.response.code for one in on_disk] == [307, 200, 308, 200, 302, 200, 307, 200]
    assert on_disk[0].response.headers["Location"] == ("/v1/chat/completions",)

    replaying = kind.start(start, tmp_path, url, None, mode="replay", strict="true")
    assert run(line(kind, replaying, url).without_key()) == told
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
