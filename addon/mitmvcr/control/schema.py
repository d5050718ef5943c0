"""The control API described in OpenAPI 3.1, and its fields with their types: what `control` checks by."""

from __future__ import annotations

import json

from mitmvcr.config.settings import MODE_ALIASES, Mode, Repeat
from mitmvcr.reports.run_report import SCHEMA

Schema = dict[str, object]

_TEXTS: Schema = {"type": ["string", "array"], "items": {"type": "string"}}

FIELDS: dict[str, Schema] = {
    "mode": {
        "type": "string",
        "enum": [*Mode, *MODE_ALIASES],
        "description": "As vcr_mode. A process that was started in replay refuses the others.",
    },
    "match": {**_TEXTS, "description": "As vcr_match: a list, or a text with commas."},
    "ignore": {**_TEXTS, "description": "As vcr_ignore: a list, or a text with commas."},
    "repeat": {
        "type": "string",
        "enum": ["", *Repeat],
        "description": "As vcr_repeat; if empty, as the cassette's format has it.",
    },
    "latency": {
        "type": ["string", "number"],
        "description": "As vcr_latency: off, recorded, or a factor from 0 to 1000.",
    },
    "strict": {"type": "boolean", "description": "As vcr_strict."},
    "default": {
        "type": "boolean",
        "default": False,
        "description": "Whether requests that name no cassette use this one from now on.",
    },
}
"""What `PUT /cassettes/{name}` takes. The values of the options' own are checked where those are parsed."""

_TYPES = {"string": str, "number": int | float, "boolean": bool}
_WORDS = {"string": "text", "array": "a list of texts", "number": "a number", "boolean": "true or false"}


def _kinds(schema: Schema) -> list[str]:
    kinds = schema["type"]
    return [str(kind) for kind in kinds] if isinstance(kinds, list) else [str(kinds)]


def has_type(value: object, schema: Schema) -> bool:
    """Whether a field's JSON value has one of its schema's types; a list, whether it is one of texts."""
    kinds = _kinds(schema)
    if isinstance(value, list):
        return "array" in kinds and all(isinstance(item, str) for item in value)
    if isinstance(value, bool):
        return "boolean" in kinds
    return any(isinstance(value, _TYPES[kind]) for kind in kinds if kind in _TYPES and kind != "boolean")


def types(schema: Schema) -> str:
    """The types of a field in words."""
    return " or ".join(_WORDS[kind] for kind in _kinds(schema))


def _object(required: Schema, more: Schema | None = None) -> Schema:
    return {"type": "object", "required": list(required), "properties": {**required, **(more or {})}}


_TEXT: Schema = {"type": "string"}
_COUNT: Schema = {"type": "integer", "minimum": 0}

_SCHEMAS: Schema = {
    "Overview": _object(
        {
            "version": {"type": "string", "description": "mitmvcr's."},
            "mode": {"type": "string", "enum": list(Mode)},
            "directory": {"type": "string", "description": "vcr_dir."},
            "default": {
                "type": ["string", "null"],
                "description": "The cassette of requests that name none; null if it was closed.",
            },
            "cassettes": {
                "type": "array",
                "items": _TEXT,
                "description": "Names of the open cassettes.",
            },
        }
    ),
    "Settings": {"type": "object", "properties": FIELDS, "additionalProperties": False},
    "Opened": _object(
        {
            "name": _TEXT,
            "path": _TEXT,
            "exists": {"type": "boolean", "description": "Whether there was a file."},
            "mode": {"type": "string", "enum": list(Mode)},
            "interactions": {**_COUNT, "description": "Recordings that can be replayed."},
        }
    ),
    "Error": _object(
        {
            "error": _object(
                {
                    "message": _TEXT,
                    "type": {"const": "vcr_control_error"},
                    "param": {"type": "null"},
                    "code": {"const": "vcr_control_error"},
                }
            )
        }
    ),
}


def _answers(schema: Schema, *codes: str) -> Schema:
    return {
        "200": {"description": "Done.", "content": {"application/json": {"schema": schema}}},
        **{code: {"$ref": f"#/components/responses/{code}"} for code in ("403", *codes)},
    }


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _operation(id_: str, summary: str, answers: Schema, **more: object) -> Schema:
    return {"operationId": id_, "summary": summary, **more, "responses": answers}


_REPORTS: Schema = _object({"cassettes": {"type": "array", "items": _ref("cassette")}})
_REASONS = {
    "400": "What was asked can't be: the message says what would.",
    "403": "It comes from another site's page, or names this proxy by a name that any site could have.",
    "404": "There is no such path, or the cassette isn't open.",
    "405": "The path doesn't take this method; Allow has those that it takes.",
    "413": "The body is larger than 1 MiB.",
}


def _report_schemas() -> Schema:
    """What a report consists of: its file has the same parts."""
    text = SCHEMA.read_text("utf-8")
    schemas: Schema = json.loads(text.replace("#/$defs/", "#/components/schemas/"))["$defs"]
    return schemas


def document() -> Schema:
    """The whole description; `paths` has every method of every path but HEAD, which is as GET."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "mitmvcr's control API",
            "version": "1",
            "description": "Open, rewind, report on and close cassettes while the proxy runs.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [
            {"url": "http://mitmvcr.local", "description": "Through the forward proxy."},
            {"url": "/__vcr__", "description": "At a reverse listener."},
        ],
        "paths": {
            "/": {"get": _operation("overview", "What is open", _answers(_ref("Overview"), "405"))},
            "/openapi.json": {
                "get": _operation("describe", "This document", _answers({"type": "object"}, "405"))
            },
            "/cassettes": {
                "get": _operation("reports", "What came of each open cassette", _answers(_REPORTS, "405")),
                "delete": _operation(
                    "closeAll", "Close all cassettes; what came of them", _answers(_REPORTS, "405")
                ),
            },
            "/cassettes/{name}": {
                "parameters": [
                    {
                        "name": "name",
                        "in": "path",
                        "required": True,
                        "schema": _TEXT,
                        "description": "The cassette's name, percent-encoded: tests%2Fweather.",
                    }
                ],
                "put": _operation(
                    "open",
                    "Open a cassette, or begin it anew for all its sessions",
                    _answers(_ref("Opened"), "400", "405", "413"),
                    requestBody={
                        "required": False,
                        "content": {"application/json": {"schema": _ref("Settings")}},
                    },
                ),
                "get": _operation(
                    "report", "What came of it so far", _answers(_ref("cassette"), "404", "405")
                ),
                "delete": _operation(
                    "close", "Close it; what came of it", _answers(_ref("cassette"), "404", "405")
                ),
            },
        },
        "components": {
            "schemas": _SCHEMAS | _report_schemas(),
            "responses": {
                code: {"description": reason, "content": {"application/json": {"schema": _ref("Error")}}}
                for code, reason in _REASONS.items()
            },
        },
    }
