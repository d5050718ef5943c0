"""A cassette's values -> what each is in its exchange: a header's value, a URL, a body; looks for no secrets.

One reader for all formats, by the names that they use: go-vcr, VCR.py, llama-stack and HAR agree on most.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

from mitmvcr.formats import har_text
from mitmvcr.http.go_rules import canonical_header
from mitmvcr.scrub.credential_names import CredentialName
from mitmvcr.scrub.detect.json_leaves import below_key, descends
from mitmvcr.scrub.files.document import (
    BARE,
    JSON,
    PlacedList,
    PlacedMapping,
    PlacedNode,
    PlacedScalar,
    leaves,
)


class Role(Enum):
    """What a value is."""

    TEXT = "text"
    URL = "url"
    HEADER = "header"
    PARAMETER = "parameter"
    COOKIE = "cookie"
    BODY = "body"


# A tuple: a frozen dataclass takes three times as long to make, and a file has many thousands.
class MessagePart(NamedTuple):
    """A value, its role, and the field that messages and `vcr_allow` name it by.

    `name` is the header's or the parameter's; `told` is what the key over a value of a structure tells, and
    `is_said` whether it is part of a conversation there. `code` is what the text is in, as `formats.har_text`
    names it: HAR has binary bodies in Base64.
    """

    leaf: PlacedScalar
    field: str
    role: Role = Role.TEXT
    name: str = ""
    code: str = ""
    told: CredentialName | None = None
    is_said: bool = False


@dataclass(slots=True)
class FileMessage:
    """A request or a response: its parts, and what its body's length and coding depend on.

    `events` are the places of a stream's pieces where the file has them as a list of JSON; `trees` those
    of bodies that it has as JSON's structure.
    """

    side: str
    parts: list[MessagePart] = field(default_factory=list)
    headers: list[MessagePart] = field(default_factory=list)
    body: MessagePart | None = None
    lengths: list[PlacedScalar] = field(default_factory=list)
    events: list[tuple[int, int]] = field(default_factory=list)
    trees: list[tuple[int, int]] = field(default_factory=list)

    def header(self, name: str) -> str:
        """The values of a header (in lower case), joined; empty if there is none."""
        return ", ".join(part.leaf.text for part in self.headers if part.name.lower() == name)


def messages(document: PlacedNode) -> list[FileMessage]:
    """The document's requests and responses in their order; what is beside them is in a last one."""
    reader = _MessageReader()
    reader.walk(document, "")
    return [*reader.found, reader.rest]


_GOCCY_HEADER = re.compile(rb"^ {6}([A-Za-z0-9_-]+):\n((?: {8}- [^\n]*\n)+)", re.MULTILINE)
_GOCCY_SIDE = re.compile(rb"^ {2}(request|response):$", re.MULTILINE)
_GOCCY_VALUE = re.compile(rb" {8}- \"?([^\n]*?)\"?\n")


def messages_of_lines(data: bytes) -> list[FileMessage]:
    """The messages of a file of go-vcr v4.0.5 that YAML readers refuse: headers, and the whole as text."""
    rest = FileMessage("", [MessagePart(PlacedScalar(data, 0, len(data), BARE), "interaction")])
    sides = [(found.start(), found[1].decode()) for found in _GOCCY_SIDE.finditer(data)]
    found = []
    for number, (start, side) in enumerate(sides):
        end = sides[number + 1][0] if number + 1 < len(sides) else len(data)
        message = FileMessage(side)
        for header in _GOCCY_HEADER.finditer(data, start, end):
            name = header[1].decode()
            field_ = f"{side}.headers.{canonical_header(name)}"
            for value in _GOCCY_VALUE.finditer(data, *header.span(2)):
                message.headers.append(
                    MessagePart(PlacedScalar(value[1], *value.span(1), BARE), field_, Role.HEADER, name)
                )
        found.append(message)
    return [*found, rest]


_SIDES: Mapping[str, str] = {
    "request": "request",
    "response": "response",
    "requests": "request",
    "responses": "response",
}
_ABOVE = frozenset({"interactions", "requests", "responses", "log", "entries"})
_URLS = frozenset({"url", "uri", "request_uri", "redirecturl"})
_LENGTHS = frozenset({"content_length", "bodysize", "size"})


class _MessageReader:
    def __init__(self) -> None:
        self.found: list[FileMessage] = []
        self.rest = FileMessage("")

    def walk(self, node: PlacedNode, place: str) -> None:
        """What is above the messages."""
        if isinstance(node, PlacedList):
            for item in node.items:
                self.walk(item, place)
        elif isinstance(node, PlacedScalar):
            self.rest.parts.append(MessagePart(node, place or "the document"))
        else:
            for key, value in node.pairs:
                self._above(key, value, place)

    def _above(self, key: PlacedScalar, value: PlacedNode, place: str) -> None:
        name = key.text
        side = _SIDES.get(name)
        if side and isinstance(value, PlacedMapping):
            self.found.append(_message(side, value))
        elif side and isinstance(value, PlacedList) and name != side:
            for item in value.items:
                if isinstance(item, PlacedMapping):
                    self.found.append(_message(side, item))
                else:
                    self.walk(item, side)
        elif name in _ABOVE:
            self.walk(value, "")
        else:
            self.rest.parts.extend(_under(key, value, f"{place}.{name}" if place else name))


def _message(side: str, node: PlacedMapping) -> FileMessage:
    message = FileMessage(side)
    # Headers first: they say what the body is in.
    for key, value in sorted(node.pairs, key=lambda pair: pair[0].text.lower() != "headers"):
        _read(message, key, value)
    return message


def _read(message: FileMessage, key: PlacedScalar, value: PlacedNode) -> None:
    side = message.side
    name = key.text.lower()
    field_ = f"{side}.{key.text}"
    if name in ("headers", "trailer"):
        message.headers += _headers(value, f"{side}.{name}")
    elif name in ("form", "querystring"):
        message.parts += _parameters(value, f"{side}.form" if name == "form" else f"{side}.url")
    elif name == "cookies":
        message.parts += _cookies(value, field_)
    elif name in _URLS and isinstance(value, PlacedScalar):
        message.parts.append(MessagePart(value, f"{side}.url" if name != "request_uri" else field_, Role.URL))
    elif name in _LENGTHS and isinstance(value, PlacedScalar):
        message.lengths.append(value)
    elif name in ("body", "parsed_body", "postdata", "content"):
        _body(message, value)
    else:
        message.parts += _under(key, value, field_)


def _body(message: FileMessage, value: PlacedNode) -> None:
    field_ = f"{message.side}.body"
    if isinstance(value, PlacedScalar):
        message.body = MessagePart(value, field_, Role.BODY)
        return
    if isinstance(value, PlacedMapping):
        keys = {key.text.lower() for key, _ in value.pairs}
        if "mimetype" in keys:
            _har_body(message, value)
            return
        inner = value.get("string")
        if inner is not None and keys <= {"string", "encoding"}:
            _body(message, inner)
            return
    is_json = all(leaf.style in (JSON, BARE) for leaf in leaves(value))
    if is_json:
        message.trees.append((value.start, value.end))
    if is_json and isinstance(value, PlacedList):
        message.events = [(item.start, item.end) for item in value.items]
    message.parts += _structure(value, field_)


def _har_body(message: FileMessage, node: PlacedMapping) -> None:
    encoding, mark = node.get("encoding"), node.get("_isbinary")
    named = encoding.text if isinstance(encoding, PlacedScalar) and encoding.style != BARE else ""
    is_binary = isinstance(mark, PlacedScalar) and mark.value == b"true"
    for key, value in node.pairs:
        name = key.text.lower()
        if name == "text" and isinstance(value, PlacedScalar):
            coding = message.header("content-encoding")
            code = har_text.code_of(value.text, named, is_binary=is_binary, content_coding=coding)
            message.body = MessagePart(value, f"{message.side}.body", Role.BODY, code=code)
        elif name == "params":
            message.parts += _parameters(value, f"{message.side}.form")
        elif name in _LENGTHS and isinstance(value, PlacedScalar):
            message.lengths.append(value)
        elif name == "mimetype" and isinstance(value, PlacedScalar):
            message.headers.append(
                MessagePart(value, f"{message.side}.headers.Content-Type", Role.HEADER, "content-type")
            )
        else:
            message.parts += _under(key, value, f"{message.side}.body")


def _named(value: PlacedNode) -> Iterator[tuple[PlacedScalar, PlacedNode]]:
    """Names and values: of a mapping, of HAR's lists of `name` and `value`, of lists of pairs."""
    if isinstance(value, PlacedMapping):
        yield from value.pairs
    elif isinstance(value, PlacedList):
        for item in value.items:
            if isinstance(item, PlacedMapping):
                name = item.get("name")
                for key, inner in item.pairs:
                    yield (name if isinstance(name, PlacedScalar) and key.text == "value" else key), inner
            elif (
                isinstance(item, PlacedList)
                and len(item.items) == 2
                and isinstance(item.items[0], PlacedScalar)
            ):
                yield item.items[0], item.items[1]


def _headers(value: PlacedNode, place: str) -> Iterator[MessagePart]:
    place = place.replace("trailer", "headers")
    for key, inner in _named(value):
        name = key.text
        field_ = f"{place}.{canonical_header(name)}"
        for leaf in leaves(inner):
            yield MessagePart(leaf, field_, Role.HEADER, name)


def _parameters(value: PlacedNode, place: str) -> Iterator[MessagePart]:
    for key, inner in _named(value):
        yield MessagePart(key, place)
        for leaf in leaves(inner):
            yield MessagePart(leaf, place, Role.PARAMETER, key.text)


def _cookies(value: PlacedNode, place: str) -> Iterator[MessagePart]:
    for item in value.items if isinstance(value, PlacedList) else ():
        for key, inner in item.pairs if isinstance(item, PlacedMapping) else ():
            role = Role.COOKIE if key.text == "value" else Role.TEXT
            yield from (MessagePart(leaf, place, role) for leaf in leaves(inner))


def _under(
    key: PlacedScalar,
    value: PlacedNode,
    place: str,
    above: CredentialName | None = None,
    *,
    is_said: bool = False,
) -> Iterator[MessagePart]:
    """All below a key, with what it tells."""
    told, said = below_key(above, key.text, is_said=is_said)
    yield from _structure(value, place, told, is_said=said)


def _structure(
    node: PlacedNode, place: str, told: CredentialName | None = None, *, is_said: bool = False
) -> Iterator[MessagePart]:
    """All below a node, each value with what the key over it tells."""
    if isinstance(node, PlacedScalar):
        yield MessagePart(node, place, told=told, is_said=is_said)
    elif isinstance(node, PlacedList):
        for item in node.items:
            yield from _structure(item, place, told, is_said=is_said)
    else:
        for key, value in node.pairs:
            yield MessagePart(key, place)
            yield from _under(key, value, place, descends(told), is_said=is_said)
