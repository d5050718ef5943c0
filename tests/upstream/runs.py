"""`/v1/threads/{id}/runs`: a run answers its thread's last message, or calls tools; polled or streamed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import chain

from tests.upstream import assistants, things, words
from tests.upstream.state import Change, State, Thing
from tests.upstream.wire import CREATED, Answer, ApiError, Json, Request, data, model_of, stream

_USAGE = {"prompt_tokens": 20, "completion_tokens": 11, "total_tokens": 31}
_EMPTY: Json = dict.fromkeys(
    (
        "cancelled_at",
        "completed_at",
        "failed_at",
        "incomplete_details",
        "last_error",
        "max_completion_tokens",
        "max_prompt_tokens",
        "required_action",
        "started_at",
        "usage",
    )
)


def _run(request: Request, state: State, name: str) -> tuple[Json, Sequence[Change]]:
    body = request.json()
    thread = request.args[0]
    things.find(assistants.THREADS, state, [thread])
    things.wanted(body, "assistant_id")
    assistant = things.find(assistants.ASSISTANTS, state, [body["assistant_id"]]).value
    for given in body.get("additional_messages") or []:
        assistants.message(state, thread, given)
    own = things.echoed(body, {field: assistant[field] for field in assistants.SETTINGS})
    own["instructions"] = own["instructions"] or ""
    more = {"tool_choice": "auto", "parallel_tool_calls": True}
    run: Json = {
        "thread_id": thread,
        "assistant_id": assistant["id"],
        "status": "queued",
        "model": model_of(body, body.get("model") or assistant["model"]),
        "expires_at": CREATED + 600,
        "truncation_strategy": {"type": "auto", "last_messages": None},
    }
    fields = _EMPTY | run | own | things.echoed(body, more)
    return fields, _course(state, fields | {"id": name}, request)


def _course(state: State, run: Json, request: Request) -> list[Change]:
    """What becomes of a queued run: it calls tools and waits for them, or says something."""
    messages = state.collection(assistants.MESSAGES.collection([run["thread_id"]])).values()
    asked = [assistants.text(each.value) for each in messages if each.value["role"] == "user"]
    prompt = asked[-1] if asked else ""
    tools = [
        words.Tool(tool["function"]["name"], tool["function"].get("parameters") or {})
        for tool in run["tools"]
        if tool["type"] == "function"
    ]
    calls = words.calls(tools, run["tool_choice"], prompt, asked=True)
    last = partial(_calling, state, run, calls) if calls else partial(_saying, state, run, prompt, request)
    return [partial(dict, status="in_progress", started_at=CREATED), last]


def _saying(state: State, run: Json, said: str, request: Request) -> Json:
    text = "".join(words.reply(said, request.knobs, request.nth))
    who = {"assistant_id": run["assistant_id"], "run_id": run["id"]}
    message = assistants.message(state, run["thread_id"], {"role": "assistant", "content": text}, **who)
    details = {"message_creation": {"message_id": message.value["id"]}}
    _step(state, run, "message_creation", details, "completed")
    return {"status": "completed", "usage": _USAGE}


def _calling(state: State, run: Json, calls: Sequence[words.Call]) -> Json:
    listed: list[Json] = [
        {
            "id": state.new_id("call_"),
            "type": "function",
            "function": {"name": call.name, "arguments": call.arguments},
        }
        for call in calls
    ]
    steps = [{**call, "function": {**call["function"], "output": None}} for call in listed]
    _step(state, run, "tool_calls", {"tool_calls": steps}, "in_progress")
    action = {"type": "submit_tool_outputs", "submit_tool_outputs": {"tool_calls": listed}}
    return {"status": "requires_action", "required_action": action}


def _step(state: State, run: Json, kind: str, details: Json, status: str) -> None:
    empty: Json = dict.fromkeys(
        ("cancelled_at", "completed_at", "expired_at", "failed_at", "last_error", "metadata")
    )
    value: Json = {
        "id": state.new_id(STEPS.prefix),
        "run_id": run["id"],
        "assistant_id": run["assistant_id"],
        "thread_id": run["thread_id"],
        "type": kind,
        "step_details": {"type": kind} | details,
        "usage": _USAGE if status == "completed" else None,
    }
    things.put(STEPS, state, [run["thread_id"], run["id"]], empty | value).become({"status": status})


def create(request: Request, state: State) -> Answer:
    """POST /v1/threads/{id}/runs."""
    return _told(things.add(RUNS, request, state, request.args), request, state)


def create_with_thread(request: Request, state: State) -> Answer:
    """POST /v1/threads/runs."""
    thread = things.add(assistants.THREADS, request, state, ()).value
    run = things.add(RUNS, replace(request, args=[thread["id"]]), state, [thread["id"]])
    return _told(run, request, state, opening=[("thread.created", thread)])


def submit(request: Request, state: State) -> Answer:
    """POST /v1/threads/{id}/runs/{id}/submit_tool_outputs: the run says what the tools gave."""
    run = things.find(RUNS, state, request.args)
    if run.value["status"] != "requires_action":
        raise ApiError(400, f'Runs in status "{run.value["status"]}" do not accept tool outputs.')
    body = request.json()
    things.wanted(body, "tool_outputs")
    outputs = {each["tool_call_id"]: each["output"] for each in body["tool_outputs"]}
    *_, step = state.collection(_steps(run.value)).values()
    for call in step.value["step_details"]["tool_calls"]:
        if call["id"] not in outputs:
            raise ApiError(400, f"Expected tool outputs for call_ids ['{call['id']}'], got {list(outputs)}")
        call["function"]["output"] = outputs[call["id"]]
    step.become({"status": "completed", "usage": _USAGE})
    run.become({"status": "queued", "required_action": None})
    said = partial(_saying, state, run.value, " ".join(outputs.values()), request)
    run.changes = [*things.statuses("in_progress"), said]
    return _told(run, request, state)


def _told(run: Thing, request: Request, state: State, opening: Sequence[tuple[str, Json]] = ()) -> Answer:
    if not request.json().get("stream"):
        return things.shown(RUNS, run)
    events = chain(opening, _events(run, state))
    done = b"event: done\ndata: [DONE]\n\n"
    return stream((f"event: {name}\n".encode() + data(value) for name, value in events), done)


def _events(run: Thing, state: State) -> Iterator[tuple[str, Json]]:
    """What a stream tells of a run from now until it ends or waits; it goes on as it is read."""
    yield "thread.run.created", dict(run.value)
    while run.value["status"] in ("queued", "in_progress"):
        yield f"thread.run.{run.value['status']}", dict(run.value)
        run.step()
    *_, step = (thing.value for thing in state.collection(_steps(run.value)).values())
    begun = step | {"status": "in_progress", "completed_at": None, "usage": None}
    kind = step["type"]
    empty: Json = {"tool_calls": []} if kind == "tool_calls" else {}
    for name in ("created", "in_progress"):
        yield f"thread.run.step.{name}", begun | {"step_details": step["step_details"] | empty}
    yield from _call_events(step) if kind == "tool_calls" else _message_events(step, state)
    if step["status"] == "completed":
        yield "thread.run.step.completed", step
    yield f"thread.run.{run.value['status']}", dict(run.value)


def _steps(run: Json) -> str:
    return STEPS.collection([run["thread_id"], run["id"]])


def _message_events(step: Json, state: State) -> Iterator[tuple[str, Json]]:
    name = step["step_details"]["message_creation"]["message_id"]
    message = things.find(assistants.MESSAGES, state, [step["thread_id"], name]).value
    begun = message | {"status": "in_progress", "completed_at": None, "content": []}
    yield "thread.message.created", begun
    yield "thread.message.in_progress", begun
    for piece in words.pieces(assistants.text(message)):
        part = {"index": 0, "type": "text", "text": {"value": piece}}
        yield (
            "thread.message.delta",
            {"id": name, "object": "thread.message.delta", "delta": {"content": [part]}},
        )
    yield "thread.message.completed", message


def _call_events(step: Json) -> Iterator[tuple[str, Json]]:
    for at, call in enumerate(step["step_details"]["tool_calls"]):
        opened = {**call, "index": at, "function": {**call["function"], "arguments": ""}}
        yield _call_delta(step, opened)
        for piece in words.json_pieces(call["function"]["arguments"]):
            yield _call_delta(step, {"index": at, "type": "function", "function": {"arguments": piece}})


def _call_delta(step: Json, call: Json) -> tuple[str, Json]:
    details = {"step_details": {"type": "tool_calls", "tool_calls": [call]}}
    return "thread.run.step.delta", {"id": step["id"], "object": "thread.run.step.delta", "delta": details}


RUNS = things.Kind(
    "/threads/{}/runs", "thread.run", "run_", _run, "list retrieve update cancel", poll_after=20
)
STEPS = things.Kind("/threads/{}/runs/{}/steps", "thread.run.step", "step_", verbs="list retrieve")
KINDS = (RUNS, STEPS)
