"""Place, length and edges of each recorded request, so that a miss looks at few of them; holds no body."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from collections.abc import Set as AbstractSet
from itertools import accumulate, chain, filterfalse, islice, pairwise, zip_longest
from typing import NamedTuple
from urllib.parse import urlsplit

from mitmvcr.model import Interaction, Request, Source, request_of

_MOST = 500
"""Recordings that are worth a look."""

_EDGE = 512  # bytes of a body's beginning and end

_COUNTED = 256  # interactions between two whose lines are remembered

_Common = tuple[str, ...]

_COMMON: Sequence[Callable[[str, str], _Common]] = (
    lambda method, path: (path, method),
    lambda _, path: (path,),
    lambda method, path: (path.rpartition("/")[2], method),
    lambda _, path: (path.rpartition("/")[2],),
    lambda method, _: (method,),
    lambda _method, _path: (),
)
"""What requests may have in common, by their methods and paths, the closest first."""


class _Group(NamedTuple):
    """Requests that have the same in common, in a way of `_COMMON`."""

    closeness: int
    common: _Common


class Overview:
    """The recorded requests of a cassette by what can be told of them in some bytes each."""

    def __init__(self) -> None:
        self._places: dict[tuple[str, str], int] = {}
        self._place = array("L")
        self._length = array("Q")
        self._edges = array("q"), array("q")
        self._groups: dict[int, dict[_Common, list[int]]] = {}
        self._by_edge: dict[tuple[_Group, int], list[int]] = {}
        self._grouped = 0
        self._lines: list[int] = []

    @classmethod
    def of(cls, interactions: Sequence[Interaction]) -> Overview:
        """The overview of whole interactions."""
        overview = cls()
        overview.add(0, (request_of(interactions, number) for number in range(len(interactions))))
        return overview

    def add(self, first: int, requests: Iterable[Request]) -> None:
        """Add the requests from this number on; those that it has already are passed over."""
        for number, request in enumerate(requests, first):
            if number == len(self._length):
                place = request.method, request.url
                self._place.append(self._places.setdefault(place, len(self._places)))
                self._length.append(len(request.body))
                for hashes, edge in zip(self._edges, _edges_of(request.body), strict=True):
                    hashes.append(edge)

    def places(self, most: int) -> list[tuple[str, str, int]]:
        """Methods and URLs of the first `most` requests and how often each is there, in recorded order."""
        places = list(self._places)
        return [(*places[place], count) for place, count in Counter(self._place[:most]).items()]

    def alike(self, request: Request, played: AbstractSet[int]) -> list[int]:
        """The numbers, in order, of those that may be most like a request, and were not played.

        They have its path, if any has, else the last part of that, else its method: the first of these that
        some have. Of many they are those of a like length, most of them with the same beginning or end.
        """
        body = request.body
        for closeness, common in enumerate(_COMMON):
            group = _Group(closeness, common(request.method, path_of(request.url)))
            numbers = self._by_length(closeness).get(group.common, [])
            choices = [numbers]
            if len(numbers) > _MOST:
                choices = [self._with_edge(group, 0, body), self._with_edge(group, 1, body), numbers]
            nearest = [self._unplayed(choice, len(body), played) for choice in choices]
            mixed = (number for number in chain(*zip_longest(*nearest)) if number is not None)
            if found := sorted(set(islice(mixed, _MOST))):
                return found
        return []

    def line(self, source: Source, number: int) -> int:
        """The line, from 1, on which an interaction begins in the text that it was read from."""
        starts = [span[0] for span in source.spans[::_COUNTED]]
        if not self._lines:
            counts = [source.data.count(b"\n", *ends) for ends in pairwise([0, *starts])]
            self._lines = list(accumulate(counts, initial=1))[1:]
        part = number // _COUNTED
        return self._lines[part] + source.data.count(b"\n", starts[part], source.spans[number][0])

    def _by_length(self, closeness: int) -> dict[_Common, list[int]]:
        """All numbers by what they have in common, in the order of lengths."""
        if self._grouped != len(self._length):
            self._groups.clear()
            self._by_edge.clear()
            self._grouped = len(self._length)
        if closeness not in self._groups:
            common = [_COMMON[closeness](method, path_of(url)) for method, url in self._places]
            groups = self._groups[closeness] = {}
            for number in sorted(range(len(self._length)), key=self._length.__getitem__):
                groups.setdefault(common[self._place[number]], []).append(number)
        return self._groups[closeness]

    def _with_edge(self, group: _Group, end: int, body: bytes) -> list[int]:
        """Those of a group that begin (`end` 0) or end (1) as a body does, in the order of lengths."""
        hashes = self._edges[end]
        if (group, end) not in self._by_edge:
            numbers = self._by_length(group.closeness)[group.common]
            self._by_edge[group, end] = sorted(numbers, key=hashes.__getitem__)
        numbers = self._by_edge[group, end]
        edge = _edges_of(body)[end]
        start = bisect_left(numbers, edge, key=hashes.__getitem__)
        return numbers[start : bisect_right(numbers, edge, key=hashes.__getitem__)]

    def _unplayed(self, numbers: list[int], length: int, played: AbstractSet[int]) -> list[int]:
        """The unplayed ones of numbers in the order of lengths, those of the nearest lengths first."""
        near = self._around(numbers, length)
        unplayed = list(filterfalse(played.__contains__, near))
        if len(unplayed) < _MOST and len(near) < len(numbers):
            unplayed = self._around(list(filterfalse(played.__contains__, numbers)), length)
        return sorted(unplayed, key=lambda number: abs(self._length[number] - length))

    def _around(self, numbers: list[int], length: int) -> list[int]:
        at = bisect_left(numbers, length, key=self._length.__getitem__)
        return numbers[max(0, at - _MOST) : at + _MOST]


def _edges_of(body: bytes) -> tuple[int, int]:
    return hash(body[:_EDGE]), hash(body[-_EDGE:])


def path_of(url: str) -> str:
    """A URL's path, or the URL itself if it is none."""
    try:
        return urlsplit(url).path
    except ValueError:
        return url
