"""What the user wants kept and redacted besides the defaults, and these rules compiled."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from mitmvcr.config import user_functions
from mitmvcr.config.settings import Settings, check_json_path
from mitmvcr.errors import MitmvcrError, SettingsError
from mitmvcr.http import sse
from mitmvcr.model import Interaction
from mitmvcr.scrub.detect.json_leaves import JsonLeaf, leaves
from mitmvcr.scrub.placeholders import MARK
from mitmvcr.scrub.rules.detection import Detection
from mitmvcr.scrub.rules.pattern_cost import costly_text
from mitmvcr.scrub.rules.phrases import Finder, Guarded, finders


class PolicyError(MitmvcrError):
    """A policy asks for what it can't have; the text names the option, the entry and the remedy."""


@dataclass(frozen=True, slots=True)
class Policy:
    """Additions to the defaults; see `Scrubber` for how each is read.

    `keep_headers`: names of headers to keep besides the default list; `name=redact` keeps a header
    with its value replaced, the only way to keep one that carries credentials.
    `redact`: patterns (Python's `re`; `re:` in front is allowed), JSONPaths (`$…`) whose values are
    replaced, and `py:FILE.py:NAME` or `py:MODULE:NAME` for a function from Interaction to Interaction.
    `allow`: `rule@field`, both with `*` as a wildcard: what is neither redacted nor refused.
    `emails`, `home_paths`: whether those are redacted too.
    """

    keep_headers: tuple[str, ...] = ()
    redact: tuple[str, ...] = ()
    allow: tuple[str, ...] = ()
    emails: bool = False
    home_paths: bool = False

    @classmethod
    def of(cls, settings: Settings) -> Policy:
        """The policy that the options ask for; `emails` and `home-paths` are words of `vcr_redact`."""
        words = {"emails", "home-paths"}
        return cls(
            keep_headers=settings.keep_headers,
            redact=tuple(entry for entry in settings.redact if entry not in words),
            allow=settings.allow,
            emails="emails" in settings.redact,
            home_paths="home-paths" in settings.redact,
        )


class FunctionError(MitmvcrError):
    """A user's function failed, or what it changes can't be put in place; the text says which and why."""


@dataclass(frozen=True, slots=True)
class Custom:
    """A policy's rules: what finds secrets in any text, what works on JSON and on interactions.

    `own_finders` are those of the user's patterns, which are among `finders` too.
    """

    finders: tuple[Guarded, ...]
    own_finders: tuple[Guarded, ...]
    paths: tuple[str, ...]
    functions: tuple[Callable[[Interaction], Interaction], ...]
    allow: tuple[tuple[str, str], ...]

    def allows(self, rule: str, field: str) -> bool:
        """Whether the user has said that what this rule finds in this field is no secret."""
        return any(fnmatchcase(rule, rules) and fnmatchcase(field, fields) for rules, fields in self.allow)

    def applied(self, interaction: Interaction) -> Interaction:
        """What the functions make of an interaction; raises FunctionError."""
        for function in self.functions:
            name = getattr(function, "__qualname__", repr(function))
            try:
                interaction = function(interaction)
            except Exception as error:  # it is the user's, and may raise anything
                raise FunctionError(
                    f"the function {name} of redact failed: {type(error).__name__}: {error}"
                ) from error
            if not isinstance(interaction, Interaction):
                raise FunctionError(
                    f"the function {name} of redact returned {type(interaction).__name__}, no Interaction"
                )
        return interaction

    def by_path(self, body: bytes) -> Iterator[JsonLeaf]:
        """The leaves of a JSON body that the JSONPaths choose, in each event if it is a stream.

        Neither null, which says nothing, nor what was replaced before.
        """
        if not self.paths:
            return
        spans = [(0, len(body))]
        if sse.has_events(body):
            spans = [line for event in sse.events(body) for line in event.lines]
        for start, end in spans:
            yield from self._in_document(body, start, end)

    def _in_document(self, data: bytes, start: int, end: int) -> Iterator[JsonLeaf]:
        import jsonpath_rfc9535  # noqa: PLC0415 - 60 ms that only those who redact by path pay

        try:
            value = json.loads(data[start:end])
        except (ValueError, RecursionError):
            return
        if not isinstance(value, dict | list):
            return
        found = {node.location for path in self.paths for node in jsonpath_rfc9535.find(path, value)}
        for leaf in leaves(data, start, end) if found else ():
            if leaf.is_key or not any(leaf.path[:size] in found for size in range(len(leaf.path) + 1)):
                continue
            text = data[leaf.start : leaf.end]
            if (text and not MARK.fullmatch(text)) if leaf.is_string else text != b"null":
                yield leaf


def compile_custom(policy: Policy) -> Custom:
    """The rules of a policy; raises PolicyError that names the entry which can't be."""
    own_finders: list[Guarded] = []
    paths: list[str] = []
    functions: list[Callable[[Interaction], Interaction]] = []
    for number, entry in enumerate(policy.redact, start=1):
        place = f"redact, entry {number}"
        try:
            if entry.startswith("$"):
                check_json_path(entry)
                paths.append(entry)
            elif entry.startswith("py:"):
                functions.append(user_functions.load(entry))  # type: ignore[arg-type] # a user wrote it
            else:
                own_finders.append(((), _pattern(entry.removeprefix("re:"), place, number)))
        except SettingsError as error:
            raise PolicyError(f"{place}: {error}") from None
    options = [*["emails"] * policy.emails, *["home-paths"] * policy.home_paths]
    return Custom(
        (*finders(options), *own_finders),
        tuple(own_finders),
        tuple(paths),
        tuple(functions),
        _allowed(policy.allow),
    )


def _pattern(text: str, place: str, number: int) -> Finder:
    try:
        pattern = re.compile(text.encode())
    except re.error as error:
        raise PolicyError(f"{place}: {text!r}: {error.msg} at position {error.pos}") from None
    if pattern.search(b"") is not None:
        raise PolicyError(f"{place}: {text!r} matches the empty text: it would find a secret everywhere")
    costly = costly_text(pattern)
    if costly:
        raise PolicyError(
            f"{place}: {text!r} takes too long on some texts ({costly}); every client would wait. "
            "Give its repeats a bound, as {1,64} in place of + or *, and let no two of them take the same"
        )

    def finder(data: bytes) -> Iterator[Detection]:
        for found in pattern.finditer(data):
            start, end = found.span(1 if pattern.groups else 0)
            if start < end:
                yield Detection(start, end, f"custom-{number}", "custom", data[start:end])

    return finder


def _allowed(entries: Sequence[str]) -> tuple[tuple[str, str], ...]:
    out = []
    for number, entry in enumerate(entries, start=1):
        rule, at, field = entry.strip().partition("@")
        if not (rule and at and field):
            raise PolicyError(f"allow, entry {number}: {entry!r}: give rule@field, as the message had it")
        out.append((rule, field))
    return tuple(out)
