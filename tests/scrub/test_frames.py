"""Bodies with lengths and checksums inside stay whole, or nothing of the exchange is written."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mitmvcr.formats import govcr, har, vcrpy
from mitmvcr.http.event_stream import sealed
from mitmvcr.model import Cassette, Interaction, Request, Response
from mitmvcr.scrub import Memory, Policy, Scrubber
from mitmvcr.scrub.files import file_secrets
from mitmvcr.scrub.files.file_secrets import Rules
from tests.http.event_streams import HEADERS, header, messages

KEY = "sk-" + "proj-" + "Ab3dEf6hIj9kLm2n" * 6
EVENTS = "application/vnd.amazon.eventstream"
FORMATS = {
    "go-vcr": lambda cassette: govcr.dump(cassette, govcr.Dialect.CHARM),
    "VCR.py": vcrpy.dump,
    "HAR": har.dump,
}
LOADS = {"go-vcr": govcr.load, "VCR.py": vcrpy.load, "HAR": har.load}


def exchange(body: bytes, media_type: str) -> Interaction:
    asked = b'{"prompt": "say it"}'
    headers = {"Content-Type": ["application/json"]}
    return Interaction(
        Request("POST", "https://bedrock.example/model/m/invoke", headers=headers, body=asked),
        Response(200, "200 OK", body=body, content_length=len(body), headers={"Content-Type": [media_type]}),
    )


def deltas(*pieces: str) -> Iterator[bytes]:
    for piece in pieces:
        yield json.dumps({"contentBlockDelta": {"delta": {"text": piece}, "contentBlockIndex": 0}}).encode()


STREAMS = {
    "in a payload": b"".join(sealed(HEADERS, payload) for payload in deltas("the key is ", KEY, " there")),
    "twice": b"".join(sealed(HEADERS, payload) for payload in deltas(f"{KEY} and {KEY};", f" {KEY}")),
    "in Base64": b"".join(
        sealed(HEADERS, b'{"bytes":"%s","p":"abc"}' % base64.b64encode(payload))
        for payload in deltas("the key is ", f"{KEY}, {KEY}", " there")
    ),
    "in a header": sealed(HEADERS + header(":error-message", f"no such key: {KEY}".encode()), b"{}"),
}


def without(stream: bytes) -> list[tuple[bytes, bytes]]:
    """The stream's messages, decoded, with the key replaced as it should be."""
    mark = b"REDACTED-token-1"
    return [(front.replace(KEY.encode(), mark), inner(payload).replace(KEY.encode(), mark))
            for front, payload in messages(stream)]  # fmt: skip


def inner(payload: bytes) -> bytes:
    document = json.loads(payload)
    return base64.b64decode(document["bytes"]) if "bytes" in document else payload


def scrubbed(interaction: Interaction) -> tuple[Interaction, list[str]]:
    scrubber, memory = Scrubber(Policy()), Memory({})
    clean = scrubber.interaction(interaction, memory)
    text = govcr.emit_interaction(clean, 0, govcr.Dialect.CHARM)
    return clean, [finding.rule for finding in scrubber.gate(text, clean, memory)]


def texts(stream: bytes) -> list[bytes]:
    return [inner(payload) for _, payload in messages(stream)]


@pytest.mark.parametrize("name", STREAMS)
def test_a_recorded_event_stream_is_scrubbed_and_stays_one(name: str) -> None:
    clean, findings = scrubbed(exchange(STREAMS[name], EVENTS))
    assert findings == []
    assert texts(clean.response.body) == [payload for _, payload in without(STREAMS[name])]
    assert KEY.encode() not in clean.response.body
    assert clean.response.content_length == len(clean.response.body)


@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize("name", STREAMS)
def test_an_event_stream_in_a_file_is_scrubbed_and_stays_one(name: str, format_: str) -> None:
    data = FORMATS[format_](Cassette((exchange(STREAMS[name], EVENTS),)))
    rules, memory = Rules(Policy()), Memory({})
    assert file_secrets.examine(data, rules, memory)
    done = file_secrets.scrub(data, rules, Memory({}))
    assert done.stuck == ()
    assert done.replaced
    (interaction,) = LOADS[format_](done.data).interactions
    assert texts(interaction.response.body) == [payload for _, payload in without(STREAMS[name])]
    assert KEY.encode() not in interaction.response.body
    assert file_secrets.examine(done.data, rules, memory) == []


def test_a_secret_that_many_frames_share_is_taken_out_of_all_of_them() -> None:
    pieces = [KEY[at : at + 9] for at in range(0, len(KEY), 9)]
    for coded in (False, True):
        payloads = [*deltas("key: ", *pieces, " done")]
        if coded:
            payloads = [b'{"bytes":"%s"}' % base64.b64encode(payload) for payload in payloads]
        stream = b"".join(sealed(HEADERS, payload) for payload in payloads)
        clean, findings = scrubbed(exchange(stream, EVENTS))
        assert findings == []
        said = "".join(
            json.loads(text)["contentBlockDelta"]["delta"]["text"] for text in texts(clean.response.body)
        )
        assert said == "key: REDACTED-token-1 done"


WORDS = st.text('abc é\n"\\\u2581😀', max_size=12)


@given(st.lists(st.tuples(WORDS, st.booleans(), st.booleans()), min_size=1, max_size=6), st.integers(4, 200))
@pytest.mark.slow
def test_any_answer_is_whole_and_has_no_key(said: list[tuple[str, bool, bool]], size: int) -> None:
    text = "".join(f"{words} {KEY} " if has_key else f"{words} " for words, has_key, _ in said)
    pieces = [text[at : at + size] for at in range(0, len(text), size)]
    stream = b""
    for number, payload in enumerate(deltas(*pieces)):
        is_coded = said[number % len(said)][2]
        coded = b'{"p":"x", "bytes" : "%s"}' % base64.b64encode(payload)
        stream += sealed(HEADERS, coded if is_coded else payload)
    clean, findings = scrubbed(exchange(stream, EVENTS))
    assert findings == []
    found = [json.loads(text)["contentBlockDelta"]["delta"]["text"] for text in texts(clean.response.body)]
    assert len(found) == len(pieces)
    assert "".join(found) == text.replace(KEY, "REDACTED-token-1")


@pytest.mark.parametrize("cut", [2, 30])
def test_an_event_stream_that_breaks_off_is_scrubbed_as_far_as_it_goes(cut: int) -> None:
    stream = STREAMS["in a payload"][:-cut]
    clean, findings = scrubbed(exchange(stream, EVENTS))
    assert findings == []
    assert KEY.encode() not in clean.response.body
    assert b"REDACTED-token-1" in clean.response.body


def varint(number: int) -> bytes:
    return bytes([number]) if number < 128 else bytes([number & 127 | 128]) + varint(number >> 7)


def protobuf(text: str) -> bytes:
    return b"\x0a" + varint(len(text)) + text.encode() + b"\x12\x05after"


def msgpack(text: str) -> bytes:
    return b"\x82\xa4text\xd9" + bytes([len(text)]) + text.encode() + b"\xa4more\xa5after"


def grpc(text: str) -> bytes:
    message = protobuf(text)
    return b"\0" + len(message).to_bytes(4, "big") + message


WITH_LENGTHS = {
    "protobuf": (protobuf, "application/x-protobuf"),
    "MessagePack": (msgpack, "application/msgpack"),
    "gRPC": (grpc, "application/grpc+proto"),
    "of no type": (protobuf, "application/octet-stream"),
}


@pytest.mark.parametrize("name", WITH_LENGTHS)
def test_a_replacement_has_the_secret_s_size_where_the_body_has_lengths(name: str) -> None:
    make, media_type = WITH_LENGTHS[name]
    mark = f"REDACTED-token-{1:0{len(KEY) - 15}}"
    expected = make(f"it is {mark}")
    clean, findings = scrubbed(exchange(make(f"it is {KEY}"), media_type))
    assert (clean.response.body, findings) == (expected, [])
    data = vcrpy.dump(Cassette((exchange(make(f"it is {KEY}"), media_type),)))
    done = file_secrets.scrub(data, Rules(Policy()), Memory({}))
    (interaction,) = vcrpy.load(done.data).interactions
    assert interaction.response.body == expected
    assert done.stuck == ()


@pytest.mark.parametrize("name", WITH_LENGTHS)
def test_a_secret_that_is_too_short_for_that_refuses_the_exchange(name: str) -> None:
    make, media_type = WITH_LENGTHS[name]
    password = "Xy7!" + "kq93Zw"
    scrubber, memory = Scrubber(Policy()), Memory({})
    interaction = exchange(make(f"it is {password}"), media_type)
    memory.track(password, "token")
    clean = scrubber.interaction(interaction, memory)
    assert clean.response.body == interaction.response.body
    text = govcr.emit_interaction(clean, 0, govcr.Dialect.CHARM)
    assert [finding.field for finding in scrubber.gate(text, clean, memory)] == ["response.body"]
    seen = Memory({})
    seen.track(password, "token")
    data = vcrpy.dump(Cassette((interaction,)))
    done = file_secrets.scrub(data, Rules(Policy()), seen)
    assert done.data == data
    assert "the body has lengths inside" in done.stuck[0]
    assert file_secrets.examine(data, Rules(Policy()), seen)
