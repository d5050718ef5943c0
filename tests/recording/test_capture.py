"""From the wire to what a Go client would have seen."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable

import brotli
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from mitmvcr.recording import capture
from mitmvcr.recording.capture import ResponseHead

JSON = ("content-type", "application/json")
SSE = ("content-type", "text/event-stream; charset=utf-8")


def head(
    *headers: tuple[str, str], code: int = 200, reason: str = "OK", http_version: str = "HTTP/1.1"
) -> ResponseHead:
    return ResponseHead(code, reason, http_version, headers)


def raw_deflate(data: bytes) -> bytes:
    squeeze = zlib.compressobj(wbits=-15)
    return squeeze.compress(data) + squeeze.flush()


def double_gzip(data: bytes) -> bytes:
    return gzip.compress(data[:5], mtime=0) + gzip.compress(data[5:], mtime=0)


CODINGS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "gzip": ("gzip", gzip.compress),
    "gzip in capitals": ("GZIP", gzip.compress),
    "gzip in two members": ("gzip", double_gzip),
    "deflate in a zlib frame": ("deflate", zlib.compress),
    "raw deflate": ("deflate", raw_deflate),
    "br": ("br", brotli.compress),
    "zstd": ("zstd", zstandard.ZstdCompressor().compress),
    "stacked": ("gzip, br", lambda data: brotli.compress(gzip.compress(data, mtime=0))),
}


@pytest.fixture(params=CODINGS)
def coding(request: pytest.FixtureRequest) -> tuple[str, Callable[[bytes], bytes]]:
    return CODINGS[request.param]


def test_a_request_is_stored_as_go_s_client_made_it() -> None:
    body = b'{"model": "gpt-4o"}'
    headers = [
        ("host", "api.openai.com"),
        ("content-length", str(len(body))),
        ("content-type", "application/json"),
        ("accept", "application/json"),
        ("ACCEPT", "text/event-stream"),
        ("openai-beta", "assistants=v2"),
    ]
    made = capture.request("POST", "https://api.openai.com/v1/x?b=2&a=1", headers, body)
    assert (made.method, made.url) == ("POST", "https://api.openai.com/v1/x?b=2&a=1")
    assert (made.proto, made.proto_major, made.proto_minor) == ("HTTP/1.1", 1, 1)
    assert made.content_length == len(body)
    assert made.body == body
    assert made.form == {"b": ["2"], "a": ["1"]}
    assert made.headers == {
        "Content-Type": ["application/json"],
        "Accept": ["application/json", "text/event-stream"],
        "Openai-Beta": ["assistants=v2"],
    }


HOP_BY_HOP = [
    ("connection", "keep-alive"),
    ("keep-alive", "timeout=5"),
    ("proxy-authenticate", "Basic"),
    ("proxy-authorization", "Basic x"),
    ("proxy-connection", "keep-alive"),
    ("te", "trailers"),
    ("trailer", "x"),
    ("transfer-encoding", "chunked"),
    ("upgrade", "h2c"),
    ("host", "api.openai.com"),
    ("content-length", "1"),
]


def test_hop_by_hop_headers_host_and_content_length_are_not_stored() -> None:
    made = capture.request("POST", "https://h/p", [*HOP_BY_HOP, ("accept", "a")], b"x")
    assert made.headers == {"Accept": ["a"]}
    answer = capture.response("POST", head(*HOP_BY_HOP, JSON), b"x", 1)
    assert answer.headers == {"Content-Type": ["application/json"]}


def test_a_request_whose_length_was_not_said_has_length_0() -> None:
    assert (
        capture.request("POST", "https://h/p", [("transfer-encoding", "chunked")], b"abc").content_length == 0
    )
    assert capture.request("GET", "https://h/p", [], b"").content_length == 0


def test_the_form_of_an_urlencoded_request_has_the_values_of_body_and_query() -> None:
    headers = [("content-type", "application/x-www-form-urlencoded")]
    assert capture.request("POST", "https://h/p?a=1", headers, b"a=2&b=3").form == {
        "a": ["2", "1"],
        "b": ["3"],
    }


def test_a_compressed_request_is_stored_as_it_was_before(
    coding: tuple[str, Callable[[bytes], bytes]],
) -> None:
    name, encode = coding
    coded = encode(b'{"input": "text"}')
    headers = [("content-encoding", name), ("content-length", str(len(coded))), JSON]
    made = capture.request("POST", "https://h/p", headers, coded)
    assert made.body == b'{"input": "text"}'
    assert made.content_length == len(made.body)
    assert made.headers == {"Content-Type": ["application/json"]}


def test_a_compressed_response_is_stored_decoded(coding: tuple[str, Callable[[bytes], bytes]]) -> None:
    name, encode = coding
    coded = encode(b'{"output": "text"}')
    answer = capture.response(
        "POST", head(JSON, ("content-encoding", name), ("content-length", str(len(coded)))), coded, 7
    )
    assert answer.body == b'{"output": "text"}'
    assert answer.uncompressed
    assert answer.content_length == -1
    assert answer.headers == {"Content-Type": ["application/json"]}
    assert answer.duration == 7


def test_codings_in_two_header_lines_come_off_too() -> None:
    coded = brotli.compress(gzip.compress(b"text", mtime=0))
    answer = capture.response("GET", head(("content-encoding", "gzip"), ("content-encoding", "br")), coded, 1)
    assert (answer.body, answer.headers) == (b"text", {})


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("gzip", b'{"plain": 1}'),
        ("gzip", gzip.compress(b"text", mtime=0)[:-1]),
        ("br", brotli.compress(b"some text")[:-1]),
        ("zstd", zstandard.ZstdCompressor().compress(b"text")[:-1]),
        ("deflate", zlib.compress(b"text")[:-1]),
        ("compress", b"\x1f\x9d\x90"),
        ("gzip, made-up", gzip.compress(b"text", mtime=0)),
    ],
)
def test_what_can_not_be_decoded_is_kept_as_it_came_with_its_header(name: str, body: bytes) -> None:
    length = ("content-length", str(len(body)))
    answer = capture.response("GET", head(("content-encoding", name), length), body, 1)
    assert answer.body == body
    assert answer.headers == {"Content-Encoding": [name]}
    assert not answer.uncompressed
    assert answer.content_length == len(body)


@pytest.mark.parametrize("name", ["made-up", "gzip, made-up"])
def test_a_cut_stream_in_an_unknown_coding_keeps_its_header(name: str) -> None:
    answer = capture.response("GET", head(SSE, ("content-encoding", name)), b"data: [DONE]\n\n", 1, cut=True)
    assert answer.headers["Content-Encoding"] == [name]
    assert answer.body == b"data: [DONE]\n\n"


@pytest.mark.parametrize(
    ("http_version", "stored"),
    [
        ("HTTP/1.0", ("HTTP/1.0", 1, 0)),
        ("HTTP/1.1", ("HTTP/1.1", 1, 1)),
        ("HTTP/2.0", ("HTTP/2.0", 2, 0)),
        ("HTTP/2", ("HTTP/2.0", 2, 0)),
    ],
)
def test_the_response_has_the_protocol_that_upstream_spoke(
    http_version: str, stored: tuple[str, int, int]
) -> None:
    answer = capture.response("GET", head(http_version=http_version), b"", 1)
    assert (answer.proto, answer.proto_major, answer.proto_minor) == stored


@pytest.mark.parametrize(
    ("reason", "code", "http_version", "status"),
    [
        ("OK", 200, "HTTP/1.1", "200 OK"),
        ("Fine", 200, "HTTP/1.1", "200 Fine"),
        ("", 429, "HTTP/2.0", "429 Too Many Requests"),
        ("", 299, "HTTP/1.1", "299"),
    ],
)
def test_the_status_is_the_wire_s_and_go_s_text_in_http_2(
    reason: str, code: int, http_version: str, status: str
) -> None:
    answer = capture.response("GET", head(code=code, reason=reason, http_version=http_version), b"x", 1)
    assert (answer.status, answer.code) == (status, code)


# net/http's fixLength and readTransfer, and http2's handleResponse, of Go 1.23.
@pytest.mark.parametrize(
    ("method", "code", "headers", "body", "length"),
    [
        ("GET", 200, [("content-length", "3")], b"abc", 3),
        ("GET", 200, [("content-length", "0")], b"", 0),
        ("GET", 200, [("transfer-encoding", "chunked")], b"abc", -1),
        ("GET", 200, [("transfer-encoding", "chunked")], b"", -1),
        ("GET", 200, [("transfer-encoding", "Chunked"), ("content-length", "9")], b"abc", -1),
        ("GET", 200, [], b"abc", -1),
        ("HEAD", 200, [("content-length", "120")], b"", 120),
        ("HEAD", 200, [], b"", -1),
        ("DELETE", 204, [], b"", 0),
        ("GET", 304, [], b"", 0),
        ("GET", 304, [("content-length", "120")], b"", 0),
        ("GET", 304, [("transfer-encoding", "chunked")], b"", 0),
    ],
)
def test_the_content_length_is_what_go_says(
    method: str, code: int, headers: list[tuple[str, str]], body: bytes, length: int
) -> None:
    assert capture.response(method, head(*headers, code=code), body, 1).content_length == length


def test_chunks_are_noted_in_http_1_alone() -> None:
    chunked = ("transfer-encoding", "chunked")
    assert capture.response("GET", head(chunked), b"a", 1).transfer_encoding == ["chunked"]
    assert not capture.response("GET", head(http_version="HTTP/2.0"), b"a", 1).transfer_encoding
    assert not capture.response("GET", head(("content-length", "1")), b"a", 1).transfer_encoding


def test_the_answer_to_head_keeps_its_coding_for_it_has_no_body_to_decode() -> None:
    answer = capture.response("HEAD", head(("content-encoding", "gzip"), ("content-length", "9")), b"", 1)
    assert (answer.uncompressed, answer.content_length) == (False, 9)


@given(st.binary(), st.sampled_from(["GET", "POST"]), st.sampled_from(["HTTP/1.0", "HTTP/1.1", "HTTP/2.0"]))
def test_a_body_without_a_coding_is_never_touched(body: bytes, method: str, http_version: str) -> None:
    answer = capture.response(
        method, head(("content-type", "audio/mpeg"), http_version=http_version), body, 1
    )
    assert answer.body == body
    assert not answer.uncompressed


def event(data: object, name: str = "") -> bytes:
    text = data if isinstance(data, str) else json.dumps(data)
    return (f"event: {name}\n" if name else "").encode() + f"data: {text}\n\n".encode()


CHAT = [event({"choices": [{"delta": {"content": f"t{n} [DONE] \n"}}]}) for n in range(4)] + [event("[DONE]")]
RESPONSES = [
    event({"type": name, "text": "data: [DONE]\n\n"}, name)
    for name in ("response.created", "response.output_text.delta", "response.completed")
]


def test_a_chat_stream_is_whole_from_done_on_and_not_before() -> None:
    stream = b"".join(CHAT)
    whole = [cut for cut in range(len(stream) + 1) if capture.stream_is_whole(head(SSE), stream[:cut])]
    done = len(stream) - len(b"\n\n")
    assert whole == [done, done + 1, done + 2]


@pytest.mark.parametrize("newline", [b"\n", b"\r\n", b"\r"])
def test_a_responses_stream_is_whole_when_its_last_event_is_and_not_before(newline: bytes) -> None:
    stream = b"".join(RESPONSES).replace(b"\n", newline)
    whole = [cut for cut in range(len(stream) + 1) if capture.stream_is_whole(head(SSE), stream[:cut])]
    # Half of the CRLF that ends the event already is an empty line to a reader.
    assert whole[-1] == len(stream)
    assert len(stream) - whole[0] < len(newline)
    assert whole == list(range(whole[0], len(stream) + 1))


@pytest.mark.parametrize(
    "last",
    [
        "response.completed",
        "response.failed",
        "response.incomplete",
        "error",
        "image_generation.completed",
        "image_edit.completed",
        "speech.audio.done",
        "transcript.text.done",
        "message_stop",
    ],
)
def test_every_last_event_ends_its_stream(last: str) -> None:
    stream = b"".join([event({"type": "a.delta"}), event({"type": last})])
    assert capture.stream_is_whole(head(SSE), stream)
    assert capture.stream_is_whole(head(SSE), event({"type": last}))
    assert not capture.stream_is_whole(head(SSE), stream[:-1])
    assert not capture.stream_is_whole(head(SSE), stream + event({"type": "a.delta"}))


@pytest.mark.parametrize(
    "last", ["response.created", "response.output_text.done", "message_delta", "ping", "", None]
)
def test_no_other_event_ends_a_stream(last: str | None) -> None:
    assert not capture.stream_is_whole(head(SSE), event({"type": last}))


@pytest.mark.parametrize(
    "body",
    [b"", b"data:", b"data: ", b": comment\n\n", b"data: [1, 2]\n\n", b"data: " + b"[" * 100_000 + b"\n\n",
     b"data: 1\n\n", b"data: \xff\n\n", b"event: response.completed\n\n"],
)  # fmt: skip
def test_what_is_no_last_event_is_not_whole_and_no_error(body: bytes) -> None:
    assert not capture.stream_is_whole(head(SSE), body)


@pytest.mark.parametrize("content_type", ["application/json", "audio/mpeg", ""])
def test_only_a_stream_of_events_can_be_whole_without_its_end(content_type: str) -> None:
    assert not capture.stream_is_whole(head(("content-type", content_type)), b"data: [DONE]\n\n")


def test_comments_behind_done_make_no_difference() -> None:
    assert capture.stream_is_whole(head(SSE), b"data:[DONE]\n\n: keep-alive\n\n")


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
def test_a_compressed_stream_is_whole_when_its_last_event_can_be_read(coding: str) -> None:
    parts = flushed(coding, RESPONSES)
    coded = head(SSE, ("content-encoding", coding))
    assert capture.stream_is_whole(coded, b"".join(parts))
    assert not capture.stream_is_whole(coded, b"".join(parts[:-1]))
    assert not capture.stream_is_whole(coded, b"".join(parts[:-1]) + parts[-1][:4])
    answer = capture.response("POST", coded, b"".join(parts), 1, cut=True)
    assert answer.body == b"".join(RESPONSES)
    assert answer.uncompressed
    assert "Content-Encoding" not in answer.headers
    assert answer.content_length == -1


def flushed(coding: str, parts: list[bytes]) -> list[bytes]:
    """What a server sends of a compressed stream that it flushes after each event; its end is missing."""
    if coding == "br":
        brotlied = brotli.Compressor()
        return [brotlied.process(part) + brotlied.flush() for part in parts]
    if coding == "zstd":
        squeezed = zstandard.ZstdCompressor().compressobj()
        block = zstandard.COMPRESSOBJ_FLUSH_BLOCK
        return [squeezed.compress(part) + squeezed.flush(block) for part in parts]
    squeeze = zlib.compressobj(wbits=15 if coding == "deflate" else 31)
    return [squeeze.compress(part) + squeeze.flush(zlib.Z_SYNC_FLUSH) for part in parts]
