"""Everything that finds secrets in a text, put together: looks, tracked values, hidden readings."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from mitmvcr.http.sse import has_events
from mitmvcr.scrub.detect.readings import Joined, Unescaped, joined, joined_texts, unescaped, wide
from mitmvcr.scrub.detect.scan import Scanner
from mitmvcr.scrub.detect.seen_values import Clear, Watch
from mitmvcr.scrub.detect.tokens import BREAK, ESCAPED_RUN, Span, token_runs
from mitmvcr.scrub.rules.detection import Detection

_PROTECTED = b'encrypted_content"'


@dataclass(frozen=True, slots=True)
class Secret:
    """One secret and its places: several where a stream's events share it. `is_wide`: it is in UTF-16."""

    spans: tuple[Span, ...]
    rule: str
    kind: str
    value: bytes
    is_wide: bool = False

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
    found = []
    if not only_split:
        found += [_secret(hit, [(hit.start, hit.end)]) for hit in _hits(data, scanner, watch)]
        plain = unescaped(data)
        if plain:
            found += [_secret(h, plain.spans(h.start, h.end)) for h in _hits(plain.text, scanner, watch)]
        for stretch in wide(data):
            found += [
                _secret(h, stretch.spans(h.start, h.end), is_wide=True)
                for h in _hits(stretch.text, scanner, watch)
            ]
    if has_events(data):
        for view in _split_views(data):
            found += [_secret(h, view.spans(h.start, h.end)) for h in _hits(view.text, scanner, watch)]
    if not found:
        return found
    if _PROTECTED in data:
        found = [one for one in found if one.rule.startswith("tracked-") or not _is_protected(data, one)]
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
    return any(text is known for known in watch.clear(scanner).texts)


_BETWEEN = b"\n\x01"


def _has_whole(data: bytes, scanner: Scanner, watch: Watch, clear: Clear) -> bool:
    """Whether there may be secrets that stand in one place, which is so in few texts; never a wrong no."""
    if _has_any(data, scanner, watch, clear):
        return True
    plain = unescaped(data)
    if plain and _has_any(plain.text, scanner, watch, clear):
        return True
    return b"\0" in data and any(_has_any(one.text, scanner, watch, clear) for one in wide(data))


def _has_split(data: bytes, scanner: Scanner, watch: Watch, clear: Clear) -> bool:
    """The same for those that a stream's events share."""
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
        if watch.suspects([by_hash[one] for one in new]) or scanner.in_runs(text, spans, runs):
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


@dataclass(frozen=True, slots=True)
class _Stacked:
    """A view of a view."""

    text: bytes
    _inner: Unescaped
    _outer: Joined | Unescaped

    def spans(self, start: int, end: int) -> list[Span]:
        return [back for inner in self._inner.spans(start, end) for back in self._outer.spans(*inner)]


def _split_views(data: bytes) -> Iterator[Joined | _Stacked]:
    for text in joined(data):
        yield text
        inner = unescaped(text.text)
        if inner:
            yield _Stacked(inner.text, inner, text)


def _secret(hit: Detection, spans: list[Span], *, is_wide: bool = False) -> Secret:
    return Secret(tuple(spans), hit.rule, hit.kind, hit.value, is_wide)


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
    for secret in sorted(found, key=lambda one: (-sum(e - s for s, e in one.spans), one.spans)):
        spans = [part for span in secret.spans for part in _without(span, taken)]
        if spans:
            out.append(replace(secret, spans=tuple(spans)))
            for span in spans:
                insort(taken, span)
    return sorted(out, key=lambda one: one.spans)


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
