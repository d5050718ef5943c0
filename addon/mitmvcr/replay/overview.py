"""Place, length and edges of each recorded request, so that a miss looks at few of them; holds no body."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from itertools import accumulate, chain, islice, pairwise, zip_longest
from urllib.parse import urlsplit

from mitmvcr.model import Request, Source

_MOST = 500
"""Recordings that are worth a look."""

_EDGE = 512  # bytes of a body's beginning and end

_COUNTED = 256  # interactions between two whose lines are remembered

_COMMON: Sequence[Callable[[str, str], Hashable]] = (
    lambda method, path: (path, method),
    lambda _, path: path,
    lambda method, path: (path.rpartition("/")[2], method),
    lambda _, path: path.rpartition("/")[2],
    lambda method, _: method,
    lambda _method, _path: "",
)
"""What requests may have in common, by their methods and paths, the closest first."""


class Overview:
    """The recorded requests of a cassette by what can be told of them in some bytes each."""

    def __init__(self) -> None:
        self._places: dict[tuple[str, str], int] = {}
        self._place = array("L")
        self._length = array("Q")
        self._edges = array("q"), array("q")
        self._groups: dict[int, dict[Hashable, list[int]]] = {}
        self._by_edge: dict[tuple[int, Hashable, int], list[int]] = {}
        self._lines: list[int] = []

    def add(self, first: int, requests: Iterable[Request]) -> None:
        """Add the requests from this number on; those that it has already are passed over."""
        for number, request in enumerate(requests, first):
            if number == len(self._length):
                place = request.method, request.url
                self._place.append(self._places.setdefault(place, len(self._places)))
                self._length.append(len(request.body))
                for hashes, edge in zip(self._edges, _edges_of(request.body), strict=True):
                    hashes.append(edge)
                self._groups.clear()
                self._by_edge.clear()

    def places(self, most: int) -> list[tuple[str, str, int]]:
        """Methods and URLs of the first `most` requests and how often each is there, in recorded order."""
        places = list(self._places)
        return [(*places[place], count) for place, count in Counter(self._place[:most]).items()]

    def alike(self, request: Request) -> list[int]:
        """The numbers, in order, of those that may be most like a request.

        They have its path, if any has, else the last part of that, else its method: the first of these that
        some have. Of many they are those of a like length, most of them with the same beginning or end.
        """
        length = len(request.body)
        for closeness, common_of in enumerate(_COMMON):
            common = common_of(request.method, path_of(request.url))
            groups = [self._group(closeness, common)]
            if len(groups[0]) > _MOST:
                edges = enumerate(_edges_of(request.body))
                groups += [self._with_edge(closeness, common, end, edge) for end, edge in edges]
            nearest = zip_longest(*(self._nearest(numbers, length) for numbers in groups))
            mixed = (number for number in chain.from_iterable(nearest) if number is not None)
            if alike := sorted(set(islice(mixed, _MOST))):
                return alike
        return []

    def line(self, source: Source, number: int) -> int:
        """The line, from 1, on which an interaction begins in the text that it was read from."""
        starts = [span[0] for span in source.spans[::_COUNTED]]
        if not self._lines:
            counts = [source.data.count(b"\n", *ends) for ends in pairwise([0, *starts])]
            self._lines = list(accumulate(counts, initial=1))[1:]
        part = number // _COUNTED
        return self._lines[part] + source.data.count(b"\n", starts[part], source.spans[number][0])

    def _group(self, closeness: int, common: Hashable) -> list[int]:
        """All numbers that have this in common, in a way of `_COMMON`, in the order of lengths."""
        groups = self._groups.get(closeness)
        if groups is None:
            groups = self._groups[closeness] = {}
            common_of = [_COMMON[closeness](method, path_of(url)) for method, url in self._places]
            for number in sorted(range(len(self._length)), key=self._length.__getitem__):
                groups.setdefault(common_of[self._place[number]], []).append(number)
        return groups.get(common, [])

    def _with_edge(self, closeness: int, common: Hashable, end: int, edge: int) -> list[int]:
        """Those whose bodies begin (`end` 0) or end (1) in bytes of this hash, in the order of lengths."""
        group = closeness, common, end
        numbers = self._by_edge.get(group)
        hashes = self._edges[end]
        if numbers is None:
            numbers = sorted(self._group(closeness, common), key=hashes.__getitem__)
            self._by_edge[group] = numbers
        start = bisect_left(numbers, edge, key=hashes.__getitem__)
        return numbers[start : bisect_right(numbers, edge, key=hashes.__getitem__)]

    def _nearest(self, numbers: list[int], length: int) -> list[int]:
        """Of numbers that are in the order of lengths those of the nearest lengths, these first."""
        at = bisect_left(numbers, length, key=self._length.__getitem__)
        near = numbers[max(0, at - _MOST) : at + _MOST]
        return sorted(near, key=lambda number: abs(self._length[number] - length))


def _edges_of(body: bytes) -> tuple[int, int]:
    return hash(body[:_EDGE]), hash(body[-_EDGE:])


def path_of(url: str) -> str:
    """A URL's path, or the URL itself if it is none."""
    try:
        return urlsplit(url).path
    except ValueError:
        return url
