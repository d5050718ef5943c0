"""A request, an answer and an error, as the endpoints see them: plain data, no sockets."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from tests.upstream.knobs import NONE, Knobs

Json: TypeAlias = dict[str, Any]

CREATED = 1741569952
_MODELS = {
    "gpt-4o-mini": "gpt-4o-mini-2024-07-18",
    "gpt-4o": "gpt-4o-2024-08-06",
    "gpt-4.1": "gpt-4.1-2025-04-14",
    "o4-mini": "o4-mini-2025-04-16",
}


@dataclass(frozen=True, slots=True)
class Request:
    """One request, read whole. `nth` counts such requests from 1 (0: nobody asked)."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    knobs: Knobs = NONE
    nth: int = 0
    args: Sequence[str] = ()

    def json(self) -> Json:
        try:
            value = json.loads(self.body)
        except ValueError:
            value = None
        if not isinstance(value, dict):
            raise ApiError(
                400,
                "We could not parse the JSON body of your request. (HINT: This likely means you aren't "
                "using your HTTP library correctly. The OpenAI API expects a JSON payload, but what was "
                "sent was not valid JSON. If you have trouble figuring out how to fix this, please "
                "contact us through our help center at help.openai.com.)",
            )
        return value

    def token(self, *salt: object, length: int = 24) -> str:
        """Letters and digits that the request decides, others for each salt."""
        digest = hashlib.sha256(repr((self.method, self.path, salt)).encode() + self.body)
        return digest.hexdigest()[:length]


class ApiError(Exception):
    """An error that the endpoint answers with, in OpenAI's shape."""

    def __init__(
        self,
        status: int,
        message: str,
        kind: str = "invalid_request_error",
        param: str | None = None,
        code: str | None = None,
    ) -> None:
        self.status = status
        self.body: Json = {"error": {"message": message, "type": kind, "param": param, "code": code}}
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer: `chunks` are a stream's events, made as they are sent, or the one body."""

    chunks: Iterable[bytes] = ()
    status: int = 200
    content_type: str = "application/json"
    headers: Sequence[tuple[str, str]] = ()
    streamed: bool = False
    done: bytes = field(default=b"", kw_only=True)


def plain(value: object, status: int = 200) -> Answer:
    """JSON as OpenAI writes it: two spaces, UTF-8, a line end."""
    return Answer((json.dumps(value, indent=2, ensure_ascii=False).encode() + b"\n",), status)


def data(value: object) -> bytes:
    return b"data: " + json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode() + b"\n\n"


def stream(events: Iterable[bytes], done: bytes = b"data: [DONE]\n\n") -> Answer:
    return Answer(events, 200, "text/event-stream; charset=utf-8", streamed=True, done=done)


def model_of(body: Json, name: str = "") -> str:
    """The model that answers: the dated name of the one that was asked for."""
    model = name or body.get("model")
    if not isinstance(model, str) or not model:
        raise ApiError(400, "you must provide a model parameter")
    if model.startswith("no-such"):
        raise ApiError(
            404,
            f"The model `{model}` does not exist or you do not have access to it.",
            code="model_not_found",
        )
    return _MODELS.get(model, model)


def missing(param: str) -> ApiError:
    return ApiError(
        400, f"Missing required parameter: '{param}'.", param=param, code="missing_required_parameter"
    )
