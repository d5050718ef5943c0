"""What the user's functions change in a cassette's exchanges -> edits of its text; has no rules."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mitmvcr import formats
from mitmvcr.errors import FormatError
from mitmvcr.http.go_rules import canonical_header
from mitmvcr.model import Request, Response, Values
from mitmvcr.scrub.files.finder import Finder, MessageEdits
from mitmvcr.scrub.files.roles import FileMessage, MessagePart, Role
from mitmvcr.scrub.policy import Custom, FunctionError


def look(data: bytes, found: Sequence[FileMessage], rules: Custom, finder: Finder) -> list[MessageEdits]:
    """What the functions change in URLs, headers and bodies, all of what they return that is read.

    `found` are the file's messages in their order. Raises FunctionError.
    """
    try:
        interactions = formats.load(data)[1].interactions
    except FormatError:
        return []  # whoever reads it next says what is wrong
    sides = [[message for message in found if message.side == side] for side in ("request", "response")]
    if not len(sides[0]) == len(sides[1]) == len(interactions):
        raise FunctionError("functions can't be applied in place: convert it, which applies them")
    results = []
    for before, request, response in zip(interactions, *sides, strict=True):
        after = rules.applied(before)
        for message, old, new in (
            (request, before.request, after.request),
            (response, before.response, after.response),
        ):
            for part, was, becomes in _changes(message, old, new):
                result = finder.put(part, message, was, becomes)
                if not result.edits and not finder.allows(part):
                    raise FunctionError(
                        f"what a function makes of {part.field} can't be put there: convert it"
                    )
                results.append(result)
    return results


def _changes(
    message: FileMessage, old: Request | Response, new: Request | Response
) -> Iterator[tuple[MessagePart, bytes, bytes]]:
    """The parts that get another value, their value and that."""
    if isinstance(old, Request) and isinstance(new, Request) and old.url != new.url:
        for part in message.parts:
            if part.role is Role.URL and part.leaf.text == old.url:
                yield part, _bytes(old.url), _bytes(new.url)
    if old.headers != new.headers:
        yield from _header_changes(message, old.headers, new.headers)
    if old.body != new.body:
        if message.body is None:
            raise FunctionError(
                f"what a function makes of {message.side}.body can't be put there: convert it"
            )
        yield message.body, old.body, new.body


def _header_changes(
    message: FileMessage, old: Values, new: Values
) -> Iterator[tuple[MessagePart, bytes, bytes]]:
    """A header that is gone is emptied."""
    for name, values in old.items():
        parts = [part for part in message.headers if canonical_header(part.name) == canonical_header(name)]
        others = [*new.get(name, ()), *[""] * len(values)]
        for part, value, other in zip(parts, values, others, strict=False):
            if value != other and part.leaf.text == value:
                yield part, _bytes(value), _bytes(other)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
