"""By which name a client of a reverse listener knows this proxy: no hook sees the Host that it sent."""

from __future__ import annotations

import re

from mitmproxy import http
from mitmproxy.connection import Client
from mitmproxy.proxy.layer import NextLayer
from mitmproxy.proxy.mode_specs import ReverseMode

_REQUEST_LINE = re.compile(rb"[A-Z]+ [^\r\n]* HTTP/1\.[01]\r\n")
_HOST = re.compile(rb"\r\nhost:[ \t]*([^\r\n]*?)[ \t]*\r\n", re.IGNORECASE)


class ClientAuthorities:
    """The Host of each connection's first request, in HTTP/1: a browser has one connection for one name."""

    def __init__(self) -> None:
        self._hosts: dict[str, str] = {}

    def look(self, layer: NextLayer) -> None:
        """Read it off what the client has sent, before mitmproxy does."""
        client = layer.context.client
        if not isinstance(client.proxy_mode, ReverseMode):
            return
        data: bytes = layer.data_client()  # type: ignore[no-untyped-call]
        if not _REQUEST_LINE.match(data):
            return
        head, end, _ = data.partition(b"\r\n\r\n")
        found = _HOST.search(head + b"\r\n")
        if found or end:
            self._hosts[client.id] = found[1].decode("utf-8", "surrogateescape") if found else ""

    def forget(self, client: Client) -> None:
        """The connection is gone."""
        self._hosts.pop(client.id, None)

    def of(self, flow: http.HTTPFlow) -> str | None:
        """What the client calls this proxy; empty if it gave no name, None if that was not seen.

        Over TLS it is the server name, which a browser sends always. None speaks HTTP/2 without TLS.
        """
        client = flow.client_conn
        if not isinstance(client.proxy_mode, ReverseMode):
            return flow.request.host_header or flow.request.host
        if client.tls or not flow.request.http_version.startswith("HTTP/1"):
            return client.sni or ""
        return self._hosts.get(client.id)
