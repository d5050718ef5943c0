"""AWS's event streams: frames are found, and what is changed in them leaves lengths and checksums right."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mitmvcr.http.event_stream import EventText, Patch, frames, is_event_stream, patched, sealed, sealing
from mitmvcr.http.sse import events
from tests.http.event_streams import HEADERS, header, messages

KEY = b"sk-" + b"proj-" + b"Ab3dEf6h" * 8


NAMES = st.text("abc:-", min_size=1, max_size=8)
HEADER = st.one_of(
    st.builds(header, NAMES, st.binary(max_size=30), st.sampled_from([6, 7])),
    st.builds(header, NAMES, st.just(b""), st.sampled_from([0, 1])),
    st.builds(header, NAMES, st.binary(min_size=8, max_size=8), st.sampled_from([5, 8])),
    st.builds(header, NAMES, st.binary(min_size=16, max_size=16), st.just(9)),
)
MESSAGES = st.lists(
    st.tuples(st.lists(HEADER, max_size=3).map(b"".join), st.binary(max_size=60)), min_size=1, max_size=5
)


@given(MESSAGES)
def test_what_is_sealed_is_read_back(written: list[tuple[bytes, bytes]]) -> None:
    stream = b"".join(sealed(*message) for message in written)
    assert is_event_stream(stream)
    assert messages(stream) == written
    found = list(frames(stream))
    assert [stream[slice(*frame.payload)] for frame in found] == [payload for _, payload in written]
    assert [frame.start for frame in found] == [0, *(frame.end for frame in found[:-1])]
    assert found[-1].end == len(stream)


@given(MESSAGES, st.data())
def test_patched_payloads_and_headers_leave_a_stream_that_is_right(
    written: list[tuple[bytes, bytes]], data: st.DataObject
) -> None:
    stream = b"".join(sealed(*message) for message in written)
    patches = []
    for frame in frames(stream):
        for start, end in (*frame.texts, frame.payload):
            if data.draw(st.booleans()):
                left = data.draw(st.integers(start, end))
                right = data.draw(st.integers(left, end))
                patches.append(Patch(left, right, data.draw(st.binary(max_size=40))))
    after = patched(stream, [*patches, *sealing(stream, patches)])
    assert len(messages(after)) == len(written)
    assert len(list(frames(after))) == len(written)
    if not patches:
        assert after == stream


@given(MESSAGES, st.integers(1, 400))
def test_a_stream_that_breaks_off_is_read_as_far_as_it_goes(
    written: list[tuple[bytes, bytes]], cut: int
) -> None:
    stream = b"".join(sealed(*message) for message in written)[:-cut]
    found = list(frames(stream))
    assert b"".join(stream[frame.start : frame.end] for frame in found) == stream
    assert all(frame.start <= frame.payload[0] <= frame.payload[1] <= frame.end for frame in found)


@given(st.binary(max_size=200), MESSAGES)
def test_any_bytes_are_read(noise: bytes, written: list[tuple[bytes, bytes]]) -> None:
    for stream in (noise, sealed(*written[0]) + noise, noise + sealed(*written[0])):
        assert b"".join(stream[frame.start : frame.end] for frame in frames(stream)) == stream
        EventText.of(stream)


@pytest.mark.parametrize("body", [b"", b"{}", b"data: 1\n\n", b"\0" * 40, sealed(b"", b"")[:11]])
def test_other_bodies_are_none(body: bytes) -> None:
    assert not is_event_stream(body)


def replaced(stream: bytes, *pairs: tuple[bytes, bytes]) -> bytes:
    """The stream with texts replaced where they stand in its events' text."""
    events_text = EventText.of(stream)
    changes = []
    for old, new in pairs:
        at = events_text.text.find(old)
        while at >= 0:
            changes.append(Patch(at, at + len(old), new))
            at = events_text.text.find(old, at + 1)
    assert changes
    own, others = events_text.back(changes)
    assert len(own) == len(changes)
    return patched(stream, [*own, *others])


def test_a_payload_is_an_event_s_data() -> None:
    payloads = [b'{"a": 1}', b'{\n "b": 2\n}', b"{}"]
    stream = b"".join(sealed(HEADERS, payload) for payload in payloads)
    found = [json.loads(event.data) for event in events(EventText.of(stream).text)]
    assert found == [json.loads(payload) for payload in payloads]


def test_what_is_replaced_in_the_text_is_replaced_in_the_frames() -> None:
    stream = sealed(HEADERS, b'{"text": "your key is %s"}' % KEY) + sealed(HEADERS, b'{"text": "other"}')
    after = messages(replaced(stream, (KEY, b"REDACTED-token-1"), (b"other", b"something longer")))
    assert after == [
        (HEADERS, b'{"text": "your key is REDACTED-token-1"}'),
        (HEADERS, b'{"text": "something longer"}'),
    ]


def test_what_is_replaced_in_a_header_s_text_changes_its_length() -> None:
    stream = sealed(HEADERS + header(":error-message", b"bad key " + KEY) + header("x", b"y"), b"{}")
    ((headers, payload),) = messages(replaced(stream, (KEY, b"REDACTED-token-1")))
    assert headers == HEADERS + header(":error-message", b"bad key REDACTED-token-1") + header("x", b"y")
    assert payload == b"{}"


def test_what_a_frame_has_in_base64_is_read_and_written_decoded() -> None:
    inner = b'{"delta": "%s", "again": "%s"}' % (KEY, KEY)
    payload = b'{"bytes":"%s","p":"abcdefgh"}' % base64.b64encode(inner)
    stream = sealed(HEADERS, payload) + sealed(HEADERS, b'{"bytes":"no Base64"}')
    assert json.loads(next(events(EventText.of(stream).text)).data) == json.loads(inner)
    (first, second) = messages(replaced(stream, (KEY, b"REDACTED-token-1")))
    assert json.loads(base64.b64decode(json.loads(first[1])["bytes"])) == {
        "delta": "REDACTED-token-1",
        "again": "REDACTED-token-1",
    }
    assert json.loads(first[1])["p"] == "abcdefgh"
    assert second[1] == b'{"bytes":"no Base64"}'


@pytest.mark.parametrize("cut", [1, 3, 4, 5, 20])
def test_a_stream_that_breaks_off_keeps_its_lengths_right(cut: int) -> None:
    whole = sealed(HEADERS, b'{"text": "%s", "more": "................................"}' % KEY)
    after = replaced(whole[:-cut], (KEY, b"REDACTED-token-1"))
    expected = sealed(HEADERS, b'{"text": "REDACTED-token-1", "more": "................................"}')
    assert after[: len(after) - max(4 - cut, 0)] == expected[:-cut][: len(after) - max(4 - cut, 0)]
    assert len(after) == len(expected) - cut
