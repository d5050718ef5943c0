"""A conversation that was recorded again -> a cassette whose diff is what upstream changed; pure, no I/O.

Exchanges that run side by side end in another order each time, secrets are numbered in the order in
which they are seen, and no answer takes exactly as long as before: none of that is news.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from mitmvcr.formats import govcr
from mitmvcr.model import Cassette, Interaction, Node, Plain, Request, Response
from mitmvcr.replay.index import partners
from mitmvcr.scrub.memory import strings
from mitmvcr.scrub.placeholders import MARK

Numbers = dict[tuple[bytes, bytes], bytes]
"""A replacement's kind and its number now -> the number that it had before."""

N = TypeVar("N", bound=Node)


def settle(before: Cassette, now: Sequence[Interaction], key: Callable[[Request], bytes]) -> Cassette:
    """`before` with the interactions of `now`, in the order of the requests that both have.

    `key` tells which requests are the same (`Matcher.key`). A request that `before` hasn't follows the
    one that ended before it. Replacements (`REDACTED-org-2`) get the numbers that they had. What says
    the same as before is the interaction that stood there, with its duration and, in the file, its text.
    """
    keys_before, keys = (
        [key(interaction.request) for interaction in side] for side in (before.interactions, now)
    )
    pairs = list(zip(partners(keys, keys_before), now, strict=True))
    numbers = _numbers(before.interactions, pairs)
    settled, dialect = [], govcr.dialect_of(before)
    for old, new in _ordered(pairs):
        renamed = govcr.with_host(_renamed(new, numbers), dialect)
        same = old is not None and _says_the_same(before.interactions[old], renamed)
        settled.append(before.interactions[old] if same and old is not None else renamed)
    return replace(before, interactions=tuple(settled))


_Pair = tuple[int | None, Interaction]
"""The number of the old interaction that had the same request, and the new one."""


def _ordered(pairs: Sequence[_Pair]) -> list[_Pair]:
    """By the old numbers; what has none keeps its place behind what came before it."""
    placed: list[tuple[int, int, _Pair]] = []
    last = -1
    for sequence, pair in enumerate(pairs):
        if pair[0] is not None:
            last = pair[0]
            placed.append((last, -1, pair))
        else:
            placed.append((last, sequence, pair))
    return [pair for *_, pair in sorted(placed, key=lambda item: item[:2])]


def _marks(interaction: Interaction) -> Iterator[tuple[bytes, bytes]]:
    """Kinds and numbers of an interaction's replacements, in one fixed order of its places."""
    request, response = interaction.request, interaction.response
    in_response: list[Node] = [response.headers, response.body, response.trailer]
    for text in strings([request.url, request.headers, request.form, request.body, *in_response]):
        for mark in MARK.finditer(text):
            yield mark.group(1), mark.group(2)


def _numbers(before: Sequence[Interaction], pairs: Sequence[_Pair]) -> Numbers:
    """What each replacement is to be called: as in its old place, else by the next number that is free."""
    numbers: Numbers = {}
    given: set[tuple[bytes, bytes]] = set()
    for old, new in pairs:
        old_marks, new_marks = list(_marks(before[old])) if old is not None else [], list(_marks(new))
        if [kind for kind, _ in old_marks] != [kind for kind, _ in new_marks]:
            continue
        for (kind, old_number), mark in zip(old_marks, new_marks, strict=True):
            if mark not in numbers and (kind, old_number) not in given:
                numbers[mark] = old_number
                given.add((kind, old_number))
    taken = given | {mark for interaction in before for mark in _marks(interaction)}
    for _, new in pairs:
        for kind, number in _marks(new):
            if (kind, number) not in numbers:
                numbers[kind, number] = free = _free(kind, number, taken)
                taken.add((kind, free))
    return {mark: to for mark, to in numbers.items() if mark[1] != to}


def _free(kind: bytes, number: bytes, taken: set[tuple[bytes, bytes]]) -> bytes:
    if (kind, number) not in taken:
        return number
    return str(1 + max(int(other) for other_kind, other in taken if other_kind == kind)).encode()


def _renamed(interaction: Interaction, numbers: Numbers) -> Interaction:
    """The interaction with its replacements numbered anew, and lengths that fit."""
    if not numbers or not any(mark in numbers for mark in _marks(interaction)):
        return interaction

    def text(raw: bytes) -> bytes:
        return MARK.sub(
            lambda mark: b"REDACTED-%s-%s" % (mark[1], numbers.get((mark[1], mark[2]), mark[2])), raw
        )

    def clean(node: N) -> N:
        return _mapped(node, text)

    request, response = interaction.request, interaction.response
    return replace(
        interaction,
        request=replace(
            request,
            url=clean(request.url),
            headers=clean(request.headers),
            form=clean(request.form),
            body=text(request.body),
            content_length=_length(request, text(request.body)),
        ),
        response=replace(
            response,
            headers=clean(response.headers),
            trailer=clean(response.trailer),
            body=text(response.body),
            content_length=_length(response, text(response.body)),
        ),
    )


def _length(message: Request | Response, body: bytes) -> int:
    same = message.content_length == len(message.body)
    return len(body) if same else message.content_length


def _mapped(node: N, text: Callable[[bytes], bytes]) -> N:
    mapped: Node
    match node:
        case bytes():
            mapped = text(node)
        case Plain():
            mapped = node
        case str():
            raw = text(node.encode("utf-8", "surrogateescape"))
            mapped = raw.decode("utf-8", "surrogateescape")
        case Mapping():
            mapped = {_mapped(name, text): _mapped(value, text) for name, value in node.items()}
        case _:
            mapped = tuple(_mapped(value, text) for value in node)  # as the reader has them
    return mapped  # type: ignore[return-value] # a node of the kind that was given


def _says_the_same(old: Interaction, new: Interaction) -> bool:
    response = replace(new.response, duration=old.response.duration, extra=old.response.extra)
    request = replace(new.request, extra=old.request.extra, host=old.request.host)
    return response == old.response and request == old.request
