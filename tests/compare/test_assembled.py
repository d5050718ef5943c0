"""What bodies say: chat completions, completions, responses, Anthropic's and Ollama's, plain and streamed."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mitmvcr.compare.assembled import (
    AssembledAnswer,
    AssembledMessage,
    ToolCall,
    Usage,
    read_answer,
    read_model,
)

SSE = "text/event-stream; charset=utf-8"


def sse(*events: object, done: bool = True, named: bool = False) -> bytes:
    out = []
    for event in events:
        if named and isinstance(event, dict):
            out.append(f"event: {event['type']}\n")
        out.append(f"data: {json.dumps(event)}\n\n")
    return "".join([*out, "data: [DONE]\n\n" if done else ""]).encode()


def chunk(index: int = 0, finish: str | None = None, **delta: object) -> dict[str, object]:
    return {
        "object": "chat.completion.chunk",
        "model": "gpt-4o-mini-2024-07-18",
        "choices": [{"index": index, "delta": delta, "finish_reason": finish}],
        "usage": None,
    }


def call(index: int, arguments: str, **more: object) -> dict[str, object]:
    name = more.pop("name", None)
    function = {"arguments": arguments, **({"name": name} if name else {})}
    return {"index": index, "function": function, **more}


def test_chat_stream_is_put_together_with_its_text_and_usage() -> None:
    counts = {
        "prompt_tokens": 9,
        "completion_tokens": 4,
        "total_tokens": 13,
        "completion_tokens_details": {"reasoning_tokens": 2},
    }
    body = sse(
        chunk(role="assistant", content=""),
        chunk(content="Good "),
        chunk(content="mörning"),
        chunk(finish="stop"),
        {"model": "gpt-4o-mini-2024-07-18", "choices": [], "usage": counts},
    )
    answer = read_answer(body, SSE)
    assert answer.messages == (AssembledMessage("assistant", "Good mörning", finish="stop"),)
    assert answer.model == "gpt-4o-mini-2024-07-18"
    assert answer.events == 6
    assert answer.assembled
    assert answer.usage == Usage(
        9,
        4,
        13,
        {
            "prompt_tokens": 9,
            "completion_tokens": 4,
            "total_tokens": 13,
            "completion_tokens_details.reasoning_tokens": 2,
        },
    )


def test_parallel_tool_calls_keep_their_arguments_apart() -> None:
    body = sse(
        chunk(tool_calls=[call(0, "", id="call_a", name="add")]),
        chunk(tool_calls=[call(1, "", id="call_b", name="multiply")]),
        chunk(tool_calls=[call(0, '{"a":')]),
        chunk(tool_calls=[call(1, '{"b":'), call(0, "1}")]),
        chunk(tool_calls=[call(1, "2}")], finish="tool_calls"),
    )
    (message,) = read_answer(body, SSE).messages
    assert message.tool_calls == (
        ToolCall("call_a", "add", '{"a":1}'),
        ToolCall("call_b", "multiply", '{"b":2}'),
    )


def test_choices_are_messages_in_their_order() -> None:
    body = sse(chunk(1, content="second"), chunk(0, content="first"), chunk(1, content="!"))
    assert [message.text for message in read_answer(body, SSE).messages] == ["first", "second!"]


def test_refusal_reasoning_and_legacy_function_call_are_read() -> None:
    refusal = read_answer(sse(chunk(refusal="I can't "), chunk(refusal="do that")), SSE)
    assert refusal.messages[0].refusal == "I can't do that"
    reasoning = read_answer(sse(chunk(reasoning_content="Hm. "), chunk(reasoning="So")), SSE)
    assert reasoning.messages[0].reasoning == "Hm. So"
    function = sse(chunk(function_call={"name": "f"}), chunk(function_call={"arguments": "{}"}))
    assert read_answer(function, SSE).messages[0].tool_calls == (ToolCall("", "f", "{}"),)


def test_completions_stream_is_put_together() -> None:
    body = sse(*({"object": "text_completion", "choices": [{"index": 0, "text": part}]} for part in "ab"))
    assert read_answer(body, SSE).messages[0].text == "ab"


def test_error_event_is_told() -> None:
    answer = read_answer(sse({"error": {"message": "overloaded", "type": "server_error"}}, done=False), SSE)
    assert answer.error == "overloaded"
    assert answer.assembled


RESPONSE = {
    "id": "resp_1",
    "object": "response",
    "model": "gpt-4o-2024-08-06",
    "output": [
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Thinking"}]},
        {
            "type": "message",
            "role": "assistant",
            "content": [{"type": "output_text", "text": "Hello"}, {"type": "refusal", "refusal": "No"}],
        },
        {"type": "function_call", "call_id": "call_1", "name": "f", "arguments": '{"x":1}'},
        {"type": "web_search_call", "id": "ws_1", "action": {"query": "q"}},
    ],
    "usage": {"input_tokens": 3, "output_tokens": 5, "total_tokens": 8},
}
SPELLED = (
    AssembledMessage(reasoning="Thinking"),
    AssembledMessage("assistant", "Hello", refusal="No"),
    AssembledMessage(tool_calls=(ToolCall("call_1", "f", '{"x":1}'),)),
    AssembledMessage(tool_calls=(ToolCall("ws_1", "web_search_call", '{"query": "q"}'),)),
)


def test_response_is_read_with_its_output_items() -> None:
    answer = read_answer(json.dumps(RESPONSE).encode(), "application/json")
    assert answer.messages == SPELLED
    assert answer.usage is not None
    assert (answer.usage.input, answer.usage.output, answer.usage.total) == (3, 5, 8)
    assert answer.events is None


def test_responses_stream_says_what_its_completed_response_says() -> None:
    body = sse(
        {"type": "response.created", "response": {"model": "gpt-4o-2024-08-06", "output": []}},
        {"type": "response.output_text.delta", "output_index": 1, "delta": "Hel"},
        {"type": "response.completed", "response": RESPONSE},
        done=False,
        named=True,
    )
    assert read_answer(body, SSE).messages == SPELLED


def test_responses_stream_that_broke_off_says_what_its_deltas_said() -> None:
    body = sse(
        {
            "type": "response.output_item.added",
            "output_index": 0,
            "item": {"type": "message", "role": "assistant", "content": []},
        },
        {"type": "response.output_text.delta", "output_index": 0, "delta": "Hel"},
        {"type": "response.output_text.delta", "output_index": 0, "delta": "lo"},
        {"type": "response.refusal.delta", "output_index": 0, "delta": "No"},
        {
            "type": "response.output_item.added",
            "output_index": 1,
            "item": {"type": "function_call", "call_id": "call_1", "name": "f", "arguments": ""},
        },
        {"type": "response.function_call_arguments.delta", "output_index": 1, "delta": '{"x":1}'},
        done=False,
    )
    assert read_answer(body, SSE).messages == (
        AssembledMessage("assistant", "Hello", refusal="No"),
        SPELLED[2],
    )


def test_incomplete_response_says_why() -> None:
    body = {**RESPONSE, "incomplete_details": {"reason": "max_output_tokens"}}
    assert (
        read_answer(json.dumps(body).encode(), "application/json").messages[-1].finish == "max_output_tokens"
    )


def test_anthropic_stream_is_put_together() -> None:
    body = sse(
        {
            "type": "message_start",
            "message": {"model": "claude", "role": "assistant", "content": [], "usage": {"input_tokens": 7}},
        },
        {"type": "ping"},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hi"}},
        {
            "type": "content_block_start",
            "index": 1,
            "content_block": {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}},
        },
        {
            "type": "content_block_delta",
            "index": 1,
            "delta": {"type": "input_json_delta", "partial_json": '{"x":1}'},
        },
        {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 2}},
        {"type": "message_stop"},
        done=False,
        named=True,
    )
    answer = read_answer(body, SSE)
    message = AssembledMessage(
        "assistant", "Hi", tool_calls=(ToolCall("toolu_1", "f", '{"x":1}'),), finish="tool_use"
    )
    assert answer.messages == (message,)
    assert answer.usage is not None
    assert (answer.usage.input, answer.usage.output) == (7, 2)


def test_ollamas_lines_are_put_together() -> None:
    lines = [
        {"model": "llama3", "message": {"role": "assistant", "content": "a"}, "done": False},
        {
            "model": "llama3",
            "message": {"content": "b"},
            "done": True,
            "done_reason": "stop",
            "eval_count": 2,
        },
    ]
    body = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    answer = read_answer(body, "application/x-ndjson")
    assert answer.messages == (AssembledMessage("assistant", "ab", finish="stop"),)
    assert answer.usage is not None
    assert answer.usage.output == 2


@pytest.mark.parametrize(
    "body",
    [
        b'data: {"type": "speech.audio.delta", "audio": "AAAA"}\n\n',
        b"data: not json\n\n",
    ],
)
def test_stream_with_events_of_another_kind_is_not_called_put_together(body: bytes) -> None:
    assert not read_answer(body, SSE).assembled


def test_model_of_a_request_is_read_from_json_only() -> None:
    assert read_model(b'{"model": "gpt-4o"}') == "gpt-4o"
    assert read_model(b'{"model": 4}') == ""
    assert read_model(b"model=gpt-4o") == ""
    assert read_model(b"\xff\xfe{") == ""


@pytest.mark.parametrize(
    "body", [b"", b"\xff\x00", b"[1]", b"{", b'{"a":' * 100_000, b'{"usage":{"a":true}}']
)
def test_other_bodies_say_nothing(body: bytes) -> None:
    assert read_answer(body, "application/json") == AssembledAnswer()


_NAMES = (  # noqa: SIM905 - a word each
    "choices delta message content tool_calls function index output type response item usage error role "
    "done content_block arguments input"
).split()
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(_NAMES),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)
KINDS = st.sampled_from(
    [
        "response.output_item.done",
        "response.x.delta",
        "content_block_start",
        "message_start",
        "message",
        "error",
    ]
)


@given(
    st.lists(st.dictionaries(st.sampled_from(["choices", "output", "response", "item", "delta"]), JSON)),
    KINDS,
)
@pytest.mark.slow
def test_wrong_types_anywhere_are_passed_over(events: list[dict[str, object]], kind: str) -> None:
    typed = [{**event, "type": kind} for event in events]
    assert read_answer(sse(*typed), SSE).events == len(events) + 1
    for event in (*events, *typed):
        assert read_answer(json.dumps(event).encode(), "application/json").events is None
