"""go-vcr's YAML -> model, with the place of each interaction in the file and what is torn at its end.

Never writes; how single values are read is in `values`.
"""

from __future__ import annotations

import re
from typing import Any

from yaml import (
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
)

from mitmvcr.errors import FormatError
from mitmvcr.formats.govcr import spans
from mitmvcr.formats.govcr.events import Events, Fault, start_of
from mitmvcr.formats.govcr.literals import Literals
from mitmvcr.formats.govcr.torn import TornError
from mitmvcr.formats.govcr.values import NULLS, Read, Values, check_collection, wrong
from mitmvcr.model import Cassette, Interaction, Node, Request, Response, Source

NOT_BLOCK = -1
"""`Source.indent` where `interactions` is no list of lines that begin with `- `."""

_VERSION = 2
_ENTRY_COST = 30  # in events: an interaction takes some 2 KB of memory, however short its text
# libyaml compares each `%TAG` with all those before it; go-yaml refuses `%YAML 1.2`.
_DIRECTIVE = re.compile(rb"(?:\xef\xbb\xbf)?(?:[ \t]*+(?:#[^\r\n]*+)?[\r\n])*+%")

_REQUEST: dict[str, Read] = {
    "proto": Values.string,
    "proto_major": Values.integer,
    "proto_minor": Values.integer,
    "content_length": Values.integer,
    "transfer_encoding": Values.strings,
    "trailer": Values.values,
    "host": Values.string,
    "remote_addr": Values.string,
    "request_uri": Values.string,
    "body": Values.body,
    "form": Values.values,
    "headers": Values.values,
    "url": Values.string,
    "method": Values.string,
}
_RESPONSE: dict[str, Read] = {
    "proto": Values.string,
    "proto_major": Values.integer,
    "proto_minor": Values.integer,
    "transfer_encoding": Values.strings,
    "trailer": Values.values,
    "content_length": Values.integer,
    "uncompressed": Values.boolean,
    "body": Values.body,
    "headers": Values.values,
    "status": Values.string,
    "code": Values.integer,
    "duration": Values.duration,
}
_ENTRY: dict[str, Read] = {
    "id": Values.integer,
    "request": lambda values, event: values.record(event, _REQUEST),
    "response": lambda values, event: values.record(event, _RESPONSE),
}
_NOTHING: tuple[dict[str, Any], dict[str, Node]] = ({}, {})
_ZERO_REQUEST: dict[str, Any] = {"method": "", "url": "", "proto": "", "proto_major": 0, "proto_minor": 0}
_ZERO_RESPONSE: dict[str, Any] = {"code": 0, "proto": "", "proto_major": 0, "proto_minor": 0}


def read(data: bytes) -> Cassette:
    """The cassette in the bytes; raises FormatError, which is a TornError if only the last entry is bad."""
    _refuse_what_is_no_cassette(data)
    document = _Document(data)
    try:
        return document.read()
    except Fault as fault:
        version = _version_somewhere(data)
        if version not in (None, _VERSION):
            raise _other_version(data, version) from None
        torn = document.torn_start() if fault.is_at_end(data) else None
        if torn is None:
            raise fault.error(data) from None
        raise document.torn(torn) from None


def _refuse_what_is_no_cassette(data: bytes) -> None:
    if not data or data.isspace():
        raise FormatError("is no cassette: the file is empty")
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise FormatError("is UTF-16, a cassette is UTF-8: convert it (iconv -f UTF-16 -t UTF-8)", 1)
    directive = _DIRECTIVE.match(data)
    if directive:
        line = spans.line_number(data, directive.end() - 1)
        raise FormatError("is a YAML directive (%), which no cassette needs: delete the line", line)


def _other_version(data: bytes, version: int | None) -> FormatError:
    at = re.search(rb"^ *version", data, re.MULTILINE)
    line = spans.line_number(data, at.start()) if at else None
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
        events = Events(data)
        values = Values(events, None)
        depth, key = 0, None
        while not isinstance(event := events.next(), StreamEndEvent) and depth < 100:
            if isinstance(event, (MappingStartEvent, SequenceStartEvent)):
                depth += 1
            elif isinstance(event, (MappingEndEvent, SequenceEndEvent)):
                depth -= 1
                key = None
            elif depth == 1 and isinstance(event, ScalarEvent):
                if key == "version":
                    return values.integer(event)
                key = event.value if key is None else None
    except (Fault, FormatError):
        pass
    return None


class _Document:
    """One pass over a file; what was read stays, so that it can be told what is whole when the end is not."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._events = Events(data)
        self._literals = Literals.of(data)
        self._values = Values(self._events, self._literals)
        self._offsets = spans.Offsets(data)
        self._version = _VERSION
        self._extra: dict[str, Node] = {}
        self._entries: list[Interaction] = []
        self._starts: list[int] = []
        self._pieces: list[tuple[int, int]] = []  # of a list in brackets
        self._end = len(data)
        self._indent = NOT_BLOCK
        self._is_open = False  # an entry has begun and has not ended
        self._has_duration = False

    def read(self) -> Cassette:
        next_ = self._events.next
        next_()  # the stream's start
        if isinstance(next_(), StreamEndEvent):
            raise FormatError("is no cassette: there are only comments in the file")
        root = next_()
        if not isinstance(root, MappingStartEvent):
            raise _fault("is no cassette: no mapping with `version` and `interactions`", root)
        readers: dict[str, Read] = {
            "version": lambda _, event: self._read_version(event),
            "interactions": lambda _, event: self._read_interactions(event),
        }
        known, _ = self._values.record(root, readers, self._extra)
        next_()  # the document's end
        after = next_()
        if isinstance(after, DocumentStartEvent):
            raise _fault("a second YAML document begins here, a cassette is a single one", after)
        if self._version != _VERSION:
            raise _other_version(self._data, self._version)
        if "interactions" not in known:
            raise FormatError("is no go-vcr cassette: it has no `interactions`")
        if self._breaks_off():
            raise self.torn(self._starts[-1])
        return self._cassette(self._data, self._end)

    def torn_start(self) -> int | None:
        """The first byte of the entry in which reading failed, if it is the file's last one."""
        if not self._is_open or self._indent == NOT_BLOCK:
            return None
        start = self._starts[-1]
        dashes = re.compile(rb"^ {%d}-(?: |$)" % self._indent, re.MULTILINE)
        return start if len(dashes.findall(self._data, start)) == 1 else None

    def torn(self, start: int) -> TornError:
        """What to raise where the entry that begins there is torn."""
        number = len(self._starts) - 1
        del self._entries[number:]
        return TornError.of(spans.line_number(self._data, start), self._cassette(self._data[:start], start))

    def _cassette(self, data: bytes, end: int) -> Cassette:
        entries = tuple(self._entries)
        starts = self._starts[: len(entries)]
        places = self._pieces
        if self._indent != NOT_BLOCK and starts:
            places = list(zip(starts, [*starts[1:], end], strict=True))
        return Cassette(
            entries, self._version, self._extra, source=Source(data, entries, tuple(places), self._indent)
        )

    def _breaks_off(self) -> bool:
        """Whether the file ends with an entry that has no duration, or only the beginning of one.

        go-vcr writes durations that end in `s`, and none of them begins with a shorter one that does: `1m` or
        `852.636542m` without a line break is a torn `1m30s` or `852.636542ms`.
        """
        if self._indent == NOT_BLOCK or not self._entries or self._data[self._end :].strip():
            return False
        text = self._values.duration_text
        if not self._has_duration or text is None:
            return not self._has_duration or not spans.ends_line(self._data)
        return not text.endswith("s") and self._data.endswith(text.encode())

    def _read_version(self, event: Any) -> int:
        version = self._values.integer(event)
        self._version = version if event.value not in NULLS else _VERSION
        return self._version

    def _read_interactions(self, event: Any) -> None:
        if not isinstance(event, SequenceStartEvent):
            self._values.strings(event)  # null is an empty list
            return
        check_collection(event)
        gap = start_of(event)
        if event.flow_style:
            self._read_flow()
            return
        while True:
            item = self._next_entry(gap)
            if isinstance(item, SequenceEndEvent):
                break
            self._read_entry(item)
            gap = self._values.end
        end = self._offsets.byte(start_of(item))
        self._end = spans.line_start(self._data, end) if end < len(self._data) else end

    def _next_entry(self, gap: int) -> Any:
        """The event behind the next dash, which is sought from that character on."""
        start = spans.dash(self._data, self._offsets.byte(gap), self._starts[-1] if self._starts else 0)
        if start is not None:
            if not self._starts:
                self._indent = self._data.index(b"-", start) - start
                if self._literals is not None:
                    self._literals.indent = self._indent
            self._starts.append(start)
            self._is_open = True
        item = self._events.next()
        if isinstance(item, SequenceEndEvent):
            if start is not None:
                self._starts.pop()
            self._is_open = False
        elif start is None:
            self._indent = NOT_BLOCK
        return item

    def _read_flow(self) -> None:
        while not isinstance(item := self._events.next(), SequenceEndEvent):
            start = self._offsets.byte(start_of(item))
            self._read_entry(item)
            self._pieces.append((start, self._offsets.byte(self._values.end)))

    def _read_entry(self, event: Any) -> None:
        values = self._values
        values.duration_text = None
        self._has_duration = False
        try:
            if not isinstance(event, MappingStartEvent):
                wrong(event, "an interaction (a mapping)")
            known, extra = values.record(event, _ENTRY)
        except Fault as fault:
            fault.path.insert(0, f"[{len(self._entries)}]")
            raise
        request, request_extra = known.get("request", _NOTHING)
        response, response_extra = known.get("response", _NOTHING)
        self._has_duration = "duration" in response
        self._is_open = False
        self._entries.append(
            Interaction(
                Request(**{**_ZERO_REQUEST, **request}, extra=request_extra),
                Response(**{**_ZERO_RESPONSE, **response}, extra=response_extra),
                known.get("id", 0),
                extra,
            )
        )
        self._events.spend(_ENTRY_COST)


def _fault(reason: str, event: Any) -> Fault:
    return Fault(reason, start_of(event), start_of(event))
