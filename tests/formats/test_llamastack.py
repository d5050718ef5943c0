"""llama-stack's recordings: the openai client reads our answers as the objects that were recorded."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import openai
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mitmvcr.errors import FormatError
from mitmvcr.formats import llamastack
from mitmvcr.model import Cassette, Interaction, Response
from tests.formats.seeds import seed

BASE = "http://0.0.0.0:11434/v1"


def recording(
    endpoint: str, arguments: object, body: object, *, streaming: bool = False, **response: object
) -> dict[str, Any]:
    return {
        "test_id": "tests/test_x.py::test_y",
        "request": {
            "method": "POST",
            "url": BASE + endpoint,
            "headers": {},
            "body": arguments,
            "endpoint": endpoint,
            "model": "m",
        },
        "response": {"body": body, "is_streaming": streaming, **response},
        "id_normalization_mapping": {},
    }


def typed(kind: str, data: object) -> dict[str, object]:
    return {"__type__": f"openai.types.{kind}", "__data__": data}


def load(record: object) -> Cassette:
    return llamastack.load(json.dumps(record).encode())


def one(record: object) -> Interaction:
    (interaction,) = load(record).interactions
    return interaction


class Upstream:
    """A server that answers with one interaction's response, and an openai client of it."""

    def __init__(self, client: openai.OpenAI) -> None:
        self.client = client
        self.response = Response(500)
        self.asked: list[tuple[str, str, bytes]] = []

    def serve(self, interaction: Interaction) -> None:
        self.response = interaction.response
        self.asked.clear()


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            served.asked.append((self.command, self.path, body))
            self.send_response(served.response.code)
            for name, values in served.response.headers.items():
                for value in values:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(served.response.body)))
            self.end_headers()
            self.wfile.write(served.response.body)

        do_GET = do_POST = answer  # noqa: N815 - http.server's names

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    with openai.OpenAI(base_url=url, api_key="none") as client:
        served = Upstream(client)
        yield served
    server.shutdown()
    thread.join()
    server.server_close()


def call(client: openai.OpenAI, endpoint: str, arguments: Mapping[str, Any]) -> Any:
    methods: dict[str, Callable[..., Any]] = {
        "/v1/chat/completions": client.chat.completions.create,
        "/v1/completions": client.completions.create,
        "/v1/embeddings": client.embeddings.create,
        "/v1/responses": client.responses.create,
        "/v1/models": client.models.list,
    }
    return methods[endpoint](**arguments)


def check(upstream: Upstream, record: Mapping[str, Any]) -> None:
    """The SDK, called as it was when recording, asks what we hold and reads what was recorded."""
    endpoint = record["request"]["endpoint"]
    interaction = one(record)
    upstream.serve(interaction)
    result = call(upstream.client, endpoint, record["request"]["body"])
    recorded = record["response"]["body"]
    many = isinstance(recorded, list)
    read = list(result) if many else [result]
    wanted = [part["__data__"] for part in (recorded if many else [recorded])]
    assert [json.loads(part.model_dump_json(exclude_unset=True)) for part in read] == wanted
    assert {f"{type(part).__module__}.{type(part).__qualname__}" for part in read} <= {
        part["__type__"] for part in (recorded if many else [recorded])
    }
    ((method, path, body),) = upstream.asked
    assert method == interaction.request.method
    assert interaction.request.url.endswith(path)
    assert (json.loads(body) if body else None) == (
        json.loads(interaction.request.body) if interaction.request.body else None
    )


def test_seed_is_read_by_the_client_as_recorded(upstream: Upstream) -> None:
    data = seed("llama_stack_ef7060e39e76.json")
    (interaction,) = llamastack.load(data).interactions
    assert interaction.request.url == "https://api.openai.com/v1/chat/completions"
    assert json.loads(interaction.request.body) == json.loads(data)["request"]["body"]
    assert interaction.response.headers == {"Content-Type": ["text/event-stream"]}
    check(upstream, json.loads(data))


USER = [{"role": "user", "content": "Hé 😀"}]
CONTENT = st.text(st.characters(codec="utf-8"), max_size=30)
NAMES = st.sampled_from(["m", "llama3.2:3b", "gpt-4o"])
USAGE = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}


@st.composite
def chats(draw: st.DrawFn) -> dict[str, Any]:
    message: dict[str, Any] = {
        "role": "assistant",
        "content": draw(st.none() | CONTENT),
        "refusal": draw(st.none() | CONTENT),
    }
    if draw(st.booleans()):
        function = {"name": "f", "arguments": json.dumps({"x": draw(CONTENT)})}
        message["tool_calls"] = [{"id": "call_1", "type": "function", "function": function}]
    choice = {"index": 0, "finish_reason": "stop", "logprobs": None, "message": message}
    data = {
        "id": "rec-1",
        "object": "chat.completion",
        "created": 0,
        "model": draw(NAMES),
        "choices": [choice],
        "usage": draw(st.none() | st.just(USAGE)),
        "system_fingerprint": None,
    }
    arguments = {
        "model": data["model"],
        "messages": USER,
        "temperature": draw(st.floats(0, 2)),
        "stream": False,
    }
    return recording("/v1/chat/completions", arguments, typed("chat.chat_completion.ChatCompletion", data))


@st.composite
def streamed_chats(draw: st.DrawFn) -> dict[str, Any]:
    chunks = [
        {
            "id": "rec-1",
            "object": "chat.completion.chunk",
            "created": 0,
            "model": "m",
            "choices": [
                {
                    "index": 0,
                    "delta": {"content": text, "role": "assistant", "tool_calls": None},
                    "finish_reason": None,
                    "logprobs": None,
                }
            ],
            "usage": None,
        }
        for text in draw(st.lists(CONTENT, max_size=4))
    ]
    typed_chunks = [typed("chat.chat_completion_chunk.ChatCompletionChunk", chunk) for chunk in chunks]
    arguments = {"model": "m", "messages": USER, "stream": True, "stream_options": {"include_usage": True}}
    return recording("/v1/chat/completions", arguments, typed_chunks, streaming=True)


@st.composite
def completions(draw: st.DrawFn) -> dict[str, Any]:
    streaming = draw(st.booleans())
    parts = [
        typed(
            "completion.Completion",
            {
                "id": "rec-1",
                "object": "text_completion",
                "created": 0,
                "model": "m",
                "choices": [{"index": 0, "finish_reason": "stop", "logprobs": None, "text": text}],
            },
        )
        for text in draw(st.lists(CONTENT, min_size=1, max_size=3))
    ]
    arguments = {"model": "m", "prompt": draw(CONTENT), "stream": streaming, "max_tokens": 5}
    return recording("/v1/completions", arguments, parts if streaming else parts[0], streaming=streaming)


@st.composite
def embeddings(draw: st.DrawFn) -> dict[str, Any]:
    vectors = draw(st.lists(st.lists(st.floats(-1, 1), min_size=1, max_size=4), min_size=1, max_size=3))
    data = {
        "object": "list",
        "model": "m",
        "data": [
            {"object": "embedding", "index": i, "embedding": vector} for i, vector in enumerate(vectors)
        ],
        "usage": {"prompt_tokens": 1, "total_tokens": 1},
    }
    arguments = {
        "model": "m",
        "input": draw(st.lists(CONTENT, min_size=1, max_size=2)),
        "encoding_format": "float",
    }
    return recording(
        "/v1/embeddings", arguments, typed("create_embedding_response.CreateEmbeddingResponse", data)
    )


@st.composite
def models(draw: st.DrawFn) -> dict[str, Any]:
    listed = [
        typed("model.Model", {"id": name, "object": "model", "created": 0, "owned_by": "library"})
        for name in draw(st.lists(NAMES, max_size=3))
    ]
    return recording("/v1/models", {}, listed)


def response_object(text: str, status: str = "completed") -> dict[str, Any]:
    content = [{"type": "output_text", "text": text, "annotations": []}]
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 0.0,
        "model": "m",
        "status": status,
        "error": None,
        "output": [
            {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed", "content": content}
        ],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
    }


@st.composite
def responses(draw: st.DrawFn) -> dict[str, Any]:
    data = response_object(draw(CONTENT))
    return recording(
        "/v1/responses", {"model": "m", "input": draw(CONTENT)}, typed("responses.response.Response", data)
    )


@st.composite
def streamed_responses(draw: st.DrawFn) -> dict[str, Any]:
    texts = draw(st.lists(CONTENT, max_size=3))
    events = [
        typed(
            "responses.response_created_event.ResponseCreatedEvent",
            {
                "type": "response.created",
                "sequence_number": 0,
                "response": response_object("", "in_progress"),
            },
        ),
        *(
            typed(
                "responses.response_text_delta_event.ResponseTextDeltaEvent",
                {
                    "type": "response.output_text.delta",
                    "sequence_number": number,
                    "item_id": "msg_1",
                    "output_index": 0,
                    "content_index": 0,
                    "delta": text,
                    "logprobs": [],
                },
            )
            for number, text in enumerate(texts, 1)
        ),
        typed(
            "responses.response_completed_event.ResponseCompletedEvent",
            {"type": "response.completed", "sequence_number": 9, "response": response_object("".join(texts))},
        ),
    ]
    return recording("/v1/responses", {"model": "m", "input": "x", "stream": True}, events, streaming=True)


KINDS = {
    "chat": chats(),
    "streamed chat": streamed_chats(),
    "completions": completions(),
    "embeddings": embeddings(),
    "models": models(),
    "responses": responses(),
    "streamed responses": streamed_responses(),
}


@pytest.mark.parametrize("kind", KINDS)
def test_client_reads_the_objects_that_were_recorded(upstream: Upstream, kind: str) -> None:
    @settings(max_examples=30, deadline=None)
    @given(KINDS[kind])
    def every(record: dict[str, Any]) -> None:
        check(upstream, record)

    every()


def test_stream_of_chat_is_data_alone_and_of_responses_has_events() -> None:
    chunk = typed(
        "chat.chat_completion_chunk.ChatCompletionChunk", {"id": "é", "object": "chat.completion.chunk"}
    )
    chat = one(recording("/v1/chat/completions", {"stream": True}, [chunk], streaming=True))
    assert (
        chat.response.body == 'data: {"id":"é","object":"chat.completion.chunk"}\n\ndata: [DONE]\n\n'.encode()
    )
    assert chat.response.headers == {"Content-Type": ["text/event-stream"]}
    event = typed("responses.response_created_event.ResponseCreatedEvent", {"type": "response.created"})
    response = one(recording("/v1/responses", {"stream": True}, [event], streaming=True)).response
    expected = b'event: response.created\ndata: {"type":"response.created"}\n\ndata: [DONE]\n\n'
    assert response.body == expected


def test_doubled_v1_is_one() -> None:
    record = recording("/v1/chat/completions", {}, typed("x", {}))
    assert record["request"]["url"].count("/v1") == 2
    assert one(record).request.url == "http://0.0.0.0:11434/v1/chat/completions"


def test_list_of_models_is_asked_by_get_and_is_a_list_object() -> None:
    model = {"id": "m", "object": "model", "created": 0, "owned_by": "x"}
    interaction = one(recording("/v1/models", {}, [typed("model.Model", model)]))
    assert (interaction.request.method, interaction.request.body) == ("GET", b"")
    assert json.loads(interaction.response.body) == {"object": "list", "data": [model]}


def test_arguments_that_the_sdk_does_not_send_are_no_body(upstream: Upstream) -> None:
    arguments = {
        "model": "m",
        "messages": USER,
        "timeout": 30,
        "extra_headers": {"X-Extra": "1"},
        "extra_query": {"a": "b c"},
        "extra_body": {"guided": {"x": 1}, "model": "other"},
    }
    answer = {"id": "rec-1", "object": "chat.completion", "created": 0, "model": "m", "choices": []}
    record = recording(
        "/v1/chat/completions", arguments, typed("chat.chat_completion.ChatCompletion", answer)
    )
    check(upstream, record)
    interaction = one(record)
    assert json.loads(interaction.request.body) == {"model": "other", "messages": USER, "guided": {"x": 1}}
    assert interaction.request.headers["X-Extra"] == ["1"]
    assert interaction.request.form == {"a": ["b c"]}


@pytest.mark.parametrize("body", [{"message": "no", "type": "x", "code": None, "param": None}, "text", None])
def test_exception_is_raised_again_by_the_client(upstream: Upstream, body: object) -> None:
    data = {
        "category": "provider_sdk",
        "provider": "openai",
        "status_code": 429,
        "body": body,
        "message": "no",
    }
    record = recording(
        "/v1/chat/completions",
        {"model": "m", "messages": USER},
        None,
        is_exception=True,
        exception_data=data,
        exception_message="no",
    )
    interaction = one(record)
    assert json.loads(interaction.response.body) == {"error": body}
    upstream.serve(interaction)
    with pytest.raises(openai.RateLimitError) as caught:
        call(upstream.client, "/v1/chat/completions", record["request"]["body"])
    assert caught.value.status_code == 429
    assert caught.value.body == body
    assert len(upstream.asked) == 1  # the retries were over when it was recorded


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"url": "tool://tavily_search/invoke", "endpoint": "/tools"}, "a call of a tool"),
        ({"url": "vertexai://generate"}, "Vertex AI"),
        ({"url": "https://generativelanguage.googleapis.com/v1beta/interactions"}, "/interactions"),
        ({"url": "https://api.anthropic.com/v1/messages"}, "/v1/messages"),
        ({"url": "grpc://a/b"}, "not HTTP's"),
    ],
)
def test_what_is_not_openais_over_http_is_left_out_with_the_reason(
    changes: dict[str, str], reason: str
) -> None:
    record = recording("/v1/chat/completions", {}, {})
    record["request"] |= {"endpoint": "", **changes}
    cassette = load(record)
    assert cassette.interactions == ()
    (note,) = cassette.notes
    assert note.startswith("left out: ")
    assert reason in note


def test_google_objects_are_left_out() -> None:
    body = {"__type__": "google.genai.types.GenerateContentResponse", "__data__": {}}
    assert "Vertex AI" in load(recording("/v1/chat/completions", {}, body)).notes[0]


def test_exception_that_no_server_sent_is_left_out() -> None:
    record = recording(
        "/v1/embeddings", {}, None, is_exception=True, exception_data=None, exception_message="bad value"
    )
    assert "bad value" in load(record).notes[0]


def test_ollamas_own_api_streams_lines() -> None:
    record = recording(
        "/api/chat",
        {"stream": True},
        [{"__type__": "o", "__data__": {"a": n}} for n in (1, 2)],
        streaming=True,
    )
    record["request"]["url"] = "http://localhost:11434/api/chat"
    response = one(record).response
    assert response.body == b'{"a":1}\n{"a":2}\n'
    assert response.headers == {"Content-Type": ["application/x-ndjson"]}


def test_folder_is_one_cassette_in_the_order_of_names() -> None:
    chat = recording("/v1/chat/completions", {"model": "b"}, typed("x", {"id": "b"}))
    other = recording("/v1/chat/completions", {"model": "a"}, typed("x", {"id": "a"}))
    tool = recording("/v1/chat/completions", {}, {})
    tool["request"]["url"] = "tool://x"
    files = {"b.json": chat, "a.json": other, "c.json": tool, "package.json": {"name": "x"}}
    cassette = llamastack.load_directory(
        (name, json.dumps(record).encode()) for name, record in files.items()
    )
    assert [(i.id, i.response.body) for i in cassette.interactions] == [
        (0, b'{"id":"a"}'),
        (1, b'{"id":"b"}'),
    ]
    tool_note, other_note = cassette.notes
    assert tool_note.startswith("c.json is left out: a call of a tool")
    assert other_note == "package.json is left out: it is no recording of llama-stack"


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ([], "no recording of llama-stack in this folder"),
        ([("package.json", b"{}")], "no recording of llama-stack in this folder"),
        ([("a.json", b'{"request": {')], "a.json: line 1: not JSON"),
        (
            [("a.json", b'{"request": {"url": []}, "response": {}}')],
            "a.json: request.url is a list, not text",
        ),
    ],
)
def test_folder_with_bad_files_names_the_file(files: list[tuple[str, bytes]], reason: str) -> None:
    with pytest.raises(FormatError) as caught:
        llamastack.load_directory(files)
    assert reason in str(caught.value)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
PLACES = [("request", key) for key in ("method", "url", "headers", "body", "endpoint")]
PLACES += [("response", key) for key in ("body", "is_streaming", "is_exception", "exception_data")]


@given(st.sampled_from(PLACES), JSON)
def test_any_value_in_any_field_is_a_cassette_or_a_format_error(
    place: tuple[str, str], value: object
) -> None:
    record = recording("/v1/chat/completions", {"model": "m"}, typed("x", {}))
    record[place[0]][place[1]] = value
    loads_or_refuses(json.dumps(record).encode())


@given(st.binary(max_size=100) | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_are_a_cassette_or_a_format_error(data: bytes) -> None:
    loads_or_refuses(data)


def loads_or_refuses(data: bytes) -> None:
    try:
        cassette = llamastack.load(data)
    except FormatError as error:
        assert str(error)  # noqa: PT017 - either outcome is right
        return
    assert len(cassette.interactions) + len(cassette.notes) == 1
