"""`/v1/chat/completions` and `/v1/completions`: whole answers and lists of chunks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tests.upstream import REFUSE, words
from tests.upstream.wire import CREATED, Answer, Json, Request, data, missing, model_of, plain, stream

_REFUSAL = "I'm sorry, but I can't help with that request."
_FINGERPRINT = "fp_" + "57db37749c"


@dataclass(frozen=True, slots=True)
class _Choice:
    """One choice's message: text in pieces, or a refusal in pieces, or tool calls with their ids."""

    text: list[str]
    refusal: list[str]
    tools: list[tuple[str, words.Call]]

    @property
    def finish(self) -> str:
        return "tool_calls" if self.tools else "stop"

    def message(self) -> Json:
        message: Json = {
            "role": "assistant",
            "content": "".join(self.text) if self.text else None,
            "refusal": "".join(self.refusal) if self.refusal else None,
            "annotations": [],
        }
        if self.tools:
            message["tool_calls"] = [
                {"id": name, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
                for name, call in self.tools
            ]
        return message

    def deltas(self) -> Iterator[Json]:
        if self.tools:
            yield from self._tool_deltas()
            return
        yield {"role": "assistant", "content": "", "refusal": None}
        for piece in self.text:
            yield {"content": piece}
        for piece in self.refusal:
            yield {"refusal": piece}

    def _tool_deltas(self) -> Iterator[Json]:
        for index, (name, call) in enumerate(self.tools):
            opening = {
                "index": index,
                "id": name,
                "type": "function",
                "function": {"name": call.name, "arguments": ""},
            }
            first = {"role": "assistant", "content": None} if index == 0 else {}
            yield first | {"tool_calls": [opening]} | ({"refusal": None} if index == 0 else {})
            for piece in words.json_pieces(call.arguments):
                yield {"tool_calls": [{"index": index, "function": {"arguments": piece}}]}


def completions(request: Request) -> Answer:
    """POST /v1/chat/completions."""
    body = request.json()
    model = model_of(body, request.args[0] if request.args else "")
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise missing("messages")
    choices = [_choice(request, body, messages, index) for index in range(int(body.get("n") or 1))]
    usage = _usage(" ".join(words.text_of(message.get("content")) for message in messages), choices)
    head: Json = {"id": f"chatcmpl-{request.token('id', length=29)}", "created": CREATED, "model": model}
    if body.get("stream"):
        options = body.get("stream_options") or {}
        return stream(_chunks(request, head, choices, usage if options.get("include_usage") else None))
    listed = [
        {"index": index, "message": choice.message(), "logprobs": None, "finish_reason": choice.finish}
        for index, choice in enumerate(choices)
    ]
    return plain(
        {"id": head["id"], "object": "chat.completion", "created": CREATED, "model": model}
        | {"choices": listed, "usage": usage, "service_tier": "default", "system_fingerprint": _FINGERPRINT}
    )


def _choice(request: Request, body: Json, messages: list[Json], index: int) -> _Choice:
    users = [words.text_of(each.get("content")) for each in messages if each.get("role") == "user"]
    prompt = users[-1] if users else ""
    tools = [
        words.Tool(tool["function"]["name"], tool["function"].get("parameters") or {})
        for tool in body.get("tools") or []
        if "function" in tool
    ]
    asked = messages[-1].get("role") == "user"
    found = words.calls(tools, body.get("tool_choice"), prompt, asked=asked)
    if found:
        named = [(f"call_{request.token('call', index, at)}", call) for at, call in enumerate(found)]
        return _Choice([], [], named)
    if REFUSE in prompt.lower():
        return _Choice([], words.pieces(_REFUSAL), [])
    formed = words.structured(body.get("response_format"), prompt)
    if formed is not None:
        return _Choice(words.json_pieces(formed), [], [])
    said = prompt if asked else words.text_of(messages[-1].get("content"))
    return _Choice(words.reply(said, request.knobs, request.nth, index), [], [])


def _usage(prompt: str, choices: list[_Choice]) -> Json:
    asked = words.tokens(prompt)
    given = sum(
        len(choice.text) + len(choice.refusal) + sum(len(call.arguments) for _, call in choice.tools)
        for choice in choices
    )
    return {
        "prompt_tokens": asked,
        "completion_tokens": given,
        "total_tokens": asked + given,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": 0,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def _chunks(request: Request, head: Json, choices: list[_Choice], usage: Json | None) -> Iterator[bytes]:
    """Chunks of all choices, one of each in turn, as OpenAI interleaves them."""
    frame = {"id": head["id"], "object": "chat.completion.chunk", "created": CREATED, "model": head["model"]}
    frame |= {"service_tier": "default", "system_fingerprint": _FINGERPRINT}
    used: Json = {} if usage is None else {"usage": None}
    padding = request.token("pad", length=12)

    def chunk(index: int, delta: Json | None) -> bytes:
        finish = choices[index].finish if delta is None else None
        choice = {"index": index, "delta": delta or {}, "logprobs": None, "finish_reason": finish}
        pad = {"obfuscation": padding[len(str(delta)) % 12 :]}
        return data(frame | {"choices": [choice]} | used | pad)

    pending = dict(enumerate(choice.deltas() for choice in choices))
    while pending:
        for index, deltas in list(pending.items()):
            delta = next(deltas, None)
            yield chunk(index, delta)
            if delta is None:
                del pending[index]
    if usage is not None:
        yield data(frame | {"choices": [], "usage": usage, "obfuscation": ""})


def legacy(request: Request) -> Answer:
    """POST /v1/completions."""
    body = request.json()
    model = model_of(body, request.args[0] if request.args else "")
    prompt = body.get("prompt")
    asked = prompt if isinstance(prompt, str) else " ".join(map(str, prompt or ["<|endoftext|>"]))
    text = words.reply(asked, request.knobs, request.nth)
    frame: Json = {
        "id": f"cmpl-{request.token('id', length=29)}",
        "object": "text_completion",
        "created": CREATED,
        "model": model,
    }

    def choice(piece: str, finish: str | None) -> Json:
        return {"choices": [{"text": piece, "index": 0, "logprobs": None, "finish_reason": finish}]}

    if body.get("stream"):
        events = [data(frame | choice(piece, None)) for piece in text]
        return stream([*events, data(frame | choice("", "stop"))])
    used = words.tokens(asked)
    usage = {"prompt_tokens": used, "completion_tokens": len(text), "total_tokens": used + len(text)}
    return plain(frame | choice("".join(text), "stop") | {"usage": usage})
