"""llama-stack's recordings: JSON files, one per call of an SDK -> the exchange that the SDK had; read only.

A recording holds the SDK's keyword arguments and the objects that it returned. What is served is
what the SDK would have sent and what it would have read those objects from.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TypeGuard
from urllib.parse import urlencode, urlsplit

from mitmvcr.errors import FormatError, NoRecordingError
from mitmvcr.formats import container, recorded_http, yaml_json, yaml_to_json
from mitmvcr.formats.yaml_json import Value
from mitmvcr.model import Cassette, Interaction, Request, Response

# Arguments that the SDK keeps for itself (openai-python, make_request_options); extra_* go elsewhere.
_NOT_SENT = frozenset({"extra_headers", "extra_query", "extra_body", "timeout"})

# Calls without a body; older recordings have POST for them, which no SDK sends.
_GET = ("/models", "/api/tags", "/api/ps")


def load(data: bytes) -> Cassette:
    """The one recording in a file; raises FormatError, NoRecordingError for what has no request and response.

    A recording that can't be served over HTTP gives no interaction but a note.
    """
    record = yaml_json.read_json(data)
    if not _is_recording(record):
        raise NoRecordingError("no recording of llama-stack: it has no request and response")
    try:
        return _load(record)
    except FormatError as error:
        reason = f"it has a request and a response, but is no recording of llama-stack ({error.reason})"
        raise FormatError(f"{reason}: what recorded it is not read") from None


def load_directory(files: Iterable[tuple[str, bytes]]) -> Cassette:
    """A folder's recordings, given as names and contents, as one cassette in the order of the names.

    Files of JSON that are no recording are named in `notes`. Raises FormatError, which names the
    file, for what isn't JSON or has wrong types, and if there is no recording at all.
    """
    found: dict[str, Cassette] = {}
    others: list[str] = []
    for name, data in files:
        try:
            record = yaml_json.read_json(container.unwrapped(data))
            if _is_recording(record):
                found[name] = _load(record)
            else:
                others.append(f"{name} is left out: it is no recording of llama-stack")
        except FormatError as error:
            raise FormatError(f"{name}: {error}") from None
    if not found:
        raise FormatError(
            "no recording of llama-stack in this folder: they are JSON with request and response"
        )
    names = sorted(found)
    interactions = [interaction for name in names for interaction in found[name].interactions]
    notes = [f"{name} is {note}" for name in names for note in found[name].notes]
    return Cassette(
        tuple(replace(interaction, id=number) for number, interaction in enumerate(interactions)),
        notes=(*notes, *sorted(others)),
    )


def _is_recording(record: Value) -> TypeGuard[dict[str, Value]]:
    return (
        isinstance(record, dict)
        and isinstance(record.get("request"), dict)
        and isinstance(record.get("response"), dict)
    )


def _load(record: dict[str, Value]) -> Cassette:
    try:
        return Cassette((_interaction(record),))
    except recorded_http.NotServable as reason:
        return Cassette(notes=(f"left out: {reason}",))


def _interaction(record: dict[str, Value]) -> Interaction:
    recorded_request = yaml_json.mapping(record["request"], "request")
    recorded_response = yaml_json.mapping(record["response"], "response")
    if "status" in recorded_response:
        raise FormatError("its response has a status, which is an HTTP recorder's")
    url = yaml_json.text(recorded_request.get("url"), "request.url")
    _check_servable(url, recorded_request, recorded_response)
    request = _request(url, recorded_request)
    path = urlsplit(request.url).path
    return Interaction(request, _response(path, recorded_response))


def _check_servable(
    url: str, recorded_request: dict[str, Value], recorded_response: dict[str, Value]
) -> None:
    try:
        parts = urlsplit(url)
    except ValueError:
        raise FormatError(f"request.url is {url[:80]!r}, which is no URL") from None
    endpoint = yaml_json.text(recorded_request.get("endpoint"), "request.endpoint")
    path = parts.path.rstrip("/")
    if parts.scheme == "tool" or endpoint.startswith("/tools") or "/tool-runtime/" in path:
        raise recorded_http.NotServable(f"a call of a tool ({url[:80]}), not of OpenAI's API")
    if "vertex" in parts.scheme or _type(recorded_response.get("body")).startswith(("google.", "vertexai.")):
        raise recorded_http.NotServable("a call through Google's own SDK (Vertex AI), not in OpenAI's API")
    if path.endswith("/interactions") or endpoint.endswith("/interactions"):
        raise recorded_http.NotServable("a call of Google's /interactions, not in OpenAI's API")
    if path.endswith("/v1/messages") or endpoint.endswith("/v1/messages"):
        raise recorded_http.NotServable("a call of Anthropic's /v1/messages, not in OpenAI's API")
    if not recorded_http.is_http(url):
        raise recorded_http.NotServable(f"its URL is {url[:80]!r}, which is not HTTP's")


def _request(url: str, recorded_request: dict[str, Value]) -> Request:
    body = recorded_request.get("body")
    arguments = {} if body is None else yaml_json.mapping(body, "request.body")
    headers = _request_headers(recorded_request.get("headers"), arguments.get("extra_headers"))
    # Recorders put the endpoint, /v1/…, behind a base URL that has the /v1 already.
    url = _with_query(url.replace("/v1/v1/", "/v1/"), arguments.get("extra_query"))
    method = yaml_json.text(recorded_request.get("method"), "request.method").upper() or "POST"
    sent = {name: _plain(value) for name, value in arguments.items() if name not in _NOT_SENT}
    extra = arguments.get("extra_body")
    if extra is not None:
        sent |= yaml_json.mapping(_plain(extra), "request.body.extra_body")
    if urlsplit(url).path.endswith(_GET) and not sent:
        method = "GET"
    if method in ("GET", "HEAD", "DELETE") and not sent:
        return recorded_http.request(method, url, headers, b"")
    headers.setdefault("Content-Type", ["application/json"])
    return recorded_http.request(method, url, headers, _json(sent))


def _request_headers(*several: Value) -> dict[str, list[str]]:
    pairs: dict[str, Sequence[str]] = {}
    for headers in several:
        if headers is not None:
            for name, value in yaml_json.mapping(headers, "request.headers").items():
                pairs[name] = [yaml_json.text(value, f"request.headers.{name}")]
    return recorded_http.headers(pairs.items())


def _with_query(url: str, extra: Value) -> str:
    if not extra:
        return url
    pairs = yaml_json.mapping(extra, "request.body.extra_query")
    query = urlencode(
        {name: yaml_json.text(value, "request.body.extra_query") for name, value in pairs.items()}
    )
    return f"{url}{'&' if '?' in url else '?'}{query}"


def _response(path: str, recorded_response: dict[str, Value]) -> Response:
    if recorded_response.get("is_exception"):
        return _error(recorded_response)
    body = recorded_response.get("body")
    if recorded_response.get("is_streaming"):
        chunks = body if isinstance(body, list) else [body]
        if "/api/" in path:  # Ollama's own API streams lines of JSON
            lines = b"".join(_json(_plain(chunk)) + b"\n" for chunk in chunks)
            return _answer(200, "application/x-ndjson", lines)
        return _answer(200, "text/event-stream", b"".join(map(_event, chunks)) + b"data: [DONE]\n\n")
    if isinstance(body, list) and (path.endswith("/models") or _type(body) == "openai.types.model.Model"):
        return _answer(200, "application/json", _json({"object": "list", "data": _plain(body)}))
    return _answer(200, "application/json", _json(_plain(body)))


def _error(recorded_response: dict[str, Value]) -> Response:
    exception = recorded_response.get("exception_data")
    if not isinstance(exception, dict) or exception.get("status_code") is None:
        what = recorded_response.get("exception_message") or "no message"
        raise recorded_http.NotServable(f"an exception that was no answer of the server ({str(what)[:80]})")
    code = yaml_json.integer(exception["status_code"], "response.exception_data.status_code")
    if not 100 <= code <= 999:
        raise FormatError(f"response.exception_data.status_code is {code}, which HTTP doesn't have")
    response = _answer(code, "application/json", _json({"error": _plain(exception.get("body"))}))
    # The SDK raised it when its retries had ended: to ask again gives the same.
    return replace(response, headers={**response.headers, "X-Should-Retry": ["false"]})


def _answer(code: int, content_type: str, body: bytes) -> Response:
    return recorded_http.response(code, "", {"Content-Type": [content_type]}, body)


def _event(chunk: Value) -> bytes:
    data = _plain(chunk)
    # The Responses API names its events; what streams chat completions doesn't.
    kind = data.get("type") if isinstance(data, dict) and "object" not in data else None
    name = f"event: {kind}\n".encode() if isinstance(kind, str) and kind.isprintable() else b""
    return name + b"data: " + _json(data) + b"\n\n"


def _type(body: Value) -> str:
    first = body[0] if isinstance(body, list) and body else body
    kind = first.get("__type__") if isinstance(first, dict) else None
    return kind if isinstance(kind, str) else ""


def _plain(value: Value) -> Value:
    """The value with each `{__type__, __data__}` in it replaced by its data."""
    if isinstance(value, dict):
        if "__data__" in value and "__type__" in value:
            return _plain(value["__data__"])
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value


def _json(value: Value) -> bytes:
    return yaml_to_json.json_bytes(value, None, compact=True)
