"""Hosts and origins in one spelling, globs of hosts, and NO_PROXY's lists."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mitmvcr.http import hosts
from mitmvcr.http.hosts import HostGlobs, Origin, canonical_host, canonical_url, is_in_no_proxy, origin_of


@pytest.mark.parametrize(
    ("written", "host"),
    [
        ("api.openai.com", "api.openai.com"),
        ("API.OpenAI.com.", "api.openai.com"),
        ("api%2Eopenai%2ecom", "api.openai.com"),
        ("api\u3002openai\uff0ecom", "api.openai.com"),
        ("Bücher.example", "xn--bcher-kva.example"),
        ("XN--bcher-kva.example", "xn--bcher-kva.example"),
        ("llm_gateway", "llm_gateway"),
        ("[::1]", "::1"),
        ("0:0:0:0:0:0:0:1", "::1"),
        ("[2001:DB8::0:1]", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1%eth0"),
        ("::ffff:127.0.0.1", "127.0.0.1"),
        ("127.1", "127.0.0.1"),
        ("0x7f.0.0.1", "127.0.0.1"),
        ("2130706433", "127.0.0.1"),
        ("1.2.3.4.5", "1.2.3.4.5"),
        ("999.1.1.1", "999.1.1.1"),
        ("", ""),
        (".", "."),
        ("a" * 70 + ".exämple", "a" * 70 + ".exämple"),
    ],
)
def test_a_host_has_one_spelling(written: str, host: str) -> None:
    assert canonical_host(written) == host


@given(st.text(max_size=80))
def test_the_one_spelling_of_a_host_is_its_own(text: str) -> None:
    once = canonical_host(text)
    if "%" not in once and not once.startswith(("[", " ")) and not once.endswith((".", "]")):
        assert canonical_host(once) == once


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://API.openai.com.:443/v1", Origin("https", "api.openai.com", 443)),
        ("HTTPS://api.openai.com", Origin("https", "api.openai.com", 443)),
        ("http://user:pass@[::1]:8080/x?y#z", Origin("http", "::1", 8080)),
        ("//gateway/v1", Origin("http", "gateway", 80)),
        ("https://h\\path", Origin("https", "h", 443)),
        ("http://api:REDACTED-token-1", None),
        ("http://[::1/v1", None),
        ("http://h:0/", None),
        ("http://h:99999/", None),
        ("http:///v1", None),
        ("http://a b/", None),
        ("/v1/models", None),
        ("mailto:someone@example.org", None),
        ("", None),
    ],
)
def test_an_origin_is_what_a_server_could_have(url: str, origin: Origin | None) -> None:
    assert origin_of(url, "http") == origin


@pytest.mark.parametrize(
    ("url", "same"),
    [
        ("https://API.openai.com:443/v1?a=b#c", "https://api.openai.com/v1?a=b#c"),
        ("https://api.openai.com./V1", "https://api.openai.com/V1"),
        ("http://[0::1]:80", "http://[::1]"),
        ("https://u:P@Host:8443/", "https://u:P@host:8443/"),
        ("/v1/Models", "/v1/Models"),
        ("http://api:none/V1", "http://api:none/V1"),
    ],
)
def test_a_url_keeps_all_but_how_its_origin_is_written(url: str, same: str) -> None:
    assert canonical_url(url) == same
    assert canonical_url(same) == same


@pytest.mark.parametrize(
    ("glob", "host", "fits"),
    [
        ("*.openai.azure.com", "x.OpenAI.azure.com.", True),
        ("*.openai.azure.com", "openai.azure.com", False),
        ("*", "::1", True),
        ("llm_gateway", "LLM_gateway", True),
        ("[::1]", "0:0::1", True),
        ("::1", "[::1]", True),
        ("127.0.0.1", "127.1", True),
        ("bücher.example", "xn--bcher-kva.example", True),
        ("api.openai.com", "api-openai.com", False),
    ],
)
def test_a_glob_fits_a_host_however_either_is_written(glob: str, host: str, fits: bool) -> None:
    assert HostGlobs([glob]).has(host) is fits


def test_no_glob_fits_nothing() -> None:
    assert not HostGlobs([]).has("")


@pytest.mark.parametrize(
    ("host", "no_proxy", "port", "is_direct"),
    [
        ("api.openai.com", "", 443, False),
        ("api.openai.com", "*", 443, True),
        ("api.openai.com", "openai.com", 443, True),
        ("openai.com", ".openai.com", 443, True),
        ("API.openai.com.", "a, *.OpenAI.com", 443, True),
        ("notopenai.com", "openai.com", 443, False),
        ("notopenai.com", ".openai.com", 443, False),
        ("a.example", "a.example:443", 443, True),
        ("a.example", "a.example:443", 8443, False),
        ("a.example", "a.example:443", 0, True),
        ("10.1.2.3", "10.0.0.0/8", 80, True),
        ("10.1.2.3", "10.1.2.3/8", 80, True),
        ("11.1.2.3", "10.0.0.0/8", 80, False),
        ("fd00::7", "fd00::/8", 80, True),
        ("10.1.2.3", "fd00::/8", 80, False),
        ("gateway", "10.0.0.0/8", 80, False),
        ("10.1.2.3", "2.3", 80, False),
        ("::1", "[::1]", 80, True),
        ("::1", "[::1]:80", 80, True),
        ("::1", "[::1]:80", 81, False),
        ("[0::1]", "::1", 80, True),
        ("a", ",, ,", 80, False),
        ("a", "nonsense/99", 80, False),
    ],
)
def test_no_proxys_list_has_names_suffixes_addresses_networks_and_ports(
    host: str, no_proxy: str, port: int, is_direct: bool
) -> None:
    assert is_in_no_proxy(host, no_proxy, port) is is_direct


@pytest.mark.parametrize(
    ("host", "is_this_machine"),
    [("localhost", True), ("LOCALHOST.", True), ("a.localhost", True), ("127.8.9.1", True), ("127.1", True),
     ("[::1]", True), ("0::1", True), ("127.example", False), ("10.0.0.1", False), ("", False)],
)  # fmt: skip
def test_loopback_is_this_machine(host: str, is_this_machine: bool) -> None:
    assert hosts.is_loopback(host) is is_this_machine
