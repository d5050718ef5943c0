"""A stream of events (SSE, or JSON in lines) -> its events and where their data stands; parses no data.

As https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream has it; lines end
in LF, CRLF or CR. A line that begins a JSON object or list is an event of its own (Ollama, JSON Lines).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_STREAM_TYPES = ("text/event-stream", "application/x-ndjson", "application/jsonl")

_FIELDS = (b"data:", b"event:", b"id:", b"retry:", b":")
"""What lines of a stream begin with; the last one is a comment's."""

_BOM = b"\xef\xbb\xbf"

# A line and its end. The last one need not have an end, and there is none behind the last end.
_LINE = re.compile(rb"([^\r\n]*+)(?:\r\n?|\n)|[^\r\n]++\Z")

_LF, _CR = ord("\n"), ord("\r")
# Apart, since what begins with one certain byte is found some ten times as fast.
_LF_EVENT, _CR_EVENT = re.compile(rb"\n(?:data:|\{)"), re.compile(rb"\r(?:data:|\{)")


@dataclass(frozen=True, slots=True)
class Event:
    """One event: its data, and the byte places (start, end) in the stream of each line of that.

    `is_ended` says whether what ends it has come: without it a client discards the event.
    """

    data: bytes
    lines: tuple[tuple[int, int], ...]
    is_ended: bool


def is_stream(body: bytes, content_type: str) -> bool:
    """Whether the body is a stream of events, by its type; or by its looks where that says nothing."""
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type in _STREAM_TYPES:
        return True
    return media_type in ("", "text/plain") and body[:64].removeprefix(_BOM).lstrip().startswith(_FIELDS)


def has_events(text: bytes) -> bool:
    """Whether any line of a text, which need not be a body, looks like an event; never a wrong no."""
    if text.startswith(_FIELDS) or (_LF in text and _LF_EVENT.search(text)):
        return True
    return _CR in text and _CR_EVENT.search(text) is not None


def events(body: bytes) -> Iterator[Event]:
    """The events that have data, in their order; one that nothing ended is there too."""
    lines: list[tuple[int, int]] = []
    at = len(_BOM) if body.startswith(_BOM) else 0
    for line in _LINE.finditer(body, at):
        start, end = line.span(1) if line.lastindex else line.span()
        if start == end:
            if lines:
                yield _event(body, lines, is_ended=True)
            lines = []
        elif body.startswith(b"data:", start):
            start += 5
            lines.append((start + body.startswith(b" ", start, end), end))
        elif body.startswith((b"{", b"["), start):
            yield _event(body, [(start, end)], is_ended=bool(line.lastindex))
    if lines:
        yield _event(body, lines, is_ended=False)


def _event(body: bytes, lines: list[tuple[int, int]], *, is_ended: bool) -> Event:
    return Event(b"\n".join([body[start:end] for start, end in lines]), tuple(lines), is_ended)


_GAPS = (b"\n\n", b"\r\r", b"\r\n\r\n")


def last_event(body: bytes) -> Event | None:
    """The last event that has data, None if there is none; what stands far before it is not read."""
    data = max(body.rfind(b"\ndata:"), body.rfind(b"\rdata:")) + 1
    start = max(0, *(body.rfind(gap, 0, data) for gap in _GAPS))
    return next(reversed(list(events(body[start:]))), None)
