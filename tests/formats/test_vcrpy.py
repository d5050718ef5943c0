"""VCR.py's cassettes: read in every variant that is met, written so that VCR.py itself replays them."""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
import time
import zlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import brotli
import openai
import pytest
import yaml
import zstandard
from hypothesis import example, given
from hypothesis import strategies as st

from mitmvcr.errors import FormatError
from mitmvcr.formats import vcrpy, yaml_json
from mitmvcr.model import Cassette, Interaction, Request, Response
from tests.formats.models import CASSETTES
from tests.formats.real_vcrpy import VCRRequest, deserialize, jsonserializer, serialize, vcr, yamlserializer
from tests.formats.seeds import seed

REQUEST = """\
- request:
    body: '{"model":"gpt-4o-mini"}'
    headers:
      content-type:
      - application/json
    method: POST
    uri: https://api.openai.com/v1/chat/completions
"""
RESPONSE = """\
  response:
    body:
      string: '{"id":"chatcmpl-1"}'
    headers:
      content-type:
      - application/json
    status:
      code: 200
      message: OK
"""


def cassette(request: str = REQUEST, response: str = RESPONSE) -> bytes:
    return f"interactions:\n{request}{response}version: 1\n".encode()


def one(data: bytes) -> Interaction:
    (interaction,) = vcrpy.load(data).interactions
    return interaction


def with_response(body: object, headers: Mapping[str, object] | None = None) -> Response:
    document = {
        "version": 1,
        "interactions": [
            {
                "request": {
                    "method": "GET",
                    "uri": "https://api.openai.com/v1/models",
                    "body": None,
                    "headers": {},
                },
                "response": {
                    "status": {"code": 200, "message": "OK"},
                    "headers": headers or {},
                    "body": {"string": body},
                },
            }
        ],
    }
    return one(yaml.safe_dump(document).encode()).response


def with_request_body(text: str) -> bytes:
    return one(cassette(REQUEST.replace("""'{"model":"gpt-4o-mini"}'""", text))).request.body


def refusal(data: bytes) -> FormatError:
    with pytest.raises(FormatError) as caught:
        vcrpy.load(data)
    return caught.value


def test_seed_is_read_as_go_would_have_seen_it() -> None:
    first, second = vcrpy.load(seed("vcrpy_v1_llm_test_tool_use_basic.yaml")).interactions
    assert (first.id, second.id) == (0, 1)
    assert first.request.method == "POST"
    assert first.request.url == "https://api.openai.com/v1/chat/completions"
    assert json.loads(first.request.body)["model"] == "gpt-4o-mini"
    assert first.request.headers["X-Stainless-Lang"] == ["python"]
    assert first.response.status == "200 OK"
    assert first.response.headers["Content-Type"] == ["text/event-stream; charset=utf-8"]
    assert len(first.response.headers["Set-Cookie"]) == 2
    assert first.response.body.startswith(b'data: {"id":"chatcmpl-')
    assert first.response.body.endswith(b"data: [DONE]\n\n")
    kept = first.request.headers.keys() | first.response.headers.keys()
    assert not kept & {"Host", "Content-Length", "Connection", "Transfer-Encoding"}


def test_seed_is_read_as_vcrpy_reads_it() -> None:
    data = seed("vcrpy_v1_llm_test_tool_use_basic.yaml")
    assert seen_by_vcrpy(data) == seen_by_vcrpy(vcrpy.dump(vcrpy.load(data)))


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
def test_coded_body_is_decoded(coding: str) -> None:
    plain = b'{"id": "chatcmpl-1"}'
    encode = {
        "gzip": gzip.compress,
        "deflate": zlib.compress,
        "br": brotli.compress,
        "zstd": zstandard.ZstdCompressor().compress,
    }[coding]
    response = with_response(encode(plain), {"content-encoding": [coding], "content-length": ["20"]})
    assert response.body == plain
    assert response.uncompressed
    assert response.content_length == -1
    assert response.headers == {"Content-Type": ["application/json"]}


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
@pytest.mark.parametrize("plain", ['{"id": "é"}', "data: {}\n\n", ""])
def test_content_encoding_over_a_plain_body_is_dropped(coding: str, plain: str) -> None:
    response = with_response(plain, {"Content-Encoding": [coding], "Content-Type": ["application/json"]})
    assert response.body == plain.encode()
    assert response.uncompressed
    assert response.headers == {"Content-Type": ["application/json"]}


def test_gzip_whose_header_was_filtered_is_decoded() -> None:
    response = with_response(gzip.compress(b'{"a":1}', mtime=0), {"content-type": ["application/json"]})
    assert response.body == b'{"a":1}'
    assert response.uncompressed


def test_gzip_that_is_the_content_is_kept() -> None:
    packed = gzip.compress(b"x", mtime=0)
    response = with_response(packed, {"content-type": ["application/gzip"]})
    assert response.body == packed
    assert not response.uncompressed


def test_gzip_that_is_cut_short_is_kept_as_it_was_sent() -> None:
    packed = gzip.compress(b"x" * 100, mtime=0)[:-9]
    response = with_response(packed, {"content-encoding": ["gzip"]})
    assert response.body == packed
    assert response.headers["Content-Encoding"] == ["gzip"]
    assert response.content_length == len(packed)


def test_gzip_that_python_2_wrote_as_text_is_decoded() -> None:
    packed = gzip.compress(b'{"a":1}', mtime=0).decode("latin-1")
    assert with_response(packed, {"content-encoding": ["gzip"]}).body == b'{"a":1}'


def test_stale_content_length_is_replaced() -> None:
    response = with_response("12345", {"Content-Length": ["99"]})
    assert response.content_length == 5
    assert response.headers == {}


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        ('{"a": 1}', ["application/json"]),
        (" [1]", ["application/json"]),
        ("{not json", None),
        ("data: {}\n\n", ["text/event-stream"]),
        ("event: x\ndata: {}\n\n", ["text/event-stream"]),
        ("hello", None),
        ("", None),
    ],
)
def test_missing_content_type_is_told_from_the_body(body: str, content_type: list[str] | None) -> None:
    assert with_response(body).headers.get("Content-Type") == content_type


def test_response_of_old_httpx_recordings() -> None:
    response = """\
  response:
    content: '{"id":"é"}'
    headers:
      content-type: application/json
      content-encoding: gzip
    http_version: HTTP/1.1
    status_code: 201
"""
    read = one(cassette(response=response)).response
    assert (read.code, read.status, read.body) == (201, "201 Created", '{"id":"é"}'.encode())
    assert read.headers == {"Content-Type": ["application/json"]}


def test_parsed_body_takes_the_place_of_a_body() -> None:
    request = REQUEST.replace(
        """body: '{"model":"gpt-4o-mini"}'""", "parsed_body:\n      n: 1\n      s: '1'\n      t: true"
    )
    response = RESPONSE.replace(
        'body:\n      string: \'{"id":"chatcmpl-1"}\'',
        "parsed_body:\n      x: null\n      y: [1.5, 2024-01-01, é]",
    )
    read = one(cassette(request, response))
    assert read.request.body == b'{"n": 1, "s": "1", "t": true}'
    assert read.response.body == json.dumps({"x": None, "y": [1.5, "2024-01-01", "é"]}).encode()
    assert read.response.content_length == len(read.response.body)


@pytest.mark.parametrize(
    ("text", "body"),
    [
        ("null", b""),
        ("~", b""),
        ("", b""),
        ("''", b""),
        ("'null'", b"null"),
        ("12", b"12"),
        ("a=b&c=d", b"a=b&c=d"),
        ("!!binary /w==", b"\xff"),
        ("{a: 1, b: 'x'}", b'{"a": 1, "b": "x"}'),
        ("{string: abc}", b"abc"),
        ("{}", b""),
        ("[ab, !!binary YWI=]", b"abab"),
        ("!!python/unicode 'é'", "é".encode()),
        ("!!python/object/new:_io.BytesIO {state: !!python/tuple [!!binary YWI=, 0, null]}", b"ab"),
        ("!!python/object/apply:builtins.iter {args: [[ab, cd]]}", b"abcd"),
        ("!!python/object/apply:__builtin__.iter [[ab, cd]]", b"abcd"),
    ],
)
def test_request_body_of_any_kind_is_read_as_data(text: str, body: bytes) -> None:
    assert with_request_body(text) == body


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("[a, b]", ["a", "b"]),
        ("a", ["a"]),
        ("!!binary YQ==", ["a"]),
        ("[!!binary YQ==, 12]", ["a", "12"]),
        ("!!python/tuple [a]", ["a"]),
        ("!!binary 6Q==", ["\udce9"]),
        ("null", []),
    ],
)
def test_header_value_of_any_kind_is_read(text: str, values: list[str]) -> None:
    request = REQUEST.replace("      content-type:\n      - application/json\n", f"      x-test: {text}\n")
    assert one(cassette(request)).request.headers == {"X-Test": values}


def test_header_name_that_is_a_python_string_is_read() -> None:
    request = REQUEST.replace(
        "      content-type:\n",
        "      ? !!python/object/new:multidict._multidict.istr\n"
        "        args:\n        - Content-Type\n      :\n",
    )
    assert one(cassette(request)).request.headers == {"Content-Type": ["application/json"]}


@pytest.mark.parametrize(
    "tag",
    [
        "!!python/object/apply:os.mkdir",
        "!!python/object/new:os.mkdir",
        "!!python/name:os.mkdir",
        "!!python/module:os.mkdir",
        "!!python/object:os.mkdir",
        "!custom",
    ],
)
def test_tags_never_construct_anything(tag: str, tmp_path: Path) -> None:
    target = tmp_path / "made"
    argument = f'["{target}"]' if "apply" in tag or "new" in tag else "''"
    error = refusal(cassette(REQUEST.replace("""'{"model":"gpt-4o-mini"}'""", f"{tag} {argument}")))
    assert "never construct" in str(error)
    assert error.line == 2
    assert not target.exists()


def test_tags_under_keys_that_are_not_read_do_no_harm(tmp_path: Path) -> None:
    target = tmp_path / "made"
    response = RESPONSE + f'    url: !!python/object/apply:os.mkdir ["{target}"]\n'
    assert one(cassette(response=response)).response.code == 200
    assert not target.exists()


def test_langchains_lists_of_requests_and_responses() -> None:
    document: dict[str, list[dict[str, object]]] = {
        "requests": [
            {
                "method": "POST",
                "uri": f"https://api.openai.com/v1/{n}",
                "body": b'{"n":1}',
                "headers": {"a": ["b"]},
            }
            for n in range(2)
        ],
        "responses": [
            {
                "status": {"code": 200 + n, "message": "OK"},
                "headers": {},
                "body": {"string": gzip.compress(b"{}", mtime=0)},
            }
            for n in range(2)
        ],
    }
    read = vcrpy.load(yaml.safe_dump(document).encode())
    assert [i.request.url[-1] for i in read.interactions] == ["0", "1"]
    assert [i.response.code for i in read.interactions] == [200, 201]
    assert [i.response.body for i in read.interactions] == [b"{}", b"{}"]
    document["responses"].pop()
    assert "2 requests and 1 responses" in str(refusal(yaml.safe_dump(document).encode()))


@pytest.mark.parametrize(
    ("request_", "response", "reason"),
    [
        ("- request: {rpc: 1}\n", RESPONSE, "no request with a method and a URI"),
        ("- request: null\n", RESPONSE, "no request with a method and a URI"),
        (REQUEST.replace("https:", "ws:"), RESPONSE, "'ws://api.openai.com/v1/chat/completions'"),
        (REQUEST.replace("https://api.openai.com", ""), RESPONSE, "'/v1/chat/completions'"),
        (REQUEST.replace("api.openai.com", "[a"), RESPONSE, "'https://[a/v1/chat/completions'"),
        (REQUEST, "  response: null\n", "no response with a status"),
        (REQUEST, RESPONSE.replace("200", "0"), "its status is 0"),
    ],
)
def test_entries_that_are_not_http_are_left_out_and_named(request_: str, response: str, reason: str) -> None:
    read = vcrpy.load(cassette().replace(b"version: 1\n", b"") + f"{request_}{response}version: 1\n".encode())
    assert [i.id for i in read.interactions] == [0]
    (note,) = read.notes
    assert note.startswith("interaction 1 (line 18) is left out: ")
    assert reason in note


def test_file_that_ends_inside_an_entry_is_refused() -> None:
    error = refusal(cassette()[: cassette().index(b"    status:")])
    assert error.line == 2
    assert "cut short" in str(error)


def test_missing_version_is_noted_for_the_file_may_be_cut_short() -> None:
    read = vcrpy.load(cassette().removesuffix(b"version: 1\n"))
    assert len(read.interactions) == 1
    assert "cut short" in read.notes[0]


@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
def test_bom_and_crlf_change_nothing(bom: bytes) -> None:
    assert vcrpy.load(bom + cassette().replace(b"\n", b"\r\n")) == vcrpy.load(cassette())


def test_cassettes_of_the_json_serializer_are_read() -> None:
    data = vcrpy.load(cassette())
    requests, responses = deserialize(cassette().decode(), yamlserializer)
    text = serialize({"requests": requests, "responses": responses}, jsonserializer)
    assert vcrpy.load(text.encode()) == data


def test_aliases_of_vcrpys_dumper_are_read() -> None:
    values = ["application/json"]
    document = yaml.load(cassette(), yaml.CSafeLoader)
    for side in ("request", "response"):
        document["interactions"][0][side]["headers"]["content-type"] = values
    data = yamlserializer.serialize(document).encode()
    assert b"*id001" in data
    assert vcrpy.load(data) == vcrpy.load(cassette())


@pytest.mark.parametrize(
    ("data", "reason", "line"),
    [
        (b"", "empty", None),
        (b"- a\n", "a list, not a mapping", 1),
        (b"hello", "text, not a mapping", 1),
        (b"a: 1\n", "no 'interactions'", 1),
        (b"- request:\n    body: x\n", "before 1.0", 1),
        (b"interactions: {a: 1}\n", "a mapping, not a list", 1),
        (b"interactions: []\nversion: 2\n", "version 2", 2),
        (b"interactions: []\nversion: x\n", "not a whole number", 2),
        (b"interactions: []\n---\nversion: 1\n", "second document", 2),
        (b"interactions: []\ninteractions: []\n", "stands twice", 2),
        (b"interactions:\n- 1\n", "interaction 0 is text, not a mapping", 2),
        (cassette(REQUEST.replace("content-type:", "a: x\n      a:")), "the key 'a' stands twice", 6),
        (cassette(REQUEST.replace("method: POST", "method: [a]")), "request.method is a list", 2),
        (
            cassette(REQUEST.replace("- application/json", "- {a: b}")),
            "content-type is a mapping, not text",
            2,
        ),
        (
            cassette(REQUEST.replace("headers:", "headers: 1\n    x:")),
            "request.headers is text, not a mapping",
            2,
        ),
        (cassette(response=RESPONSE.replace("200", "OK")), "status.code is 'OK'", 2),
        (cassette(response=RESPONSE.replace("200", "1e99")), "status.code is '1e99'", 2),
        (cassette(REQUEST.replace('\'{"model":"gpt-4o-mini"}\'', "!!binary a")), "not base64", 3),
        (cassette(REQUEST.replace('\'{"model":"gpt-4o-mini"}\'', "*x")), "alias *x stands for nothing", 3),
        (cassette(REQUEST.replace("headers:\n", "headers:\n      <<: {a: b}\n")), "merge key", 5),
        (cassette()[:60], "cut short", None),
        (b'{"interactions": [{"request"', "cut short", 1),
        (b'{"interactions": [], "interactions": []}', "stands twice", None),
        (b"interactions: \x00\n", "not YAML", 1),
        (b"interactions:\n- \xff\n", "not YAML", 2),
        (b'{"a": "\xff"}', "not UTF-8", 1),
    ],
)
def test_bad_input_is_refused_with_its_place(data: bytes, reason: str, line: int | None) -> None:
    error = refusal(data)
    assert reason in str(error)
    assert "\n" not in str(error)
    if line is not None:
        assert error.line == line


@pytest.mark.parametrize("levels", [b"[", b"- ", b"{a: ", b"? "])
def test_deep_nesting_is_refused_at_once(levels: bytes) -> None:
    started = time.perf_counter()
    assert "levels deep" in str(refusal(b"interactions:\n- " + levels * 100_000))
    assert "levels deep" in str(refusal(b'{"interactions": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"))
    assert "levels deep" in str(refusal(b'{"interactions": ' + b"[" * 500 + b"]" * 500 + b"}"))
    assert time.perf_counter() - started < 5


def test_yaml_bomb_is_refused_at_once() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    started = time.perf_counter()
    assert "aliases that stand for too much" in str(refusal("\n".join(lines).encode()))
    assert time.perf_counter() - started < 2


def test_too_many_values_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yaml_json, "MAX_VALUES", 20)
    assert "more than 20 values" in str(refusal(cassette() * 3))


@given(st.binary(max_size=300))
@example(b"\r\r[}")
@example(b"a: \xc2\x85\xc2\x85}")
def test_any_bytes_are_a_cassette_or_a_format_error(data: bytes) -> None:
    loads_or_refuses(data)


FRAGMENTS = [
    *("interactions:", "\n- request:", "\n  response:", "\n    body:", " null", " 'x'", "\n      string: y"),
    *(
        "\n    headers:",
        " {a: [b]}",
        " {a: b}",
        "\n    method: GET",
        "\n    uri: http://a/b",
        "\n    parsed_body:",
    ),
    *(
        "\n    status: {code: 200, message: OK}",
        "\n    status_code: 1",
        " !!binary YQ==",
        " !!python/tuple [1]",
    ),
    *(
        " &a",
        " *a",
        " !!python/object/new:_io.BytesIO {}",
        " !!set {a}",
        "\nversion: 1\n",
        " [[]]",
        " 1.5",
        " <<: *a",
    ),
]


@given(st.lists(st.sampled_from(FRAGMENTS), max_size=25).map("".join))
def test_any_text_of_a_cassettes_pieces_is_a_cassette_or_a_format_error(text: str) -> None:
    loads_or_refuses(text.encode())


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.data())
def test_wrong_types_in_any_field_are_a_cassette_or_a_format_error(data: st.DataObject) -> None:
    document = json.loads(json.dumps(yaml.load(cassette(), yaml.CSafeLoader)))
    place = document
    for _ in range(data.draw(st.integers(0, 4))):
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        key = data.draw(st.sampled_from(keys)) if keys else None
        if key is None or not isinstance(place[key], dict | list) or not place[key]:
            break
        place = place[key]
    key = data.draw(st.sampled_from(list(place) if isinstance(place, dict) else list(range(len(place)))))
    place[key] = data.draw(JSON)
    loads_or_refuses(json.dumps(document).encode())


def loads_or_refuses(data: bytes) -> None:
    try:
        read = vcrpy.load(data)
    except FormatError as error:
        assert str(error)  # noqa: PT017 - either outcome is right
        return
    assert len(vcrpy.load(vcrpy.dump(read)).interactions) == len(read.interactions)


@given(CASSETTES)
def test_what_is_dumped_loads_again(written: Cassette) -> None:
    read = vcrpy.load(vcrpy.dump(written))
    assert [comparable(i) for i in read.interactions] == [comparable(i) for i in written.interactions]


def comparable(interaction: Interaction) -> Interaction:
    """What survives: VCR.py's format doesn't say whether a body was decompressed."""
    response = replace(interaction.response, uncompressed=False, content_length=0)
    return replace(interaction, response=response)


def seen_by_vcrpy(data: bytes) -> list[object]:
    requests, responses = deserialize(data.decode(), yamlserializer)
    dropped = {"host", "content-length", "connection", "transfer-encoding"}
    return [
        (
            request.method,
            request.uri,
            request.body or b"",
            {k.lower(): v for k, v in request.headers.items() if k.lower() not in dropped},
            response["status"],
            response["body"]["string"],
            {k.lower(): v for k, v in response["headers"].items() if k.lower() not in dropped},
        )
        for request, response in zip(requests, responses, strict=True)
    ]


@given(CASSETTES)
def test_vcrpy_reads_what_is_dumped_as_it_was(written: Cassette) -> None:
    data = vcrpy.dump(written)
    requests, responses = deserialize(data.decode(), yamlserializer)
    assert len(requests) == len(written.interactions)
    for request, response, interaction in zip(requests, responses, written.interactions, strict=True):
        assert request.method == interaction.request.method
        assert request.uri == interaction.request.url
        assert request.body == interaction.request.body
        assert dict(request.headers) == {k: v[0] for k, v in interaction.request.headers.items()}
        assert response["status"]["code"] == interaction.response.code
        assert response["body"]["string"] == interaction.response.body
        assert response["headers"] == interaction.response.headers


@given(CASSETTES)
def test_dump_writes_the_bytes_of_vcrpys_serializer(written: Cassette) -> None:
    data = vcrpy.dump(written)
    requests, responses = deserialize(data.decode(), yamlserializer)
    assert serialize({"requests": requests, "responses": responses}, yamlserializer).encode() == data


@given(CASSETTES)
def test_what_vcrpy_writes_is_read_as_vcrpy_reads_it(drawn: Cassette) -> None:
    requests = [
        VCRRequest(
            i.request.method, i.request.url, i.request.body, {k: v[0] for k, v in i.request.headers.items()}
        )
        for i in drawn.interactions
    ]
    responses = [
        {
            "status": {"code": i.response.code, "message": "Reason"},
            "headers": {k: list(v) for k, v in i.response.headers.items()},
            "body": {"string": i.response.body},
        }
        for i in drawn.interactions
    ]
    data = serialize({"requests": requests, "responses": responses}, yamlserializer).encode()
    read = vcrpy.load(data)
    assert [i.request.body for i in read.interactions] == [i.request.body for i in drawn.interactions]
    assert [i.response.body for i in read.interactions] == [i.response.body for i in drawn.interactions]
    assert [i.response.status for i in read.interactions] == [
        f"{i.response.code} Reason" for i in drawn.interactions
    ]


CHAT = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "gpt-4o-mini",
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Hé, 😀"}}],
}


@pytest.fixture
def replayable(tmp_path: Path) -> Path:
    answer = json.dumps(CHAT, ensure_ascii=False).encode()
    request = Request(
        "POST",
        "https://api.openai.com/v1/chat/completions",
        body=b"{}",
        headers={"Content-Type": ["application/json"]},
    )
    response = Response(
        200,
        "200 OK",
        proto="HTTP/2.0",
        uncompressed=True,
        content_length=-1,
        body=answer,
        headers={"Content-Type": ["application/json"]},
        duration=5,
    )
    path = tmp_path / "cassette.yaml"
    path.write_bytes(vcrpy.dump(Cassette([Interaction(request, response)])))
    return path


def test_openais_client_replays_in_vcrpy_what_is_dumped(replayable: Path) -> None:
    with (
        vcr.use_cassette(str(replayable), record_mode="none") as played,
        openai.OpenAI(api_key="none", max_retries=0) as client,
    ):
        answer = client.chat.completions.create(
            model="gpt-4o-mini", messages=[{"role": "user", "content": "Hi"}]
        )
    assert answer.choices[0].message.content == "Hé, 😀"
    assert played.all_played


def test_openais_async_client_replays_in_vcrpy_what_is_dumped(replayable: Path) -> None:
    async def ask() -> str | None:
        with vcr.use_cassette(str(replayable), record_mode="none"):
            async with openai.AsyncOpenAI(api_key="none", max_retries=0) as client:
                answer = await client.chat.completions.create(
                    model="gpt-4o-mini", messages=[{"role": "user", "content": "Hi"}]
                )
        return answer.choices[0].message.content

    assert asyncio.run(ask()) == "Hé, 😀"


def test_several_values_of_a_requests_header_are_joined_for_vcrpy() -> None:
    request = Request("GET", "https://a/", headers={"Accept": ["a", "b"], "Cookie": ["c=d", "e=f"]})
    (read,), _ = deserialize(
        vcrpy.dump(Cassette([Interaction(request, Response(200))])).decode(), yamlserializer
    )
    assert dict(read.headers) == {"Accept": "a, b", "Cookie": "c=d; e=f"}


def test_what_is_lost_is_named() -> None:
    request = Request("GET", "https://a/")
    response = Response(200, proto="HTTP/2.0", duration=7, headers={"X": ["\udce9"]}, trailer={"T": ["v"]})
    whole = Cassette([Interaction(request, response), Interaction(request, Response(200))])
    assert vcrpy.losses(whole) == [
        "durations (1 interactions)",
        "trailers (1 interactions)",
        "protocols other than HTTP/1.1 (1 interactions)",
        "header values that are not UTF-8 (1 interactions)",
    ]
    assert "é" in vcrpy.dump(whole).decode("unicode_escape")
    assert vcrpy.losses(Cassette([Interaction(request, Response(200))])) == []


def test_form_is_filled_as_go_fills_it() -> None:
    request = REQUEST.replace("completions", "completions?a=1").replace(
        "application/json", "application/x-www-form-urlencoded"
    )
    request = request.replace("""'{"model":"gpt-4o-mini"}'""", "b=2")
    assert one(cassette(request)).request.form == {"b": ["2"], "a": ["1"]}


def test_binary_body_survives() -> None:
    body = bytes(range(256))
    data = vcrpy.dump(
        Cassette([Interaction(Request("POST", "https://a/", body=body), Response(200, body=body))])
    )
    assert b"!!binary" in data
    assert base64.b64encode(body)[:40] in data
    assert (one(data).request.body, one(data).response.body) == (body, body)


def test_reading_costs_no_more_than_the_safe_loader() -> None:
    data = (
        b"interactions:\n" + cassette().removeprefix(b"interactions:\n").removesuffix(b"version: 1\n") * 500
    )

    def best(run: Callable[[], object]) -> float:
        times = []
        for _ in range(3):
            started = time.process_time()
            run()
            times.append(time.process_time() - started)
        return min(times)

    assert best(lambda: vcrpy.load(data)) < 1.5 * best(lambda: yaml.load(data, yaml.CSafeLoader))
