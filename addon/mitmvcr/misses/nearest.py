"""Which recording is most like a request: by size and shared pieces, then by structure; explains nothing.

Of the some hundred that come here all are looked at with a few cheap tests, a hundred are searched for pieces
of the request, and only a handful are parsed and compared.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

from mitmvcr.compare.difference_text import LARGE
from mitmvcr.compare.json_diff import NOTHING, DifferingValue, common_end, common_start, in_json
from mitmvcr.compare.request_diff import differing_values
from mitmvcr.model import Interaction, Request, request_of
from mitmvcr.replay.matcher import Matcher

_SEARCHED = 100  # recordings that are searched for pieces of the request
_PIECES = 8
_PIECE = 24  # bytes
_SEARCHED_BYTES = 8 << 20
_COMPARED = 8  # recordings whose structure is compared
_COMPARED_BYTES = 512 << 10
_PROBES = (64, 256, 1024, 4096, 16384)


def nearest(
    interactions: Sequence[Interaction], numbers: Sequence[int], request: Request, matcher: Matcher
) -> int | None:
    """The number of the most similar of the numbered interactions, None if there are none.

    Of equally near ones it is the first.
    """
    if len(numbers) < 2:
        return numbers[0] if numbers else None
    return _Search(interactions, request, matcher).nearest(numbers)


@dataclass
class _Search:
    """A request that nothing answers, and the recorded ones that were looked at, each made once."""

    interactions: Sequence[Interaction]
    request: Request
    matcher: Matcher
    _recorded: dict[int, Request] = field(default_factory=dict)

    def nearest(self, numbers: Sequence[int]) -> int:
        if "body" in self.matcher.fields:
            few = set(self._with_like_bodies(numbers))
            numbers = [number for number in numbers if number in few]
        return min(numbers, key=self._distance) if len(numbers) > 1 else numbers[0]

    def _at(self, number: int) -> Request:
        if number not in self._recorded:
            self._recorded[number] = request_of(self.interactions, number)
        return self._recorded[number]

    def _with_like_bodies(self, numbers: Sequence[int]) -> list[int]:
        """The few whose bodies are most like the request's, within a bound of bytes."""
        body = self.request.body
        probes = [(body[:size], body[-size:], size) for size in _PROBES if size < len(body)]
        likely = sorted(numbers, key=lambda number: _unlike(self._at(number).body, len(body), probes))
        likely = likely[:_SEARCHED]
        step = max(1, (len(body) - _PIECE) // _PIECES)
        pieces = [body[at : at + _PIECE] for at in range(0, max(1, len(body) - _PIECE), step)][:_PIECES]
        missing: dict[int, int] = {}
        left = _SEARCHED_BYTES
        for number in likely:
            recorded = self._at(number).body
            left -= len(recorded) * len(pieces)
            missing[number] = sum(piece not in recorded for piece in pieces) if left > 0 else len(pieces)
        likely.sort(key=missing.__getitem__)
        few: list[int] = []
        left = _COMPARED_BYTES
        for number in likely[:_COMPARED]:
            left -= len(self._at(number).body)
            if few and left < 0:
                break
            few.append(number)
        return few

    def _distance(self, number: int) -> tuple[int, int]:
        differences = self._leaves(self._at(number))
        return len(differences), sum(map(_weight, differences))

    @cached_property
    def _value(self) -> object:
        return self._parsed(self.request)

    def _parsed(self, request: Request) -> object:
        """The body as JSON less what is ignored, NOTHING if it is none or too large to be parsed."""
        if len(request.body) > LARGE or request.body[:1] not in (b"{", b"[", b" ", b"\n"):
            return NOTHING
        try:
            return self.matcher.without_ignored_paths(json.loads(request.body))
        except (ValueError, RecursionError):
            return NOTHING

    def _leaves(self, recorded: Request) -> list[DifferingValue]:
        before = self._parsed(recorded) if self._value is not NOTHING else NOTHING
        if self._value is NOTHING or before is NOTHING:
            return differing_values(recorded, self.request, self.matcher)[0]
        try:
            head = differing_values(_bodiless(recorded), _bodiless(self.request), self.matcher)[0]
            return head + (in_json(before, self._value)[0] if "body" in self.matcher.fields else [])
        except RecursionError:
            return [DifferingValue("body", (), recorded.body, self.request.body)]


def _unlike(body: bytes, size: int, probes: Sequence[tuple[bytes, bytes, int]]) -> int:
    """Bytes that differ, roughly: all but a beginning and an end that are the same."""
    head = tail = 0
    for first, _, probe in probes:
        if not body.startswith(first):
            break
        head = probe
    for _, last, probe in probes:
        if not body.endswith(last):
            break
        tail = probe
    return max(size, len(body)) - head - tail


def _bodiless(request: Request) -> Request:
    return Request(request.method, request.url, headers=request.headers)


def _weight(difference: DifferingValue) -> int:
    """How much a difference is: the characters that differ."""
    before, now = difference.recorded, difference.request
    if (isinstance(before, str) and isinstance(now, str)) or (
        isinstance(before, bytes) and isinstance(now, bytes)
    ):
        start = common_start(before, now)  # type: ignore[type-var]
        return max(len(before), len(now)) - start - common_end(before[start:], now[start:])  # type: ignore[type-var]
    return 20 * max(1, difference.items)
