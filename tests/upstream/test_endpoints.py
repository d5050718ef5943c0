"""The stand-in upstream behaves as OpenAI does, and misbehaves when it is told to."""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
import os
import signal
import socket
import ssl
import statistics
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import brotli
import httpx
import openai
import pytest
import zstandard

from tests.upstream import CF_BM, CFUVID, ORGANIZATION, PRIVATE, PROJECT, REFUSE, knobs, words
from tests.upstream.encoding import negotiate
from tests.upstream.server import Upstream, UpstreamError

KEY = "sk-" + "a" * 48
AUTH = {"authorization": f"Bearer {KEY}"}
ASK = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Say hello"}]}
WEATHER = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
    "required": ["city", "days"],
}
CHAT = "/v1/chat/completions"


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    with Upstream.start() as started:
        yield started
        assert started.stderr() == ""


@pytest.fixture(scope="module")
def secure() -> Iterator[Upstream]:
    with Upstream.start(tls=True) as started:
        yield started
        assert started.stderr() == ""


def http_client(to: Upstream, *, http2: bool = False) -> httpx.Client:
    context = ssl.create_default_context(cafile=str(to.ca)) if to.ca else True
    return httpx.Client(
        base_url=to.url, verify=context, http1=not http2, http2=http2, headers=AUTH, trust_env=False
    )


@pytest.fixture
def client(upstream: Upstream) -> Iterator[httpx.Client]:
    with http_client(upstream) as made:
        yield made


@pytest.fixture
def client2(secure: Upstream) -> Iterator[httpx.Client]:
    with http_client(secure, http2=True) as made:
        yield made


@pytest.fixture
def sdk(upstream: Upstream) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{upstream.url}/v1", api_key=KEY, max_retries=2) as made:
        yield made


def events(text: str) -> list[Any]:
    """The data of each event of a stream, `[DONE]` left out."""
    found = [line.removeprefix("data: ") for line in text.splitlines() if line.startswith("data: ")]
    return [json.loads(each) for each in found if each != "[DONE]"]


def tool(name: str = "get_weather") -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, "parameters": WEATHER}}


def read_until(broken: type[httpx.TransportError], answer: httpx.Response) -> str:
    """The text that came before the answer broke in this way."""
    text = ""
    try:
        for part in answer.iter_text():
            text += part
    except broken:
        return text
    pytest.fail(f"the answer ended whole, without {broken.__name__}")


def asking(text: str, **more: Any) -> dict[str, Any]:
    return {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": text}], **more}


# What it answers


def test_chat_completion_says_the_prompt_back_and_the_same_each_time(client: httpx.Client) -> None:
    first, second = client.post(CHAT, json=ASK), client.post(CHAT, json=ASK)
    assert first.json()["choices"][0]["message"]["content"].startswith("You said: Say hello")
    assert first.content == second.content
    assert first.content.startswith(b'{\n  "id": "chatcmpl-')


def test_another_prompt_gets_another_id(client: httpx.Client) -> None:
    other = client.post(CHAT, json=asking("Say goodbye")).json()
    assert other["id"] != client.post(CHAT, json=ASK).json()["id"]


def test_chat_stream_has_ten_chunks_usage_and_done(client: httpx.Client) -> None:
    asked = ASK | {"stream": True, "stream_options": {"include_usage": True}}
    answer = client.post(CHAT, json=asked)
    found = events(answer.text)
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert len(found) >= 12
    assert answer.text.endswith("data: [DONE]\n\n")
    assert found[-1]["choices"] == []
    assert found[-1]["usage"]["total_tokens"] > 0
    text = "".join(each["choices"][0]["delta"].get("content") or "" for each in found[:-1])
    assert text == client.post(CHAT, json=ASK).json()["choices"][0]["message"]["content"]


def test_stream_has_no_usage_unless_asked(client: httpx.Client) -> None:
    assert "usage" not in client.post(CHAT, json=ASK | {"stream": True}).text


def test_n_choices_differ_and_interleave_in_a_stream(client: httpx.Client) -> None:
    asked = ASK | {"n": 2}
    plain = [each["message"]["content"] for each in client.post(CHAT, json=asked).json()["choices"]]
    found = [each["choices"][0] for each in events(client.post(CHAT, json=asked | {"stream": True}).text)]
    assert len(set(plain)) == 2
    assert [each["index"] for each in found[:4]] == [0, 1, 0, 1]
    texts = [
        "".join(each["delta"].get("content") or "" for each in found if each["index"] == index)
        for index in (0, 1)
    ]
    assert texts == plain


def test_tool_is_called_when_the_prompt_is_about_it(sdk: openai.OpenAI) -> None:
    asked = asking("What's the weather in Florence for 3 days?", tools=[tool()])
    answer = sdk.chat.completions.create(**asked)
    (call,) = answer.choices[0].message.tool_calls or []
    assert answer.choices[0].finish_reason == "tool_calls"
    assert call.type == "function"
    assert json.loads(call.function.arguments) == {"city": "Florence", "days": 3}
    again = sdk.chat.completions.create(**asked, stream=True)
    pieces = [
        each.function.arguments or ""
        for chunk in again
        for each in chunk.choices[0].delta.tool_calls or []
        if each.function
    ]
    assert len(pieces) > 5
    assert "".join(pieces) == call.function.arguments


def test_tool_is_left_alone_by_other_prompts_and_after_its_result(client: httpx.Client) -> None:
    ignored = client.post(CHAT, json=asking("Say hello", tools=[tool()])).json()
    asked = asking("What's the weather in Florence?", tools=[tool()])
    call = client.post(CHAT, json=asked).json()["choices"][0]["message"]
    result = {"role": "tool", "tool_call_id": call["tool_calls"][0]["id"], "content": "22 degrees"}
    followed = client.post(CHAT, json=asked | {"messages": [*asked["messages"], call, result]}).json()
    assert ignored["choices"][0]["finish_reason"] == "stop"
    assert "22 degrees" in followed["choices"][0]["message"]["content"]


def test_two_tools_are_called_at_once_and_one_when_it_is_required(client: httpx.Client) -> None:
    both = asking("What are the weather and the time tool of Rome?", tools=[tool(), tool("time")])
    found = client.post(CHAT, json=both).json()["choices"][0]["message"]["tool_calls"]
    required = asking("Hello", tools=[tool()], tool_choice="required")
    forced = client.post(CHAT, json=required).json()["choices"][0]
    assert [each["function"]["name"] for each in found] == ["get_weather", "time"]
    assert found[0]["id"] != found[1]["id"]
    assert forced["finish_reason"] == "tool_calls"


def test_structured_output_fits_its_schema(client: httpx.Client) -> None:
    schema = {"type": "object", "properties": {"list": {"type": "array", "items": {"$ref": "#/$defs/w"}}}}
    spec = {"name": "plan", "strict": True, "schema": schema | {"$defs": {"w": WEATHER}}}
    asked = asking("Plan 4 days in Oslo", response_format={"type": "json_schema", "json_schema": spec})
    said = client.post(CHAT, json=asked).json()["choices"][0]["message"]["content"]
    assert json.loads(said) == {"list": [{"city": "Oslo", "days": 4}]}
    answer = client.post("/v1/responses", json={"model": "gpt-4o", "input": "In Oslo 4"} | _text(spec)).json()
    assert json.loads(answer["output"][0]["content"][0]["text"]) == {"list": [{"city": "Oslo", "days": 4}]}


def _text(spec: dict[str, Any]) -> dict[str, Any]:
    return {"text": {"format": {"type": "json_schema", **spec}}}


def test_refusal_plain_and_streamed(client: httpx.Client) -> None:
    asked = asking(f"Now {REFUSE} this")
    message = client.post(CHAT, json=asked).json()["choices"][0]["message"]
    found = events(client.post(CHAT, json=asked | {"stream": True}).text)
    assert message["content"] is None
    streamed = "".join(each["choices"][0]["delta"].get("refusal") or "" for each in found)
    assert streamed == message["refusal"] != ""


def test_responses_stream_has_the_real_events_in_order(client: httpx.Client) -> None:
    answer = client.post("/v1/responses", json={"model": "gpt-4o", "input": "Hello", "stream": True})
    found = events(answer.text)
    named = [line.removeprefix("event: ") for line in answer.text.splitlines() if line.startswith("event: ")]
    assert [each["type"] for each in found] == named
    assert [each["sequence_number"] for each in found] == list(range(len(found)))
    assert len(named) > 16
    assert "[DONE]" not in answer.text
    assert list(dict.fromkeys(named)) == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ]


def test_sdk_reads_responses_and_their_streams_alike(sdk: openai.OpenAI) -> None:
    plain = sdk.responses.create(model="gpt-4o", input="Hello")
    with sdk.responses.stream(model="gpt-4o", input="Hello") as opened:
        for _ in opened:
            pass
        streamed = opened.get_final_response()
    assert plain.output_text == streamed.output_text
    assert "Hello" in plain.output_text


def test_responses_call_functions_with_reasoning(sdk: openai.OpenAI) -> None:
    function: Any = {"type": "function", "name": "get_weather", "parameters": WEATHER, "strict": True}
    asked: dict[str, Any] = {
        "model": "o4-mini",
        "input": "What's the weather in Paris for 2 days?",
        "tools": [function],
        "reasoning": {"effort": "low", "summary": "auto"},
        "include": ["reasoning.encrypted_content"],
    }
    plain = sdk.responses.create(**asked)
    assert [item.type for item in plain.output] == ["reasoning", "function_call"]
    assert getattr(plain.output[0], "encrypted_content", "").startswith("gAAAAA")
    assert json.loads(getattr(plain.output[1], "arguments", "")) == {"city": "Paris", "days": 2}
    found = list(sdk.responses.create(**asked, stream=True))
    kinds = [each.type for each in found]
    assert kinds.index("response.reasoning_summary_text.delta") < kinds.index(
        "response.function_call_arguments.delta"
    )
    done = next(each for each in found if each.type == "response.function_call_arguments.done")
    assert getattr(done, "arguments", "") == getattr(plain.output[1], "arguments", None)


def test_background_response_is_queued_then_in_progress_then_completed(client: httpx.Client) -> None:
    asked = {"model": "gpt-4o", "input": "Take your time", "background": True}
    first = client.post("/v1/responses", json=asked).json()
    where = f"/v1/responses/{first['id']}"
    seen = [first["status"], *(client.get(where).json()["status"] for _ in range(3))]
    assert seen == ["queued", "in_progress", "completed", "completed"]
    assert client.delete(where).json()["deleted"] is True
    assert client.get(where).status_code == 404


def test_background_response_can_be_cancelled_others_not(client: httpx.Client) -> None:
    asked = {"model": "gpt-4o", "input": "Never mind", "background": True}
    where = f"/v1/responses/{client.post('/v1/responses', json=asked).json()['id']}"
    assert client.post(f"{where}/cancel").json()["status"] == "cancelled"
    assert client.get(where).json()["status"] == "cancelled"
    other = client.post("/v1/responses", json={"model": "gpt-4o", "input": "Done"}).json()
    assert client.post(f"/v1/responses/{other['id']}/cancel").status_code == 400
    assert client.get(f"/v1/responses/{other['id']}").json() == other


def test_legacy_completions_plain_and_streamed(client: httpx.Client) -> None:
    asked = {"model": "gpt-3.5-turbo-instruct", "prompt": "Once"}
    plain = client.post("/v1/completions", json=asked).json()["choices"][0]["text"]
    found = events(client.post("/v1/completions", json=asked | {"stream": True}).text)
    assert "".join(each["choices"][0]["text"] for each in found) == plain


def test_embeddings_as_numbers_and_base64_agree(client: httpx.Client) -> None:
    asked = {"model": "text-embedding-3-small", "input": ["one", "two"], "dimensions": 8}
    numbers = [each["embedding"] for each in client.post("/v1/embeddings", json=asked).json()["data"]]
    packed = client.post("/v1/embeddings", json=asked | {"encoding_format": "base64"}).json()["data"]
    assert numbers[0] != numbers[1]
    assert struct.unpack("<8f", base64.b64decode(packed[0]["embedding"])) == pytest.approx(numbers[0])
    assert sum(number * number for number in numbers[0]) == pytest.approx(1.0)


def test_sdk_gets_whole_embeddings(sdk: openai.OpenAI) -> None:
    answer = sdk.embeddings.create(model="text-embedding-3-small", input="one")
    assert len(answer.data[0].embedding) == 1536


def test_models_known_unknown_and_deleted(client: httpx.Client) -> None:
    listed = client.get("/v1/models").json()["data"]
    assert client.get(f"/v1/models/{listed[0]['id']}").json() == listed[0]
    unknown = client.get("/v1/models/no-such-model")
    assert unknown.status_code == 404
    assert unknown.json()["error"] == {
        "message": "The model 'no-such-model' does not exist",
        "type": "invalid_request_error",
        "param": "model",
        "code": "model_not_found",
    }
    assert client.delete("/v1/models/ft:gpt-4o:acme").json()["deleted"] is True
    assert client.delete(f"/v1/models/{listed[0]['id']}").status_code == 403


def test_speech_is_chunked_binary_that_is_no_text(client: httpx.Client) -> None:
    answer = client.post("/v1/audio/speech", json={"model": "tts-1", "input": "Hi", "voice": "alloy"})
    assert answer.headers["content-type"] == "audio/mpeg"
    assert answer.headers["transfer-encoding"] == "chunked"
    assert "content-length" not in answer.headers
    assert len(answer.content) == 4096
    with pytest.raises(UnicodeDecodeError):
        answer.content.decode()


@pytest.mark.parametrize("shape", ["json", "text", "verbose_json"])
def test_transcription_of_an_upload(sdk: openai.OpenAI, shape: Any) -> None:
    answer: Any = sdk.audio.transcriptions.create(
        model="whisper-1", file=("a.wav", b"\xff\xfe\r\n--x\r\n"), response_format=shape
    )
    assert "(9 bytes)" in getattr(answer, "text", answer)


def test_uploaded_file_comes_back_to_the_byte(sdk: openai.OpenAI) -> None:
    content = bytes(range(256)) * 40 + b"\r\n--almost a boundary\r\n"
    made = sdk.files.create(file=("data.bin", content), purpose="user_data")
    assert (made.filename, made.bytes) == ("data.bin", len(content))
    assert sdk.files.content(made.id).read() == content
    assert made.id in [each.id for each in sdk.files.list()]
    assert sdk.files.delete(made.id).deleted
    with pytest.raises(openai.NotFoundError):
        sdk.files.retrieve(made.id)
    assert sdk.files.content("file-standin").read() == bytes(range(256))


def test_moderations_and_images(sdk: openai.OpenAI) -> None:
    assert not sdk.moderations.create(input="peace").results[0].flagged
    assert sdk.moderations.create(input="violence").results[0].flagged
    image = sdk.images.generate(model="gpt-image-1", prompt="a pixel")
    assert base64.b64decode((image.data or [])[0].b64_json or "").startswith(b"\x89PNG")


def test_azure_paths_take_an_api_key_and_give_the_same_answers(upstream: Upstream) -> None:
    with openai.AzureOpenAI(azure_endpoint=upstream.url, api_key=KEY, api_version="2024-10-21") as azure:
        answer = azure.chat.completions.create(**asking("Say hello"))
    assert answer.choices[0].message.content == "".join(words.reply("Say hello", knobs.NONE))
    reached = upstream.requests()[-1]
    assert reached.path == "/openai/deployments/gpt-4o-mini/chat/completions?api-version=2024-10-21"
    assert reached.header("Api-Key") == KEY


def test_head_and_options(client: httpx.Client) -> None:
    head, whole = client.head("/v1/models"), client.get("/v1/models", headers={"accept-encoding": "identity"})
    assert (head.status_code, head.content) == (200, b"")
    head = client.head("/v1/models", headers={"accept-encoding": "identity"})
    assert head.headers["content-length"] == whole.headers["content-length"]
    options = client.options("/v1/models")
    assert (options.status_code, options.headers["allow"]) == (204, "GET, OPTIONS")


# Errors


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("POST", "/v1/nothing", b"{}", 404, None),
        ("GET", "/", b"", 404, None),
        ("PUT", "/v1/models", b"{}", 405, "method_not_supported"),
        ("POST", CHAT, b"{no json", 400, None),
        ("POST", CHAT, b"{}", 400, None),
        ("POST", CHAT, b'{"model": "gpt-4o"}', 400, "missing_required_parameter"),
        ("POST", CHAT, b'{"model": "no-such-model", "messages": []}', 404, "model_not_found"),
        ("GET", "/v1/responses/resp_unknown", b"", 404, None),
        ("GET", "/openai/deployments/gpt-4o/chat/completions", b"", 404, None),
    ],
)
def test_errors_have_openais_shape(
    client: httpx.Client, method: str, path: str, body: bytes, *, status: int, code: str | None
) -> None:
    answer = client.request(method, path, content=body)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (status, code)
    assert set(error) == {"message", "type", "param", "code"}
    assert error["type"] == "invalid_request_error"


def test_no_key_is_401_and_a_wrong_one_is_masked(upstream: Upstream) -> None:
    wrong = "sk-wrong" + "x" * 20 + "1234"
    without = httpx.get(f"{upstream.url}/v1/models", trust_env=False)
    refused = httpx.get(
        f"{upstream.url}/v1/models", headers={"authorization": f"Bearer {wrong}"}, trust_env=False
    )
    assert (without.status_code, refused.status_code) == (401, 401)
    assert "didn't provide an API key" in without.json()["error"]["message"]
    assert refused.json()["error"]["code"] == "invalid_api_key"
    assert f"sk-wrong{'*' * 20}1234." in refused.json()["error"]["message"]


def test_rate_limit_says_when_to_come_back(client: httpx.Client) -> None:
    answer = client.post(CHAT, json=ASK, headers={"x-standin": "status=429;retry-after=1,retry-after-ms=20"})
    assert answer.status_code == 429
    assert (answer.headers["retry-after"], answer.headers["retry-after-ms"]) == ("1", "20")
    assert answer.json()["error"]["code"] == "rate_limit_exceeded"
    assert ORGANIZATION not in answer.text
    assert ORGANIZATION in client.post(CHAT, json=ASK, headers={"x-standin": "status=429,leak"}).text


def test_sdk_retries_until_the_failures_are_over(upstream: Upstream, sdk: openai.OpenAI) -> None:
    told = {"x-standin": "fail=2:429,retry-after-ms=5", "x-standin-id": "retries"}
    answer = sdk.chat.completions.create(**asking("Try again"), extra_headers=told)
    assert answer.choices[0].finish_reason == "stop"
    reached = [each for each in upstream.requests() if each.header("x-standin-id") == "retries"]
    assert [each.header("x-stainless-retry-count") for each in reached] == ["0", "1", "2"]
    with pytest.raises(openai.InternalServerError):
        sdk.chat.completions.create(
            **asking("Never"), extra_headers={"x-standin": "status=503,retry-after-ms=1"}
        )


def test_count_tells_identical_requests_apart(client: httpx.Client) -> None:
    told = {"x-standin": "count"}
    found = [client.post(CHAT, json=asking("Count this"), headers=told).json() for _ in range(2)]
    assert [each["choices"][0]["message"]["content"][:3] for each in found] == ["#1 ", "#2 "]


def test_unknown_word_is_refused(client: httpx.Client) -> None:
    for word in ("staus=500", "cut", "no-done=1", "encoding=lzma", "events=many"):
        answer = client.get("/v1/models", headers={"x-standin": word})
        assert answer.status_code == 400
        assert word in answer.json()["error"]["message"]


# On the wire


@pytest.mark.parametrize("protocol", ["client", "client2"])
def test_headers_are_those_that_openai_sends(protocol: str, request: pytest.FixtureRequest) -> None:
    made: httpx.Client = request.getfixturevalue(protocol)
    answer = made.post(CHAT, json=ASK, headers={"accept-encoding": "identity"})
    assert answer.http_version == ("HTTP/1.1" if protocol == "client" else "HTTP/2")
    assert answer.headers["content-length"] == str(len(answer.content))
    assert answer.headers["openai-organization"] == ORGANIZATION
    assert answer.headers["openai-project"] == PROJECT
    assert answer.headers["openai-version"] == "2020-10-01"
    cookies = answer.headers.get_list("set-cookie")
    assert [cookie.partition(";")[0] for cookie in cookies] == [f"__cf_bm={CF_BM}", f"_cfuvid={CFUVID}"]
    named = {name.lower() for name in answer.headers}
    assert named >= {"openai-processing-ms", "x-request-id", "x-ratelimit-limit-requests", "cf-ray", "date"}
    assert named >= {"server", "alt-svc", "strict-transport-security", "cf-cache-status"}
    assert all(value in str(answer.headers.raw) for value in PRIVATE)


DECODERS = {
    "gzip": gzip.decompress,
    "deflate": zlib.decompress,
    "br": brotli.decompress,
    "zstd": lambda raw: zstandard.ZstdDecompressor().decompressobj().decompress(raw),
}


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("coding", DECODERS)
def test_every_coding_decodes_to_the_same_bytes(client: httpx.Client, coding: str, streamed: bool) -> None:
    asked = ASK | {"stream": streamed}
    clear = client.post(CHAT, json=asked, headers={"accept-encoding": "identity"})
    assert "content-encoding" not in clear.headers
    headers = {"accept-encoding": coding}
    with client.stream("POST", CHAT, json=asked, headers=headers) as answer:
        raw = b"".join(answer.iter_raw())
    assert answer.headers["content-encoding"] == coding
    assert "content-length" not in answer.headers
    assert DECODERS[coding](raw) == clear.content


def test_compressed_stream_gives_each_event_at_once(client: httpx.Client) -> None:
    headers = {"x-standin": "stall=3,encoding=gzip"}
    with client.stream("POST", CHAT, json=ASK | {"stream": True}, headers=headers) as answer:
        text = ""
        for part in answer.iter_text():
            text += part
            if text.count("\n\n") == 3:
                break
    assert len(events(text)) == 3


@pytest.mark.parametrize(
    ("accept", "coding"),
    [
        ("", "identity"),
        ("gzip, deflate, br, zstd", "br"),
        ("gzip", "gzip"),
        ("gzip;q=1.0, br;q=0.5", "gzip"),
        ("br;q=0, *", "zstd"),
        ("identity", "identity"),
        ("gzip;q=0", "identity"),
        ("gzip;q=0.5, identity", "identity"),
        ("gzip;q=much", "identity"),
    ],
)
def test_coding_is_the_one_that_the_client_likes_best(accept: str, coding: str) -> None:
    assert negotiate(accept) == coding


def test_sizes_and_counts_are_as_asked(client: httpx.Client) -> None:
    large = client.post(CHAT, json=ASK, headers={"x-standin": "size=100000"}).json()
    assert len(large["choices"][0]["message"]["content"]) == 100_000
    many = events(client.post(CHAT, json=ASK | {"stream": True}, headers={"x-standin": "events=60"}).text)
    assert sum("content" in each["choices"][0]["delta"] for each in many) == 61  # with the empty first one
    asked = {"model": "gpt-4o", "input": "Hello", "stream": True}
    for words_ in ("events=60", "events=60,size=6000"):
        found = events(client.post("/v1/responses", json=asked, headers={"x-standin": words_}).text)
        assert sum(each["type"] == "response.output_text.delta" for each in found) == 60
    spoken = client.post("/v1/audio/speech?standin=size%3D70000", json={"model": "tts-1", "input": "Hi"})
    assert len(spoken.content) == 70_000


def test_body_does_not_wait_for_the_headers_to_be_acknowledged(client: httpx.Client) -> None:
    taken = []
    for _ in range(31):
        started = time.perf_counter()
        client.get("/v1/models/gpt-4o")
        taken.append(time.perf_counter() - started)
    assert statistics.median(taken) < 0.03  # a delayed ACK takes 0.04


def test_redirect_and_chunked_json(client: httpx.Client) -> None:
    moved = client.get("/v1/files", headers={"x-standin": "redirect=/v1/models"})
    assert (moved.status_code, moved.headers["location"]) == (307, "/v1/models")
    answer = client.get("/v1/models", headers={"x-standin": "chunked", "accept-encoding": "identity"})
    assert answer.headers["transfer-encoding"] == "chunked"
    assert "content-length" not in answer.headers


def test_waits_are_kept(client: httpx.Client) -> None:
    started = time.monotonic()
    told = {"x-standin": "first=0.2,delay=0.02,events=10"}
    with client.stream("POST", CHAT, json=ASK | {"stream": True}, headers=told) as answer:
        headers_after = time.monotonic() - started
        answer.read()
    assert headers_after >= 0.2
    assert time.monotonic() - started >= 0.2 + 12 * 0.02


def test_stream_without_done_and_with_something_after_it(client: httpx.Client) -> None:
    asked = ASK | {"stream": True}
    assert "[DONE]" not in client.post(CHAT, json=asked, headers={"x-standin": "no-done"}).text
    late = client.post(CHAT, json=asked, headers={"x-standin": "trailing=0.01"}).text
    assert late.endswith("data: [DONE]\n\n: that was all\n\n")


@pytest.mark.parametrize("protocol", ["client", "client2"])
@pytest.mark.parametrize("count", [0, 5])
def test_cut_stream_breaks_after_its_events(
    protocol: str, count: int, request: pytest.FixtureRequest
) -> None:
    made: httpx.Client = request.getfixturevalue(protocol)
    told = {"x-standin": f"cut={count}"}
    with made.stream("POST", CHAT, json=ASK | {"stream": True}, headers=told) as answer:
        assert answer.status_code == 200
        text = read_until(httpx.RemoteProtocolError, answer)
    assert len(events(text)) == count
    assert made.get("/v1/models").status_code == 200


@pytest.mark.parametrize("protocol", ["client", "client2"])
def test_cut_json_and_dropped_answers_break(protocol: str, request: pytest.FixtureRequest) -> None:
    made: httpx.Client = request.getfixturevalue(protocol)
    for word in ("cut=50", "drop", "cut=50,encoding=gzip"):
        with pytest.raises(httpx.RemoteProtocolError):
            made.post(CHAT, json=ASK, headers={"x-standin": word})
    assert made.get("/v1/models").status_code == 200


@pytest.mark.parametrize("protocol", ["client", "client2"])
def test_stalled_stream_sends_no_more_and_lets_go_of_a_client_that_leaves(
    protocol: str, request: pytest.FixtureRequest
) -> None:
    made: httpx.Client = request.getfixturevalue(protocol)
    told = {"x-standin": "stall=4"}
    asked = ASK | {"stream": True}
    with made.stream("POST", CHAT, json=asked, headers=told, timeout=httpx.Timeout(5, read=0.3)) as answer:
        text = read_until(httpx.ReadTimeout, answer)
    assert len(events(text)) == 4
    assert made.get("/v1/models").status_code == 200


def test_http2_streams_run_side_by_side(secure: Upstream) -> None:
    before = secure.connections()
    told = {"x-standin": "delay=0.03,events=10", "Authorization": f"Bearer {KEY}"}
    taken: list[float] = []

    async def ask(client: httpx.AsyncClient) -> None:
        started = time.monotonic()
        answer = await client.post(CHAT, json=ASK | {"stream": True}, headers=told)
        assert answer.status_code == 200
        taken.append(time.monotonic() - started)

    async def ask_all() -> float:
        trusted = ssl.create_default_context(cafile=str(secure.ca))
        async with httpx.AsyncClient(
            base_url=secure.url, http2=True, verify=trusted, trust_env=False, timeout=30
        ) as client:
            await client.get("/v1/models", headers=told)
            started = time.monotonic()
            await asyncio.gather(*(ask(client) for _ in range(4)))
            return time.monotonic() - started

    whole = asyncio.run(ask_all())
    assert len(taken) == 4
    assert whole < sum(taken) / 2
    assert secure.connections() == before + 1


def test_certificate_is_good_for_openais_own_name(secure: Upstream) -> None:
    context = ssl.create_default_context(cafile=str(secure.ca))
    context.set_alpn_protocols(["h2"])
    with (
        socket.create_connection(("127.0.0.1", secure.port)) as raw,
        context.wrap_socket(raw, server_hostname="api.openai.com") as wrapped,
    ):
        assert wrapped.selected_alpn_protocol() == "h2"


# The log


def test_log_has_what_came_to_the_byte_and_can_be_cleared() -> None:
    with Upstream.start() as mine, http_client(mine) as made:
        made.post("/v1/nothing?a=%20b", content=b"\xff\x00", headers={"X-Mixed-Case": "Wert"})
        (found,) = mine.requests()
        assert (found.method, found.path, found.body) == ("POST", "/v1/nothing?a=%20b", b"\xff\x00")
        assert found.http_version == "HTTP/1.1"
        assert ("X-Mixed-Case", "Wert") in found.headers
        assert found.complete
        mine.clear()
        assert mine.requests() == []


def test_broken_upload_is_logged_as_incomplete() -> None:
    with Upstream.start() as mine:
        with socket.create_connection(("127.0.0.1", mine.port)) as raw:
            raw.sendall(b"POST /v1/files HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf")
        deadline = time.monotonic() + 10
        while not mine.requests() and time.monotonic() < deadline:
            pass
        (found,) = mine.requests()
        assert not found.complete
        assert mine.stderr() == ""


def test_connections_are_counted_bare_ones_too_but_not_the_questions() -> None:
    with Upstream.start() as mine:
        assert mine.connections() == 0
        with http_client(mine) as made:
            made.get("/v1/models")
            made.get("/v1/models")
        assert mine.connections() == 1
        with socket.create_connection(("127.0.0.1", mine.port)):
            deadline = time.monotonic() + 10
            while mine.connections() < 2 and time.monotonic() < deadline:
                pass
        assert mine.connections() == 2


# The process


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_it_cleanly_with_a_client_that_never_leaves(number: signal.Signals) -> None:
    command = [sys.executable, "-m", "tests.upstream"]
    root = Path(__file__).parents[2]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=root
    ) as process:
        assert process.stdout is not None
        url = process.stdout.readline().split()[-1]
        asked = ASK | {"stream": True}
        with httpx.stream(
            "POST",
            url + CHAT,
            json=asked,
            headers=AUTH | {"x-standin": "stall=1"},
            trust_env=False,
        ):
            process.send_signal(number)
            out, err = process.communicate(timeout=10)
    assert (process.returncode, out, err) == (0, "", "")


def test_it_ends_with_whoever_started_it() -> None:
    script = (
        "import os, signal; from tests.upstream.server import Upstream; u = Upstream.start(); "
        "print(u._process.pid, u._folder.name, flush=True); os.kill(os.getpid(), signal.SIGKILL)"
    )
    root = Path(__file__).parents[2]
    ran = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=root, check=False
    )
    pid, folder = ran.stdout.split()
    deadline = time.monotonic() + 10
    while _is_alive(int(pid)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not _is_alive(int(pid))
    Path(folder, "stderr").unlink()
    Path(folder).rmdir()


def _is_alive(pid: int) -> bool:
    """Whether the process runs; one that nobody waits for is a zombie, and doesn't."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")
    return not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] != "Z"


def test_stop_leaves_nothing_and_may_be_repeated() -> None:
    started = Upstream.start(tls=True)
    assert started.ca is not None
    assert started.stop() == 0
    assert not started.ca.parent.exists()
    assert started.stop() == 0


def test_port_in_use_is_said_in_a_line(upstream: Upstream) -> None:
    with pytest.raises(UpstreamError, match=r"(?i)address already in use") as caught:
        Upstream.start(port=upstream.port)
    assert "Traceback" not in str(caught.value)
