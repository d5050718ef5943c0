"""A file's YAML -> nodes with their places, from libyaml's events; knows no format and constructs no object.

Events, not libyaml's own nodes: its composer is recursive C that deep nesting crashes, and keeps the whole
document. Here the values of the root mapping, and the items of lists there, are read as they are asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
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
StreamEndEvent: type[Any] = yaml.StreamEndEvent
SequenceStartEvent: type[Any] = yaml.SequenceStartEvent
SequenceEndEvent: type[Any] = yaml.SequenceEndEvent
MappingStartEvent: type[Any] = yaml.MappingStartEvent
MappingEndEvent: type[Any] = yaml.MappingEndEvent

_PATH_DEPTH = 6  # keys and numbers that an error names
# From where libyaml reports an escape that is cut (`"\U0001F60`) to the end of the file.
_MAX_LAG = 12


class YamlList(NamedTuple):
    """A list, in brackets if `is_flow`. `end` is -1, not known yet, of the root and of one under its keys.

    Here and below `start` and `end` are indices of characters, as in libyaml's marks.
    """

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


# Both stay libyaml's events: to make a tuple of each takes a quarter of the time of reading.
YamlScalar: TypeAlias = yaml.ScalarEvent
"""A single value: its text without quotes and folds; `style` is libyaml's: `'`, `"`, `|`, `>` or empty.

Its marks are indices of characters, for `start_of` and `end_of` alone.
"""
YamlAlias: TypeAlias = yaml.AliasEvent
"""A place at which the node with this anchor stands once more."""
YamlNode: TypeAlias = YamlScalar | YamlAlias | YamlList | YamlMapping


def start_of(node: YamlNode) -> int:
    """The index of a node's first character."""
    if type(node) is YamlScalar:
        return node.start_mark  # type: ignore[return-value]
    return node.start if isinstance(node, tuple) else node.start_mark.index  # type: ignore[union-attr]


def end_of(node: YamlNode) -> int:
    """The index behind a node's last character."""
    if type(node) is YamlScalar:
        return node.end_mark  # type: ignore[return-value]
    return node.end if isinstance(node, tuple) else node.end_mark.index  # type: ignore[union-attr]


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
        self._next: Callable[[], Any] = CBaseLoader(data).get_event
        self._limit = self._left = limit
        self._literal = literal
        # Keys and numbers from what was asked for down to what is read now.
        self._path: list[YamlNode | int] = []
        self.end = 0

    def root(self) -> YamlNode | None:
        """The document, None if there is none; its pairs or items are read as they are asked for."""
        with self._faults():
            self._next()  # the stream's start
            if type(self._next()) is StreamEndEvent:
                return None
            event = self._next()
            if type(event) is MappingStartEvent:
                return YamlMapping(self._pairs(), event.tag, event.anchor, event.start_mark.index, -1)
            return self._lazy_list(event) if type(event) is SequenceStartEvent else self._node(event, 1)

    def second_document(self) -> int | None:
        """The index at which another document begins, when the root was read; None if none does."""
        with self._faults():
            self._next()  # the document's end
            event = self._next()
            return None if type(event) is StreamEndEvent else event.start_mark.index

    def spend(self, values: int) -> None:
        """Count so many values more, for what else is made of the file."""
        self._left -= values

    def _pairs(self) -> Iterator[tuple[YamlNode, YamlNode]]:
        with self._faults():
            while type(event := self._next()) is not MappingEndEvent:
                key = self._node(event, 2)
                self._path.append(key)
                event = self._next()
                is_lazy = type(event) is SequenceStartEvent and event.tag is None and event.anchor is None
                value = self._lazy_list(event) if is_lazy else self._node(event, 2)
                self._path.pop()
                yield key, value
                for _ in value.items if is_lazy and isinstance(value, YamlList) else ():
                    pass  # what was not asked for
            self.end = event.end_mark.index

    def _lazy_list(self, event: Any) -> YamlList:
        start = event.start_mark.index
        return YamlList(self._items(), event.flow_style, event.tag, event.anchor, start, -1)

    def _items(self) -> Iterator[YamlNode]:
        index = 0
        with self._faults():
            while type(event := self._next()) is not SequenceEndEvent:
                self._path.append(index)
                item = self._node(event, 3)
                self._path.pop()
                yield item
                index += 1
            self.end = event.start_mark.index

    def _node(self, event: Any, depth: int) -> YamlNode:
        """The node that an event begins; raises libyaml's errors too."""
        self._left -= 1
        if self._left < 0:
            raise FormatError(f"more than {self._limit:,} values in one file: split it")
        kind = type(event)
        if kind is YamlScalar:
            # Marks and what libyaml says of tags take 160 bytes, and a file has millions of scalars.
            event.start_mark = event.start_mark.index
            event.end_mark = event.end_mark.index
            event.implicit = None
            if (
                self._literal is not None
                and event.style == "|"
                and event.tag is None
                and event.anchor is None
            ):
                event.value = self._literal(event.value, event.start_mark)
            return event  # type: ignore[no-any-return]
        if kind is YamlAlias:
            return event  # type: ignore[no-any-return]
        start = event.start_mark.index
        if depth > MAX_DEPTH:
            raise YamlFault(TOO_DEEP, start, start)
        next_event, node, path = self._next, self._node, self._path
        depth += 1
        if kind is SequenceStartEvent:
            items = []
            while type(item := next_event()) is not SequenceEndEvent:
                items.append(node(item, depth))
            return YamlList(items, event.flow_style, event.tag, event.anchor, start, item.end_mark.index)
        pairs = []
        while type(item := next_event()) is not MappingEndEvent:
            key = node(item, depth)
            path.append(key)
            pairs.append((key, node(next_event(), depth)))
            path.pop()
        return YamlMapping(pairs, event.tag, event.anchor, start, item.end_mark.index)

    @contextmanager
    def _faults(self) -> Iterator[None]:
        """Turns what libyaml raises into a fault, and names the field that it is in."""
        try:
            yield
        # A tag whose %-escapes are no UTF-8 is PyYAML's to stumble over.
        except (YamlFault, yaml.YAMLError, UnicodeDecodeError) as error:
            fault = error if isinstance(error, YamlFault) else self._libyaml_fault(error)
            fault.path[:0] = filter(None, map(_name, self._path))
            self._path.clear()
            raise fault from None

    def _libyaml_fault(self, error: Exception) -> YamlFault:
        if isinstance(error, ReaderError):
            at = error.position
            return YamlFault(f"{NOT_TEXT}: {error.reason}", at, at, (error.reason,))
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


def _name(step: YamlNode | int) -> str:
    if isinstance(step, int):
        return f"[{step}]"
    return f".{step.value[:60]}" if type(step) is YamlScalar else ""
