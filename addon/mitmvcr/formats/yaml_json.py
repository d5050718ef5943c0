"""YAML and JSON text -> plain data, bounded in depth, number and aliases; never constructs an object.

For the formats that others' programs write (VCR.py, llama-stack, HAR). YAML is read from libyaml's
events: its composer crashes on deep nesting, and its constructors would run what a tag names.
"""

from __future__ import annotations

import binascii
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias, cast

import yaml

from mitmvcr.errors import FormatError
from mitmvcr.model import Plain

Value: TypeAlias = "str | Plain | bytes | int | float | bool | Tagged | list[Value] | dict[str, Value] | None"
"""A value as the text has it: what stands unquoted in YAML is `Plain`, not yet a number or null."""

MAX_DEPTH = 100
MAX_VALUES = 10_000_000
"""Values in one document: some 1.5 GB in memory at worst."""
MAX_ALIASED = 64_000_000
"""Characters and values that a document's aliases may stand for."""

_MAX_COMMAS = 20_000_000
_TOO_DEEP = f"nested more than {MAX_DEPTH} levels deep"


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
    if _JSON_OBJECT.match(data):
        return _json_entries(data)
    return _Composer(data).entries()


_JSON_OBJECT = re.compile(rb"(?:\xef\xbb\xbf)?\s*\{\s*[\"}]")


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
        raise FormatError(_TOO_DEEP) from None
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
    raise FormatError(_TOO_DEEP)


def _object(pairs: list[tuple[str, Value]]) -> dict[str, Value]:
    value = dict(pairs)
    if len(value) != len(pairs):
        twice = next(key for key, count in Counter(key for key, _ in pairs).items() if count > 1)
        raise FormatError(f"the key {twice!r} stands twice in one object: take one out")
    return value


_YAML = "tag:yaml.org,2002:"
_AS_PLAIN = frozenset(
    f"{_YAML}{name}"
    for name in (
        *("int", "float", "bool", "null", "timestamp"),
        *("python/int", "python/long", "python/float", "python/bool", "python/none"),
    )
)
_AS_TEXT = frozenset({"!", f"{_YAML}str", f"{_YAML}python/str", f"{_YAML}python/unicode"})
_AS_BYTES = frozenset({f"{_YAML}binary", f"{_YAML}python/bytes"})
_AS_COLLECTION = frozenset(
    {"!", *(f"{_YAML}{name}" for name in ("seq", "map", "python/list", "python/tuple", "python/dict"))}
)


class _Composer:
    """libyaml's events to values, one top-level item at a time."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._next = cast("Callable[[], yaml.Event]", yaml.CBaseLoader(data).get_event)
        self._anchors: dict[str, tuple[Value, int]] = {}
        self._weight = 0
        self._values = 0
        self._aliased = 0

    def entries(self) -> Iterator[Entry]:
        try:
            yield from self._entries()
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            if mark is not None and is_too_deep(self._data, mark.line):
                raise FormatError(_TOO_DEEP, mark.line + 1) from None
            cut = mark is not None and self._data.count(b"\n", 0) <= mark.line + 1
            reason = " ".join(filter(None, (error.context, error.problem)))
            reason = f"not YAML: {reason}" + (" (is the file cut short?)" if cut else "")
            raise FormatError(reason, mark.line + 1 if mark else None) from None
        except yaml.reader.ReaderError as error:
            line = self._data.count(b"\n", 0, max(error.position, 0)) + 1
            raise FormatError(f"not YAML: {error.reason}", line) from None
        except UnicodeDecodeError as error:
            raise FormatError(f"not YAML: {error.reason}") from None

    def _entries(self) -> Iterator[Entry]:
        self._next()  # the stream's start
        if isinstance(self._next(), yaml.StreamEndEvent):
            raise FormatError("the file is empty")
        event = self._next()
        if not isinstance(event, yaml.MappingStartEvent):
            what = "a list" if isinstance(event, yaml.SequenceStartEvent) else "text"
            raise FormatError(f"the document is {what}, not a mapping", _line(event))
        seen: set[str] = set()
        while not isinstance(event := self._next(), yaml.MappingEndEvent):
            key = self._key(event, seen, 1)
            event = self._next()
            if isinstance(event, yaml.SequenceStartEvent) and not event.anchor and not event.tag:
                yield Entry(key, [], line=_line(event))
                index = 0
                while not isinstance(event := self._next(), yaml.SequenceEndEvent):
                    yield Entry(key, self._value(event, 2), index, _line(event))
                    index += 1
            else:
                yield Entry(key, self._value(event, 2), line=_line(event))
        self._next()  # the document's end
        if not isinstance(event := self._next(), yaml.StreamEndEvent):
            raise FormatError("a second document: a cassette is one", _line(event))

    def _key(self, event: yaml.Event, seen: set[str], depth: int) -> str:
        line = _line(event)
        name = as_plain_data(self._value(event, depth), line)
        if isinstance(name, bytes):
            name = name.decode("utf-8", "surrogateescape")
        if not isinstance(name, str):
            raise FormatError("a key that is not text", line)
        if name in seen:
            raise FormatError(f"the key {str(name)!r} stands twice in one mapping: take one out", line)
        seen.add(name)
        return str(name)

    def _value(self, event: yaml.Event, depth: int) -> Value:
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event)
        self._values += 1
        if self._values > MAX_VALUES:
            raise FormatError(f"more than {MAX_VALUES:,} values in one file: split it", _line(event))
        if depth > MAX_DEPTH:
            raise FormatError(_TOO_DEEP, _line(event))
        before = self._weight
        if isinstance(event, yaml.ScalarEvent):
            self._weight += 1 + len(event.value)
            value: Value = event.value if event.implicit[1] else _scalar(event)
        else:
            self._weight += 1
            value = self._collection(cast("yaml.CollectionStartEvent", event), depth)
        anchor = cast("yaml.NodeEvent", event).anchor
        if anchor:
            self._anchors[anchor] = (value, self._weight - before)
        return value

    def _collection(self, event: yaml.CollectionStartEvent, depth: int) -> Value:
        value: Value
        if isinstance(event, yaml.SequenceStartEvent):
            value = items = []
            while not isinstance(item := self._next(), yaml.SequenceEndEvent):
                items.append(self._value(item, depth + 1))
        else:
            value = pairs = {}
            seen: set[str] = set()
            while not isinstance(item := self._next(), yaml.MappingEndEvent):
                key = self._key(item, seen, depth + 1)
                if key == "<<" and isinstance(item, yaml.ScalarEvent) and item.implicit[0]:
                    raise FormatError("a merge key ('<<'): write the keys out", _line(item))
                pairs[key] = self._value(self._next(), depth + 1)
        if event.tag is None or event.tag in _AS_COLLECTION:
            return value
        return Tagged(event.tag, value)

    def _alias(self, event: yaml.AliasEvent) -> Value:
        # VCR.py's dumper writes one for a list that stands at two places (PyYAML's ignore_aliases).
        name = event.anchor or ""
        if name not in self._anchors:
            raise FormatError(f"the alias *{name} stands for nothing, or for what it is in", _line(event))
        value, weight = self._anchors[name]
        self._weight += weight
        self._aliased += weight
        if self._aliased > MAX_ALIASED:
            raise FormatError("aliases that stand for too much: write out what they stand for", _line(event))
        return value


def is_too_deep(data: bytes, line: int) -> bool:
    """Whether depth is why libyaml gave up at this line, which counts from 0.

    Newer ones refuse deep nesting themselves, before the events that tell of it; their words are theirs to
    change, so the brackets that the line leaves open are counted, those in quotes with them.
    """
    text = data.split(b"\n", line + 1)[line]
    return text.count(b"[") + text.count(b"{") - text.count(b"]") - text.count(b"}") > MAX_DEPTH


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 1


def _scalar(event: yaml.ScalarEvent) -> Value:
    tag, value = event.tag, event.value
    if event.implicit[0] or tag in _AS_PLAIN:
        return Plain(value)
    if tag is None or tag in _AS_TEXT:
        return value
    if tag in _AS_BYTES:
        try:
            return binascii.a2b_base64(value)
        except ValueError:
            raise FormatError("a !!binary value that is not base64", _line(event)) from None
    return Tagged(tag, value)


_NULL = frozenset({"", "~", "null", "Null", "NULL"})

# Python objects that VCR.py's own recordings have had: what they hold is in their arguments.
_PYTHON_OBJECT = re.compile(
    r"tag:yaml\.org,2002:python/object/(?:new|apply):"
    r"(?:(?P<file>_?io\.(?:Bytes|String)IO)|(?P<iter>(?:builtins|__builtin__)\.iter)"
    r"|(?:multidict\.)?\w+(?:\.\w+)*\.istr|multidict\.istr|http\.HTTPStatus)"
)


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
            inner = inner.get("state" if known["file"] else "args")
        if isinstance(inner, list):
            inner = inner[0] if inner else [] if known["iter"] else ""
        if not isinstance(inner, Tagged | dict):
            return inner
    tag = value.tag.replace(_YAML, "!!")
    raise FormatError(f"{tag} is no plain data, and tags never construct anything: replace it", line)


class _Scalars(yaml.resolver.Resolver, yaml.constructor.SafeConstructor):
    """YAML 1.1's rules for unquoted scalars, as VCR.py's loader has them."""

    def __init__(self) -> None:
        yaml.resolver.Resolver.__init__(self)
        yaml.constructor.SafeConstructor.__init__(self)


_SCALARS = _Scalars()
_CONSTRUCT: Mapping[str, Callable[[yaml.ScalarNode], object]] = {
    f"{_YAML}int": _SCALARS.construct_yaml_int,
    f"{_YAML}float": _SCALARS.construct_yaml_float,
    f"{_YAML}bool": _SCALARS.construct_yaml_bool,
    f"{_YAML}null": _SCALARS.construct_yaml_null,
}


@lru_cache(maxsize=4096)
def resolve(text: str) -> str | int | float | bool | None:
    """What YAML 1.1 makes of an unquoted scalar, as far as JSON can hold it; else its text."""
    tag: str = _SCALARS.resolve(yaml.ScalarNode, text, (True, False))  # type: ignore[no-untyped-call]
    construct = _CONSTRUCT.get(tag)
    if construct is None:
        return text
    try:
        value = construct(yaml.ScalarNode(tag, text))
    except (ValueError, ArithmeticError):
        return text
    return value if isinstance(value, int | float) else None


def is_null(value: Value) -> bool:
    """Whether it is null, in YAML or JSON."""
    return value is None or (isinstance(value, Plain) and value in _NULL)


def json_bytes(value: Value, line: int | None, *, compact: bool) -> bytes:
    """The value as JSON text; unquoted scalars are what YAML makes of them."""
    separators = (",", ":") if compact else None
    plain = _for_json(value, line)
    try:
        return json.dumps(plain, ensure_ascii=not compact, separators=separators).encode()
    except UnicodeEncodeError:  # half a surrogate pair
        return json.dumps(plain, separators=separators).encode()


def _for_json(value: Value, line: int | None) -> object:
    match as_plain_data(value, line):
        case Plain() as plain:
            return resolve(str(plain))
        case dict() as pairs:
            return {key: _for_json(item, line) for key, item in pairs.items()}
        case list() as items:
            return [_for_json(item, line) for item in items]
        case bytes() as raw:
            return raw.decode("utf-8", "replace")
        case other:
            return other


def mapping(value: Value, place: str, line: int | None = None) -> dict[str, Value]:
    """The value, if it is a mapping; raises FormatError."""
    if not isinstance(value, dict):
        raise FormatError(f"{place} is {kind(value)}, not a mapping", line)
    return value


def text(value: Value, place: str, line: int | None = None) -> str:
    """The value as text, a number in its own spelling, null as empty; raises FormatError."""
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
