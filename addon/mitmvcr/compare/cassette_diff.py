"""Two cassettes -> what changed, interaction by interaction, streams put together; pure, prints nothing.

Order, numbers and durations say nothing about a conversation: interactions are paired by their requests.
"""

from __future__ import annotations

import json
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace

from mitmvcr.compare.assembled import AssembledAnswer, read_answer
from mitmvcr.compare.json_diff import NOTHING, DifferingValue, in_json
from mitmvcr.compare.request_diff import differing_values
from mitmvcr.http.go_rules import first_value
from mitmvcr.http.sse import is_stream
from mitmvcr.model import Interaction, Response, Values
from mitmvcr.replay.index import partners
from mitmvcr.replay.matcher import Matcher, NotJSON, parse_json
from mitmvcr.replay.overview import path_of


@dataclass(frozen=True, slots=True)
class InteractionPair:
    """An interaction of either cassette, by its place; None where the other one has nothing like it.

    `request` and `response` are the places in which they differ; `kind` of a response's is `status`,
    `headers`, `trailer`, `json`, `body`, or `stream` for what a stream says, put together; `events` is a
    stream that says the same in other events.
    """

    first: int | None
    second: int | None
    request: tuple[DifferingValue, ...] = ()
    response: tuple[DifferingValue, ...] = ()

    @property
    def same(self) -> bool:
        """Whether both have it, and it says the same."""
        return None not in (self.first, self.second) and not self.request and not self.response


def compare(
    first: Sequence[Interaction], second: Sequence[Interaction], matcher: Matcher
) -> list[InteractionPair]:
    """What became of each interaction, in the first one's order; what is only in the second follows.

    Equal requests are paired first; then, in order, those that have the method and the path in common.
    """
    keys = [[matcher.key(interaction.request) for interaction in side] for side in (first, second)]
    pairs = _paired(range(len(first)), keys[0], range(len(second)), keys[1])
    left = [number for number in range(len(first)) if number not in pairs]
    taken = set(pairs.values())
    left_over = [number for number in range(len(second)) if number not in taken]
    places = [_place(first[number]) for number in left], [_place(second[number]) for number in left_over]
    pairs |= _paired(left, places[0], left_over, places[1])
    compared = []
    for number, interaction in enumerate(first):
        partner = pairs.get(number)
        if partner is None:
            compared.append(InteractionPair(number, None))
            continue
        in_request, _ = differing_values(interaction.request, second[partner].request, matcher)
        in_response = _in_responses(interaction.response, second[partner].response, matcher)
        compared.append(InteractionPair(number, partner, tuple(in_request), tuple(in_response)))
    taken = set(pairs.values())
    return compared + [InteractionPair(None, number) for number in left_over if number not in taken]


def _paired(
    first: Sequence[int], keys: Sequence[Hashable], second: Sequence[int], other_keys: Sequence[Hashable]
) -> dict[int, int]:
    """The numbers in `first` to those in `second` that have equal keys."""
    found = zip(first, partners(keys, other_keys), strict=True)
    return {number: second[partner] for number, partner in found if partner is not None}


def _place(interaction: Interaction) -> tuple[str, str]:
    """The method and the path."""
    return interaction.request.method, path_of(interaction.request.url)


def _in_responses(first: Response, second: Response, matcher: Matcher) -> Iterator[DifferingValue]:
    if first.code != second.code:
        yield DifferingValue("status", (), first.code, second.code)
    yield from _in_values("headers", first.headers, second.headers)
    yield from _in_values("trailer", first.trailer, second.trailer)
    if first.body != second.body:
        yield from _in_bodies(first, second, matcher)


def _in_values(kind: str, first: Values, second: Values) -> Iterator[DifferingValue]:
    for name in [*first, *(name for name in second if name not in first)]:
        before, now = (", ".join(side[name]) if name in side else NOTHING for side in (first, second))
        if before != now:
            yield DifferingValue(kind, (name,), before, now)


def _in_bodies(first: Response, second: Response, matcher: Matcher) -> Iterator[DifferingValue]:
    types = [first_value(side.headers, "Content-Type") for side in (first, second)]
    if is_stream(first.body, types[0]) and is_stream(second.body, types[1]):
        answers = [read_answer(side.body, kind) for side, kind in zip((first, second), types, strict=True)]
        in_answers, _ = in_json(*map(_spelled, answers))
        yield from (replace(leaf, kind="stream") for leaf in in_answers)
        if not in_answers:  # only their events are cut differently
            yield DifferingValue("events", (), _size(first, answers[0]), _size(second, answers[1]))
        return
    try:
        values = [matcher.without_ignored_paths(parse_json(side.body)) for side in (first, second)]
        in_values, _ = in_json(values[0], values[1])
    except (NotJSON, RecursionError):
        yield DifferingValue("body", (), first.body or NOTHING, second.body or NOTHING)
        return
    yield from in_values


def _size(response: Response, answer: AssembledAnswer) -> str:
    return f"{answer.events} events, {len(response.body):,} bytes"


def _spelled(answer: AssembledAnswer) -> object:
    value = json.loads(json.dumps(asdict(answer)))  # lists for tuples
    del value["events"], value["assembled"]
    for message in value["messages"]:
        for call in message["tool_calls"]:
            call["arguments"] = _arguments(call["arguments"])
    return value


def _arguments(text: str) -> object:
    """A tool call's arguments as JSON, so that they are compared by structure; else as they are."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
