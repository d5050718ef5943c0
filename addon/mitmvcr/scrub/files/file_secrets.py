"""A cassette's bytes -> the secrets in them, and the same bytes without; no files, whatever the format.

Nothing is loaded and written anew: values are found where they stand in the text, and only a secret's own
bytes are replaced there.

Most files need no more than a `quick_look`.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

from mitmvcr import formats
from mitmvcr.errors import FormatError, MitmvcrError
from mitmvcr.formats import container, govcr, sniffing
from mitmvcr.formats.recorded_http import is_http
from mitmvcr.model import Cassette, Source
from mitmvcr.scrub.decide import ROUNDS, Rules
from mitmvcr.scrub.files import document, function_edits
from mitmvcr.scrub.files.document import BARE, PlacedNode, PlacedScalar
from mitmvcr.scrub.files.finder import Edit, FileSecret, Finder, MessageEdits
from mitmvcr.scrub.files.quick_look import suspect
from mitmvcr.scrub.files.roles import FileMessage, MessagePart, Role, messages, messages_of_lines
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
        b" ".join(_MARK.findall(container.unwrapped(data)))
        for data in contents
        if b"REDACTED-" in data or container.title(data)
    )
    return Memory.resume(Cassette(source=Source(texts, (), (), 0)), environ, seen=_SEEN)


_MARK = re.compile(rb"REDACTED-[a-z0-9]+-[0-9]+")


def examine(data: bytes, rules: Rules, memory: Memory, *, with_functions: bool = True) -> list[FileFinding]:
    """The secrets in a cassette, in the order of their places; raises FormatError if it can't be read.

    Not what the user's functions would change, unless `with_functions`.
    """
    data = container.unwrapped(data)
    findings: list[FileFinding] = []
    functions = with_functions and bool(rules.custom.functions)
    if not (functions or suspect(data, rules, memory)):
        return findings
    found = _messages(data)
    results = _by_function(data, found, rules, memory) if functions else []
    results += _look(data, found, rules, memory)
    line, column, at = 1, 1, 0
    hits = [secret for result in results for secret in result.secrets]
    for hit in sorted(hits, key=lambda secret: secret.start):
        # From the hit before, not from the line's start: a file may be one line.
        *lines, rest = data[at : hit.start].split(b"\n")
        line, column, at = line + len(lines), 1 if lines else column, hit.start
        column += len(rest.decode("utf-8", "replace"))
        sample = mask(hit.value) if hit.value else hit.stuck
        findings.append(FileFinding(hit.rule, hit.field, hit.kind, line, column, sample))
    return findings


def scrub(data: bytes, rules: Rules, memory: Memory) -> Scrubbed:
    """The cassette's bytes with each secret replaced, and no other byte changed.

    Raises FormatError if it can't be read, StuckError if what comes out would not be the same cassette.
    """
    text = container.unwrapped(data)
    if text is not data:
        inner = scrub(text, rules, memory)
        return replace(inner, data=container.rewrapped(inner.data, data) if inner.replaced else data)
    original = data
    replaced: Counter[str] = Counter()
    secrets: list[FileSecret] = []
    if _may_have(data, rules, memory):
        found = _messages(data)
        results = _by_function(data, found, rules, memory)
        if not any(result.edits for result in results):
            results = _look(data, found, rules, memory)
        # What stood beside a secret may look like one when that is gone; mostly there is one round.
        for _ in range(ROUNDS):
            secrets = [secret for result in results for secret in result.secrets]
            edits = [edit for result in results for edit in result.edits]
            if not edits:
                break
            replaced.update(secret.kind for secret in secrets if not secret.stuck)
            before, data = found, apply(data, edits)
            found = _read_again(before, edits, data)
            results = _look(data, found, rules, memory)
        else:
            reason = "what is found doesn't go away by replacing it: is a pattern of `redact` too wide?"
            raise StuckError(reason)
        if replaced:
            _check_loads(original, data)
    stuck = tuple(f"{secret.rule} in {secret.field}: {secret.stuck}" for secret in secrets)
    return Scrubbed(data, dict(replaced), stuck)


def apply(data: bytes, edits: Sequence[Edit]) -> bytes:
    """The bytes with the edits made; of those that overlap the first counts."""
    out: list[bytes] = []
    at = 0
    for edit in sorted(edits, key=lambda edit: (edit.start, -edit.end)):
        if edit.start >= at:
            out += data[at : edit.start], edit.new
            at = edit.end
    return b"".join([*out, data[at:]])


def _may_have(data: bytes, rules: Rules, memory: Memory) -> bool:
    """Whether a file must be read, which most need not."""
    return bool(rules.custom.functions) or suspect(data, rules, memory)


def _by_function(
    data: bytes, found: Sequence[FileMessage], rules: Rules, memory: Memory
) -> list[MessageEdits]:
    if not rules.custom.functions:
        return []
    return function_edits.look(data, found, rules.custom, Finder(data, rules, memory))


def _look(data: bytes, found: Sequence[FileMessage], rules: Rules, memory: Memory) -> list[MessageEdits]:
    finder = Finder(data, rules, memory)
    for message in found:
        finder.remember_credentials(message)
    return [*finder.look(found)]


def _messages(data: bytes) -> list[FileMessage]:
    """The file's messages; the last one has what is beside them, comments too. Raises FormatError."""
    try:
        return _messages_of_document(data)
    except FormatError:
        if sniffing.sniff(data) != formats.GO_VCR.name:
            raise
        _, torn = govcr.recover(data)
        whole = len(data) - len(torn)
        try:
            found = _messages_of_document(data[:whole])
        except FormatError:  # some that go-vcr v4.0.5 wrote are YAML to it alone
            return messages_of_lines(data)
        if torn:
            found[-1].parts.append(MessagePart(PlacedScalar(torn, whole, len(data), BARE), "interaction"))
        return found


def _messages_of_document(data: bytes) -> list[FileMessage]:
    placed = document.read(data)
    found = messages(placed)
    rest = found[-1].parts
    rest += [MessagePart(leaf, "the document") for leaf in _others(placed, found)]
    rest += [MessagePart(comment, "comment") for comment in document.comments(data, placed)]
    return found


# The name of a header or a field: words with hyphens between, each shorter than a secret, and no replacement.
_NAME = re.compile(rb"(?!.*REDACTED-)[A-Za-z0-9_]{0,15}(?:-[A-Za-z0-9_]{1,15}){0,9}", re.DOTALL)


def _others(placed: PlacedNode, found: Sequence[FileMessage]) -> Iterator[PlacedScalar]:
    """What is part of no message, but for plain names: odd keys, most of all."""
    seen = {part.leaf.start for message in found for part in _all_parts(message)}
    seen.update(leaf.start for message in found for leaf in message.lengths)
    names: set[bytes] = set()  # most keys come over and over
    for leaf in document.leaves(placed):
        if leaf.start in seen or leaf.value in names:
            continue
        if _NAME.fullmatch(leaf.value):
            names.add(leaf.value)
        else:
            seen.add(leaf.start)
            yield leaf


def _read_again(before: Sequence[FileMessage], edits: Sequence[Edit], data: bytes) -> list[FileMessage]:
    """The edited file's messages; raises StuckError unless they are those from before but for the edits."""
    try:
        after = _messages(data)
    except FormatError as error:
        reason = f"it would no longer load when scrubbed in place ({error}): record it anew"
        raise StuckError(reason) from None
    edits = sorted(edits, key=lambda edit: edit.start)
    starts = [edit.start for edit in edits]
    ends = list(accumulate((edit.end for edit in edits), max))

    def is_edited(part: MessagePart) -> bool:
        index = bisect_left(starts, part.leaf.end) - 1
        return index >= 0 and ends[index] > part.leaf.start

    if len(before) != len(after) or not all(
        len(old) == len(new) and all(map(_is_same, old, new, map(is_edited, old)))
        for old, new in zip(map(_all_parts, before), map(_all_parts, after), strict=True)
    ):
        raise StuckError("it would hold other exchanges when scrubbed in place: record it anew")
    return after


def _check_loads(before: bytes, after: bytes) -> None:
    """Raises StuckError unless the format's reader has as many exchanges of a file as before."""
    try:
        expected = _exchanges(before)
    except FormatError:
        return  # it was none of whole exchanges that could have been lost
    try:
        found = _exchanges(after)
    except FormatError as error:
        reason = f"it would no longer be read when scrubbed in place ({error}): record it anew"
        raise StuckError(reason) from None
    if found != expected:
        raise StuckError("exchanges would get lost when it is scrubbed in place: record it anew")


def _exchanges(data: bytes) -> tuple[list[tuple[str, int]], int]:
    """Method and status of each exchange, and how many others are left out."""
    _, cassette, torn = formats.load(data)
    frames = [(found.request.method, found.response.code) for found in cassette.interactions]
    return frames, len(cassette.notes) + bool(torn)


_FRAME = frozenset({"method", "code", "status_code", "duration", "wait"})
"""Fields without which an exchange is another one."""


def _is_same(old: MessagePart, new: MessagePart, is_edited: bool) -> bool:
    if old.role is not new.role:
        return False
    is_frame = old.role is Role.TEXT and old.name in _FRAME and not old.field.endswith(".body")
    if is_frame or not is_edited:
        return old.leaf.value == new.leaf.value
    # Where a URL is no longer HTTP's, the exchange is left out.
    return old.role is not Role.URL or not is_http(old.leaf.text) or is_http(new.leaf.text)


def _all_parts(message: FileMessage) -> list[MessagePart]:
    return [*message.parts, *message.headers, *([message.body] if message.body else [])]
