"""How a request is named in the log, and in what is said of it at the end: one line without a secret."""

from __future__ import annotations

from mitmvcr.model import Request
from mitmvcr.scrub import Memory, Scrubber
from mitmvcr.serving.bounded import Bounded
from mitmvcr.serving.request_head import RequestHead
from mitmvcr.text import request_name

_REMEMBERED = 1 << 20
_OBJECTS = 512
"""Bytes of the lines that are remembered, and what one takes besides its texts."""
_NAMES, _NAME = 1 << 10, 1 << 8
"""Names of headers of which it is remembered whether they carry credentials, and their characters."""


class RequestLines:
    """Names requests by method, host and path, without their query, where keys are.

    A key in a path is replaced as in a cassette, by a number of the log's own.
    """

    def __init__(self, scrubber: Scrubber) -> None:
        self.scrubber = scrubber
        self._memory = Memory()
        self._lines: Bounded[tuple[str, ...], str] = Bounded(_REMEMBERED)
        self._carriers: dict[str, bool] = {}

    def line(self, head: RequestHead) -> str:
        """The request in a line; what its headers have as a credential is one in the path, too."""
        place = f"{head.host}{head.path.partition('?')[0].partition('#')[0]}"
        credentials = [field for field in head.fields if self._may_carry(field[0])]
        key = (head.method, place, *(value for _, value in credentials))
        line = self._lines.get(key)
        if line is None:
            headers: dict[str, list[str]] = {}
            for name, value in credentials:
                headers.setdefault(name, []).append(value)
            request = Request(head.method, f"//{place}", headers=headers)
            url = self.scrubber.request(request, self._memory).url
            line = request_name(head.method, url.removeprefix("//"))
            self._lines.add(key, line, _OBJECTS + 4 * sum(map(len, key)))
        return line

    def _may_carry(self, name: str) -> bool:
        """Whether a header of this name carries credentials."""
        carries = self._carriers.get(name)
        if carries is None:
            carries = self.scrubber.may_hold_credentials((name,))
            if len(self._carriers) >= _NAMES:
                self._carriers.clear()
            if len(name) <= _NAME:
                self._carriers[name] = carries
        return carries
