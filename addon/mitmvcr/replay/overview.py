"""Place, length and edges of each recorded request, so that a miss looks at few of them; holds no body."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from itertools import chain, islice, zip_longest
from urllib.parse import urlsplit

from mitmvcr.model import Interaction, Request, request_of

_MOST = 500
"""Recordings that are worth a look."""

_EDGE = 512  # bytes of a body's beginning and end

_Group = tuple[str, ...]
"""What some requests have in common: `("path", "/v1/models", "GET")`."""


class Overview:
    """The recorded requests of a cassette by what can be told of them in some bytes each."""

    def __init__(self) -> None:
        self._places: dict[tuple[str, str], int] = {}
        self._place = array("L")
        self._length = array("Q")
        self._edges = array("q"), array("q")
        self._groups: dict[_Group, list[int]] = {}
        self._by_edge: dict[tuple[_Group, int], list[int]] = {}
        self._grouped = 0

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
        self._group()
        body = request.body
        for group in _groups_of(request.method, path_of(request.url)):
            numbers = self._groups.get(group, [])
            choices = [numbers]
            if len(numbers) > _MOST:
                choices = [self._with_edge(group, 0, body), self._with_edge(group, 1, body), numbers]
            nearest = [self._unplayed(choice, len(body), played) for choice in choices]
            mixed = (number for number in chain(*zip_longest(*nearest)) if number is not None)
            if found := sorted(set(islice(mixed, _MOST))):
                return found
        return []

    def _group(self) -> None:
        """Put all into their groups, each in the order of lengths, if some have come since."""
        if self._grouped == len(self._length):
            return
        self._groups.clear()
        self._by_edge.clear()
        groups = [_groups_of(method, path_of(url)) for method, url in self._places]
        for number in sorted(range(len(self._length)), key=self._length.__getitem__):
            for group in groups[self._place[number]]:
                self._groups.setdefault(group, []).append(number)
        self._grouped = len(self._length)

    def _with_edge(self, group: _Group, end: int, body: bytes) -> list[int]:
        """Those of a group that begin (`end` 0) or end (1) as a body does, in the order of lengths."""
        hashes = self._edges[end]
        if (group, end) not in self._by_edge:
            self._by_edge[group, end] = sorted(self._groups[group], key=hashes.__getitem__)
        numbers = self._by_edge[group, end]
        edge = _edges_of(body)[end]
        start = bisect_left(numbers, edge, key=hashes.__getitem__)
        return numbers[start : bisect_right(numbers, edge, key=hashes.__getitem__)]

    def _unplayed(self, numbers: list[int], length: int, played: AbstractSet[int]) -> Iterator[int]:
        """The unplayed ones of numbers in the order of lengths, those of the nearest lengths first."""
        after = bisect_left(numbers, length, key=self._length.__getitem__)
        before = after - 1
        while before >= 0 or after < len(numbers):
            is_after = before < 0 or (
                after < len(numbers)
                and self._length[numbers[after]] - length < length - self._length[numbers[before]]
            )
            number = numbers[after] if is_after else numbers[before]
            after, before = (after + 1, before) if is_after else (after, before - 1)
            if number not in played:
                yield number


def _groups_of(method: str, path: str) -> list[_Group]:
    """The groups that a request is in, the closest first."""
    last = path.rpartition("/")[2]
    return [
        ("path", path, method),
        ("path", path),
        ("last", last, method),
        ("last", last),
        ("method", method),
        (),
    ]


def _edges_of(body: bytes) -> tuple[int, int]:
    return hash(body[:_EDGE]), hash(body[-_EDGE:])


def path_of(url: str) -> str:
    """A URL's path, or the URL itself if it is none."""
    try:
        return urlsplit(url).path
    except ValueError:
        return url
