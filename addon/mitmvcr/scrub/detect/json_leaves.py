"""JSON text -> its leaves with their places and what stands above them; reads without building values."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

from mitmvcr.scrub.credential_names import (
    CredentialName,
    Strength,
    begins_conversation,
    credential_name,
    stands_beside,
)

Path = tuple[str | int, ...]

# A string (group 1 inside its quotes; a colon behind makes it a key), a list of numbers alone, which may be a
# vector of thousands, a mark of structure, or a number or word.
_PART = re.compile(
    rb'"((?:[^"\\]++|\\.)*+)"(\s*+:)?|(\[[-+0-9.eE,\s]*+\])|([{}\[\],])|([^\s{}\[\],:"]++)', re.DOTALL
)
_WORD = re.compile(rb"true|false|null|NaN|-?Infinity|[-+0-9.eE]++")


@dataclass(slots=True)
class JsonLeaf:
    """A key, a string (`start` to `end` are inside its quotes), number, word, or a list of numbers with its brackets.

    `name` is what the key, or one above, tells; `is_said`: it is part of a conversation. `is_list` is so of lists
    of numbers.
    """

    path: Path
    start: int
    end: int
    is_string: bool
    is_key: bool = False
    is_list: bool = False
    name: CredentialName | None = None
    is_said: bool = False


class NoJsonError(ValueError):
    """The text is no JSON."""


# What a container passes on to what is in it.
_State = tuple[CredentialName | None, bool]


def leaves(data: bytes, start: int = 0, end: int | None = None, *, is_said: bool = False) -> Iterator[JsonLeaf]:
    """The leaves in their order; raises NoJsonError where the text is no JSON, behind what came before it."""
    end = len(data) if end is None else end
    path: list[str | int] = []
    above: list[_State] = []  # of the containers around
    inside: _State = (None, is_said)  # of the innermost container
    state = inside  # of the value that comes next
    at = start
    for part in _PART.finditer(data, start, end):
        left, right = part.span()
        if left != at and data[at:left].strip():
            raise NoJsonError
        at = right
        kind = part.lastindex
        if kind == 2:
            if not path or type(path[-1]) is int:
                raise NoJsonError
            key = text_of(part[1])
            path[-1] = key
            state = _below(inside, key)
            yield JsonLeaf(tuple(path), *part.span(1), is_string=True, is_key=True, is_said=state[1])
        elif kind == 1:
            yield JsonLeaf(tuple(path), *part.span(1), is_string=True, name=state[0], is_said=state[1])
        elif kind == 4:
            mark = data[left]
            if mark == _COMMA:
                if not path:
                    raise NoJsonError
                last = path[-1]
                if type(last) is int:
                    path[-1] = last + 1
                state = inside
            elif mark in _OPENING:
                above.append(inside)
                inside = state if mark == _BRACKET else (descends(state[0]), state[1])
                state = inside
                path.append(0 if mark == _BRACKET else "")
            else:
                if not path:
                    raise NoJsonError
                path.pop()
                inside = above.pop()
                state = inside
        elif kind == 3:
            yield JsonLeaf(
                tuple(path), left, right, is_string=False, is_list=True, name=state[0], is_said=state[1]
            )
        else:
            if not _WORD.fullmatch(data, left, right):
                raise NoJsonError
            yield JsonLeaf(tuple(path), left, right, is_string=False, name=state[0], is_said=state[1])
    if path or data[at:end].strip():
        raise NoJsonError


_COMMA, _BRACKET = b",["
_OPENING = b"{["


def _below(container: _State, key: str) -> _State:
    """What a key passes on to its value: a credential's very name goes down to all that is below it."""
    above, is_said = container
    own = credential_name(key)
    if above is not None and (own is None or own.strength is not Strength.EXACT):
        own = None if stands_beside(key) else above
    return own, is_said or begins_conversation(key)


def descends(name: CredentialName | None) -> CredentialName | None:
    """What of a key's meaning holds for what is in a list or an object under it."""
    return name if name is not None and name.strength is Strength.EXACT else None


def text_of(raw: bytes) -> str:
    """A string's text, or its bytes where it is no proper JSON."""
    if b"\\" not in raw:
        return raw.decode("utf-8", "replace")
    try:
        return str(json.loads(b'"' + raw + b'"', strict=False))
    except ValueError:
        return raw.decode("utf-8", "replace")


def path_text(path: Path) -> str:
    """A path as people write it: `messages[0].content`."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return text.removeprefix(".")
