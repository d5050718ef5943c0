"""An answer -> its header fields and bytes, as the client of one request gets them; no I/O."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeAlias

from mitmvcr.http.hosts import DEFAULT_PORTS, Origin, bracketed, origin_of, split_origin
from mitmvcr.http.pages import readable_by
from mitmvcr.replay.served_response import ServedResponse
from mitmvcr.serving.request_head import RequestHead

Fields: TypeAlias = Sequence[tuple[str, str]]

_LEADING = frozenset(("location", "content-location", "operation-location", "azure-asyncoperation"))
"""Headers that lead a client to another URL and hold nothing else; the last two are Azure's."""
_LINKED = re.compile(r"<([^<>]*)>")
_REFRESHED = re.compile(r"(?i)url=['\"]?([^'\",;]+)")
_WITH_URLS = {"link": _LINKED, "refresh": _REFRESHED}
"""Headers in which URLs stand among other things, with what finds them: RFC 8288's Link, and Refresh."""


def assembled(answer: ServedResponse, head: RequestHead) -> bytes:
    """The bytes that a client of HTTP/1 is sent."""
    fields = fields_for(answer, head)
    lines = [f"HTTP/1.1 {answer.code} ".encode() + answer.reason.encode("latin-1", "replace")]
    lines += [f"{name}: {value}".encode("utf-8", "surrogateescape") for name, value in fields]
    lines.append(b"\r\n")
    if head.method != "HEAD":
        body = answer.body
        if ("Transfer-Encoding", "chunked") in fields:
            body = (b"%x\r\n%b\r\n" % (len(body), body) if body else b"") + b"0\r\n\r\n"
        lines[-1] += body
    return b"\r\n".join(lines)


def fields_for(answer: ServedResponse, head: RequestHead) -> Fields:
    """An answer's header fields as this client gets them."""
    fields = with_own_urls(head, answer.headers)
    if answer.is_shared and (origin := head.header("Origin")):
        fields = [*fields, *readable_by(origin)]
    if head.http_version == "HTTP/1.0" and (head.header("Connection") or "").lower() == "keep-alive":
        # Else such a client waits for the connection's end.
        fields = [
            *(field for field in fields if field[0].lower() != "connection"),
            ("Connection", "keep-alive"),
        ]
    return fields


def with_own_urls(head: RequestHead, fields: Fields, *, live: bool = False) -> Fields:
    """Header fields with upstream's own URLs as ours, so that who follows one stays with us.

    Else a redirect, or what Azure tells to poll, leads past us to the live API. What is recorded is
    upstream's. `live`: upstream itself has just answered so. The very `fields` where nothing leads anywhere.
    """
    if not head.is_reverse or not any(_leads(name) for name, _ in fields):
        return fields
    own = partial(_own_url, head, live)
    return [(name, _with_own(name.lower(), value, own)) for name, value in fields]


def _leads(name: str) -> bool:
    lower = name.lower()
    return lower in _LEADING or lower in _WITH_URLS


def _with_own(name: str, value: str, own: Callable[[str], str]) -> str:
    if name in _LEADING:
        return own(value)
    found = _WITH_URLS.get(name)
    return found.sub(lambda url: url[0].replace(url[1], own(url[1])), value) if found else value


def _own_url(head: RequestHead, live: bool, url: str) -> str:
    """Where a URL of upstream's leads in this proxy; one of anybody else's as it is."""
    target = origin_of(url.strip(), head.scheme)
    if target is None:
        is_path = url.startswith("/") and not url.startswith("//")
        return head.prefix + url if is_path else url
    rest = split_origin(url.strip())[2].replace("\\", "/")
    upstream = Origin(head.scheme, head.host, head.port)
    if target == upstream or _is_other_scheme(target, upstream, live=live):
        return _ours(head) + head.prefix + rest
    port = head.reverse_ports().get(target)
    host = origin_of(f"//{head.authority}", "http") if head.authority else None
    return f"http://{bracketed(host.host)}:{port}{head.prefix}{rest}" if port and host else url


def _is_other_scheme(target: Origin, upstream: Origin, *, live: bool) -> bool:
    """Whether a URL leads to upstream's host by its other scheme, both on their own ports.

    A live upstream without TLS that leads to itself with TLS would do so again and again: the client goes.
    """
    ports = (DEFAULT_PORTS.get(target.scheme), DEFAULT_PORTS.get(upstream.scheme))
    is_same = target.host == upstream.host and (target.port, upstream.port) == ports
    return is_same and not (live and target.scheme == "https")


def _ours(head: RequestHead) -> str:
    """What this client calls us in a URL; empty where that isn't known, and a path will do."""
    if head.authority and head.tls_port:  # by its server name, which has no port
        return f"https://{bracketed(head.authority)}:{head.tls_port}"
    return f"http://{head.authority}" if head.authority else ""
