"""HTTP as few write it: what a client is told while it records is what is recorded, and what is replayed."""

from __future__ import annotations

import contextlib
import http.client
import re
import socket
import ssl
from dataclasses import dataclass
from pathlib import Path

import h2.config
import h2.connection
import h2.events
import pytest
import trustme

from mitmvcr.model import Interaction
from tests.conftest import check_discretion
from tests.harness import Proxy
from tests.proxy.talk import (
    FORWARD_PLAIN,
    KEY,
    REVERSE_H2,
    REVERSE_PLAIN,
    Asked,
    RawClient,
    Way,
    Wire,
    connect,
    recordings,
    told,
    trusting,
)

_OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok"
_WAYS = pytest.mark.parametrize("way", [FORWARD_PLAIN, REVERSE_PLAIN], ids=["forward", "reverse"])


@dataclass(frozen=True, slots=True)
class Taped:
    """Answers as they were told, what reached upstream, what is on disk."""

    recording: list[bytes]
    sent: list[bytes]
    kept: list[Interaction]
    replay: list[bytes]


def _tape(
    folder: Path, way: Way, upstream: Wire, *requests: bytes, options: dict[str, str] | None = None
) -> Taped:
    """Send each request on one connection while it is recorded, and again while it is replayed."""
    recording = _talk(folder, way, upstream, requests, {"mode": "record", **(options or {})})
    sent = [asked.head + asked.body for asked in upstream.requests]
    replay = _talk(folder, way, upstream, requests, {"mode": "replay", **(options or {})})
    assert len(upstream.requests) == len(sent)
    return Taped(recording, sent, recordings(folder), replay)


def _talk(
    folder: Path, way: Way, upstream: Wire, requests: tuple[bytes, ...], options: dict[str, str]
) -> list[bytes]:
    with way.start(folder, upstream, **options) as proxy:
        answers = []
        with RawClient(proxy.reverse if way.reverse else proxy.url) as client:
            for request in requests:
                client.socket.sendall(_targeted(request, way, upstream))
                answers.append(client.answer(head=request.startswith(b"HEAD")))
        assert proxy.stop() == 0, proxy.output
    check_discretion(proxy)
    return answers


def _targeted(request: bytes, way: Way, upstream: Wire) -> bytes:
    """The request with its target as a proxy is told it, and a Host."""
    line, _, rest = request.partition(b"\r\n")
    method, target, version = line.split(b" ", 2)
    if not way.reverse and target.startswith(b"/"):
        target = upstream.url.encode() + target
    host = f"Host: 127.0.0.1:{upstream.port}".encode()
    return b"%b %b %b\r\n%b\r\n%b" % (method, target, version, host, rest)


def _body(answer: bytes, *, head: bool = False) -> bytes:
    """An answer's body without its chunks."""
    _, fields, body = told(answer)
    if not head and ("transfer-encoding", "chunked") in [(name.lower(), value) for name, value in fields]:
        whole = b""
        while not body.startswith(b"0\r\n"):
            size, _, body = body.partition(b"\r\n")
            whole, body = whole + body[: int(size, 16)], body[int(size, 16) + 2 :]
        return whole
    return body


_GET = b"GET /v1/models HTTP/1.1\r\n\r\n"
_POST = b"POST /v1/x HTTP/1.1\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nhi"
_PLAIN = b"Content-Type: text/plain\r\n"


_HEAD = b"HEAD /v1/x HTTP/1.1\r\n\r\n"
_NOT_MODIFIED = b"HTTP/1.1 304 Not Modified\r\n"
_EMPTY = {
    "get": (_GET, _OK, 2),
    "post of 0": (b"POST /v1/0 HTTP/1.1\r\nContent-Length: 0\r\n\r\n", _OK, 2),
    "post of nothing": (b"POST /v1/none HTTP/1.1\r\n\r\n", _OK, 2),
    "200 of 0": (_POST, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 0),
    "200 of no chunk": (_POST, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", -1),
    "204": (_POST, b"HTTP/1.1 204 No Content\r\n\r\n", 0),
    "304": (_GET, _NOT_MODIFIED + b"\r\n", 0),
    "304 with a length": (_GET, _NOT_MODIFIED + b"Content-Length: 5\r\n\r\n", 0),
    "304 with chunks": (_GET, _NOT_MODIFIED + b"Transfer-Encoding: chunked\r\n\r\n", 0),
    "head": (_HEAD, b"HTTP/1.1 200 OK\r\nContent-Length: 512\r\n\r\n", 512),
    "head without a length": (_HEAD, b"HTTP/1.1 200 OK\r\n\r\n", -1),
    "head with chunks": (_HEAD, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", -1),
    "no reason": (_POST, b"HTTP/1.1 500 \r\nContent-Length: 2\r\n\r\nno", 2),
}


@_WAYS
def test_empty_bodies_are_told_kept_and_replayed_as_such_and_the_connection_stays(
    tmp_path: Path, way: Way
) -> None:
    with Wire(*[answer for _, answer, _ in _EMPTY.values()]) as upstream:
        taped = _tape(tmp_path, way, upstream, *[request for request, _, _ in _EMPTY.values()])
    every = zip(_EMPTY.items(), taped.kept, taped.recording, taped.replay, strict=True)
    for (name, (request, answer, length)), kept, recorded, replayed in every:
        assert kept.request.body == told(request)[2], name
        assert kept.response.content_length == length, name
        code = told(answer)[0].split()[1]
        assert kept.response.code == int(code), name
        for one in (recorded, replayed):
            assert told(one)[0].split()[1] == code, name
            assert _body(one, head=request == _HEAD) == kept.response.body, name


@_WAYS
def test_client_that_expects_100_is_told_to_continue_and_upstream_never_hears_of_it(
    tmp_path: Path, way: Way
) -> None:
    request = b"POST /v1/files HTTP/1.1\r\nExpect: 100-continue\r\nContent-Type: text/plain\r\n"
    request += b"Content-Length: %d\r\n\r\n"
    bodies = [b"x" * 10, b"x" * 200_000]
    finals = []
    with Wire(_OK) as upstream:
        for mode in ("record", "replay"):
            with way.start(tmp_path, upstream, mode=mode) as proxy:
                with RawClient(proxy.reverse if way.reverse else proxy.url) as client:
                    for body in bodies:
                        client.socket.sendall(_targeted(request % len(body), way, upstream))
                        assert client.answer() == b"HTTP/1.1 100 Continue\r\n\r\n"
                        client.socket.sendall(body)
                        finals.append(client.answer())
                assert proxy.stop() == 0, proxy.output
    assert [_body(final) for final in finals] == [b"ok"] * 4
    assert not any(b"expect" in asked.head.lower() for asked in upstream.requests)
    assert [asked.body for asked in upstream.requests] == bodies
    assert [one.request.body for one in recordings(tmp_path)] == bodies


@_WAYS
def test_http_1_0_is_told_no_chunks_and_where_the_answer_ends(tmp_path: Path, way: Way) -> None:
    chunks = b"HTTP/1.1 200 OK\r\n" + _PLAIN + b"Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"
    kept_alive = b"HTTP/1.1 200 OK\r\nConnection: keep-alive\r\n" + _PLAIN + b"Content-Length: 2\r\n\r\nok"
    asks = [
        (b"GET /v1/once HTTP/1.0\r\n\r\n", _OK),
        (b"GET /v1/chunks HTTP/1.0\r\n\r\n", chunks),
        (b"GET /v1/stay HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", kept_alive),
    ]
    for mode in ("record", "replay"):
        with (
            Wire(*[answer for _, answer in asks]) as upstream,
            way.start(tmp_path, upstream, mode=mode, match="method,path") as proxy,
        ):
            for request, _ in asks:
                with RawClient(proxy.reverse if way.reverse else proxy.url) as client:
                    client.socket.sendall(_targeted(request, way, upstream))
                    answer = client.answer()
                    assert answer.endswith(b"\r\n\r\nok"), answer
                    assert b"chunked" not in answer
                    if b"keep-alive" in request:
                        assert b"connection: keep-alive" in answer.lower()
                        client.socket.sendall(_targeted(b"GET /v1/once HTTP/1.0\r\n\r\n", way, upstream))
                        if mode == "record":
                            client.answer()
                    else:
                        assert client.is_closed()
            proxy.stop()
    once, chunked, stay, again = recordings(tmp_path)
    assert [one.response.body for one in (once, chunked, stay, again)] == [b"ok"] * 4
    assert (list(chunked.response.transfer_encoding), chunked.response.content_length) == (["chunked"], -1)


@_WAYS
def test_informational_answers_are_passed_over_and_the_final_one_counts(tmp_path: Path, way: Way) -> None:
    early = b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n"
    answer = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n" + early + _OK
    with Wire(answer, lambda: [answer[at : at + 1] for at in range(len(answer))]) as upstream:
        taped = _tape(tmp_path, way, upstream, _POST, _GET)
    assert [told(one)[0] for one in taped.recording + taped.replay] == [b"HTTP/1.1 200 OK"] * 4
    assert [_body(one) for one in taped.recording + taped.replay] == [b"ok"] * 4
    assert [(one.response.code, one.response.body) for one in taped.kept] == [(200, b"ok")] * 2


@_WAYS
def test_trailers_of_http_1_are_left_out_and_harm_nothing(tmp_path: Path, way: Way) -> None:
    answer = b"HTTP/1.1 200 OK\r\n" + _PLAIN + b"Trailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n"
    answer += b"2\r\nok\r\n0\r\nX-Sum: 42\r\n\r\n"
    request = b"POST /v1/x HTTP/1.1\r\n" + _PLAIN + b"Transfer-Encoding: chunked\r\n\r\n"
    request += b"2\r\nhi\r\n0\r\nX-Sum: 1\r\n\r\n"
    with Wire(answer, _OK) as upstream:
        taped = _tape(tmp_path, way, upstream, request, _GET)
    assert [_body(one) for one in taped.recording + taped.replay] == [b"ok"] * 4
    assert taped.sent[0].endswith(b"\r\n\r\nhi")
    assert (taped.kept[0].request.body, taped.kept[0].response.body) == (b"hi", b"ok")
    assert b"42" not in b"".join(taped.recording + taped.replay)


@_WAYS
def test_header_fields_go_as_they_came_and_are_kept_in_canonical_form(tmp_path: Path, way: Way) -> None:
    request = (
        b"GET /v1/x HTTP/1.1\r\nuser-AGENT: odd\r\nX-kEEp: a\r\nx-KeeP: b\r\nX-Raw: caf\xe9 \xc3\xa9\r\n\r\n"
    )
    answer = (
        b"HTTP/1.1 200 OK\r\ncontent-TYPE: text/plain\r\nx-kEEp: 1\r\nX-Keep: 2\r\nX-Raw: \xe9\xc3\xa9\r\n"
    )
    answer += b"CONTENT-length: 2\r\n\r\nok"
    with Wire(answer) as upstream:
        taped = _tape(tmp_path, way, upstream, request, options={"keep_headers": "x-keep,x-raw"})
    for line in (b"user-AGENT: odd", b"X-kEEp: a\r\nx-KeeP: b", b"X-Raw: caf\xe9 \xc3\xa9"):
        assert line + b"\r\n" in taped.sent[0]
    assert taped.recording == [answer]
    (kept,) = taped.kept
    assert kept.request.headers["User-Agent"] == ("odd",)
    assert kept.request.headers["X-Keep"] == ("a", "b")
    assert kept.response.headers["X-Keep"] == ("1", "2")
    raw = kept.request.headers["X-Raw"][0], kept.response.headers["X-Raw"][0]
    assert [value.encode("utf-8", "surrogateescape") for value in raw] == [
        b"caf\xe9 \xc3\xa9",
        b"\xe9\xc3\xa9",
    ]
    assert b"X-Keep: 1\r\nX-Keep: 2\r\n" in taped.replay[0]
    assert b"X-Raw: \xe9\xc3\xa9\r\n" in taped.replay[0]


@_WAYS
def test_1000_header_fields_and_one_of_60_kb_pass_on_either_side(tmp_path: Path, way: Way) -> None:
    many = b"".join(b"X-Many-%d: %d\r\n" % (number, number) for number in range(1000))
    many += b"X-Long: " + b"l" * 60_000 + b"\r\n"
    answer = b"HTTP/1.1 200 OK\r\n" + many + _OK.partition(b"\r\n")[2]
    with Wire(answer) as upstream:
        options = {"keep_headers": "x-many-999,x-long"}
        taped = _tape(tmp_path, way, upstream, b"GET /v1/x HTTP/1.1\r\n" + many + b"\r\n", options=options)
    assert many in taped.sent[0]
    assert taped.recording == [answer]
    for headers in (taped.kept[0].request.headers, taped.kept[0].response.headers):
        assert headers["X-Many-999"] == ("999",)
        assert headers["X-Long"] == ("l" * 60_000,)
    assert b"X-Long: " + b"l" * 60_000 + b"\r\n" in taped.replay[0]


_HALVES = {
    "no request line": b"GET /v1/mod",
    "no end of the head": b"POST /v1/x HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "
    + KEY.encode()
    + b"\r\n",
    "half a body": b"POST /v1/x HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf",
    "half a chunk": b"POST /v1/x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n8\r\nhalf",
    "no request at all": f"this is not HTTP {KEY}\r\n\r\n".encode(),
}


@pytest.mark.parametrize("mode", ["record", "replay"])
def test_half_a_request_leaves_nothing_behind_and_alarms_nobody(tmp_path: Path, mode: str) -> None:
    with Wire(_OK) as upstream, REVERSE_PLAIN.start(tmp_path, upstream, mode=mode) as proxy:
        for count, half in enumerate(_HALVES.values(), 1):
            with RawClient(proxy.reverse) as client:
                client.socket.sendall(half)
                proxy.wait_for("client connect", count)
                client.socket.shutdown(socket.SHUT_WR)
                while client.socket.recv(1 << 16):
                    pass
            proxy.wait_for("client disconnect", count)
        assert proxy.stop() == 0, proxy.output
    check_discretion(proxy)
    assert not any(asked.whole for asked in upstream.requests)
    assert len(upstream.requests) <= (1 if mode == "record" else 0)  # the chunks, which stream
    assert not (tmp_path / "recordings" / "default.yaml").exists()
    usual = "HTTP/1 protocol error|error establishing server connection: client disconnected"
    assert not re.search("error|crash|failed", re.sub(usual, "", proxy.output), re.IGNORECASE)


@_WAYS
def test_pipelined_requests_are_answered_in_their_order(tmp_path: Path, way: Way) -> None:
    count = 22
    answers = [
        b"HTTP/1.1 200 OK\r\n" + _PLAIN + b"Content-Length: 2\r\n\r\n%02d" % number for number in range(count)
    ]
    requests = [
        b"POST /v1/%d HTTP/1.1\r\n%bContent-Length: 2\r\n\r\n%02d" % (number, _PLAIN, number)
        for number in range(count)
    ]
    with Wire(*answers) as upstream:
        for mode in ("record", "replay"):
            with way.start(tmp_path, upstream, mode=mode) as proxy:
                with RawClient(proxy.reverse if way.reverse else proxy.url) as client:
                    told_ = []
                    for together in (requests[:2], requests[2:]):
                        client.socket.sendall(b"".join(_targeted(one, way, upstream) for one in together))
                        told_ += [_body(client.answer()) for _ in together]
                assert told_ == [b"%02d" % number for number in range(count)]
                assert proxy.stop() == 0, proxy.output
        assert len(upstream.requests) == count
    kept = recordings(tmp_path)
    assert [one.request.body for one in kept] == [one.response.body for one in kept] == told_


@_WAYS
def test_100_exchanges_share_one_connection(tmp_path: Path, way: Way) -> None:
    with Wire(_OK) as upstream:
        taped = _tape(tmp_path, way, upstream, *[b"GET /v1/%d HTTP/1.1\r\n\r\n" % n for n in range(100)])
    assert [_body(one) for one in taped.recording + taped.replay] == [b"ok"] * 200
    assert [one.request.url for one in taped.kept] == [f"{upstream.url}/v1/{n}" for n in range(100)]


_TARGETS = (
    "/v1/x?q=%7e&q=%7E&q=a+b&q=%zz&q=%&q=%C3%A9&q=%e9&&=&;=1",
    "/v1//x//",
    "//v1/x",
    "//evil.example/x",
    "/v1/../x/./y/%2e%2e/%2F",
    "/v1/x#fragment",
    "/v1/x?q#fragment?not",
    '/v1/[x]|{y}\\^`"<>',
    "/",
    "/?",
    "/v1/caf\xe9",
)


@_WAYS
def test_targets_go_upstream_byte_for_byte_and_match_themselves(tmp_path: Path, way: Way) -> None:
    # mitmproxy refuses an absolute target that isn't ASCII (net/http/url.py, `parse`).
    targets = [target.encode("latin-1") for target in _TARGETS if way.reverse or target.isascii()]
    answers = [_OK.replace(b"ok", b"%02d" % number) for number in range(len(targets))]
    with Wire(*answers) as upstream:
        taped = _tape(tmp_path, way, upstream, *[b"GET %b HTTP/1.1\r\n\r\n" % one for one in targets])
    assert [one.split(b"\r\n")[0] for one in taped.sent] == [b"GET %b HTTP/1.1" % one for one in targets]
    urls = [one.request.url.encode("utf-8", "surrogateescape") for one in taped.kept]
    assert urls == [upstream.url.encode() + one for one in targets]
    assert [_body(one) for one in taped.recording] == [_body(one) for one in taped.replay]
    assert [_body(one) for one in taped.replay] == [_body(one) for one in answers]


@_WAYS
def test_options_of_the_whole_server_are_asked_and_replayed(tmp_path: Path, way: Way) -> None:
    with Wire(_OK) as upstream:
        taped = _tape(tmp_path, way, upstream, b"OPTIONS * HTTP/1.1\r\n\r\n")
    assert taped.sent[0].startswith(b"OPTIONS * HTTP/1.1\r\n")
    assert taped.kept[0].request.url == f"{upstream.url}/*"
    assert [_body(one) for one in taped.recording + taped.replay] == [b"ok", b"ok"]


def test_absolute_target_at_a_reverse_listener_is_asked_of_its_upstream(tmp_path: Path) -> None:
    with Wire(_OK) as upstream:
        request = b"GET http://elsewhere.example/v1/x?y HTTP/1.1\r\n\r\n"
        taped = _tape(tmp_path, REVERSE_PLAIN, upstream, request)
    assert b"/v1/x?y HTTP/1.1\r\n" in taped.sent[0]
    assert taped.kept[0].request.url == f"{upstream.url}/v1/x?y"
    assert [_body(one) for one in taped.recording + taped.replay] == [b"ok", b"ok"]


class _H2Wire(Wire):
    """Answers in HTTP/2, over TLS: 103 first, and trailers behind the body."""

    def __init__(self, folder: Path) -> None:
        authority = trustme.CA()
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.set_alpn_protocols(["h2"])
        authority.issue_cert("127.0.0.1").configure_cert(self._context)
        super().__init__(b"")
        self.ca = folder / "h2-ca.pem"
        authority.cert_pem.write_to_path(str(self.ca))
        self.url = f"https://127.0.0.1:{self.port}"

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), self._context.wrap_socket(connection, server_side=True) as wrapped:
            server = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
            server.initiate_connection()
            while True:
                wrapped.sendall(server.data_to_send())
                read = wrapped.recv(1 << 16)
                if not read:
                    return
                for event in server.receive_data(read):
                    if isinstance(event, h2.events.StreamEnded):
                        self.requests.append(Asked(b""))
                        server.send_headers(event.stream_id, [(":status", "103"), ("link", "</a>")])
                        server.send_headers(
                            event.stream_id, [(":status", "200"), ("content-type", "text/plain")]
                        )
                        server.send_data(event.stream_id, b"ok")
                        server.send_headers(event.stream_id, [("x-sum", "42")], end_stream=True)


def _ask_over_http2(proxy: Proxy) -> list[h2.events.Event]:
    """What a client of HTTP/2 is told of a GET."""
    context = trusting(proxy.ca)
    context.set_alpn_protocols(["h2"])
    with context.wrap_socket(connect(proxy.reverse), server_hostname="127.0.0.1") as connection:
        client = h2.connection.H2Connection()
        client.initiate_connection()
        asked = [(":method", "GET"), (":scheme", "https"), (":authority", "x"), (":path", "/v1/x")]
        client.send_headers(1, asked, end_stream=True)
        events: list[h2.events.Event] = []
        while not any(isinstance(event, h2.events.StreamEnded) for event in events):
            connection.sendall(client.data_to_send())
            read = connection.recv(1 << 16)
            assert read, events
            events += client.receive_data(read)
    return events


def _ask_over_http1(proxy: Proxy) -> tuple[int, bytes]:
    """What a client is told that takes HTTP/2 too, so that mitmproxy speaks it to upstream."""
    context = trusting(proxy.ca)
    context.set_alpn_protocols(["http/1.1", "h2"])
    port = int(proxy.reverse.rpartition(":")[2])
    client = http.client.HTTPSConnection("127.0.0.1", port, timeout=20, context=context)
    with contextlib.closing(client):
        client.request("GET", "/v1/x")
        answer = client.getresponse()
        return answer.status, answer.read()


def test_trailers_and_informational_answers_of_http_2(tmp_path: Path) -> None:
    with _H2Wire(tmp_path) as upstream:
        for mode in ("record", "replay"):
            with REVERSE_H2.start(
                tmp_path,
                upstream,
                mode=mode,
                keep_headers="x-sum",
                repeat="any",
            ) as proxy:
                events = _ask_over_http2(proxy)
                assert _ask_over_http1(proxy) == (200, b"ok")
                assert proxy.stop() == 0, proxy.output
            check_discretion(proxy)
            assert not [one for one in events if isinstance(one, h2.events.InformationalResponseReceived)]
            (trailers,) = [one.headers for one in events if isinstance(one, h2.events.TrailersReceived)]
            assert [(bytes(name).lower(), bytes(value)) for name, value in trailers or ()] == [
                (b"x-sum", b"42")
            ]
    first, second = recordings(tmp_path)
    assert first.response.trailer == second.response.trailer == {"X-Sum": ("42",)}
    assert (first.response.code, first.response.body, first.response.proto) == (200, b"ok", "HTTP/2.0")
