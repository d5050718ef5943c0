"""A body is after scrubbing what it was but for its secrets: in every format, escape and container."""

from __future__ import annotations

import base64
import gzip
import json
import random
import zipfile
from collections.abc import Callable
from io import BytesIO
from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mitmvcr import formats
from mitmvcr.formats import govcr, har, vcrpy
from mitmvcr.model import Cassette, Interaction
from mitmvcr.scrub import Memory, Policy
from mitmvcr.scrub.detect.bodies import read_body
from mitmvcr.scrub.detect.escapes import undone
from mitmvcr.scrub.files import file_secrets
from tests.scrub.planting import KINDS, all_text, exchange, memory, scrubber

SCRUBBER = scrubber()
RNG = random.Random(2027)
SECRETS = [make(RNG) for make in KINDS.values()]
MARK = "\u241ehere\u241e"
"""Where a secret is planted."""

text = st.text(
    st.sampled_from(" \n\t\r\"'\\/{}[]:,=&%+<>\u2028\u00e9\U0001f600\ud800nrtbu0041") | st.characters(),
    max_size=9,
)
planted = st.tuples(text, st.sampled_from([" ", '"', "\n", "\t", "/", "", "(", "\\"]), text).map(
    lambda parts: f"{parts[0]} {MARK}{parts[1]} {parts[2]}"
)
leaf = st.none() | st.booleans() | st.integers() | text | planted
TREES = st.recursive(
    leaf,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(text.map(lambda key: f"k {key}"), inner, max_size=4)
        | inner.map(json.dumps)  # JSON in a string, as tool arguments are
        | inner.map(lambda value: json.dumps(value, ensure_ascii=False, indent=1))
    ),
    max_leaves=10,
)


def planted_body(tree: object, secret: str, *, ascii_only: bool, indent: int | None) -> bytes:
    body = json.dumps(tree, ensure_ascii=ascii_only, indent=indent).encode("utf-8", "surrogatepass")
    for mark in (MARK, json.dumps(MARK)[1:-1], json.dumps(json.dumps(MARK)[1:-1])[1:-1]):
        body = body.replace(mark.encode(), secret.encode())
    for depth in (4, 8, 16):  # escaped once more for each string that it is in
        quote = "\\" * depth
        body = body.replace(f"{quote}u241ehere{quote}u241e".encode(), secret.encode())
    return body


def without(value: object, secret: str, mark: str) -> object:
    """The value with the secret replaced, in strings of JSON, too."""
    if isinstance(value, str):
        return value.replace(secret, mark)
    if isinstance(value, list):
        return [without(item, secret, mark) for item in value]
    if isinstance(value, dict):
        return {without(key, secret, mark): without(item, secret, mark) for key, item in value.items()}
    return value


@given(TREES, st.sampled_from(SECRETS), st.booleans(), st.sampled_from([None, 1]))
@settings(max_examples=200, deadline=None)
def test_json_stays_the_same_json_but_for_the_secret(
    tree: object, secret: str, ascii_only: bool, indent: int | None
) -> None:
    body = planted_body([tree, "end"], secret, ascii_only=ascii_only, indent=indent)
    clean = SCRUBBER.interaction(exchange(body), memory()).request.body
    if secret.encode() not in body:
        assert clean == body
        return
    before, after = json.loads(body), json.loads(clean)
    assert any(after == without(before, secret, f"REDACTED-{kind}-1") for kind in kinds(clean))


def kinds(data: bytes) -> list[str]:
    return [part.split(b"-")[0].decode() for part in data.split(b"REDACTED-")[1:]]


CONTAINERS: dict[str, Callable[[Cassette], bytes]] = {
    "charm": lambda cassette: govcr.dump(cassette, govcr.Dialect.CHARM),
    "stock": lambda cassette: govcr.dump(cassette, govcr.Dialect.STOCK),
    "VCR.py": vcrpy.dump,
    "HAR": har.dump,
}


@pytest.mark.parametrize("container", CONTAINERS)
@given(TREES, st.sampled_from(SECRETS), st.booleans())
@settings(max_examples=30, deadline=None)
def test_a_file_scrubbed_in_place_has_the_body_that_is_recorded(
    container: str, tree: object, secret: str, ascii_only: bool
) -> None:
    body = planted_body([tree, secret], secret, ascii_only=ascii_only, indent=None)
    data = CONTAINERS[container](Cassette([exchange(b"{}", body)]))
    done = file_secrets.scrub(data, file_secrets.Rules(Policy()), file_secrets.memory_for([data], {}))
    (in_file,) = formats.load(done.data)[1].interactions
    (loaded,) = formats.load(data)[1].interactions
    assert in_file.response.body == SCRUBBER.interaction(loaded, memory()).response.body
    again = file_secrets.scrub(
        done.data, file_secrets.Rules(Policy()), file_secrets.memory_for([done.data], {})
    )
    assert again.data == done.data


# Events in which a piece of text stands, as several providers send them.
FRAMES: dict[str, Callable[[int, str], object]] = {
    "chat": lambda _, piece: {"choices": [{"index": 0, "delta": {"content": piece}}]},
    "tool arguments": lambda _, piece: {
        "choices": [{"delta": {"tool_calls": [{"index": 0, "function": {"arguments": piece}}]}}]
    },
    "responses": lambda at, piece: {
        "type": "response.output_text.delta",
        "sequence_number": at,
        "delta": piece,
    },
    "Anthropic": lambda _, piece: {"type": "content_block_delta", "index": 0, "delta": {"text": piece}},
    "Anthropic, legacy": lambda _, piece: {"type": "completion", "completion": piece},
    "TGI": lambda at, piece: {"index": at, "token": {"id": at, "text": piece, "special": False}},
    "Titan": lambda _, piece: {"outputText": piece, "index": 0},
    "of nobody": lambda at, piece: {"a": {"b": [{"c": piece, "d": f"{at}"}]}},
}


@pytest.mark.parametrize("frame", FRAMES)
@pytest.mark.parametrize("separator", ["data: {}\n\n", "event: x\ndata: {}\r\n\r\n", "{}\n"])
@given(
    st.tuples(st.sampled_from(SECRETS), st.text('abc \n"\\é', max_size=12)), st.integers(1, 40), st.booleans()
)
@settings(max_examples=8, deadline=None)
def test_a_stream_in_which_a_secret_is_cut_keeps_its_events(
    frame: str, separator: str, words: tuple[str, str], size: int, ascii_only: bool
) -> None:
    secret, around = words
    said = f"{around} {secret} {around}"
    pieces = [said[at : at + size] for at in range(0, len(said), size)]
    events = [
        json.dumps(FRAMES[frame](at, piece), ensure_ascii=ascii_only) for at, piece in enumerate(pieces)
    ]
    body = "".join(separator.format(event) for event in events).encode()
    seen = memory()
    clean = SCRUBBER.interaction(exchange(b"", body), seen).response.body
    left = [line[line.find(b"{") :] for line in clean.splitlines() if b"{" in line]
    assert len(left) == len(pieces)
    texts = read_body(clean, "")
    assert not any(secret.encode() in reading.text for reading in texts)
    spoken = [reading.text.decode() for reading in texts if b"REDACTED-" in reading.text]
    assert any(one.startswith(f"{around} REDACTED-"[: len(one)]) for one in spoken)
    for line in left:
        json.loads(line)


@given(st.lists(st.tuples(text, text), max_size=3), st.sampled_from(SECRETS))
@settings(max_examples=60, deadline=None)
def test_a_form_keeps_its_other_fields(pairs: list[tuple[str, str]], secret: str) -> None:
    def clean_text(value: str) -> str:
        return value.encode("utf-8", "replace").decode()

    others = [(f"n{clean_text(name)}", f"v {clean_text(value)}") for name, value in pairs]
    body = urlencode([*others, ("said", f"it is {secret}!")]).encode()
    one = exchange(body, content_type="application/x-www-form-urlencoded")
    clean = SCRUBBER.interaction(one, memory()).request.body
    *rest, (name, value) = parse_qsl(clean.decode(), keep_blank_values=True)
    assert rest == others
    assert name == "said"
    assert secret not in value
    assert value.startswith("it is REDACTED-")


ESCAPES: dict[str, Callable[[str], str]] = {
    "HTML, decimal": lambda s: "".join(f"&#{ord(c)};" for c in s),
    "HTML, hexadecimal": lambda s: "".join(f"&#x{ord(c):X};" for c in s),
    "quoted-printable": lambda s: "".join(f"={ord(c):02X}" for c in s),
    "\\u": lambda s: "".join(f"\\u{ord(c):04X}" for c in s),
    "\\u, three backslashes": lambda s: "".join(f"\\\\\\u{ord(c):04x}" for c in s),
    "\\U": lambda s: "".join(f"\\U{ord(c):08x}" for c in s),
    "\\u{}": lambda s: "".join(f"\\u{{{ord(c):x}}}" for c in s),
    "\\x": lambda s: "".join(f"\\x{ord(c):02x}" for c in s),
    "octal": lambda s: "".join(f"\\{ord(c):03o}" for c in s),
    "percent": lambda s: "".join(f"%{ord(c):02x}" for c in s),
    "percent, five times": lambda s: "".join(f"%25252525{ord(c):02X}" for c in s),
    "pairs": lambda s: ":".join(f"{ord(c):02x}" for c in s),
    "codes": lambda s: ", ".join(str(ord(c)) for c in s),
    "hexadecimal": lambda s: s.encode().hex(),
    "Base64": lambda s: base64.b64encode(s.encode()).decode(),
    "Base64 of Base64": lambda s: base64.b64encode(base64.b64encode(f"key = {s}".encode())).decode(),
    "Base64 with an umlaut": lambda s: base64.b64encode(f"Schlüssel: {s}".encode()).decode(),
    "Base64 of UTF-16": lambda s: base64.b64encode(f"the key: {s}".encode("utf-16")).decode(),
    "Base64 in lines": lambda s: base64.encodebytes(
        f'{{"note": "it is", "v": "{s}", "w": 1}}'.encode()
    ).decode(),
    "Base64 in lines, CRLF": lambda s: (
        base64.encodebytes(f"{s} {'x ' * 60}".encode()).decode().replace("\n", "\r\n")
    ),
    "Base32": lambda s: base64.b32encode(s.encode()).decode(),
    "gzip in Base64": lambda s: base64.b64encode(
        gzip.compress(f"k={s}, {'pad ' * 40}{s[::-1]}".encode())
    ).decode(),
    "zip in Base64": lambda s: base64.b64encode(zipped(s)).decode(),
}


def zipped(secret: str) -> bytes:
    out = BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("word/document.xml", f"<w:t>{secret}</w:t>")
    return out.getvalue()


@pytest.mark.parametrize("is_seen", [True, False], ids=["seen", "shape"])
@pytest.mark.parametrize("before", ["say: ", "say:\n", "say:\t", "\u2028", '"'])
@pytest.mark.parametrize("escape", ESCAPES)
def test_whatever_its_escape_a_secret_is_taken_out_whole(escape: str, before: str, is_seen: bool) -> None:
    secret = (
        "Zk3Pq8Rt5Vw2Xy7Za1Bc4De6Fg9Hj" if is_seen else KINDS["openai-project-key"](random.Random(escape))
    )
    said = f"{before}{ESCAPES[escape](secret)} end"
    for value in ({"content": said}, {"arguments": json.dumps({"content": said})}):
        seen = memory()
        if is_seen:
            seen.track(secret, "token")
        one = exchange(b"", json.dumps(value).encode())
        clean = SCRUBBER.interaction(one, seen)
        content = json.loads(clean.response.body)
        content = (
            json.loads(content["arguments"])["content"] if "arguments" in content else content["content"]
        )
        assert content.startswith(f"{before}REDACTED-")
        assert content.endswith(" end")
        assert content[len(before) :].count("REDACTED-") == 1
        assert SCRUBBER.gate(emitted(clean), clean, seen) == []
        assert SCRUBBER.interaction(clean, seen) is clean


def emitted(one: Interaction) -> bytes:
    return govcr.dump(Cassette([one]), govcr.Dialect.CHARM)


@given(st.text(st.sampled_from("\\nrtu0041xU{}%25&#;=Aaé \"'/") | st.characters(), max_size=40), st.data())
@settings(max_examples=200, deadline=None)
def test_the_way_back_from_a_text_without_escapes_leads_to_whole_ones(
    written: str, data: st.DataObject
) -> None:
    raw = written.encode("utf-8", "surrogatepass")
    view = undone(raw)
    if view is None or not view.text:
        return
    start = data.draw(st.integers(0, len(view.text) - 1))
    end = data.draw(st.integers(start + 1, len(view.text)))
    ((left, right),) = view.back(start, end)
    assert 0 <= left < right <= len(raw)
    inside = undone(raw[left:right])
    assert view.text[start:end] in (inside.text if inside else raw[left:right])


def test_tokens_and_bytes_of_logprobs_are_taken_out_with_the_content() -> None:
    key = KINDS["openai-project-key"](random.Random(1))
    parts = [key[at : at + 4] for at in range(0, len(key), 4)]
    tokens = [{"token": part, "bytes": [*part.encode()], "top_logprobs": [{"token": part}]} for part in parts]
    body = {"choices": [{"message": {"content": f"it is {key}"}, "logprobs": {"content": tokens}}]}
    clean = json.loads(SCRUBBER.interaction(exchange(b"", json.dumps(body).encode()), memory()).response.body)
    left = clean["choices"][0]["logprobs"]["content"]
    assert "".join(token["token"] for token in left) == "REDACTED-token-1"
    assert bytes(code for token in left for code in token["bytes"]) == b"REDACTED-token-1"
    assert "".join(token["top_logprobs"][0]["token"] for token in left) == "REDACTED-token-1"


def test_a_key_behind_a_letter_or_a_length_byte_is_found() -> None:
    key = KINDS["openai-project-key"](random.Random(2))
    for front in (
        b"key_",
        b"apiKey",
        b"rs_",
        b"\x0a" + bytes([len(key) % 128]),
        b"\x81\xa1k\xd9A",
        b"\xa1\x61k\x78",
    ):
        clean = SCRUBBER.interaction(exchange(b"", front + key.encode()), Memory({}))
        assert key.encode() not in all_text(clean)
        assert clean.response.body.startswith(front)


def test_an_archive_in_base64_that_cannot_be_read_is_refused() -> None:
    broken = base64.b64encode(zipped("nothing")[:-30] + b"x" * 40).decode()
    one = exchange(json.dumps({"file_data": f"data:application/zip;base64,{broken}"}).encode())
    clean = SCRUBBER.interaction(one, memory())
    assert clean is one
    assert [finding.rule for finding in SCRUBBER.gate(emitted(clean), clean, memory())] == ["unreadable-body"]


def test_vectors_cost_next_to_nothing_and_hide_no_key() -> None:
    key = KINDS["github"](random.Random(3))
    vector = ",".join(f"-0.0{number * 7919 % 10**8:08}" for number in range(3000))
    for body in (f'{{"e":[{vector}],"k":"{key}"}}', f'[{{"k":"{key}","e":[{vector}]}},[{vector}]]'):
        clean = SCRUBBER.interaction(exchange(b"", body.encode()), memory()).response.body
        assert clean == body.replace(key, "REDACTED-githubtoken-1").encode()
