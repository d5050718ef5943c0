"""Requests' heads, HTTP/1.0 and 1.1: bytes -> what they say, or why they are refused; no I/O.

httptools (Node's llhttp) parses strictly: it refuses two Content-Lengths, one beside a
Transfer-Encoding, codings other than chunked, folded lines, bare LF, and blanks before a colon.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import httptools

from mitmvcr.errors import MitmvcrError
from mitmvcr.http.hosts import DEFAULT_PORTS
from mitmvcr.serving.request_head import RequestHead, coding_problem

LIMIT = 256 << 10
"""Bytes of a head; h11 and most servers take less."""

END = b"\r\n\r\n"

# A host that is no address without brackets (it would end at its first colon), and perhaps a port.
_AUTHORITY = re.compile(r"([^:]+|\[.+\])(?::(\d+))?$")
_LABEL = re.compile(rb"[A-Z\d\-_]{1,63}$", re.IGNORECASE)  # of a host's name, as RFC 1035 has it, and _
_HOST_LIMIT = 255  # bytes, RFC 1035
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
class ParsedHead:
    """A head and how its request goes on.

    `length` is the body's in bytes, None if it comes in chunks. `expects`: the client waits for
    `100 Continue`. `close`: no other request may follow on the connection.
    """

    head: RequestHead
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


def parse(raw: bytes) -> ParsedHead:
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
    chunked = "transfer-encoding" in named
    _check_fields(fields, version, chunked=chunked)
    tokens = [token.strip() for token in named.get("connection", "").lower().split(",")]
    method = _text(parser.get_method())
    return ParsedHead(
        RequestHead(method, *_target(method, parsed.target), f"HTTP/{version}", fields),
        None if chunked else int(named.get("content-length") or 0),
        version == "1.1" and named.get("expect", "").lower() == "100-continue",
        "close" in tokens or (version == "1.0" and "keep-alive" not in tokens),
    )


def _check_fields(fields: Sequence[tuple[str, str]], version: str, *, chunked: bool) -> None:
    """Raises HeadError for what two servers could read in two ways."""
    if sum(name.lower() == "host" for name, _ in fields) > 1:
        raise HeadError(400, "the request has more than one Host")
    if chunked and version == "1.0":
        raise HeadError(400, "the request has a Transfer-Encoding, which HTTP/1.0 doesn't know")
    if problem := coding_problem(fields):
        raise HeadError(400, problem)


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
        host, port = _host_and_port(authority)
    except ValueError:
        raise NotOursError from None
    port = port or DEFAULT_PORTS.get(_text(scheme), 0)
    if not port:
        raise NotOursError
    return _text(scheme), host, port, _text(b"/" + path)


def _host_and_port(authority: bytes) -> tuple[str, int]:
    """The host that an authority names and its port, 0 if it has none; raises ValueError.

    It takes and refuses what mitmproxy does (`net.http.url.parse_authority`, 11.0 to 12.3).
    """
    parts = _AUTHORITY.match(authority.decode())
    if parts is None:
        raise ValueError("no host")
    host = parts[1].encode().decode("idna")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    _check_host(host)
    port = int(parts[2] or 0)
    if port > 65535:
        raise ValueError("no port")
    return host, port


def _check_host(host: str) -> None:
    encoded = host.encode("idna")
    name = encoded.decode("idna")
    if len(encoded) > _HOST_LIMIT:
        raise ValueError("too long for a host")
    if not all(_LABEL.match(label) for label in encoded.removesuffix(b".").split(b".")):
        ipaddress.ip_address(name.removesuffix("."))
