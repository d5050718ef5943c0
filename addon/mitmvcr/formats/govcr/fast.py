"""A file in a layout that go-vcr writes -> its interactions, made when they are asked for; no other YAML.

`read` goes once over a file and checks each entry, so that all of it is known to be readable when it
returns. It keeps places, not values: a file of 230 MB then costs its bytes and eight more an entry. What it
isn't certain of is left to `thorough`, which knows all of YAML: a single entry where that can be told from
its neighbours, else the whole file. Where both read a file they give the same.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Collection, Iterator, Sequence
from operator import eq
from typing import NoReturn, TypeAlias, overload

from mitmvcr.formats.govcr.emit import HEAD
from mitmvcr.formats.govcr.layouts import OddError, is_text, layout_of
from mitmvcr.model import Cassette, Interaction, Interactions, Node, Request, Source

# Odd entries that a file may have, and one in eight beyond: to read one alone costs more than among others.
_SOME = 16
_KEPT = 16 << 20  # bytes of text whose interactions are kept once they were made
_NOTHING: dict[str, Node] = {}

ReadAlone: TypeAlias = Callable[[bytes], Interaction | None]


def read(data: bytes, read_alone: ReadAlone) -> Cassette | None:
    """The cassette, or None if it needs `thorough`; its interactions are made when they are asked for.

    `read_alone` gives a file's interaction, or None if it has anything else.
    """
    if not data.startswith(HEAD) or not data.endswith(b"\n"):
        return None
    at = len(HEAD)
    indent = 4 if data.startswith(b" ", at) else 0
    layout = layout_of(indent)
    starts = array("Q")
    odd: dict[int, Interaction] = {}
    urls: dict[str, None] = {}
    names: set[str] = set()
    coded: list[int] = []
    while at < len(data):
        if not data.startswith(layout.start, at):
            return None  # at another column, or with another key first
        starts.append(at)
        request = layout.request.match(data, at)
        response = layout.response.match(data, request.end()) if request else None
        if request and response and is_text(data[at : response.end()]):
            try:
                url, headers, stands = layout.check(request, response)
            except OddError:
                pass
            else:
                urls[url] = None
                names |= headers.keys()
                if not stands:
                    coded.append(len(starts) - 1)
                at = response.end()
                continue
        end = data.find(b"\n" + layout.start, at) + 1 or len(data)
        text = data[at:end]
        # A literal with this hint means one thing or another by what the rest of the file has.
        alone = None if b": |4" in text or len(odd) > _SOME + len(starts) // 8 else read_alone(HEAD + text)
        if alone is None:
            return None
        odd[len(starts) - 1] = alone
        coded.append(len(starts) - 1)
        urls[alone.request.url] = None
        names |= alone.request.headers.keys()
        at = end
    if not starts:
        return None
    starts.append(at)
    entries = Entries(data, starts, indent, odd, (tuple(urls), frozenset(names)))
    return Cassette(entries, source=Source(data, entries, Spans(starts), indent, coded))


def last_start(data: bytes) -> int:
    """Where the last entry begins in a file of one of the two layouts, 0 if there is none."""
    layout = layout_of(4 if data.startswith(b" ", len(HEAD)) else 0)
    return data.rfind(b"\n" + layout.start) + 1


class Entries(Interactions):
    """The interactions of a file that `read` went over, made from its bytes when they are asked for.

    Those of the last 16 MB of text asked for are kept; one that was let go is made anew, and is equal.
    """

    __slots__ = (
        *("_data", "_indent", "_kept", "_kept_size", "_odd", "_starts"),
        *("request_headers", "urls"),
    )
    __hash__ = None  # type: ignore[assignment] # interactions have dicts

    def __init__(
        self,
        data: bytes,
        starts: Sequence[int],
        indent: int,
        odd: dict[int, Interaction],
        requests: tuple[Sequence[str], Collection[str]],
    ) -> None:
        """`starts` has one place more than there are entries: where the last one ends.

        `requests` is what `Interactions` says of all requests: their URLs and the names of their headers.
        """
        self._data = data
        self._starts = starts
        self._indent = indent
        self._odd = odd
        self.urls, self.request_headers = requests
        self._kept: dict[int, Interaction] = {}
        self._kept_size = 0

    def __len__(self) -> int:
        return len(self._starts) - 1

    @overload
    def __getitem__(self, index: int) -> Interaction: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Interaction, ...]: ...
    def __getitem__(self, index: int | slice) -> Interaction | tuple[Interaction, ...]:
        if isinstance(index, slice):
            return tuple(self[number] for number in range(*index.indices(len(self))))
        kept = self._kept.get(index)
        if kept is not None:
            return kept
        number = range(len(self))[index]
        return self._odd.get(number) or self._kept.get(number) or self._make(number)

    def _make(self, number: int) -> Interaction:
        start, end = self._starts[number], self._starts[number + 1]
        self._kept_size += end - start
        if self._kept_size > _KEPT:
            self._kept.clear()
            self._kept_size = end - start
        layout = layout_of(self._indent)
        request = layout.request.match(self._data, start) or _lost()
        response = layout.response.match(self._data, request.end()) or _lost()
        made = self._kept[number] = Interaction(
            layout.read_request(request), layout.read_response(response), int(request[1]), _NOTHING
        )
        return made

    def request(self, number: int) -> Request:
        known = self._odd.get(number) or self._kept.get(number)
        if known is not None:
            return known.request
        layout = layout_of(self._indent)
        return layout.read_request(layout.request.match(self._data, self._starts[number]) or _lost())

    def __iter__(self) -> Iterator[Interaction]:
        return map(self.__getitem__, range(len(self)))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence) or isinstance(other, str | bytes):
            return NotImplemented
        return len(self) == len(other) and all(map(eq, self, other))

    def __repr__(self) -> str:
        return repr(tuple(self))


def _lost() -> NoReturn:
    raise AssertionError("the entry was read before")


class Spans(Sequence[tuple[int, int]]):
    """`Source.spans` of entries that follow one another: where each begins, and where the last one ends."""

    __slots__ = ("_starts",)

    def __init__(self, starts: Sequence[int]) -> None:
        self._starts = starts

    def __len__(self) -> int:
        return len(self._starts) - 1

    @overload
    def __getitem__(self, index: int) -> tuple[int, int]: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[tuple[int, int], ...]: ...
    def __getitem__(self, index: int | slice) -> tuple[int, int] | tuple[tuple[int, int], ...]:
        if isinstance(index, slice):
            return tuple(self[number] for number in range(*index.indices(len(self))))
        number = range(len(self))[index]
        return self._starts[number], self._starts[number + 1]
