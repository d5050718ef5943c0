"""libyaml's events over a file's bytes, one at a time; knows nothing of cassettes.

Events, not nodes: libyaml's composer is recursive C that deep nesting crashes, and its nodes cost more than
the model itself.
"""

from __future__ import annotations

from typing import Any

import yaml
from yaml import CBaseLoader
from yaml.reader import ReaderError

from mitmvcr.errors import FormatError
from mitmvcr.formats.govcr import spans

# Interactions of 2 KB have one event in 18 bytes; those in go-vcr's own layout don't come here at all. An
# event costs 1.5 µs and some 60 bytes of memory: a file made to be large for its size is refused soon.
_MAX_EVENTS = 5_000_000
_BYTES_PER_EVENT = 16
# From where libyaml reports an escape that is cut (`"\U0001F60`) to the end of the file.
_MAX_LAG = 12


class Fault(Exception):  # noqa: N818 - it never leaves this package, FormatError does
    """Something is not as it must be, between two places in the file.

    Places are characters' indices as in libyaml's marks; those of syntax errors are bytes' (`syntax`).
    `path` names the field, from the document's root.
    """

    def __init__(self, reason: str, start: int, end: int, *, syntax: bool = False) -> None:
        super().__init__(reason)
        self._reason = reason
        self._start = start
        self._end = end
        self._syntax = syntax
        self.path: list[str] = []

    def error(self, data: bytes) -> FormatError:
        """The same for the user."""
        offset = self._start if self._syntax else spans.Offsets(data).byte(self._start)
        path = "".join(self.path).removeprefix(".")
        reason = f"{path}: {self._reason}" if path else self._reason
        return FormatError(reason, spans.line_number(data, offset))

    def is_at_end(self, data: bytes) -> bool:
        """Whether nothing follows what is wrong, no line break either, as where a write broke off."""
        if self._syntax:
            return self._end >= len(data.rstrip()) - _MAX_LAG
        return not data[spans.Offsets(data).byte(self._end) :].strip(b" ")


class Events:
    """The events of a file, in order; a `Fault` where it is no YAML, FormatError where they are too many."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._get = CBaseLoader(data).get_event
        self._left = max(_MAX_EVENTS, len(data) // _BYTES_PER_EVENT)

    def next(self) -> Any:
        """The next event, of one of PyYAML's types."""
        self._left -= 1
        if self._left < 0:
            raise FormatError("is too large: it has more values than a cassette can; split it")
        try:
            return self._get()
        except ReaderError as error:
            at = error.position
            raise Fault(f"is no text that YAML knows: {error.reason}", at, at, syntax=True) from None
        except yaml.MarkedYAMLError as error:
            raise self._syntax_fault(error) from None

    def spend(self, events: int) -> None:
        """Count what an interaction costs beside its events."""
        self._left -= events

    def _syntax_fault(self, error: yaml.MarkedYAMLError) -> Fault:
        mark = error.problem_mark or error.context_mark
        at = spans.Offsets(self._data).byte(mark.index) if mark else 0
        what = ", ".join(part for part in (error.context, error.problem) if part)
        return Fault(f"is no YAML: {what}", at, at, syntax=True)


def start_of(event: Any) -> int:
    """The index of the first character of what an event stands for."""
    return event.start_mark.index  # type: ignore[no-any-return]


def end_of(event: Any) -> int:
    """The index of the first character behind it."""
    return event.end_mark.index  # type: ignore[no-any-return]
