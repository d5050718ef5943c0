"""A cassette's YAML or JSON -> its values and the bytes that each stands in; knows no format."""

from __future__ import annotations

import binascii
import json
import re
from bisect import bisect_right
from collections.abc import Iterator
from typing import NamedTuple, TypeAlias

from mitmvcr.errors import FormatError
from mitmvcr.formats import yaml_json
from mitmvcr.formats.places import Offsets, text_start
from mitmvcr.formats.sniffing import is_json
from mitmvcr.formats.yaml_nodes import (
    YamlAlias,
    YamlFault,
    YamlList,
    YamlMapping,
    YamlNode,
    YamlReader,
    YamlScalar,
    end_of,
    start_of,
)

# Tuples: a frozen dataclass takes three times as long to make, and a file has many thousands.
PlacedNode: TypeAlias = "PlacedScalar | PlacedList | PlacedMapping"

JSON = "json"
"""The style of a JSON string; YAML's are libyaml's: `'`, `"`, `|`, `>` and empty for plain."""
BARE = "bare"
"""The style of JSON's numbers, true, false and null."""


class PlacedScalar(NamedTuple):
    """A single value: decoded, and where it stands, quotes included.

    `is_binary`: the text is Base64 (`!!binary`) and `value` is what it stands for.
    """

    value: bytes
    start: int
    end: int
    style: str
    is_binary: bool = False

    @property
    def text(self) -> str:
        """The value as text; bytes that are not UTF-8 are surrogates."""
        return self.value.decode("utf-8", "surrogateescape")


class PlacedList(NamedTuple):
    """A list; `end` is where it ends in JSON, and its start in YAML."""

    start: int
    end: int
    items: list[PlacedNode]


class PlacedMapping(NamedTuple):
    """A mapping, in its order; `end` is where it ends in JSON, and its start in YAML."""

    start: int
    end: int
    pairs: list[tuple[PlacedScalar, PlacedNode]]

    def get(self, *names: str) -> PlacedNode | None:
        """The value under the first of these keys that is there, whatever their case."""
        for name in names:
            for key, value in self.pairs:
                if key.text.lower() == name:
                    return value
        return None


def read(data: bytes) -> PlacedNode:
    """The document; raises FormatError."""
    if is_json(data):
        yaml_json.read_json(data)  # says what is wrong, so that the reader below need not
        parts = _JSON_PART.finditer(data, text_start(data))
        return _json_node(next(parts), parts)
    try:
        return _read_yaml(data)
    except YamlFault as fault:
        fault.path.clear()
        raise fault.error(data) from None


# Of JSON that is right: a string; a bracket; a number, true, false or null.
_JSON_PART = re.compile(rb'"(?:[^"\\]++|\\.)*+"|[{}\[\]]|[^\s{}\[\],:"]++')


def _json_node(part: re.Match[bytes], parts: Iterator[re.Match[bytes]]) -> PlacedNode:
    """The value that begins with a part, and those parts that it goes on with."""
    mark = part.group()
    if mark == b"{":
        pairs = []
        while (inner := next(parts)).group() != b"}":
            pairs.append((_json_scalar(inner), _json_node(next(parts), parts)))
        return PlacedMapping(part.start(), inner.end(), pairs)
    if mark == b"[":
        items = []
        while (inner := next(parts)).group() != b"]":
            items.append(_json_node(inner, parts))
        return PlacedList(part.start(), inner.end(), items)
    return _json_scalar(part)


def _json_scalar(part: re.Match[bytes]) -> PlacedScalar:
    mark = part.group()
    if not mark.startswith(b'"'):
        return PlacedScalar(mark, *part.span(), BARE)
    value = yaml_json.encode(json.loads(mark)) if b"\\" in mark else mark[1:-1]
    return PlacedScalar(value, *part.span(), JSON)


_MAX_ALIASED = 1_000_000
"""Scalars that a file's aliases may stand for."""

# The tag and the anchor in front of a scalar.
_PROPERTIES = re.compile(rb"(?:[!&][^\s]*\s+)*")
_BINARY_TAGS = ("tag:yaml.org,2002:binary", "tag:yaml.org,2002:python/bytes")


def _read_yaml(data: bytes) -> PlacedNode:
    reader = YamlReader(data, yaml_json.MAX_VALUES)
    root = reader.root()
    if root is None:
        raise FormatError("the file is empty")
    placed = _Places(data).node(root)
    if reader.second_document() is not None:
        raise FormatError("a second document: a cassette is one")
    return placed


class _Places:
    """Gives the nodes of a file, asked for in its order, the bytes that they stand in."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        # In ASCII, as nearly always, characters and bytes are the same.
        self._is_ascii = data.isascii()
        self._byte = int if self._is_ascii else Offsets(data).byte
        self._anchors: dict[str, PlacedNode] = {}
        self._aliased = 0

    def node(self, node: YamlNode) -> PlacedNode:
        """The node, or what an alias stands for, at the place at which it is written out."""
        if type(node) is YamlScalar:
            placed: PlacedNode = self._scalar(node)
        elif type(node) is YamlAlias:
            return self._alias(node)
        else:
            placed = self._collection(node)
        if node.anchor:
            self._anchors[node.anchor] = placed
        return placed

    def _collection(self, node: YamlNode) -> PlacedNode:
        start = self._byte(start_of(node))
        placed: PlacedNode
        if type(node) is YamlMapping:
            pairs = [(self._key(key), self.node(value)) for key, value in node.pairs]
            placed = PlacedMapping(start, start, pairs)
        elif type(node) is YamlList:
            placed = PlacedList(start, start, [self.node(item) for item in node.items])
        else:
            raise TypeError(node)
        key = yaml_json.content_key(node.tag)
        return _content(placed, key) if key else placed

    def _alias(self, node: YamlAlias) -> PlacedNode:
        anchor = node.anchor or ""
        placed = self._anchors.get(anchor)
        if placed is None:
            raise FormatError(f"the alias *{anchor} stands for nothing, or for what it is in")
        self._aliased += len(leaves(placed))
        if self._aliased > _MAX_ALIASED:
            raise FormatError("aliases that stand for too much: write out what they stand for")
        return placed

    def _key(self, node: YamlNode) -> PlacedScalar:
        key = self.node(node)
        if type(key) is not PlacedScalar:
            raise FormatError("a key that is not text")
        return key

    def _scalar(self, node: YamlScalar) -> PlacedScalar:
        start, end, tag = start_of(node), end_of(node), node.tag
        if not self._is_ascii:
            start, end = self._byte(start), self._byte(end)
        if tag or node.anchor:
            found = _PROPERTIES.match(self._data, start)
            start = found.end() if found else start
        end = max(end, start)
        style = node.style or ""
        if tag not in _BINARY_TAGS:
            return PlacedScalar(node.value.encode("utf-8", "surrogatepass"), start, end, style)
        try:
            value = binascii.a2b_base64(node.value.encode())
        except ValueError:
            raise FormatError("a !!binary value that is not base64") from None
        return PlacedScalar(value, start, end, style, is_binary=True)


def _content(node: PlacedNode, key: str) -> PlacedNode:
    """The text or the bytes that a Python object stands for, as `yaml_json.as_plain_data` has it."""
    inner: PlacedNode | None = node
    if isinstance(inner, PlacedMapping):
        inner = inner.get(key)
    if isinstance(inner, PlacedList) and inner.items:
        inner = inner.items[0]
    return inner if isinstance(inner, PlacedScalar) else node


# From its mark, behind a blank or at a line's start, to the line's end.
_COMMENT = re.compile(rb"(?:(?<=[ \t\r\n])|\A|\A\xef\xbb\xbf)#[^\r\n]*+")


def comments(data: bytes, document: PlacedNode) -> Iterator[PlacedScalar]:
    """The comments of a YAML file, in their order; `document` is what `read` gives."""
    if b"#" not in data or is_json(data):
        return
    spans = sorted({(leaf.start, leaf.end) for leaf in leaves(document)})
    starts = [start for start, _ in spans]
    at = 0
    while (found := _COMMENT.search(data, at)) is not None:
        index = bisect_right(starts, found.start()) - 1
        at = spans[index][1] if index >= 0 else 0
        if at <= found.start():
            at = found.end()
            yield PlacedScalar(found.group(), *found.span(), BARE)


def leaves(node: PlacedNode) -> list[PlacedScalar]:
    """All scalars below a node in their order, keys too."""
    if isinstance(node, PlacedScalar):
        return [node]
    out: list[PlacedScalar] = []
    _add_leaves(node, out)
    return out


def _add_leaves(node: PlacedList | PlacedMapping, out: list[PlacedScalar]) -> None:
    if isinstance(node, PlacedList):
        for item in node.items:
            if isinstance(item, PlacedScalar):
                out.append(item)
            else:
                _add_leaves(item, out)
        return
    for key, value in node.pairs:
        out.append(key)
        if isinstance(value, PlacedScalar):
            out.append(value)
        else:
            _add_leaves(value, out)
