"""`/v1/responses`: items of output, the whole object, and the events that build it up in a stream."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from tests.upstream import REFUSE, conversations, things, words
from tests.upstream.state import State
from tests.upstream.wire import CREATED, Answer, ApiError, Json, Request, data, model_of, plain, stream

_REFUSAL = "I'm sorry, but I can't help with that request."
_ECHOED: Json = {
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "prompt_cache_key": None,
    "service_tier": "default",
    "store": True,
    "temperature": 1.0,
    "text": {"format": {"type": "text"}, "verbosity": "medium"},
    "tool_choice": "auto",
    "tools": [],
    "top_logprobs": 0,
    "top_p": 1.0,
    "truncation": "disabled",
    "user": None,
}
_STEPS = ("queued", "in_progress", "completed")


@dataclass(slots=True)
class Stored:
    """A response that was kept: what it will be when it's done, and how often it was asked for."""

    response: Json
    input_items: list[Json]
    step: int = 2

    def seen(self) -> Json:
        """The response as it stands; a background one moves on by a step each time."""
        if self.response["status"] == "cancelled":
            return self.response
        status = _STEPS[self.step]
        self.step = min(self.step + 1, 2)
        return self.response if status == "completed" else _unfinished(self.response, status)


def create(request: Request, state: State) -> Answer:
    """POST /v1/responses."""
    body = request.json()
    model_of(body)
    items = _inputs(body)
    conversation = _conversation(body, state)
    output = list(_output(request, body, items))
    response = _response(request, body, output, items) | {"conversation": conversation}
    stored = Stored(response, items, step=0 if body.get("background") else 2)
    if response["conversation"]:
        conversations.extend(state, response["conversation"]["id"], [*items, *response["output"]])
    if body.get("store", True) or body.get("background"):
        state.keep(state.responses, response["id"], stored)
    if body.get("stream"):
        return stream(_events(request, response), done=b"")
    return plain(stored.seen())


def retrieve(request: Request, state: State) -> Answer:
    """GET /v1/responses/{id}; with `stream=true` its events, those after `starting_after` alone."""
    stored = _stored(request, state)
    if request.query.get("stream") == "true":
        seen = int(request.query.get("starting_after", "-1"))
        return stream(islice(_events(request, stored.response), seen + 1, None), done=b"")
    return plain(stored.seen())


def count_input(request: Request) -> Answer:
    """POST /v1/responses/input_tokens."""
    return plain({"object": "response.input_tokens", "input_tokens": _counted(_inputs(request.json()))})


def input_items(request: Request, state: State) -> Answer:
    """GET /v1/responses/{id}/input_items."""
    items = _stored(request, state).input_items
    listed = [{"id": f"msg_{request.token(at, length=48)}", **item} for at, item in enumerate(items)]
    ends = {"first_id": listed[0]["id"], "last_id": listed[-1]["id"]} if listed else {}
    return plain({"object": "list", "data": listed, "has_more": False} | ends)


def delete(request: Request, state: State) -> Answer:
    """DELETE /v1/responses/{id}."""
    _stored(request, state)
    del state.responses[request.args[0]]
    return plain({"id": request.args[0], "object": "response", "deleted": True})


def cancel(request: Request, state: State) -> Answer:
    """POST /v1/responses/{id}/cancel."""
    stored = _stored(request, state)
    if not stored.response["background"]:
        raise ApiError(400, "Cannot cancel a synchronous response.")
    if stored.response["status"] != "cancelled":
        stored.response = _unfinished(stored.response, "cancelled")
    return plain(stored.response)


def _stored(request: Request, state: State) -> Stored:
    found = state.responses.get(request.args[0])
    if not isinstance(found, Stored):
        raise ApiError(404, f"Response with id '{request.args[0]}' not found.")
    return found


def _inputs(body: Json) -> list[Json]:
    given = body.get("input")
    if isinstance(given, str):
        return [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": given}]}]
    return [item for item in given or [] if isinstance(item, dict)]


def _output(request: Request, body: Json, items: list[Json]) -> Iterator[Json]:
    if body.get("reasoning"):
        yield _reasoning(request, body)
    users = [words.text_of(item.get("content")) for item in items if item.get("role") == "user"]
    prompt = users[-1] if users else ""
    asked = bool(items) and items[-1].get("role") == "user"
    tools = [
        words.Tool(tool["name"], tool.get("parameters") or {})
        for tool in body.get("tools") or []
        if tool.get("type") == "function"
    ]
    found = words.calls(tools, body.get("tool_choice"), prompt, asked=asked)
    for index, call in enumerate(found):
        yield {
            "id": f"fc_{request.token('fc', index, length=48)}",
            "type": "function_call",
            "status": "completed",
            "arguments": call.arguments,
            "call_id": f"call_{request.token('call', index)}",
            "name": call.name,
        }
    if not found:
        said = prompt if asked or not items else str(items[-1].get("output") or prompt)
        yield _message(request, body, prompt, said)


def _message(request: Request, body: Json, prompt: str, said: str) -> Json:
    part: Json
    if REFUSE in prompt.lower():
        part = {"type": "refusal", "refusal": _REFUSAL}
    else:
        formed = words.structured((body.get("text") or {}).get("format"), prompt)
        text = "".join(words.reply(said, request.knobs, request.nth)) if formed is None else formed
        part = {"type": "output_text", "annotations": [], "logprobs": [], "text": text}
    return {
        "id": f"msg_{request.token('msg', length=48)}",
        "type": "message",
        "status": "completed",
        "content": [part],
        "role": "assistant",
    }


def _reasoning(request: Request, body: Json) -> Json:
    item: Json = {"id": f"rs_{request.token('rs', length=48)}", "type": "reasoning", "summary": []}
    if (body["reasoning"] or {}).get("summary"):
        text = "**Thinking it over**\n\nThe user wants an answer, and it is always the same."
        item["summary"] = [{"type": "summary_text", "text": text}]
    if "reasoning.encrypted_content" in (body.get("include") or []):
        raw = bytes.fromhex(request.token("sealed", length=64)) * 8
        item["encrypted_content"] = "gAAAAA" + base64.urlsafe_b64encode(raw).decode()
    return item


def _response(request: Request, body: Json, output: list[Json], items: list[Json]) -> Json:
    asked = _counted(items)
    given = sum(words.tokens(str(item)) for item in output)
    echoed = {name: body.get(name, default) for name, default in _ECHOED.items()}
    reasoning = body.get("reasoning") or {}
    return {
        "id": f"resp_{request.token('resp', length=48)}",
        "object": "response",
        "created_at": CREATED,
        "status": "completed",
        "background": bool(body.get("background")),
        "error": None,
        "incomplete_details": None,
        "model": model_of(body),
        "output": output,
        "reasoning": {"effort": reasoning.get("effort"), "summary": reasoning.get("summary")},
        **echoed,
        "usage": {
            "input_tokens": asked,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": given,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": asked + given,
        },
    }


def _counted(items: list[Json]) -> int:
    return sum(words.tokens(words.text_of(item.get("content"))) for item in items)


def _conversation(body: Json, state: State) -> Json | None:
    """The conversation that the response is part of; raises ApiError if there is none."""
    given = body.get("conversation")
    if given is None:
        return None
    name = given["id"] if isinstance(given, dict) else given
    return {"id": things.find(conversations.CONVERSATIONS, state, [name]).value["id"]}


def _unfinished(response: Json, status: str) -> Json:
    return response | {"status": status, "output": [], "usage": None}


def _events(request: Request, response: Json) -> Iterator[bytes]:
    """The stream's events, numbered, each with its `event:` line."""
    for number, event in enumerate(_steps(request, response)):
        named = {"type": event["type"], "sequence_number": number} | event
        yield b"event: " + event["type"].encode() + b"\n" + data(named)


def _steps(request: Request, response: Json) -> Iterator[Json]:
    opened = _unfinished(response, "queued" if response["background"] else "in_progress")
    yield {"type": "response.created", "response": opened}
    if response["background"]:
        yield {"type": "response.queued", "response": opened}
    yield {"type": "response.in_progress", "response": opened | {"status": "in_progress"}}
    for index, item in enumerate(response["output"]):
        yield {"type": "response.output_item.added", "output_index": index, "item": _empty(item)}
        for event in _item_steps(request, item):
            yield {"item_id": item["id"], "output_index": index} | event
        yield {"type": "response.output_item.done", "output_index": index, "item": item}
    yield {"type": "response.completed", "response": response}


def _empty(item: Json) -> Json:
    if item["type"] == "message":
        return item | {"status": "in_progress", "content": []}
    if item["type"] == "function_call":
        return item | {"status": "in_progress", "arguments": ""}
    return item | {"summary": []}


def _item_steps(request: Request, item: Json) -> Iterator[Json]:
    if item["type"] == "function_call":
        head = "response.function_call_arguments"
        for piece in words.json_pieces(item["arguments"]):
            yield {"type": f"{head}.delta", "delta": piece, "obfuscation": _padding(request, piece)}
        yield {"type": f"{head}.done", "arguments": item["arguments"], "name": item["name"]}
    elif item["type"] == "reasoning":
        for at, part in enumerate(item["summary"]):
            yield from _part_steps(request, part, "response.reasoning_summary", {"summary_index": at})
    else:
        yield from _part_steps(request, item["content"][0], "response", {"content_index": 0})


def _part_steps(request: Request, part: Json, head: str, at: Json) -> Iterator[Json]:
    """A part of a message or of a summary: added, its deltas, done twice."""
    field = "refusal" if part["type"] == "refusal" else "text"
    is_summary = "summary_index" in at
    around = f"{head}_part" if is_summary else "response.content_part"
    inner = f"{head}_text" if is_summary else f"response.{part['type']}"
    more: Json = {"logprobs": []} if part["type"] == "output_text" else {}
    yield {"type": f"{around}.added", "part": part | {field: ""}} | at
    for piece in _text_pieces(request, part[field]):
        yield (
            {"type": f"{inner}.delta", "delta": piece, "obfuscation": _padding(request, piece)} | at | more
        )
    yield {"type": f"{inner}.done", field: part[field]} | at | more
    yield {"type": f"{around}.done", "part": part} | at


def _text_pieces(request: Request, text: str) -> list[str]:
    """The pieces of a text: by number where `events` or `size` was asked for, else by words."""
    if not request.knobs.size:
        return words.json_pieces(text) if text.startswith("{") else words.pieces(text)
    step = -(-len(text) // (request.knobs.events or 10))
    return [text[at : at + step] for at in range(0, len(text), step)]


def _padding(request: Request, piece: str) -> str:
    return request.token("pad", length=max(1, 16 - len(piece)))
