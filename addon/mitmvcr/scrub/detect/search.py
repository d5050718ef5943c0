"""Text -> its secrets with their places: by looks, by seen values, in all readings; replaces nothing."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from mitmvcr.http.sse import has_events
from mitmvcr.scrub.detect.readings import joined_texts, split_views, unescaped, whole_views, wide
from mitmvcr.scrub.detect.scan import Scanner
from mitmvcr.scrub.detect.seen_values import Clear, Watch
from mitmvcr.scrub.detect.tokens import BREAK, ESCAPED_RUN, Span, token_runs
from mitmvcr.scrub.rules.detection import Detection, Evidence

_PROTECTED = b'encrypted_content"'


@dataclass(frozen=True, slots=True)
class Secret:
    """One secret and its places: several where a stream's events share it. `is_wide`: it is in UTF-16."""

    spans: tuple[Span, ...]
    rule: str
    kind: str
    value: bytes
    evidence: Evidence
    is_wide: bool = False

    @property
    def size(self) -> int:
        return sum(end - start for start, end in self.spans)

    def written(self, replacement: bytes) -> bytes:
        """A replacement as it is to stand in the secret's place."""
        if not self.is_wide:
            return replacement
        start, end = self.spans[0]
        coded = replacement.decode().encode("utf-16-le")
        return coded[:-1] if (end - start) % 2 else coded  # the last byte is of what follows


def find_secrets(data: bytes, scanner: Scanner, watch: Watch, *, only_split: bool = False) -> list[Secret]:
    """The secrets in the order of their places; they don't overlap.

    `only_split` looks for those alone that a stream's events share.
    """
    clear = watch.clear(scanner)
    in_one_place = not only_split and _has_whole(data, scanner, watch, clear)
    if not in_one_place and not (has_events(data) and _has_split(data, scanner, watch, clear)):
        return []
    views = [] if only_split else [*whole_views(data)]
    if has_events(data):
        views += split_views(data)
    found = [
        Secret(
            tuple(view.spans(hit.start, hit.end)), hit.rule, hit.kind, hit.value, hit.evidence, view.is_wide
        )
        for view in views
        for hit in _hits(view.text, scanner, watch)
    ]
    if not found:
        return found
    if _PROTECTED in data:
        found = [hit for hit in found if hit.rule.startswith("tracked-") or not _is_protected(data, hit)]
    return _disjoint(found)


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


def is_clear(text: bytes, scanner: Scanner, watch: Watch) -> bool:
    """Whether a text, the very object, was just found to have none, with all that is looked out for now."""
    return any(text is clear for clear in watch.clear(scanner).texts)


_BETWEEN = b"\n\x01"


def _has_whole(data: bytes, scanner: Scanner, watch: Watch, clear: Clear) -> bool:
    """Whether there may be secrets that stand in one place, which is so in few texts; never a wrong no."""
    if _has_any(data, scanner, watch, clear):
        return True
    plain = unescaped(data)
    if plain and _has_any(plain.text, scanner, watch, clear):
        return True
    return b"\0" in data and any(_has_any(view.text, scanner, watch, clear) for view in wide(data))


def _has_split(data: bytes, scanner: Scanner, watch: Watch, clear: Clear) -> bool:
    """Whether there may be secrets that a stream's events share; never a wrong no."""
    for text in joined_texts(data):
        if _has_any(text, scanner, watch, clear):
            return True
        plain = unescaped(text)
        if plain and _has_any(plain.text, scanner, watch, clear):
            return True
    return False


def _has_any(data: bytes, scanner: Scanner, watch: Watch, clear: Clear) -> bool:
    """Whether a text, read as it stands, may have hits.

    Most are told by what stands between two BREAKs, and none without it: of a longer text each such piece is
    looked at once, however often it comes (a stream's events are alike).
    """
    text, fresh = data, set[bytes]()
    if len(data) > _WORTH_SPLITTING:
        fresh = {*data.split(BREAK)} - clear.pieces
        text = BREAK.join([b"", *fresh])
    # Behind a backslash a run's first letter is of an escape: then what the run by itself says is not all.
    spans = token_runs(text, () if ESCAPED_RUN.search(text) else clear.runs)
    if spans:
        runs = [text[start:end] for start, end in spans]
        by_hash = dict(zip(map(hash, runs), runs, strict=True))
        new = by_hash.keys() - clear.untracked
        if watch.suspects([by_hash[number] for number in new]) or scanner.in_runs(text, spans, runs):
            return True
        clear.remember_runs(new, [run for run in runs if scanner.says_nothing(run)])
    has_words = scanner.has_words(text)
    if watch.anywhere(data) or (has_words and scanner.phrases(data)):
        return True
    if fresh and not has_words:
        clear.remember_pieces(fresh)
    return False


_WORTH_SPLITTING = 4096


def _hits(data: bytes, scanner: Scanner, watch: Watch) -> Iterator[Detection]:
    spans = token_runs(data)
    runs = [data[start:end] for start, end in spans]
    yield from watch.in_runs(data, runs)
    yield from watch.anywhere(data)
    yield from scanner.in_runs(data, spans, runs)
    yield from scanner.phrases(data)


def _is_protected(data: bytes, secret: Secret) -> bool:
    """Whether it lies in the value of an `encrypted_content`, which later requests send back."""
    start, end = secret.spans[0]
    key = data.rfind(_PROTECTED, 0, start)
    if key < 0:
        return False
    opening = data.find(b'"', key + len(_PROTECTED))
    closing = data.find(b'"', opening + 1)
    return opening < start and end <= closing


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
