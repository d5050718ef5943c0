"""Events -> the values of a cassette's fields, as go-yaml v4.0.0-rc.6 reads them for go-vcr's types.

Two departures: dates are text in a text field (go-vcr v4.0.5 wrote them plain), and whatever makes one file
mean two things to two readers is refused: anchors, merge keys, tags other than `!!binary`.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from typing import Any, NoReturn, TypeAlias

from yaml import (
    AliasEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from mitmvcr.durations import parse_duration
from mitmvcr.formats.govcr import scalars
from mitmvcr.formats.govcr.events import Events, Fault, end_of, start_of
from mitmvcr.formats.govcr.literals import Literals
from mitmvcr.model import Node, Plain

_MAX_DEPTH = 100
_BINARY = "tag:yaml.org,2002:binary"
NULLS = frozenset(("", "~", "null", "Null", "NULL"))
_TRUE = frozenset(("true", "True", "TRUE"))
_FALSE = frozenset(("false", "False", "FALSE"))
# For a field that is a boolean, go-yaml takes YAML 1.1's words too, in quotes or not.
_OLD_TRUE = frozenset(("y", "Y", "yes", "Yes", "YES", "on", "On", "ON"))
_OLD_FALSE = frozenset(("n", "N", "no", "No", "NO", "off", "Off", "OFF"))
_DECIMAL = re.compile(r"-?(?:0|[1-9][0-9]{0,17})", re.ASCII)
_INTEGER = re.compile(
    r"([-+]?)(?:0[xX]([0-9a-fA-F]{1,16})|0[bB]([01]{1,64})|0[oO]?([0-7]{1,22})|([0-9]{1,19}))", re.ASCII
)
_ANYWHERE = scalars.Place(scalars.Dialect.CHARM, "", hint_fits=True)
_WHITE = str.maketrans("", "", " \t\r\n")
_NAMES = {
    ScalarEvent: "a single value",
    SequenceStartEvent: "a list",
    MappingStartEvent: "a mapping",
}

Read: TypeAlias = Callable[["Values", Any], object]


class Values:
    """Reads one value from an event and those that follow; raises Fault.

    `end` is the place behind the mapping that was read last, `duration_text` the last duration as it stands.
    """

    def __init__(self, events: Events, literals: Literals | None) -> None:
        self._next = events.next
        self._literals = literals
        self.end = 0
        self.duration_text: str | None = None

    def string(self, event: Any) -> str:
        """A field of text; numbers are text, null is empty, bytes that are not UTF-8 are surrogates."""
        if type(event) is not ScalarEvent:
            wrong(event, "text")
        if event.tag is not None or event.anchor is not None:
            return _binary(event).decode("utf-8", "surrogateescape")
        value: str = event.value
        if event.style == "|" and self._literals is not None:
            return self._literals.meant(value, start_of(event))
        return "" if value in NULLS and event.style == "" else value

    def body(self, event: Any) -> bytes:
        if type(event) is ScalarEvent and event.tag is not None:
            return _binary(event)
        return self.string(event).encode()

    def integer(self, event: Any) -> int:
        value = _plain(event, "an integer")
        if _DECIMAL.fullmatch(value):
            return int(value)
        if value in NULLS:
            return 0
        found = _INTEGER.fullmatch(value.replace("_", ""))
        if found:
            sign, hexadecimal, binary, octal, decimal = found.groups()
            digits = hexadecimal or binary or octal or decimal
            number = int(sign + digits, 16 if hexadecimal else 2 if binary else 8 if octal else 10)
            if -(1 << 63) <= number < 1 << 63:
                return number
        raise _fault(f"an integer is needed, this is {_shown(value)}", event)

    def boolean(self, event: Any) -> bool:
        if type(event) is ScalarEvent and event.tag is None and event.anchor is None:
            is_plain, value = event.style == "", event.value
            if value in _OLD_TRUE or (is_plain and value in _TRUE):
                return True
            if value in _OLD_FALSE or (is_plain and (value in _FALSE or value in NULLS)):
                return False
        return wrong(event, "true or false")

    def duration(self, event: Any) -> int:
        """Nanoseconds, from what Go's `time.ParseDuration` takes."""
        if type(event) is not ScalarEvent or event.tag is not None or event.anchor is not None:
            wrong(event, "a duration (1.5s, 20ms)")
        value = self.duration_text = event.value
        if value in NULLS and event.style == "":
            self.duration_text = None
            return 0
        try:
            return parse_duration(value)
        except ValueError as error:
            raise _fault(str(error), event) from None

    def strings(self, event: Any) -> tuple[str, ...]:
        if type(event) is not SequenceStartEvent:
            _null(event, "a list")
            return ()
        check_collection(event)
        read: list[str] = []
        while type(item := self._next()) is not SequenceEndEvent:
            try:
                read.append(self.string(item))
            except Fault as fault:
                fault.path.insert(0, f"[{len(read)}]")
                raise
        return tuple(read)

    def values(self, event: Any) -> dict[str, tuple[str, ...]]:
        """A mapping of names to lists: headers, trailers, forms."""
        known, _ = self.record(event, {}, other=Values.strings)
        return known

    def record(
        self,
        event: Any,
        fields: Mapping[str, Read],
        extra: dict[str, Node] | None = None,
        other: Read | None = None,
    ) -> tuple[dict[str, Any], dict[str, Node]]:
        """A mapping: the fields we know, each read by its own function, and the unknown keys beside.

        These are put into `extra` where it is given; with `other`, that reads them, and they count as known.
        """
        known: dict[str, Any] = {}
        extra = {} if extra is None else extra
        if type(event) is not MappingStartEvent:
            _null(event, "a mapping")
            return known, extra
        check_collection(event)
        while type(item := self._next()) is not MappingEndEvent:
            key = self._key(item)
            if key in known or key in extra:
                raise _fault(f"the key {_shown(key)} is given twice", item)
            read = fields.get(key, other)
            try:
                if read is None:
                    extra[key] = self.node(self._next(), 1)
                else:
                    known[key] = read(self, self._next())
            except Fault as fault:
                fault.path.insert(0, f".{key[:60]}")
                raise
        self.end = end_of(item)
        return known, extra

    def node(self, event: Any, depth: int) -> Node:
        """Whatever stands under a key that we don't know."""
        if type(event) is ScalarEvent:
            if event.tag is not None or event.anchor is not None:
                return _binary(event)
            value: str = event.value
            return Plain(value) if event.style == "" and _would_be_quoted(value) else value
        check_collection(event)
        if depth > _MAX_DEPTH:
            raise _fault(f"is nested more than {_MAX_DEPTH} levels deep", event)
        if type(event) is SequenceStartEvent:
            items: list[Node] = []
            while type(item := self._next()) is not SequenceEndEvent:
                items.append(self.node(item, depth + 1))
            return items
        mapping: dict[str, Node] = {}
        while type(item := self._next()) is not MappingEndEvent:
            key = self._key(item)
            if key in mapping:
                raise _fault(f"the key {_shown(key)} is given twice", item)
            mapping[key] = self.node(self._next(), depth + 1)
        return mapping

    def _key(self, event: Any) -> str:
        if type(event) is not ScalarEvent:
            wrong(event, "a key")
        if event.style == "" and event.value == "<<":
            raise _fault("merge keys (<<) are not read: write the keys out", event)
        return self.string(event)


def _would_be_quoted(value: str) -> bool:
    """Whether what stood plain on one line is no text to go-yaml: as text it would need quotes."""
    return "\n" not in value and scalars.scalar(value, _ANYWHERE).startswith('"')


def _plain(event: Any, needed: str) -> str:
    """The text of a scalar without quotes."""
    if (
        type(event) is not ScalarEvent
        or event.style != ""
        or event.tag is not None
        or event.anchor is not None
    ):
        wrong(event, needed)
    value: str = event.value
    return value


def _null(event: Any, needed: str) -> None:
    if type(event) is not ScalarEvent or _plain(event, needed) not in NULLS:
        wrong(event, needed)


def _binary(event: Any) -> bytes:
    """The bytes of a scalar that has a tag or an anchor."""
    _check_anchor(event)
    if event.tag != _BINARY:
        raise _fault(
            f"the tag {_shown(event.tag)} is not read, only !!binary: write the value without it", event
        )
    try:
        return base64.b64decode(event.value.translate(_WHITE), validate=True)
    except ValueError as error:
        raise _fault(f"is no base64: {error}", event) from None


def _check_anchor(event: Any) -> None:
    if type(event) is AliasEvent or event.anchor is not None:
        raise _fault(f"anchors and aliases are not read (&{event.anchor[:60]}): write the value out", event)


def check_collection(event: Any) -> None:
    _check_anchor(event)
    if event.tag is not None:
        raise _fault(
            f"the tag {_shown(event.tag)} is not read, only !!binary: write the value without it", event
        )


def wrong(event: Any, needed: str) -> NoReturn:
    _check_anchor(event)
    if type(event) is ScalarEvent:
        shown = f"{event.style}{event.value}{event.style}" if event.style in ("'", '"') else event.value
        raise _fault(f"{needed} is needed, this is {_shown(shown)}", event)
    raise _fault(f"{needed} is needed, this is {_NAMES[type(event)]}", event)


def _shown(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:60] + "…")


def _fault(reason: str, event: Any) -> Fault:
    return Fault(reason, start_of(event), end_of(event))
