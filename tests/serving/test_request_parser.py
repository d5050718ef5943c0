"""Whom a request is for is read as mitmproxy reads it: what it takes and refuses, and what it makes of it."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from mitmproxy.net.http import url

from mitmvcr.serving import request_parser
from mitmvcr.serving.request_parser import NotOursError, parse

_HOSTS = st.one_of(
    st.text("ab-_.0[]:@%é", max_size=12),
    st.from_regex(r"\A([a-z0-9-]{1,64}\.){0,5}[a-z]{1,3}\.?\Z"),
    st.ip_addresses().map(str),
    st.ip_addresses(v=6).map(lambda address: f"[{address}]"),
    st.text(max_size=8),
)
_PORTS = st.one_of(
    st.just(""), st.integers(-1, 70_000).map(lambda port: f":{port}"), st.text(":0٣ ", max_size=3)
)


def _by_mitmproxy(authority: bytes) -> tuple[str, int] | None:
    try:
        host, port = url.parse_authority(authority, check=True)
    except ValueError:
        return None
    return host, port or 0


def _by_us(authority: bytes) -> tuple[str, int] | None:
    try:
        return request_parser._host_and_port(authority)
    except ValueError:
        return None


@given(host=_HOSTS, port=_PORTS)
@example(host="xn--nxasmq6b", port=":80")
@example(host="a" * 64, port="")
@example(host=".".join(["a" * 60] * 5), port="")
@example(host="[::1]", port=":0")
@example(host="", port=":80")
@example(host="a..b", port="")
def test_authority_is_read_as_mitmproxy_reads_it(host: str, port: str) -> None:
    authority = (host + port).encode("utf-8", "surrogatepass")
    assert _by_us(authority) == _by_mitmproxy(authority)


@given(st.binary(max_size=20))
def test_any_bytes_are_read_or_refused_as_mitmproxy_does(authority: bytes) -> None:
    assert _by_us(authority) == _by_mitmproxy(authority)


@pytest.mark.parametrize(
    ("target", "read"),
    [
        ("CONNECT api.openai.com:443", ("", "api.openai.com", 443, "/")),
        ("GET http://h/a?b", ("http", "h", 80, "/a?b")),
        ("GET https://h", ("https", "h", 443, "/")),
        ("GET /a", ("", "", 0, "/a")),
        ("GET ftp://h/", None),
        ("CONNECT h", None),
    ],
)
def test_target_says_whom_a_request_is_for(target: str, read: tuple[str, str, int, str] | None) -> None:
    raw = f"{target} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
    if read is None:
        with pytest.raises(NotOursError):
            parse(raw)
    else:
        head = parse(raw).head
        assert (head.scheme, head.host, head.port, head.path) == read
