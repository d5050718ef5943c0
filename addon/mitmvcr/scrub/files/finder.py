"""The parts of a message -> where in the file a secret stands, and what is to stand there instead.

What is found in a value, and what replaces it, is decided as when an exchange is recorded (`scrub`); that a
header is not one of those that are kept is no finding here.
"""

from __future__ import annotations

import binascii
import gzip
import json
import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

import brotli
import zstandard

from mitmvcr.scrub.detect.archives import PackedError, coding_of, is_text, members, unpacked
from mitmvcr.scrub.detect.scan import Scanner
from mitmvcr.scrub.detect.search import Secret, find_secrets
from mitmvcr.scrub.files.harmless_headers import cookie_values, credential_kind
from mitmvcr.scrub.files.roles import FileMessage, MessagePart, Role
from mitmvcr.scrub.files.writeback import Written, rewritten, rewritten_base64
from mitmvcr.scrub.headers import Fate, compile_headers, credentials
from mitmvcr.scrub.memory import MARK, Memory
from mitmvcr.scrub.parameters import secret_parameter
from mitmvcr.scrub.policy import Policy
from mitmvcr.scrub.user_rules import Custom, compile_custom

_SHORTEST = 4
_FUNCTION = "custom-function"
# What can be written as it is in every style; a function's values may have more, and UTF-16 has.
_SAFE = re.compile(rb"[A-Za-z0-9_-]*")
_FORM = "application/x-www-form-urlencoded"
_SCHEME = re.compile(rb"[A-Za-z]+[ \t]+(?=\S)")


@dataclass(frozen=True, slots=True)
class Edit:
    """Bytes of the file that get others."""

    start: int
    end: int
    new: bytes


@dataclass(frozen=True, slots=True)
class Hit:
    """A secret in a field; `start` is the byte of the file where it (or what it is coded in) begins.

    `stuck`, where not empty, says why it can't be replaced there.
    """

    rule: str
    field: str
    kind: str
    start: int
    value: bytes
    stuck: str = ""


@dataclass(frozen=True, slots=True)
class Result:
    """What is wrong with a message, and what mends it."""

    hits: list[Hit]
    edits: list[Edit]


@dataclass(frozen=True, slots=True)
class _Change:
    """A part of a value that is secret; `new` is what replaces it."""

    start: int
    end: int
    new: bytes
    rule: str
    kind: str
    value: bytes


class Rules:
    """A policy, compiled. Raises PolicyError if it can't be."""

    def __init__(self, policy: Policy) -> None:
        self.custom: Custom = compile_custom(policy)
        self.scanner = Scanner(finders=self.custom.finders)
        self.request_headers, self.response_headers = compile_headers(policy.keep_headers)
        self.has_patterns = bool(policy.redact or policy.keep_headers)


class Finder:
    """Looks through the messages of one cassette."""

    def __init__(self, data: bytes, rules: Rules, memory: Memory) -> None:
        self._data = data
        self._rules = rules
        self._memory = memory

    def track(self, message: FileMessage) -> None:
        """Look out for the credentials in a message's headers from now on."""
        for part in message.headers:
            kind = credential_kind(part.name, part.leaf.value)
            if kind:
                for value in credentials(part.name.lower(), part.leaf.text):
                    self._memory.track(value, kind)

    def look(self, message: FileMessage, *, by_name_only: bool) -> Result:
        """The secrets in a message; `by_name_only` those alone that a header's or parameter's name tells."""
        result = Result([], [])
        for part in (*message.parts, *message.headers):
            self._part(part, message, result, by_name_only=by_name_only)
        if message.body is not None:
            before = len(result.edits)
            lengths = self._body(message.body, message, result, by_name_only=by_name_only)
            if len(result.edits) > before and lengths:
                result.edits.extend(self._lengths(message, *lengths))
        if not by_name_only:
            self._events(message, result)
        self._trees(message, result)
        return result

    def put(self, part: MessagePart, message: FileMessage, old: bytes, new: bytes) -> Result:
        """What gives a part another value, its own being `old`; nothing if it isn't."""
        result = Result([], [])
        change = _Change(0, len(old), new, _FUNCTION, "custom", old)
        if part is message.body:
            lengths = self._replace_in_body(
                part, message, result, lambda body: [change] if body == old else []
            )
            if lengths:
                result.edits.extend(self._lengths(message, *lengths))
        elif part.leaf.value == old:
            self._record(part, [change], result)
        return result

    def allows(self, part: MessagePart) -> bool:
        """Whether the user lets stay what a function changes there."""
        return self._rules.custom.allows(_FUNCTION, part.field)

    def _part(self, part: MessagePart, message: FileMessage, result: Result, *, by_name_only: bool) -> None:
        changes = list(self._by_name(part, message))
        if not by_name_only and len(part.leaf.value) >= _SHORTEST:
            changes += self._scanned(part.leaf.value, part, changes, part.name)
        self._record(part, changes, result)

    def _by_name(self, part: MessagePart, message: FileMessage) -> Iterator[_Change]:
        value = part.leaf.value
        if part.role is Role.HEADER:
            yield from self._header(part, message.side)
        elif part.role is Role.URL:
            yield from self._pairs(value, re.compile(rb"[?#&]").search(value))
        elif part.role is Role.COOKIE and len(value) >= _SHORTEST and not MARK.search(value):
            yield self._change(0, len(value), "cookie", value, "denied-header")
        elif part.role is Role.PARAMETER and not MARK.search(value):
            kind = secret_parameter(part.name, value)
            if kind:
                yield self._change(0, len(value), kind, value, "secret-parameter")

    def _header(self, part: MessagePart, side: str) -> Iterator[_Change]:
        value = part.leaf.value
        allowed = self._rules.request_headers if side == "request" else self._rules.response_headers
        verdict = allowed.verdict(part.name)
        kind = credential_kind(part.name, value)
        if kind is None and verdict.fate is Fate.REDACT and value and not MARK.search(value):
            kind = verdict.kind or "headervalue"
        if kind == "cookie":
            for start, end in cookie_values(part.name.lower(), value):
                yield self._change(start, end, kind, value[start:end], "denied-header")
        elif kind:
            scheme = _SCHEME.match(value)
            start = scheme.end() if scheme else 0
            yield self._change(start, len(value), kind, value[start:], "denied-header")
        elif verdict.is_url:
            yield from self._pairs(value, re.compile(rb"[?#&]").search(value))

    def _pairs(self, value: bytes, mark: re.Match[bytes] | None) -> Iterator[_Change]:
        """Parameters whose names say that they are secret, from a place in a URL or a form on."""
        at = mark.end() if mark else len(value)
        for pair in re.compile(rb"[^&#]+").finditer(value, at):
            name, equals, given = pair.group().partition(b"=")
            kind = secret_parameter(unquote_to_bytes(name).decode("latin-1"), given)
            if kind and not MARK.search(given):
                start = pair.start() + len(name) + len(equals)
                plain = unquote_to_bytes(given.replace(b"+", b" "))
                yield self._change(start, pair.end(), kind, plain, "secret-parameter")

    def _change(self, start: int, end: int, kind: str, value: bytes, rule: str) -> _Change:
        return _Change(start, end, self._memory.replacement(kind, value), rule, kind, value)

    def _scanned(
        self, value: bytes, part: MessagePart, known: Sequence[_Change], name: str
    ) -> Iterator[_Change]:
        """What looks like a secret, and does not lie in what is replaced already."""
        text, shift = value, 0
        if name and part.role is not Role.HEADER:
            # The structure's own quotes and names count as they would in the body that it stands for.
            front = json.dumps(name).encode() + b': "'
            text, shift = front + value + b'"', len(front)
        for secret in find_secrets(text, self._rules.scanner, self._memory.watch):
            yield from self._of_secret(secret, shift, len(value), known)

    def _of_secret(
        self, secret: Secret, shift: int, size: int, known: Sequence[_Change]
    ) -> Iterator[_Change]:
        is_first = True
        for start, end in secret.spans:
            left, right = max(start - shift, 0), min(end - shift, size)
            if left < right and not any(one.start < right and left < one.end for one in known):
                new = secret.written(self._memory.replacement(secret.kind, secret.value)) if is_first else b""
                yield _Change(left, right, new, secret.rule, secret.kind, secret.value)
                is_first = False

    def _record(self, part: MessagePart, changes: Sequence[_Change], result: Result) -> None:
        changes = [one for one in changes if not self._rules.custom.allows(one.rule, part.field)]
        if not changes:
            return
        leaf = part.leaf
        written = Written.of(leaf, self._data)
        if written is None or any(one.rule == _FUNCTION or not _SAFE.fullmatch(one.new) for one in changes):
            value = _applied(leaf.value, changes)
            new = (rewritten_base64 if leaf.is_binary else rewritten)(leaf, self._data, value)
            result.edits.append(Edit(leaf.start, leaf.end, new))
            result.hits.extend(
                Hit(one.rule, part.field, one.kind, leaf.start, one.value)
                for one in changes
                if one.new or one.rule == _FUNCTION
            )
            return
        for one in changes:
            start, end = written.span(one.start, one.end)
            result.edits.append(Edit(start, end, one.new))
            if one.new or one.rule == _FUNCTION:
                result.hits.append(Hit(one.rule, part.field, one.kind, start, one.value))

    def _body(
        self, part: MessagePart, message: FileMessage, result: Result, *, by_name_only: bool
    ) -> tuple[int, int] | None:
        """Look through a body; its length in the file's terms before and behind."""

        def look(body: bytes) -> list[_Change]:
            if not by_name_only:
                self._packed(body, part, result)
            return self._in_body(body, part, message, by_name_only=by_name_only)

        return self._replace_in_body(part, message, result, look)

    def _replace_in_body(
        self, part: MessagePart, message: FileMessage, result: Result, look: Callable[[bytes], list[_Change]]
    ) -> tuple[int, int] | None:
        value = _unbase64(part.leaf.value) if part.is_base64 else part.leaf.value
        coding = _coding(value, message)
        try:
            plain = unpacked(value, coding) if coding else value
            coding = "" if plain is value else coding
            changes = look(plain)
        except PackedError as error:
            self._stuck("unreadable-body", part, b"", f"it can't be looked into: {error}", result)
            return None
        changes = [one for one in changes if not self._rules.custom.allows(one.rule, part.field)]
        if not changes:
            return None
        if not coding and not part.is_base64:
            self._record(part, changes, result)
            return len(value), len(_applied(value, changes))
        clean = _applied(plain, changes)
        packed = _encoded(clean, coding)
        leaf = part.leaf
        if part.is_base64 or leaf.is_binary:
            new = rewritten_base64(leaf, self._data, packed)
        else:  # Python 2's VCR.py wrote compressed bytes as text
            new = b"!!binary " + binascii.b2a_base64(packed, newline=False)
        result.edits.append(Edit(leaf.start, leaf.end, new))
        result.hits.extend(
            Hit(one.rule, part.field, one.kind, leaf.start, one.value)
            for one in changes
            if one.new or one.rule == _FUNCTION
        )
        return len(value), len(packed)

    def _packed(self, body: bytes, part: MessagePart, result: Result) -> None:
        """What archives in a body have; raises PackedError for one that can't be read."""
        for member in members(body):
            for secret in find_secrets(member, self._rules.scanner, self._memory.watch):
                self._stuck(secret.rule, part, secret.value, "it is in an archive: record it anew", result)

    def _stuck(self, rule: str, part: MessagePart, value: bytes, why: str, result: Result) -> None:
        if not self._rules.custom.allows(rule, part.field):
            result.hits.append(Hit(rule, part.field, "", part.leaf.start, value, why))

    def _in_body(
        self, body: bytes, part: MessagePart, message: FileMessage, *, by_name_only: bool
    ) -> list[_Change]:
        changes: list[_Change] = []
        media_type = message.header("content-type").partition(";")[0].strip().lower()
        if media_type == _FORM:
            changes += self._pairs(body, re.compile(b"").match(body))
        changes += self._by_path(body)
        if not by_name_only:
            changes += self._scanned(body, part, changes, "")
        return sorted(changes, key=lambda one: one.start)

    def _by_path(self, body: bytes) -> Iterator[_Change]:
        found: list[bytes] = []

        def replacement(kind: str, value: bytes) -> bytes:
            found.append(value)
            return self._memory.replacement(kind, value)

        for start, end, new in self._rules.custom.edits(body, replacement):
            yield _Change(start, end, new, "custom-path", "custom", found[-1])

    def _trees(self, message: FileMessage, result: Result) -> None:
        """JSONPaths in bodies that the file keeps as JSON."""
        for start, end in message.trees:
            for one in self._by_path(self._data[start:end]):
                if not self._rules.custom.allows(one.rule, f"{message.side}.body"):
                    result.edits.append(Edit(start + one.start, start + one.end, one.new))
                    result.hits.append(
                        Hit(one.rule, f"{message.side}.body", one.kind, start + one.start, one.value)
                    )

    def _events(self, message: FileMessage, result: Result) -> None:
        """What the pieces of a stream share, where the file has the stream as a list of JSON."""
        if len(message.events) < 2:
            return
        text, places, size = [], [], 0
        for start, end in message.events:
            # Of the same length, so that places in it are places in the file.
            event = b"data: " + self._data[start:end].translate(_ONE_LINE)
            places.append((size + 6, size + len(event), start))
            text.append(event)
            size += len(event) + 1
        field = f"{message.side}.body"
        taken = [(edit.start, edit.end) for edit in result.edits]
        for secret in find_secrets(
            b"\n".join(text), self._rules.scanner, self._memory.watch, only_split=True
        ):
            spans = [(at + start - left, at + end - left) for start, end in secret.spans
                     for left, right, at in places if left <= start and end <= right]  # fmt: skip
            clash = any(start < right and left < end for start, end in spans for left, right in taken)
            if clash or not spans or self._rules.custom.allows(secret.rule, field):
                continue
            new = self._memory.replacement(secret.kind, secret.value)
            for start, end in spans:
                result.edits.append(Edit(start, end, new))
                new = b""
            result.hits.append(Hit(secret.rule, field, secret.kind, spans[0][0], secret.value))

    def _lengths(self, message: FileMessage, before: int, after: int) -> Iterator[Edit]:
        """The lengths in the file that were the body's."""
        headers = [part.leaf for part in message.headers if part.name.lower() == "content-length"]
        for leaf in (*headers, *message.lengths):
            if leaf.value == b"%d" % before and before != after:
                written = Written.of(leaf, self._data)
                start, end = written.span(0, len(leaf.value)) if written else (leaf.start, leaf.end)
                yield Edit(start, end, b"%d" % after)


_ONE_LINE = bytes.maketrans(b"\r\n", b"  ")


def _applied(value: bytes, changes: Sequence[_Change]) -> bytes:
    out = []
    at = 0
    for one in sorted(changes, key=lambda change: change.start):
        out += [value[at : one.start], one.new]
        at = one.end
    return b"".join([*out, value[at:]])


def _unbase64(text: bytes) -> bytes:
    try:
        return binascii.a2b_base64(text)
    except ValueError:
        return text


def _coding(value: bytes, message: FileMessage) -> str:
    """How a body's bytes are coded; the header alone says nothing, for recorders decode and leave it."""
    magic = coding_of(value)
    header = message.header("content-encoding").strip().lower()
    if magic:
        return header or magic
    return header if header != "identity" and not is_text(value) else ""


def _encoded(value: bytes, coding: str) -> bytes:
    for one in coding.split(","):
        encode = _ENCODERS.get(one.strip())
        if encode:
            value = encode(value)
    return value


_ENCODERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": lambda value: gzip.compress(value, mtime=0),
    "x-gzip": lambda value: gzip.compress(value, mtime=0),
    "deflate": zlib.compress,
    "br": lambda value: bytes(brotli.compress(value)),
    "zstd": lambda value: zstandard.ZstdCompressor().compress(value),
}
