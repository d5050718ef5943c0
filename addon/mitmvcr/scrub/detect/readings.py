"""A text that was read, with the way back; and what pieces of texts make up together. Reads nothing itself.

A secret may be cut in pieces: over a stream's events, or token by token in `logprobs`. Pieces belong
together that stand at one place of the events, or of a list's items.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import TypeAlias

from mitmvcr.scrub.credential_names import CredentialName, Place
from mitmvcr.scrub.detect.escapes import Back
from mitmvcr.scrub.detect.json_leaves import Path
from mitmvcr.scrub.detect.tokens import Span


@dataclass(frozen=True, slots=True)
class Reading:
    """A text, what it is, where (`path`, for people), and how a replacement is written there.

    `name` is what the name over it tells. Where `back` gives several places, the first gets the replacement
    and the others nothing: the text is in pieces. `is_whole`: it can only be replaced as a whole. `is_list`:
    its pieces are items of lists in a document, which are more likely texts of their own than a stream's are.
    """

    text: bytes
    back: Back
    place: Place = Place.CONVERSATION
    name: CredentialName | None = None
    path: str = ""
    written: Callable[[bytes], bytes] = bytes
    is_whole: bool = False
    is_list: bool = False


Indices: TypeAlias = tuple[tuple[Path, bytes], ...]


@dataclass(frozen=True, slots=True)
class Piece:
    """A reading that may be a part of something longer; the indices in its event, with where each stands."""

    path: tuple[str | int, ...]
    reading: Reading
    indices: Indices = ()
    is_event: bool = False


def joined(pieces: Sequence[Piece]) -> list[Reading]:
    """What pieces at one place make up together.

    Where several texts take turns (choices, tool calls, alternatives of a token), the place with one of its
    numbers running and the others fixed tells them apart, or the index that the event gives.
    """
    sizes: dict[Path, Counter[Indices]] = {}
    for piece in pieces:
        sizes.setdefault(_anywhere(piece.path), Counter())[piece.indices] += 1
    # An index that grows with each event tells nothing apart.
    turns = {every for every, counts in sizes.items() if 1 < len(counts) < counts.total()}
    groups: dict[object, list[Reading]] = {}
    for piece in pieces:
        path, every = piece.path, _anywhere(piece.path)
        index = piece.indices if every in turns else ()
        numbers = [at for at, step in enumerate(path) if type(step) is int]
        keys: list[object] = [(every, index)]
        if len(numbers) > 1:
            keys += [(at, path[:at], path[at + 1 :], index) for at in numbers]
        for key in keys:
            groups.setdefault(key, []).append(piece.reading)
    distinct = {tuple(map(id, group)): group for group in groups.values() if len(group) > 1}
    is_list = not any(piece.is_event for piece in pieces)
    return [
        replace(_join(group), is_list=is_list)
        for group in distinct.values()
        if len({reading.text for reading in group}) > 1
    ]


def _anywhere(path: Path) -> Path:
    """A path without its numbers."""
    return tuple([step for step in path if type(step) is not int])


def _join(group: Sequence[Reading]) -> Reading:
    group = [reading for reading in group if reading.text]
    starts = [0, *accumulate(len(reading.text) for reading in group)]
    text = b"".join([reading.text for reading in group])
    return Reading(
        text,
        lambda start, end: spread(starts, group, start, end),
        path=group[0].path,
        written=group[0].written,
    )


def spread(starts: Sequence[int], parts: Sequence[Reading], start: int, end: int) -> list[Span]:
    """The places of a stretch of what parts make up together; `starts` has where each begins, and the end."""
    first, last = bisect_right(starts, start) - 1, bisect_left(starts, end)
    places: list[Span] = []
    for number in range(first, min(last, len(parts))):
        left, right = max(start, starts[number]), min(end, starts[number + 1])
        places += parts[number].back(left - starts[number], right - starts[number])
    return places
