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
    """A key, a string (its place is inside the quotes), a number, a word, or a list of numbers.

    `name` is what the key, or one above, tells; `is_said`: it is part of a conversation. `is_list` is so of
    lists of numbers.
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


_State = tuple[CredentialName | None, bool]
"""What a key passes on to what is below it: what it tells, and whether that is said in a conversation."""


def leaves(
    data: bytes, start: int = 0, end: int | None = None, *, is_said: bool = False
) -> Iterator[JsonLeaf]:
    """The leaves in their order; raises NoJsonError where the text is no JSON, behind what came before it."""
    end = len(data) if end is None else end
    walk = _Walk(is_said=is_said)
    at = start
    for part in _PART.finditer(data, start, end):
        left = part.start()
        if (left != at and data[at:left].strip()) or (
            not walk.path and at != start and data[start:at].strip()
        ):
            raise NoJsonError
        at = part.end()
        kind = part.lastindex
        if kind == _MARK:
            walk.mark(data[left])
        elif kind == _A_KEY:
            yield walk.key(part)
        elif kind == _A_WORD and not _WORD.fullmatch(data, left, at):
            raise NoJsonError
        else:
            yield walk.leaf(part)
    if walk.path or data[at:end].strip():
        raise NoJsonError


_A_STRING, _A_KEY, _A_LIST, _MARK, _A_WORD = 1, 2, 3, 4, 5
"""The groups of `_PART`."""

_COMMA, _BRACKET = b",["
_OPENING = b"{["


class _Walk:
    """Where a reader of JSON is: the path to the value that comes next, and what stands above it."""

    __slots__ = ("_above", "_inside", "_state", "path")

    def __init__(self, *, is_said: bool) -> None:
        self.path: list[str | int] = []
        self._above: list[_State] = []  # of the containers around
        self._inside: _State = (None, is_said)  # of the innermost container
        self._state: _State = self._inside  # of the value that comes next

    def mark(self, mark: int) -> None:
        """A comma or a bracket."""
        path = self.path
        if mark in _OPENING:
            self._above.append(self._inside)
            name, is_said = self._state
            self._inside = self._state if mark == _BRACKET else (descends(name), is_said)
            path.append(0 if mark == _BRACKET else "")
        elif not path:
            raise NoJsonError
        elif mark == _COMMA:
            last = path[-1]
            if type(last) is int:
                path[-1] = last + 1
        else:
            path.pop()
            self._inside = self._above.pop()
        self._state = self._inside

    def key(self, part: re.Match[bytes]) -> JsonLeaf:
        if not self.path or type(self.path[-1]) is int:
            raise NoJsonError
        key = text_of(part[1])
        self.path[-1] = key
        self._state = below_key(self._inside[0], key, is_said=self._inside[1])
        return JsonLeaf(tuple(self.path), *part.span(1), is_string=True, is_key=True, is_said=self._state[1])

    def leaf(self, part: re.Match[bytes]) -> JsonLeaf:
        kind = part.lastindex or 0
        name, is_said = self._state
        return JsonLeaf(
            tuple(self.path),
            *part.span(kind),
            is_string=kind == _A_STRING,
            is_list=kind == _A_LIST,
            name=name,
            is_said=is_said,
        )


def below_key(above: CredentialName | None, key: str, *, is_said: bool) -> _State:
    """What a key passes on to its value: a credential's very name goes down to all that is below it."""
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
