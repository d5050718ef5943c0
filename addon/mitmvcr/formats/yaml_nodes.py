"""A file's YAML -> nodes with their places, from libyaml's events; knows no format and constructs no object.

Events, not libyaml's own nodes: its composer is recursive C that deep nesting crashes, and keeps the whole
document. Here the values of the root mapping, and the items of lists there, are read as they are asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple, TypeAlias

import yaml
from yaml import CBaseLoader
from yaml.reader import ReaderError

from mitmvcr.errors import FormatError
from mitmvcr.formats.places import Offsets, line_number, line_start

MAX_DEPTH = 100
"""Collections in one another, the document's root among them."""
TOO_DEEP = f"nested more than {MAX_DEPTH} levels deep"
NOT_TEXT = "is no text that YAML knows"

# PyYAML's types say of an event's marks that they may be None, which libyaml's never are.
ScalarEvent: type[Any] = yaml.ScalarEvent
AliasEvent: type[Any] = yaml.AliasEvent
SequenceStartEvent: type[Any] = yaml.SequenceStartEvent
SequenceEndEvent: type[Any] = yaml.SequenceEndEvent
MappingStartEvent: type[Any] = yaml.MappingStartEvent
MappingEndEvent: type[Any] = yaml.MappingEndEvent
StreamEndEvent: type[Any] = yaml.StreamEndEvent

_PATH_DEPTH = 6  # keys and numbers that an error names
# From where libyaml reports an escape that is cut (`"\U0001F60`) to the end of the file.
_MAX_LAG = 12


# Tuples, since a frozen dataclass takes three times as long to make, and a file has millions of these.
class YamlScalar(NamedTuple):
    """A single value: its text without quotes and folds; `style` is libyaml's: `'`, `"`, `|`, `>` or empty.

    Here and below `start` and `end` are indices of characters, as in libyaml's marks.
    """

    value: str
    style: str
    tag: str | None
    anchor: str | None
    start: int
    end: int


class YamlAlias(NamedTuple):
    """A place at which the node with this anchor stands once more."""

    anchor: str
    start: int
    end: int


class YamlList(NamedTuple):
    """A list, in brackets if `is_flow`. `end` is -1, not known yet, of the root and of one under its keys."""

    items: Iterable[YamlNode]
    is_flow: bool
    tag: str | None
    anchor: str | None
    start: int
    end: int


class YamlMapping(NamedTuple):
    """A mapping in its order, keys given twice included. `end` is -1, not known yet, of the root."""

    pairs: Iterable[tuple[YamlNode, YamlNode]]
    tag: str | None
    anchor: str | None
    start: int
    end: int


YamlNode: TypeAlias = YamlScalar | YamlAlias | YamlList | YamlMapping


class YamlFault(Exception):  # noqa: N818 - it never leaves what reads files, FormatError does
    """Something is not as it must be, between two places in the file.

    Places are indices of characters; where libyaml gave up, and `problem` has its words, they are bytes.
    `path` names the field, from the document's root.
    """

    def __init__(self, reason: str, start: int, end: int, problem: tuple[str, ...] = ()) -> None:
        super().__init__(reason)
        self.reason = reason
        self.problem = problem
        self._start = start
        self._end = end
        self.path: list[str] = []

    def line(self, data: bytes) -> int:
        """The line, from 1, in which it begins."""
        return line_number(data, self._start if self.problem else Offsets(data).byte(self._start))

    def error(self, data: bytes) -> FormatError:
        """What to raise for the user."""
        path = "".join(self.path[:_PATH_DEPTH]).removeprefix(".")
        return FormatError(f"{path}: {self.reason}" if path else self.reason, self.line(data))

    def is_at_end(self, data: bytes) -> bool:
        """Whether nothing follows what is wrong, no line break either, as where a write broke off."""
        if self.problem:
            return self._end >= len(data.rstrip()) - _MAX_LAG
        return not data[Offsets(data).byte(self._end) :].strip(b" ")


class YamlReader:
    """Reads a file's one document.

    Whatever is asked of it raises YamlFault where the file is no YAML or nested too deep, and FormatError
    where it has more values than `limit`. `literal` gives the text of a literal from what libyaml reads there
    and the index of its `|`. `end` is where the list or mapping that was read last as it was asked for ended.
    """

    def __init__(self, data: bytes, limit: int, literal: Callable[[str, int], str] | None = None) -> None:
        self._data = data
        self._next_event: Callable[[], Any] = CBaseLoader(data).get_event
        self._limit = self._left = limit
        self._literal = literal
        self.end = 0

    def root(self) -> YamlNode | None:
        """The document, None if there is none; its pairs or items are read as they are asked for."""
        self._next()  # the stream's start
        if type(self._next()) is StreamEndEvent:
            return None
        event = self._next()
        if type(event) is MappingStartEvent:
            return YamlMapping(self._pairs(), event.tag, event.anchor, event.start_mark.index, -1)
        return self._lazy_list(event) if type(event) is SequenceStartEvent else self._node_of(event, 1)

    def second_document(self) -> int | None:
        """The index at which another document begins, when the root was read; None if none does."""
        self._next()  # the document's end
        event = self._next()
        return None if type(event) is StreamEndEvent else event.start_mark.index

    def spend(self, values: int) -> None:
        """Count so many values more, for what else is made of the file."""
        self._left -= values

    def _pairs(self) -> Iterator[tuple[YamlNode, YamlNode]]:
        while type(event := self._next()) is not MappingEndEvent:
            key = self._node_of(event, 2)
            try:
                event = self._next()
                is_lazy = type(event) is SequenceStartEvent and event.tag is None and event.anchor is None
                value = self._lazy_list(event) if is_lazy else self._node(event, 2)
            except _ERRORS as error:
                raise self._fault(error, _named(key)) from None
            yield key, value
            for _ in value.items if is_lazy and isinstance(value, YamlList) else ():
                pass  # what was not asked for
        self.end = event.end_mark.index

    def _lazy_list(self, event: Any) -> YamlList:
        start = event.start_mark.index
        return YamlList(self._items(), event.flow_style, event.tag, event.anchor, start, -1)

    def _items(self) -> Iterator[YamlNode]:
        index = 0
        while type(event := self._next()) is not SequenceEndEvent:
            yield self._node_of(event, 3, f"[{index}]")
            index += 1
        self.end = event.start_mark.index

    def _node_of(self, event: Any, depth: int, name: str = "") -> YamlNode:
        try:
            return self._node(event, depth)
        except _ERRORS as error:
            raise self._fault(error, name) from None

    def _node(self, event: Any, depth: int) -> YamlNode:
        """The node that an event begins; raises libyaml's errors too."""
        self._left -= 1
        if self._left < 0:
            raise FormatError(f"more than {self._limit:,} values in one file: split it")
        kind = type(event)
        start = event.start_mark.index
        if kind is ScalarEvent:
            value, tag, anchor = event.value, event.tag, event.anchor
            if self._literal is not None and event.style == "|" and tag is None and anchor is None:
                value = self._literal(value, start)
            return YamlScalar(value, event.style, tag, anchor, start, event.end_mark.index)
        if kind is AliasEvent:
            return YamlAlias(event.anchor, start, event.end_mark.index)
        if depth > MAX_DEPTH:
            raise YamlFault(TOO_DEEP, start, start)
        next_event, node = self._next_event, self._node
        depth += 1
        if kind is SequenceStartEvent:
            items = []
            while type(item := next_event()) is not SequenceEndEvent:
                items.append(node(item, depth))
            return YamlList(items, event.flow_style, event.tag, event.anchor, start, item.end_mark.index)
        pairs = []
        while type(item := next_event()) is not MappingEndEvent:
            key = node(item, depth)
            try:
                pairs.append((key, node(next_event(), depth)))
            except _ERRORS as error:
                raise self._fault(error, _named(key)) from None
        return YamlMapping(pairs, event.tag, event.anchor, start, item.end_mark.index)

    def _next(self) -> Any:
        try:
            return self._next_event()
        except _ERRORS as error:
            raise self._fault(error) from None

    def _fault(self, error: Exception, name: str = "") -> YamlFault:
        """What a file's error is, with the name of the field in it added to its path."""
        if isinstance(error, YamlFault):
            fault = error
        elif isinstance(error, ReaderError):
            at = error.position
            fault = YamlFault(f"{NOT_TEXT}: {error.reason}", at, at, (error.reason,))
        else:
            fault = self._syntax_fault(error)
        fault.path[:0] = [name] if name else []
        return fault

    def _syntax_fault(self, error: Exception) -> YamlFault:
        mark, words = None, [str(error)]
        if isinstance(error, yaml.MarkedYAMLError):
            mark = error.problem_mark or error.context_mark
            words = [part for part in (error.context, error.problem) if part]
        at = Offsets(self._data).byte(mark.index) if mark else 0
        # libyaml 0.2.6 gives up on brackets in brackets by itself, before its events tell of them, since it
        # looks for a key's colon in all of a line; its words are its own to change.
        line = self._data[line_start(self._data, at) :].partition(b"\n")[0]
        is_too_deep = line.count(b"[") + line.count(b"{") - line.count(b"]") - line.count(b"}") > MAX_DEPTH
        return YamlFault(TOO_DEEP if is_too_deep else f"is no YAML: {', '.join(words)}", at, at, tuple(words))


# A tag whose %-escapes are no UTF-8 is PyYAML's to stumble over.
_ERRORS = (YamlFault, yaml.YAMLError, UnicodeDecodeError)


def _named(key: YamlNode) -> str:
    return f".{key.value[:60]}" if type(key) is YamlScalar else ""
