"""The control API described in OpenAPI 3.1 (openapi.json), and its fields with their types; no I/O but that.

The parts of a report stand in report.schema.json alone.
"""

from __future__ import annotations

import json
from pathlib import Path

from mitmvcr.reports.run_report import SCHEMA

Schema = dict[str, object]

_WORDS = {"string": "text", "array": "a list of texts", "number": "a number", "boolean": "true or false"}


def document() -> Schema:
    """The whole description; `paths` has every method of every path but HEAD, which is as GET."""
    described = json.loads(Path(__file__).with_name("openapi.json").read_text("utf-8"))
    report = json.loads(SCHEMA.read_text("utf-8").replace("#/$defs/", "#/components/schemas/"))
    described["components"]["schemas"] |= report["$defs"]
    whole: Schema = described
    return whole


def _fields() -> dict[str, Schema]:
    schemas = document()["components"]["schemas"]  # type: ignore[index] # as the file has it
    fields: dict[str, Schema] = schemas["Settings"]["properties"]
    return fields


FIELDS = _fields()
"""What `PUT /cassettes/{name}` takes. The values of the options' own are checked where those are parsed."""


def has_type(value: object, schema: Schema) -> bool:
    """Whether a field's JSON value has one of its schema's types; a list, whether it is one of texts."""
    if isinstance(value, bool):
        return "boolean" in _types(schema)
    if isinstance(value, list):
        return "array" in _types(schema) and all(isinstance(item, str) for item in value)
    kind = "string" if isinstance(value, str) else "number" if isinstance(value, int | float) else ""
    return kind in _types(schema)


def types(schema: Schema) -> str:
    """The types of a field in words."""
    return " or ".join(_WORDS[kind] for kind in _types(schema))


def _types(schema: Schema) -> list[str]:
    types_ = schema["type"]
    return [str(kind) for kind in types_] if isinstance(types_, list) else [str(types_)]
