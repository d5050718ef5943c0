"""Replacements in a recorded request -> what the incoming one has in their places; changes neither.

A recorded request is taken apart into named texts: path, query, headers, fields of forms and parts, strings
of JSON, also of JSON within them. Those with a replacement are kept as what stands around it; the incoming
request's text of the same name, if it begins, goes on and ends so, has its own value in between.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias
from urllib.parse import parse_qsl, unquote, urlsplit

from mitmvcr.http.go_rules import canonical_header, first_value
from mitmvcr.http.multipart import body_parts
from mitmvcr.model import Request, Values

Place: TypeAlias = tuple[str | int, ...]
"""Names of a text in a request, from the outside in: `("body", "(JSON)", "messages", 0, "content")`."""

OwnValues: TypeAlias = Mapping[str, str]
"""Replacements (`REDACTED-token-1`) -> the incoming request's values."""

MARKS = re.compile(r"REDACTED-[a-z][a-z0-9]*-[0-9]+")
"""A replacement of ours in a text, whole."""

# Halves of surrogate pairs, which JSON can have, but for those that stand for bytes.
_HALF = re.compile("[\ud800-\udc7f\udd00-\udfff]")
_BEGINNINGS = ("{", "[", '"')
_JSON = "(JSON)"
"""The step into a text that is JSON."""
_DEPTH = 64  # levels of JSON, and of JSON in its strings
_FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class Slot:
    """A text of a recorded request with replacements: these, in order, and what stands around each."""

    place: Place
    marks: tuple[str, ...]
    around: tuple[str, ...]

    def values(self, text: str) -> Sequence[str]:
        """What a text has in the replacements' places; none if it is another one, or leaves a choice.

        Line ends don't count, as in matching.
        """
        if "\r\n" in text or any("\r\n" in literal for literal in self.around):
            around = tuple(literal.replace("\r\n", "\n") for literal in self.around)
            return Slot(self.place, self.marks, around).values(text.replace("\r\n", "\n"))
        first, *between, last = self.around
        if not text.startswith(first) or not text.endswith(last) or "" in between:
            return ()
        at, end = len(first), len(text) - len(last)
        values = []
        for literal in between:
            stop = text.find(literal, at + 1, end)
            if stop < 0:
                return ()
            values.append(text[at:stop])
            at = stop + len(literal)
        if not (first or last or between):
            return (text,) if text else ()  # a number stays one
        return (*values, text[at:end]) if at < end else ()


def slots_of(recorded: Request) -> tuple[Slot, ...]:
    """The texts of a recorded request that have replacements, in one fixed order, the inner ones first."""
    if not is_marked(recorded):
        return ()
    slots = [
        Slot(place, tuple(map(plain_mark, marks)), tuple(MARKS.split(text)))
        for place, text in texts_of(recorded)
        if (marks := MARKS.findall(text))
    ]
    holders = {
        slot.place[: at - 1] for slot in slots for at, step in enumerate(slot.place, 1) if step == _JSON
    }
    return tuple(slot for slot in slots if slot.place not in holders)  # their texts stand for themselves


def plain_mark(mark: str) -> str:
    """A replacement without the zeros that are in front of its number where lengths must be kept."""
    front, _, number = mark.rpartition("-")
    return f"{front}-{int(number)}"


def has_marks(headers: Values, body: bytes) -> bool:
    """Whether a message may have replacements in its headers or its body."""
    return b"REDACTED-" in body or any(
        "REDACTED-" in value for values in headers.values() for value in values
    )


def is_marked(request: Request) -> bool:
    """Whether a request may have replacements."""
    return has_marks(request.headers, request.body) or "REDACTED-" in request.url


def own_values(slots: Sequence[Slot], request: Request) -> dict[str, str]:
    """What the request has in the replacements' places; of several values of one the first counts."""
    wanted = {slot.place for slot in slots}
    texts = {place: text for place, text in texts_of(request) if place in wanted} if wanted else {}
    values: dict[str, str] = {}
    for slot in slots:
        text = texts.get(slot.place)
        if text is not None:
            for mark, value in zip(slot.marks, slot.values(text), strict=False):
                values.setdefault(mark, value if isinstance(value, Literal) else _HALF.sub("\ufffd", value))
    return values


def texts_of(request: Request) -> Iterator[tuple[Place, str]]:
    """The texts of a request, by name; the body's first, which an answer is more likely to repeat."""
    content_type = first_value(request.headers, "Content-Type")
    yield from _in_body(("body",), request.body, content_type)
    try:
        url = urlsplit(request.url)
    except ValueError:
        return
    yield ("path",), unquote(url.path, errors="surrogateescape")
    yield from _pairs("query", url.query)
    for name, values in request.headers.items():
        for number, value in enumerate(values):
            yield ("headers", canonical_header(name), number), value


def _pairs(kind: str, text: str) -> Iterator[tuple[Place, str]]:
    counts: Counter[str] = Counter()
    for name, value in parse_qsl(text, keep_blank_values=True, errors="surrogateescape"):
        yield (kind, name, counts[name]), value
        counts[name] += 1


def _in_body(place: Place, body: bytes, content_type: str) -> Iterator[tuple[Place, str]]:
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type == _FORM:
        yield from _pairs("form", _decoded(body))
    elif media_type.startswith("multipart/"):
        counts: Counter[str] = Counter()
        for part in body_parts(body, content_type):
            name = part.name or ""
            yield from _in_text((*place, name, counts[name]), _decoded(part.content or b""))
            counts[name] += 1
    else:
        yield from _in_text(place, _decoded(body))


def _decoded(body: bytes) -> str:
    return body.decode("utf-8", "surrogateescape")


def _in_text(place: Place, text: str) -> Iterator[tuple[Place, str]]:
    """What the text holds as JSON, be it one value or one a line, and the text itself."""
    if text[:64].lstrip(" \t\r\n")[:1] in _BEGINNINGS and len(place) < _DEPTH:
        try:
            yield from _in_json((*place, _JSON), parsed_json(text))
        except ValueError:
            lines = text.split("\n")
            if len(lines) > 1 and all(line[:1] in _BEGINNINGS for line in lines if line.strip()):
                for number, line in enumerate(lines):
                    yield from _in_text((*place, number), line)
    yield place, text


class Literal(str):
    """A number, or `true` or `false`, as JSON has it."""

    __slots__ = ()


def parsed_json(text: str) -> object:
    """JSON with its numbers as they are written; raises ValueError for none, or what is nested too deeply."""
    try:
        return json.loads(text, parse_int=Literal, parse_float=Literal, parse_constant=Literal)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _in_json(place: Place, value: object) -> Iterator[tuple[Place, str]]:
    if isinstance(value, Literal):
        yield place, value
    elif isinstance(value, str):
        yield from _in_text(place, value)
    elif isinstance(value, bool):
        yield place, Literal("true" if value else "false")
    elif len(place) < _DEPTH:
        items: Iterable[tuple[str | int, object]] = ()
        if isinstance(value, dict | list):
            items = value.items() if isinstance(value, dict) else enumerate(value)
        for name, inner in items:
            yield from _in_json((*place, name), inner)
