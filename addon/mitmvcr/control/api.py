"""The control API: a request -> an answer in JSON; no I/O of its own.

What it takes and answers is described in openapi.json, by which it checks fields.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import NoReturn
from urllib.parse import quote, unquote

from mitmvcr import __version__
from mitmvcr.control import schema
from mitmvcr.errors import MitmvcrError
from mitmvcr.http.pages import Sender, is_local_name, name_of, own_origin
from mitmvcr.replay.served_response import ServedResponse, error
from mitmvcr.reports import run_report
from mitmvcr.sessions.open_cassette import OpenCassette
from mitmvcr.sessions.table import Sessions

HOST = "mitmvcr.local"
"""The API's host, as clients of a forward proxy name it."""

MAX_BODY = 1 << 20
"""Bytes of a request's body."""

_CASSETTES = "/cassettes/"
_KIND = "vcr_control_error"
_HEADERS = (
    ("Content-Type", "application/json"),
    ("Cache-Control", "no-store"),
    ("X-Content-Type-Options", "nosniff"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
)
_TAKES = {
    "/": ("GET", "HEAD"),
    "/openapi.json": ("GET", "HEAD"),
    "/cassettes": ("GET", "HEAD", "DELETE"),
    _CASSETTES: ("GET", "HEAD", "PUT", "DELETE"),
}


_PROGRAM = Sender()


@dataclass(frozen=True, slots=True)
class ControlRequest:
    """A request to the API."""

    method: str
    path: str
    body: bytes = b""
    sender: Sender = _PROGRAM


class RequestError(MitmvcrError):
    """A request that the control API can't serve; `code` is HTTP's."""

    def __init__(self, code: int, message: str, allow: str = "") -> None:
        self.code = code
        self.allow = allow
        super().__init__(message)


def handle(sessions: Sessions, request: ControlRequest) -> ServedResponse:
    """Serve one request of the control API."""
    try:
        _check_sender(request.sender)
        document = _document(sessions, request)
    except RequestError as problem:
        answer = error(problem.code, _KIND, str(problem), is_shared=False)
        allow = (("Allow", problem.allow),) if problem.allow else ()
        return replace(answer, headers=(*answer.headers, *allow))
    except MitmvcrError as problem:
        return error(400, _KIND, str(problem), is_shared=False)
    text = json.dumps(document, ensure_ascii=False).encode("utf-8", "replace")
    return ServedResponse(200, "OK", (*_HEADERS, ("Content-Length", str(len(text)))), text)


def _check_sender(sender: Sender) -> None:
    """Keep out all pages but those that this proxy answered with, also those of this machine."""
    if sender.host is None or not (is_local_name(sender.host) or name_of(sender.host) == HOST):
        named = "by no name that was seen" if sender.host is None else f"as {sender.host!r}"
        _refuse(
            403,
            f"this proxy is asked {named}, which any site's page can do: use its IP address, localhost, or "
            f"a name without dots",
        )
    if not own_origin(sender):
        _refuse(403, "the request comes from another site's page: ask from a program, or from curl")


def _document(sessions: Sessions, request: ControlRequest) -> dict[str, object]:
    path = request.path
    is_named = path.startswith(_CASSETTES) and path != _CASSETTES
    takes = _TAKES.get(_CASSETTES if is_named else path if path != _CASSETTES else "")
    if takes is None:
        _refuse(404, f"there is no {path}; there are /, /openapi.json, /cassettes and {_CASSETTES}{{name}}")
    if request.method not in takes:
        allow = ", ".join(takes)
        raise RequestError(405, f"{_CASSETTES + '{name}' if is_named else path} takes {allow}", allow)
    method = "GET" if request.method == "HEAD" else request.method
    if is_named:
        name = unquote(path.removeprefix(_CASSETTES), errors="surrogateescape")
        return _cassette(sessions, method, name, request)
    if path == "/cassettes":
        return {"cassettes": [_report(sessions, opened, method) for opened in list(sessions)]}
    return _overview(sessions) if path == "/" else schema.document()


def _overview(sessions: Sessions) -> dict[str, object]:
    return {
        "version": __version__,
        "mode": sessions.settings.mode.value,
        "directory": str(sessions.settings.dir),
        "default": sessions.default,
        "cassettes": [opened.location.name for opened in sessions],
    }


def _cassette(sessions: Sessions, method: str, name: str, request: ControlRequest) -> dict[str, object]:
    if method == "PUT":
        return _open(sessions, name, _fields(request.body))
    opened = sessions.find(name)
    if opened is None:
        path = _CASSETTES + quote(name, safe="", errors="surrogateescape")
        _refuse(404, f"cassette {name!r} isn't open; PUT {path} opens it")
    return _report(sessions, opened, method)


def _report(sessions: Sessions, opened: OpenCassette, method: str) -> dict[str, object]:
    closed = sessions.close(opened.location.name) if method == "DELETE" else None
    return run_report.document(closed or opened.current())


def _open(sessions: Sessions, name: str, fields: dict[str, object]) -> dict[str, object]:
    is_default = fields.pop("default", False) is True
    plan = sessions.plan(name).changed({field: _text(value) for field, value in fields.items()})
    sessions.check(plan)
    opened = sessions.open(name, plan)
    if is_default:
        sessions.default = name
    return {
        "name": opened.location.name,
        "path": str(opened.location.path),
        "exists": opened.location.exists,
        "mode": opened.plan.mode.value,
        "interactions": len(opened.interactions),
    }


def _fields(body: bytes) -> dict[str, object]:
    if len(body) > MAX_BODY:
        _refuse(413, f"the body has {len(body)} bytes; {MAX_BODY} are taken")
    try:
        fields = json.loads(body) if body.strip() else {}
    except (ValueError, RecursionError):
        _refuse(400, "the body is no JSON")
    if not isinstance(fields, dict):
        _refuse(400, "the body is no JSON object")
    if unknown := sorted(fields.keys() - schema.FIELDS):
        _refuse(400, f"there is no field {', '.join(unknown)}; there are {', '.join(schema.FIELDS)}")
    for name, value in fields.items():
        if not schema.has_type(value, schema.FIELDS[name]):
            _refuse(400, f"{name} takes {schema.types(schema.FIELDS[name])}")
    return fields


def _text(value: object) -> str:
    """A field's value as the option of its name is written."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return "".join(f"{item}\n" for item in value)
    return str(value)


def _refuse(code: int, message: str) -> NoReturn:
    raise RequestError(code, message)
