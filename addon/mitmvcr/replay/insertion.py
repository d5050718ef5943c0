"""A recorded response with the incoming request's own values in the places of replacements; keeps all else.

A value is written as its place needs it: escaped for JSON, once more for each level of JSON in its strings,
percent-coded in forms and URLs, as entities in XML. What a stream's events share is read together, since one
alone doesn't tell where its text stands. The bytes around a replacement stay as they are.
"""

from __future__ import annotations

import html
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import TypeAlias
from urllib.parse import quote, quote_plus

from mitmvcr.http.content_coding import stated_coding
from mitmvcr.http.go_rules import canonical_header, first_value
from mitmvcr.http.multipart import body_parts
from mitmvcr.http.sse import Event, events, is_stream
from mitmvcr.model import Response, Values
from mitmvcr.replay.own_values import MARKS, Literal, OwnValues, parsed_json
from mitmvcr.scrub.detect.archives import PackedError, unpacked
from mitmvcr.scrub.headers import holds_url

Write: TypeAlias = Callable[[str], str]
"""A value -> how it is written in its place."""

# A string of JSON, whole; escaped quotes are within.
_STRING = re.compile(r'"((?:[^"\\]|\\.)*+)"', re.DOTALL)
# What no header's value may hold.
_UNFIT = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_HALF = re.compile("[\ud800-\udfff]")
# What JSON escapes, and what ends a line of a stream.
_SPECIAL = re.compile(r'["\\\x00-\x1f\ud800-\udfff]')
_LINE_END = re.compile(r"\r\n?|\n")
_PART_TYPE = re.compile(rb"^content-type:[ \t]*([^\r\n]*)", re.IGNORECASE | re.MULTILINE)

# Bodies with lengths or checksums of their own: what was put in would break them.
_FRAMED = re.compile(
    r"application/(?:vnd\.amazon\.eventstream|grpc|(?:x-|vnd\.google\.)?protobuf|(?:x-)?msgpack|cbor)"
    r"|(?:audio|video|image|font)/(?!svg)"
)
_XML = re.compile(r"(?:text|application)/(?:html|xml)|.*\+xml")


def marks_of(response: Response) -> frozenset[str]:
    """The replacements in a response; a body is looked at without its content coding."""
    texts = [
        value for values in (response.headers, response.trailer) for text in values.values() for value in text
    ]
    body = _decoded(response).body
    texts += [body.decode("latin-1")] if b"REDACTED-" in body else []
    return frozenset(mark for text in texts if "REDACTED-" in text for mark in MARKS.findall(text))


def with_own_values(response: Response, values: OwnValues) -> Response:
    """The response with these values in their replacements' places; the very one if it has none of these."""
    decoded = _decoded(response)
    content_type = first_value(decoded.headers, "Content-Type")
    body = _body(decoded.body, content_type, values)
    headers, trailer = (_headers(fields, values) for fields in (decoded.headers, decoded.trailer))
    if body == decoded.body and headers == decoded.headers and trailer == decoded.trailer:
        return response
    is_length = response.content_length == len(response.body)
    length = len(body) if is_length else response.content_length
    return replace(decoded, body=body, headers=headers, trailer=trailer, content_length=length)


def _decoded(response: Response) -> Response:
    """The response without its content coding, if it can be undone."""
    coding = stated_coding(response.headers)
    if not coding:
        return response
    try:
        body = unpacked(response.body, coding)
    except PackedError:
        return response
    headers = {
        name: values
        for name, values in response.headers.items()
        if canonical_header(name) not in ("Content-Encoding", "Content-Length")
    }
    return replace(response, body=body, headers=headers)


def _headers(fields: Values, values: OwnValues) -> Values:
    """Header fields; a value that none can hold, or that would be read as something else, stays replaced."""

    def field(name: str, text: str) -> str:
        if "REDACTED-" not in text:
            return text
        write: Write = _quoted if holds_url(name.lower()) else str
        fit = {mark: value for mark, value in values.items() if not _UNFIT.search(value)}
        if name.lower() == "set-cookie":
            fit = {mark: value for mark, value in fit.items() if ";" not in value}
        return _written(text, fit, write)

    return (
        {name: [field(name, text) for text in texts] for name, texts in fields.items()} if fields else fields
    )


def _quoted(value: str) -> str:
    """A value as a part of a URL."""
    return quote(value, safe="", errors="surrogateescape")


def _written(text: str, values: OwnValues, write: Write) -> str:
    return MARKS.sub(lambda mark: write(values[mark[0]]) if mark[0] in values else mark[0], text)


def _body(body: bytes, content_type: str, values: OwnValues) -> bytes:
    media_type = content_type.partition(";")[0].strip().lower()
    if b"REDACTED-" not in body or _FRAMED.match(media_type):
        return body
    if media_type.startswith("multipart/"):
        return _multipart(body, content_type, values)
    text = body.decode("utf-8", "surrogateescape")
    if media_type == "application/x-www-form-urlencoded":
        written = _written(text, values, lambda value: quote_plus(value, errors="surrogateescape"))
    elif _XML.fullmatch(media_type):
        written = _written(text, values, html.escape)
    elif not any(map(_needs_care, values.values())):
        written = _written(text, values, str)
    elif is_stream(body, content_type):
        return _Stream(body, values).written()
    else:
        written = _in_json(text, values) if _is_json(text) else _written(text, values, str)
    return written.encode("utf-8", "surrogateescape")


def _needs_care(value: str) -> bool:
    """Whether a value is written in another way where it stands in JSON, or in a stream's line."""
    return isinstance(value, Literal) or _SPECIAL.search(value) is not None


def _multipart(body: bytes, content_type: str, values: OwnValues) -> bytes:
    for part in body_parts(body, content_type):
        head, blank, content = part.split()
        if blank and b"REDACTED-" in content:
            named = _PART_TYPE.search(head)
            inner = _body(content, named[1].decode("latin-1") if named else "", values)
            body = body.replace(part.raw, head + blank + inner)
    return body


def _is_json(text: str) -> bool:
    """Whether a text is a JSON value that may have strings."""
    text = text.removeprefix("\ufeff")
    if text[:64].lstrip()[:1] not in ("{", "[", '"'):
        return False
    try:
        parsed_json(text)
    except ValueError:
        return False
    return True


def _in_json(text: str, values: OwnValues) -> str:
    """A JSON value with the values in its strings."""
    return _STRING.sub(lambda found: _string(found[0], values, _levels(json.loads(found[0]))), text)


def _string(quoted: str, values: OwnValues, levels: Iterable[int]) -> str:
    """A string of JSON with the values in it; `levels` are those of its replacements, in order."""
    value = values.get(quoted[1:-1])
    if isinstance(value, Literal):
        return value
    level = iter(levels)

    def write(mark: re.Match[str]) -> str:
        more = next(level, 0)
        value = values.get(mark[0])
        return mark[0] if value is None else _escaped(value, 1 + more)

    return MARKS.sub(write, quoted)


def _levels(text: str) -> Iterator[int]:
    """For each replacement in the text of a string how many strings of JSON within it that stands in."""
    if "REDACTED-" not in text:
        return
    if _is_json(text):
        for found in _STRING.finditer(text):
            yield from (1 + level for level in _levels(json.loads(found[0])))
    else:
        yield from (0 for _ in MARKS.finditer(text))


def _escaped(value: str, levels: int) -> str:
    """A value as it stands in a string of JSON, within so many others."""
    value = _HALF.sub("\ufffd", value)
    for _ in range(levels):
        value = json.dumps(value, ensure_ascii=False)[1:-1]
    return value


Group: TypeAlias = tuple[object, ...]
"""What the pieces of one text in a stream have in common: their place, and what that says of itself."""

_NAMING = ("type", "index", "item_id", "output_index", "content_index")
"""Fields by which an event, or a part of one, says which text it goes on with."""


class _Pairs(list[tuple[str, object]]):
    """An object of JSON, its names in the order of the text, each as often as it is there."""


class _Stream:
    """A stream's body, and the texts that its events share."""

    def __init__(self, body: bytes, values: OwnValues) -> None:
        self._body = body
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

    def written(self) -> bytes:
        """The body with the values in it."""
        out, at = [], 0
        for event, groups in zip(self._events, self._groups, strict=True):
            left = iter(groups)
            for start, end in event.lines:
                out += [self._between(self._body[at:start]), self._line(event, left, start, end)]
                at = end
        return b"".join([*out, self._between(self._body[at:])])

    def _between(self, piece: bytes) -> bytes:
        """What stands between the data of two events: other fields, of one line each."""
        fit = {mark: value for mark, value in self._values.items() if not _UNFIT.search(value)}
        return _written(_text(piece), fit, str).encode("utf-8", "surrogateescape")

    def _line(self, event: Event, groups: Iterator[Group], start: int, end: int) -> bytes:
        line = _text(self._body[start:end])
        if _is_json(_text(event.data)):
            line = _STRING.sub(lambda found: self._string(found[0], next(groups, ())), line)
        elif line.startswith(("{", "[")):
            line = _written(line, self._values, lambda value: _escaped(value, 1))
        else:
            line = _written(line, self._values, lambda value: _LINE_END.sub("\ndata: ", value))
        return line.encode("utf-8", "surrogateescape")

    def _string(self, quoted: str, group: Group) -> str:
        text = json.loads(quoted)
        levels: Iterable[int] = _levels(text)
        if group:
            begun = self._read[group]
            self._read[group] += len(text)
            if "REDACTED-" in text and not _is_json(text):
                whole = self._texts[group]
                levels = [int(_is_in_string(whole[: begun + mark.start()])) for mark in MARKS.finditer(text)]
        return _string(quoted, self._values, levels) if "REDACTED-" in quoted else quoted


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
