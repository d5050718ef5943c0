"""Files, and uploads that become files once all of their parts are there."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from tests.upstream import things
from tests.upstream.forms import sent_file
from tests.upstream.state import Change, State, Upload
from tests.upstream.wire import CREATED, Answer, ApiError, Json, Request, plain

BUILT_IN = Upload("standin.bin", bytes(range(256)), "user_data")


def upload(request: Request, state: State) -> Answer:
    """POST /v1/files."""
    form, name, content = sent_file(request, "file")
    things.wanted(form, "purpose")
    # A multipart boundary is random: the id comes from what was sent, not from how.
    digest = hashlib.sha256(repr((name, form["purpose"])).encode() + content).hexdigest()
    return plain(keep(state, f"file-{digest[:22]}", Upload(name, content, form["purpose"])))


def files(request: Request, state: State) -> Answer:
    """GET /v1/files."""
    purpose = request.query.get("purpose")
    listed = [_file(key, state) for key, each in state.files.items() if purpose in (None, each.purpose)]
    return things.page(request, listed, limit=10_000)


def file(request: Request, state: State) -> Answer:
    """GET /v1/files/{id}."""
    return plain(_file(request.args[0], state))


def delete_file(request: Request, state: State) -> Answer:
    """DELETE /v1/files/{id}."""
    stored(request.args[0], state)
    state.files.pop(request.args[0], None)
    return plain({"id": request.args[0], "object": "file", "deleted": True})


def content(request: Request, state: State) -> Answer:
    """GET /v1/files/{id}/content: the bytes as they were uploaded."""
    found = stored(request.args[0], state)
    named = ("Content-Disposition", f'attachment; filename="{found.filename}"')
    return Answer((found.content,), content_type="application/octet-stream", headers=(named,))


def keep(state: State, key: str, new: Upload) -> Json:
    """Keep a file; the object that describes it."""
    state.keep(state.files, key, new)
    return _file(key, state)


def stored(key: str, state: State) -> Upload:
    """A file that was uploaded or made; raises ApiError."""
    found = BUILT_IN if key == "file-standin" else state.files.get(key)
    if found is None:
        raise ApiError(404, f"No such File object: {key}", param="id")
    return found


def _file(key: str, state: State) -> Json:
    found = stored(key, state)
    return {
        "object": "file",
        "id": key,
        "purpose": found.purpose,
        "filename": found.filename,
        "bytes": len(found.content),
        "created_at": CREATED,
        "expires_at": None,
        "status": "processed",
        "status_details": None,
    }


def _begun(request: Request, state: State, name: str) -> tuple[Json, Sequence[Change]]:
    body = request.json()
    things.wanted(body, "bytes", "filename", "mime_type", "purpose")
    said = {field: body[field] for field in ("bytes", "filename", "purpose")}
    return said | {"status": "pending", "expires_at": CREATED + 3600, "file": None}, ()


def _part(request: Request, state: State, name: str) -> tuple[Json, Sequence[Change]]:
    _pending(request, state)
    _, _, content = sent_file(request, "data")
    state.keep(state.parts, name, content)
    return {"upload_id": request.args[0]}, ()


UPLOADS = things.Kind("/uploads", "upload", "upload_", _begun, "create")
PARTS = things.Kind("/uploads/{}/parts", "upload.part", "part_", _part, "create")
KINDS = (UPLOADS, PARTS)


def _pending(request: Request, state: State) -> Json:
    upload = things.find(UPLOADS, state, request.args[:1]).value
    if upload["status"] != "pending":
        raise ApiError(400, f"Upload {upload['id']} is {upload['status']}.")
    return upload


def complete(request: Request, state: State) -> Answer:
    """POST /v1/uploads/{id}/complete: the parts in the order in which they are named."""
    begun = _pending(request, state)
    body = request.json()
    things.wanted(body, "part_ids")
    parts = [things.find(PARTS, state, [begun["id"], name]).value["id"] for name in body["part_ids"]]
    whole = b"".join(state.parts[name] for name in parts)
    if len(whole) != begun["bytes"]:
        raise ApiError(400, f"Uploaded parts have {len(whole)} bytes, expected {begun['bytes']}.")
    key = f"file-{hashlib.sha256(begun['id'].encode() + whole).hexdigest()[:22]}"
    made = keep(state, key, Upload(begun["filename"], whole, begun["purpose"]))
    begun |= {"status": "completed", "file": made}
    return plain(begun)


def cancel_upload(request: Request, state: State) -> Answer:
    """POST /v1/uploads/{id}/cancel."""
    begun = _pending(request, state)
    begun["status"] = "cancelled"
    return plain(begun)
