"""What it costs to find the recording of a request among many; beside VCR.py, which searches a list."""

from __future__ import annotations

import itertools
import json
import tempfile
from collections.abc import Callable
from pathlib import Path

from bench.exchanges import URL
from bench.measure import Goal, Result, cpu, in_turn
from mitmvcr.config.settings import Settings
from mitmvcr.formats.govcr import HEAD, Dialect, emit_interaction
from mitmvcr.model import Interaction, Request, Response
from mitmvcr.scrub import Policy, Scrubber
from mitmvcr.sessions.open_cassette import Play
from mitmvcr.sessions.table import Sessions
from tests.formats.real_vcrpy import VCRRequest, vcr

PEER = "VCR.py, 10 recordings, or as named"
_COUNTS = (1, 1_000, 100_000)
_THEIRS = (10, 1_000)
_BODY = 2_000  # bytes
_ASKED = 200  # a round
_FLAT = Goal(1.5, "ratio")  # what noise and cold memory make of 1
_BLANKS = str.maketrans("01", " \t")


def run(*, quick: bool) -> list[Result]:
    """The cost of one request against cassettes of several sizes, and how it grows with them.

    One was asked in the same bytes before, or never: then it is scrubbed and parsed.
    """
    rounds = 5 if quick else 25
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        contenders = {}
        for count in _COUNTS:
            ask = _ours(Path(folder), count)
            contenders[f"ours {count}"] = _timed(ask, count, _ASKED)
            contenders[f"anew {count}"] = _timed(_never_seen(ask), count, _ASKED)
        contenders |= {f"theirs {count}": _timed(_theirs(count), count, 10) for count in _THEIRS}
        found = {name: figures["request"] for name, figures in in_turn(rounds, contenders).items()}
    theirs = found["theirs 10"]
    return [
        *(
            Result.of(f"a request, {count:,} recordings, {how}", "µs", found[f"{name} {count}"], theirs)
            for name, how in (("ours", "seen before"), ("anew", "never seen"))
            for count in _COUNTS
        ),
        Result.of(
            "a request, 1,000 (VCR.py: 1,000), seen before", "µs", found["ours 1000"], found["theirs 1000"]
        ),
        *(
            Result.of(
                f"{count:,} against our own 1, {how}",
                "µs",
                found[f"{name} {count}"],
                found[f"{name} 1"],
                _FLAT,
            )
            for name, how in (("ours", "seen before"), ("anew", "never seen"))
            for count in _COUNTS[1:]
        ),
    ]


_Ask = Callable[..., None]


def _timed(ask: _Ask, count: int, asked: int) -> Callable[[], dict[str, float]]:
    """So many requests a round, from all over the cassette; before, each is asked once."""
    places = [number * count // asked for number in range(asked)]

    def all_of_them() -> None:
        for place in places:
            ask(place)

    all_of_them()

    def measure() -> dict[str, float]:
        return {"request": cpu(all_of_them) / asked}

    return measure


def _never_seen(ask: _Ask) -> _Ask:
    """The same requests with bodies that are spelled in another way each time."""
    numbers = itertools.count()
    return lambda number: ask(number, f"{next(numbers):020b}".translate(_BLANKS).encode())


def _body(number: int) -> bytes:
    messages = [{"role": "user", "content": f"Number {number}: {'so it goes ' * (_BODY // 11)}"}]
    return json.dumps({"model": "gpt-4o-mini", "messages": messages}).encode()


def _request(number: int, blanks: bytes = b"") -> Request:
    body = blanks + _body(number)
    return Request("POST", URL, body=body, headers={"Content-Type": ["application/json"]})


def _ours(folder: Path, count: int) -> _Ask:
    answered = Response(200, "200 OK", body=b"{}", headers={"Content-Type": ["application/json"]})
    with (folder / f"{count}.yaml").open("wb") as file:
        file.write(HEAD)
        for number in range(count):
            file.write(emit_interaction(Interaction(_request(number), answered), number, Dialect.CHARM))
    settings = Settings.parse({"dir": str(folder), "mode": "replay", "repeat": "any"})
    session = Sessions(settings, Scrubber(Policy())).get(str(count))

    def ask(number: int, blanks: bytes = b"") -> None:
        verdict = session.answer(_request(number, blanks))
        if not isinstance(verdict, Play) or verdict.interaction.id != number:
            raise AssertionError(verdict)

    return ask


def _theirs(count: int) -> _Ask:
    match_on = (vcr.matchers.method, vcr.matchers.uri, vcr.matchers.body)
    cassette = vcr.cassette.Cassette("bench", match_on=match_on, allow_playback_repeats=True)
    headers = {"Content-Type": "application/json"}
    for number in range(count):
        cassette.data.append((VCRRequest("POST", URL, _body(number), headers), number))

    def ask(number: int) -> None:
        if cassette.play_response(VCRRequest("POST", URL, _body(number), headers)) != number:
            raise AssertionError(number)

    return ask
