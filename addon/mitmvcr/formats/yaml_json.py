"""YAML and JSON text -> plain data, bounded in depth, number and aliases; never constructs an object.

For the formats that others' programs write (VCR.py, llama-stack, HAR).
"""

from __future__ import annotations

import binascii
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias, cast

from mitmvcr.errors import FormatError
from mitmvcr.formats.places import Offsets, line_number
from mitmvcr.formats.sniffing import is_json
from mitmvcr.formats.yaml_nodes import (
    MAX_DEPTH,
    NOT_TEXT,
    TOO_DEEP,
    YamlAlias,
    YamlFault,
    YamlList,
    YamlMapping,
    YamlNode,
    YamlReader,
    YamlScalar,
    start_of,
)
from mitmvcr.model import Plain

Value: TypeAlias = "str | Plain | bytes | int | float | bool | Tagged | list[Value] | dict[str, Value] | None"
"""A value as the text has it: what stands unquoted in YAML is `Plain`, not yet a number or null."""

MAX_VALUES = 10_000_000
"""Values in one document: some 1.5 GB in memory at worst."""
MAX_ALIASED = 64_000_000
"""Characters and values that a document's aliases may stand for."""

_MAX_COMMAS = 20_000_000


@dataclass(frozen=True, slots=True)
class Tagged:
    """A value whose tag names something that plain data can't be, a Python object most often."""

    tag: str
    value: Value


@dataclass(frozen=True, slots=True)
class Entry:
    """One key of the document's mapping, or one item of the list under it.

    `index` is -1 for the key itself; `value` is then an empty list if items follow. `line` counts
    from 1, None where the text is JSON.
    """

    key: str
    value: Value
    index: int = -1
    line: int | None = None


def entries(data: bytes) -> Iterator[Entry]:
    """The document's keys and the items of the lists under them, in their order, each read when asked for.

    Raises FormatError, also for a document that is no mapping.
    """
    return _json_entries(data) if is_json(data) else _yaml_entries(data)


def _yaml_entries(data: bytes) -> Iterator[Entry]:
    try:
        yield from _Composer(data).entries()
    except YamlFault as fault:
        line = fault.line(data)
        if fault.reason == TOO_DEEP:
            raise FormatError(TOO_DEEP, line) from None
        is_cut = data.count(b"\n") <= line and not fault.reason.startswith(NOT_TEXT)
        cut = " (is the file cut short?)" if is_cut else ""
        raise FormatError(f"not YAML: {' '.join(fault.problem)}{cut}", line) from None


def _json_entries(data: bytes) -> Iterator[Entry]:
    for key, value in mapping(read_json(data), "the document").items():
        if isinstance(value, list):
            yield Entry(key, [])
            yield from (Entry(key, item, index) for index, item in enumerate(value))
        else:
            yield Entry(key, value)


def read_json(data: bytes) -> Value:
    """The JSON value; raises FormatError for what isn't JSON, or has a key twice in one object."""
    if data.count(b",") > _MAX_COMMAS:
        raise FormatError(f"more than {_MAX_COMMAS:,} values in one file: split it")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FormatError("bytes that are not UTF-8", data.count(b"\n", 0, error.start) + 1) from None
    try:
        value: Value = json.loads(text, object_pairs_hook=_object)
    except json.JSONDecodeError as error:
        cut = error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated")
        reason = f"not JSON: {error.msg}" + (" (is the file cut short?)" if cut else "")
        raise FormatError(reason, error.lineno) from None
    except RecursionError:
        raise FormatError(TOO_DEEP) from None
    except ValueError as error:
        if isinstance(error, FormatError):
            raise
        raise FormatError("a number with too many digits") from None
    _check_depth(value)
    return value


def _check_depth(value: Value) -> None:
    level = [value]
    for _ in range(MAX_DEPTH + 1):
        level = [
            item
            for outer in level
            for item in (
                outer.values() if isinstance(outer, dict) else outer if isinstance(outer, list) else ()
            )
            if isinstance(item, dict | list)
        ]
        if not level:
            return
    raise FormatError(TOO_DEEP)


def _object(pairs: list[tuple[str, Value]]) -> dict[str, Value]:
    value = dict(pairs)
    if len(value) != len(pairs):
        twice = next(key for key, count in Counter(key for key, _ in pairs).items() if count > 1)
        raise FormatError(f"the key {twice!r} stands twice in one object: take one out")
    return value


_YAML = "tag:yaml.org,2002:"
_AS_PLAIN = frozenset(
    {
        *("!", *(f"{_YAML}{name}" for name in ("int", "float", "bool", "null", "timestamp"))),
        *(f"{_YAML}python/{name}" for name in ("int", "long", "float", "bool", "none")),
    }
)
_AS_TEXT = frozenset({f"{_YAML}str", f"{_YAML}python/str", f"{_YAML}python/unicode"})
_AS_BYTES = frozenset({f"{_YAML}binary", f"{_YAML}python/bytes"})
_AS_COLLECTION = frozenset(
    {"!", *(f"{_YAML}{name}" for name in ("seq", "map", "python/list", "python/tuple", "python/dict"))}
)


class _Composer:
    """Nodes to values, one top-level item at a time."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._offsets = Offsets(data)
        self._at = 0
        self._lines = 1
        self._anchors: dict[str, tuple[Value, int]] = {}
        self._weight = 0
        self._aliased = 0

    def entries(self) -> Iterator[Entry]:
        reader = YamlReader(self._data, MAX_VALUES)
        root = reader.root()
        if root is None:
            raise FormatError("the file is empty")
        if not isinstance(root, YamlMapping):
            what = "a list" if isinstance(root, YamlList) else "text"
            raise self._error(f"the document is {what}, not a mapping", start_of(root))
        names: set[str] = set()
        for key_node, node in root.pairs:
            key = self._key(key_node)
            if key in names:
                raise self._twice(key, key_node)
            names.add(key)
            if isinstance(node, YamlList) and not node.anchor and not node.tag:
                yield Entry(key, [], line=self._next_line(node))
                for index, item in enumerate(node.items):
                    yield Entry(key, self._value(item), index, self._next_line(item))
            else:
                yield Entry(key, self._value(node), line=self._next_line(node))
        second = reader.second_document()
        if second is not None:
            raise self._error("a second document: a cassette is one", second)

    def _next_line(self, node: YamlNode) -> int:
        """The line, from 1, of a node that stands behind those for which this was asked before."""
        at = self._offsets.byte(start_of(node))
        self._lines += self._data.count(b"\n", self._at, at)
        self._at = at
        return self._lines

    def _error(self, reason: str, index: int) -> FormatError:
        return FormatError(reason, line_number(self._data, Offsets(self._data).byte(index)))

    def _twice(self, key: str, node: YamlNode) -> FormatError:
        return self._error(f"the key {key!r} stands twice in one mapping: take one out", start_of(node))

    def _key(self, node: YamlNode) -> str:
        if type(node) is YamlScalar and node.tag is node.anchor is None:
            self._weight += 1 + len(node.value)
            return node.value
        name = self._value(node)
        if isinstance(name, Tagged | bytes):
            name = as_plain_data(name, line_number(self._data, Offsets(self._data).byte(start_of(node))))
            name = name.decode("utf-8", "surrogateescape") if isinstance(name, bytes) else name
        if not isinstance(name, str):
            raise self._error("a key that is not text", start_of(node))
        return str(name)

    def _value(self, node: YamlNode) -> Value:
        if type(node) is YamlAlias:
            return self._alias(node)
        before = self._weight
        if type(node) is YamlScalar:
            self._weight += 1 + len(node.value)
            value = node.value if node.style and node.tag is None else self._scalar(node)
        else:
            self._weight += 1
            value = self._collection(cast("YamlList | YamlMapping", node))
        if node.anchor:
            self._anchors[node.anchor] = (value, self._weight - before)
        return value

    def _scalar(self, node: YamlScalar) -> Value:
        tag = node.tag
        if tag is None or tag in _AS_PLAIN:
            return Plain(node.value)
        if tag in _AS_TEXT:
            return node.value
        if tag in _AS_BYTES:
            try:
                return binascii.a2b_base64(node.value)
            except ValueError:
                raise self._error("a !!binary value that is not base64", start_of(node)) from None
        return Tagged(tag, node.value)

    def _collection(self, node: YamlList | YamlMapping) -> Value:
        value: Value
        if isinstance(node, YamlList):
            value = [self._value(item) for item in node.items]
        else:
            value = pairs = {}
            for key_node, inner in node.pairs:
                key = self._key(key_node)
                if key in pairs:
                    raise self._twice(key, key_node)
                if key == "<<" and type(key_node) is YamlScalar and not key_node.style:
                    raise self._error("a merge key ('<<'): write the keys out", start_of(key_node))
                pairs[key] = self._value(inner)
        return value if node.tag is None or node.tag in _AS_COLLECTION else Tagged(node.tag, value)

    def _alias(self, node: YamlAlias) -> Value:
        # VCR.py's dumper writes one for a list that stands at two places (PyYAML's ignore_aliases).
        if node.anchor not in self._anchors:
            reason = f"the alias *{node.anchor} stands for nothing, or for what it is in"
            raise self._error(reason, start_of(node))
        value, weight = self._anchors[node.anchor]
        self._weight += weight
        self._aliased += weight
        if self._aliased > MAX_ALIASED:
            reason = "aliases that stand for too much: write out what they stand for"
            raise self._error(reason, start_of(node))
        return value


_NULL = frozenset({"", "~", "null", "Null", "NULL"})

# Python objects that VCR.py's own recordings have had, and any of a class (a name with a capital) that was
# made of one text or number: what they hold is in their arguments, that of files in their state.
_PYTHON_OBJECT = re.compile(
    r"tag:yaml\.org,2002:python/object/(?:"
    r"(?:new|apply):(?:(?P<file>_?io\.(?:Bytes|String)IO)|(?P<iter>(?:builtins|__builtin__)\.iter)"
    r"|(?:multidict\.)?\w+(?:\.\w+)*\.istr|multidict\.istr|http\.HTTPStatus)"
    r"|(?P<derived>new:(?:\w+\.)+[A-Z]\w*))"
)


def content_key(tag: str | None) -> str:
    """The key under which a Python object with this tag has what it holds, if it is a mapping.

    If it is a list, or has one under the key, that list's first item is what it holds. Empty for a tag that
    names no such object.
    """
    known = _PYTHON_OBJECT.fullmatch(tag) if tag else None
    return ("state" if known["file"] else "args") if known else ""


def as_plain_data(value: Value, line: int | None) -> Value:
    """The value without its tag: the data in a Python object that is known, as data.

    Raises FormatError for any other tag.
    """
    if not isinstance(value, Tagged):
        return value
    known = _PYTHON_OBJECT.fullmatch(value.tag)
    inner = value.value
    if known:
        if isinstance(inner, dict):
            inner = inner.get(content_key(value.tag))
        if isinstance(inner, list) and not (known["derived"] and len(inner) != 1):
            inner = inner[0] if inner else [] if known["iter"] else ""
        if not isinstance(inner, Tagged | dict) and (known["iter"] or not isinstance(inner, list)):
            return inner
    tag = value.tag.replace(_YAML, "!!")
    raise FormatError(f"{tag} is no plain data, and tags never construct anything: replace it", line)


def is_null(value: Value) -> bool:
    """Whether it is null, in YAML or JSON."""
    return value is None or (isinstance(value, Plain) and value in _NULL)


def mapping(value: Value, place: str, line: int | None = None) -> dict[str, Value]:
    """The value, if it is a mapping; raises FormatError."""
    if not isinstance(value, dict):
        raise FormatError(f"{place} is {kind(value)}, not a mapping", line)
    return value


def text(value: Value, place: str, line: int | None = None) -> str:
    """The value as text, a number in its own spelling, null as empty; raises FormatError."""
    if type(value) is str and value.isascii():
        return value  # nearly always
    match as_plain_data(value, line):
        case str() as same:
            return "" if is_null(same) else _utf8(same)
        case bytes() as raw:
            return raw.decode("utf-8", "surrogateescape")
        case None:
            return ""
        case bool() as truth:
            return "true" if truth else "false"
        case int() | float() as number:
            return str(number)
        case other:
            raise FormatError(f"{place} is {kind(other)}, not text", line)


def _utf8(same: str) -> str:
    return str(same) if same.isascii() else encode(same).decode("utf-8", "surrogateescape")


def encode(text: str) -> bytes:
    """The text's bytes: lone surrogates are bytes (PEP 383), or what JSON has of half a pair."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")


def integer(value: Value, place: str, line: int | None = None) -> int:
    """The value as a whole number, also from its text; raises FormatError."""
    plain = as_plain_data(value, line)
    if isinstance(plain, float) and plain.is_integer():
        plain = int(plain)
    if isinstance(plain, int) and not isinstance(plain, bool):
        return plain
    if isinstance(plain, str) and re.fullmatch(r"\s*-?[0-9]{1,18}\s*", plain):
        return int(plain)
    shown = f"{str(plain)[:40]!r}" if isinstance(plain, str) else kind(plain)
    raise FormatError(f"{place} is {shown}, not a whole number", line)


def kind(value: Value) -> str:
    """What a value is, for a message."""
    if is_null(value):
        return "null"
    return _KINDS[type(value)]


_KINDS: Mapping[type, str] = {
    dict: "a mapping",
    list: "a list",
    str: "text",
    Plain: "text",
    bytes: "binary data",
    int: "a number",
    float: "a number",
    bool: "true or false",
    Tagged: "a Python object",
}
