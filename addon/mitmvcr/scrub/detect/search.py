"""Texts -> their secrets with their places: by looks, by seen values, by names; replaces nothing.

Most texts have none, so all texts of an exchange are first looked over at once, with their escapes undone
as quickly as that goes; that look never says no where there is one. Only where it says yes, the texts are
read as their formats say (`bodies`), those that may have secrets are picked out, and each of them is
searched by itself, with all escapes undone and what is coded decoded.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

from mitmvcr.http.sse import has_events
from mitmvcr.scrub.credential_names import Strength, credential_name
from mitmvcr.scrub.detect.archives import PackedError, members
from mitmvcr.scrub.detect.coded import CodedRun, coded_runs, other_runs
from mitmvcr.scrub.detect.escapes import View, roughly_undone, same, undone, wide
from mitmvcr.scrub.detect.readings import Reading
from mitmvcr.scrub.detect.scan import Scanner
from mitmvcr.scrub.detect.seen_values import Clear, Watch
from mitmvcr.scrub.detect.streams import has_turns, joined_texts
from mitmvcr.scrub.detect.tokens import BREAK, Span, token_runs, without_vectors
from mitmvcr.scrub.rules.detection import Detection, Evidence

_PROTECTED = "encrypted_content"

UNREADABLE = "unreadable-body"
"""The rule of what can't be looked into: it is no secret that could be replaced."""

_SMALLEST_ARCHIVE = 64
"""Fewer bytes are no archive, whatever they begin with."""


@dataclass(frozen=True, slots=True)
class Secret:
    """One secret and its places: several where pieces of a text share it.

    `width`: bytes that each of its characters has there (UTF-16: 2).
    """

    spans: tuple[Span, ...]
    rule: str
    kind: str
    value: bytes
    evidence: Evidence
    width: int = 1
    is_big_endian: bool = False

    def written(self, replacement: bytes) -> bytes:
        """A replacement as it is to stand in the secret's place."""
        if self.width == 1:
            return replacement
        coded = replacement.decode().encode(f"utf-{8 * self.width}-{'be' if self.is_big_endian else 'le'}")
        start, end = self.spans[0]
        rest = (end - start) % self.width
        return coded[: rest - self.width] if rest else coded  # the last zero bytes are of what follows


def find_secrets(text: bytes, scanner: Scanner, watch: Watch, *, with_names: bool = True) -> list[Secret]:
    """The secrets of one text in the order of their places; they don't overlap.

    Its escapes, of any kind, are undone. Without `with_names` what only a name beside it tells is left out.
    An archive in Base64 that can't be read is there by the rule UNREADABLE.
    """
    plain = undone(text)
    views = [plain or View(text, same), *wide(text)]
    found = [
        Secret(
            tuple(view.back(hit.start, hit.end)),
            hit.rule,
            hit.kind,
            hit.value,
            hit.evidence,
            view.width,
            view.is_big_endian,
        )
        for view in views
        for hit in _hits(view.text, scanner, watch, with_names=with_names)
    ]
    if plain and watch.looks_escaped:  # a value that was seen may itself have what looks like an escape
        found += [
            Secret(((hit.start, hit.end),), hit.rule, hit.kind, hit.value, hit.evidence)
            for hit in _seen(text, [text[start:end] for start, end in token_runs(text)], watch)
        ]
    return _disjoint(found) if found else found


def find_in_readings(
    readings: Sequence[Reading], scanner: Scanner, watch: Watch
) -> Iterator[tuple[Reading, Secret]]:
    """The secrets of many texts, those alone that are searched for in texts, whatever their names."""
    for number in _suspects(readings, scanner, watch):
        reading = readings[number]
        is_protected = reading.path.endswith(_PROTECTED)
        for secret in find_secrets(reading.text, scanner, watch):
            if secret.evidence is Evidence.SEEN or not is_protected:
                yield reading, secret


def find_packed(body: bytes, scanner: Scanner, watch: Watch) -> Iterator[Secret]:
    """The secrets in a body's archives; raises PackedError for one that can't be read.

    Archives have thousands of small files: many are looked through at once.
    """
    batch: list[bytes] = []
    size = 0
    for member in members(body):
        batch.append(member)
        size += len(member)
        if size > _BATCH:
            yield from _in_batch(batch, scanner, watch)
            batch, size = [], 0
    yield from _in_batch(batch, scanner, watch)


_BATCH = 1 << 20


def _in_batch(texts: Sequence[bytes], scanner: Scanner, watch: Watch) -> Iterator[Secret]:
    if texts and may_have_secrets(_BETWEEN.join(texts), scanner, watch):
        for text in texts:
            yield from find_secrets(text, scanner, watch)


def find_values(readings: Sequence[Reading], watch: Watch) -> Iterator[tuple[Reading, Secret]]:
    """Where values that are looked out for stand in texts, in any form."""
    for reading in readings:
        for view in (undone(reading.text) or View(reading.text, same), *wide(reading.text)):
            runs = [view.text[start:end] for start, end in token_runs(view.text)]
            for hit in _seen(view.text, runs, watch):
                spans = tuple(view.back(hit.start, hit.end))
                yield (
                    reading,
                    Secret(
                        spans, hit.rule, hit.kind, hit.value, hit.evidence, view.width, view.is_big_endian
                    ),
                )


def _suspects(readings: Sequence[Reading], scanner: Scanner, watch: Watch) -> list[int]:
    """The texts that may have secrets; all are looked through at once."""
    if len(readings) <= _FEW:
        return list(range(len(readings)))
    texts = [reading.text for reading in readings]
    starts = [0, *accumulate(len(text) + len(_BETWEEN) for text in texts)]
    everything = _BETWEEN.join(texts)
    view = undone(everything) or View(everything, same)
    numbers = {
        bisect_right(starts, place) - 1
        for hit in _hits(view.text, scanner, watch, with_phrases=False)
        for place, _ in view.back(hit.start, hit.end)
    }
    if watch.looks_escaped:
        runs = [everything[start:end] for start, end in token_runs(everything)]
        numbers.update(bisect_right(starts, hit.start) - 1 for hit in _seen(everything, runs, watch))
    numbers.update(number for number, text in enumerate(texts) if 0 in text)
    if scanner.has_words(view.text):
        numbers.update(number for number, text in enumerate(texts) if scanner.has_words(roughly_undone(text)))
    return sorted(numbers)


_FEW = 2


def are_clear(texts: Sequence[bytes], scanner: Scanner, watch: Watch) -> bool:
    """Whether none of the texts has any secrets; they are read all at once, and known from then on."""
    clear = watch.clear(scanner)
    if _has_whole(_BETWEEN.join(texts), scanner, watch, clear):
        return False
    for text in texts:
        if has_events(text) and _has_split(text, scanner, watch, clear):
            return False
    clear.remember_texts(texts)
    return True


def may_have_secrets(text: bytes, scanner: Scanner, watch: Watch, *, with_names: bool = True) -> bool:
    """Whether a text may have any that `find_secrets` finds; never a wrong no."""
    return _has_whole(text, scanner, watch, watch.clear(scanner), with_names=with_names)


def is_clear(text: bytes, scanner: Scanner, watch: Watch) -> bool:
    """Whether a text was just found to have none, with all that is looked out for now."""
    return (len(text), hash(text)) in watch.clear(scanner).texts


_BETWEEN = b"\n\x01"


def _has_whole(data: bytes, scanner: Scanner, watch: Watch, clear: Clear, *, with_names: bool = True) -> bool:
    """Whether there may be secrets that stand in one place, which is so in few texts; never a wrong no."""
    data = without_vectors(data)
    plain = roughly_undone(data)
    if _has_any(plain, scanner, watch, clear, with_names=with_names):
        return True
    if plain is not data and watch.looks_escaped and _has_seen(data, watch):
        return True
    return 0 in data and any(_has_any(view.text, scanner, watch, clear) for view in wide(data))


def _has_split(data: bytes, scanner: Scanner, watch: Watch, clear: Clear) -> bool:
    """Whether there may be secrets that a stream's events share; never a wrong no."""
    if has_turns(data):
        return True
    texts = joined_texts(data)
    return bool(texts) and _has_any(roughly_undone(_BETWEEN.join(texts)), scanner, watch, clear)


def _has_seen(data: bytes, watch: Watch) -> bool:
    runs = [data[start:end] for start, end in token_runs(data)]
    return bool(watch.suspects(runs)) or bool(watch.anywhere(data))


# A key of JSON, its quotes unescaped.
_KEY = re.compile(rb'"([A-Za-z_$][\w.$ -]{2,63}+)"\s{0,8}+:')


def _has_telling_key(plain: bytes) -> bool:
    """Whether there is a key of JSON that tells a secret whatever its value looks like."""
    for key in set(_KEY.findall(plain)) - _silent_keys:
        name = credential_name(key.decode("utf-8", "replace"))
        if name is not None and (name.strength is Strength.EXACT or name.kind == "password"):
            return True
        if len(_silent_keys) < _MOST_KEYS:
            _silent_keys.add(key)
    return False


_silent_keys: set[bytes] = set()
_MOST_KEYS = 16384


def _has_any(data: bytes, scanner: Scanner, watch: Watch, clear: Clear, *, with_names: bool = True) -> bool:
    """Whether a text, its escapes undone, may have hits, or a key of JSON that tells a secret.

    Most are told by what stands between two BREAKs, and none without it: of a longer text each such piece is
    looked at once, however often it comes (a stream's events are alike).
    """
    text, fresh = data, set[bytes]()
    if len(data) > _WORTH_SPLITTING:
        fresh = {*data.split(BREAK)} - clear.pieces
        text = BREAK.join([b"", *fresh])
    spans = token_runs(text, clear.runs)
    if spans:
        runs = [text[start:end] for start, end in spans]
        by_hash = dict(zip(map(hash, runs), runs, strict=True))
        new = by_hash.keys() - clear.untracked
        coded: list[Span] = []
        if watch.suspects([by_hash[number] for number in new]):
            return True
        if scanner.in_runs(text, spans, runs, coded, with_names=with_names):
            return True
        if coded and any(_coded_hits(data, scanner, watch)):
            return True
        clear.remember_runs(new, [run for run in runs if scanner.says_nothing(run)])
    if any(_other_hits(text, scanner, watch)) or (with_names and _has_telling_key(text)):
        return True
    has_words = scanner.has_words(text)
    if watch.anywhere(data) or (has_words and scanner.phrases(data)):
        return True
    if fresh and with_names and not has_words:
        clear.remember_pieces(fresh)
    return False


_WORTH_SPLITTING = 1024


def _hits(
    data: bytes, scanner: Scanner, watch: Watch, *, with_names: bool = True, with_phrases: bool = True
) -> Iterator[Detection]:
    spans = token_runs(data)
    runs = [data[start:end] for start, end in spans]
    yield from _seen(data, runs, watch)
    coded: list[Span] = []
    yield from scanner.in_runs(data, spans, runs, coded, with_names=with_names)
    if with_phrases:
        yield from scanner.phrases(data)
    yield from _coded_hits(data, scanner, watch) if coded else _other_hits(data, scanner, watch)


def _seen(data: bytes, runs: Sequence[bytes], watch: Watch) -> Iterator[Detection]:
    yield from watch.in_runs(data, runs)
    yield from watch.anywhere(data)


def _coded_hits(data: bytes, scanner: Scanner, watch: Watch, depth: int = 3) -> Iterator[Detection]:
    """Runs of Base64, hexadecimal and the like that stand for a text, or an archive, with a secret in it."""
    for run in coded_runs(data):
        texts = [run.plain]
        if run.is_archive:
            if len(run.plain) < _SMALLEST_ARCHIVE:
                continue
            try:
                texts = [*members(run.plain)]
            except PackedError:
                yield Detection(run.start, run.end, UNREADABLE, "encoded", data[run.start : run.end])
                continue
        for text in texts:
            evidence = _evidence_in(text, scanner, watch, depth)
            if evidence is not None:
                yield _encoded(run, data, evidence)
                break


def _other_hits(data: bytes, scanner: Scanner, watch: Watch) -> Iterator[Detection]:
    for run in other_runs(data):
        evidence = _evidence_in(run.plain, scanner, watch, 1)
        if evidence is not None:
            yield _encoded(run, data, evidence)


def _encoded(run: CodedRun, data: bytes, evidence: Evidence) -> Detection:
    return Detection(run.start, run.end, "encoded-secret", "encoded", data[run.start : run.end], evidence)


def _evidence_in(text: bytes, scanner: Scanner, watch: Watch, depth: int) -> Evidence | None:
    """What tells that a decoded text has a secret; None if it has none."""
    for view in (undone(text) or View(text, same), *wide(text)):
        spans = token_runs(view.text)
        runs = [view.text[left:right] for left, right in spans]
        coded: list[Span] = []
        found = next(_seen(view.text, runs, watch), None)
        found = found or next(iter(scanner.in_runs(view.text, spans, runs, coded)), None)
        found = found or next(iter(scanner.phrases(view.text)), None)
        if found is None and coded and depth:
            found = next(_coded_hits(view.text, scanner, watch, depth - 1), None)
        if found is not None:
            return found.evidence
    return None


def _disjoint(found: Sequence[Secret]) -> list[Secret]:
    """Without overlaps, the longer ones first in their right; what sticks out of one stays a secret."""
    out: list[Secret] = []
    taken: list[Span] = []  # in order, not overlapping
    for secret in sorted(
        found, key=lambda secret: (-sum(end - start for start, end in secret.spans), secret.spans)
    ):
        spans = [part for span in secret.spans for part in _without(span, taken)]
        if spans:
            out.append(replace(secret, spans=tuple(spans)))
            for span in spans:
                insort(taken, span)
    return sorted(out, key=lambda secret: secret.spans)


def _without(span: Span, taken: Sequence[Span]) -> list[Span]:
    start, end = span
    out = []
    at = max(0, bisect_left(taken, (start, start)) - 1)
    while at < len(taken) and taken[at][0] < end and start < end:
        left, right = taken[at]
        if right > start:
            if left > start:
                out.append((start, left))
            start = right
        at += 1
    if start < end:
        out.append((start, end))
    return out
