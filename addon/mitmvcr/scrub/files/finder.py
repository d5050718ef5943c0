"""The parts of a message -> the edits of the file that take their secrets out; decides nothing itself.

What is secret in a value, and what replaces it, says `scrub.decide`, as when an exchange is recorded; that a
header is not one of those that are kept is no finding here.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from mitmvcr.formats import har_text
from mitmvcr.http.content_coding import actual_coding, encode_body
from mitmvcr.http.event_stream import as_text
from mitmvcr.scrub.changes import Change, changed
from mitmvcr.scrub.decide import FORM, ROUNDS, Decisions, Rules
from mitmvcr.scrub.detect.archives import PackedError, unpacked
from mitmvcr.scrub.detect.bodies import read_body, read_url
from mitmvcr.scrub.files.document import PlacedScalar
from mitmvcr.scrub.files.roles import FileMessage, MessagePart, Role
from mitmvcr.scrub.files.writeback import Written, rewritten, rewritten_base64
from mitmvcr.scrub.headers import Fate, credential_kind, secret_spans
from mitmvcr.scrub.memory import Memory
from mitmvcr.scrub.rules.detection import Evidence

_UNFIT = "its replacement is longer, and the body has lengths inside: record it anew"
_ARCHIVED = "it is in an archive: record it anew"
_FUNCTION = "custom-function"
_TOLD_BY_NAME = b"REDACTED-header-1"
# What can be written as it is in every style; a function's values may have more, and UTF-16 has.
_SAFE = re.compile(rb"[A-Za-z0-9_-]*")


_TOGETHER = 64
"""How many messages are looked over at once."""


@dataclass(frozen=True, slots=True)
class Edit:
    """Bytes of the file that get others."""

    start: int
    end: int
    new: bytes


@dataclass(frozen=True, slots=True)
class FileSecret:
    """A secret in a field; `start` is the byte of the file where it (or what it is coded in) begins.

    `stuck`, where not empty, says why it can't be replaced there.
    """

    rule: str
    field: str
    kind: str
    start: int
    value: bytes
    stuck: str = ""


class MessageEdits:
    """What is wrong with a message, and what mends it."""

    __slots__ = ("edits", "secrets")

    def __init__(self) -> None:
        self.secrets: list[FileSecret] = []
        self.edits: list[Edit] = []

    def add(self, field: str, change: Change, start: int) -> None:
        """A secret that is edited; what is empty is the rest of one that was added."""
        if change.rule and (change.new or change.rule == _FUNCTION):
            self.secrets.append(FileSecret(change.rule, field, change.kind, start, change.value))


class Finder:
    """Looks through the messages of one cassette."""

    def __init__(self, data: bytes, rules: Rules, memory: Memory) -> None:
        self._data = data
        self._rules = rules
        self._memory = memory
        self._decisions = Decisions(rules, memory)
        self._entries = [self._decisions]
        self._said = b""

    def remember_credentials(self, message: FileMessage) -> None:
        """Look out for the credentials in a message's headers, URL and form from now on.

        A placeholder (`test-key`) is none: its author has put it there to be seen. Nor is what a response has
        in common with its own request, which was said before.
        """
        is_request = message.side == "request"
        if is_request:
            said = [part.leaf.value for part in message.parts if part.role is Role.URL]
            self._said = b"\n".join([*said, message.body.leaf.value if message.body else b""])
        verdict = self._rules.headers(message.side).verdict
        for part in message.headers:
            kind = credential_kind(part.name, part.leaf.value) if verdict(part.name).kind else None
            if kind:
                but = b"" if is_request else self._said
                self._memory.track_header(part.name, part.leaf.text, kind, but=but)
        for part in message.parts if is_request else ():
            if part.role is Role.URL:
                self._memory.track_parameters(read_url(part.leaf.value))
        media_type = self._media_type(message) if is_request and message.body else ""
        if message.body and (media_type == FORM or media_type.startswith("multipart/")):
            self._memory.track_parameters(read_body(message.body.leaf.value, media_type))

    def look(self, found: Sequence[FileMessage]) -> Iterator[MessageEdits]:
        """The secrets in a file's messages, each; many are looked over at once, since most have none."""
        for at in range(0, len(found), _TOGETHER):
            group = found[at : at + _TOGETHER]
            together = Decisions(self._rules, self._memory)
            # Many headers have one value in all messages.
            together.look_over(
                list(dict.fromkeys(text for message in group for text in self._shared(message)))
            )
            for message in group:
                yield self._look_at(message, is_clear=together.by_name_only)

    def _look_at(self, message: FileMessage, *, is_clear: bool) -> MessageEdits:
        """The secrets in a message; what was found in a request is looked for in its response, too.

        `is_clear`: its texts were found to have none that they tell, and no value that is looked out for.
        """
        if message.side == "request":
            self._decisions = Decisions(self._rules, self._memory)
            self._entries.append(self._decisions)
        elif not message.side:  # what stands beside all messages
            self._decisions = Decisions(self._rules, self._memory, self._entries)
        for _ in range(ROUNDS):
            values = self._decisions.values
            if is_clear:
                self._decisions.by_name_only = not values
            else:
                self._decisions.look_over(self._shared(message))
            result = self._decide_all(message)
            if self._decisions.values == values:
                break
        return result

    def _shared(self, message: FileMessage) -> list[bytes]:
        """The texts of a message that are looked over with others."""
        if self._rules.has_patterns:
            return []
        verdict = self._rules.headers(message.side).verdict
        texts = [part.leaf.value for part in message.parts if not part.code]
        texts += [
            part.leaf.value if verdict(part.name).kind is None else _without_credentials(part)
            for part in message.headers
        ]
        if message.body and not self._is_read_alone(message.body, message):
            texts.append(as_text(message.body.leaf.value))
        return texts

    def _decide_all(self, message: FileMessage) -> MessageEdits:
        result = MessageEdits()
        is_clear = self._decisions.by_name_only
        for part in _parts(message):
            self._decisions.by_name_only = is_clear and not self._is_read_alone(part, message)
            if self._decisions.by_name_only and self._is_told_by_text_alone(part, message.side):
                continue
            if part is message.body:
                self._body(part, message, result)
            else:
                self._edit(part, self._decide(part, message.side), result)
        self._decisions.by_name_only = False
        self._events(message, result)
        field = f"{message.side}.body"
        for start, end in message.trees:
            for change in self._decisions.tree(self._data[start:end], field):
                result.edits.append(Edit(start + change.start, start + change.end, change.new))
                result.add(field, change, start + change.start)
        return result

    def put(self, part: MessagePart, message: FileMessage, old: bytes, new: bytes) -> MessageEdits:
        """What gives a part another value, its own being `old`; nothing if it isn't, or if it may stay."""
        result = MessageEdits()
        if not self.allows(part):
            change = Change(0, len(old), new, _FUNCTION, "custom", old, Evidence.SHAPE)
            if part is message.body:
                self._edit_body(part, message, result, lambda body: [change] if body == old else [])
            elif part.leaf.value == old:
                self._edit(part, [change], result)
        return result

    def allows(self, part: MessagePart) -> bool:
        """Whether the user lets stay what a function changes there."""
        return self._rules.custom.allows(_FUNCTION, part.field)

    def _is_told_by_text_alone(self, part: MessagePart, side: str) -> bool:
        """Whether nothing but its text could tell that a part has a secret: no name over it."""
        if part.role is Role.HEADER:
            verdict = self._rules.headers(side).verdict(part.name)
            return verdict.kind is None and verdict.fate is not Fate.REDACT and not verdict.is_url
        return part.role is Role.TEXT and part.told is None

    def _is_read_alone(self, part: MessagePart, message: FileMessage) -> bool:
        """Whether a part can't be looked over with the others: a coded body, which is read decoded.

        Nor any part where there are a user's patterns, which may look around.
        """
        if self._rules.has_patterns or part.code:
            return True
        return part is message.body and bool(
            actual_coding(part.leaf.value, message.header("content-encoding"))
        )

    def _decide(self, part: MessagePart, side: str) -> list[Change]:
        value, field = part.leaf.value, part.field
        if part.role is Role.HEADER:
            return self._decisions.header(part.name, value, side, field)
        if part.role is Role.URL:
            return self._decisions.url(value, field)
        if part.role is Role.COOKIE:
            return self._decisions.cookie(value, field)
        if part.role is Role.PARAMETER:
            return self._decisions.parameter(part.name, value, field)
        return self._decisions.text(value, field, part.told, is_said=part.is_said)

    def _edit(self, part: MessagePart, changes: Sequence[Change], result: MessageEdits) -> None:
        if not changes:
            return
        leaf = part.leaf
        written = Written.of(leaf, self._data)
        if written is None or any(
            change.rule == _FUNCTION or not _SAFE.fullmatch(change.new) for change in changes
        ):
            value = changed(leaf.value, changes)
            new = (rewritten_base64 if leaf.is_binary else rewritten)(leaf, self._data, value)
            self._replace(part, changes, new, result)
            return
        for change in changes:
            start, end = written.span(change.start, change.end)
            result.edits.append(Edit(start, end, change.new))
            result.add(part.field, change, start)

    def _replace(
        self, part: MessagePart, changes: Sequence[Change], new: bytes, result: MessageEdits
    ) -> None:
        """Write a part anew as a whole."""
        result.edits.append(Edit(part.leaf.start, part.leaf.end, new))
        for change in changes:
            result.add(part.field, change, part.leaf.start)

    def _body(self, part: MessagePart, message: FileMessage, result: MessageEdits) -> None:
        content_type = message.header("content-type")
        media_type = self._media_type(message)

        def decide(body: bytes) -> list[Change]:
            for secret in self._decisions.packed(body, part.field):
                self._stuck(secret.rule, part, secret.value, _ARCHIVED, result)
            return self._decisions.body(body, part.field, media_type, content_type)

        self._edit_body(part, message, result, decide)

    def _media_type(self, message: FileMessage) -> str:
        return message.header("content-type").partition(";")[0].strip().lower()

    def _edit_body(
        self,
        part: MessagePart,
        message: FileMessage,
        result: MessageEdits,
        decide: Callable[[bytes], Sequence[Change]],
    ) -> None:
        """Make the changes of a body, in what it is coded in, and correct the lengths that were its own."""
        leaf = part.leaf
        value = _bytes_of(leaf, part.code) if part.code else leaf.value
        coding = actual_coding(value, message.header("content-encoding"))
        try:
            plain = unpacked(value, coding) if coding else value
            coding = "" if plain is value else coding
            changes = decide(plain)
        except PackedError as error:
            if not self._rules.custom.allows("unreadable-body", part.field):
                self._stuck("unreadable-body", part, b"", f"it can't be looked into: {error}", result)
            return
        changes = self._fit(changes, plain, part, result)
        if not changes:
            return
        clean = changed(plain, changes)
        if coding or part.code:
            clean = encode_body(clean, coding)
            if part.code:
                new = rewritten(leaf, self._data, har_text.encoded(clean, part.code, leaf.text).encode())
            elif leaf.is_binary:
                new = rewritten_base64(leaf, self._data, clean)
            else:  # Python 2's VCR.py wrote compressed bytes as text
                new = b"!!binary " + binascii.b2a_base64(clean, newline=False)
            self._replace(part, changes, new, result)
        else:
            self._edit(part, changes, result)
        result.edits.extend(self._lengths(message, len(value), len(clean)))

    def _fit(
        self, changes: Sequence[Change], body: bytes, part: MessagePart, result: MessageEdits
    ) -> list[Change]:
        """The changes without those that can't be made, which are stuck."""
        fit = [change for change in changes if change.new != body[change.start : change.end]]
        for change in changes if len(fit) < len(changes) else ():
            if change not in fit:
                self._stuck(change.rule, part, change.value, _UNFIT, result)
        return fit

    def _stuck(self, rule: str, part: MessagePart, value: bytes, why: str, result: MessageEdits) -> None:
        if not any(secret.stuck == why and secret.rule == rule for secret in result.secrets):
            result.secrets.append(FileSecret(rule, part.field, "", part.leaf.start, value, why))

    def _events(self, message: FileMessage, result: MessageEdits) -> None:
        """What the pieces of a stream share, where the file has the stream as a list of JSON."""
        if len(message.events) < 2:
            return
        field = f"{message.side}.body"
        taken = [(edit.start, edit.end) for edit in result.edits]
        for change in self._decisions.stream(self._data, message.events, field):
            if not any(change.start < right and left < change.end for left, right in taken):
                result.edits.append(Edit(change.start, change.end, change.new))
                result.add(field, change, change.start)

    def _lengths(self, message: FileMessage, before: int, after: int) -> Iterator[Edit]:
        """The lengths in the file that were the body's."""
        headers = [part.leaf for part in message.headers if part.name.lower() == "content-length"]
        for leaf in (*headers, *message.lengths):
            if leaf.value == b"%d" % before and before != after:
                written = Written.of(leaf, self._data)
                start, end = written.span(0, len(leaf.value)) if written else (leaf.start, leaf.end)
                yield Edit(start, end, b"%d" % after)


def _parts(message: FileMessage) -> list[MessagePart]:
    return [*message.parts, *message.headers, *([message.body] if message.body else [])]


def _without_credentials(header: MessagePart) -> bytes:
    """A header's value without what its name tells."""
    value = header.leaf.value
    if kind := credential_kind(header.name, value):
        for start, end in reversed([*secret_spans(header.name, value, kind)]):
            value = value[:start] + _TOLD_BY_NAME + value[end:]
    return value


def _bytes_of(leaf: PlacedScalar, code: str) -> bytes:
    """What a coded text stands for; the text itself where it isn't in its code."""
    try:
        return har_text.decoded(leaf.text, code)
    except ValueError:
        return leaf.value
