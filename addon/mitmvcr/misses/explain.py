"""What to tell a user whose request nothing recorded answers: why, how it differs, what mends it.

Only scrubbed requests come here, so that no message shows a secret. The work is bounded, whatever the
cassette holds: see nearest, differences and nearby.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

from mitmvcr.compare.request_diff import LARGE, Difference, difference, leaves, printable
from mitmvcr.misses import hints, other_cassettes
from mitmvcr.misses.nearest import nearest, path_of
from mitmvcr.model import Interaction, Request, Source
from mitmvcr.replay.matcher import Matcher
from mitmvcr.store.locate import Location

_SHOWN = 4  # differences, places, numbers, names
_URL = 300  # characters


@dataclass(frozen=True, slots=True)
class Miss:
    """A request that nothing recorded answers.

    `reason` is one of `no-cassette`, `empty`, `played` (all its recordings were), `different` (from
    the nearest, which is interaction `number`, at `line` of its file) and `unlike` (any recording).
    `key` is the request's in hex: what it is looked up by. `said` is a sentence of what is wrong,
    `found` introduces the differences; `more` counts those that aren't listed. `hints` are sentences
    of what to do, the best one first.
    """

    cassette: str
    path: str
    method: str
    url: str
    key: str
    reason: str
    said: str
    found: str = ""
    number: int | None = None
    line: int | None = None
    differences: tuple[Difference, ...] = ()
    more: int = 0
    hints: tuple[str, ...] = ()

    @property
    def request(self) -> str:
        """`POST https://…`, shortened."""
        url = self.url if len(self.url) <= _URL else self.url[:_URL] + "…"
        return printable(f"{self.method} {url}")

    @property
    def message(self) -> str:
        """All of it in one line: SDKs show an error's line breaks escaped."""
        sentences = [f"{self.request}: {self.said}"]
        if self.found:
            listed = "; ".join([*map(str, self.differences), *self._rest()])
            sentences.append(f"{self.found}: {listed}" if listed else self.found)
        return ". ".join([*sentences, *self.hints])

    @property
    def lines(self) -> list[str]:
        """All of it for a terminal."""
        listed = [f"    {one}" for one in [*map(str, self.differences), *self._rest()]]
        found = [f"  {self.found}{':' if listed else ''}"] if self.found else []
        return [f"{self.request}: {self.said}", *found, *listed, *(f"  {hint}" for hint in self.hints)]

    def _rest(self) -> list[str]:
        return [f"and {self.more} more"] if self.more else []


@dataclass(frozen=True, slots=True)
class Recordings:
    """What a cassette has to answer with.

    `same` are the numbers of those that match the request, which was asked `asked` times; `scrub`
    takes the secrets out of a recorded request: foreign cassettes have them. `elsewhere` names other
    cassettes that have recordings of the request, `root` is the folder of all cassettes.
    """

    interactions: Sequence[Interaction]
    played: AbstractSet[int]
    same: Sequence[int]
    scrub: Callable[[Request], Request]
    asked: int = 0
    source: Source | None = None
    elsewhere: Sequence[str] = ()
    root: Path | None = None


@dataclass(frozen=True, slots=True)
class _Finding:
    """The part of a miss that depends on its reason."""

    reason: str
    said: str
    found: str = ""
    number: int | None = None
    differences: tuple[Difference, ...] = ()
    more: int = 0
    hints: tuple[str, ...] = ()


def explain(location: Location, recordings: Recordings, request: Request, matcher: Matcher) -> Miss:
    """Why a request is a miss, the nearest recording, how it differs, and the ways out.

    Takes some milliseconds, however many recordings there are; looks for 20 ms at most at other files.
    """
    if not location.exists:
        finding = _no_cassette(location, recordings)
    elif not recordings.interactions:
        finding = _Finding("empty", f"cassette {location.path} holds no recording")
    elif recordings.same:
        finding = _played(location, recordings)
    else:
        finding = _different(location, recordings, request, matcher)
    number = finding.number
    return Miss(
        location.name,
        str(location.path),
        request.method,
        request.url,
        matcher.key(request).hex(),
        finding.reason,
        printable(finding.said),
        finding.found,
        None if number is None else recordings.interactions[number].id,
        None if number is None else _line(recordings.source, number),
        finding.differences,
        finding.more,
        (*_elsewhere(location, recordings, request), *finding.hints, _record(location)),
    )


def _no_cassette(location: Location, recordings: Recordings) -> _Finding:
    hints = []
    like = other_cassettes.with_like_name(recordings.root, location.path) if recordings.root else None
    if like is not None:
        hints.append(f"There is a cassette of a similar name: {printable(like)}")
    return _Finding(
        "no-cassette", f"cassette {location.path} does not exist, so nothing can answer", hints=tuple(hints)
    )


def _played(location: Location, recordings: Recordings) -> _Finding:
    ids = [recordings.interactions[number].id for number in recordings.same]
    numbers = f"{_listed(map(str, ids))}, {'which was' if len(ids) == 1 else 'which were'} played already"
    counts = f": recorded {_times(len(ids))}, asked {_times(recordings.asked)}" if recordings.asked else ""
    return _Finding(
        "played",
        f"cassette {location.path} has it as interaction {numbers}{counts}",
        number=recordings.same[-1],
        hints=("To let it repeat: vcr_repeat=last (the last answer again) or any (all from the first)",),
    )


def _different(location: Location, recordings: Recordings, request: Request, matcher: Matcher) -> _Finding:
    every = range(len(recordings.interactions))
    unplayed = [number for number in every if number not in recordings.played]
    said = f"cassette {location.path} has no recording of it"
    all_played = f"All {len(every)} recordings were" if len(every) > 1 else "Its only recording was"
    number = nearest(recordings.interactions, unplayed or every, request, matcher)
    recorded = _scrubbed(recordings, number or 0)
    found, whole = leaves(recorded, request, matcher)
    differing = {leaf.kind for leaf in found}
    if "path" in differing and ("json" in differing or "body" in differing or "method" in differing):
        has = f"It has {_places(recordings)}"
        return _Finding("unlike", f"{said} (0 unplayed)" if not unplayed else said, has)
    shown = f"interaction {recordings.interactions[number or 0].id}"
    return _Finding(
        "different",
        said,
        f"Nearest unplayed: {shown}" if unplayed else f"{all_played} played already; the nearest: {shown}",
        number,
        tuple(difference(leaf) for leaf in found[:_SHOWN]),
        max(0, len(found) - _SHOWN),
        tuple(hints.hints(found, recorded, request, matcher)) if whole else (),
    )


def _scrubbed(recordings: Recordings, number: int) -> Request:
    """The recorded request without secrets, but for a body so large that none of it is shown."""
    recorded = recordings.interactions[number].request
    if len(recorded.body) <= LARGE:
        return recordings.scrub(recorded)
    return replace(recordings.scrub(replace(recorded, body=b"")), body=recorded.body)


def _places(recordings: Recordings) -> str:
    counts = Counter(
        f"{one.request.method} {path_of(recordings.scrub(Request('GET', one.request.url)).url)}"
        for one in recordings.interactions[:1000]
    )
    places = [f"{place} ({count} times)" if count > 1 else place for place, count in counts.most_common()]
    return printable(_listed(places))


def _listed(items: Iterator[str] | Sequence[str]) -> str:
    every = list(items)
    rest = f" and {len(every) - _SHOWN} more" if len(every) > _SHOWN else ""
    return ", ".join(every[:_SHOWN]) + rest


def _times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count} times")


def _line(source: Source | None, number: int) -> int | None:
    if source is None or number >= len(source.spans):
        return None
    return source.data.count(b"\n", 0, source.spans[number][0]) + 1


def _elsewhere(location: Location, recordings: Recordings, request: Request) -> Iterator[str]:
    if recordings.elsewhere:
        name = recordings.elsewhere[0]
        have = "Cassette {} has it" if len(recordings.elsewhere) == 1 else "Cassettes {} have it"
        names = printable(_listed(recordings.elsewhere))
        yield f"{have.format(names)}: to be answered from there, name it ({_header(name)})"
    elif recordings.root is not None:
        found = other_cassettes.with_request(recordings.root, request, location.path)
        if found is not None:
            there = f"Cassette {printable(found)} seems to have it"
            yield f"{there}: to be answered from there, name it ({_header(found)})"


def _header(name: str) -> str:
    return f"X-VCR-Cassette: {quote(name, safe='/')}"


def _record(location: Location) -> str:
    where = " on a developer machine, and commit the cassette" if os.environ.get("CI") else ""
    mode = "new-episodes" if location.exists else "once"
    return f"To record it: run with vcr_mode={mode} and access to the API{where}"
