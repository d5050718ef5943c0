"""URLs in answers of a reverse proxy: what leads to upstream leads back, however it is written."""

from __future__ import annotations

from typing import Any

import pytest

from mitmvcr.http.hosts import Origin
from mitmvcr.serving.request_head import RequestHead
from mitmvcr.serving.response_bytes import with_own_urls

OURS = "http://127.0.0.1:8081"


def head(**more: Any) -> RequestHead:
    fields: dict[str, Any] = {"scheme": "https", "host": "api.openai.com", "port": 443, **more}
    return RequestHead(
        "GET",
        path="/v1/x",
        http_version="HTTP/1.1",
        fields=(),
        is_reverse=True,
        authority="127.0.0.1:8081",
        reverse_ports=lambda: {Origin("https", "x.openai.azure.com", 443): 8082},
        **fields,
    )


def led(value: str, name: str = "Location", *, live: bool = False, **more: Any) -> str:
    ((_, answer),) = with_own_urls(head(**more), [(name, value)], live=live)
    return answer


@pytest.mark.parametrize("live", [True, False])
@pytest.mark.parametrize(
    ("value", "where"),
    [
        ("https://api.openai.com/v1/y?a=b#c", f"{OURS}/v1/y?a=b#c"),
        ("https://api.openai.com:443/v1/y", f"{OURS}/v1/y"),
        ("HTTPS://API.OpenAI.com./v1/y", f"{OURS}/v1/y"),
        (" https://api.openai.com/v1/y", f"{OURS}/v1/y"),
        ("//api.openai.com/v1/y", f"{OURS}/v1/y"),
        ("//api.openai.com:443/v1/y", f"{OURS}/v1/y"),
        ("https://user@api.openai.com/v1/y", f"{OURS}/v1/y"),
        ("http://api.openai.com/v1/y", f"{OURS}/v1/y"),
        ("http://api.openai.com:80/v1/y", f"{OURS}/v1/y"),
        ("https://api.openai.com", OURS),
        ("https://api.openai.com?a", f"{OURS}?a"),
        ("https:\\\\api.openai.com\\v1", "https:\\\\api.openai.com\\v1"),
        ("https://api.openai.com\\v1", f"{OURS}/v1"),
        ("https://X.openai.azure.com./openai/y", "http://127.0.0.1:8082/openai/y"),
        ("/v1/y", "/v1/y"),
        ("y?a=b", "y?a=b"),
        ("", ""),
        ("https://api.openai.com:8443/v1", "https://api.openai.com:8443/v1"),
        ("https://api.openai.com.example.org/v1", "https://api.openai.com.example.org/v1"),
        ("https://elsewhere.example/v1", "https://elsewhere.example/v1"),
        ("//elsewhere.example/v1", "//elsewhere.example/v1"),
        ("https://api:none/v1", "https://api:none/v1"),
    ],
)
@pytest.mark.parametrize(
    "name", ["Location", "content-location", "Operation-Location", "Azure-AsyncOperation"]
)
def test_a_url_of_upstreams_leads_back(name: str, value: str, where: str, live: bool) -> None:
    assert led(value, name, live=live) == where


@pytest.mark.parametrize(
    ("value", "where"),
    [
        ("https://api.openai.com:443/v1/y", f"{OURS}/vcr/a%2Fb/v1/y"),
        ("//api.openai.com/v1/y", f"{OURS}/vcr/a%2Fb/v1/y"),
        ("/v1/y", "/vcr/a%2Fb/v1/y"),
        ("y", "y"),
        ("https://elsewhere.example/", "https://elsewhere.example/"),
        # Another listener knows nothing of this one's prefix, and takes it all the same.
        ("https://x.openai.azure.com/y", "http://127.0.0.1:8082/vcr/a%2Fb/y"),
    ],
)
def test_the_prefix_that_names_the_cassette_stays(value: str, where: str) -> None:
    assert led(value, prefix="/vcr/a%2Fb") == where


@pytest.mark.parametrize(
    ("name", "value", "where"),
    [
        (
            "Link",
            '<https://api.openai.com:443/v1?after=1>; rel="next", <//elsewhere.example/x>; rel=last',
            f'<{OURS}/v1?after=1>; rel="next", <//elsewhere.example/x>; rel=last',
        ),
        ("Link", "</v1?after=1>; rel=next", "</v1?after=1>; rel=next"),
        ("Refresh", "5; url=https://api.openai.com/v1/y", f"5; url={OURS}/v1/y"),
        ("Refresh", '5; URL="https://api.openai.com/v1/y"', f'5; URL="{OURS}/v1/y"'),
        ("X-Other", "https://api.openai.com/v1/y", "https://api.openai.com/v1/y"),
    ],
)
def test_urls_among_other_things_lead_back(name: str, value: str, where: str) -> None:
    assert led(value, name) == where


def test_a_live_upstream_that_leads_to_itself_with_tls_is_followed_there_and_a_recorded_one_is_not() -> None:
    plain: dict[str, Any] = {"scheme": "http", "port": 80}
    assert led("https://api.openai.com/v1", live=True, **plain) == "https://api.openai.com/v1"
    assert led("https://api.openai.com/v1", **plain) == f"{OURS}/v1"


def test_an_upstream_with_an_ipv6_address_is_told_from_its_brackets() -> None:
    here: dict[str, Any] = {"scheme": "http", "host": "::1", "port": 8000}
    assert led("http://[0:0::1]:8000/v1", **here) == f"{OURS}/v1"
    assert led("http://[::1]/v1", **here) == "http://[::1]/v1"


def test_what_leads_nowhere_is_the_very_same() -> None:
    fields = [("Content-Type", "text/plain")]
    assert with_own_urls(head(), fields) is fields
