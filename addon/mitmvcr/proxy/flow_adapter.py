"""mitmproxy's messages to plain data and back: heads, answers, framing; decides nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from mitmproxy import http
from mitmproxy.proxy.mode_specs import ReverseMode

from mitmvcr.http.go_rules import bodiless
from mitmvcr.recording import capture
from mitmvcr.replay.served_response import ServedResponse
from mitmvcr.serving.cassette_selection import HEADER, PROXY_AUTHORIZATION, Fields, kept_here
from mitmvcr.serving.request_head import Incoming


def line(flow: http.HTTPFlow) -> str:
    """A request in a log line: without its query, where keys are."""
    return f"{flow.request.method} {flow.request.host}{flow.request.path.partition('?')[0]}"


def is_reverse(flow: http.HTTPFlow) -> bool:
    """Whether the flow came in through a reverse listener."""
    return isinstance(flow.client_conn.proxy_mode, ReverseMode)


def incoming(flow: http.HTTPFlow, called: str | None) -> Incoming:
    """The flow's request in plain data; `called` is what the client calls this proxy."""
    request, client = flow.request, flow.client_conn
    tls_port = client.sockname[1] if client.tls and is_reverse(flow) else 0
    return Incoming(
        request.method,
        request.scheme,
        request.host,
        request.port,
        request.path,
        request.http_version,
        list(pairs(request.headers)),
        is_reverse(flow),
        called,
        tls_port,
    )


def pairs(headers: http.Headers) -> Iterator[tuple[str, str]]:
    """Header fields as text, each once, bytes that are not UTF-8 as PEP 383 has them."""
    for name, value in headers.fields:
        yield name.decode("utf-8", "surrogateescape"), value.decode("utf-8", "surrogateescape")


def take_off(flow: http.HTTPFlow, asked: Incoming) -> None:
    """Take off the flow what names its cassette, as it is taken off `asked` already."""
    if len(asked.fields) != len(flow.request.headers.fields):
        for name in (HEADER, PROXY_AUTHORIZATION):
            flow.request.headers.pop(name, None)
    if asked.taken:
        flow.request.path = asked.path


def head_of(response: http.Response) -> capture.ResponseHead:
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


def response_of(answer: ServedResponse, asked: Incoming) -> http.Response:
    """What mitmproxy sends for an answer."""
    headers = _headers(told(answer, asked))
    reason = answer.reason.encode("latin-1", "replace")
    body = b"" if asked.method == "HEAD" else answer.body  # an error's too
    # Only a client of HTTP/2 gets them, where names have no capitals; mitmproxy minds that in headers alone.
    trailers = _headers((name.lower(), value) for name, value in answer.trailers) if answer.trailers else None
    return http.Response(b"HTTP/1.1", answer.code, reason, headers, body, trailers, 0.0, 0.0)


def assembled(answer: ServedResponse, asked: Incoming) -> bytes:
    """The bytes that mitmproxy sends to a client of HTTP/1 for the same."""
    fields = told(answer, asked)
    lines = [f"HTTP/1.1 {answer.code} ".encode() + answer.reason.encode("latin-1", "replace")]
    lines += [f"{name}: {value}".encode("utf-8", "surrogateescape") for name, value in fields]
    lines.append(b"\r\n")
    if asked.method != "HEAD":
        body = answer.body
        if ("Transfer-Encoding", "chunked") in fields:
            body = (b"%x\r\n%b\r\n" % (len(body), body) if body else b"") + b"0\r\n\r\n"
        lines[-1] += body
    return b"\r\n".join(lines)


def told(answer: ServedResponse, asked: Incoming) -> Fields:
    """An answer's header fields as this client is told them."""
    fields = kept_here(asked, answer.headers)
    if asked.http_version == "HTTP/1.0" and (asked.header("Connection") or "").lower() == "keep-alive":
        # Else such a client waits for the connection's end.
        fields = [*(one for one in fields if one[0].lower() != "connection"), ("Connection", "keep-alive")]
    return fields


def lead_here(asked: Incoming, response: http.Response) -> None:
    """Keep a client that is told upstream's own URLs by upstream itself."""
    fields = list(pairs(response.headers))
    kept = kept_here(asked, fields)
    if kept is not fields:
        response.headers = _headers(kept)


def _headers(fields: Iterable[tuple[str, str]]) -> http.Headers:
    return http.Headers(
        [
            (name.encode("utf-8", "surrogateescape"), value.encode("utf-8", "surrogateescape"))
            for name, value in fields
        ]
    )


def frame(request: http.Request, response: http.Response) -> None:
    """Let a client know where an answer ends that upstream framed for another protocol, or wrongly.

    What mitmproxy (11.0 to 12.2) does without: it closes an HTTP/1.1 connection behind an answer that
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
