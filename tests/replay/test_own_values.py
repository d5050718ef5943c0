"""A replacement comes back as the incoming request's own value, wherever the two stand."""

from __future__ import annotations

import base64
import gzip
import html
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mitmvcr.http.event_stream import frames, sealed
from mitmvcr.http.sse import events
from mitmvcr.model import Request, Response
from mitmvcr.replay.insertion import with_own_values
from mitmvcr.replay.own_values import own_values, slots_of
from tests.build import CHAT, request, response

MARK, OTHER = "REDACTED-token-1", "REDACTED-password-2"
FORM = "application/x-www-form-urlencoded"
VALUES = st.text(st.characters(blacklist_categories=["Cs"]), min_size=1, max_size=12).filter(
    lambda value: "REDACTED-" not in value
)
PLAIN = 'my own "value" \\ of\ttwo\nlines <&> é \U0001f600 \' ; %41+'


def own(recorded: Request, asked: Request) -> dict[str, str]:
    return own_values(slots_of(recorded), asked)


def multipart(*fields: tuple[str, str], boundary: str = "b") -> Request:
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields
    ]
    body = "".join(parts) + f"--{boundary}--\r\n"
    return request(body, content_type=f"multipart/form-data; boundary={boundary}")


# How a request that holds a value is made.
PLACES: dict[str, Callable[[str], Request]] = {
    "a field of JSON": lambda value: request({"a": [1, {"password": value}]}),
    "in a text of JSON": lambda value: request({"messages": [{"content": f"use {value}, please"}]}),
    "JSON in JSON": lambda value: request({"arguments": json.dumps({"deep": json.dumps([value])})}),
    "a JSON text": lambda value: request(json.dumps(value)),
    "JSON in lines": lambda value: request('{"a": 1}\n' + json.dumps({"b": value}) + "\n"),
    "a form": lambda value: request(urlencode([("a", "1"), ("key", "x"), ("key", value)]), content_type=FORM),
    "a part": lambda value: multipart(("purpose", "x"), ("api_key", value)),
    "JSON in a part": lambda value: multipart(("a", json.dumps({"key": value}))),
    "the query": lambda value: request(url=f"{CHAT}?" + urlencode([("n", "1"), ("api-key", value)])),
    "the path": lambda value: request(url=f"https://h/v1/{quote(value, safe='')}/content"),
    "a header": lambda value: request(headers={"X-Key": ["other", f"Bearer {value}"]}),
    "a text": lambda value: request(f"the key is {value}.", content_type="text/plain"),
}


@pytest.mark.parametrize("place", PLACES)
@given(value=VALUES.filter(lambda value: not {"\r", "\n"} & set(value)))
def test_a_value_is_found_wherever_it_stands(place: str, value: str) -> None:
    made = PLACES[place]
    assert own(made(MARK), made(value)) == {MARK: value}


def test_what_is_no_text_of_json_stays_what_it_is() -> None:
    recorded = request({"pin": MARK, "on": OTHER})
    values = own(recorded, request('{"pin": 12.50, "on": true}'))
    assert values == {MARK: "12.50", OTHER: "true"}
    answer = response(json.dumps({"pin": MARK, "text": f"{MARK} {OTHER}", "on": OTHER}))
    body = with_own_values(answer, values).body
    assert body == b'{"pin": 12.50, "text": "12.50 true", "on": true}'


@pytest.mark.parametrize(
    ("recorded", "asked", "values"),
    [
        ({"a": MARK, "b": MARK}, {"a": "first", "b": "second"}, {MARK: "first"}),
        ({"a": f"{MARK} and {OTHER}!"}, {"a": "x and y!"}, {MARK: "x", OTHER: "y"}),
        ({"a": f"{MARK}{OTHER}"}, {"a": "xy"}, {}),  # nobody knows where one ends
        ({"a": f"key {MARK}"}, {"a": "another text"}, {}),
        ({"a": f"key {MARK}"}, {"a": "key "}, {}),
        ({"a": MARK}, {"a": ""}, {}),
        ({"a": MARK}, {"a": None}, {}),
        ({"a": MARK}, {"a": {"b": "c"}}, {}),
        ({"a": MARK}, {"b": "c"}, {}),
        ({"a": [MARK, "x"]}, {"a": ["mine", "y"]}, {MARK: "mine"}),
        ({"a": f"one\n{MARK}"}, {"a": "one\r\nmine"}, {MARK: "mine"}),
        ({"a": MARK}, {"a": "\ud800x"}, {MARK: "\ufffdx"}),
        ({"a": MARK}, b"no JSON", {}),
        ({"a": MARK}, b"[" * 100_000, {}),
        ({"a": MARK}, {"a": MARK}, {MARK: MARK}),
    ],
)
def test_the_first_place_counts_and_none_is_guessed_at(
    recorded: object, asked: object, values: dict[str, str]
) -> None:
    assert own(request(recorded), request(asked)) == values


def test_a_value_of_the_body_counts_before_one_of_the_url() -> None:
    recorded = request({"a": MARK}, url=f"{CHAT}?api-key={MARK}", headers={"X-Key": [MARK]})
    asked = request(
        {"a": "in the body"}, url=f"{CHAT}?api-key=in-the-url", headers={"X-Key": ["in a header"]}
    )
    assert own(recorded, asked) == {MARK: "in the body"}


@given(st.binary(max_size=60), st.binary(max_size=60), st.sampled_from(["", "application/json", FORM]))
def test_any_bytes_are_taken(recorded: bytes, asked: bytes, content_type: str) -> None:
    marked = recorded[:20] + MARK.encode() + recorded[20:]
    own(request(marked, content_type=content_type), request(asked, content_type=content_type))


# --- what a response is made of them


def answered(body: str | bytes, content_type: str = "application/json", **values: str) -> str:
    raw = body if isinstance(body, bytes) else body.encode("utf-8", "surrogateescape")
    made = with_own_values(
        response(raw, content_type=content_type), {MARK: values.get("value", PLAIN), OTHER: "other"}
    )
    assert made.content_length == len(made.body)
    return made.body.decode("utf-8", "surrogateescape")


def replaced(value: Any, mark: str, by: str) -> Any:
    match value:
        case str():
            return value.replace(mark, by)
        case list():
            return [replaced(inner, mark, by) for inner in value]
        case dict():
            return {name: replaced(inner, mark, by) for name, inner in value.items()}
    return value


NO_DIGIT = st.text(max_size=4).filter(lambda text: not text[:1].isdecimal())
TEXTS = st.text(max_size=8) | st.builds(lambda a, b: f"{a}{MARK}{b}", st.text(max_size=4), NO_DIGIT)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(JSON, VALUES, st.booleans(), st.sampled_from([None, 1, "\t"]))
def test_json_says_what_it_said_with_the_value(
    value: object, own_value: str, ascii_: bool, indent: int | str | None
) -> None:
    body = json.dumps([value, MARK], ensure_ascii=ascii_, indent=indent).encode()
    made = with_own_values(response(body), {MARK: own_value}).body
    assert json.loads(made) == replaced([value, MARK], MARK, own_value)
    assert with_own_values(response(made), {OTHER: "x"}).body == made


@given(VALUES)
def test_json_in_strings_of_json_stays_json(value: str) -> None:
    call = {
        "name": "f",
        "arguments": json.dumps({"password": MARK, "note": f"a {MARK}", "more": json.dumps([MARK])}),
    }
    made = json.loads(answered(json.dumps({"calls": [call]}), value=value))
    arguments = json.loads(made["calls"][0]["arguments"])
    assert arguments["password"] == value
    assert arguments["note"] == f"a {value}"
    assert json.loads(arguments["more"]) == [value]


@given(VALUES)
def test_events_stay_events(value: str) -> None:
    said = [{"delta": f"hello {MARK}"}, {"x": [MARK, OTHER]}]
    stream = "".join(f"event: a\nid: {MARK}\ndata: {json.dumps(event)}\n\n" for event in said)
    stream += f"data: no JSON {MARK}\n\n: comment\n\ndata: [DONE]\n\n"
    made = answered(stream, "text/event-stream", value=value).encode()
    datas = [event.data for event in events(made)]
    assert len(datas) == 4
    assert [json.loads(data) for data in datas[:2]] == replaced(replaced(said, MARK, value), OTHER, "other")
    lines = value.replace("\r\n", "\n").replace("\r", "\n")
    assert datas[2].decode() == f"no JSON {lines}"


@given(VALUES, st.integers(1, 9))
def test_a_tool_s_arguments_that_came_in_pieces_are_json_at_last(value: str, size: int) -> None:
    arguments = json.dumps({"a": "x", "password": "MARK", "b": [1, "y"]})
    head, tail = arguments.split("MARK")
    pieces = [head[at : at + size] for at in range(0, len(head), size)]
    pieces += [MARK, *(tail[at : at + size] for at in range(0, len(tail), size))]
    chunks = [
        {
            "choices": [
                {"index": 0, "delta": {"tool_calls": [{"index": index, "function": {"arguments": piece}}]}}
            ]
        }
        for index in (0, 1)
        for piece in pieces
    ]
    chunks.append({"choices": [{"index": 0, "delta": {"content": f'{{he said "{MARK}'}}]})
    stream = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks)
    made = [
        json.loads(event.data)
        for event in events(answered(stream, "text/event-stream", value=value).encode())
    ]
    for index in (0, 1):
        calls = [chunk["choices"][0]["delta"].get("tool_calls", [{}])[0] for chunk in made]
        joined = "".join(call["function"]["arguments"] for call in calls if call.get("index") == index)
        assert json.loads(joined) == {"a": "x", "password": value, "b": [1, "y"]}


def test_deltas_of_text_and_of_arguments_are_told_apart() -> None:
    pieces = [("output_text", "m", delta) for delta in ("{not JSON", ' but "', MARK)]
    pieces += [("function_call_arguments", "f", delta) for delta in ('{"key": "', MARK, '"}')]
    sent = [
        {"type": f"response.{kind}.delta", "item_id": item, "delta": delta} for kind, item, delta in pieces
    ]
    sent.append({"type": "response.function_call_arguments.done", "arguments": json.dumps({"key": MARK})})
    stream = "".join(f"data: {json.dumps(event)}\n\n" for event in sent)
    made = [json.loads(event.data) for event in events(answered(stream, "text/event-stream").encode())]
    joined = "".join(event["delta"] for event in made[3:6])
    assert json.loads(joined) == {"key": PLAIN}
    assert json.loads(made[6]["arguments"]) == {"key": PLAIN}


@given(VALUES)
def test_other_bodies_are_written_as_they_need_it(value: str) -> None:
    lines = answered(f'{{"a": "{MARK}"}}\n{{"b": "{MARK}"}}\n', "application/x-ndjson", value=value)
    assert [json.loads(line) for line in lines.split("\n")[:-1]] == [{"a": value}, {"b": value}]
    assert answered(f"a={MARK}&b=1", FORM, value=value) == urlencode([("a", value), ("b", "1")])
    assert answered(f"<a>{MARK}</a>", "application/xml", value=value) == f"<a>{html.escape(value)}</a>"
    assert answered(f"it is {MARK}!", "text/plain; charset=utf-8", value=value) == f"it is {value}!"
    assert answered(f"\udcff {MARK}", "application/octet-stream", value=value) == f"\udcff {value}"
    part = f'--b\r\nContent-Type: application/json\r\n\r\n{{"a": "{MARK}"}}\r\n--b\r\n\r\n{MARK}\r\n--b--\r\n'
    made = answered(part, "multipart/mixed; boundary=b", value=value)
    assert f'\r\n\r\n{{"a": {json.dumps(value, ensure_ascii=False)}}}\r\n' in made
    assert f"--b\r\n\r\n{value}\r\n--b--" in made


def test_what_has_lengths_gets_values_of_the_same_size() -> None:
    for content_type in ("application/x-protobuf", "application/msgpack", "application/octet-stream"):
        assert answered(f"\0\x10{MARK}", content_type) == f"\0\x10{MARK}"
        assert answered(f"\0\x10{MARK}", content_type, value="sixteen letters!") == "\0\x10sixteen letters!"
        assert (
            answered("\0REDACTED-token-001", content_type, value="eighteen letters!!")
            == "\0eighteen letters!!"
        )
    assert answered(f"\0{MARK}", "audio/mpeg", value="sixteen letters!") == f"\0{MARK}"


@given(VALUES)
def test_frames_of_aws_are_sealed_anew(value: str) -> None:
    header = b"\x0b:event-type\x07\x00\x05chunk"
    coded = base64.b64encode(json.dumps({"delta": f"a {MARK}"}).encode()).decode()
    payloads = [{"key": MARK}, {"bytes": coded}, {"none": 1}]
    stream = b"".join(sealed(header, json.dumps(payload).encode()) for payload in payloads)
    made = with_own_values(
        response(stream, content_type="application/vnd.amazon.eventstream"), {MARK: value}
    ).body
    bodies = [json.loads(made[slice(*frame.payload)]) for frame in frames(made)]
    assert bodies[0] == {"key": value}
    assert json.loads(base64.b64decode(bodies[1]["bytes"])) == {"delta": f"a {value}"}
    assert bodies[2] == {"none": 1}
    assert all(
        made[frame.start : frame.end] == sealed(header, made[slice(*frame.payload)]) for frame in frames(made)
    )


def test_a_packed_body_is_looked_into() -> None:
    body = gzip.compress(json.dumps({"a": MARK}).encode())
    packed = Response(
        200,
        body=body,
        content_length=len(body),
        headers={"content-type": ["application/json"], "content-encoding": ["gzip"], "content-length": ["9"]},
    )
    made = with_own_values(packed, {MARK: "mine"})
    assert (json.loads(made.body), made.content_length) == ({"a": "mine"}, len(made.body))
    assert list(made.headers) == ["content-type"]
    assert with_own_values(packed, {OTHER: "x"}) is packed


def test_headers_hold_what_fits_in_them() -> None:
    answer = Response(
        200,
        headers={
            "Location": [f"https://h/{MARK}?a=1"],
            "Set-Cookie": [f"a={MARK}; Path=/", f"b={OTHER}"],
            "X-Mine": [f"a {MARK}", "b"],
        },
        trailer={"X-End": [OTHER]},
    )
    made = with_own_values(answer, {MARK: "a;b é/", OTHER: "two\r\nX-Evil: lines"})
    assert made.headers == {
        "Location": ["https://h/a%3Bb%20%C3%A9%2F?a=1"],
        "Set-Cookie": [f"a={MARK}; Path=/", f"b={OTHER}"],
        "X-Mine": ["a a;b é/", "b"],
    }
    assert made.trailer == {"X-End": [OTHER]}


def test_what_has_none_of_the_replacements_is_the_very_same() -> None:
    answer = response({"a": "REDACTED-token-12"})
    assert with_own_values(answer, {MARK: "mine"}) is answer
