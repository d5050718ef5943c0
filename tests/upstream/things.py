"""Objects that the API makes, lists, shows, changes and deletes: one way for all kinds.

A thing lives in the collection whose path it is made at, so the path says who its parent is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

from tests.upstream.state import Change, State, Thing
from tests.upstream.wire import CREATED, Answer, ApiError, Json, Request, missing, plain

Endpoint: TypeAlias = Callable[[Request, State], Answer]
Route: TypeAlias = tuple[str, str, Endpoint]
Make: TypeAlias = Callable[[Request, State, str], tuple[Json, Sequence[Change]]]
"""The fields of a new thing of this id, beyond `id`, `object` and `created_at`, and what each GET changes."""

ID = "([^/]+)"
_ALL = "create list retrieve update delete"


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of thing; `path` is its collection's, with `{}` for a parent's id.

    `verbs` are those of the SDKs that it has; `poll_after` is what `openai-poll-after-ms` says;
    `slow_cancel`: what is cancelled is `cancelling` until it is asked for again.
    """

    path: str
    object: str
    prefix: str = ""
    make: Make | None = None
    verbs: str = _ALL
    poll_after: int = 0
    slow_cancel: bool = True

    def collection(self, args: Sequence[str]) -> str:
        """The path of the collection that a request's path is in or below."""
        return self.path.format(*args)

    def routes(self) -> list[Route]:
        """The rows for the table of routes."""
        path, verbs = self.path.replace("{}", ID), self.verbs.split()
        rows = {
            "create": ("POST", path, create),
            "list": ("GET", path, list_),
            "retrieve": ("GET", f"{path}/{ID}", retrieve),
            "update": ("POST", f"{path}/{ID}", update),
            "delete": ("DELETE", f"{path}/{ID}", delete),
            "cancel": ("POST", f"{path}/{ID}/cancel", cancel),
        }
        return [(rows[verb][0], rows[verb][1], partial(rows[verb][2], self)) for verb in verbs]


def statuses(*names: str) -> list[Change]:
    """Changes of the status alone."""
    return [partial(dict, status=name) for name in names]


def add(kind: Kind, request: Request, state: State, args: Sequence[str]) -> Thing:
    """A new thing in the collection below these ids."""
    name = state.new_id(kind.prefix)
    fields, changes = kind.make(request, state, name) if kind.make else ({}, ())
    return put(kind, state, args, {"id": name} | fields, changes)


def put(kind: Kind, state: State, args: Sequence[str], fields: Json, changes: Sequence[Change] = ()) -> Thing:
    """A new thing with these fields, its id among them, in the collection below these ids."""
    thing = Thing({"object": kind.object, "created_at": CREATED} | fields, list(changes))
    state.keep(state.collection(kind.collection(args)), fields["id"], thing)
    return thing


def find(kind: Kind, state: State, args: Sequence[str]) -> Thing:
    """The thing whose parents' ids and own these are; raises ApiError."""
    found = state.collection(kind.collection(args)).get(args[-1])
    if found is None:
        name = kind.object.rpartition(".")[2].replace("_", " ")
        raise ApiError(404, f"No {name} found with id '{args[-1]}'.")
    return found


def shown(kind: Kind, thing: Thing) -> Answer:
    """The thing as it stands."""
    answer = plain(thing.value)
    if not kind.poll_after:
        return answer
    return Answer(answer.chunks, headers=(("openai-poll-after-ms", str(kind.poll_after)),))


def create(kind: Kind, request: Request, state: State) -> Answer:
    """POST of a new one."""
    return shown(kind, add(kind, request, state, request.args))


def list_(kind: Kind, request: Request, state: State) -> Answer:
    """GET of a collection."""
    things = state.collection(kind.collection(request.args)).values()
    return page(request, [thing.value for thing in things])


def retrieve(kind: Kind, request: Request, state: State) -> Answer:
    """GET of one, which moves on by a step each time: that is what polling waits for."""
    thing = find(kind, state, request.args)
    thing.step()
    return shown(kind, thing)


def update(kind: Kind, request: Request, state: State) -> Answer:
    """POST to one: the fields that it has take the values that are given."""
    thing = find(kind, state, request.args)
    thing.value |= {name: value for name, value in request.json().items() if name in thing.value}
    return shown(kind, thing)


def delete(kind: Kind, request: Request, state: State) -> Answer:
    """DELETE of one."""
    find(kind, state, request.args)
    del state.collection(kind.collection(request.args))[request.args[-1]]
    return plain({"id": request.args[-1], "object": f"{kind.object}.deleted", "deleted": True})


def cancel(kind: Kind, request: Request, state: State) -> Answer:
    """POST …/cancel of what isn't done."""
    thing = find(kind, state, request.args)
    if not thing.changes:
        raise ApiError(400, f"Cannot cancel what is {thing.value['status']}.")
    steps = ("cancelling", "cancelled") if kind.slow_cancel else ("cancelled",)
    thing.changes = statuses(*steps)
    thing.step()
    return shown(kind, thing)


def page(request: Request, oldest_first: Sequence[Json], limit: int = 20) -> Answer:
    """The part of a list that `limit`, `after`, `before` and `order` ask for, the newest first."""
    asked = request.query
    values = list(oldest_first) if asked.get("order") == "asc" else list(reversed(oldest_first))
    at = {value["id"]: index for index, value in enumerate(values)}
    for cursor in ("after", "before"):
        if asked.get(cursor, next(iter(at), "")) not in at:
            raise ApiError(400, f"Invalid cursor '{asked[cursor]}'.", param=cursor)
    start = at[asked["after"]] + 1 if "after" in asked else 0
    values = values[start : at[asked["before"]] if "before" in asked else None]
    size = _limit(asked.get("limit", str(limit)))
    shown_ = values[:size]
    ends = (shown_[0]["id"], shown_[-1]["id"]) if shown_ else (None, None)
    return plain(
        {"object": "list", "data": shown_, "first_id": ends[0], "last_id": ends[1]}
        | {"has_more": len(values) > size}
    )


def _limit(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise ApiError(400, f"Invalid 'limit': {text!r} is not a positive integer.", param="limit")
    return int(text)


def wanted(body: Json, *names: str) -> None:
    """Raises ApiError for the first of these that the body lacks."""
    for name in names:
        if body.get(name) is None:
            raise missing(name)


def echoed(body: Json, defaults: Mapping[str, object]) -> Json:
    """What the body says of these fields, else their defaults."""
    return {name: default if body.get(name) is None else body[name] for name, default in defaults.items()}
