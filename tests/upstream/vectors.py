"""`/v1/vector_stores`: stores, their files and batches of files; a search finds every file's text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tests.upstream import files, things
from tests.upstream.state import Change, State, Thing
from tests.upstream.wire import CREATED, Answer, Json, Request, plain

_CHUNKS = {"type": "static", "static": {"max_chunk_size_tokens": 800, "chunk_overlap_tokens": 400}}
_POLL_AFTER = 20  # milliseconds


def _store(request: Request, state: State, name: str) -> tuple[Json, Sequence[Change]]:
    body = request.json()
    held = [_put(request, state, name, key) for key in body.get("file_ids") or []]
    optional = things.echoed(body, {"name": "", "metadata": {}, "expires_after": None})
    days = (optional["expires_after"] or {}).get("days")
    dates = {"last_active_at": CREATED, "expires_at": CREATED + days * 86_400 if days else None}

    def completed() -> Json:
        for thing in held:
            thing.step()
        return {"status": "completed"} | _totals(thing.value for thing in held)

    first = {"status": "in_progress" if held else "completed"} | _totals(thing.value for thing in held)
    return optional | dates | first, [completed] if held else []


def _totals(held: Iterable[Json]) -> Json:
    listed = list(held)
    counts = dict.fromkeys(("in_progress", "completed", "failed", "cancelled"), 0)
    for each in listed:
        counts[each["status"]] += 1
    used = sum(each["usage_bytes"] for each in listed)
    return {"usage_bytes": used, "file_counts": counts | {"total": len(listed)}}


def _put(request: Request, state: State, store: str, key: str) -> Thing:
    """A file in a store, whose totals follow it."""
    size = len(files.stored(key, state).content)
    optional = things.echoed(request.json(), {"attributes": {}, "chunking_strategy": _CHUNKS})
    begun = {"id": key, "vector_store_id": store, "status": "in_progress", "usage_bytes": 0}

    def completed() -> Json:
        thing.become({"status": "completed", "usage_bytes": size})
        _recount(state, store)
        return {}

    thing = things.put(FILES, state, [store], begun | {"last_error": None} | optional, [completed])
    _recount(state, store)
    return thing


def _recount(state: State, store: str) -> None:
    found = state.collection(STORES.collection([])).get(store)
    if found is not None:
        held = state.collection(FILES.collection([store])).values()
        found.value |= _totals(thing.value for thing in held)


def attach(request: Request, state: State) -> Answer:
    """POST /v1/vector_stores/{id}/files."""
    things.find(STORES, state, request.args)
    body = request.json()
    things.wanted(body, "file_id")
    return things.shown(FILES, _put(request, state, request.args[0], body["file_id"]))


def _batch(request: Request, state: State, name: str) -> tuple[Json, Sequence[Change]]:
    store = request.args[0]
    things.find(STORES, state, [store])
    body = request.json()
    keys = body.get("file_ids") or [each["file_id"] for each in body.get("files") or []]
    held = [_put(request, state, store, key) for key in keys]

    def counts() -> Json:
        return {"file_counts": _totals(thing.value for thing in held)["file_counts"]}

    def completed() -> Json:
        for thing in held:
            thing.step()
        return {"status": "completed"} | counts()

    state.collection(f"{BATCHES.collection([store])}/{name}/files").update(zip(keys, held, strict=True))
    return {"vector_store_id": store, "status": "in_progress"} | counts(), [completed]


def batch_files(request: Request, state: State) -> Answer:
    """GET /v1/vector_stores/{id}/file_batches/{id}/files."""
    batch = things.find(BATCHES, state, request.args).value["id"]
    held = state.collection(f"{BATCHES.collection(request.args)}/{batch}/files").values()
    return things.page(request, [thing.value for thing in held])


def search(request: Request, state: State) -> Answer:
    """POST /v1/vector_stores/{id}/search."""
    things.find(STORES, state, request.args)
    body = request.json()
    things.wanted(body, "query")
    query = body["query"]
    held = state.collection(FILES.collection(request.args)).values()
    found = [
        {
            "file_id": thing.value["id"],
            "filename": files.stored(thing.value["id"], state).filename,
            "score": round(0.9 - at / 100, 2),
            "attributes": thing.value["attributes"],
            "content": [_text(thing.value["id"], state)],
        }
        for at, thing in enumerate(held)
    ][: int(body.get("max_num_results") or 10)]
    asked = [query] if isinstance(query, str) else query
    return _results("search_results", found, search_query=asked)


def content(request: Request, state: State) -> Answer:
    """GET /v1/vector_stores/{id}/files/{id}/content."""
    key = things.find(FILES, state, request.args).value["id"]
    return _results("file_content", [_text(key, state)])


def _text(key: str, state: State) -> Json:
    return {"type": "text", "text": files.stored(key, state).content.decode(errors="replace")}


def _results(name: str, found: list[Json], **more: object) -> Answer:
    head: Json = {"object": f"vector_store.{name}.page"} | more
    return plain(head | {"data": found, "has_more": False, "next_page": None})


STORES = things.Kind("/vector_stores", "vector_store", "vs_", _store)
FILES = things.Kind(
    "/vector_stores/{}/files",
    "vector_store.file",
    verbs="list retrieve update delete",
    poll_after=_POLL_AFTER,
)
BATCHES = things.Kind(
    "/vector_stores/{}/file_batches",
    "vector_store.files_batch",
    "vsfb_",
    _batch,
    "create retrieve cancel",
    _POLL_AFTER,
    slow_cancel=False,
)
KINDS = (STORES, FILES, BATCHES)
