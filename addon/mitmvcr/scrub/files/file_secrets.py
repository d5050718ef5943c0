"""A cassette's bytes -> the secrets in them, and the same bytes without; no files, whatever the format.

Nothing is loaded and written anew: values are found where they stand in the text, and only a secret's own
bytes are replaced there.

tree          YAML or JSON with the place of every value
raw           from a place in a value to the place in the text
parts         which value is what: a header, a URL, a body
placeholders  which headers hold no credential although their name sounds so
find          what is secret in it
functions     what the user's functions change in it
sieve         a quick look at the whole, which most files need no more than
"""

from __future__ import annotations

import gzip
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from mitmvcr import formats
from mitmvcr.errors import FormatError, MitmvcrError
from mitmvcr.formats import sniffing
from mitmvcr.model import Cassette, Interaction, Source
from mitmvcr.scrub import Memory
from mitmvcr.scrub.files import document, function_edits
from mitmvcr.scrub.files.finder import Edit, Finder, Hit, Rules
from mitmvcr.scrub.files.quick_look import Suspicion, suspect
from mitmvcr.scrub.files.roles import FileMessage, messages, messages_of_lines
from mitmvcr.scrub.gate import mask

__all__ = ["Finding", "Rules", "Scrubbed", "StuckError", "examine", "memory_for", "scrub"]

_ROUNDS = 6


class StuckError(MitmvcrError):
    """A file can't be scrubbed in place; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A secret in a file; `line` and `column` count from 1, `sample` is masked.

    In a compressed file they count in what it unpacks to.
    """

    rule: str
    field: str
    kind: str
    line: int
    column: int
    sample: str


@dataclass(frozen=True, slots=True)
class Scrubbed:
    """A file's bytes without secrets, how many of each kind were replaced, and what could not be."""

    data: bytes
    replaced: Mapping[str, int]
    stuck: tuple[str, ...] = ()


def memory_for(contents: Sequence[bytes], environ: Mapping[str, str] | None = None) -> Memory:
    """The memory of one cassette's files: its numbers go on behind those that they have."""
    texts = b"\n".join(
        b" ".join(_MARK.findall(sniffing.decompress(data)))
        for data in contents
        if b"REDACTED-" in data or _is_gzip(data)
    )
    return Memory.resume(Cassette(source=Source(texts, (), (), 0)), environ)


_MARK = re.compile(rb"REDACTED-[a-z0-9]+-[0-9]+")


def _is_gzip(data: bytes) -> bool:
    return data.startswith(b"\x1f\x8b")


def examine(data: bytes, rules: Rules, memory: Memory) -> list[Finding]:
    """The secrets in a cassette, in the order of their places; raises FormatError if it can't be read."""
    data = sniffing.decompress(data)
    hits = [*_by_function(data, rules, memory)[0], *_look(data, rules, memory)[0]]
    findings = []
    line, at = 1, 0
    for hit in sorted(hits, key=lambda one: one.start):
        line += data.count(b"\n", at, hit.start)
        at = hit.start
        column = len(data[data.rfind(b"\n", 0, at) + 1 : at].decode("utf-8", "replace")) + 1
        sample = mask(hit.value) if hit.value else hit.stuck
        findings.append(Finding(hit.rule, hit.field, hit.kind, line, column, sample))
    return findings


def scrub(data: bytes, rules: Rules, memory: Memory) -> Scrubbed:
    """The cassette's bytes with each secret replaced, and no other byte changed.

    Raises FormatError if it can't be read, StuckError if what comes out would not be the same cassette.
    """
    if _is_gzip(data):
        inner = scrub(sniffing.decompress(data), rules, memory)
        return replace(inner, data=gzip.compress(inner.data, mtime=0) if inner.replaced else data)
    before = data
    replaced: Counter[str] = Counter()
    hits, edits = _by_function(data, rules, memory)
    replaced.update(hit.kind for hit in hits)
    data = apply(data, edits)
    # What stood beside a secret may look like one when that is gone; mostly the second look is the last.
    for _ in range(_ROUNDS):
        hits, edits = _look(data, rules, memory)
        if not edits:
            break
        replaced.update(hit.kind for hit in hits if not hit.stuck)
        data = apply(data, edits)
    else:
        raise StuckError("what is found doesn't go away by replacing it: is a pattern of `redact` too wide?")
    if data != before:
        _check_same(before, data)
    return Scrubbed(data, dict(replaced), tuple(f"{hit.rule} in {hit.field}: {hit.stuck}" for hit in hits))


def apply(data: bytes, edits: Sequence[Edit]) -> bytes:
    """The bytes with the edits made; of those that overlap the first counts."""
    out: list[bytes] = []
    at = 0
    for edit in sorted(edits, key=lambda one: (one.start, -one.end)):
        if edit.start >= at:
            out += data[at : edit.start], edit.new
            at = edit.end
    return b"".join([*out, data[at:]])


def _by_function(data: bytes, rules: Rules, memory: Memory) -> tuple[list[Hit], list[Edit]]:
    if not rules.custom.functions:
        return [], []
    results = function_edits.look(data, _messages(data), rules.custom.functions, Finder(data, rules, memory))
    return [hit for one in results for hit in one.hits], [edit for one in results for edit in one.edits]


def _look(data: bytes, rules: Rules, memory: Memory) -> tuple[list[Hit], list[Edit]]:
    suspicion = suspect(data, rules, memory)
    if not suspicion:
        return [], []
    finder = Finder(data, rules, memory)
    found = _messages(data)
    if not suspicion.untold and not suspicion.in_text:
        hits, edits = _all(finder, found, by_name_only=True)
        # What the names tell may stand in a body too; mostly it does not.
        rest = suspect(apply(data, edits), rules, memory) if edits else Suspicion()
        if not rest.in_text and not rest.untold:
            return hits, edits
    return _all(finder, found, by_name_only=False)


def _messages(data: bytes) -> list[FileMessage]:
    try:
        return messages(document.read(data))
    except FormatError:
        # Some that go-vcr v4.0.5 wrote are YAML to it alone.
        if sniffing.sniff(data) != formats.GO_VCR.name:
            raise
        formats.GO_VCR.load(data)
        return messages_of_lines(data)


def _all(finder: Finder, found: Sequence[FileMessage], *, by_name_only: bool) -> tuple[list[Hit], list[Edit]]:
    hits: list[Hit] = []
    edits: list[Edit] = []
    for message in found:
        finder.track(message)
    for message in found:
        result = finder.look(message, by_name_only=by_name_only)
        hits += result.hits
        edits += result.edits
    return hits, edits


def _check_same(before: bytes, after: bytes) -> None:
    """Raises StuckError unless both load, with the same exchanges but for what was replaced."""
    try:
        old = formats.load(before)[1].interactions
    except FormatError:
        return  # what our readers refuse was not ours to break
    try:
        new = formats.load(after)[1].interactions
    except FormatError as error:
        raise StuckError(
            f"it would no longer load when scrubbed in place ({error}): record it anew"
        ) from None
    if [_frame(one) for one in old] != [_frame(one) for one in new]:
        raise StuckError("it would hold other exchanges when scrubbed in place: record it anew")


def _frame(one: Interaction) -> tuple[str, int, int]:
    return one.request.method, one.response.code, one.response.duration
