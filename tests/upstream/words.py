"""What the stand-in says: texts, their pieces, tool calls, values for a JSON schema; never at random."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from typing import Any

from tests.upstream.knobs import Knobs
from tests.upstream.wire import Json

_SENTENCE = " This is the stand-in, and it says the same to everyone: grüß Gott, 你好, and a good day ☕."
_FILLER = "The quick brown fox jumps over the lazy dog. "
_PIECE = re.compile(r"\s*\S+|\s+$")
_JSON_PIECE = re.compile(r"\w+|\W+")
_TOOL = re.compile(r"\btools?\b", re.IGNORECASE)
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_NAME = re.compile(r"\b[A-Z][a-zà-ÿ]+\b")


@dataclass(frozen=True, slots=True)
class Tool:
    name: str
    schema: Json


@dataclass(frozen=True, slots=True)
class Call:
    name: str
    arguments: str


def pieces(text: str) -> list[str]:
    """The deltas of a text: words, each with the space in front of it."""
    return _PIECE.findall(text)


def json_pieces(text: str) -> list[str]:
    return _JSON_PIECE.findall(text)


def reply(prompt: str, knobs: Knobs, nth: int = 0, choice: int = 0) -> list[str]:
    """The pieces of the answer to a prompt, as many and as long as the knobs want them."""
    head = f"#{nth} " if nth else ""
    if knobs.size:
        text = (head + _FILLER * (knobs.size // len(_FILLER) + 1))[: knobs.size]
        step = -(-len(text) // (knobs.events or 10))
        return [text[at : at + step] for at in range(0, len(text), step)]
    tail = f" (Choice {choice}.)" if choice else ""
    text = f"{head}You said: {prompt.strip()}{_SENTENCE}{tail}"
    if not knobs.events:
        return pieces(text)
    first, *rest = islice(cycle(pieces(f" {text}")), knobs.events)
    return [first.lstrip(), *rest]


def text_of(content: object) -> str:
    """The text of a message's content: a string, or a list of parts."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    return " ".join(part["text"] for part in content if isinstance(part, dict) and "text" in part)


def calls(tools: Sequence[Tool], choice: object, prompt: str, *, asked: bool) -> list[Call]:
    """The tools to call. `asked`: the last message is the user's, so the prompt may want one."""
    if choice == "none" or not tools:
        return []
    if isinstance(choice, dict):
        name = choice.get("name") or choice.get("function", {}).get("name")
        wanted = [tool for tool in tools if tool.name == name]
    else:
        wanted = [tool for tool in tools if _mentions(prompt, tool.name)] if asked else []
        if not wanted and (choice == "required" or (asked and _TOOL.search(prompt))):
            wanted = [tools[0]]
    return [Call(tool.name, json.dumps(example(tool.schema, prompt), ensure_ascii=False)) for tool in wanted]


def _mentions(prompt: str, name: str) -> bool:
    words = set(re.findall(r"\w+", prompt.lower()))
    parts = [part for part in re.split(r"[\W_]+", name.lower()) if len(part) >= 4]
    return name.lower() in words or any(part in words for part in parts)


def example(schema: Json, prompt: str) -> Any:
    """A value that fits a JSON schema, filled from the prompt's numbers and names."""
    return _Filler(schema, prompt).value(schema)


class _Filler:
    """Hands out the prompt's numbers and names in their order, one per value of the schema."""

    def __init__(self, root: Json, prompt: str) -> None:
        self._root = root
        self._numbers = cycle(_NUMBER.findall(prompt) or ["7"])
        self._names = cycle(_NAME.findall(prompt)[1:] or ["Standin"])

    def value(self, schema: Json) -> Any:
        if "$ref" in schema:
            return self.value(self._resolve(schema["$ref"]))
        for key in ("anyOf", "oneOf", "allOf"):
            if key in schema:
                return self.value(schema[key][0])
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return schema["enum"][0]
        kind = schema.get("type", "object")
        return self._typed(kind if isinstance(kind, str) else kind[0], schema)

    def _typed(self, kind: str, schema: Json) -> Any:
        if kind == "object":
            properties: Mapping[str, Json] = schema.get("properties", {})
            return {name: self.value(inner) for name, inner in properties.items()}
        if kind == "array":
            return [self.value(schema["items"])] if "items" in schema else []
        if kind == "integer":
            return int(float(next(self._numbers)))
        if kind == "number":
            return float(next(self._numbers))
        if kind == "boolean":
            return True
        return None if kind == "null" else next(self._names)

    def _resolve(self, ref: str) -> Json:
        found: Any = self._root
        for part in ref.removeprefix("#").strip("/").split("/"):
            found = found[part] if part else found
        return dict(found)


def structured(spec: object, prompt: str) -> str | None:
    """The JSON text that a `response_format` (or `text.format`) asks for; None when it asks for text."""
    if not isinstance(spec, dict) or spec.get("type") not in ("json_schema", "json_object"):
        return None
    if spec["type"] == "json_object":
        return json.dumps({"answer": prompt}, ensure_ascii=False)
    schema = spec.get("schema") or spec.get("json_schema", {}).get("schema", {})
    return json.dumps(example(schema, prompt), ensure_ascii=False, separators=(",", ":"))


def tokens(text: str) -> int:
    """A count to put under `usage`: the words."""
    return len(text.split())
