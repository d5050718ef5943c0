"""The golden cassettes beside the repository, and what `golden.json` says is in them."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from mitmvcr.model import Interaction, Request, Response

ROOT = Path(__file__).parents[2].parent / "shared" / "golden"

needs_golden = pytest.mark.skipif(not ROOT.is_dir(), reason="the golden cassettes are not there")


@cache
def contents() -> Mapping[str, tuple[Interaction, ...]]:
    """Each cassette's interactions by its name; none where the folder is absent."""
    if not ROOT.is_dir():
        return {}
    files = json.loads((ROOT / "golden.json").read_text())["files"]
    return {
        file["name"]: tuple(map(from_record, range(len(file["interactions"])), file["interactions"]))
        for file in files
    }


def names(*, misread: bool) -> list[str]:
    """The cassettes that go-vcr's own writers spoil for some reader, or all others."""
    return [name for name in contents() if name.startswith("misread_") is misread]


def from_record(id_: int, record: Mapping[str, Any]) -> Interaction:
    """An interaction from its JSON record: `body_b64` for the body, `duration_ns`, null for absent."""
    request, response = dict(record["request"]), dict(record["response"])
    for side in (request, response):
        side["body"] = base64.b64decode(side.pop("body_b64") or "")
        for name in ("headers", "trailer", "form"):
            if name in side:
                side[name] = _values(side[name])
        side["transfer_encoding"] = tuple(map(_text, side["transfer_encoding"] or ()))
    response["duration"] = response.pop("duration_ns")
    return Interaction(
        request=Request(**{name: _field(value) for name, value in request.items()}),
        response=Response(**{name: _field(value) for name, value in response.items()}),
        id=id_,
    )


def _field(value: Any) -> Any:
    return _text(value) if isinstance(value, dict) and set(value) == {"b64"} else value


def _values(values: Any) -> dict[str, tuple[str, ...]]:
    """A map of lists; where a key isn't UTF-8, JSON has a list of names and values instead."""
    if isinstance(values, list):
        return {_text(pair["name"]): tuple(map(_text, pair["values"])) for pair in values}
    return {name: tuple(map(_text, items or ())) for name, items in (values or {}).items()}


def _text(value: str | Mapping[str, str]) -> str:
    if isinstance(value, str):
        return value
    return base64.b64decode(value["b64"]).decode("utf-8", "surrogateescape")
