"""What mitmproxy says of an upstream that fails -> what happened, and what mends it; sends nothing."""

from __future__ import annotations

import re
from dataclasses import dataclass

from mitmvcr.text import printable, shortened

UPSTREAM_FAILED = "mitmvcr.upstream_failed"
"""The key in a flow's metadata that says whose its error is, which mitmproxy's hook doesn't: upstream's."""

_MOST = 300
_BYTES = re.compile(r":? b['\"].*", re.DOTALL)
"""What mitmproxy quotes of what it can't read, up to the end: it may hold anything."""

_CA = "--set ssl_verify_upstream_trusted_ca=FILE"


@dataclass(frozen=True, slots=True)
class _Cause:
    """What is said where a pattern is found in mitmproxy's text; `{0}` is what its group has."""

    pattern: re.Pattern[str]
    text: str


# mitmproxy 11.0 to 12.3 passes on what the system, OpenSSL and its own parsers say, each in their words.
_CAUSES = tuple(
    _Cause(re.compile(pattern, re.IGNORECASE), text)
    for pattern, text in (
        (
            r"upstream proxy .{0,200}refused",
            "can't be reached: the proxy in front of it refuses: look at HTTPS_PROXY",
        ),
        (
            r"name or service not known|nodename nor servname|no address associated|getaddrinfo failed",
            "can't be reached: there is no host of this name in the DNS: look at the base URL",
        ),
        (r"name resolution", "can't be reached: the DNS doesn't answer: is there a network?"),
        (
            r"errno (?:111|61)\b|connection refused",
            "can't be reached: connection refused: does it run, and at this port?",
        ),
        (
            r"errno (?:101|113|65|51)\b|unreachable|no route",
            "can't be reached: there is no way to its network: is there one?",
        ),
        (r"errno (?:110|60)\b|timed? ?out", "can't be reached: it does not answer in time"),
        (
            r"certificate verify failed: (?:hostname|ip address) mismatch",
            "has a certificate for another name: look at the base URL",
        ),
        (
            r"certificate verify failed: ([\w .-]{1,80})",
            f"has a certificate that isn't trusted ({{0}}); if its CA is your own, name it: {_CA}",
        ),
        (r"does not speak tls|wrong version number", "speaks no TLS: is it http:// in the base URL?"),
        (r"tls|ssl", "can't be spoken to over TLS"),
        (
            r"server closed connection|peer closed connection|gone away|connection closed|refused the stream",
            "closed the connection before it answered",
        ),
        (r"parse|protocol error|unexpected server response|invalid", "sent an answer that can't be read"),
        (r"stream reset", "broke the request off"),
        (r"body_size_limit", "sent an answer that is larger than body_size_limit"),
        (r"connection killed: (.{1,200})", "was not asked: {0}"),
    )
)


def explained(message: str, host: str) -> str:
    """What happened to a request that this host was to answer, in a sentence that names what mends it.

    `message` is mitmproxy's. What it quotes of an answer is left out: it may be a secret.
    """
    said = shortened(printable(_BYTES.sub("", message)), _MOST)
    for cause in _CAUSES:
        found = cause.pattern.search(said)
        if found:
            text = cause.text.format(*found.groups())
            return f"{host} {text}" + ("" if "{0}" in cause.text else f" ({said})")
    return f"{host} gives no answer ({said})"
