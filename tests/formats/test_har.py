"""HAR: read as mitmproxy and browsers write it, written so that mitmproxy reads the same exchange."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mitmproxy.addons.savehar import SaveHar
from mitmproxy.http import Headers, HTTPFlow, Message
from mitmproxy.http import Response as MitmResponse
from mitmproxy.io.har import request_to_flow
from mitmproxy.test import tflow

from mitmvcr.errors import FormatError
from mitmvcr.formats import har
from mitmvcr.model import Cassette, Interaction, Request, Response
from tests.formats.models import CASSETTES


def document(**changes: Any) -> dict[str, Any]:
    """A HAR with one entry; `request__url=…` and so on change it, None takes a key out."""
    entry: dict[str, Any] = {
        "startedDateTime": "2025-01-01T00:00:00.000Z",
        "time": 20,
        "request": {
            "method": "POST",
            "url": "https://api.openai.com/v1/chat/completions",
            "httpVersion": "HTTP/1.1",
            "headers": [{"name": "content-type", "value": "application/json"}],
            "postData": {"mimeType": "application/json", "text": '{"a":1}'},
        },
        "response": {
            "status": 200,
            "statusText": "OK",
            "httpVersion": "HTTP/1.1",
            "headers": [{"name": "content-type", "value": "application/json"}],
            "content": {"size": 2, "mimeType": "application/json", "text": "{}"},
        },
        "timings": {"send": 1, "wait": 12.5, "receive": 1},
    }
    for path, value in changes.items():
        *outer, last = path.split("__")
        place = entry
        for key in outer:
            place = place[key]
        if value is None:
            place.pop(last, None)
        else:
            place[last] = value
    return {"log": {"version": "1.2", "creator": {"name": "x", "version": "1"}, "entries": [entry]}}


def read(har_: Mapping[str, Any]) -> Cassette:
    return har.load(json.dumps(har_).encode())


def one(**changes: Any) -> Interaction:
    (interaction,) = read(document(**changes)).interactions
    return interaction


def test_entry_is_read_as_go_would_have_seen_it() -> None:
    assert one() == Interaction(
        Request(
            "POST",
            "https://api.openai.com/v1/chat/completions",
            content_length=7,
            body=b'{"a":1}',
            headers={"Content-Type": ["application/json"]},
        ),
        Response(
            200,
            "200 OK",
            content_length=2,
            body=b"{}",
            headers={"Content-Type": ["application/json"]},
            duration=12_500_000,
        ),
    )


@pytest.mark.parametrize("wait", [-1, 0, None, 1e300])
def test_unknown_wait_is_no_duration(wait: float | None) -> None:
    assert one(timings__wait=wait).response.duration == 0


@pytest.mark.parametrize("version", ["HTTP/2.0", "http/2.0", "HTTP/2", "h2"])
def test_http_2_is_known_and_its_pseudo_headers_dropped(version: str) -> None:
    headers = [{"name": ":status", "value": "200"}, {"name": "x-a", "value": "b"}]
    response = one(response__httpVersion=version, response__headers=headers, response__statusText="").response
    assert (response.proto, response.proto_major, response.proto_minor) == ("HTTP/2.0", 2, 0)
    assert response.status == "200 OK"
    assert response.headers == {"X-A": ["b"], "Content-Type": ["application/json"]}


def test_several_headers_of_one_name_are_kept_in_order() -> None:
    headers = [{"name": "Set-Cookie", "value": "a"}, {"name": "set-cookie", "value": "b\nc"}, ["X-A", "d"]]
    assert one(response__headers=headers).response.headers == {
        "Set-Cookie": ["a", "b", "c"],
        "X-A": ["d"],
        "Content-Type": ["application/json"],
    }


def test_content_that_is_decoded_already_has_no_encoding() -> None:
    headers = [{"name": "content-encoding", "value": "br"}, {"name": "content-length", "value": "9"}]
    response = one(response__headers=headers).response
    assert (response.body, response.uncompressed, response.content_length) == (b"{}", True, -1)
    assert response.headers == {"Content-Type": ["application/json"]}


def test_base64_content_is_decoded_also_from_gzip() -> None:
    text = base64.b64encode(b"\xff\x00").decode()
    content = {"size": 2, "mimeType": "audio/mpeg", "text": text, "encoding": "base64"}
    assert one(response__content=content).response.body == b"\xff\x00"
    content["text"] = base64.b64encode(gzip.compress(b"{}", mtime=0)).decode()
    headers = [{"name": "content-encoding", "value": "gzip"}]
    assert one(response__content=content, response__headers=headers).response.body == b"{}"


def test_params_stand_for_an_urlencoded_body() -> None:
    posted = {"mimeType": "application/x-www-form-urlencoded", "params": [{"name": "a b", "value": "c&d"}]}
    request = one(request__postData=posted, request__headers=[]).request
    assert request.body == b"a+b=c%26d"
    assert request.form == {"a b": ["c&d"]}
    assert request.headers == {"Content-Type": ["application/x-www-form-urlencoded"]}


def test_base64_of_a_request_body_is_decoded() -> None:
    posted = {"mimeType": "audio/mpeg", "text": "/w==", "encoding": "base64"}
    assert one(request__postData=posted).request.body == b"\xff"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"response__status": 0}, "no answer"),
        ({"request__url": "data:text/plain,x"}, "no request over HTTP"),
        ({"request__url": "wss://a/"}, "no request over HTTP"),
        ({"request__method": "CONNECT"}, "no request over HTTP"),
        ({"_webSocketMessages": []}, "WebSocket"),
        ({"response__status": 101}, "WebSocket"),
        ({"response__content": {"size": 12}}, "body was not saved"),
        (
            {"request__postData": {"mimeType": "multipart/form-data", "params": [{"name": "a"}]}},
            "multipart body",
        ),
    ],
)
def test_entries_that_cannot_be_served_are_left_out_and_named(changes: dict[str, Any], reason: str) -> None:
    cassette = read(document(**changes))
    assert cassette.interactions == ()
    (note,) = cassette.notes
    assert note.startswith("entry 0 is left out: ")
    assert reason in note


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "not JSON"),
        (b"[]", "a list, not a mapping"),
        (b"{}", "no 'log'"),
        (b'{"log": {}}', "log.entries is null"),
        (b'{"log": {"entries": [', "cut short"),
        (b'{"log": {"entries": [], "entries": []}}', "stands twice"),
    ],
)
def test_bad_input_is_refused_with_its_place(data: bytes, reason: str) -> None:
    with pytest.raises(FormatError, match=reason.replace(".", r"\.")):
        har.load(data)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"request": 1}, "request is a number"),
        ({"request": None}, "request is null"),
        ({"request__headers": 1}, "request.headers is a number"),
        ({"request__headers": [1]}, "request.headers: an item is a number"),
        ({"request__headers": [{"name": "a", "value": [{}]}]}, "request.headers is a mapping"),
        ({"request__postData": "x"}, "request.postData is text"),
        ({"response": None}, "it got no answer"),
        ({"response": []}, "response is a list"),
        ({"response__status": "x"}, "response.status is 'x'"),
        ({"response__content": {"text": "a", "encoding": "base64"}}, "content.text is not base64"),
        ({"response__content": {"text": "[1]", "encoding": "base64"}}, "content.text is not base64"),
        ({"response__content": {"text": '["a', "encoding": "base64"}}, "content.text is not base64"),
        ({"response__content": {"text": "0g", "encoding": "hex"}}, "content.text is not hex"),
        ({"response__content": {"text": []}}, "content.text is a list"),
        ({"response__content": {"size": -1, "_file": "a.json"}}, "its body is in another file"),
        ({"request__postData": {"mimeType": "a/b", "_file": "a.json"}}, "its body is in another file"),
    ],
)
def test_an_odd_entry_is_left_out_and_costs_no_other(changes: dict[str, Any], reason: str) -> None:
    (good,) = document()["log"]["entries"]
    (odd,) = document(**changes)["log"]["entries"]
    cassette = read({"log": {"entries": [good, odd, 1, good]}})
    assert [interaction.id for interaction in cassette.interactions] == [0, 1]
    assert cassette.notes[0].startswith("entry 1 is left out: ")
    assert reason in cassette.notes[0]
    assert cassette.notes[1:] == ("entry 2 is left out: entry 2 is a number, not a mapping",)


@pytest.mark.parametrize("wait", ["x", None, True, -1, [], 1e300, float("nan")])
def test_an_unknown_time_costs_no_entry(wait: object) -> None:
    (interaction,) = read(document(timings={"wait": wait})).interactions
    assert interaction.response.duration == 0


@pytest.mark.parametrize(
    "headers",
    [
        [{"name": "accept", "value": ["a/b", "c/d"]}, {"name": "x-n", "value": 1}, {"name": "host"}],
        [["accept", ["a/b", "c/d"]], ["x-n", "1"]],
        {"accept": ["a/b", "c/d"], "x-n": 1},
        [{"name": "accept", "value": "a/b\nc/d"}, {"name": "X-N", "value": "1"}],
    ],
)
def test_headers_are_read_as_each_producer_writes_them(headers: object) -> None:
    (interaction,) = read(document(request__headers=headers)).interactions
    kept = {name: list(values) for name, values in interaction.request.headers.items() if name != "Host"}
    assert kept == {"Accept": ["a/b", "c/d"], "X-N": ["1"], "Content-Type": ["application/json"]}


PIECES = [gzip.compress(b'{"a": 1}', mtime=0)[:10], gzip.compress(b'{"a": 1}', mtime=0)[10:]]
GZIP = [{"name": "content-encoding", "value": "gzip"}]


@pytest.mark.parametrize(
    "content",
    [
        {"encoding": "base64", "text": json.dumps([base64.b64encode(piece).decode() for piece in PIECES])},
        {"encoding": "base64", "text": base64.b64encode(b"".join(PIECES)).decode()},
        {"encoding": "hex", "text": json.dumps([piece.hex() for piece in PIECES])},
        {"_isBinary": True, "text": json.dumps([piece.hex() for piece in PIECES])},
        {"_isBinary": True, "text": b"".join(PIECES).hex().upper()},
        {"text": json.dumps([piece.hex() for piece in PIECES])},
    ],
)
def test_bodies_in_pieces_are_joined_and_decoded(content: dict[str, object]) -> None:
    content |= {"mimeType": "application/json", "size": 99}
    (interaction,) = read(document(response__content=content, response__headers=GZIP)).interactions
    assert interaction.response.body == b'{"a": 1}'
    assert interaction.response.uncompressed


@pytest.mark.parametrize("text", ['["00ff", "12"]', '["deadbeef"]', "[]", '"1f8b08"', '["1f8b08", 1]'])
@pytest.mark.parametrize("headers", [[], GZIP])
def test_a_list_of_hexadecimal_texts_is_an_answer_like_any_other(
    text: str, headers: list[dict[str, str]]
) -> None:
    content = {"mimeType": "application/json", "text": text}
    har_ = document(response__content=content, response__headers=headers)
    (interaction,) = read(har_).interactions
    assert interaction.response.body == text.encode()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
PLACES = ["request", "response", "timings", "request__headers", "request__postData", "response__content"]
PLACES += [
    "response__status",
    "request__url",
    "response__headers",
    "response__content__text",
    "timings__wait",
]
PLACES += ["request__postData__text", "request__postData__params", "response__content__encoding"]


@given(st.sampled_from(PLACES), JSON)
def test_any_value_in_any_field_is_a_cassette_or_a_format_error(place: str, value: object) -> None:
    loads_or_refuses(json.dumps(document(**{place: value})).encode())


@given(st.binary(max_size=200) | JSON.map(lambda value: json.dumps({"log": {"entries": value}}).encode()))
def test_any_bytes_are_a_cassette_or_a_format_error(data: bytes) -> None:
    loads_or_refuses(data)


def loads_or_refuses(data: bytes) -> None:
    try:
        cassette = har.load(data)
    except FormatError as error:
        assert str(error)  # noqa: PT017 - either outcome is right
        return
    har.load(har.dump(cassette))


@given(CASSETTES)
def test_what_is_dumped_loads_again(written: Cassette) -> None:
    again = har.load(har.dump(written))
    assert [comparable(i) for i in again.interactions] == [comparable(i) for i in written.interactions]


def comparable(interaction: Interaction) -> Interaction:
    """What survives: HAR doesn't say whether a body was decompressed, and knows no empty type."""
    response = replace(interaction.response, uncompressed=False, content_length=0)
    return replace(interaction, response=response)


def test_duration_and_protocol_survive() -> None:
    response = Response(200, "200 OK", "HTTP/2.0", 2, 0, duration=1_234_567_891, content_length=0)
    cassette = Cassette((Interaction(Request("GET", "https://a/"), response),))
    assert har.load(har.dump(cassette)) == cassette


@given(CASSETTES)
def test_mitmproxy_reads_what_is_dumped(written: Cassette) -> None:
    entries = json.loads(har.dump(written))["log"]["entries"]
    for entry, interaction in zip(entries, written.interactions, strict=True):
        flow = request_to_flow(entry)
        assert flow.response is not None
        assert flow.request.method == interaction.request.method
        assert flow.request.pretty_url == interaction.request.url
        assert flow.response.status_code == interaction.response.code
        assert flow.response.content == interaction.response.body
        for name, values in interaction.response.headers.items():
            assert flow.response.headers.get_all(name) == values
        if interaction.request.body.isascii():
            assert flow.request.content == interaction.request.body


def test_mitmproxy_reads_the_bytes_of_any_text() -> None:
    for content_type in (
        "text/event-stream",
        "text/plain; charset=utf-16",
        "application/json",
        "audio/mpeg",
        "",
    ):
        for body in (b"data: x\n\n", "é😀".encode(), b"\xff\xfe\x00", b""):
            response = Response(200, body=body, headers={"Content-Type": [content_type]})
            data = har.dump(Cassette([Interaction(Request("GET", "https://a/"), response)]))
            flow = request_to_flow(json.loads(data)["log"]["entries"][0])
            assert flow.response is not None
            assert flow.response.content == body
            assert har.load(data).interactions[0].response.body == body


def flow(request_body: bytes, request_type: str, response_body: bytes, response_type: str) -> HTTPFlow:
    recorded = tflow.tflow(resp=MitmResponse.make(201, response_body, Headers(content_type=response_type)))
    recorded.request.url = "https://api.openai.com/v1/files?purpose=x"
    recorded.request.method = "POST"
    recorded.request.headers = Headers(content_type=request_type)
    recorded.request.content = request_body
    return recorded


BODIES = st.binary(max_size=60) | st.text(max_size=60).map(lambda text: text.encode("utf-8", "replace"))
TYPES = st.sampled_from(
    [
        "application/json",
        "text/plain",
        "text/event-stream",
        "text/plain; charset=utf-8",
        "audio/mpeg",
    ]
)


def has_bom(message: Message) -> bool:
    """Whether it starts with a byte order mark, which mitmproxy's writer loses."""
    return (message.raw_content or b"").startswith(
        (b"\xef\xbb\xbf", b"\xfe\xff", b"\xff\xfe", b"\0\0\xfe\xff")
    )


@given(BODIES, TYPES, BODIES, TYPES)
def test_what_mitmproxy_writes_is_read_as_it_was(
    request_body: bytes, request_type: str, response_body: bytes, response_type: str
) -> None:
    recorded = flow(request_body, request_type, response_body, response_type)
    assert recorded.response is not None
    (interaction,) = read(SaveHar().make_har([recorded])).interactions
    assert interaction.request.url == "https://api.openai.com/v1/files?purpose=x"
    assert interaction.response.code == 201
    if not has_bom(recorded.request):
        assert interaction.request.body == request_body
    if not has_bom(recorded.response):
        assert interaction.response.body == response_body


def test_mitmproxys_own_flow_is_read_with_its_wait() -> None:
    recorded = flow(b"{}", "application/json", b"{}", "application/json")
    assert recorded.response is not None
    recorded.request.timestamp_end = 100.0
    recorded.response.timestamp_start = 100.25
    (interaction,) = read(SaveHar().make_har([recorded])).interactions
    assert interaction.response.duration == 250_000_000


def test_flows_without_an_answer_are_left_out() -> None:
    recorded = tflow.tflow(err=True)
    cassette = read(SaveHar().make_har([recorded, tflow.twebsocketflow()]))
    assert cassette.interactions == ()
    assert len(cassette.notes) == 2


def test_what_is_lost_is_named() -> None:
    request = Request("POST", "https://a/", body=b"\xff")
    cassette = Cassette([Interaction(request, Response(200, trailer={"T": ["v"]}))])
    assert har.losses(cassette) == [
        "trailers (1 interactions)",
        "request bodies that are not UTF-8, which only mitmproxy reads (1 interactions)",
    ]
    assert har.load(har.dump(cassette)).interactions[0].request.body == b"\xff"
    assert har.losses(Cassette([Interaction(Request("GET", "https://a/"), Response(200))])) == []
