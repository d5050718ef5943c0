"""The control API (design section 4): a method, a path and a body -> an answer in JSON; no I/O of its own."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import NoReturn
from urllib.parse import quote, unquote

from mitmvcr import __version__
from mitmvcr.answers import Answer, error
from mitmvcr.errors import MitmvcrError, SettingsError
from mitmvcr.sessions import OpenCassette, Plan, Sessions, plan_with
from mitmvcr.settings import parse_latency, parse_matching, parse_mode

_CASSETTES = "/cassettes/"
_FIELDS = {"mode", "match", "ignore", "repeat", "latency", "strict", "default"}
_KIND = "vcr_control_error"


class RequestError(MitmvcrError):
    """A request that the control API can't serve; `code` is HTTP's."""

    def __init__(self, code: int, message: str) -> None:
        self.code = code
        super().__init__(message)


def handle(sessions: Sessions, method: str, path: str, body: bytes) -> Answer:
    """Serve one request of the control API."""
    try:
        if path.startswith(_CASSETTES) and len(path) > len(_CASSETTES):
            document = _cassette(sessions, method, unquote(path.removeprefix(_CASSETTES)), body)
        elif path == "/" and method == "GET":
            document = _overview(sessions)
        elif path == "/":
            _refuse(405, "/ takes GET")
        else:
            _refuse(404, f"there is no {path}; there are / and {_CASSETTES}{{name}}")
    except RequestError as problem:
        return error(problem.code, _KIND, str(problem))
    except MitmvcrError as problem:
        return error(400, _KIND, str(problem))
    text = json.dumps(document, ensure_ascii=False).encode("utf-8", "replace")
    headers = (("Content-Type", "application/json"), ("Content-Length", str(len(text))))
    return Answer(200, "OK", headers, text)


def _overview(sessions: Sessions) -> dict[str, object]:
    return {
        "version": __version__,
        "mode": sessions.settings.mode.value,
        "directory": str(sessions.settings.dir),
        "default": sessions.default,
        "cassettes": [opened.location.name for opened in sessions],
    }


def _cassette(sessions: Sessions, method: str, name: str, body: bytes) -> dict[str, object]:
    if method == "PUT":
        return _open(sessions, name, _fields(body))
    if method not in ("GET", "DELETE"):
        _refuse(405, f"{_CASSETTES}{{name}} takes GET, PUT and DELETE")
    opened = sessions.find(name)
    if opened is None:
        _refuse(404, f"cassette {name!r} isn't open; PUT {_CASSETTES}{quote(name)} opens it")
    report = sessions.close(name) if method == "DELETE" else opened.current()
    return asdict(report or opened.current())


def _open(sessions: Sessions, name: str, fields: dict[str, object]) -> dict[str, object]:
    plan = _plan(sessions.plan(), fields)
    default = fields.get("default", False)
    if not isinstance(default, bool):
        _refuse(400, "default takes true or false")
    opened = sessions.open(name, plan)
    if default:
        sessions.default = name
    return _opened(opened)


def _fields(body: bytes) -> dict[str, object]:
    try:
        fields = json.loads(body) if body.strip() else {}
    except (ValueError, RecursionError):
        _refuse(400, "the body is no JSON")
    if not isinstance(fields, dict):
        _refuse(400, "the body is no JSON object")
    if unknown := sorted(set(fields) - _FIELDS):
        _refuse(400, f"there is no field {', '.join(unknown)}; there are {', '.join(sorted(_FIELDS))}")
    return fields


def _plan(plan: Plan, fields: dict[str, object]) -> Plan:
    texts = {name: _text(name, fields[name]) for name in fields if name not in ("strict", "default")}
    strict = fields.get("strict")
    if strict is not None and not isinstance(strict, bool):
        _refuse(400, "strict takes true or false")
    matching = plan.matching
    if {"match", "ignore", "repeat"} & texts.keys():
        before = {
            "match": ",".join(matching.match),
            "ignore": ",".join(matching.ignore),
            "repeat": matching.repeat or "",
        }
        matching = parse_matching(before | texts)
    return plan_with(
        plan,
        mode=parse_mode(texts["mode"]) if "mode" in texts else None,
        matching=matching,
        latency=parse_latency(texts["latency"]) if "latency" in texts else None,
        strict=strict,
    )


def _text(name: str, value: object) -> str:
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return ",".join(value)
    if isinstance(value, str) or (isinstance(value, int | float) and not isinstance(value, bool)):
        return str(value)
    raise SettingsError(f"{name} takes text or a list of texts")


def _opened(opened: OpenCassette) -> dict[str, object]:
    return {
        "name": opened.location.name,
        "path": str(opened.location.path),
        "exists": opened.location.exists,
        "mode": opened.plan.mode.value,
        "interactions": len(opened.interactions),
    }


def _refuse(code: int, message: str) -> NoReturn:
    raise RequestError(code, message)
