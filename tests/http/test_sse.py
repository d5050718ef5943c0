"""Events of streams: as the standard has them, with their places, however a stream is cut."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mitmvcr.http.sse import events, has_events, is_stream, last_event

ENDS = st.sampled_from([b"\n", b"\r\n", b"\r"])
LINES = st.one_of(
    st.sampled_from([b"", b"", b": comment", b"event: x", b"id: 1", b"data", b"data:", b"{"]),
    st.sampled_from([b'data: {"a": 1}', b"data:x", b"data:  two", b'{"done": true}', b"[1]", b"data: x y"]),
    st.binary(max_size=6).filter(lambda line: not {*line} & {10, 13}),
)
STREAMS = st.tuples(
    st.sampled_from([b"", b"\xef\xbb\xbf"]),
    st.lists(st.tuples(LINES, ENDS).map(b"".join), max_size=12).map(b"".join),
    LINES,
).map(b"".join)


def test_events_are_parsed_as_the_standard_has_it() -> None:
    body = "\ufeffdata: a\r\ndata:b\r\n\r\n: comment\revent: x\rdata: c\r\r\n\ndata: last".encode()
    assert [(event.data, event.is_ended) for event in events(body)] == [
        (b"a\nb", True),
        (b"c", True),
        (b"last", False),
    ]


def test_a_line_of_json_is_an_event() -> None:
    body = b'{"done": false}\n{"done": true}\n'
    assert [json.loads(event.data) for event in events(body)] == [{"done": False}, {"done": True}]


@given(STREAMS)
def test_the_places_of_an_event_are_those_of_its_data(body: bytes) -> None:
    for event in events(body):
        assert b"\n".join(body[start:end] for start, end in event.lines) == event.data


@given(STREAMS, st.data())
def test_wherever_a_stream_is_cut_what_was_ended_before_is_the_same(body: bytes, data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(body)))
    whole = list(events(body))
    ended = [event for event in events(body[:cut]) if event.is_ended]
    assert ended == whole[: len(ended)]


@given(STREAMS)
def test_the_last_event_is_the_last_of_all(body: bytes) -> None:
    every = list(events(body))
    last = last_event(body)
    assert (last and last.data, last and last.is_ended) == (
        (every[-1].data, every[-1].is_ended) if every else (None, None)
    )


@given(STREAMS)
def test_what_has_events_is_never_said_to_have_none(body: bytes) -> None:
    if any(not event.data.startswith(b"[") for event in events(body)):
        assert has_events(body.removeprefix(b"\xef\xbb\xbf")) or body.count(b"{") == 1


@pytest.mark.parametrize(
    ("body", "content_type", "expected"),
    [
        (b"", "text/event-stream; charset=utf-8", True),
        (b"data: x", "", True),
        (b"\xef\xbb\xbfdata: x", "", True),
        (b"event: x", "text/plain", True),
        (b": OPENROUTER PROCESSING\n\n", "", True),
        (b"data: x", "application/json", False),
        (b"{}", "", False),
        (b"{}\n", "application/x-ndjson", True),
    ],
)
def test_stream_is_told_by_its_type_or_its_looks(body: bytes, content_type: str, *, expected: bool) -> None:
    assert is_stream(body, content_type) is expected
