"""`/v1/assistants`, `/v1/threads` and their messages; `runs` has what happens in a thread."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tests.upstream import things, words
from tests.upstream.state import Change, State, Thing
from tests.upstream.wire import CREATED, Json, Request, model_of

SETTINGS: Mapping[str, object] = {
    "instructions": None,
    "tools": [],
    "metadata": {},
    "temperature": 1.0,
    "top_p": 1.0,
    "response_format": "auto",
}
"""What an assistant has and a run can have its own of, and what it is if nobody says."""


def _assistant(request: Request, state: State, name: str) -> tuple[Json, Sequence[Change]]:
    body = request.json()
    model = model_of(body)
    more: Json = {"name": None, "description": None, "tool_resources": {}}
    return {"model": model} | things.echoed(body, {**more, **SETTINGS}), ()


def _thread(request: Request, state: State, name: str) -> tuple[Json, Sequence[Change]]:
    body = request.json() if request.body else {}
    body = body.get("thread") or {} if "assistant_id" in body else body
    for given in body.get("messages") or []:
        message(state, name, given)
    return things.echoed(body, {"metadata": {}, "tool_resources": {}}), ()


def _message(request: Request, state: State, name: str) -> tuple[Json, Sequence[Change]]:
    things.find(THREADS, state, request.args)
    return _said(request.args[0], request.json()), ()


def message(state: State, thread: str, given: Json, **more: object) -> Thing:
    """A message that nobody posted by itself: it came with its thread or run, or the assistant says it."""
    name = state.new_id(MESSAGES.prefix)
    return things.put(MESSAGES, state, [thread], {"id": name} | _said(thread, given) | more)


def _said(thread: str, given: Json) -> Json:
    things.wanted(given, "role", "content")
    return {
        "thread_id": thread,
        "assistant_id": None,
        "run_id": None,
        "role": given["role"],
        "content": _parts(given["content"]),
        "attachments": given.get("attachments") or [],
        "metadata": given.get("metadata") or {},
        "status": "completed",
        "completed_at": CREATED,
        "incomplete_at": None,
        "incomplete_details": None,
    }


def text(said: Json) -> str:
    """A message's text."""
    return " ".join(part["text"]["value"] for part in said["content"])


def _parts(content: Any) -> list[Json]:
    texts = [content] if isinstance(content, str) else [words.text_of([part]) for part in content]
    return [{"type": "text", "text": {"value": text, "annotations": []}} for text in texts]


ASSISTANTS = things.Kind("/assistants", "assistant", "asst_", _assistant)
THREADS = things.Kind("/threads", "thread", "thread_", _thread, "create retrieve update delete")
MESSAGES = things.Kind("/threads/{}/messages", "thread.message", "msg_", _message)
KINDS = (ASSISTANTS, THREADS, MESSAGES)
