"""A body of OpenAI's API -> what it says: text, tool calls, refusal, usage; from JSON and from streams.

Reads chat completions, completions, responses, Anthropic's messages and Ollama's chat. What is not
understood is passed over: this is for people to look at, never for replay.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from mitmvcr.http.sse import events, is_stream

Object = Mapping[str, object]
"""A JSON object."""


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call of a tool; `arguments` are the text that the model wrote, which need not be JSON."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class AssembledMessage:
    """One choice, or one output item; `finish` is why it ended, empty if that isn't said."""

    role: str = ""
    text: str = ""
    reasoning: str = ""
    refusal: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    finish: str = ""


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens, None where the body doesn't say; `details` are all counts by name, nested ones dotted."""

    input: int | None = None
    output: int | None = None
    total: int | None = None
    details: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AssembledAnswer:
    """What a response's body says; `events` counts those of a stream, and is None where it is none.

    `assembled` says whether every event was understood, so that nothing is hidden from who reads this.
    """

    model: str = ""
    messages: tuple[AssembledMessage, ...] = ()
    usage: Usage | None = None
    error: str = ""
    events: int | None = None
    assembled: bool = True


def read_answer(body: bytes, content_type: str) -> AssembledAnswer:
    """What the body of a response says; an empty answer if it is none of those that are understood."""
    if is_stream(body, content_type):
        return _from_events([event.data.decode("utf-8", "replace") for event in events(body)])
    gathered = _Gathered()
    gathered.whole(_json_object(body) or {})
    return gathered.answer(None)


def read_model(body: bytes) -> str:
    """The model that a request's JSON body asks for, empty if it names none."""
    return _text((_json_object(body) or {}).get("model"))


def _from_events(stream: list[str]) -> AssembledAnswer:
    gathered = _Gathered()
    for data in stream:
        value = _json_object(data)
        if value is not None:
            gathered.event(value)
        elif data.strip() != "[DONE]":
            gathered.assembled = False
    return gathered.answer(len(stream))


@dataclass(slots=True)
class _Draft:
    """A message as far as it has come."""

    role: str = ""
    text: list[str] = field(default_factory=list)
    reasoning: list[str] = field(default_factory=list)
    refusal: list[str] = field(default_factory=list)
    calls: dict[object, _Call] = field(default_factory=dict)
    finish: str = ""

    def call(self, key: object) -> _Call:
        return self.calls.setdefault(key, _Call())

    def message(self) -> AssembledMessage:
        return AssembledMessage(
            self.role,
            "".join(self.text),
            "".join(self.reasoning),
            "".join(self.refusal),
            tuple(ToolCall(call.id, call.name, "".join(call.arguments)) for call in self.calls.values()),
            self.finish,
        )


@dataclass(slots=True)
class _Call:
    id: str = ""
    name: str = ""
    arguments: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Gathered:
    """What the events have said so far, by choice or output item."""

    model: str = ""
    drafts: dict[int, _Draft] = field(default_factory=dict)
    usage: dict[str, object] = field(default_factory=dict)
    error: str = ""
    assembled: bool = True

    def answer(self, events: int | None) -> AssembledAnswer:
        messages = tuple(self.drafts[number].message() for number in sorted(self.drafts))
        return AssembledAnswer(self.model, messages, _usage(self.usage), self.error, events, self.assembled)

    def draft(self, number: object) -> _Draft:
        return self.drafts.setdefault(number if isinstance(number, int) else 0, _Draft())

    def whole(self, value: Object) -> None:
        """A body that is one JSON object."""
        self._common(value)
        if "choices" in value:
            self._choices(value)
        elif "output" in value:
            self._output(value)
        elif value.get("type") == "message":
            self._anthropic_message(value)
        elif "message" in value and "done" in value:
            self._ollama(value)

    def event(self, value: Object) -> None:
        """One event of a stream."""
        kind = _text(value.get("type"))
        if kind.startswith("response."):
            self._responses_event(kind, value)
        elif kind.startswith(("message_", "content_block_")) or kind == "ping":
            self._anthropic_event(kind, value)
        else:
            self._common(value)
            if "choices" in value:
                self._choices(value)
            elif "message" in value and "done" in value:
                self._ollama(value)
            elif not self.error:
                self.assembled = False

    def _common(self, value: Object) -> None:
        self.model = _text(value.get("model")) or self.model
        self.usage.update(_object(value.get("usage")))
        error = value.get("error")
        if error or value.get("type") == "error":
            self.error = _error(error or value)

    def _choices(self, value: Object) -> None:
        for number, choice in enumerate(map(_object, _list(value.get("choices")))):
            draft = self.draft(choice.get("index", number))
            draft.text.append(_text(choice.get("text")))
            draft.finish = _text(choice.get("finish_reason")) or draft.finish
            _chat(draft, _object(choice.get("delta") or choice.get("message")))

    def _ollama(self, value: Object) -> None:
        draft = self.draft(0)
        _chat(draft, _object(value.get("message")))
        draft.finish = _text(value.get("done_reason")) or draft.finish
        counts = {"input_tokens": "prompt_eval_count", "output_tokens": "eval_count"}
        self.usage.update({name: value[count] for name, count in counts.items() if count in value})

    def _output(self, value: Object) -> None:
        for number, item in enumerate(map(_object, _list(value.get("output")))):
            self._item(number, item)
        if self.drafts and (why := _text(_object(value.get("incomplete_details")).get("reason"))):
            self.drafts[max(self.drafts)].finish = why

    def _item(self, number: object, item: Object) -> None:
        """An output item that is whole: it takes the place of what its deltas said."""
        kind = _text(item.get("type"))
        draft = _Draft(role=_text(item.get("role")))
        self.drafts[number if isinstance(number, int) else 0] = draft
        if kind == "message":
            for part in map(_object, _list(item.get("content"))):
                draft.text.append(_text(part.get("text")))
                draft.refusal.append(_text(part.get("refusal")))
        elif kind == "reasoning":
            parts = [*_list(item.get("summary")), *_list(item.get("content"))]
            draft.reasoning.append("\n\n".join(_text(_object(part).get("text")) for part in parts))
        elif kind.endswith("_call"):
            call = draft.call(0)
            call.id = _text(item.get("call_id")) or _text(item.get("id"))
            call.name = _text(item.get("name")) or kind
            given = item.get("arguments", item.get("input", item.get("action")))
            call.arguments.append(_written(given))

    def _responses_event(self, kind: str, value: Object) -> None:
        number = value.get("output_index")
        if kind in ("response.output_item.added", "response.output_item.done"):
            self._item(number, _object(value.get("item")))
        elif kind.endswith(".delta"):
            delta, draft = _text(value.get("delta")), self.draft(number)
            if kind == "response.output_text.delta":
                draft.text.append(delta)
            elif kind == "response.refusal.delta":
                draft.refusal.append(delta)
            elif "reasoning" in kind:
                draft.reasoning.append(delta)
            elif kind.endswith(("arguments.delta", "input.delta")):
                draft.call(0).arguments.append(delta)
        if response := _object(value.get("response")):
            self._common(response)
            if response.get("output"):
                self.drafts.clear()
                self._output(response)

    def _anthropic_message(self, message: Object) -> None:
        draft = self.draft(0)
        draft.role = _text(message.get("role"))
        draft.finish = _text(message.get("stop_reason"))
        for number, block in enumerate(map(_object, _list(message.get("content")))):
            _block(draft, number, block)

    def _anthropic_event(self, kind: str, value: Object) -> None:
        self._common(value)
        draft, number = self.draft(0), value.get("index")
        if kind == "message_start":
            message = _object(value.get("message"))
            self._common(message)
            self._anthropic_message(message)
        elif kind == "content_block_start":
            _block(draft, number, _object(value.get("content_block")))
        elif kind == "content_block_delta":
            delta = _object(value.get("delta"))
            draft.text.append(_text(delta.get("text")))
            draft.reasoning.append(_text(delta.get("thinking")))
            if "partial_json" in delta:
                draft.call(number).arguments.append(_text(delta.get("partial_json")))
        elif kind == "message_delta":
            draft.finish = _text(_object(value.get("delta")).get("stop_reason")) or draft.finish


def _chat(draft: _Draft, message: Object) -> None:
    """A delta or a whole message of a chat."""
    draft.role = _text(message.get("role")) or draft.role
    content = message.get("content")
    if isinstance(content, list):
        draft.text += [_text(_object(part).get("text")) for part in content]
    draft.text.append(_text(content))
    draft.text.append(_text(_object(message.get("audio")).get("transcript")))
    draft.reasoning.append(_text(message.get("reasoning_content")) or _text(message.get("reasoning")))
    draft.refusal.append(_text(message.get("refusal")))
    if old := _object(message.get("function_call")):  # before tool_calls, 2023
        _function(draft.call("function_call"), old)
    for number, tool in enumerate(map(_object, _list(message.get("tool_calls")))):
        call = draft.call(tool.get("index", number) if isinstance(tool.get("index"), int) else number)
        call.id = _text(tool.get("id")) or call.id
        _function(call, _object(tool.get("function") or tool.get("custom")))


def _function(call: _Call, function: Object) -> None:
    call.name = call.name or _text(function.get("name"))
    given = function.get("arguments", function.get("input"))
    call.arguments.append(_written(given))


def _block(draft: _Draft, number: object, block: Object) -> None:
    """A block of content of Anthropic's."""
    draft.text.append(_text(block.get("text")))
    draft.reasoning.append(_text(block.get("thinking")))
    if _text(block.get("type")).endswith("tool_use"):
        call = draft.call(number)
        call.id, call.name = _text(block.get("id")), _text(block.get("name"))
        call.arguments.append(_written(block.get("input")))


def _usage(usage: Object) -> Usage | None:
    details = dict(_counts(usage))
    if not details:
        return None
    tokens_in = details.get("prompt_tokens", details.get("input_tokens"))
    tokens_out = details.get("completion_tokens", details.get("output_tokens"))
    return Usage(tokens_in, tokens_out, details.get("total_tokens"), details)


def _counts(usage: Object) -> Iterator[tuple[str, int]]:
    for name, value in usage.items():
        # OpenAI nests one level: completion_tokens_details.reasoning_tokens.
        inner = {f"{name}.{key}": item for key, item in value.items()} if isinstance(value, dict) else {}
        for key, item in {name: value, **inner}.items():
            if isinstance(item, int) and not isinstance(item, bool):
                yield key, item


def _error(value: object) -> str:
    error = _object(value)
    return _text(error.get("message")) or _written(value)


def _written(value: object) -> str:
    """Text as it is, anything else as JSON; nothing for what is empty."""
    if isinstance(value, str) or not value:
        return _text(value)
    try:
        return json.dumps(value, ensure_ascii=False)
    except RecursionError:
        return "(nested too deep to be shown)"


def _json_object(text: bytes | str) -> Object | None:
    """The JSON object, its numbers as they are written; None for what is none, or is nested too deep."""
    try:
        value = json.loads(text) if text.lstrip()[:1] in (b"{", "{") else None
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _object(value: object) -> Object:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
