"""mitmproxy's messages to plain data and back: heads, who is asked, answers, framing; decides nothing."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from mitmproxy import ctx, http
from mitmproxy.connection import Client
from mitmproxy.net.http import url
from mitmproxy.proxy.layer import NextLayer
from mitmproxy.proxy.mode_specs import ReverseMode

from mitmvcr.http.go_rules import bodiless
from mitmvcr.http.hosts import Origin, canonical_host, host_header
from mitmvcr.recording import capture
from mitmvcr.replay.served_response import ServedResponse
from mitmvcr.serving.request_head import (
    CASSETTE_HEADER,
    PROXY_AUTHORIZATION,
    CassetteChoice,
    RequestHead,
    choose,
    proxy_user,
)
from mitmvcr.serving.response_bytes import Fields, fields_for, with_own_urls

_REQUEST_LINE = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+ [^\r\n]* HTTP/1\.[01]\r\n")
_HOST = re.compile(rb"\r\nhost:[ \t]*([^\r\n]*?)[ \t]*\r\n", re.IGNORECASE)


class ClientAuthorities:
    """By which name each client of a reverse listener knows this proxy: no hook sees the Host that it sent.

    It is that of its connection's first request, in HTTP/1: a browser has one connection for one name.
    """

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
        host = _HOST.search(head + b"\r\n")
        if host or end:
            self._hosts[client.id] = host[1].decode("utf-8", "surrogateescape") if host else ""

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


def server_name(client: Client) -> str | None:
    """What a client's TLS calls whom it speaks to, empty without a name; None if there was no handshake."""
    if client.tls_established or (client.tls and client.sni):
        return client.sni or ""
    return None


def reverse_ports() -> dict[Origin, int]:
    """The ports of the plain reverse listeners, by the origin that each stands in front of."""
    servers = ctx.master.addons.get("proxyserver").servers  # type: ignore[no-untyped-call]
    return {
        Origin(mode.scheme, canonical_host(mode.address[0]), mode.address[1]): server.listen_addrs[0][1]
        for server in servers
        if isinstance(mode := server.mode, ReverseMode) and server.listen_addrs
    }


def request_head(flow: http.HTTPFlow, authority: str | None) -> RequestHead:
    """The flow's request in plain data; `authority` is what the client calls this proxy."""
    request, client = flow.request, flow.client_conn
    is_reverse = isinstance(client.proxy_mode, ReverseMode)
    return RequestHead(
        request.method,
        request.scheme,
        request.host,
        request.port,
        request.path,
        request.http_version,
        tuple(pairs(request.headers)),
        is_reverse,
        authority,
        client.sockname[1] if client.tls and is_reverse else 0,
        server_name="" if is_reverse else client.sni or "",
    )


def take_request(
    flow: http.HTTPFlow, authority: str | None, tunnel: CassetteChoice | None
) -> tuple[RequestHead, CassetteChoice]:
    """The flow's request in plain data and the cassette that it is for; the flow's names it no more.

    `tunnel` is the choice of the CONNECT that it came through.
    """
    _mend_host(flow)
    before = request_head(flow, authority)
    head, choice = choose(before, tunnel, flow.metadata.get("proxyauth"))
    if len(head.fields) != len(before.fields):
        for name in (CASSETTE_HEADER, PROXY_AUTHORIZATION):
            flow.request.headers.pop(name, None)
    if head.prefix:
        flow.request.path = head.path
    return head, choice


def _mend_host(flow: http.HTTPFlow) -> None:
    """Give an IPv6 upstream of a reverse listener its brackets, which mitmproxy leaves out (11.0 to 12.3)."""
    request = flow.request
    if isinstance(flow.client_conn.proxy_mode, ReverseMode) and ":" in request.host:
        bare = url.hostport(request.scheme, request.host, request.port)
        if request.host_header == bare:
            request.host_header = host_header(request.scheme, request.host, request.port)


def take_tunnel(flow: http.HTTPFlow) -> tuple[RequestHead, CassetteChoice | None]:
    """A CONNECT in plain data and what its user names, if it has one; the flow's has none any more."""
    head = request_head(flow, None)
    choice = proxy_user(head, flow.metadata.get("proxyauth"))
    flow.request.headers.pop(PROXY_AUTHORIZATION, None)
    return head, choice


def pairs(headers: http.Headers) -> Iterator[tuple[str, str]]:
    """Header fields as text, each once, bytes that are not UTF-8 as PEP 383 has them."""
    for name, value in headers.fields:
        yield name.decode("utf-8", "surrogateescape"), value.decode("utf-8", "surrogateescape")


def _headers(fields: Iterable[tuple[str, str]]) -> http.Headers:
    return http.Headers(
        [
            (name.encode("utf-8", "surrogateescape"), value.encode("utf-8", "surrogateescape"))
            for name, value in fields
        ]
    )


def response_head(response: http.Response) -> capture.ResponseHead:
    """A response's status line and headers."""
    return capture.ResponseHead(
        response.status_code, response.reason, response.http_version, tuple(pairs(response.headers))
    )


def length_of(message: http.Message) -> int | None:
    """The length of the body as it was announced, None if it was not."""
    lengths, is_coded = [], False
    for name, value in message.headers.fields:
        lower = name.lower()
        if lower == b"content-length":
            lengths.append(value)
        elif lower == b"transfer-encoding":
            is_coded = True
    if len(lengths) == 1 and lengths[0].isdigit() and not is_coded:
        return int(lengths[0])
    unannounced = is_coded or message.is_http2 or message.is_http3
    return None if unannounced or isinstance(message, http.Response) else 0


def response(answer: ServedResponse, head: RequestHead) -> http.Response:
    """What mitmproxy sends for an answer to this request."""
    headers = _headers(fields_for(answer, head))
    reason = answer.reason.encode("latin-1", "replace")
    body = b"" if head.method == "HEAD" else answer.body  # an error's too
    # Only a client of HTTP/2 gets them, where names have no capitals; mitmproxy minds that in headers alone.
    trailers = _headers((name.lower(), value) for name, value in answer.trailers) if answer.trailers else None
    return http.Response(b"HTTP/1.1", answer.code, reason, headers, body, trailers, 0.0, 0.0)


def reframe(request: http.Request, response: http.Response, head: RequestHead) -> None:
    """Fit upstream's headers to this client: where the answer ends, and where its URLs lead.

    What mitmproxy (11.0 to 12.3) does without: it closes an HTTP/1.1 connection behind an answer that
    HTTP/2 brought without a length, tells HTTP/1.0 of chunks, and writes a last chunk behind a 304.
    """
    headers = response.headers
    empty = bodiless(request.method, response.status_code)
    if request.http_version == "HTTP/1.0" or (empty and request.method != "HEAD"):
        headers.pop("Transfer-Encoding", None)
    elif (
        request.http_version == "HTTP/1.1"
        and response.is_http2
        and not (empty or "Content-Length" in headers)
    ):
        headers["Transfer-Encoding"] = "chunked"
    fields: Fields = list(pairs(headers))
    own = with_own_urls(head, fields, live=True)
    if own is not fields:
        response.headers = _headers(own)
