"""Values in the places of replacements in JSON, and in streams of it; each escaped as its place needs it.

What a stream's events share is read together, since one alone doesn't tell where its text stands.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import TypeAlias

from mitmvcr.http.event_stream import Patch
from mitmvcr.http.sse import Event, events
from mitmvcr.replay.own_values import MARKS, Literal, OwnValues, parsed_json

Write: TypeAlias = Callable[[str], str]
"""A value -> how it is written in its place."""

# A string of JSON, whole; escaped quotes are within.
_STRING = re.compile(r'"((?:[^"\\]|\\.)*+)"', re.DOTALL)
_HALF = re.compile("[\ud800-\udfff]")
# What no field of a stream but its data may hold.
_UNFIT = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_LINE_END = re.compile(r"\r\n?|\n")


def written(text: str, values: OwnValues, write: Write) -> str:
    return MARKS.sub(lambda mark: write(values[mark[0]]) if mark[0] in values else mark[0], text)


def is_json(text: str) -> bool:
    """Whether a text is a JSON value that may have strings."""
    text = text.removeprefix("\ufeff")
    if text[:64].lstrip()[:1] not in ("{", "[", '"'):
        return False
    try:
        parsed_json(text)
    except ValueError:
        return False
    return True


def in_json(text: str, values: OwnValues) -> str:
    """A JSON value with the values in its strings."""
    outer = _is_coded(text)
    return _STRING.sub(lambda found: _string(found[0], values, outer, _levels(json.loads(found[0]))), text)


def _is_coded(text: str) -> bool:
    """Whether JSON has its characters beyond ASCII as escapes."""
    return text.isascii() and "\\u" in text


Levels: TypeAlias = tuple[bool, ...]
"""The JSON texts in whose strings a place lies, the innermost first; whether each of them is coded so."""


def _string(quoted: str, values: OwnValues, outer: bool, levels: Iterable[Levels]) -> str:
    """A string of JSON with the values in it.

    `levels` are those of its replacements, in order; `outer` is of the text that the string stands in.
    """
    value = values.get(quoted[1:-1])
    if isinstance(value, Literal):
        return value
    within = iter(levels)

    def write(mark: re.Match[str]) -> str:
        inner = next(within, ())
        value = values.get(mark[0])
        return mark[0] if value is None else _escaped(value, (*inner, outer))

    return MARKS.sub(write, quoted)


def _levels(text: str) -> Iterator[Levels]:
    """For each replacement in the text of a string the JSON texts within it that it lies in."""
    if "REDACTED-" not in text:
        return
    if is_json(text):
        is_coded = _is_coded(text)
        for found in _STRING.finditer(text):
            yield from ((*inner, is_coded) for inner in _levels(json.loads(found[0])))
    else:
        yield from (() for _ in MARKS.finditer(text))


def _escaped(value: str, levels: Levels) -> str:
    """A value as it stands in a string of JSON, within so many others."""
    value = _HALF.sub("\ufffd", value)
    for is_coded in levels:
        value = json.dumps(value, ensure_ascii=is_coded)[1:-1]
    return value


Group: TypeAlias = tuple[object, ...]
"""What the pieces of one text in a stream have in common: their place, and what that says of itself."""

_NAMING = ("type", "index", "item_id", "output_index", "content_index")
"""Fields by which an event, or a part of one, says which text it goes on with."""


class _Pairs(list[tuple[str, object]]):
    """An object of JSON, its names in the order of the text, each as often as it is there."""


class StreamText:
    """A stream's body, and the texts that its events share."""

    def __init__(self, body: bytes, values: OwnValues) -> None:
        self._body = body
        self._is_coded = _is_coded(_text(body))
        self._values = values
        self._events = list(events(body))
        self._groups = [_groups(event.data) for event in self._events]
        pieces: dict[Group, list[str]] = {}
        for event, groups in zip(self._events, self._groups, strict=True):
            for group, quoted in zip(groups, _strings(event.data), strict=False):
                if group:
                    pieces.setdefault(group, []).append(json.loads(quoted))
        self._texts = {group: "".join(texts) for group, texts in pieces.items()}
        self._read: Counter[Group] = Counter()  # characters of each text that stand in the events before

    def whole(self) -> bytes:
        """The body with the values in it."""
        out, at = [], 0
        for patch in self.patches():
            out += [self._between(self._body[at : patch.start]), patch.new]
            at = patch.end
        return b"".join([*out, self._between(self._body[at:])])

    def patches(self) -> list[Patch]:
        """The lines of the events' data that the values change."""
        patches = []
        for event, groups in zip(self._events, self._groups, strict=True):
            left = iter(groups)
            for start, end in event.lines:
                new = self._line(event, left, start, end)
                if new != self._body[start:end]:
                    patches.append(Patch(start, end, new))
        return patches

    def _between(self, piece: bytes) -> bytes:
        """What stands between the data of two events: other fields, of one line each."""
        fit = {mark: value for mark, value in self._values.items() if not _UNFIT.search(value)}
        return written(_text(piece), fit, str).encode("utf-8", "surrogateescape")

    def _line(self, event: Event, groups: Iterator[Group], start: int, end: int) -> bytes:
        line = _text(self._body[start:end])
        if is_json(_text(event.data)):
            line = _STRING.sub(lambda found: self._string(found[0], next(groups, ())), line)
        elif line.startswith(("{", "[")):
            line = written(line, self._values, lambda value: _escaped(value, (self._is_coded,)))
        else:
            line = written(line, self._values, lambda value: _LINE_END.sub("\ndata: ", value))
        return line.encode("utf-8", "surrogateescape")

    def _string(self, quoted: str, group: Group) -> str:
        text = json.loads(quoted)
        levels: Iterable[Levels] = _levels(text)
        if group:
            begun = self._read[group]
            self._read[group] += len(text)
            if "REDACTED-" in text and not is_json(text):
                whole = self._texts[group]
                levels = [
                    (_is_coded(whole),) if _is_in_string(whole[: begun + mark.start()]) else ()
                    for mark in MARKS.finditer(text)
                ]
        return _string(quoted, self._values, self._is_coded, levels) if "REDACTED-" in quoted else quoted


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def _strings(data: bytes) -> list[str]:
    return [found[0] for found in _STRING.finditer(_text(data))]


def _is_in_string(begun: str) -> bool:
    """Whether JSON of which this is the beginning is within a string; other text never is."""
    return begun.lstrip()[:1] in ("{", "[") and '"' in _STRING.sub("", begun)


def _groups(data: bytes) -> list[Group]:
    """For each string of an event's JSON, in order, which text it is a piece of: an empty one for names."""
    try:
        value = json.loads(data, object_pairs_hook=_Pairs)
    except (ValueError, RecursionError):
        return []
    groups: list[Group] = []

    def walk(node: object, group: Group) -> None:
        if isinstance(node, str):
            groups.append(group)
        elif isinstance(node, _Pairs):
            named = tuple(value for name, value in node if name in _NAMING and isinstance(value, str | int))
            for name, inner in node:
                groups.append(())
                walk(inner, (*group, *named, name))
        elif isinstance(node, list):
            for number, inner in enumerate(node):
                walk(inner, (*group, number))

    walk(value, ("$",))
    return groups
