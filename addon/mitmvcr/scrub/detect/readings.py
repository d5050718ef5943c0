"""Other readings of a text in which a secret may hide: unescaped, or joined over a stream's events.

A view is a text and the way back from places in it to places in the bytes it was made from.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from mitmvcr.scrub.detect.json_leaves import leaves
from mitmvcr.scrub.detect.tokens import Span

# ASCII from the blank on, as `\u0041` or `\x41` (more backslashes where JSON nests), `%41`, `%2541`, `\/`.
_ESCAPE = re.compile(
    rb"\\{1,8}u00([2-7][0-9A-Fa-f])|\\{1,8}x([2-7][0-9A-Fa-f])|%(?:25){0,2}([2-7][0-9A-Fa-f])|\\{1,8}(/)"
)
# Whether there is any such escape but those of URLs.
_BACKSLASHED = re.compile(rb"\\(?:u00[2-7]|/|x[2-7])")


@dataclass(frozen=True, slots=True)
class Unescaped:
    """A text without JSON's, YAML's and URLs' escapes of ASCII, nested ones included."""

    text: bytes
    _places: Sequence[int]
    _shrunk: Sequence[int]

    def spans(self, start: int, end: int) -> list[Span]:
        return [(self._back(start), self._back(end))]

    def _back(self, at: int) -> int:
        return at + self._shrunk[bisect_left(self._places, at)]


def unescaped(data: bytes) -> Unescaped | None:
    """The text without escapes; None if it has none that could hide a secret."""
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
    return Unescaped(b"".join(pieces), places, shrunk)


# 12 ASCII characters or more, each with a zero byte behind it; the last one's may be cut off.
_WIDE = re.compile(rb"(?:[\t\n\r -~]\0){12,}[ -~]?")


@dataclass(frozen=True, slots=True)
class Wide:
    """A stretch of UTF-16's ASCII, of either byte order: each character and the zero byte behind it."""

    text: bytes
    _at: int
    _size: int

    def spans(self, start: int, end: int) -> list[Span]:
        return [(self._at + 2 * start, self._at + min(2 * end, self._size))]


def wide(data: bytes) -> Iterator[Wide]:
    """The stretches of UTF-16 in a text, each by itself."""
    if b"\0" in data:
        for found in _WIDE.finditer(data):
            stretch = found.group()
            yield Wide(stretch[::2], found.start(), len(stretch))


# A backslash at the line's end, the indentation below, and the backslash that keeps a blank.
_FOLD = re.compile(rb"\\\r?\n[ \t]*+(?:\\(?=[ \t]))?")


def unfolded(data: bytes) -> bytes:
    r"""YAML text without the folds of double quotes: a backslash, the line's end, the next one's indentation.

    A blank that begins the next line has a backslash in front; that of an escape as `\"` stays.
    """
    return _FOLD.sub(b"", data) if b"\\" in data else data


@dataclass(frozen=True, slots=True)
class Joined:
    """What a stream's events say one after the other, without the frames around it."""

    text: bytes
    _at: Sequence[int]
    _origins: Sequence[int]

    def spans(self, start: int, end: int) -> list[Span]:
        out = []
        number = bisect_right(self._at, start) - 1
        while start < end:
            stop = min(end, self._at[number + 1]) if number + 1 < len(self._at) else end
            origin = self._origins[number] + start - self._at[number]
            if stop > start:
                out.append((origin, origin + stop - start))
            start = stop
            number += 1
        return out


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


def joined(data: bytes) -> Iterator[Joined]:
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


def _join(data: bytes, fragments: Sequence[Span]) -> Joined:
    pieces, at, origins = [], [], []
    size = 0
    for start, end in fragments:
        if end > start:
            pieces.append(data[start:end])
            at.append(size)
            origins.append(start)
            size += end - start
    return Joined(b"".join(pieces), at, origins)
