"""`/v1/batches`: each GET moves a batch on, until the answers to its file's lines are in another file."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from tests.upstream import chat, endpoints, files, things
from tests.upstream.state import Change, State, Upload
from tests.upstream.wire import CREATED, Answer, ApiError, Json, Request

_ENDPOINTS: Mapping[str, Callable[[Request], Answer]] = {
    "/v1/chat/completions": chat.completions,
    "/v1/completions": chat.legacy,
    "/v1/embeddings": endpoints.embeddings,
    "/v1/moderations": endpoints.moderations,
}
_EMPTY = dict.fromkeys(
    (
        "cancelled_at",
        "cancelling_at",
        "completed_at",
        "error_file_id",
        "errors",
        "expired_at",
        "failed_at",
        "finalizing_at",
        "in_progress_at",
        "output_file_id",
    )
)


def _make(request: Request, state: State, name: str) -> tuple[Json, Sequence[Change]]:
    body = request.json()
    things.wanted(body, "input_file_id", "endpoint", "completion_window")
    lines = files.stored(body["input_file_id"], state).content.splitlines()
    batch: Json = {
        "endpoint": body["endpoint"],
        "input_file_id": body["input_file_id"],
        "completion_window": body["completion_window"],
        "status": "validating",
        "expires_at": CREATED + 86_400,
        "request_counts": _counts(0, 0),
        "metadata": body.get("metadata"),
    }
    try:
        answers = [_answered(request, body["endpoint"], line) for line in lines]
    except (ValueError, KeyError, ApiError) as error:
        said = {"code": "invalid_json_line", "message": str(error), "line": 1, "param": None}
        failed = {"status": "failed", "errors": {"object": "list", "data": [said]}}
        return _EMPTY | batch, [lambda: failed]
    total = len(answers)

    def completed() -> Json:
        key = state.new_id("file-")
        files.keep(state, key, Upload(f"{name}_output.jsonl", b"".join(answers), "batch_output"))
        return {"status": "completed", "output_file_id": key}

    return _EMPTY | batch, [
        lambda: {"status": "in_progress", "request_counts": _counts(total, 0)},
        lambda: {"status": "finalizing", "request_counts": _counts(total, total)},
        completed,
    ]


def _counts(total: int, completed: int) -> Json:
    return {"total": total, "completed": completed, "failed": 0}


def _answered(request: Request, path: str, line: bytes) -> bytes:
    """The line of the output file for a line of the input file; raises ValueError, KeyError, ApiError."""
    asked = json.loads(line)
    if path not in _ENDPOINTS:
        raise ValueError(f"The stand-in's batches don't reach {path}")
    inner = replace(request, path=path, body=json.dumps(asked["body"]).encode(), args=())
    body = json.loads(b"".join(_ENDPOINTS[path](inner).chunks))
    said = {"status_code": 200, "request_id": inner.token("batch", length=32), "body": body}
    head = {"id": f"batch_req_{inner.token('req', length=32)}", "custom_id": asked["custom_id"]}
    return json.dumps(head | {"response": said, "error": None}, ensure_ascii=False).encode() + b"\n"


KINDS = (things.Kind("/batches", "batch", "batch_", _make, "create list retrieve cancel"),)
