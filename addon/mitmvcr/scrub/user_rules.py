"""The user's own rules, compiled: patterns, JSONPaths, functions, and what is allowed to stay."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from mitmvcr.config import user_functions
from mitmvcr.config.settings import check_json_path
from mitmvcr.errors import SettingsError
from mitmvcr.http import sse
from mitmvcr.model import Interaction
from mitmvcr.scrub.detect.hits import Hit
from mitmvcr.scrub.detect.json_leaves import leaves
from mitmvcr.scrub.memory import MARK
from mitmvcr.scrub.policy import Policy, PolicyError
from mitmvcr.scrub.rules.phrases import ALWAYS, EMAILS, HOME_PATHS, Finder, Guarded


@dataclass(frozen=True, slots=True)
class Custom:
    """A policy's rules: what finds secrets in any text, what works on JSON and on interactions."""

    finders: tuple[Guarded, ...]
    paths: tuple[str, ...]
    functions: tuple[Callable[[Interaction], Interaction], ...]
    allow: tuple[tuple[str, str], ...]

    def allows(self, rule: str, field: str) -> bool:
        """Whether the user has said that what this rule finds in this field is no secret."""
        return any(fnmatchcase(rule, one) and fnmatchcase(field, where) for one, where in self.allow)

    def by_path(self, data: bytes, replacement: Callable[[str, bytes], bytes]) -> bytes:
        """The body with what the JSONPaths find replaced, in each event if it is a stream."""
        out: list[bytes] = []
        at = 0
        for start, end, new in self.edits(data, replacement):
            out += data[at:start], new
            at = end
        return b"".join([*out, data[at:]]) if out else data

    def edits(
        self, data: bytes, replacement: Callable[[str, bytes], bytes]
    ) -> Iterator[tuple[int, int, bytes]]:
        """What the JSONPaths find in a body: from where to where, and what replaces it."""
        if not self.paths:
            return
        spans = [(0, len(data))]
        if sse.has_events(data):
            spans = [line for event in sse.events(data) for line in event.lines]
        for start, end in spans:
            yield from self._in_document(data, start, end, replacement)

    def _in_document(
        self, data: bytes, start: int, end: int, replacement: Callable[[str, bytes], bytes]
    ) -> Iterator[tuple[int, int, bytes]]:
        import jsonpath_rfc9535  # noqa: PLC0415 - 60 ms that only those who redact by path pay

        try:
            value = json.loads(data[start:end])
        except (ValueError, RecursionError):
            return
        if not isinstance(value, dict | list):
            return
        found = {node.location for path in self.paths for node in jsonpath_rfc9535.find(path, value)}
        for leaf in leaves(data, start, end) if found else ():
            if not any(leaf.path[:size] in found for size in range(len(leaf.path) + 1)):
                continue
            text = data[leaf.start : leaf.end]
            if leaf.is_string and text and not MARK.fullmatch(text):
                yield leaf.start, leaf.end, replacement("custom", text)
            elif not leaf.is_string and text != b"null":
                yield leaf.start, leaf.end, b'"%s"' % replacement("custom", text)


def compile_custom(policy: Policy) -> Custom:
    """The rules of a policy; raises PolicyError that names the entry which can't be."""
    finders = [*ALWAYS]
    if policy.emails:
        finders.append(EMAILS)
    if policy.home_paths:
        finders.extend(HOME_PATHS)
    paths, functions = [], []
    for number, entry in enumerate(policy.redact, start=1):
        place = f"redact, entry {number}"
        if entry.startswith("$"):
            paths.append(_path(entry, place))
        elif entry.startswith("py:"):
            functions.append(_function(entry, place))
        else:
            finders.append(((), _pattern(entry.removeprefix("re:"), place, number)))
    return Custom(tuple(finders), tuple(paths), tuple(functions), _allowed(policy.allow))


def _path(entry: str, place: str) -> str:
    try:
        check_json_path(entry)
    except SettingsError as error:
        raise PolicyError(f"{place}: {error}") from None
    return entry


def _function(entry: str, place: str) -> Callable[[Interaction], Interaction]:
    try:
        function = user_functions.load(entry)
    except SettingsError as error:
        raise PolicyError(f"{place}: {error}") from None
    result: Callable[[Interaction], Interaction] = function  # type: ignore[assignment] # a user wrote it
    return result


def _pattern(text: str, place: str, number: int) -> Finder:
    try:
        pattern = re.compile(text.encode())
    except re.error as error:
        raise PolicyError(f"{place}: {text!r}: {error.msg} at position {error.pos}") from None
    if pattern.search(b"") is not None:
        raise PolicyError(f"{place}: {text!r} matches the empty text: it would find a secret everywhere")

    def finder(data: bytes) -> Iterator[Hit]:
        for found in pattern.finditer(data):
            start, end = found.span(1 if pattern.groups else 0)
            if start < end:
                yield Hit(start, end, f"custom-{number}", "custom", data[start:end])

    return finder


def _allowed(entries: Sequence[str]) -> tuple[tuple[str, str], ...]:
    out = []
    for number, entry in enumerate(entries, start=1):
        rule, at, field = entry.strip().partition("@")
        if not (rule and at and field):
            raise PolicyError(f"allow, entry {number}: {entry!r}: give rule@field, as the message had it")
        out.append((rule, field))
    return tuple(out)
