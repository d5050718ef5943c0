"""Nodes -> the values of a cassette's fields, as go-yaml v4.0.0-rc.6 reads them for go-vcr's types.

Two departures: dates are text in a text field (go-vcr v4.0.5 wrote them plain), and whatever makes one file
mean two things to two readers is refused: anchors, merge keys, tags other than `!!binary`.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from mitmvcr.durations import parse_duration
from mitmvcr.formats.govcr import scalars
from mitmvcr.formats.yaml_nodes import (
    YamlAlias,
    YamlFault,
    YamlList,
    YamlMapping,
    YamlNode,
    YamlScalar,
    end_of,
    start_of,
)
from mitmvcr.model import Node, Plain

_BINARY = "tag:yaml.org,2002:binary"
NULLS = frozenset(("", "~", "null", "Null", "NULL"))
_TRUE = frozenset(("true", "True", "TRUE"))
_FALSE = frozenset(("false", "False", "FALSE"))
# For a field that is a boolean, go-yaml takes YAML 1.1's words too, in quotes or not.
_OLD_TRUE = frozenset(("y", "Y", "yes", "Yes", "YES", "on", "On", "ON"))
_OLD_FALSE = frozenset(("n", "N", "no", "No", "NO", "off", "Off", "OFF"))
# What go-vcr writes, which int() reads as it is.
_DECIMAL = re.compile(r"-?(?:0|[1-9][0-9]{0,17})", re.ASCII)
# Go's integers without their `_`, in all bases and as YAML 1.1 has them (`017`); no fraction, no exponent, no
# more digits than 64 bits can have.
_INTEGER = re.compile(
    r"([-+]?)(?:0[xX]([0-9a-fA-F]{1,16})|0[bB]([01]{1,64})|0[oO]?([0-7]{1,22})|([0-9]{1,19}))", re.ASCII
)
_ANYWHERE = scalars.ScalarPlace(scalars.Dialect.CHARM, "", hint_fits=True)
_WHITE = str.maketrans("", "", " \t\r\n")

ReadField: TypeAlias = Callable[[YamlNode], object]
"""Reads a field's value; raises YamlFault."""


def string(node: YamlNode) -> str:
    """A field of text; numbers are text, null is empty, bytes that are not UTF-8 are surrogates."""
    if type(node) is not YamlScalar:
        raise wrong(node, "text")
    if node.tag is not None or node.anchor is not None:
        return _binary(node).decode("utf-8", "surrogateescape")
    return "" if is_null(node) else node.value


def body(node: YamlNode) -> bytes:
    """A field of bytes: of text in UTF-8, or of `!!binary`."""
    if type(node) is YamlScalar and node.tag is not None:
        return _binary(node)
    return string(node).encode()


def integer(node: YamlNode) -> int:
    """A field of 64 bits."""
    value = _plain(node, "an integer")
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
    raise fault_at(f"an integer is needed, this is {_shown(value)}", node)


def boolean(node: YamlNode) -> bool:
    """A field that is true or false, in YAML 1.1's words too."""
    if type(node) is YamlScalar and node.tag is None and node.anchor is None:
        if node.value in _OLD_TRUE or (node.style == "" and node.value in _TRUE):
            return True
        if node.value in _OLD_FALSE or (node.style == "" and node.value in _FALSE | NULLS):
            return False
    raise wrong(node, "true or false")


def duration(node: YamlNode) -> int:
    """Nanoseconds, from what Go's `time.ParseDuration` takes."""
    if type(node) is not YamlScalar or node.tag is not None or node.anchor is not None:
        raise wrong(node, "a duration (1.5s, 20ms)")
    if is_null(node):
        return 0
    try:
        return parse_duration(node.value)
    except ValueError as error:
        raise fault_at(str(error), node) from None


def strings(node: YamlNode) -> tuple[str, ...]:
    """A list of texts; null is an empty one."""
    if type(node) is not YamlList:
        _check_null(node, "a list")
        return ()
    check_collection(node)
    texts: list[str] = []
    for item in node.items:
        try:
            texts.append(string(item))
        except YamlFault as fault:
            fault.path.insert(0, f"[{len(texts)}]")
            raise
    return tuple(texts)


def values(node: YamlNode) -> dict[str, tuple[str, ...]]:
    """A mapping of names to lists: headers, trailers, forms."""
    return record(node, {}, other=strings)[0]


def record(
    node: YamlNode,
    fields: Mapping[str, ReadField],
    extra: dict[str, Node] | None = None,
    other: ReadField | None = None,
) -> tuple[dict[str, Any], dict[str, Node]]:
    """A mapping: the fields we know, each read by its own function, and the unknown keys beside.

    These are put into `extra` where it is given; with `other`, that reads them, and they count as known.
    """
    known: dict[str, Any] = {}
    extra = {} if extra is None else extra
    if type(node) is not YamlMapping:
        _check_null(node, "a mapping")
        return known, extra
    check_collection(node)
    for key_node, value in node.pairs:
        name = _key(key_node)
        if name in known or name in extra:
            raise fault_at(f"the key {_shown(name)} is given twice", key_node)
        read = fields.get(name, other)
        try:
            if read is None:
                extra[name] = _unknown(value)
            else:
                known[name] = read(value)
        except YamlFault as fault:
            fault.path.insert(0, f".{name[:60]}")
            raise
    return known, extra


def _unknown(node: YamlNode) -> Node:
    """Whatever stands under a key that we don't know."""
    if type(node) is YamlScalar:
        if node.tag is not None or node.anchor is not None:
            return _binary(node)
        return Plain(node.value) if node.style == "" and _would_be_quoted(node.value) else node.value
    check_collection(node)
    if type(node) is YamlList:
        return [_unknown(item) for item in node.items]
    mapping: dict[str, Node] = {}
    for key_node, value in node.pairs if type(node) is YamlMapping else ():
        name = _key(key_node)
        if name in mapping:
            raise fault_at(f"the key {_shown(name)} is given twice", key_node)
        mapping[name] = _unknown(value)
    return mapping


def _key(node: YamlNode) -> str:
    if type(node) is not YamlScalar:
        raise wrong(node, "a key")
    if node.style == "" and node.value == "<<":
        raise fault_at("merge keys (<<) are not read: write the keys out", node)
    return string(node)


def is_null(node: YamlScalar) -> bool:
    """Whether a scalar without tag and anchor is null."""
    return node.value in NULLS and node.style == ""


def _would_be_quoted(value: str) -> bool:
    """Whether what stood plain on one line is no text to go-yaml: as text it would need quotes."""
    return "\n" not in value and scalars.scalar(value, _ANYWHERE).startswith('"')


def _plain(node: YamlNode, needed: str) -> str:
    """The text of a scalar without quotes."""
    if type(node) is not YamlScalar or (node.style, node.tag, node.anchor) != ("", None, None):
        raise wrong(node, needed)
    return node.value


def _check_null(node: YamlNode, needed: str) -> None:
    if type(node) is not YamlScalar or _plain(node, needed) not in NULLS:
        raise wrong(node, needed)


def _binary(node: YamlScalar) -> bytes:
    """The bytes of a scalar that has a tag or an anchor."""
    _check_anchor(node)
    if node.tag != _BINARY:
        raise _wrong_tag(node)
    try:
        return base64.b64decode(node.value.translate(_WHITE), validate=True)
    except ValueError as error:
        raise fault_at(f"is no base64: {error}", node) from None


def _check_anchor(node: YamlNode) -> None:
    if node.anchor is not None:
        reason = f"anchors and aliases are not read (&{node.anchor[:60]}): write the value out"
        raise fault_at(reason, node)


def check_collection(node: YamlNode) -> None:
    """Raises YamlFault for an anchor, an alias and a tag."""
    _check_anchor(node)
    if not isinstance(node, YamlAlias) and node.tag is not None:
        raise _wrong_tag(node)


def _wrong_tag(node: YamlScalar | YamlList | YamlMapping) -> YamlFault:
    reason = f"the tag {_shown(node.tag or '')} is not read, only !!binary: write the value without it"
    return fault_at(reason, node)


def wrong(node: YamlNode, needed: str) -> YamlFault:
    """What to raise for a node that is no `needed`."""
    try:
        _check_anchor(node)
    except YamlFault as fault:
        return fault
    if type(node) is YamlScalar:
        shown = f"{node.style}{node.value}{node.style}" if node.style in ("'", '"') else node.value
        return fault_at(f"{needed} is needed, this is {_shown(shown)}", node)
    return fault_at(
        f"{needed} is needed, this is {'a list' if type(node) is YamlList else 'a mapping'}", node
    )


def _shown(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:60] + "…")


def fault_at(reason: str, node: YamlNode) -> YamlFault:
    """A fault of a node, a collection's at its start."""
    start = start_of(node)
    return YamlFault(reason, start, start if isinstance(node, YamlList | YamlMapping) else end_of(node))
