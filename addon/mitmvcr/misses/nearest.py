"""Which unplayed recording is most like a request: by place, size and shared pieces, then by structure.

Ten thousand recordings are looked at with a few cheap tests each, some hundred are searched for
pieces of the request, and only a handful are parsed and compared.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from urllib.parse import urlsplit

from mitmvcr.compare.request_diff import LARGE, NOTHING, Leaf, common, common_end, in_json, leaves
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
    interactions: Sequence[Interaction], numbers: Iterable[int], request: Request, matcher: Matcher
) -> int | None:
    """The number of the most similar of the numbered interactions, None if there are none.

    One with the same path is nearer than any other. Of equally near ones it is the first.
    """
    places: dict[tuple[str, str], list[int]] = {}
    for number in numbers:
        one = request_of(interactions, number)
        places.setdefault((one.method, one.url), []).append(number)
    if not places:
        return None
    asked = request.method, path_of(request.url)
    groups: dict[int, list[int]] = {}
    for (method, url), found in places.items():
        path = path_of(url)
        rank = 2 * (path != asked[1]) + (method != asked[0])
        if rank > 1 and path.rpartition("/")[2] != asked[1].rpartition("/")[2]:
            rank += 2
        groups.setdefault(rank, []).extend(found)
    return _among(interactions, groups[min(groups)], request, matcher)


def path_of(url: str) -> str:
    """A URL's path, or the URL itself if it is none."""
    try:
        return urlsplit(url).path
    except ValueError:
        return url


def _among(
    interactions: Sequence[Interaction], numbers: list[int], request: Request, matcher: Matcher
) -> int:
    if "body" in matcher.fields and len(numbers) > 1:
        numbers = _with_like_bodies(interactions, numbers, request.body)
    if len(numbers) == 1:
        return numbers[0]
    asked = _parsed(request, matcher)

    def distance(number: int) -> tuple[int, int, int]:
        found = _leaves(request_of(interactions, number), request, matcher, asked)
        return len(found), sum(map(_weight, found)), number

    return min(numbers, key=distance)


def _with_like_bodies(interactions: Sequence[Interaction], numbers: list[int], asked: bytes) -> list[int]:
    """The few whose bodies are most like the one asked for, within a bound of bytes."""
    size = len(asked)
    probes = [(asked[:probe], asked[-probe:], probe) for probe in _PROBES if probe < size]

    def unlike(number: int) -> int:
        """Bytes that differ, roughly: all but a beginning and an end that are the same."""
        body = request_of(interactions, number).body
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

    likely = sorted(numbers, key=unlike)[:_SEARCHED]
    step = max(1, (size - _PIECE) // _PIECES)
    pieces = [asked[at : at + _PIECE] for at in range(0, max(1, size - _PIECE), step)][:_PIECES]
    missing: dict[int, int] = {}
    left = _SEARCHED_BYTES
    for number in likely:
        body = request_of(interactions, number).body
        left -= len(body) * len(pieces)
        missing[number] = sum(piece not in body for piece in pieces) if left > 0 else len(pieces)
    likely.sort(key=missing.__getitem__)
    few: list[int] = []
    left = _COMPARED_BYTES
    for number in likely[:_COMPARED]:
        left -= len(request_of(interactions, number).body)
        if few and left < 0:
            break
        few.append(number)
    return few


def _parsed(request: Request, matcher: Matcher) -> object:
    """The body as JSON less what is ignored, NOTHING if it is none or too large to be parsed."""
    if len(request.body) > LARGE or request.body[:1] not in (b"{", b"[", b" ", b"\n"):
        return NOTHING
    try:
        return matcher.without_ignored_paths(json.loads(request.body))
    except (ValueError, RecursionError):
        return NOTHING


def _leaves(recorded: Request, asked: Request, matcher: Matcher, now: object) -> list[Leaf]:
    before = _parsed(recorded, matcher) if now is not NOTHING else NOTHING
    if now is NOTHING or before is NOTHING:
        return leaves(recorded, asked, matcher)[0]
    try:
        head = leaves(_bodiless(recorded), _bodiless(asked), matcher)[0]
        return head + (in_json(before, now)[0] if "body" in matcher.fields else [])
    except RecursionError:
        return [Leaf("body", (), recorded.body, asked.body)]


def _bodiless(request: Request) -> Request:
    return Request(request.method, request.url, headers=request.headers)


def _weight(leaf: Leaf) -> int:
    """How much a difference is: the characters that differ."""
    one, other = leaf.recorded, leaf.asked
    if (isinstance(one, str) and isinstance(other, str)) or (
        isinstance(one, bytes) and isinstance(other, bytes)
    ):
        start = common(one, other)  # type: ignore[type-var]
        return max(len(one), len(other)) - start - common_end(one[start:], other[start:])  # type: ignore[type-var]
    return 20 * max(1, leaf.items)
