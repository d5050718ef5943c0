"""A cassette's bytes -> the secrets in them, and the same bytes without; no files, whatever the format.

Nothing is loaded and written anew: values are found where they stand in the text, and only a secret's own
bytes are replaced there.

Most files need no more than a `quick_look`.
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
from mitmvcr.http.content_coding import GZIP_MAGIC
from mitmvcr.model import Cassette, Interaction, Source
from mitmvcr.scrub.decide import ROUNDS, Rules
from mitmvcr.scrub.files import document, function_edits
from mitmvcr.scrub.files.finder import Edit, FileSecret, Finder, MessageEdits
from mitmvcr.scrub.files.quick_look import Suspicion, suspect
from mitmvcr.scrub.files.roles import FileMessage, messages, messages_of_lines
from mitmvcr.scrub.gate import mask
from mitmvcr.scrub.memory import Memory

__all__ = ["FileFinding", "Rules", "Scrubbed", "StuckError", "examine", "memory_for", "scrub"]

_SEEN = 4096
"""How many credentials of each kind are looked out for: the first entry may hold what the last one shows."""


class StuckError(MitmvcrError):
    """A file can't be scrubbed in place; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class FileFinding:
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
    return Memory.resume(Cassette(source=Source(texts, (), (), 0)), environ, seen=_SEEN)


_MARK = re.compile(rb"REDACTED-[a-z0-9]+-[0-9]+")


def _is_gzip(data: bytes) -> bool:
    return data.startswith(GZIP_MAGIC)


def examine(data: bytes, rules: Rules, memory: Memory) -> list[FileFinding]:
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
        findings.append(FileFinding(hit.rule, hit.field, hit.kind, line, column, sample))
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
    for _ in range(ROUNDS):
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


def _by_function(data: bytes, rules: Rules, memory: Memory) -> tuple[list[FileSecret], list[Edit]]:
    if not rules.custom.functions:
        return [], []
    results = function_edits.look(data, _messages(data), rules.custom, Finder(data, rules, memory))
    return [secret for one in results for secret in one.secrets], [
        edit for one in results for edit in one.edits
    ]


def _look(data: bytes, rules: Rules, memory: Memory) -> tuple[list[FileSecret], list[Edit]]:
    suspicion = suspect(data, rules, memory)
    if not suspicion:
        return [], []
    found = _messages(data)
    if not suspicion.untold and not suspicion.in_text:
        secrets, edits = _all(Finder(data, rules, memory, by_name_only=True), found)
        # What the names tell may stand in a body too; mostly it does not.
        rest = suspect(apply(data, edits), rules, memory) if edits else Suspicion()
        if not rest.in_text and not rest.untold:
            return secrets, edits
    return _all(Finder(data, rules, memory), found)


def _messages(data: bytes) -> list[FileMessage]:
    try:
        return messages(document.read(data))
    except FormatError:
        # Some that go-vcr v4.0.5 wrote are YAML to it alone.
        if sniffing.sniff(data) != formats.GO_VCR.name:
            raise
        formats.GO_VCR.load(data)
        return messages_of_lines(data)


def _all(finder: Finder, found: Sequence[FileMessage]) -> tuple[list[FileSecret], list[Edit]]:
    for message in found:
        finder.remember_credentials(message)
    return _together([finder.look(message) for message in found])


def _together(results: Sequence[MessageEdits]) -> tuple[list[FileSecret], list[Edit]]:
    edits = [edit for result in results for edit in result.edits]
    return [secret for result in results for secret in result.secrets], edits


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
