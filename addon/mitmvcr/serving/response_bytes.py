"""An answer -> its header fields and bytes, as the client of one request gets them; no I/O."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from mitmvcr.http.pages import readable_by
from mitmvcr.replay.served_response import ServedResponse
from mitmvcr.serving.request_head import RequestHead

Fields: TypeAlias = Sequence[tuple[str, str]]

_LEADING = frozenset(("location", "content-location", "operation-location"))
"""Headers that lead a client to another URL; the last is Azure's."""


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


def with_own_urls(head: RequestHead, fields: Fields) -> Fields:
    """Header fields with upstream's own URLs as ours, so that who follows one stays with us.

    Else a redirect, or what Azure tells to poll, leads past us to the live API. What is recorded is
    upstream's. The very `fields` where nothing leads anywhere.
    """
    if not head.is_reverse or not any(name.lower() in _LEADING for name, _ in fields):
        return fields
    if head.authority and head.tls_port:  # by its server name, which has no port
        ours = f"https://{head.authority}:{head.tls_port}"
    else:
        ours = f"http://{head.authority}" if head.authority else ""
    upstream = head.origin
    return [
        (name, _own_url(value, upstream, ours + head.prefix) if name.lower() in _LEADING else value)
        for name, value in fields
    ]


def _own_url(value: str, upstream: str, ours: str) -> str:
    rest = value[len(upstream) :]
    return ours + rest if value.lower().startswith(upstream) and rest[:1] in ("", "/", "?", "#") else value
