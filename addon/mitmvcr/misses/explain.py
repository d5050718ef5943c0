"""What to tell a user whose request nothing recorded answers: why, how it differs, what mends it.

Only scrubbed requests come here, so that no message shows a secret. It changes nothing and prints nothing.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

from mitmvcr.compare.difference_text import LARGE, Difference, difference
from mitmvcr.compare.json_diff import DifferingValue
from mitmvcr.compare.request_diff import differing_values
from mitmvcr.config.load import in_ci
from mitmvcr.misses import hints, other_cassettes, redactions
from mitmvcr.misses.nearest import nearest
from mitmvcr.model import Interaction, Request, Source, request_of
from mitmvcr.replay.matcher import Matcher
from mitmvcr.replay.overview import Overview, path_of
from mitmvcr.store.locate import Location
from mitmvcr.text import printable, request_name

_SHOWN = 4  # differences, places, numbers, names


@dataclass(frozen=True, slots=True)
class Miss:
    """A request that nothing recorded answers.

    `reason` is one of `no-cassette`, `empty`, `played` (all its recordings were), `different` (from
    the nearest, which is interaction `number`, at `line` of its file) and `unlike` (any recording).
    `key` is the request's in hex: what it is looked up by. `problem` is a sentence of what is wrong,
    `introduction` stands before the differences; `more` counts those that aren't listed. `hints` are
    sentences of what to do, the best one first.
    """

    cassette: str
    path: str
    method: str
    url: str
    key: str
    reason: str
    problem: str
    introduction: str = ""
    number: int | None = None
    line: int | None = None
    differences: tuple[Difference, ...] = ()
    more: int = 0
    hints: tuple[str, ...] = ()

    @property
    def request(self) -> str:
        """`POST https://…`, shortened."""
        return request_name(self.method, self.url)

    @property
    def message(self) -> str:
        """All of it in one line: SDKs show an error's line breaks escaped."""
        sentences = [f"{self.request}: {self.problem}"]
        if self.introduction:
            listed = "; ".join([*map(str, self.differences), *self._rest()])
            sentences.append(f"{self.introduction}: {listed}" if listed else self.introduction)
        return ". ".join([*sentences, *self.hints])

    @property
    def lines(self) -> list[str]:
        """All of it for a terminal."""
        listed = [f"    {line}" for line in [*map(str, self.differences), *self._rest()]]
        introduction = [f"  {self.introduction}{':' if listed else ''}"] if self.introduction else []
        return [
            f"{self.request}: {self.problem}",
            *introduction,
            *listed,
            *(f"  {hint}" for hint in self.hints),
        ]

    def _rest(self) -> list[str]:
        return [f"and {self.more} more"] if self.more else []


@dataclass(frozen=True, slots=True)
class Recordings:
    """What a cassette has to answer with.

    `overview` is of all interactions. `same` are the numbers of those that match the request, which was
    asked for `times_asked` times; `scrub` takes the secrets out of a recorded request: foreign cassettes
    have them. `elsewhere` names other cassettes that have recordings of the request, `root` is the folder
    of all cassettes. `value_of` tells what a replacement in the request stands for.
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
    value_of: Callable[[bytes], bytes | None] = lambda _: None


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
        if not self.location.exists:
            return self._no_cassette()
        if not self.recordings.interactions:
            return self._because("empty", f"cassette {self.location.path} holds no recording")
        return self._played() if self.recordings.same else self._different()

    def _because(  # noqa: PLR0913 - the parts of a miss that depend on its reason
        self,
        reason: str,
        problem: str,
        *,
        introduction: str = "",
        number: int | None = None,
        differences: Sequence[DifferingValue] = (),
        hints: Iterable[str] = (),
    ) -> Miss:
        return Miss(
            self.location.name,
            str(self.location.path),
            self.request.method,
            self.request.url,
            self.matcher.key(self.request).hex(),
            reason,
            printable(problem),
            introduction,
            None if number is None else self._id(number),
            None if number is None else self._line(number),
            tuple(map(difference, differences[:_SHOWN])),
            max(0, len(differences) - _SHOWN),
            (*self._elsewhere(), *hints, self._record()),
        )

    def _id(self, number: int) -> int:
        return self.recordings.interactions[number].id

    def _line(self, number: int) -> int | None:
        source = self.recordings.source
        if source is None or number >= len(source.spans):
            return None
        return self.recordings.overview.line(source, number)

    def _no_cassette(self) -> Miss:
        root, path = self.recordings.root, self.location.path
        like = other_cassettes.with_like_name(root, path) if root else None
        hint = () if like is None else (f"There is a cassette of a similar name: {printable(like)}",)
        problem = f"cassette {path} does not exist, so nothing can answer"
        return self._because("no-cassette", problem, hints=hint)

    def _played(self) -> Miss:
        same, times = self.recordings.same, self.recordings.times_asked
        ids = _listed([str(self._id(number)) for number in same[:_SHOWN]], len(same))
        numbers = f"{ids}, {'which was' if len(same) == 1 else 'which were'} played already"
        counts = f": recorded {_times(len(same))}, asked {_times(times)}" if times else ""
        return self._because(
            "played",
            f"cassette {self.location.path} has it as interaction {numbers}{counts}",
            number=same[-1],
            hints=("To let it repeat: vcr_repeat=last (the last answer again) or any (all from the first)",),
        )

    def _different(self) -> Miss:
        recordings, count = self.recordings, len(self.recordings.interactions)
        is_all_played = len(recordings.played) >= count
        problem = f"cassette {self.location.path} has no recording of it"
        alike = recordings.overview.alike(self.request)
        candidates = sorted(alike, key=recordings.played.__contains__)
        number = nearest(recordings.interactions, candidates, self.request, self.matcher) or 0
        recorded = self._scrubbed(number)
        differences, is_all = differing_values(recorded, self.request, self.matcher)
        kinds = {difference.kind for difference in differences}
        if "path" in kinds and not kinds.isdisjoint(("json", "body", "method")):
            problem += " (0 unplayed)" if is_all_played else ""
            return self._because("unlike", problem, introduction=f"It has {self._places()}")
        introduction = f"Nearest unplayed: interaction {self._id(number)}"
        if is_all_played:
            all_played = f"All {count} recordings were" if count > 1 else "Its only recording was"
            introduction = f"{all_played} played already; the nearest: interaction {self._id(number)}"
        elif number in recordings.played:
            again = "vcr_repeat=last or any lets it answer again"
            introduction = f"Nearest: interaction {self._id(number)}, which was played already ({again})"
        return self._because(
            "different",
            problem,
            introduction=introduction,
            number=number,
            differences=differences,
            hints=(
                *redactions.hints(differences, self.request, recordings.value_of, os.environ),
                *(hints.hints(differences, recorded, self.request, self.matcher) if is_all else ()),
            ),
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
            name = other_cassettes.with_request(root, self.request, self.location.path)
            if name is not None:
                there = f"Cassette {printable(name)} seems to have it"
                yield f"{there}: to be answered from there, name it ({_header(name)})"

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
