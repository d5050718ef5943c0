"""What it costs to find the recording of a request among many; beside VCR.py, which searches a list."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path

from bench.exchanges import URL
from bench.measure import Goal, Result, cpu, in_turn
from mitmvcr.cassette import Loaded
from mitmvcr.formats import GO_VCR
from mitmvcr.library import Library, Recorded
from mitmvcr.model import Cassette, Interaction, Request, Response
from mitmvcr.scrub import Policy, Scrubber
from mitmvcr.sessions import Play, Sessions
from mitmvcr.settings import Settings
from tests.formats.real_vcrpy import VCRRequest, vcr

PEER = "VCR.py, 10 recordings, or as named"
_COUNTS = (10, 1_000, 100_000)
_BODY = 2_000  # bytes
_FLAT = Goal(1.5, "ratio")  # what noise and cold memory make of 1


class _Ready(Library):
    """A library whose one cassette was made, and not read: 100,000 recordings would take minutes to parse."""

    def __init__(self, recorded: Recorded) -> None:
        super().__init__()
        self._recorded = recorded

    def read(self, path: Path) -> Recorded:  # noqa: ARG002 - there is no file
        return self._recorded


def run(*, quick: bool) -> list[Result]:
    """The cost of one request against cassettes of several sizes, and how it grows with them."""
    rounds = 5 if quick else 25
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        contenders = {f"ours {count}": _timed(_ours(Path(folder), count), count, 200) for count in _COUNTS}
        contenders |= {f"theirs {count}": _timed(_theirs(count), count, 10) for count in _COUNTS[:2]}
        found = {name: figures["request"] for name, figures in in_turn(rounds, contenders).items()}
    theirs = found["theirs 10"]
    return [
        Result.of("a request, 10 recordings", "µs", found["ours 10"], theirs),
        Result.of("a request, 1,000 (VCR.py: 1,000)", "µs", found["ours 1000"], found["theirs 1000"]),
        Result.of("a request, 100,000", "µs", found["ours 100000"], theirs),
        *(
            Result.of(f"{count:,} against our own 10", "µs", found[f"ours {count}"], found["ours 10"], _FLAT)
            for count in _COUNTS[1:]
        ),
    ]


def _timed(ask: Callable[[int], None], count: int, asked: int) -> Callable[[], dict[str, float]]:
    """So many requests a round, from all over the cassette; the first one makes the index."""
    places = [number * count // asked for number in range(asked)]
    ask(0)

    def all_of_them() -> None:
        for place in places:
            ask(place)

    def measure() -> dict[str, float]:
        return {"request": cpu(all_of_them) / asked}

    return measure


def _body(number: int) -> bytes:
    messages = [{"role": "user", "content": f"Number {number}: {'so it goes ' * (_BODY // 11)}"}]
    return json.dumps({"model": "gpt-4o-mini", "messages": messages}).encode()


def _request(number: int) -> Request:
    return Request("POST", URL, body=_body(number), headers={"Content-Type": ["application/json"]})


def _ours(folder: Path, count: int) -> Callable[[int], None]:
    path = folder / f"{count}.yaml"
    path.touch()
    answered = Response(200, "200 OK", body=b"{}", headers={"Content-Type": ["application/json"]})
    recorded = Cassette([Interaction(_request(number), answered, number) for number in range(count)])
    settings = Settings.parse({"dir": str(folder), "mode": "replay", "repeat": "any"})
    sessions = Sessions(settings, Scrubber(Policy()))
    sessions.library = _Ready(Recorded.of(Loaded(path, GO_VCR, recorded), 0))
    session = sessions.get(str(count))

    def ask(number: int) -> None:
        verdict = session.answer(_request(number))
        if not isinstance(verdict, Play) or verdict.interaction.id != number:
            raise AssertionError(verdict)

    return ask


def _theirs(count: int) -> Callable[[int], None]:
    match_on = (vcr.matchers.method, vcr.matchers.uri, vcr.matchers.body)
    cassette = vcr.cassette.Cassette("bench", match_on=match_on, allow_playback_repeats=True)
    headers = {"Content-Type": "application/json"}
    for number in range(count):
        cassette.data.append((VCRRequest("POST", URL, _body(number), headers), number))

    def ask(number: int) -> None:
        if cassette.play_response(VCRRequest("POST", URL, _body(number), headers)) != number:
            raise AssertionError(number)

    return ask
