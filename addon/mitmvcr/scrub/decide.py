"""What in a part of an exchange is a credential, where, and what takes its place; changes nothing itself.

A part is a header's value, a URL, a parameter, a cookie, a body or any other text. Recording (`model`) and
files (`files`) make the changes that are decided here, each in its own kind of value.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from mitmvcr.http.event_stream import EventText, Patch, is_event_stream
from mitmvcr.http.framing import has_lengths
from mitmvcr.scrub.detect.archives import members
from mitmvcr.scrub.detect.scan import Scanner
from mitmvcr.scrub.detect.search import Secret, are_clear, find_secrets
from mitmvcr.scrub.headers import Fate, HeaderList, compile_headers, credential_kind, secret_spans
from mitmvcr.scrub.memory import Memory
from mitmvcr.scrub.parameters import SecretParameter, in_form, in_url, secret_parameter
from mitmvcr.scrub.placeholders import MARK
from mitmvcr.scrub.policy import Custom, Policy, compile_custom

FORM = "application/x-www-form-urlencoded"
"""The media type of bodies that are read as forms."""

ROUNDS = 6
"""How often a value is decided upon anew: what stands beside a secret may look like one when that is gone."""

_SHORTEST = 4
"""Shorter values (in bytes) are not searched: nothing but a user's pattern finds anything in them."""


@dataclass(frozen=True, slots=True)
class Change:
    """A part of a value, from `start` to `end`, that is secret: `value`, decoded; `new` takes its place.

    `new` is empty where it is the rest of a secret that a stream's events share.
    """

    start: int
    end: int
    new: bytes
    rule: str
    kind: str
    value: bytes


def of_same_size(change: Change) -> Change | None:
    """The change with zeros in front of the replacement's number; None if it can't have the secret's size."""
    missing = change.end - change.start - len(change.new)
    if missing == 0:
        return change
    if missing < 0 or not MARK.fullmatch(change.new):
        return None
    kind, _, number = change.new.rpartition(b"-")
    return replace(change, new=b"%b-%b%b" % (kind, b"0" * missing, number))


def changed(value: bytes, changes: Iterable[Change]) -> bytes:
    """The value with the changes made; they don't overlap."""
    out = []
    at = 0
    for change in sorted(changes, key=lambda change: change.start):
        out += [value[at : change.start], change.new]
        at = change.end
    return b"".join([*out, value[at:]])


class Rules:
    """A policy, compiled: what neither a cassette nor its memory changes. Safe for threads.

    Raises PolicyError if the policy asks for a header that can't be kept or has a bad entry.
    """

    def __init__(self, policy: Policy) -> None:
        self.custom: Custom = compile_custom(policy)
        self.scanner = Scanner(phrase_finders=self.custom.finders)
        self.request_headers, self.response_headers = compile_headers(policy.keep_headers)
        self.has_patterns = bool(policy.redact or policy.keep_headers)
        self.shortest = 1 if policy.redact else _SHORTEST

    def headers(self, side: str) -> HeaderList:
        """What becomes of the headers of a `request` or a `response`."""
        return self.request_headers if side == "request" else self.response_headers


class Decisions:
    """Decides for one cassette; `field` names a part as messages and `vcr_allow` do.

    With `by_name_only` the names of headers and parameters and the user's paths alone are looked at.
    """

    __slots__ = ("_memory", "_rules", "by_name_only")

    def __init__(self, rules: Rules, memory: Memory) -> None:
        self._rules = rules
        self._memory = memory
        self.by_name_only = False

    def look_over(self, texts: Sequence[bytes]) -> None:
        """Read all texts at once; if nothing is there, none of them is read again by itself."""
        self.by_name_only = are_clear(texts, self._rules.scanner, self._memory.watch)

    def text(self, value: bytes, field: str, key: str = "") -> list[Change]:
        """In a text; `key` is its key where it is a value of JSON's structure, not a text that holds JSON."""
        return self._decided(value, [], field, key)

    def url(self, value: bytes, field: str) -> list[Change]:
        """In a URL: values of parameters, and what any text may have."""
        return self._decided(value, self._parameters(value, in_url(value)), field)

    def header(self, name: str, value: bytes, side: str, field: str) -> list[Change]:
        """In a header's value; whether the header is kept at all is another question."""
        verdict = self._rules.headers(side).verdict(name)
        kind = credential_kind(name, value) if verdict.kind else None
        if kind is None and verdict.fate is Fate.REDACT:
            kind = verdict.kind or "headervalue"
        if kind is None:
            return self.url(value, field) if verdict.is_url else self.text(value, field)
        spans = secret_spans(name, value, kind)
        by_name = [self._change(start, end, kind, value[start:end], "denied-header") for start, end in spans]
        return self._decided(value, by_name, field)

    def parameter(self, name: str, value: bytes, field: str) -> list[Change]:
        """In the value of a query's or a form's parameter that stands by itself, decoded."""
        kind = secret_parameter(name, value)
        by_name = self._whole(value, kind, "secret-parameter") if kind else []
        return self._decided(value, by_name, field, name)

    def cookie(self, value: bytes, field: str) -> list[Change]:
        """In the value of a cookie that stands by itself."""
        by_name = self._whole(value, "cookie", "denied-header") if len(value) >= _SHORTEST else []
        return self._decided(value, by_name, field)

    def body(self, value: bytes, field: str, media_type: str) -> list[Change]:
        """In a body without its content coding; `media_type` in lower case, without parameters.

        What puts right the lengths and checksums of AWS's frames is a change without a rule. Where a body has
        lengths inside, those alone are made that leave them right; `unfit` has the others.
        """
        if is_event_stream(value):
            return self._in_frames(value, field)
        changes = self._in_body(value, field, media_type)
        if changes and has_lengths(value, media_type):
            return [change for change in map(of_same_size, changes) if change]
        return changes

    def unfit(self, value: bytes, field: str, media_type: str) -> Iterator[Change]:
        """What stays in a body that has lengths inside, since what takes its place has another size."""
        if has_lengths(value, media_type) and not is_event_stream(value):
            for change in self._in_body(value, field, media_type):
                if of_same_size(change) is None:
                    yield change

    def _in_frames(self, stream: bytes, field: str) -> list[Change]:
        """In AWS's event stream, which is read as the events that it has."""
        text = EventText.of(stream)
        changes = self._in_body(text.text, field, "text/event-stream")
        patches, seals = text.back([Patch(change.start, change.end, change.new) for change in changes])
        made = [
            replace(change, start=patch.start, end=patch.end, new=patch.new)
            for change, patch in zip(changes, patches, strict=True)
        ]
        return [*made, *(Change(*seal, rule="", kind="", value=b"") for seal in seals)]

    def _in_body(self, value: bytes, field: str, media_type: str) -> list[Change]:
        by_name = [*self._parameters(value, in_form(value))] if media_type == FORM else []
        return self._decided(value, [*by_name, *self._by_path(value)], field)

    def tree(self, value: bytes, field: str) -> list[Change]:
        """In JSON whose values are decided upon one by one: what the user's paths choose."""
        return self._allowed([*self._by_path(value)], field)

    def stream(self, value: bytes, field: str) -> list[Secret]:
        """What the events of a stream share, each of which is decided upon by itself."""
        found = self._secrets(value, only_split=True)
        return [secret for secret in found if not self._rules.custom.allows(secret.rule, field)]

    def packed(self, body: bytes, field: str) -> Iterator[Secret]:
        """What a body's archives hold, which stays; raises PackedError for one that can't be read."""
        for member in members(body):
            for secret in self._secrets(member):
                if not self._rules.custom.allows(secret.rule, field):
                    yield secret

    def replacement(self, secret: Secret) -> bytes:
        """What takes a secret's place."""
        return secret.written(self._memory.replacement(secret.kind, secret.value))

    def _secrets(self, text: bytes, *, only_split: bool = False) -> list[Secret]:
        return find_secrets(text, self._rules.scanner, self._memory.watch, only_split=only_split)

    def _decided(self, value: bytes, by_name: Iterable[Change], field: str, key: str = "") -> list[Change]:
        changes = [*by_name]
        if not self.by_name_only and len(value) >= self._rules.shortest:
            changes += self._found(value, key, changes)
        return self._allowed(changes, field) if changes else changes

    def _allowed(self, changes: list[Change], field: str) -> list[Change]:
        """The changes but for those that the user wants not to be made."""
        custom = self._rules.custom
        return (
            [change for change in changes if not custom.allows(change.rule, field)]
            if custom.allow
            else changes
        )

    def _found(self, value: bytes, key: str, by_name: Sequence[Change]) -> Iterator[Change]:
        """What looks like a secret, and does not lie in what a name tells already."""
        text, shift = value, 0
        if key:
            # The structure's own quotes and names count as they would in the body that it stands for.
            front = json.dumps(key).encode() + b': "'
            text, shift = front + value + b'"', len(front)
        for secret in self._secrets(text):
            is_first = True
            for start, end in secret.spans:
                left, right = max(start - shift, 0), min(end - shift, len(value))
                if left < right and not any(named.start < right and left < named.end for named in by_name):
                    new = self.replacement(secret) if is_first else b""
                    yield Change(left, right, new, secret.rule, secret.kind, secret.value)
                    is_first = False

    def _parameters(self, value: bytes, found: Iterable[SecretParameter]) -> Iterator[Change]:
        for secret in found:
            if not MARK.search(value, secret.start, secret.end):
                yield self._change(secret.start, secret.end, secret.kind, secret.value, "secret-parameter")

    def _by_path(self, body: bytes) -> Iterator[Change]:
        for leaf in self._rules.custom.by_path(body):
            text = body[leaf.start : leaf.end]
            mark = self._memory.replacement("custom", text)
            new = mark if leaf.is_string else b'"%s"' % mark
            yield Change(leaf.start, leaf.end, new, "custom-path", "custom", text)

    def _whole(self, value: bytes, kind: str, rule: str) -> list[Change]:
        return [] if MARK.search(value) else [self._change(0, len(value), kind, value, rule)]

    def _change(self, start: int, end: int, kind: str, value: bytes, rule: str) -> Change:
        return Change(start, end, self._memory.replacement(kind, value), rule, kind, value)
