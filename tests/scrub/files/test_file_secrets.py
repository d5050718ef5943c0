"""Secrets in files: found in every format and place, replaced where they stand, nothing else touched."""

from __future__ import annotations

import base64
import gzip
import io
import json
import random
import re
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from unittest import mock

import brotli
import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from mitmvcr import formats
from mitmvcr.errors import FormatError, MitmvcrError
from mitmvcr.formats import govcr, har, vcrpy
from mitmvcr.model import Cassette, Interaction
from mitmvcr.scrub import Memory, Policy
from mitmvcr.scrub.detect import archives
from mitmvcr.scrub.files import document, file_secrets, writeback
from mitmvcr.scrub.placeholders import MARK
from tests.formats.seeds import seed
from tests.scrub.planting import KINDS, PLACES, exchange, pem, sse

RULES = file_secrets.Rules(Policy())
KEY = "sk-" + "proj-" + "Ab3dE5" * 12
COOKIE = "__cf_bm=" + "x7Qz" * 20
CHAT = "https://api.openai.com/v1/chat/completions"

Writer = Callable[[Interaction], bytes]


def vcrpy_json(one: Interaction) -> bytes:
    document = yaml.safe_load(vcrpy.dump(Cassette((one,))))
    return json.dumps(document, indent=1).encode() + b"\n"


def vcrpy_wide(one: Interaction) -> bytes:
    """As serializers write that set a width and literals."""

    class Dumper(yaml.CSafeDumper):
        pass

    def text(dumper: yaml.CSafeDumper, value: str) -> yaml.ScalarNode:
        style = "|" if "\n" in value else '"' if "'" in value else None
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)

    Dumper.add_representer(str, text)
    return yaml.dump(yaml.safe_load(vcrpy.dump(Cassette((one,)))), Dumper=Dumper, width=40).encode()


def doubled(one: Interaction) -> bytes:
    """go-vcr's fields with every text in double quotes."""

    class Dumper(yaml.CSafeDumper):
        pass

    Dumper.add_representer(
        str, lambda dumper, value: dumper.represent_scalar("tag:yaml.org,2002:str", value, style='"')
    )
    value = yaml.safe_load(govcr.dump(Cassette((one,)), govcr.Dialect.CHARM))
    return yaml.dump(value, Dumper=Dumper, width=60, sort_keys=False).encode()


WRITERS: dict[str, Writer] = {
    "VCR.py": lambda one: vcrpy.dump(Cassette((one,))),
    "VCR.py with literals": vcrpy_wide,
    "VCR.py JSON": vcrpy_json,
    "charm": lambda one: govcr.dump(Cassette((one,)), govcr.Dialect.CHARM),
    "stock": lambda one: govcr.dump(Cassette((one,)), govcr.Dialect.STOCK),
    "double quotes": doubled,
    "HAR": lambda one: har.dump(Cassette((one,))),
    "gzip": lambda one: gzip.compress(vcrpy.dump(Cassette((one,))), mtime=0),
}


def written(one: Interaction, writer: str) -> bytes:
    """The cassette, in YAML where JSON can't hold it."""
    try:
        return WRITERS[writer](one)
    except TypeError:
        return WRITERS["VCR.py"](one)


def memory(data: bytes = b"") -> Memory:
    return file_secrets.memory_for([data], {})


def lint(data: bytes, rules: file_secrets.Rules = RULES) -> list[file_secrets.FileFinding]:
    return file_secrets.examine(data, rules, memory(data))


def scrub(data: bytes, rules: file_secrets.Rules = RULES) -> bytes:
    return file_secrets.scrub(data, rules, memory(data)).data


def unpacked(data: bytes) -> bytes:
    return gzip.decompress(data) if data.startswith(b"\x1f\x8b") else data


_LENGTH = re.compile(rb'(content_length"?: "?|bodySize": |"size": )-?[0-9]+')


def assert_same_but_for_marks(before: bytes, after: bytes, *, is_split: bool = False) -> None:
    """What stands between the replacements stood in the file in the same order, and at its ends."""
    before, after = (_LENGTH.sub(rb"\1", unpacked(data)) for data in (before, after))
    if is_split:  # only the first of its pieces has a replacement
        left = iter(before)
        assert all(byte in left for byte in MARK.sub(b"", after))
        return
    first, *others = re.split(MARK.pattern.replace(b"(", b"(?:"), after)
    assert before.startswith(first)
    at = len(first)
    for text in others:
        found = before.find(text, at)
        assert found >= 0, text[:200]
        at = found + len(text)
    assert others
    assert before.endswith(others[-1])


def values(data: bytes) -> bytes:
    """All that a cassette's readers get to see."""
    interactions = formats.load(data)[1].interactions
    return b"\n".join(repr(one).encode() + one.request.body + one.response.body for one in interactions)


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("place", PLACES)
def test_secret_is_found_and_replaced_in_place_in_any_format(writer: str, place: str) -> None:
    rng = random.Random(f"{writer} {place}")
    for kind in rng.sample(sorted(KINDS), 8):
        secret = KINDS[kind](rng)
        data = WRITERS[writer](PLACES[place](secret))
        assert lint(data), (kind, secret)
        clean = scrub(data)
        assert lint(clean) == []
        assert scrub(clean) == clean
        assert secret.encode() not in values(clean)
        assert_same_but_for_marks(data, clean, is_split="split" in place)


@given(
    kind=st.sampled_from(sorted(KINDS)),
    place=st.sampled_from(sorted(PLACES)),
    writer=st.sampled_from(sorted(WRITERS)),
    seed_=st.integers(0, 2**32),
)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_secret_in_any_place_and_format(kind: str, place: str, writer: str, seed_: int) -> None:
    secret = KINDS[kind](random.Random(seed_))
    data = WRITERS[writer](PLACES[place](secret))
    assert lint(data)
    clean = scrub(data)
    assert lint(clean) == []
    assert secret.encode() not in values(clean)
    assert_same_but_for_marks(data, clean, is_split="split" in place)


@given(
    text=st.text(st.sampled_from(list("ab '\"\\\n\t:#-é😀,\r{}\u2028\x85")), max_size=150),
    style=st.sampled_from([None, "'", '"', "|", ">"]),
    width=st.integers(10, 90),
)
@settings(max_examples=300, deadline=None)
def test_place_of_every_part_of_a_scalar_is_found(text: str, style: str | None, width: int) -> None:
    class Dumper(yaml.CSafeDumper):
        pass

    Dumper.add_representer(
        str, lambda dumper, value: dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)
    )
    marked = f"{text}{KEY}{text}"
    data = yaml.dump({"interactions": [{"a": marked}, marked]}, Dumper=Dumper, width=width).encode()
    for leaf in document.leaves(document.read(data)):
        at = leaf.value.find(KEY.encode())
        written = writeback.Written.of(leaf, data)
        if at < 0 or written is None:
            assert leaf.style in (">", "|") or at < 0
            continue
        start, end = written.span(at, at + len(KEY))
        assert re.sub(rb"\\\n *\\?", b"", data[start:end]) == KEY.encode()
        changed = data[:start] + b"NEW" + data[end:]
        assert text.encode() == b"" or b"NEW" in changed
        others = [one.value for one in document.leaves(document.read(changed))]
        assert leaf.value.replace(KEY.encode(), b"NEW") in others


def headers(one: Interaction, request: dict[str, str], response: dict[str, str]) -> Interaction:
    return replace(
        one,
        request=replace(one.request, headers={name: [value] for name, value in request.items()}),
        response=replace(one.response, headers={name: [value] for name, value in response.items()}),
    )


@pytest.mark.parametrize("writer", WRITERS)
def test_headers_with_credentials_are_replaced_and_harmless_ones_stay(writer: str) -> None:
    one = headers(
        exchange(b'{"a":1}', b'{"b":2}'),
        {"Authorization": f"Bearer {KEY}", "Cookie": f"a=b; {COOKIE}", "X-Stainless-Lang": "python"},
        {
            "Set-Cookie": f"{COOKIE}; path=/; HttpOnly",
            "Openai-Organization": "acme-corp",
            "Cf-Ray": "93f2fd4c4ce5238d-SJC",
            "X-Ratelimit-Remaining-Tokens": "149984",
            "Azureml-Model-Session": "v20240411-1-12345",
            "Date": "Tue, 13 May 2025 14:54:09 GMT",
        },
    )
    data = WRITERS[writer](one)
    found = {finding.field for finding in lint(data)}
    assert found == {
        "request.headers.Authorization",
        "request.headers.Cookie",
        "response.headers.Set-Cookie",
        "response.headers.Openai-Organization",
    }
    clean = scrub(data)
    text = values(clean)
    for gone in (KEY, COOKIE, "acme-corp"):
        assert gone.encode() not in text
    for kept in (
        b"Bearer REDACTED-token-1",
        b"path=/; HttpOnly",
        b"93f2fd4c4ce5238d-SJC",
        b"149984",
        b"12345",
    ):
        assert kept in text
    # The cookie that came and went back is the same.
    assert text.count(b"__cf_bm=REDACTED-cookie-2") == 2
    assert_same_but_for_marks(data, clean)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Authorization", "REDACTED"),
        ("Authorization", "Bearer REDACTED-token-1"),
        ("Authorization", "Bearer test-key"),
        ("Authorization", "Bearer <token>"),
        ("Authorization", "**********"),
        ("Authorization", ""),
        ("Cookie", "session=REDACTED-cookie-3"),
        ("X-Ratelimit-Reset-Tokens", "6ms"),
        ("Access-Control-Allow-Credentials", "true"),
        ("Idempotency-Key", "stainless-python-retry-0b7e1c9a-1b1c-4d55-9a55-3d4b5c6d7e8f"),
        ("Openai-Organization", "REDACTED-org-1"),
    ],
)
def test_header_that_holds_no_credential_is_no_finding(name: str, value: str) -> None:
    one = headers(exchange(b"{}", b"{}"), {name: value}, {name: value})
    for write in WRITERS.values():
        assert lint(write(one)) == []


def test_echo_of_a_credential_is_found_in_a_body() -> None:
    name = "acme-corp-organization-name"
    one = headers(exchange(b"{}", json.dumps({"owner": name}).encode()), {}, {"Openai-Organization": name})
    for writer, write in WRITERS.items():
        clean = scrub(write(one))
        assert formats.load(clean)[1].interactions[0].response.body == b'{"owner": "REDACTED-org-1"}', writer


def test_ids_and_encrypted_content_stay() -> None:
    ids = [prefix + "aB3dE5gH7jK9mN1pQ3sT5vX7" for prefix in ("call_", "resp_", "chatcmpl-", "msg_", "file-")]
    body = json.dumps({"ids": ids, "encrypted_content": "gAAAAA" + "bQ9z" * 40}).encode()
    one = headers(exchange(body, body), {"Cookie": COOKIE}, {})
    for write in WRITERS.values():
        read = formats.load(scrub(write(one)))[1].interactions[0]
        assert (read.request.body, read.response.body) == (body, body)


@pytest.mark.parametrize("coding", ["gzip", "br"])
def test_compressed_body_is_compressed_again(coding: str) -> None:
    plain = json.dumps({"key": KEY}).encode()
    packed = gzip.compress(plain, mtime=0) if coding == "gzip" else brotli.compress(plain)
    document = {
        "version": 1,
        "interactions": [
            {
                "request": {"method": "GET", "uri": CHAT, "body": None, "headers": {}},
                "response": {
                    "status": {"code": 200, "message": "OK"},
                    "headers": {"content-encoding": [coding], "content-length": [str(len(packed))]},
                    "body": {"string": packed},
                },
            }
        ],
    }
    data = yaml.safe_dump(document).encode()
    assert [finding.field for finding in lint(data)] == ["response.body"]
    clean = scrub(data)
    response = formats.load(clean)[1].interactions[0].response
    assert MARK.search(response.body)
    stored = yaml.safe_load(clean)["interactions"][0]["response"]
    assert stored["headers"]["content-length"] == [str(len(stored["body"]["string"]))]
    assert lint(clean) == []


def test_length_that_was_the_bodys_is_corrected_and_another_stays() -> None:
    one = exchange(json.dumps({"key": KEY}).encode(), b"{}")
    data = govcr.dump(Cassette((one,)), govcr.Dialect.STOCK)
    read = formats.load(scrub(data))[1].interactions[0]
    assert read.request.content_length == len(read.request.body) != one.request.content_length
    assert read.response.content_length == 2


def test_binary_body_in_har_is_replaced() -> None:
    body = b"\xff\xfe" + KEY.encode() + b"\x00"
    data = har.dump(Cassette((exchange(b"", body),)))
    read = formats.load(scrub(data))[1].interactions[0]
    assert read.response.body.startswith(b"\xff\xfeREDACTED-")
    assert read.response.body.endswith(b"\x00")


def llama_stack(request: object, response: object) -> bytes:
    record = {
        "test_id": None,
        "request": {"method": "POST", "url": CHAT, "headers": {}, "body": request, "endpoint": "/v1"},
        "response": {"body": response, "is_streaming": isinstance(response, list)},
    }
    return json.dumps(record, indent=2).encode()


def chunk(text: str, index: int = 0) -> dict[str, object]:
    data = {"choices": [{"index": index, "delta": {"content": text}}]}
    return {"__type__": "openai.types.chat.ChatCompletionChunk", "__data__": data}


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_llama_stacks_structure_is_looked_through(kind: str) -> None:
    rng = random.Random(kind)
    secret = KINDS[kind](rng)
    apart = [secret[:5], secret[5:11], secret[11:]]
    bodies = [
        llama_stack(
            {"messages": [{"content": f"use {secret}!"}]}, {"__type__": "x", "__data__": {"id": "a"}}
        ),
        llama_stack({"model": "m"}, {"__type__": "x", "__data__": {"text": secret}}),
        llama_stack({"model": "m"}, [chunk("key "), *map(chunk, apart), chunk(" it is")]),
        llama_stack({"model": "m"}, [one for text in apart for one in (chunk("other ", 1), chunk(text))]),
    ]
    for data in bodies:
        assert lint(data)
        clean = scrub(data)
        assert lint(clean) == []
        assert secret.encode() not in values(clean)
        assert_same_but_for_marks(data, clean, is_split=True)


def test_value_whose_key_tells_it_is_found_in_structure() -> None:
    data = llama_stack({"model": "m", "extra_body": {"pass" + "word": "hunter22!"}}, {"a": 1})
    assert [finding.rule for finding in lint(data)] == ["secret-field"]
    assert b"hunter22!" not in scrub(data)


def test_secrets_that_yaml_folds_are_found() -> None:
    rng = random.Random(5)
    for secret in (pem(rng), "Bearer " + "aB3dE5gH7jK9mN1pQ3sT5vX7", "curl -u user:" + "pa55w0rd-pa55w0rd"):
        for size in range(40, 90, 3):
            one = exchange(b"", (("word " * 40)[:size] + secret + " and so on").encode())
            for name in ("VCR.py", "VCR.py with literals"):
                data = WRITERS[name](one)
                assert lint(data), (secret[:8], size, name)
                assert lint(scrub(data)) == []


@pytest.mark.slow
def test_secret_in_pieces_is_found_wherever_yaml_folds_its_stream() -> None:
    for size in range(80):
        event = f'data: {{"pad": "{"x" * size}", "choices": [{{"delta": {{"content": "%s"}}}}]}}\n\n'
        answer = "".join(event % text for text in ("key ", KEY[:9], KEY[9:30], KEY[30:], " it is")).encode()
        for name in ("VCR.py", "VCR.py with literals", "double quotes"):
            data = WRITERS[name](exchange(b"", answer))
            assert lint(data), (size, name)
            assert lint(scrub(data)) == []


def test_secret_in_an_interleaved_folded_stream_is_found() -> None:
    pieces = [sse("a ", x=1), sse(KEY[:9], KEY[9:30], KEY[30:])]
    body = b"".join(
        b'data: {"choices":[{"index":%d,"delta":{"content":"%s"}}],"note":"a few words that are folded"}\n\n'
        % part
        for text in (KEY[:9], KEY[9:30], KEY[30:])
        for part in ((1, b"other words here "), (0, text.encode()))
    )
    for name, write in WRITERS.items():
        for answer in (body, b"".join(pieces)):
            data = write(exchange(b"", answer))
            assert lint(data), name
            assert lint(scrub(data)) == []


def test_numbers_go_on_behind_those_that_are_there() -> None:
    (finding,) = lint(WRITERS["charm"](exchange(b"", KEY.encode())))
    body = json.dumps({"a": f"REDACTED-{finding.kind}-4", "b": KEY}).encode()
    assert f"REDACTED-{finding.kind}-5".encode() in scrub(WRITERS["VCR.py"](exchange(b"", body)))


def test_what_is_allowed_is_no_finding() -> None:
    data = vcrpy.dump(Cassette((exchange(b"", json.dumps({"a": KEY}).encode()),)))
    rules = file_secrets.Rules(Policy(allow=("openai-key@response.body",)))
    assert lint(data, rules) == []
    assert scrub(data, rules) == data
    assert lint(data, file_secrets.Rules(Policy(allow=("openai-key@request.body",))))


def test_rules_of_the_user_hold() -> None:
    body = json.dumps({"user": "alice", "note": "ticket ABC-1234", "mail": "a.b@example.org"}).encode()
    rules = file_secrets.Rules(Policy(redact=("$.user", r"[A-Z]{3}-\d{4}"), emails=True))
    for name, write in WRITERS.items():
        clean = scrub(write(exchange(body, body)), rules)
        text = values(clean)
        for gone in (b"alice", b"ABC-1234", b"a.b@example.org"):
            assert gone not in text, name
        assert lint(clean, rules) == []


def test_seed_of_vcrpy_loses_cookies_and_organization_alone() -> None:
    data = seed("vcrpy_v1_llm_test_tool_use_basic.yaml")
    clean = scrub(data)
    before, after = (formats.load(one)[1].interactions for one in (data, clean))
    assert [(i.request.body, i.response.body) for i in before] == [
        (i.request.body, i.response.body) for i in after
    ]
    for one, cleaned in zip(before, after, strict=True):
        for cookie in one.response.headers["Set-Cookie"]:
            assert cookie.partition(";")[0].partition("=")[2].encode() not in clean
        assert cleaned.response.headers["Openai-Organization"] == ["REDACTED-org-1"]
    assert_same_but_for_marks(data, clean)


def test_file_of_go_vcr_405_that_yaml_refuses_is_scrubbed() -> None:
    path = Path(__file__).parents[4] / "shared/golden/other/go-vcr-v4.0.5/body_crlf.yaml"
    if not path.exists():
        pytest.skip("there are no golden files in ../shared")
    data = path.read_bytes()
    assert lint(data) == []
    planted = data.replace(b"application/json", f"application/json; key={KEY}".encode(), 1)
    assert planted != data
    assert lint(planted)
    assert KEY.encode() not in scrub(planted)


def test_place_is_the_editors() -> None:
    one = exchange(b"", f'{{"ключ": "{KEY}"}}'.encode())
    data = govcr.dump(Cassette((one,)), govcr.Dialect.CHARM)
    (finding,) = lint(data)
    line = data.decode().splitlines()[finding.line - 1]
    assert line[finding.column - 1 :].startswith(KEY)
    assert KEY[:8] not in finding.sample


def test_base64_lines_stay_as_long_as_they_were() -> None:
    body = b"\xff" + b"text " * 40 + KEY.encode()
    data = govcr.dump(Cassette((exchange(b"", body),)), govcr.Dialect.STOCK)
    clean = scrub(data)
    lines = [line for line in clean.splitlines() if re.fullmatch(rb" +[A-Za-z0-9+/=]{40,}", line)]
    assert {len(line.strip()) for line in lines[:-1]} == {70}
    assert base64.b64encode(KEY.encode())[4:20] not in clean


def binary(body: bytes, **headers: str) -> bytes:
    """A cassette as VCR.py writes it for answers that are no text, or compressed."""
    document = {
        "version": 1,
        "interactions": [
            {
                "request": {"method": "GET", "uri": CHAT, "body": None, "headers": {}},
                "response": {
                    "status": {"code": 200, "message": "OK"},
                    "headers": {name.replace("_", "-"): [value] for name, value in headers.items()},
                    "body": {"string": body},
                },
            }
        ],
    }
    return yaml.safe_dump(document).encode()


@pytest.mark.parametrize(
    "data",
    [
        binary(gzip.compress(b"x" * 900)[:-9], content_encoding="gzip"),
        binary(b"\xff" + b"x" * 90, content_encoding="br"),
        binary(b"7z\xbc\xaf\x27\x1c" + bytes(30)),
    ],
)
def test_body_that_cannot_be_looked_into_is_said_and_stays(data: bytes) -> None:
    (finding,) = lint(data)
    assert (finding.rule, finding.field) == ("unreadable-body", "response.body")
    assert "can't be looked into" in finding.sample
    done = file_secrets.scrub(data, RULES, Memory({}))
    assert (done.data, dict(done.replaced)) == (data, {})
    assert "unreadable-body in response.body" in done.stuck[0]
    assert lint(data, file_secrets.Rules(Policy(allow=("unreadable-body@response.body",)))) == []


def test_image_whose_recorder_left_a_content_encoding_is_no_finding() -> None:
    assert lint(binary(b"\x89PNG\r\n\x1a\n\xff\xd8" + bytes(range(256)), content_encoding="gzip")) == []


def test_secret_in_an_archive_is_said_and_others_are_replaced() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.txt", KEY * 9)
    data = binary(out.getvalue(), x_session_id="aB3dE5gH7jK9mN1pQ3sT5vX7")
    assert {finding.rule for finding in lint(data)} == {"denied-header", "openai-key"}
    done = file_secrets.scrub(data, RULES, Memory({}))
    assert b"aB3dE5gH7jK9mN1pQ3sT5vX7" not in done.data
    assert done.stuck == ("openai-key in response.body: it is in an archive: record it anew",)


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("coding", ["utf-16", "utf-16-le"])
def test_secret_in_utf_16_is_replaced(writer: str, coding: str) -> None:
    text = f"the key is {KEY} and no other"
    data = written(exchange(b"", text.encode(coding)), writer)
    assert lint(data)
    clean = scrub(data)
    read = formats.load(clean)[1].interactions[0].response.body.decode(coding)
    assert re.sub(r"REDACTED-[a-z]+-1", KEY, read) == text
    assert lint(clean) == []


def test_bomb_in_a_cassette_is_said_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "LIMIT", 1_000_000)
    monkeypatch.setattr(archives.unpacked, "__defaults__", (1_000_000,))
    (finding,) = lint(binary(gzip.compress(bytes(30_000_000)), content_encoding="gzip"))
    assert "more than 1,000,000 bytes" in finding.sample


ENCODINGS: dict[str, Callable[[str], bytes]] = {
    "plain": lambda s: f"the key {s} is".encode(),
    "percent": lambda s: "".join(f"%{ord(c):02X}" for c in s).encode(),
    "percent twice": lambda s: "".join(f"%25{ord(c):02x}" for c in s).encode(),
    "base64": lambda s: base64.b64encode(f"key {s} ".encode()),
    "base64, another offset": lambda s: base64.b64encode(f"a key {s} ".encode()),
    "base64, a third": lambda s: base64.urlsafe_b64encode(f"the  key {s} ".encode()),
    "hexadecimal": lambda s: f"key {s} ".encode().hex().encode(),
    "JSON's escapes": lambda s: json.dumps({"a": "".join(f"\\u{ord(c):04x}" for c in s)}).encode(),
    "JSON in JSON": lambda s: json.dumps({"a": json.dumps({"b": f'\n"{s}"\t'})}).encode(),
    "events": lambda s: sse("key ", s[:5], s[5:9], s[9:], " it is"),
    "events with an index": lambda s: sse("a ", x=1) + sse(s[:7], s[7:11], s[11:]),
    "UTF-16": lambda s: f"the key {s} is".encode("utf-16"),
    "bytes": lambda s: b"\xff\xfe\x80 " + s.encode() + b" \xff",
    "gzip": lambda s: gzip.compress(f"the key {s} is".encode()),
    "nothing": lambda _s: b"no secret here",
}


@given(
    kind=st.sampled_from(sorted(KINDS)),
    encoding=st.sampled_from(sorted(ENCODINGS)),
    writer=st.sampled_from(sorted(WRITERS)),
    seed=st.integers(0, 2**32),
    is_asked=st.booleans(),
    words=st.text(alphabet="abcdefg \n'\"\\:{é", max_size=90),
)
@example(
    kind="anthropic",
    encoding="base64",
    writer="VCR.py with literals",
    seed=0,
    is_asked=False,
    words="a\\\n",
)
@settings(max_examples=150, deadline=None)
def test_quick_look_misses_nothing_that_reading_each_value_finds(
    *, kind: str, encoding: str, writer: str, seed: int, is_asked: bool, words: str
) -> None:
    hidden = ENCODINGS[encoding](KINDS[kind](random.Random(seed)))
    body = hidden if hidden.startswith((b"data:", b"\x1f", b"\xff")) else words.encode() + b" " + hidden
    data = written(exchange(body, b"") if is_asked else exchange(b"", body), writer)
    assert lint(data) == looked_through(data)


def looked_through(data: bytes) -> list[file_secrets.FileFinding]:
    """The findings without the quick look: each value is read."""
    with mock.patch.object(file_secrets, "suspect", return_value=True):
        return lint(data)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_quick_look_misses_nothing_in_llama_stacks_streams(kind: str) -> None:
    secret = KINDS[kind](random.Random(kind))
    for pieces in ([secret[:6], secret[6:12], secret[12:]], ["no secret ", "at all"], [secret, ""]):
        data = llama_stack({"model": "m"}, [chunk("key "), *map(chunk, pieces), chunk(" it is")])
        assert lint(data) == looked_through(data)


@pytest.mark.parametrize("levels", ["[", "{a: ", "- ", "? "])
@pytest.mark.parametrize("version", ["version: 2\n", ""])
def test_deep_nesting_is_refused_by_its_name(version: str, levels: str) -> None:
    with pytest.raises(FormatError, match="nested more than 100 levels deep"):
        document.read(f"{version}interactions:\n- {levels * 100_000}".encode())


def shout(one: Interaction) -> Interaction:
    """A user's function: customers' names out of URL, header and bodies."""

    def clean(text: str) -> str:
        return text.replace("Ada Lovelace", 'the "customer"').replace("ada", "customer")

    request = replace(
        one.request,
        url=clean(one.request.url),
        body=clean(one.request.body.decode()).encode(),
        headers={name: [clean(value) for value in values] for name, values in one.request.headers.items()},
    )
    response = replace(one.response, body=clean(one.response.body.decode()).encode())
    return replace(one, request=request, response=response)


def fail(_one: Interaction) -> Interaction:
    raise KeyError("customer")


def test_functions_of_the_user_hold() -> None:
    body = json.dumps({"name": "Ada Lovelace", "note": f"it's \u00e9\n{KEY}"}).encode()
    one = headers(exchange(body, body, url=CHAT + "?user=ada"), {"User-Agent": "ada/1.0"}, {})
    rules = file_secrets.Rules(Policy(redact=("py:tests.scrub.files.test_file_secrets:shout",)))
    for name, write in WRITERS.items():
        data = write(one)
        found = {(finding.rule, finding.field) for finding in lint(data, rules)}
        fields = ("request.url", "request.headers.User-Agent", "request.body", "response.body")
        assert found >= {("custom-function", field) for field in fields}, name
        clean = scrub(data, rules)
        read = formats.load(clean)[1].interactions[0]
        want = shout(one)
        assert read.request.url == want.request.url, name
        assert [*read.request.headers["User-Agent"]] == ["customer/1.0"]
        mark = MARK.search(read.response.body)
        assert mark
        assert read.response.body == want.response.body.replace(KEY.encode(), mark.group())
        assert lint(clean, rules) == []


def test_function_that_fails_is_named() -> None:
    rules = file_secrets.Rules(Policy(redact=("py:tests.scrub.files.test_file_secrets:fail",)))
    with pytest.raises(MitmvcrError, match="fail of redact failed: KeyError"):
        lint(WRITERS["charm"](exchange(b"{}", b"{}")), rules)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("interactions:", f"made-with-{KEY}: true\ninteractions:"),
        ("    method:", f"    {KEY}: true\n    method:"),
        ("    headers:\n", f"    headers:\n      ? {KEY}\n      : - a\n"),
        ("    method:", f"    # {KEY}\n    method:"),
        ("    method:", f"    x: &a\n    - {KEY}\n    y: *a\n    method:"),
        ("    method: POST\n", f"    method: POST # {KEY}\n"),
    ],
)
def test_a_secret_in_a_key_a_comment_or_behind_an_anchor_is_one(old: str, new: str) -> None:
    text = vcrpy.dump(Cassette((exchange(b"{}", b"{}"),))).decode()
    assert old in text
    data = text.replace(old, new, 1).encode()
    assert {finding.rule for finding in lint(data)} == {"openai-key"}
    after = scrub(data)
    assert after == data.replace(KEY.encode(), b"REDACTED-token-1")
    assert lint(after) == []


@pytest.mark.parametrize("text", ["!!binary |\n      x", "!!binary abc", "!!binary 'x'"])
def test_binary_that_is_none_is_said_and_no_traceback(text: str) -> None:
    data = vcrpy.dump(Cassette((exchange(b"{}", b"{}"),))).replace(b"'{}'", text.encode(), 1)
    with pytest.raises(FormatError, match="not base64"):
        lint(data)


def test_what_would_no_longer_be_read_when_it_is_scrubbed_stays_as_it_is() -> None:
    data = vcrpy.dump(Cassette((exchange(KEY.encode(), b"{}"),)))
    with (
        mock.patch.object(formats, "load", side_effect=[formats.load(data), FormatError("broken")]),
        pytest.raises(file_secrets.StuckError, match="would no longer be read"),
    ):
        scrub(data)
    fewer = (formats.load(data)[0], Cassette(), b"")
    with (
        mock.patch.object(formats, "load", side_effect=[formats.load(data), fewer]),
        pytest.raises(file_secrets.StuckError, match="exchanges would get lost"),
    ):
        scrub(data)


OPAQUE = "Kd92-" + "Lw47-Qz"
LEAK = {
    "request": {
        "method": "GET",
        "uri": "https://a/",
        "body": "",
        "headers": {"Authorization": [f"Token {OPAQUE}"]},
    },
    "response": {"status": {"code": 200, "message": "OK"}, "headers": {}, "body": {"string": "{}"}},
}
LEAKS = {"interactions": [LEAK], "version": 1}
ONE_LINE = json.dumps(LEAKS)
BLOCK = yaml.safe_dump(LEAKS)
SPELLINGS = {
    "JSON": ONE_LINE,
    "JSON behind dashes": f"---\n{ONE_LINE}",
    "JSON in the dashes' line": f"--- {ONE_LINE}",
    "JSON behind a comment": f"# c\n{ONE_LINE}",
    "JSON behind a directive": f"%YAML 1.1\n---\n{ONE_LINE}",
    "JSON in lines behind dashes": "---\n" + json.dumps(LEAKS, indent=1),
    "an entry in braces": f"interactions:\n- {json.dumps(LEAK)}\nversion: 1\n",
    "the list in brackets": f'"interactions": {json.dumps([LEAK])}\n"version": 1\n',
    "in braces": yaml.safe_dump(LEAKS, default_flow_style=True),
    "a header in brackets": BLOCK.replace(
        f"Authorization:\n      - Token {OPAQUE}", f"'Authorization': ['Token {OPAQUE}']"
    ),
    "one value": BLOCK.replace(f"Authorization:\n      - Token {OPAQUE}", f"Authorization : Token {OPAQUE}"),
    "a tab": BLOCK.replace(f"Authorization:\n      - Token {OPAQUE}", f"Authorization:\tToken {OPAQUE}"),
    "an old Mac": BLOCK.replace("\n", "\r"),
    "Windows": BLOCK.replace("\n", "\r\n"),
    "an escaped key": BLOCK.replace("Authorization:", '"\\x41uthorization":'),
    "a complex key": BLOCK.replace("      Authorization:\n      -", "      ? Authorization\n      : -"),
    "a header elsewhere": "shared: &shared\n  Authorization:\n  - Token "
    + OPAQUE
    + "\n"
    + BLOCK.replace(f"\n      Authorization:\n      - Token {OPAQUE}", " *shared"),
}


@pytest.mark.parametrize("name", SPELLINGS)
def test_a_header_s_name_tells_its_secret_however_it_is_spelled(name: str) -> None:
    data = SPELLINGS[name].encode()
    assert OPAQUE in data.decode()
    (interaction,) = formats.load(data)[1].interactions
    assert interaction.request.headers["Authorization"] == [f"Token {OPAQUE}"]
    assert "denied-header" in {finding.rule for finding in lint(data)}
    after = scrub(data)
    assert after == data.replace(OPAQUE.encode(), b"REDACTED-token-1")
    assert lint(after) == []
