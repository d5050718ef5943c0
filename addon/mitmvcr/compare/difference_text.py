"""A difference as text: both values, shortened to where they differ; looks for no differences itself."""

from __future__ import annotations

import json
from dataclasses import dataclass

from mitmvcr.compare.json_diff import NOTHING, DifferingValue, common_end, common_start, json_path
from mitmvcr.compare.lookalikes import likeness, seen, seen_apart
from mitmvcr.text import printable

LARGE = 1 << 20
"""Bytes from which a body is compared as bytes, wherever its structure differs."""

_WHOLE = 60  # characters of a text that is shown whole
_CONTEXT = 20  # characters before and behind what differs
_MIDDLE = 90  # characters that are shown of a longer text


@dataclass(frozen=True, slots=True)
class Difference:
    """Differing values as text: each shortened to where they differ, None for one that is not there.

    Names and order of the fields are those of the run's report; `asked` is the incoming request's value.
    """

    path: str
    recorded: str | None
    asked: str | None
    items: int = 0
    note: str = ""

    def __str__(self) -> str:
        note = f" ({self.note})" if self.note else ""
        if self.items:
            side, value = ("asked", self.asked) if self.recorded is None else ("recorded", self.recorded)
            more = "one more" if self.items == 1 else f"{self.items} more from here on, the first"
            return f"{self.path}: {side} has {more}: {value}{note}"
        return f"{self.path}: recorded {self.recorded or 'nothing'}, asked {self.asked or 'nothing'}{note}"


def difference(leaf: DifferingValue) -> Difference:
    """The values as text, with where they stand and what is odd about them."""
    recorded, incoming = leaf.recorded, leaf.request
    if isinstance(recorded, bytes) and isinstance(incoming, bytes):
        return _of_bytes(place_of(leaf), recorded, incoming)
    if isinstance(recorded, str) and isinstance(incoming, str):
        note = _alike(recorded, incoming) if leaf.kind != "py" else ""
        texts = pair(recorded, incoming, note=note, plain=leaf.kind not in ("json", "form"))
        return Difference(place_of(leaf), *texts, note=note)
    values = value_text(recorded), value_text(incoming)
    note = ""
    if leaf.kind == "json" and values[0] and values[1] and values[0].strip('"') == values[1].strip('"'):
        note = f"a {_type(recorded)} and a {_type(incoming)}"
    return Difference(place_of(leaf), *values, items=leaf.items, note=note)


def place_of(leaf: DifferingValue) -> str:
    """A JSONPath (RFC 9535), or the request's part with the name in it."""
    if leaf.kind == "json":
        return json_path(leaf.where)
    separator = ":" if leaf.kind in ("headers", "py") else "."
    return printable(separator.join([leaf.kind, *map(str, leaf.where)]))


def _of_bytes(path: str, recorded: bytes, incoming: bytes) -> Difference:
    if max(len(recorded), len(incoming)) > LARGE:
        return _of_large(path, recorded, incoming)
    texts = _text(recorded), _text(incoming)
    if texts[0] is None or texts[1] is None:
        at = common_start(recorded, incoming)
        return Difference(
            path, _size(recorded), _size(incoming), note=f"the first difference is at byte {at:,}"
        )
    note = _alike(texts[0], texts[1])
    return Difference(path, *pair(texts[0], texts[1], note=note), note=note)


def _of_large(path: str, recorded: bytes, incoming: bytes) -> Difference:
    """Sizes, and the incoming body where they differ: the recorded one is too large to be scrubbed."""
    at = common_start(recorded, incoming)
    text = incoming[max(0, at - _CONTEXT) : at + _WHOLE].decode("utf-8", "replace")
    shown = f", there {_excerpt(text, 0, len(text), plain=False)}"
    return Difference(
        path,
        _size(recorded),
        _size(incoming) + ("" if "\0" in text or text.count("\ufffd") > 2 else shown),
        note=f"the first difference is at byte {at:,}",
    )


def _text(body: bytes) -> str | None:
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else text


def _size(body: bytes) -> str:
    return f"{len(body):,} bytes"


def _type(value: object) -> str:
    return {str: "text", bool: "boolean", type(None): "null"}.get(type(value), "number")


def _alike(first: str, second: str) -> str:
    """What makes two texts look the same that are not; empty if they don't."""
    return "" if max(len(first), len(second)) > LARGE else likeness(first, second)


def pair(recorded: str, incoming: str, *, note: str = "", plain: bool = False) -> tuple[str, str]:
    """Two texts, quoted unless `plain`; long ones shortened to where they differ, with some context.

    `note` says what makes them look the same, which is escaped then.
    """
    start, end = 0, 0
    if max(len(recorded), len(incoming)) > _WHOLE:
        start = common_start(recorded, incoming)
        end = max(0, common_end(recorded[start:], incoming[start:]) - _CONTEXT)
        start = max(0, start - _CONTEXT)
    before, now = (
        _excerpt(side, start, len(side) - end, plain=plain, note=note) for side in (recorded, incoming)
    )
    return seen_apart(before, now)


def _excerpt(text: str, start: int, end: int, *, plain: bool, note: str = "") -> str:
    piece = text[start : min(end, start + _MIDDLE)]
    before, behind = "…" if start else "", "…" if start + len(piece) < len(text) else ""
    if not plain:
        piece = json.dumps(piece, ensure_ascii=False)[1:-1]
    piece = f"{before}{seen(piece, note)}{behind}"
    return printable(piece) or '""' if plain else printable(f'"{piece}"')


def value_text(value: object) -> str | None:
    """A value as JSON, shortened; None for none."""
    if value is NOTHING:
        return None
    if isinstance(value, bytes):
        text = _text(value[:LARGE])
        return _size(value) if text is None else _excerpt(text, 0, len(text), plain=False)
    text = json.dumps(_brief(value, 3), ensure_ascii=False)
    return printable(text if len(text) <= _MIDDLE else text[:_MIDDLE] + "…")


def _brief(value: object, depth: int) -> object:
    """The value with its long texts, long lists and deep places cut, so that it takes no time to show."""
    if isinstance(value, str):
        return value if len(value) <= _WHOLE else value[:_WHOLE] + "…"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return int(value)
    if isinstance(value, list):
        return [_brief(item, depth - 1) for item in value[:5]] if depth else ["…"] if value else []
    if isinstance(value, dict):
        names = list(value)[:8] if depth else []
        return {name: _brief(value[name], depth - 1) for name in names} or ({"…": "…"} if value else {})
    return value
