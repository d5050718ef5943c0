"""What in a part of an exchange is a secret, where, and what takes its place; changes nothing itself.

A part is a header's value, a URL, a parameter, a cookie, a body or any other text. It is read as its format
says (`detect.bodies`): the result is texts, each with the name over it and the way back to the part's
bytes. A text, or a stretch of it, is a secret by one of three kinds of evidence: it was seen as a
credential (`memory`), it tells itself (`rules`), or a credential's name stands over or beside it
(`credential_names`). What is found in one text is looked for in all others of its entry. The way back gives
the bytes that are to be replaced: whole escapes, within the quotes, so that the rest stays byte for byte
what it was.

Recording (`model`) and files (`files`) make the changes that are decided here, each in its own kind of value.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from mitmvcr.http.event_stream import EventText, Patch, is_event_stream
from mitmvcr.http.framing import has_lengths
from mitmvcr.scrub.changes import Change, of_same_size
from mitmvcr.scrub.credential_names import CredentialName, Place, credential_at, credential_name
from mitmvcr.scrub.detect.bodies import FORM, read_body, read_events, read_text, read_url
from mitmvcr.scrub.detect.escapes import same
from mitmvcr.scrub.detect.readings import Reading
from mitmvcr.scrub.detect.scan import Scanner
from mitmvcr.scrub.detect.search import (
    UNREADABLE,
    Secret,
    are_clear,
    find_in_readings,
    find_packed,
    find_values,
)
from mitmvcr.scrub.detect.seen_values import Watch
from mitmvcr.scrub.detect.tokens import Span
from mitmvcr.scrub.headers import Fate, HeaderList, compile_headers, credential_kind, secret_spans
from mitmvcr.scrub.memory import Memory, worth_looking_out
from mitmvcr.scrub.placeholders import MARK
from mitmvcr.scrub.policy import Custom, Policy, compile_custom
from mitmvcr.scrub.rules.detection import Evidence

__all__ = ["FORM", "ROUNDS", "Decisions", "Rules"]

ROUNDS = 6
"""How often a value is decided upon anew: what stands beside a secret may look like one when that is gone."""

_SHORTEST = 4
"""Shorter values (in bytes) are not searched: nothing but a user's pattern finds anything in them."""


_NOT_LEARNED = ("encoded-secret", "denied-header", "custom", "email", "home-path", "tracked")
"""Rules whose findings are not looked for elsewhere in the entry: the rule itself, or another list, does."""


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


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A secret in a reading, not yet weighed against others that overlap it."""

    spans: tuple[Span, ...]
    rule: str
    kind: str
    value: bytes
    evidence: Evidence
    reading: Reading
    secret: Secret | None = None

    @property
    def size(self) -> int:
        return sum(end - start for start, end in self.spans)


class Decisions:
    """Decides for one entry of a cassette; `field` names a part as messages and `vcr_allow` do.

    With `by_name_only` the names of headers and parameters and the user's paths alone are looked at.
    """

    __slots__ = ("_entry", "_memory", "_rules", "by_name_only")

    def __init__(self, rules: Rules, memory: Memory, others: Iterable[Decisions] = ()) -> None:
        """Decide, where `others` are given, for what belongs to all their entries."""
        self._rules = rules
        self._memory = memory
        self._entry = Watch()  # the values that were found in this entry
        for other in others:
            self._entry.learn(other.entry)
        self.by_name_only = False

    @property
    def entry(self) -> Watch:
        """The values that were found in this entry."""
        return self._entry

    @property
    def values(self) -> int:
        """How many values were found in this entry that are looked for in all of it."""
        return len(self._entry)

    def look_over(self, texts: Sequence[bytes]) -> None:
        """Read all texts at once; if nothing is there, none of them is read again by itself."""
        self.by_name_only = not self.values and are_clear(texts, self._rules.scanner, self._memory.watch)

    def text(
        self, value: bytes, field: str, name: CredentialName | None = None, *, is_said: bool = False
    ) -> list[Change]:
        """In a text; `name` is what the key over it tells where it is a value of a structure.

        `is_said`: it is part of a conversation.
        """
        place = Place.CONVERSATION if is_said else Place.FIELD
        readings = [Reading(value, same, place, name)] if name else []
        return self._decided(value, field, [*readings, *self._read(value, read_text)])

    def url(self, value: bytes, field: str) -> list[Change]:
        """In a URL: user and password, values of parameters, and what any text may have."""
        return self._decided(value, field, read_url(value))

    def header(self, name: str, value: bytes, side: str, field: str) -> list[Change]:
        """In a header's value; whether the header is kept at all is another question."""
        verdict = self._rules.headers(side).verdict(name)
        kind = credential_kind(name, value) if verdict.kind else None
        if kind is None and verdict.fate is Fate.REDACT:
            kind = verdict.kind or "headervalue"
        if kind is None:
            return self.url(value, field) if verdict.is_url else self.text(value, field)
        return self._decided(
            value, field, by_name=self._stretches(secret_spans(name, value, kind), value, kind)
        )

    def parameter(self, name: str, value: bytes, field: str) -> list[Change]:
        """In the value of a query's or a form's parameter that stands by itself, decoded."""
        reading = Reading(value, same, Place.PARAMETER, credential_name(name), name)
        return self._decided(value, field, [reading, *self._read(value, read_text)])

    def cookie(self, value: bytes, field: str) -> list[Change]:
        """In the value of a cookie that stands by itself."""
        spans = [(0, len(value))] if len(value) >= _SHORTEST and not MARK.search(value) else []
        return self._decided(value, field, by_name=self._stretches(spans, value, "cookie"))

    def body(self, value: bytes, field: str, media_type: str, content_type: str = "") -> list[Change]:
        """In a body without its content coding; `media_type` in lower case, without parameters.

        One that has lengths and checksums inside keeps them right.
        """
        if is_event_stream(value):
            return self._in_frames(value, field)
        changes = self._in_body(value, field, media_type, content_type)
        return of_same_size(changes, value) if changes and has_lengths(value, media_type) else changes

    def _in_frames(self, stream: bytes, field: str) -> list[Change]:
        """In AWS's event stream, which is read as the events that it has."""
        text = EventText.of(stream)
        changes = self._in_body(text.text, field, "text/event-stream", "text/event-stream")
        patches, seals = text.back([Patch(change.start, change.end, change.new) for change in changes])
        made = [
            replace(change, start=patch.start, end=patch.end, new=patch.new)
            for change, patch in zip(changes, patches, strict=True)
        ]
        return [*made, *(Change(*seal, "", "", b"", Evidence.SHAPE) for seal in seals)]

    def _in_body(self, value: bytes, field: str, media_type: str, content_type: str) -> list[Change]:
        by_name = list(self._by_path(value))
        has_names = media_type == FORM or media_type.startswith("multipart/")
        if self.by_name_only and not has_names:
            return self._allowed(by_name, field)
        return self._decided(value, field, read_body(value, media_type, content_type), by_name)

    def tree(self, value: bytes, field: str) -> list[Change]:
        """In JSON whose values are decided upon one by one: what the user's paths choose."""
        return self._allowed([*self._by_path(value)], field)

    def stream(self, data: bytes, places: Sequence[Span], field: str) -> list[Change]:
        """What the events of a stream, JSON at `places`, share; each is decided upon by itself before."""
        readings = read_events(places, data)
        return self._allowed(self._weighed(self._found(readings), []), field)

    def packed(self, body: bytes, field: str) -> Iterator[Secret]:
        """What a body's archives hold, which stays; raises PackedError for one that can't be read."""
        for secret in find_packed(body, self._rules.scanner, self._memory.watch):
            if not self._rules.custom.allows(secret.rule, field):
                yield secret

    def _decided(
        self,
        value: bytes,
        field: str,
        readings: Sequence[Reading] = (),
        by_name: Sequence[Change] = (),
    ) -> list[Change]:
        """The changes of a value that is read so; `by_name` are decided already and go before all others."""
        candidates = [candidate for reading in readings if (candidate := self._named(reading))]
        if not self.by_name_only and len(value) >= self._rules.shortest:
            candidates += self._found(readings or [Reading(value, same)])
            candidates += self._by_pattern(value)
        if not candidates:
            return self._allowed(list(by_name), field) if by_name else []
        return self._allowed([*by_name, *self._weighed(candidates, by_name)], field)

    def _read(self, value: bytes, read: Callable[[bytes], list[Reading]]) -> list[Reading]:
        """The texts of a value, if it is searched at all."""
        return [] if self.by_name_only or len(value) < self._rules.shortest else read(value)

    def _allowed(self, changes: list[Change], field: str) -> list[Change]:
        """The changes that the user lets be made; from now on their values are looked for elsewhere, too."""
        custom = self._rules.custom
        if custom.allow:
            changes = [change for change in changes if not custom.allows(change.rule, field)]
        for change in changes:
            if change.new and not change.rule.startswith(_NOT_LEARNED):
                raw = worth_looking_out(change.value)
                if raw and self._memory.watch.kind(raw) is None:
                    self._entry.add(raw, change.kind)
                    self.by_name_only = False
        return changes

    def _named(self, reading: Reading) -> _Candidate | None:
        """The credential that the name over a text tells."""
        name = reading.name
        if name is None:
            return None
        found = credential_at(name, reading.text, reading.place)
        if found is None:
            return None
        end = len(reading.text) if reading.is_whole else len(reading.text.rstrip())
        evidence = Evidence.SEEN if reading.place is Place.PARAMETER else Evidence.NAME
        spans = tuple(reading.back(found.start, end))
        value = reading.text[found.start : end]
        return _Candidate(spans, found.rule, found.kind, value, evidence, reading)

    def _found(self, readings: Sequence[Reading]) -> Iterator[_Candidate]:
        """What looks like a secret, was seen, or was found elsewhere in the entry."""
        found = [find_in_readings(readings, self._rules.scanner, self._memory.watch)]
        if len(self._entry):
            found.append(find_values(readings, self._entry))
        for reading, secret in (pair for pairs in found for pair in pairs):
            if secret.rule != UNREADABLE:
                spans = tuple(place for span in secret.spans for place in reading.back(*span))
                yield _Candidate(
                    spans, secret.rule, secret.kind, secret.value, secret.evidence, reading, secret
                )

    def _by_pattern(self, value: bytes) -> Iterator[_Candidate]:
        """What the user's patterns find in the value as it is written, where they may look around."""
        whole = Reading(value, same)
        for words, finder in self._rules.custom.own_finders:
            if all(word in value for word in words):
                for hit in finder(value):
                    if not MARK.fullmatch(hit.value):
                        span = (hit.start, hit.end)
                        yield _Candidate((span,), hit.rule, hit.kind, hit.value, hit.evidence, whole)

    def _weighed(self, candidates: Iterable[_Candidate], by_name: Sequence[Change]) -> list[Change]:
        """The changes of those that don't overlap: values under a name first, then the longer ones."""
        taken = sorted((change.start, change.end) for change in by_name)
        out: list[Change] = []

        def order(candidate: _Candidate) -> tuple[bool, int, tuple[Span, ...]]:
            return candidate.secret is not None, -candidate.size, candidate.spans

        chosen: list[tuple[list[Span], _Candidate]] = []
        for candidate in sorted(_apart(list(candidates)), key=order):
            spans = sorted({span for span in candidate.spans if span[0] < span[1]})
            if spans and not any(_is_taken(span, taken) for span in spans):
                chosen.append((spans, candidate))
                for span in spans:
                    insort(taken, span)
        for spans, candidate in sorted(chosen, key=lambda pair: pair[0]):
            new = self._written(candidate)
            for start, end in spans:
                out.append(_change(candidate, start, end, new))
                new = b""
        return sorted(out, key=lambda change: change.start)

    def _written(self, candidate: _Candidate) -> bytes:
        mark = self._memory.replacement(candidate.kind, candidate.value)
        mark = candidate.reading.written(mark)
        return candidate.secret.written(mark) if candidate.secret else mark

    def _by_path(self, body: bytes) -> Iterator[Change]:
        for leaf in self._rules.custom.by_path(body):
            text = body[leaf.start : leaf.end]
            mark = self._memory.replacement("custom", text)
            new = mark if leaf.is_string else b'"%s"' % mark
            yield Change(leaf.start, leaf.end, new, "custom-path", "custom", text, Evidence.SHAPE)

    def _stretches(self, spans: Iterable[Span], value: bytes, kind: str) -> list[Change]:
        """Credentials by the name of the header that they stand in."""
        changes = []
        for start, end in spans:
            secret = value[start:end]
            mark = self._memory.replacement(kind, secret)
            changes.append(Change(start, end, mark, "denied-header", kind, secret, Evidence.SEEN))
        return changes


def _change(candidate: _Candidate, start: int, end: int, new: bytes) -> Change:
    rule, kind, value = candidate.rule, candidate.kind, candidate.value
    return Change(start, end, new, rule, kind, value, candidate.evidence, candidate.reading.path)


def _apart(candidates: Sequence[_Candidate]) -> Iterator[_Candidate]:
    """The candidates but for those that lists' items make up where an item has a secret of its own.

    A key at the end of one message and a word at the beginning of the next are not one longer key.
    """
    single = sorted(
        span for candidate in candidates if not candidate.reading.is_list for span in candidate.spans
    )
    for candidate in candidates:
        if not candidate.reading.is_list or not any(_is_taken(span, single) for span in candidate.spans):
            yield candidate


def _is_taken(span: Span, taken: Sequence[Span]) -> bool:
    """Whether a stretch overlaps one of these, which are in order and apart."""
    at = bisect_left(taken, span)
    return (at < len(taken) and taken[at][0] < span[1]) or (at > 0 and taken[at - 1][1] > span[0])
