"""What to tell a user whose request nothing recorded answers: why, how it differs, what mends it.

Only scrubbed requests come here, so that no message shows a secret. It changes nothing and prints nothing.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

from mitmvcr.compare.difference_text import LARGE, Difference, difference
from mitmvcr.compare.request_diff import leaves
from mitmvcr.config.load import in_ci
from mitmvcr.misses import hints, other_cassettes
from mitmvcr.misses.nearest import nearest
from mitmvcr.model import Interaction, Request, Source, request_of
from mitmvcr.replay.matcher import Matcher
from mitmvcr.replay.overview import Overview, path_of
from mitmvcr.store.locate import Location
from mitmvcr.text import printable

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
        listed = [f"    {line}" for line in [*map(str, self.differences), *self._rest()]]
        found = [f"  {self.found}{':' if listed else ''}"] if self.found else []
        return [f"{self.request}: {self.said}", *found, *listed, *(f"  {hint}" for hint in self.hints)]

    def _rest(self) -> list[str]:
        return [f"and {self.more} more"] if self.more else []


@dataclass(frozen=True, slots=True)
class Recordings:
    """What a cassette has to answer with.

    `overview` is of all interactions. `same` are the numbers of those that match the request, which was
    asked for `times_asked` times; `scrub` takes the secrets out of a recorded request: foreign cassettes
    have them. `elsewhere` names other cassettes that have recordings of the request, `root` is the folder
    of all cassettes.
    """

    interactions: Sequence[Interaction]
    overview: Overview
    played: AbstractSet[int]
    same: Sequence[int]
    scrub: Callable[[Request], Request]
    times_asked: int = 0
    source: Source | None = None
    elsewhere: Sequence[str] = ()
    root: Path | None = None


@dataclass(frozen=True, slots=True)
class _Reason:
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

    Some 500 recordings are looked at, and a handful compared, however many there are; other files are
    looked at for some 20 ms. Raises MatchError where a function of the user's can't tell.
    """
    return _Explanation(location, recordings, request, matcher).miss()


@dataclass(frozen=True, slots=True)
class _Explanation:
    """A request that nothing recorded answers, and where it was looked for."""

    location: Location
    recordings: Recordings
    request: Request
    matcher: Matcher

    def miss(self) -> Miss:
        reason = self._reason()
        number = reason.number
        return Miss(
            self.location.name,
            str(self.location.path),
            self.request.method,
            self.request.url,
            self.matcher.key(self.request).hex(),
            reason.reason,
            printable(reason.said),
            reason.found,
            None if number is None else self._id(number),
            None if number is None else self._line(number),
            reason.differences,
            reason.more,
            (*self._elsewhere(), *reason.hints, self._record()),
        )

    def _reason(self) -> _Reason:
        if not self.location.exists:
            return self._no_cassette()
        if not self.recordings.interactions:
            return _Reason("empty", f"cassette {self.location.path} holds no recording")
        return self._played() if self.recordings.same else self._different()

    def _id(self, number: int) -> int:
        return self.recordings.interactions[number].id

    def _line(self, number: int) -> int | None:
        source = self.recordings.source
        if source is None or number >= len(source.spans):
            return None
        return self.recordings.overview.line(source, number)

    def _no_cassette(self) -> _Reason:
        root, path = self.recordings.root, self.location.path
        like = other_cassettes.with_like_name(root, path) if root else None
        hint = () if like is None else (f"There is a cassette of a similar name: {printable(like)}",)
        return _Reason("no-cassette", f"cassette {path} does not exist, so nothing can answer", hints=hint)

    def _played(self) -> _Reason:
        same, asked = self.recordings.same, self.recordings.times_asked
        ids = _listed([str(self._id(number)) for number in same[:_SHOWN]], len(same))
        numbers = f"{ids}, {'which was' if len(same) == 1 else 'which were'} played already"
        counts = f": recorded {_times(len(same))}, asked {_times(asked)}" if asked else ""
        return _Reason(
            "played",
            f"cassette {self.location.path} has it as interaction {numbers}{counts}",
            number=same[-1],
            hints=("To let it repeat: vcr_repeat=last (the last answer again) or any (all from the first)",),
        )

    def _different(self) -> _Reason:
        recordings, count = self.recordings, len(self.recordings.interactions)
        is_played = len(recordings.played) >= count
        said = f"cassette {self.location.path} has no recording of it"
        candidates = recordings.overview.alike(self.request, frozenset() if is_played else recordings.played)
        number = nearest(recordings.interactions, candidates, self.request, self.matcher) or 0
        recorded = self._scrubbed(number)
        found, is_all = leaves(recorded, self.request, self.matcher)
        kinds = {difference.kind for difference in found}
        if "path" in kinds and not kinds.isdisjoint(("json", "body", "method")):
            return _Reason(
                "unlike", f"{said} (0 unplayed)" if is_played else said, f"It has {self._places()}"
            )
        shown = f"interaction {self._id(number)}"
        all_played = f"All {count} recordings were" if count > 1 else "Its only recording was"
        return _Reason(
            "different",
            said,
            f"{all_played} played already; the nearest: {shown}"
            if is_played
            else f"Nearest unplayed: {shown}",
            number,
            tuple(map(difference, found[:_SHOWN])),
            max(0, len(found) - _SHOWN),
            tuple(hints.hints(found, recorded, self.request, self.matcher)) if is_all else (),
        )

    def _scrubbed(self, number: int) -> Request:
        """The recorded request without secrets, but for a body so large that none of it is shown."""
        recorded = request_of(self.recordings.interactions, number)
        if len(recorded.body) <= LARGE:
            return self.recordings.scrub(recorded)
        return replace(self.recordings.scrub(replace(recorded, body=b"")), body=recorded.body)

    def _places(self) -> str:
        counts: Counter[str] = Counter()
        for method, url, count in self.recordings.overview.places(1000):
            counts[f"{method} {path_of(self.recordings.scrub(Request('GET', url)).url)}"] += count
        places = [f"{place} ({count} times)" if count > 1 else place for place, count in counts.most_common()]
        return printable(_listed(places, len(places)))

    def _elsewhere(self) -> Iterator[str]:
        names, root = self.recordings.elsewhere, self.recordings.root
        if names:
            have = "Cassette {} has it" if len(names) == 1 else "Cassettes {} have it"
            there = have.format(printable(_listed(names, len(names))))
            yield f"{there}: to be answered from there, name it ({_header(names[0])})"
        elif root is not None:
            found = other_cassettes.with_request(root, self.request, self.location.path)
            if found is not None:
                there = f"Cassette {printable(found)} seems to have it"
                yield f"{there}: to be answered from there, name it ({_header(found)})"

    def _record(self) -> str:
        where = " on a developer machine, and commit the cassette" if in_ci(os.environ) else ""
        mode = "new-episodes" if self.location.exists else "once"
        return f"To record it: run with vcr_mode={mode} and access to the API{where}"


def _listed(items: Sequence[str], count: int) -> str:
    """The first of so many."""
    rest = f" and {count - _SHOWN} more" if count > _SHOWN else ""
    return ", ".join(items[:_SHOWN]) + rest


def _times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count} times")


def _header(name: str) -> str:
    return f"X-VCR-Cassette: {quote(name, safe='/')}"
