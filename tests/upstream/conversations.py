"""`/v1/conversations` and their items, to which responses add."""

from __future__ import annotations

from collections.abc import Sequence

from tests.upstream import things
from tests.upstream.state import Change, State, Thing
from tests.upstream.wire import Answer, Json, Request, plain


def _make(request: Request, state: State, name: str) -> tuple[Json, Sequence[Change]]:
    body = request.json() if request.body else {}
    extend(state, name, body.get("items") or [])
    return {"metadata": body.get("metadata") or {}}, ()


def extend(state: State, conversation: str, given: Sequence[Json]) -> list[Json]:
    """Add items to a conversation; as they are kept there, with ids."""
    kept = [_item(state, item) for item in given]
    held = state.collection(ITEMS.collection([conversation]))
    held.update({item["id"]: Thing(item) for item in kept})
    return kept


def _item(state: State, given: Json) -> Json:
    if "id" in given:
        return given
    content = given["content"]
    if isinstance(content, str):
        kind = "output_text" if given["role"] == "assistant" else "input_text"
        content = [{"type": kind, "text": content}]
    head = {"id": state.new_id("msg_"), "type": "message", "status": "completed"}
    return head | given | {"content": content}


def create_items(request: Request, state: State) -> Answer:
    """POST /v1/conversations/{id}/items."""
    things.find(CONVERSATIONS, state, request.args)
    body = request.json()
    things.wanted(body, "items")
    kept = extend(state, request.args[0], body["items"])
    ends = {"first_id": kept[0]["id"], "last_id": kept[-1]["id"]}
    return plain({"object": "list", "data": kept, "has_more": False} | ends)


def delete_item(request: Request, state: State) -> Answer:
    """DELETE /v1/conversations/{id}/items/{id}: the answer is the conversation."""
    things.delete(ITEMS, request, state)
    return things.shown(CONVERSATIONS, things.find(CONVERSATIONS, state, request.args[:1]))


CONVERSATIONS = things.Kind("/conversations", "conversation", "conv_", _make, "create retrieve update delete")
ITEMS = things.Kind("/conversations/{}/items", "conversation.item", "msg_", verbs="list retrieve")
KINDS = (CONVERSATIONS, ITEMS)
