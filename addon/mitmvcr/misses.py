"""What to tell a user whose request nothing recorded answers: why, how it differs, what mends it.

Only scrubbed requests come here, so that no message shows a secret.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from urllib.parse import urlsplit

from mitmvcr.cassette import Location
from mitmvcr.httpfacts import canonical_header
from mitmvcr.matching import Matcher, NotJSON, parse_json
from mitmvcr.model import Interaction, Request

_COMPARED = 24  # recordings whose bodies are compared with the request's: 1 ms each at 20 KB
_SHOWN = 4  # differences
_EXCERPT = 60  # characters of a value


@dataclass(frozen=True, slots=True)
class Recordings:
    """What a cassette has to answer with.

    `same` are the numbers of those that match the request, `scrub` takes the secrets out of a recorded
    request: foreign cassettes have them.
    """

    interactions: Sequence[Interaction]
    played: AbstractSet[int]
    same: Sequence[int]
    scrub: Callable[[Request], Request]


def explain(location: Location, recordings: Recordings, request: Request, matcher: Matcher) -> str:
    """One message: the cassette, the request, the nearest unplayed recording and the way out."""
    asked = f"{request.method} {request.url}"
    if not location.exists:
        return (
            f"{asked}: cassette {location.path} does not exist, so nothing can answer. "
            f"Record it: run once with vcr_mode=once and access to the API"
        )
    again = "Record it: run with vcr_mode=new-episodes and access to the API"
    if recordings.same:
        numbers = ", ".join(str(number) for number in recordings.same)
        return (
            f"{asked}: cassette {location.path} has it as interaction {numbers}, "
            f"which was played already. {again}, or let it repeat: vcr_repeat=last (or any)"
        )
    number = _nearest(recordings, request, matcher)
    if number is None:
        return f"{asked}: cassette {location.path} has no recording of it (0 unplayed). {again}"
    recorded = recordings.scrub(recordings.interactions[number].request)
    differences = _differences(recorded, request, matcher, _parsed(request, matcher))
    shown = "; ".join(differences[:_SHOWN])
    more = f"; and {len(differences) - _SHOWN} more" if len(differences) > _SHOWN else ""
    return (
        f"{asked}: cassette {location.path} has no recording of it. "
        f"Nearest unplayed: interaction {number}: {shown}{more}. {again}"
    )


def _nearest(recordings: Recordings, request: Request, matcher: Matcher) -> int | None:
    """The number of the unplayed recording that is most alike; only bodies of like size are compared."""
    interactions = recordings.interactions
    unplayed = [number for number in range(len(interactions)) if number not in recordings.played]
    path = _path(request.url)
    alike = [number for number in unplayed if _path(interactions[number].request.url) == path] or unplayed
    alike.sort(key=lambda number: abs(len(interactions[number].request.body) - len(request.body)))
    asked = _parsed(request, matcher)

    def distance(number: int) -> tuple[int, int]:
        return len(_differences(interactions[number].request, request, matcher, asked)), number

    return min(alike[:_COMPARED], key=distance, default=None)


def _path(url: str) -> str:
    try:
        return urlsplit(url).path
    except ValueError:
        return url


def _parsed(request: Request, matcher: Matcher) -> object:
    """The body as JSON less what is ignored, or the exception itself where it is none."""
    try:
        return matcher.without_ignored_paths(parse_json(request.body))
    except NotJSON as error:
        return error
    except RecursionError:
        return NotJSON()


def _differences(recorded: Request, asked: Request, matcher: Matcher, now: object) -> list[str]:
    """In what a recorded and an asked request differ; `now` is the asked one's body as `_parsed` has it."""
    found = []
    if recorded.method != asked.method:
        found.append(f"method: recorded {recorded.method}, asked {asked.method}")
    if recorded.url != asked.url:
        found.append(f"url: {_pair(recorded.url, asked.url)}")
    for name in [name for name in matcher.fields if name.startswith("headers:")]:
        header = canonical_header(name.removeprefix("headers:"))
        one, other = (", ".join(side.headers.get(header, ())) for side in (recorded, asked))
        if one != other:
            found.append(f"{header}: {_pair(one or 'nothing', other or 'nothing')}")
    if "body" not in matcher.fields or recorded.body == asked.body:
        return found
    before = _parsed(recorded, matcher)
    if not isinstance(before, NotJSON) and not isinstance(now, NotJSON):
        try:
            return [*found, *json_differences("$", before, now)]
        except RecursionError:
            pass  # too deep to be walked through: shown as text
    one, other = (_text(matcher.body_key(side).partition(b" ")[2]) for side in (recorded, asked))
    return [*found, f"body: {_pair(one, other)}"] if one != other else found


def json_differences(path: str, recorded: object, asked: object) -> Iterator[str]:
    """Where two JSON values differ: JSONPath, recorded and asked value, shortened to what differs."""
    if isinstance(recorded, dict) and isinstance(asked, dict):
        for name in [*recorded, *(name for name in asked if name not in recorded)]:
            below = f"{path}.{name}" if str(name).isidentifier() else f"{path}[{json.dumps(name)}]"
            if name not in asked:
                yield f"{below}: recorded {_excerpt(_json(recorded[name]), 0)}, asked nothing"
            elif name not in recorded:
                yield f"{below}: recorded nothing, asked {_excerpt(_json(asked[name]), 0)}"
            else:
                yield from json_differences(below, recorded[name], asked[name])
    elif isinstance(recorded, list) and isinstance(asked, list):
        for number, (one, other) in enumerate(zip(recorded, asked, strict=False)):
            yield from json_differences(f"{path}[{number}]", one, other)
        if len(recorded) != len(asked):
            yield f"{path}: recorded {len(recorded)} items, asked {len(asked)}"
    elif type(recorded) is not type(asked) or recorded != asked:
        yield f"{path}: {_pair(_json(recorded), _json(asked))}"


def _text(body: bytes) -> str:
    return repr(body.decode("utf-8", "replace"))


def _json(value: object) -> str:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return json.dumps(value, ensure_ascii=False)


def _pair(recorded: str, asked: str) -> str:
    pairs = enumerate(zip(recorded, asked, strict=False))
    same = next((at for at, (one, other) in pairs if one != other), min(len(recorded), len(asked)))
    start = max(0, same - _EXCERPT // 3)
    return f"recorded {_excerpt(recorded, start)}, asked {_excerpt(asked, start)}"


def _excerpt(text: str, start: int) -> str:
    if len(text) <= _EXCERPT:
        return text
    end = start + _EXCERPT
    return ("…" if start else "") + text[start:end] + ("…" if end < len(text) else "")
