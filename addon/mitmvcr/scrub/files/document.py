"""A cassette's YAML or JSON -> its values and the bytes that each stands in; knows no format."""

from __future__ import annotations

import binascii
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import yaml

from mitmvcr.errors import FormatError
from mitmvcr.formats import yaml_json
from mitmvcr.formats.govcr.events import Events, Fault, end_of, start_of
from mitmvcr.formats.govcr.spans import Offsets

Node: TypeAlias = "Leaf | Items | Pairs"

JSON = "json"
"""The style of a JSON string; YAML's are libyaml's: `'`, `"`, `|`, `>` and empty for plain."""
BARE = "bare"
"""The style of JSON's numbers, true, false and null."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """A scalar: its value, decoded, and where it stands, quotes included.

    `is_binary`: the text is Base64 (`!!binary`) and `value` is what it stands for.
    """

    value: bytes
    start: int
    end: int
    style: str
    is_binary: bool = False

    @property
    def text(self) -> str:
        return self.value.decode("utf-8", "surrogateescape")


@dataclass(frozen=True, slots=True)
class Items:
    """A list."""

    start: int
    end: int
    items: list[Node] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Pairs:
    """A mapping, in its order."""

    start: int
    end: int
    pairs: list[tuple[Leaf, Node]] = field(default_factory=list)

    def get(self, *names: str) -> Node | None:
        """The value under the first of these keys that is there, whatever their case."""
        for name in names:
            for key, value in self.pairs:
                if key.text.lower() == name:
                    return value
        return None


def read(data: bytes) -> Node:
    """The document; raises FormatError."""
    if is_json(data):
        yaml_json.read_json(data)  # says what is wrong, so that the reader below need not
        return _read_json(data)
    try:
        return _read_yaml(data)
    except Fault as fault:
        raise fault.error(data) from None


def is_json(data: bytes) -> bool:
    """Whether it is JSON, not YAML."""
    return _JSON_OBJECT.match(data) is not None


_JSON_OBJECT = re.compile(rb"(?:\xef\xbb\xbf)?\s*\{\s*[\"}]")
_JSON_PART = re.compile(rb'"(?:[^"\\]++|\\.)*+"|[{}\[\]]|[^\s{}\[\],:"\xef]++')


def _read_json(data: bytes) -> Node:
    root = Items(0, len(data))
    open_: list[Items | Pairs] = [root]
    keys: list[Leaf | None] = [None]
    for part in _JSON_PART.finditer(data):
        mark = part.group()
        start, end = part.span()
        if mark in (b"{", b"["):
            inner = Pairs(start, end) if mark == b"{" else Items(start, end)
            _put(open_[-1], keys, inner)
            open_.append(inner)
            keys.append(None)
        elif mark in (b"}", b"]"):
            done = open_.pop()
            keys.pop()
            _close(open_[-1], done, end)
        elif mark.startswith(b'"'):
            _put(open_[-1], keys, Leaf(_json_text(mark), start, end, JSON))
        else:
            _put(open_[-1], keys, Leaf(mark, start, end, BARE))
    return root.items[0]


def _put(into: Items | Pairs, keys: list[Leaf | None], node: Node) -> None:
    if isinstance(into, Items):
        into.items.append(node)
        return
    key = keys[-1]
    if key is None and isinstance(node, Leaf):
        keys[-1] = node
    elif key is not None:
        into.pairs.append((key, node))
        keys[-1] = None


def _close(outer: Items | Pairs, done: Items | Pairs, end: int) -> None:
    """Give the collection that has ended its end."""
    whole = (
        Pairs(done.start, end, done.pairs) if isinstance(done, Pairs) else Items(done.start, end, done.items)
    )
    if isinstance(outer, Items):
        outer.items[-1] = whole
    else:
        outer.pairs[-1] = (outer.pairs[-1][0], whole)


def _json_text(mark: bytes) -> bytes:
    if b"\\" not in mark:
        return mark[1:-1]
    return yaml_json.encode(json.loads(mark))


_PROPERTIES = re.compile(rb"(?:[!&][^\s]*\s+)*")
_BINARY_TAGS = ("tag:yaml.org,2002:binary", "tag:yaml.org,2002:python/bytes")


def _read_yaml(data: bytes) -> Node:
    next_ = Events(data).next
    offsets = Offsets(data)
    next_()  # the stream's start
    if isinstance(next_(), yaml.StreamEndEvent):
        raise FormatError("the file is empty")
    root = Items(0, len(data))
    open_: list[Items | Pairs] = [root]
    keys: list[Leaf | None] = [None]
    while not isinstance(event := next_(), yaml.DocumentEndEvent):
        kind = type(event)
        if kind is yaml.ScalarEvent:
            _put(open_[-1], keys, _leaf(data, event, offsets))
        elif kind is yaml.AliasEvent:
            # What it stands for is changed where it is written out.
            at = offsets.byte(start_of(event))
            _put(open_[-1], keys, Leaf(b"", at, at, BARE))
        elif kind is yaml.MappingStartEvent or kind is yaml.SequenceStartEvent:
            if len(open_) > yaml_json.MAX_DEPTH:
                raise FormatError(f"nested more than {yaml_json.MAX_DEPTH} levels deep")
            at = offsets.byte(start_of(event))
            inner = Pairs(at, at) if kind is yaml.MappingStartEvent else Items(at, at)
            if isinstance(open_[-1], Pairs) and keys[-1] is None:
                raise FormatError("a key that is not text")
            _put(open_[-1], keys, inner)
            open_.append(inner)
            keys.append(None)
        else:
            open_.pop()
            keys.pop()
    if not isinstance(next_(), yaml.StreamEndEvent):
        raise FormatError("a second document: a cassette is one")
    return root.items[0]


def _leaf(data: bytes, event: Any, offsets: Offsets) -> Leaf:
    start = offsets.byte(start_of(event))
    if event.tag or event.anchor:
        found = _PROPERTIES.match(data, start)
        start = found.end() if found else start
    end = max(start, offsets.byte(end_of(event)))
    value: str = event.value
    if event.tag in _BINARY_TAGS:
        try:
            return Leaf(binascii.a2b_base64(value.encode()), start, end, event.style or "", is_binary=True)
        except ValueError:
            raise FormatError("a !!binary value that is not base64") from None
    return Leaf(value.encode("utf-8", "surrogatepass"), start, end, event.style or "")


def leaves(node: Node) -> Iterator[Leaf]:
    """All scalars below a node, keys too."""
    if isinstance(node, Leaf):
        yield node
    elif isinstance(node, Items):
        for item in node.items:
            yield from leaves(item)
    else:
        for key, value in node.pairs:
            yield key
            yield from leaves(value)
