"""What is said of an upstream that fails: what happened, and what mends it, never what it sent."""

from __future__ import annotations

import pytest

from mitmvcr.proxy.upstream_errors import explained

_CA = "--set ssl_verify_upstream_trusted_ca=FILE"


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ("[Errno 111] Connect call failed ('127.0.0.1', 9)", "connection refused: does it run"),
        ("Multiple exceptions: [Errno 111] Connect call failed ('::1', 9, 0, 0), [Errno 111] …", "refused"),
        ("[Errno -2] Name or service not known", "no host of this name in the DNS"),
        ("[Errno 8] nodename nor servname provided, or not known", "no host of this name in the DNS"),
        ("[Errno -3] Temporary failure in name resolution", "the DNS doesn't answer"),
        ("[Errno 101] Network is unreachable", "no way to its network"),
        ("[Errno 113] Connect call failed ('10.0.0.1', 443)", "no way to its network"),
        ("[Errno 110] Connect call failed ('10.0.0.1', 443)", "does not answer in time"),
        ("Certificate verify failed: unable to get local issuer certificate", _CA),
        ("Certificate verify failed: self-signed certificate", "isn't trusted (self-signed certificate)"),
        ("Certificate verify failed: certificate has expired", "isn't trusted (certificate has expired)"),
        ("Certificate verify failed: hostname mismatch", "a certificate for another name"),
        ("The remote server does not speak TLS.", "is it http:// in the base URL?"),
        ("OpenSSL Error([('SSL routines', '', 'sslv3 alert handshake failure')])", "over TLS"),
        ("server closed connection", "closed the connection before it answered"),
        ("HTTP/2 connection closed: ENHANCE_YOUR_CALM", "closed the connection before it answered"),
        ("Upstream proxy 127.0.0.1:3128 refused HTTP CONNECT request: 407 x", "look at HTTPS_PROXY"),
        ("Cannot parse HTTP response: Bad HTTP response line: b'sk-key'", "an answer that can't be read"),
        ("Connection killed: mitmvcr replays: no connection goes upstream", "was not asked: mitmvcr replays"),
        ("something new", "gives no answer (something new)"),
    ],
)
def test_each_way_in_which_upstream_fails_has_its_name(message: str, said: str) -> None:
    sentence = explained(message, "api.example")
    assert sentence.startswith("api.example ")
    assert said in sentence
    assert "sk-key" not in sentence


def test_nothing_that_drives_a_terminal_or_starts_a_line_is_said() -> None:
    sentence = explained("oh\n::error::\x1b[31m" + "x" * 5000, "api.example")
    assert "\n" not in sentence
    assert "\x1b" not in sentence
    assert len(sentence) < 400
