"""A stream of events -> the texts that its pieces may make up together, quickly and without their places.

It is a first look, which says where a closer one (`bodies`) is needed: pieces belong together that stand
under one key, and are the first, second … of that key in their events.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

# A key and its string.
_STRING = rb'"([\w.-]{1,64}+)"[ \t]{0,8}+:[ \t]{0,8}+"([^"\\\r\n]*+(?:\\.[^"\\\r\n]*+)*+)"'
_PAIR = re.compile(_STRING)
# Or the end of an event, or of a line in front of one.
_PAIR_OR_END = re.compile(_STRING + rb"|\n\r?(?=[\n{])|\r\r")
# An index above 0: pieces of several texts may take turns.
_SECOND = re.compile(rb'index"[ \t]*+:[ \t]*+[1-9]')
# An event's data that is no JSON.
_PLAIN_FIRST = re.compile(rb"data:[ \t]?+((?![\[{])[^\r\n]+)")
# Five times as fast as `^`, which is tried at every byte.
_PLAIN = re.compile(rb"\n" + _PLAIN_FIRST.pattern)


def has_turns(data: bytes) -> bool:
    """Whether pieces of several texts may take turns, which only a reader of each event can tell apart."""
    return _SECOND.search(data) is not None


def joined_texts(data: bytes) -> Sequence[bytes]:
    """The texts, as they are written: each piece with its own escapes."""
    first = _PLAIN_FIRST.match(data)
    plain = [first[1]] if first else []
    plain += _PLAIN.findall(data)
    texts: dict[bytes, list[bytes]] = {}
    for key, text in _PAIR.findall(data):
        if key in texts:
            texts[key].append(text)
        else:
            texts[key] = [text]
    most = max(map(len, texts.values()), default=0)
    groups = list(texts.values())
    if most > data.count(b"\n") // 2 + 1:
        groups += _by_number(data)
    joined = [b"".join(pieces) for pieces in groups if len(pieces) > 1 and len(set(pieces)) > 1]
    return [*joined, b"".join(plain)] if len(plain) > 1 else joined


def _by_number(data: bytes) -> Iterable[list[bytes]]:
    """The pieces of each key apart that are the first, second … of it in their events."""
    texts: dict[tuple[bytes, int], list[bytes]] = {}
    seen: dict[bytes, int] = {}
    for key, text in _PAIR_OR_END.findall(data):
        if not key:
            seen.clear()
            continue
        number = seen[key] = seen.get(key, -1) + 1
        texts.setdefault((key, number), []).append(text)
    return texts.values()
