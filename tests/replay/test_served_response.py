"""What a client is sent."""

from __future__ import annotations

import json

import pytest

from mitmvcr.formats import govcr, har, vcrpy
from mitmvcr.model import Interaction, Response
from mitmvcr.recording import capture
from mitmvcr.replay import served_response
from mitmvcr.replay.served_response import ServedResponse, error, own_error, replayed
from tests import build

VERSIONS = ["HTTP/1.0", "HTTP/1.1", "HTTP/2.0"]


def framing(answer: served_response.ServedResponse) -> list[tuple[str, str]]:
    names = ("content-length", "transfer-encoding")
    return [(name.lower(), value) for name, value in answer.headers if name.lower() in names]


@pytest.mark.parametrize("version", VERSIONS)
def test_status_headers_and_body_are_the_recorded_ones(version: str) -> None:
    recorded = Response(
        code=429,
        status="429 Too Many Requests",
        content_length=4,
        body=b"\x00\xff\r\n",
        headers={"Retry-After": ["2"], "X-Many": ["a", "b"], "Content-Type": ["application/json"]},
    )
    answer = served_response.replayed(recorded, "POST", version)
    assert (answer.code, answer.reason, answer.body) == (429, "Too Many Requests", b"\x00\xff\r\n")
    assert answer.headers[:-1] == (
        ("Retry-After", "2"),
        ("X-Many", "a"),
        ("X-Many", "b"),
        ("Content-Type", "application/json"),
    )
    assert framing(answer) == [("content-length", "4")]


@pytest.mark.parametrize("response", [
    Response(code=200, content_length=-1, body=b"data: 1\n\n"),
    Response(code=200, content_length=-1, transfer_encoding=["chunked"], body=b"data: 1\n\n"),
    Response(code=200, content_length=9, transfer_encoding=["chunked"], body=b"data: 1\n\n"),
    Response(code=200, content_length=-1, uncompressed=True, body=b""),
])  # fmt: skip
def test_a_body_of_unknown_length_is_framed_as_the_protocol_can(response: Response) -> None:
    assert framing(served_response.replayed(response, "POST", "HTTP/1.1")) == [
        ("transfer-encoding", "chunked")
    ]
    assert framing(served_response.replayed(response, "POST", "HTTP/2.0")) == []
    # HTTP/1.0 has no chunks, and without a length mitmproxy closes the connection.
    length = str(len(response.body))
    assert framing(served_response.replayed(response, "POST", "HTTP/1.0")) == [("content-length", length)]


@pytest.mark.parametrize("version", VERSIONS)
def test_a_stale_length_is_mended(version: str) -> None:
    stale = Response(code=200, content_length=999, body=b"short", headers={"content-length": ["777"]})
    assert framing(served_response.replayed(stale, "GET", version)) == [("content-length", "5")]


@pytest.mark.parametrize("version", VERSIONS)
def test_the_answer_to_head_has_the_recorded_length_and_no_body(version: str) -> None:
    answer = served_response.replayed(Response(code=200, content_length=120, body=b"x"), "HEAD", version)
    assert answer.body == b""
    assert framing(answer) == [("content-length", "120")]
    assert framing(served_response.replayed(Response(code=200, content_length=-1), "HEAD", version)) == []


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("code", [204, 304])
def test_an_answer_that_can_have_no_body_has_neither_body_nor_framing(code: int, version: str) -> None:
    answer = served_response.replayed(Response(code=code, content_length=-1, body=b"stray"), "GET", version)
    assert answer.body == b""
    assert framing(answer) == []


def test_hop_by_hop_headers_of_a_foreign_cassette_are_not_sent_in_any_spelling() -> None:
    names = ["Connection", "keep-alive", "TE", "Trailer", "transfer-encoding", "Upgrade", "Proxy-Connection"]
    foreign = Response(
        code=200, content_length=2, body=b"ok", headers={**{n: ["x"] for n in names}, "X-Kept": ["1"]}
    )
    answer = served_response.replayed(foreign, "GET", "HTTP/1.1")
    assert answer.headers == (("X-Kept", "1"), ("Content-Length", "2"))


@pytest.mark.parametrize("name", ["Content-Encoding", "content-encoding"])
def test_a_coding_over_a_plain_body_is_dropped_and_over_a_coded_one_kept(name: str) -> None:
    plain = Response(code=200, body=b"{}", headers={name: ["gzip"]})
    assert name not in dict(served_response.replayed(plain, "GET", "HTTP/1.1").headers)
    coded = Response(code=200, body=b"\x1f\x8b\x08", headers={name: ["gzip"]})
    assert dict(served_response.replayed(coded, "GET", "HTTP/1.1").headers)[name] == "gzip"


@pytest.mark.parametrize(
    ("status", "reason"),
    [("200 OK", "OK"), ("OK", "OK"), ("200", ""), ("", ""), ("200 Very Fine", "Very Fine")],
)
def test_the_reason_is_read_from_any_writer_s_status(status: str, reason: str) -> None:
    assert served_response.replayed(Response(code=200, status=status), "GET", "HTTP/1.1").reason == reason


@pytest.mark.parametrize(
    ("answer", "code", "kind"),
    [
        (served_response.miss("why"), 404, "vcr_cassette_miss"),
        (served_response.refusal("why"), 400, "vcr_cassette_error"),
        (served_response.failure("why"), 500, "vcr_internal_error"),
        (served_response.error(405, "vcr_control_error", "why"), 405, "vcr_control_error"),
    ],
)
def test_an_error_has_the_shape_of_openai_s_and_is_not_retried(
    answer: served_response.ServedResponse, code: int, kind: str
) -> None:
    headers = {name.lower(): value for name, value in answer.headers}
    assert answer.code == code
    assert headers["content-type"] == "application/json"
    assert headers["x-should-retry"] == "false"
    assert headers["content-length"] == str(len(answer.body))
    assert json.loads(answer.body) == {"error": {"message": "why", "type": kind, "param": None, "code": kind}}


def test_a_message_may_have_any_text_even_a_lone_surrogate() -> None:
    message = json.loads(served_response.miss('ü \n " \udcff').body)["error"]["message"]
    assert message.startswith('ü \n " ')


@pytest.mark.parametrize("kind", ["vcrpy", "har"])
def test_headers_of_others_cassettes_are_sent_in_the_case_in_which_they_stand(kind: str) -> None:
    names = {"content-type": "text/plain", "ETag": '"1"', "X-Request-ID": "a", "link": "b", "Allow": "GET"}
    if kind == "vcrpy":
        response = {"status": {"code": 200, "message": "OK"}, "headers": names, "body": {"string": "hi"}}
        entry = {"request": {"method": "GET", "uri": "http://a/v1"}, "response": response}
        cassette = vcrpy.load(json.dumps({"interactions": [entry], "version": 1}).encode())
    else:
        pairs = [{"name": name, "value": value} for name, value in names.items()]
        request = {"method": "GET", "url": "http://a/v1", "headers": []}
        answer = {"status": 200, "statusText": "OK", "headers": pairs, "content": {"text": "hi"}}
        entries = [{"request": request, "response": answer}]
        cassette = har.load(json.dumps({"log": {"version": "1.2", "entries": entries}}).encode())
    served = replayed(cassette.interactions[0].response, "GET", "HTTP/1.1")
    assert dict(served.headers) == {**names, "Content-Length": "2"}
    assert vcrpy.dump(cassette) == vcrpy.dump(govcr.load(govcr.dump(cassette, govcr.Dialect.CHARM)))


def test_status_without_a_reason_stays_so() -> None:
    head = capture.ResponseHead(200, "", "HTTP/1.1", [])
    response = capture.response("GET", head, b"", 1)
    kept = Interaction(build.request(), response)
    again = govcr.load(govcr.HEAD + govcr.emit_interaction(kept, 0, govcr.Dialect.CHARM)).interactions[0]
    assert again.response.status == "200"
    assert replayed(again.response, "GET", "HTTP/1.1").reason == ""


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (error(404, "vcr_cassette_miss", "no"), "no"),
        (error(502, "vcr_upstream_error", "gone"), "gone"),
        (error(200, "vcr_cassette_miss", "no"), ""),
        (error(404, "not_found", "no"), ""),
    ],
)
def test_own_errors_are_known(answer: ServedResponse, message: str) -> None:
    response = Response(answer.code, body=answer.body)
    assert own_error(response) == message


@pytest.mark.parametrize(
    "body",
    [b"", b'"vcr_', b'["vcr_x"]', b'{"error": "vcr_"}', b'{"error": {"type": "vcr_a", "code": "vcr_b"}}',
     b"[" * 100_000 + b'"vcr_',
     b'{"error": {"type": null, "code": null, "message": "\\"vcr_"}, "a": "vcr_"}'],
)  # fmt: skip
def test_what_only_looks_like_an_own_error_is_none(body: bytes) -> None:
    assert own_error(Response(404, body=body)) == ""
