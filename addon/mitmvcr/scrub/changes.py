"""What is to be replaced in a value, made; and what was replaced, for people to read. Decides nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from mitmvcr.scrub.placeholders import MARK
from mitmvcr.scrub.rules.detection import Evidence


@dataclass(frozen=True, slots=True)
class Change:
    """A part of a value, from `start` to `end`, that is secret: `value`, decoded; `new` takes its place.

    `new` is empty where it is the rest of a secret that is in pieces, and what stands there already where
    nothing else can. `path` says where in the value it stands: JSON's keys, a form's field. Without a rule it
    is of no secret: it puts right what the others make wrong.
    """

    start: int
    end: int
    new: bytes
    rule: str
    kind: str
    value: bytes
    evidence: Evidence
    path: str = ""


@dataclass(frozen=True, slots=True)
class Redaction:
    """A secret that was replaced: where, of which kind, and what told that it is one; never the secret.

    `field` names the part as messages do (`request.body`), `path` the place in it (`messages[0].content`).
    """

    field: str
    path: str
    rule: str
    kind: str
    evidence: Evidence


def of_same_size(changes: Sequence[Change], value: bytes) -> list[Change]:
    """The changes of a value whose size must stay: with zeros in front of the replacement's number.

    Where that can't be, what stands there stays.
    """
    in_pieces = {change.value for change in changes if not change.new}
    return [
        replace(change, new=_padded(change, change.value in in_pieces) or value[change.start : change.end])
        for change in changes
    ]


def _padded(change: Change, is_in_pieces: bool) -> bytes:
    """What takes the place of a secret in its own size; empty if nothing can."""
    missing = change.end - change.start - len(change.new)
    if is_in_pieces or missing < 0 or (missing and not MARK.fullmatch(change.new)):
        return b""
    kind, hyphen, number = change.new.rpartition(b"-")
    return kind + hyphen + b"0" * missing + number


def changed(value: bytes, changes: Iterable[Change]) -> bytes:
    """The value with the changes made; they don't overlap."""
    out = []
    at = 0
    for change in sorted(changes, key=lambda change: change.start):
        out += [value[at : change.start], change.new]
        at = change.end
    return b"".join([*out, value[at:]])
