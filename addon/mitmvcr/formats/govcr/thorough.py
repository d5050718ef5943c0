"""go-vcr's fields in any YAML -> model, with each interaction's place and what is torn; never writes.

How single values are read is in `values`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from mitmvcr.errors import FormatError
from mitmvcr.formats import places
from mitmvcr.formats.govcr import torn, values
from mitmvcr.formats.govcr.fields import REQUEST, RESPONSE
from mitmvcr.formats.govcr.quirks import Literals
from mitmvcr.formats.govcr.read import TornError
from mitmvcr.formats.govcr.values import ReadField
from mitmvcr.formats.yaml_nodes import (
    YamlFault,
    YamlList,
    YamlMapping,
    YamlNode,
    YamlReader,
    YamlScalar,
    end_of,
    start_of,
)
from mitmvcr.model import Cassette, Interaction, Node, Request, Response, Source

NOT_BLOCK = -1
"""`Source.indent` where `interactions` is no list of lines that begin with `- `."""

_VERSION = 2
# Interactions of 2 KB have one value in 25 bytes; those in go-vcr's own layout don't come here at all. A
# value costs 2 µs and some 250 bytes of memory: a file made to be large for its size is refused soon.
_MAX_VALUES = 5_000_000
_BYTES_PER_VALUE = 16
_CODE = 3  # digits of a status code
_ENTRY_COST = 30  # in values: an interaction takes some 2 KB of memory, however short its text
# libyaml compares each `%TAG` with all those before it; go-yaml takes `%YAML 1.1`, and refuses `%YAML 1.2`.
# Another one than that at the file's start, behind blank lines and comments.
_GAP_LINES = rb"(?:[ \t]*+(?:#[^\r\n]*+)?[\r\n])*+"
_DIRECTIVE = re.compile(
    rb"(?:\xef\xbb\xbf)?" + _GAP_LINES + rb"(?:%YAML[ \t]++1\.1[ \t]*+[\r\n]" + _GAP_LINES + rb")?+%"
)

# Blanks and comments, which may stand between an entry and the next one's dash.
_GAP = re.compile(rb"(?:[ \t\r\n]|#[^\r\n]*+)*+")

_REQUEST: dict[str, ReadField] = {name: getattr(values, kind) for name, kind in REQUEST.items()}
_RESPONSE: dict[str, ReadField] = {name: getattr(values, kind) for name, kind in RESPONSE.items()}
_ENTRY: dict[str, ReadField] = {
    "id": values.integer,
    "request": lambda node: values.record(node, _REQUEST),
    "response": lambda node: values.record(node, _RESPONSE),
}
_NOTHING: tuple[dict[str, Any], dict[str, Node]] = ({}, {})
_ZERO_REQUEST: dict[str, Any] = {"method": "", "url": "", "proto": "", "proto_major": 0, "proto_minor": 0}
_ZERO_RESPONSE: dict[str, Any] = {"code": 0, "proto": "", "proto_major": 0, "proto_minor": 0}


def read(data: bytes, *, is_timed: bool = False) -> Cassette:
    """The cassette in the bytes; raises FormatError, which is a TornError if only the last entry is bad.

    `is_timed`: they are a part of a file in which other entries have durations.
    """
    _refuse_what_is_no_cassette(data)
    document = _Document(data, is_timed=is_timed)
    try:
        return document.read()
    except YamlFault as fault:
        version = _version_somewhere(data)
        if version not in (None, _VERSION):
            raise _other_version(data, version) from None
        start = document.torn_start() if fault.is_at_end(data) else None
        if start is None:
            raise fault.error(data) from None
        raise document.torn(start) from None


def _refuse_what_is_no_cassette(data: bytes) -> None:
    if not data or data.isspace():
        raise FormatError("is no cassette: the file is empty")
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise FormatError("is UTF-16, a cassette is UTF-8: convert it (iconv -f UTF-16 -t UTF-8)", 1)
    directive = _DIRECTIVE.match(data)
    if directive:
        line = places.line_number(data, directive.end() - 1)
        raise FormatError("is a YAML directive (%), which no cassette needs: delete the line", line)


def _other_version(data: bytes, version: int | None) -> FormatError:
    at = re.search(rb"^ *version", data, re.MULTILINE)
    line = places.line_number(data, at.start()) if at else None
    if version == 1 and re.search(rb"^[ -]*uri: ", data, re.MULTILINE):
        return FormatError("version 1, with `uri`: this is a cassette of VCR.py, not of go-vcr", line)
    if version == 1:
        return FormatError(
            "version 1 is that of go-vcr before v3, which is not read: record it again with v3 or later", line
        )
    return FormatError(
        f"cassette version {version} is not read, only {_VERSION}: is there a newer mitmvcr?", line
    )


def _version_somewhere(data: bytes) -> int | None:
    """The document's version, wherever it stands, as far as the file can be parsed."""
    try:
        root = _reader(data).root()
        for key, value in root.pairs if isinstance(root, YamlMapping) else ():
            if isinstance(key, YamlScalar) and key.value == "version":
                return values.integer(value)
    except (YamlFault, FormatError):
        pass
    return None


def _reader(data: bytes, literals: Literals | None = None) -> YamlReader:
    limit = max(_MAX_VALUES, len(data) // _BYTES_PER_VALUE)
    return YamlReader(data, limit, literals.meant if literals else None)


def _dash(data: bytes, offset: int, lower: int) -> int | None:
    """The first byte of the line whose first character is the next `-`, behind blanks and comments.

    `lower` is a place before it, not far: going through a file stays linear, whatever its line breaks are.
    """
    found = _GAP.match(data, offset)
    at = found.end() if found else offset
    start = places.line_start(data, at, lower)
    if data[at : at + 1] != b"-":
        return None
    if start == 0:
        start = places.text_start(data)
    return None if data[start:at].strip(b" ") else start


class _Document:
    """One pass over a file; what was read stays, so that it can be told what is whole when the end is not."""

    def __init__(self, data: bytes, *, is_timed: bool) -> None:
        self._data = data
        self._is_timed = is_timed  # whether an entry has a duration
        self._literals = Literals.of(data)
        self._reader = _reader(data, self._literals)
        self._offsets = places.Offsets(data)
        self._version = _VERSION
        self._extra: dict[str, Node] = {}
        self._entries: list[Interaction] = []
        self._starts: list[int] = []
        self._pieces: list[tuple[int, int]] = []  # of a list in brackets
        self._end = len(data)
        self._indent = NOT_BLOCK
        self._is_open = False  # an entry has begun and has not ended
        self._last: YamlNode | None = None  # the entry read last

    def read(self) -> Cassette:
        """The cassette; raises FormatError and YamlFault."""
        root = self._reader.root()
        if root is None:
            raise FormatError("is no cassette: there are only comments in the file")
        if not isinstance(root, YamlMapping):
            start = start_of(root)
            raise YamlFault("is no cassette: no mapping with `version` and `interactions`", start, start)
        readers: dict[str, ReadField] = {
            "version": self._read_version,
            "interactions": self._read_interactions,
        }
        known, _ = values.record(root, readers, self._extra)
        second = self._reader.second_document()
        if second is not None:
            reason = "a second YAML document begins here, a cassette is a single one"
            raise YamlFault(reason, second, second)
        if self._version != _VERSION:
            raise _other_version(self._data, self._version)
        if "interactions" not in known:
            raise FormatError("is no go-vcr cassette: it has no `interactions`")
        if self._breaks_off():
            raise self.torn(self._starts[-1])
        return self._cassette(self._data, self._end)

    def torn_start(self) -> int | None:
        """The first byte of the entry in which reading failed, if a writer had begun it as the last one."""
        if not self._is_open or self._indent == NOT_BLOCK:
            return None
        start = self._starts[-1]
        dashes = re.compile(rb"^ {%d}-(?: |$)" % self._indent, re.MULTILINE)
        is_last = len(dashes.findall(self._data, start)) == 1
        return start if is_last and torn.is_begun(self._data[start:]) else None

    def torn(self, start: int) -> TornError:
        """What to raise where the entry that begins there is torn."""
        number = len(self._starts) - 1
        del self._entries[number:]
        return TornError.of(places.line_number(self._data, start), self._cassette(self._data[:start], start))

    def _cassette(self, data: bytes, end: int) -> Cassette:
        entries = tuple(self._entries)
        starts = self._starts[: len(entries)]
        spans = self._pieces
        if self._indent != NOT_BLOCK and starts:
            spans = list(zip(starts, [*starts[1:], end], strict=True))
        return Cassette(
            entries, self._version, self._extra, source=Source(data, entries, tuple(spans), self._indent)
        )

    def _breaks_off(self) -> bool:
        """Whether the file ends with an entry of which only the beginning was written: see `torn`.

        go-vcr writes durations that end in `s`, and none of them begins with a shorter one that does: `1m` or
        `852.636542m` without a line break is a torn `1m30s` or `852.636542ms`.
        """
        if self._indent == NOT_BLOCK or not self._entries or self._data[self._end :].strip():
            return False
        response = _field(self._last, "response")
        code, duration = _field(response, "code"), _field(response, "duration")
        if isinstance(duration, YamlScalar):
            if not self._is_cut(duration) or duration.value.endswith("s"):
                return False
        elif not isinstance(code, YamlScalar) or (self._is_cut(code) and len(code.value) < _CODE):
            return True
        elif not self._is_timed:
            return False
        return torn.is_written(self._data[self._starts[-1] : self._end])

    def _is_cut(self, scalar: YamlScalar) -> bool:
        """Whether the file ends with that value, in the midst of its line."""
        if values.is_null(scalar):
            return not places.ends_line(self._data)
        return self._data.endswith(scalar.value.encode())

    def _read_version(self, node: YamlNode) -> int:
        version = values.integer(node)
        is_given = isinstance(node, YamlScalar) and not values.is_null(node)
        self._version = version if is_given else _VERSION
        return self._version

    def _read_interactions(self, node: YamlNode) -> None:
        if not isinstance(node, YamlList):
            values.strings(node)  # null is an empty list
            return
        values.check_collection(node)
        items = iter(node.items)
        if node.is_flow:
            for item in items:
                self._read_entry(item)
                self._pieces.append((self._offsets.byte(start_of(item)), self._offsets.byte(end_of(item))))
            return
        gap = node.start
        while (entry := self._next_entry(items, gap)) is not None:
            self._read_entry(entry)
            gap = end_of(entry)
        end = self._offsets.byte(self._reader.end)
        self._end = places.line_start(self._data, end) if end < len(self._data) else end

    def _next_entry(self, items: Iterator[YamlNode], gap: int) -> YamlNode | None:
        """The entry behind the next dash, which is sought from that character on."""
        start = _dash(self._data, self._offsets.byte(gap), self._starts[-1] if self._starts else 0)
        if start is not None:
            if not self._starts:
                self._indent = self._data.index(b"-", start) - start
                if self._literals is not None:
                    self._literals.indent = self._indent
            self._starts.append(start)
            self._is_open = True
        item = next(items, None)
        if item is None:
            if start is not None:
                self._starts.pop()
            self._is_open = False
        elif start is None:
            self._indent = NOT_BLOCK
        return item

    def _read_entry(self, node: YamlNode) -> None:
        try:
            if not isinstance(node, YamlMapping):
                raise values.wrong(node, "an interaction (a mapping)")
            known, extra = values.record(node, _ENTRY)
        except YamlFault as fault:
            fault.path.insert(0, f"[{len(self._entries)}]")
            raise
        request, request_extra = known.get("request", _NOTHING)
        response, response_extra = known.get("response", _NOTHING)
        self._last = node
        self._is_open = False
        self._is_timed = self._is_timed or "duration" in response
        self._entries.append(
            Interaction(
                Request(**{**_ZERO_REQUEST, **request}, extra=request_extra),
                Response(**{**_ZERO_RESPONSE, **response}, extra=response_extra),
                known.get("id", 0),
                extra,
            )
        )
        self._reader.spend(_ENTRY_COST)


def _field(node: YamlNode | None, name: str) -> YamlNode | None:
    for key, value in node.pairs if isinstance(node, YamlMapping) else ():
        if isinstance(key, YamlScalar) and key.value == name:
            return value
    return None
