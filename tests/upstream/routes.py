"""Which endpoint answers a method and a path, who may ask, and the errors for the rest."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from itertools import chain
from typing import TypeAlias

from tests.upstream import (
    ORGANIZATION,
    assistants,
    batches,
    chat,
    conversations,
    endpoints,
    files,
    responses,
    runs,
    tuning,
    vectors,
)
from tests.upstream.state import State
from tests.upstream.things import ID
from tests.upstream.wire import Answer, ApiError, Request

_Stateful: TypeAlias = Callable[[Request, State], Answer]
_Stateless: TypeAlias = Callable[[Request], Answer]
_ID = f"/{ID}"
_AZURE = re.compile(r"/openai(?:/deployments/([^/]+))?(/.+)")
_PREFIX = re.compile(r"(?:/openai|/api)?/v1(?=/)")
_DEPLOYED = frozenset({"/chat/completions", "/completions", "/embeddings"})
"""Where Azure's path names the model and the body needn't."""


def _without_state(endpoint: _Stateless) -> _Stateful:
    return lambda request, _state: endpoint(request)


_TABLE: tuple[tuple[str, str, _Stateful], ...] = (
    ("POST", "/chat/completions", _without_state(chat.completions)),
    ("POST", "/responses", responses.create),
    ("POST", "/responses/input_tokens", _without_state(responses.count_input)),
    ("GET", "/responses" + _ID, responses.retrieve),
    ("DELETE", "/responses" + _ID, responses.delete),
    ("POST", "/responses" + _ID + "/cancel", responses.cancel),
    ("GET", "/responses" + _ID + "/input_items", responses.input_items),
    ("POST", "/completions", _without_state(chat.legacy)),
    ("POST", "/embeddings", _without_state(endpoints.embeddings)),
    ("GET", "/models", _without_state(endpoints.models)),
    ("GET", "/models" + _ID, _without_state(endpoints.model)),
    ("DELETE", "/models" + _ID, _without_state(endpoints.delete_model)),
    ("POST", "/audio/speech", _without_state(endpoints.speech)),
    ("POST", "/audio/transcriptions", _without_state(endpoints.transcriptions)),
    ("POST", "/audio/translations", _without_state(endpoints.transcriptions)),
    ("POST", "/files", files.upload),
    ("GET", "/files", files.files),
    ("GET", "/files" + _ID, files.file),
    ("DELETE", "/files" + _ID, files.delete_file),
    ("GET", "/files" + _ID + "/content", files.content),
    ("POST", "/moderations", _without_state(endpoints.moderations)),
    ("POST", "/images/generations", _without_state(endpoints.images)),
    ("POST", "/images/edits", _without_state(endpoints.edited_images)),
    ("POST", "/images/variations", _without_state(endpoints.image_variations)),
    ("POST", "/uploads" + _ID + "/complete", files.complete),
    ("POST", "/uploads" + _ID + "/cancel", files.cancel_upload),
    ("POST", "/vector_stores" + _ID + "/files", vectors.attach),
    ("GET", "/vector_stores" + _ID + "/files" + _ID + "/content", vectors.content),
    ("GET", "/vector_stores" + _ID + "/file_batches" + _ID + "/files", vectors.batch_files),
    ("POST", "/vector_stores" + _ID + "/search", vectors.search),
    ("POST", "/threads/runs", runs.create_with_thread),
    ("POST", "/threads" + _ID + "/runs", runs.create),
    ("POST", "/threads" + _ID + "/runs" + _ID + "/submit_tool_outputs", runs.submit),
    ("POST", "/conversations" + _ID + "/items", conversations.create_items),
    ("DELETE", "/conversations" + _ID + "/items" + _ID, conversations.delete_item),
)
_KINDS = (
    *files.KINDS,
    *batches.KINDS,
    *vectors.KINDS,
    *assistants.KINDS,
    *runs.KINDS,
    *tuning.KINDS,
    *conversations.KINDS,
)
# What stands later goes first where two rows match: `/threads/runs` is no thread.
_ROUTES = tuple(
    (method, re.compile(path), endpoint)
    for method, path, endpoint in (*chain.from_iterable(kind.routes() for kind in _KINDS), *_TABLE)
)


def answer(request: Request, state: State) -> Answer:
    """The answer to a request; raises ApiError. HEAD is answered as GET is."""
    _authorize(request, is_azure=request.path.startswith("/openai/"))
    path, args = _without_prefix(request)
    allowed = _allowed(path)
    if not allowed:
        raise _unknown(request)
    if request.method == "OPTIONS":
        return Answer(status=204, content_type="", headers=(("Allow", ", ".join([*allowed, "OPTIONS"])),))
    asked = "GET" if request.method == "HEAD" else request.method
    if asked not in allowed:
        raise ApiError(
            405,
            f"Not allowed to {request.method} on {request.path}. "
            "(HINT: Perhaps you meant to use a different HTTP method?)",
            code="method_not_supported",
        )
    endpoint, found = allowed[asked]
    return endpoint(replace(request, args=[*args, *found]), state)


def _without_prefix(request: Request) -> tuple[str, list[str]]:
    """The path below `/v1`, and the model if it is Azure's path that names it; raises ApiError."""
    prefix = _PREFIX.match(request.path)
    if prefix:
        return request.path[prefix.end() :], []
    azure = _AZURE.fullmatch(request.path)
    if azure and "api-version" in request.query:
        return azure[2], [azure[1]] if azure[1] and azure[2] in _DEPLOYED else []
    raise _unknown(request)


@lru_cache(maxsize=1024)
def _allowed(path: str) -> dict[str, tuple[_Stateful, tuple[str, ...]]]:
    """The methods of a path, each with its endpoint and the path's ids."""
    matches = ((method, route.fullmatch(path), endpoint) for method, route, endpoint in _ROUTES)
    return {method: (endpoint, found.groups()) for method, found, endpoint in matches if found}


def _authorize(request: Request, *, is_azure: bool) -> None:
    if request.method == "OPTIONS":
        return
    bearer = request.headers.get("authorization", "")
    key = request.headers.get("api-key", "") if is_azure else ""
    key = key or (bearer[7:].strip() if bearer.lower().startswith("bearer ") else "")
    if not key:
        raise ApiError(
            401,
            "You didn't provide an API key. You need to provide your API key in an Authorization header "
            "using Bearer auth (i.e. Authorization: Bearer YOUR_KEY), or as the password field (with blank "
            "username) if you're accessing the API from your browser and are prompted for a username and "
            "password. You can obtain an API key from https://platform.openai.com/account/api-keys.",
        )
    if key.startswith("sk-wrong"):
        raise ApiError(
            401,
            f"Incorrect API key provided: {_masked(key)}. You can find your API key at "
            "https://platform.openai.com/account/api-keys.",
            code="invalid_api_key",
        )


def _masked(key: str) -> str:
    """The first eight characters and the last four, as OpenAI shows a wrong key."""
    return key if len(key) <= 12 else f"{key[:8]}{'*' * (len(key) - 12)}{key[-4:]}"


def _unknown(request: Request) -> ApiError:
    return ApiError(404, f"Invalid URL ({request.method} {request.path})")


def asked_error(status: int, *, leak: bool) -> ApiError:
    """The error of a status that a request asked for, as OpenAI words it."""
    where = f" in organization {ORGANIZATION}" if leak else ""
    if status == 429:
        message = (
            f"Rate limit reached for gpt-4o-mini{where} on requests per min (RPM): Limit 3, Used 3, "
            "Requested 1. Please try again in 20s. Visit https://platform.openai.com/account/rate-limits "
            "to learn more."
        )
        return ApiError(status, message, "requests", code="rate_limit_exceeded")
    if status >= 500:
        message = f"The server had an error while processing your request{where}. Sorry about that!"
        return ApiError(status, message, "server_error")
    return ApiError(status, f"The stand-in was asked{where} for status {status}.")
