"""Whether a file's last entry is the beginning of one, as a writer leaves it that was killed; cuts nothing.

An entry is torn if it ends before the answer's `code` does, be it readable so far or not. One that has its
code is whole, though keys be missing that need not be there: people write such files, and go-vcr loads them.
Only where the file's other entries have a `duration`, and this one has each key that go-vcr always writes
before it, is it torn without.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from mitmvcr.formats.govcr.fields import REQUEST, RESPONSE

# go-vcr leaves these out where they are empty, from v4.0.3 on.
_MAY_BE_ABSENT = frozenset(
    {
        *("request.transfer_encoding", "request.trailer", "request.remote_addr", "request.request_uri"),
        *("request.body", "request.form", "request.headers"),
        *("response.transfer_encoding", "response.trailer", "response.uncompressed"),
    }
)
_ALWAYS = [
    name
    for name in (
        *("id", "request", *(f"request.{field}" for field in REQUEST)),
        *("response", *(f"response.{field}" for field in RESPONSE)),
    )
    if name not in _MAY_BE_ABSENT
]
_KINDS = {f"{side}.{name}": kind for side, fields in (("request", REQUEST), ("response", RESPONSE))
          for name, kind in fields.items()}  # fmt: skip
_WRITTEN = frozenset({"id", "request", "response", *_KINDS, "response.event_gaps", "response.ended"})

# A key in a line, and what stands behind its colon.
_KEY = re.compile(rb"( *+)(?:- )?([a-z_]+):(?:[ ]([^\r\n]*+))?[\r\n]*+\Z")
# What may be there of an entry's first line.
_FIRST = re.compile(rb" *+-(?: (?:i(?:d(?::(?: [0-9]*+)?)?)?)?)?")
_NUMBER = re.compile(rb"[0-9]{1,18}")


def is_begun(entry: bytes) -> bool:
    """Whether a last entry that can't be read is what is left of one that a writer had begun.

    Its lines, but for the last one that may be cut, are `- id: 7` and go-vcr's own fields.
    """
    *lines, last = entry.splitlines(keepends=True) or [b""]
    has_value = (key := _KEY.fullmatch(last)) is not None and bool(key[3])
    if last.endswith((b"\n", b"\r")) or has_value:
        lines.append(last)
    if len(lines) <= 1 and _FIRST.fullmatch(entry.rstrip(b"\r\n")):
        return True
    names = list(_keys(lines)) or ["?"]
    if names[0] != "id" or not _WRITTEN.issuperset(names):
        return False
    # Of lists and mappings no more is written in brackets than those that are empty.
    is_bracket = key is not None and has_value and key[3].startswith((b"[", b"{"))
    return not is_bracket or _KINDS.get(names[-1]) in ("strings", "values")


def is_written(entry: bytes) -> bool:
    """Whether an entry has all keys that go-vcr always writes before its duration, in go-vcr's order."""
    names = [name for name in _keys(entry.splitlines(keepends=True)) if name in _ALWAYS]
    return names[: len(_ALWAYS) - 1] == _ALWAYS[:-1]


def _keys(lines: list[bytes]) -> Iterator[str]:
    """The names of an entry's keys and of those of its request and response: `id request request.url …`.

    A line with anything else at a key's column is named `?`.
    """
    entry = len(lines[0]) - len(lines[0].lstrip(b" ")) + 2 if lines else 0
    column = 0  # of the fields of a request or a response
    side = ""
    for number, line in enumerate(lines):
        found = _KEY.fullmatch(line)
        at = len(found[1]) + (2 if number == 0 else 0) if found else -1
        name = found[2].decode() if found else ""
        if found and at == entry:
            if (name == "id") != bool(_NUMBER.fullmatch(found[3] or b"")):
                yield "?"
            side, column = name, 0
            yield name
        elif found and side in ("request", "response") and at == (column or at):
            column = at
            yield f"{side}.{name}"
        elif number == 0 or (column and _is_left_of(line, column)):
            yield "?"


def _is_left_of(line: bytes, column: int) -> bool:
    text = line.rstrip(b"\r\n")
    return bool(text) and len(text) - len(text.lstrip(b" ")) < column and text.lstrip(b" ")[:1] != b"-"
