"""Other readings of a text in which a secret may hide: unescaped, or joined over a stream's events."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

from mitmvcr.scrub.detect.json_leaves import leaves
from mitmvcr.scrub.detect.tokens import Span

# ASCII from the blank on, as `\u0041` or `\x41` (more backslashes where JSON nests), `%41`, `%2541`, `\/`.
_ESCAPE = re.compile(
    rb"\\{1,8}u00([2-7][0-9A-Fa-f])|\\{1,8}x([2-7][0-9A-Fa-f])|%(?:25){0,2}([2-7][0-9A-Fa-f])|\\{1,8}(/)"
)
# Whether there is any such escape but those of URLs.
_BACKSLASHED = re.compile(rb"\\(?:u00[2-7]|/|x[2-7])")


@dataclass(frozen=True, slots=True)
class View:
    """A text in which secrets may hide, and what gives the places in the bytes for places in it.

    Several where they are apart there. `is_wide`: the bytes are UTF-16.
    """

    text: bytes
    spans: Callable[[int, int], list[Span]]
    is_wide: bool = False


def whole_views(data: bytes) -> Iterator[View]:
    """The text itself, unescaped, and its stretches of UTF-16."""
    yield View(data, lambda start, end: [(start, end)])
    plain = unescaped(data)
    if plain:
        yield plain
    yield from wide(data)


def split_views(data: bytes) -> Iterator[View]:
    """What a stream's events make up together, as it is and unescaped."""
    for view in joined(data):
        yield view
        plain = unescaped(view.text)
        if plain:
            yield _through(plain, view)


def _through(inner: View, outer: View) -> View:
    return View(
        inner.text, lambda *span: [back for place in inner.spans(*span) for back in outer.spans(*place)]
    )


def unescaped(data: bytes) -> View | None:
    """The text without JSON's, YAML's and URLs' escapes of ASCII, also nested ones; None if it has none."""
    if b"%" not in data and not _BACKSLASHED.search(data):
        return None
    pieces: list[bytes] = []
    places, shrunk = [], [0]
    at = lost = 0
    for found in _ESCAPE.finditer(data):
        start, end = found.span()
        pieces += data[at:start], found[4] or bytes.fromhex((found[1] or found[2] or found[3]).decode())
        places.append(start - lost)
        lost += end - start - 1
        shrunk.append(lost)
        at = end
    if not places:
        return None
    pieces.append(data[at:])

    def back(place: int) -> int:
        return place + shrunk[bisect_left(places, place)]

    return View(b"".join(pieces), lambda start, end: [(back(start), back(end))])


# 12 ASCII characters or more, each with a zero byte behind it; the last one's may be cut off.
_WIDE = re.compile(rb"(?:[\t\n\r -~]\0){12,}[ -~]?")


def wide(data: bytes) -> Iterator[View]:
    """The stretches of UTF-16's ASCII in a text, of either byte order, each by itself."""
    for found in _WIDE.finditer(data) if b"\0" in data else ():
        yield _wide(found.group(), found.start())


def _wide(stretch: bytes, at: int) -> View:
    size = len(stretch)
    return View(stretch[::2], lambda start, end: [(at + 2 * start, at + min(2 * end, size))], is_wide=True)


# A backslash at the line's end, the indentation below, and the backslash that keeps a blank.
_FOLD = re.compile(rb"\\\r?\n[ \t]*+(?:\\(?=[ \t]))?")


def unfolded(data: bytes) -> bytes:
    r"""YAML text without the folds of double quotes: a backslash, the line's end, the next one's indentation.

    A blank that begins the next line has a backslash in front; that of an escape as `\"` stays.
    """
    return _FOLD.sub(b"", data) if b"\\" in data else data


_DELTA = re.compile(
    rb'"(?=[acdprt])(content|delta|arguments|text|reasoning|reasoning_content|refusal|partial_json|thinking|response'
    rb'|transcript)":[ \t]*"((?:[^"\\]++|\\.)*+)"'
)
"""The keys under which streams send pieces of text: OpenAI's, Anthropic's, DeepSeek's, Ollama's."""

# An index above 0: pieces of several texts may take turns.
_SECOND = re.compile(rb'index"[ \t]*:[ \t]*[1-9]')
_INDEX = re.compile(rb'index"[ \t]*:[ \t]*([0-9]+)')
# An event's data that is no JSON.
_PLAIN_FIRST = re.compile(rb"data:[ \t]?+((?![\[{])[^\r\n]+)")
# Five times as fast as `^`, which is tried at every byte.
_PLAIN = re.compile(rb"\n" + _PLAIN_FIRST.pattern)


def joined(data: bytes) -> Iterator[View]:
    """The texts that a stream's events make up together, each by itself."""
    names: dict[bytes, list[Span]] = {}
    for found in _DELTA.finditer(data):
        names.setdefault(found[1], []).append(found.span(2))
    interleaved = _SECOND.search(data) is not None
    for spans in names.values():
        if len(spans) > 1:
            for fragments in _by_index(data, spans) if interleaved else (spans,):
                if len(fragments) > 1:
                    yield _join(data, fragments)
    first = _PLAIN_FIRST.match(data)
    plain = [first.span(1)] if first else []
    plain += [found.span(1) for found in _PLAIN.finditer(data)]
    if len(plain) > 1:
        yield _join(data, plain)


def joined_texts(data: bytes) -> Iterable[bytes]:
    """The texts of `joined` without their places, which is quicker."""
    if _SECOND.search(data):
        return [view.text for view in joined(data)]
    first = _PLAIN_FIRST.match(data)
    names: dict[bytes, list[bytes]] = {b"": [first[1]] if first else []}
    names[b""] += _PLAIN.findall(data)
    for name, text in _DELTA.findall(data):
        names.setdefault(name, []).append(text)
    return [b"".join(texts) for texts in names.values() if len(texts) > 1]


def _by_index(data: bytes, spans: Sequence[Span]) -> Iterable[list[Span]]:
    """The pieces of one name, apart by the indices in their events (of choice, tool call, output)."""
    groups: dict[object, list[Span]] = {}
    lines: dict[int, list[Span]] = {}
    for span in spans:
        lines.setdefault(data.rfind(b"\n", 0, span[0]) + 1, []).append(span)
    for start, pieces in lines.items():
        end = data.find(b"\n", pieces[-1][1])
        end = len(data) if end < 0 else end
        if len(pieces) == 1:
            groups.setdefault(tuple(_INDEX.findall(data, start, end)), []).append(pieces[0])
        else:
            for key, span in _crowded(data, start, end, pieces):
                groups.setdefault(key, []).append(span)
    return groups.values()


def _crowded(data: bytes, start: int, end: int, pieces: Sequence[Span]) -> Iterator[tuple[object, Span]]:
    """The pieces of one event with what tells them apart: the indices beside and above each."""
    opening = max(data.find(b"{", start, end), start)
    found = list(leaves(data, opening, end))
    numbers = [
        (leaf.path[:-1], data[leaf.start : leaf.end])
        for leaf in found
        if str(leaf.path[-1:]).find("index") >= 0
    ]
    wanted = set(pieces)
    for leaf in found:
        if (leaf.start, leaf.end) in wanted:
            key = tuple(number for where, number in numbers if leaf.path[: len(where)] == where)
            yield key, (leaf.start, leaf.end)


def _join(data: bytes, fragments: Sequence[Span]) -> View:
    fragments = [span for span in fragments if span[0] < span[1]]
    # Where each begins in the text, and at last where that ends.
    starts = [0, *accumulate(end - start for start, end in fragments)]

    def spans(start: int, end: int) -> list[Span]:
        first, last = bisect_right(starts, start) - 1, bisect_left(starts, end)
        places = []
        for at, (origin, _), stop in zip(
            starts[first:last], fragments[first:last], starts[first + 1 : last + 1], strict=True
        ):
            left = max(start, at)
            places.append((origin + left - at, origin + min(end, stop) - at))
        return places

    return View(b"".join(data[start:end] for start, end in fragments), spans)
