"""Requests' heads, HTTP/1.0 and 1.1: bytes -> what they say, or why they are refused; no I/O.

httptools (Node's llhttp) parses strictly: it refuses two Content-Lengths, one beside a
Transfer-Encoding, codings other than chunked, folded lines, bare LF, and blanks before a colon.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import httptools
from mitmproxy.net.http import url

from mitmvcr.errors import MitmvcrError

LIMIT = 256 << 10
"""Bytes of a head; h11 and most servers take less."""

END = b"\r\n\r\n"


_LENGTHS = (b"\r\nContent-Length: ", b"\r\ncontent-length: ")
_DIGITS = 15

Shape: TypeAlias = "bytes | tuple[bytes, bytes]"
"""A head, or what stands before and behind the digits of its Content-Length."""


def shape_of(raw: bytes) -> tuple[Shape, int | None]:
    """A head less its Content-Length, in which many are alike, and that; the head and None if it has none."""
    for name in _LENGTHS:
        at = raw.find(name)
        if at >= 0:
            at += len(name)
            end = raw.find(b"\r\n", at)
            digits = raw[at:end]
            if digits.isdigit() and len(digits) <= _DIGITS:
                return (raw[:at], raw[end:]), int(digits)
    return raw, None


class HeadError(MitmvcrError):
    """A head that can't be served; `code` is HTTP's."""

    def __init__(self, code: int, message: str) -> None:
        self.code = code
        super().__init__(message)


class NotOursError(Exception):
    """What only mitmproxy's own layers know: another method, a target beyond ASCII, a WebSocket."""


@dataclass(frozen=True, slots=True)
class Head:
    """A request line and header fields.

    `host` is empty where the target is only a path. `length` is the body's in bytes, None if it comes in
    chunks. `close`: no other request may follow on the connection.
    """

    method: str
    scheme: str
    host: str
    port: int
    path: str
    http_version: str
    fields: tuple[tuple[str, str], ...]
    length: int | None
    expects: bool
    close: bool


class _Parsed:
    def __init__(self) -> None:
        self.target = b""
        self.fields: list[tuple[bytes, bytes]] = []
        self.complete = False

    def on_url(self, part: bytes) -> None:
        self.target += part

    def on_header(self, name: bytes, value: bytes) -> None:
        self.fields.append((name, value.strip(b" \t")))

    def on_headers_complete(self) -> None:
        self.complete = True


def parse(raw: bytes) -> Head:
    """The head in these bytes, which end with an empty line; raises HeadError and NotOursError."""
    parsed = _Parsed()
    parser = httptools.HttpRequestParser(parsed)
    try:
        parser.feed_data(raw)
    except httptools.HttpParserUpgrade:
        pass  # CONNECT, or an offer to speak something else, which nobody needs to take
    except httptools.HttpParserInvalidMethodError:
        raise NotOursError from None
    except httptools.HttpParserError as error:
        if isinstance(error, httptools.HttpParserInvalidURLError) and not raw.partition(b"\r\n")[0].isascii():
            raise NotOursError from None
        raise HeadError(400, f"the request can't be read: {error}") from None
    version = parser.get_http_version()
    if not parsed.complete or version not in ("1.0", "1.1"):
        raise NotOursError
    fields = tuple((_text(name), _text(value)) for name, value in parsed.fields)
    named: dict[str, str] = {}
    for name, value in fields:
        before = named.get(name.lower())
        named[name.lower()] = value if before is None else f"{before}, {value}"
    if named.get("upgrade", "").lower() == "websocket":
        raise NotOursError
    if sum(name.lower() == "host" for name, _ in fields) > 1:
        raise HeadError(400, "the request has more than one Host")
    chunked = "transfer-encoding" in named
    if chunked and version == "1.0":
        raise HeadError(400, "the request has a Transfer-Encoding, which HTTP/1.0 doesn't know")
    tokens = [token.strip() for token in named.get("connection", "").lower().split(",")]
    scheme, host, port, path = _target(_text(parser.get_method()), parsed.target)
    return Head(
        _text(parser.get_method()),
        scheme,
        host,
        port,
        path,
        f"HTTP/{version}",
        fields,
        None if chunked else int(named.get("content-length") or 0),
        version == "1.1" and named.get("expect", "").lower() == "100-continue",
        "close" in tokens or (version == "1.0" and "keep-alive" not in tokens),
    )


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")


def _target(method: str, target: bytes) -> tuple[str, str, int, str]:
    """Scheme, host, port and path of a request target, as mitmproxy's HTTP/1 reads it (11.0 to 12.2)."""
    if method != "CONNECT" and (target == b"*" or target.startswith(b"/")):
        return "", "", 0, _text(target)
    scheme, separator, rest = target.partition(b"://")
    authority, _, path = rest.partition(b"/")
    if method == "CONNECT":
        scheme, authority = b"", target
    elif not separator:
        raise NotOursError
    try:
        host, port = url.parse_authority(authority, check=True)
    except ValueError:
        raise NotOursError from None
    port = port or url.default_port(scheme)
    if not port:
        raise NotOursError
    return _text(scheme), host, port, _text(b"/" + path)
