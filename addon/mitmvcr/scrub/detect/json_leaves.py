"""JSON text -> its leaves with their places in it; reads without building values, changes nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

Path = tuple[str | int, ...]

# A string (group 1 inside its quotes), a mark of structure, or a number or word.
_PART = re.compile(rb'"((?:[^"\\]++|\\.)*+)"|([{}\[\],:])|([^\s{}\[\],:"]++)')


@dataclass(frozen=True, slots=True)
class JsonLeaf:
    """A string (`start` to `end` are inside its quotes), number, true, false or null."""

    path: Path
    start: int
    end: int
    is_string: bool


def leaves(data: bytes, start: int = 0, end: int | None = None) -> Iterator[JsonLeaf]:
    """The leaves in their order; stops quietly where the text is no JSON."""
    path: list[str | int] = []
    key: str | None = None
    is_key = False
    for part in _PART.finditer(data, start, len(data) if end is None else end):
        mark = part[2]
        if mark is None:
            is_string = part[1] is not None
            span = part.span(1) if is_string else part.span()
            if is_key and is_string:
                key = _text(part[1])
                path[-1] = key
                is_key = False
            else:
                yield JsonLeaf(tuple(path), *span, is_string)
        elif mark == b"{":
            path.append("")
            is_key = True
        elif mark == b"[":
            path.append(0)
            is_key = False
        elif mark in b"}]":
            if not path:
                return
            path.pop()
            is_key = False
        elif mark == b"," and path:
            last = path[-1]
            if isinstance(last, int):
                path[-1] = last + 1
            else:
                is_key = True


def _text(raw: bytes) -> str:
    if b"\\" not in raw:
        return raw.decode("utf-8", "replace")
    try:
        return str(json.loads(b'"' + raw + b'"'))
    except ValueError:
        return raw.decode("utf-8", "replace")
