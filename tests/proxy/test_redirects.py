"""Upstream's own URLs in its answers: in reverse mode who follows one stays with the proxy."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlencode

import httpx
import pytest

from mitmvcr.store.cassette import read
from tests.conftest import Start
from tests.upstream.server import Upstream

KEY = {"Authorization": "Bearer " + "sk-" + "l" * 48}


@pytest.mark.parametrize("prefix", ["", "/vcr/tests%2Fprefixed"])
def test_a_redirect_to_upstream_is_followed_through_the_proxy(
    prefix: str, tmp_path: Path, start: Start, upstream: Upstream
) -> None:
    path = f"{prefix}/v1/models?" + urlencode({"standin": f"redirect={upstream.url}/v1/models/gpt-4o-mini"})
    proxy = start(upstream=upstream.url, mode="record")
    told = httpx.get(f"{proxy.reverse}{path}", headers=KEY, follow_redirects=True)
    assert told.status_code == 200
    assert str(told.url) == f"{proxy.reverse}{prefix}/v1/models/gpt-4o-mini"
    assert proxy.stop() == 0, proxy.output
    name = "tests/prefixed" if prefix else "default"
    first, second = read(tmp_path / "recordings" / f"{name}.yaml").cassette.interactions
    assert first.response.headers["Location"] == (f"{upstream.url}/v1/models/gpt-4o-mini",)
    assert second.request.url == f"{upstream.url}/v1/models/gpt-4o-mini"
    asked = len(upstream.requests())

    proxy = start(upstream=upstream.url, mode="replay")
    again = httpx.get(f"{proxy.reverse}{path}", headers=KEY, follow_redirects=True)
    assert again.json() == told.json()
    assert str(again.url) == f"{proxy.reverse}{prefix}/v1/models/gpt-4o-mini"
    assert proxy.stop() == 0, proxy.output
    assert len(upstream.requests()) == asked


@pytest.mark.parametrize("elsewhere", ["https://elsewhere.example/x", "{url}0/v1/models", "/v1/models"])
def test_other_urls_stay_as_they_are(elsewhere: str, start: Start, upstream: Upstream) -> None:
    location = elsewhere.format(url=upstream.url)
    proxy = start(upstream=upstream.url, mode="record")
    told = httpx.get(f"{proxy.reverse}/v1/models", headers={**KEY, "x-standin": f"redirect={location}"})
    assert told.headers["Location"] == location


def test_the_forward_proxy_changes_nothing(start: Start, upstream: Upstream) -> None:
    location = f"{upstream.url}/v1/models/gpt-4o-mini"
    proxy = start(mode="record")
    with httpx.Client(proxy=proxy.url, headers={**KEY, "x-standin": f"redirect={location}"}) as client:
        assert client.get(f"{upstream.url}/v1/models").headers["Location"] == location
