"""Going upstream through another proxy: what HTTPS_PROXY was for a program before it was led to this one."""

from __future__ import annotations

import base64
from urllib.parse import unquote, urlsplit

from mitmproxy import http
from mitmproxy.net.server_spec import ServerSpec
from mitmproxy.proxy.layer import NextLayer
from mitmproxy.proxy.layers import TCPLayer

from mitmvcr.http.hosts import is_in_no_proxy


class UpstreamProxy:
    """Sends all that goes upstream through the proxy at `url`, but not to the hosts in `direct`.

    mitmproxy's own `upstream:` mode is for forward proxies alone, and knows no exceptions.
    """

    def __init__(self, url: str, direct: str) -> None:
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        self._via: ServerSpec = ("https" if parts.scheme == "https" else "http", (parts.hostname or "", port))
        self._direct = direct
        self._authorization = ""
        if parts.username:
            user = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            self._authorization = "Basic " + base64.b64encode(user.encode()).decode()

    def requestheaders(self, flow: http.HTTPFlow) -> None:
        """A request that goes upstream, if it does, goes that way."""
        if not is_in_no_proxy(flow.request.host, self._direct, flow.request.port):
            flow.server_conn.via = self._via

    def next_layer(self, layer: NextLayer) -> None:
        """So does a tunnel that nobody looks into."""
        address = layer.context.server.address
        if (
            isinstance(layer.layer, TCPLayer)
            and address
            and not is_in_no_proxy(address[0], self._direct, address[1])
        ):
            # There is no public way to another proxy's CONNECT, and few go one.
            from mitmproxy.proxy.layers.http._upstream_proxy import HttpUpstreamProxy  # noqa: PLC0415

            layer.context.server.via = self._via
            stack = HttpUpstreamProxy.make(layer.context, send_connect=True)
            layer.layer = (stack / layer.layer)[0]

    def http_connect_upstream(self, flow: http.HTTPFlow) -> None:
        """Say who we are."""
        if self._authorization:
            flow.request.headers["Proxy-Authorization"] = self._authorization
