"""The last look at the bytes that are about to be written: what is wrong with them, never what it is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from mitmvcr.http.content_coding import actual_coding, is_text, stated_coding
from mitmvcr.http.event_stream import as_text
from mitmvcr.http.go_rules import canonical_header
from mitmvcr.model import Interaction, Values
from mitmvcr.scrub.detect.archives import PackedError, unpacked
from mitmvcr.scrub.detect.escapes import unfolded
from mitmvcr.scrub.detect.scan import Scanner
from mitmvcr.scrub.detect.search import Secret, find_packed, find_secrets, is_clear, may_have_secrets
from mitmvcr.scrub.detect.seen_values import Watch
from mitmvcr.scrub.headers import HeaderList, secret_spans
from mitmvcr.scrub.placeholders import is_fact
from mitmvcr.scrub.rules.detection import Evidence


@dataclass(frozen=True, slots=True)
class GateFinding:
    """A secret in what would have been written; `sample` is masked."""

    rule: str
    field: str
    place: str
    sample: str

    def __str__(self) -> str:
        return (
            f"{self.rule} in {self.field}, {self.place}: {self.sample}; nothing of it was written. "
            f"If it is no secret, allow it with vcr_allow={self.rule}@{self.field}"
        )


def mask(value: bytes) -> str:
    """A secret's first characters, never more than a sixth of it, and its length."""
    shown = value[: min(4, len(value) // 6)]
    text = "".join(chr(byte) if 0x20 < byte < 0x7F else "?" for byte in shown)
    return f"{text}… ({len(value)} bytes)"


# Where Base64 of `!!binary` begins, as a block below or on the line.
_BINARY = re.compile(rb"!!binary[ \t]+(?:\|[-+]?[ \t]*\r?\n|(?=[A-Za-z0-9+/=\"']))|!!binary[ \t]*\r?\n")
_OF_BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/= \t\r\n\"'"


def _without_binary(text: bytes) -> bytes:
    """The text without what is in Base64 there: the value that it stands for is looked at by itself.

    A block goes on until the line of the next key: there is no colon in Base64.
    """
    pieces = []
    at = 0
    for found in _BINARY.finditer(text):
        start = found.end()
        colon = text.find(b":", start)
        end = text.rfind(b"\n", start, colon) + 1 if colon >= 0 else len(text)
        if start >= at and end > start and not text[start:end].translate(None, _OF_BASE64):
            pieces.append(text[at:start])
            at = end
    return b"".join([*pieces, text[at:]])


def _plain(text: bytes) -> bytes:
    """An entry's text without its folds, and without what is in Base64 there."""
    return unfolded(_without_binary(text) if text.find(b"!!binary") >= 0 else text)


def examine(data: bytes, interaction: Interaction, scanner: Scanner, watch: Watch) -> list[GateFinding]:
    """What `data`, the emitted text of a scrubbed interaction, and its bodies still have."""
    findings: dict[tuple[str, str], GateFinding] = {}
    rest = data
    for body in (interaction.request.body, interaction.response.body):
        if len(body) > _SHORT and is_clear(body, scanner, watch):
            rest = _without(rest, body)  # what was just read without a finding stands there byte for byte
    text = _plain(rest)
    found: list[Secret] = []
    if may_have_secrets(text, scanner, watch, with_names=False):
        text = _plain(data)
        found = find_secrets(text, scanner, watch, with_names=False)
    for secret in found:
        if secret.evidence is not Evidence.SEEN and _is_protected(text, secret.spans[0]):
            continue
        start, end = secret.spans[0]
        field = _field_of(text[start:end], interaction)
        line = text.count(b"\n", 0, start) + 1
        place = f"line {line} of the entry"
        findings.setdefault((secret.rule, field), GateFinding(secret.rule, field, place, mask(secret.value)))
    for value, kind in watch.folded(text):
        field = _field_of(value, interaction)
        rule = f"tracked-{kind}"
        if not any(found_rule == rule for found_rule, _ in findings):
            findings[rule, field] = GateFinding(rule, field, "quoted or folded", mask(value))
    for finding in _body_findings(interaction, scanner, watch):
        findings.setdefault((finding.rule, finding.field), finding)
    return list(findings.values())


_SHORT = 256
"""Bodies up to this length (in bytes) are read again; it costs less than to look for them."""


def _without(text: bytes, body: bytes) -> bytes:
    """The text without a body that stands in it as it is but for indentation; all of it if it doesn't."""
    first, newline, _ = body.partition(b"\n")
    at = text.find(first[:48])
    if at < 0:
        return text
    if newline:
        indent = text[text.rfind(b"\n", 0, at) + 1 : at]  # no blanks where it isn't a block: it isn't found
        below = b"\n" + indent
        body = body.rstrip(b"\n").replace(b"\n", below).replace(below + b"\n", b"\n\n")
    return b"%b\n%b" % (text[:at], text[at + len(body) :]) if text.startswith(body, at) else text


def _body_findings(interaction: Interaction, scanner: Scanner, watch: Watch) -> Iterator[GateFinding]:
    """What the emitted text doesn't show: in compressed bodies, in archives, in what can't be looked into.

    What a body that is text has left the scrubber says, which reads it as it does before it changes it.
    """
    for side, message in (("request", interaction.request), ("response", interaction.response)):
        field = f"{side}.body"
        body = message.body
        coding = actual_coding(body, stated_coding(message.headers))
        try:
            if coding:
                body = unpacked(body, coding)
                for secret in find_secrets(body, scanner, watch):
                    yield GateFinding(secret.rule, field, f"{coding}, decompressed", mask(secret.value))
            elif not is_clear(as_text(body), scanner, watch) and not is_text(body):
                for secret in find_secrets(as_text(body), scanner, watch):
                    place = f"byte {secret.spans[0][0]} of the body"
                    yield GateFinding(secret.rule, field, place, mask(secret.value))
            for secret in find_packed(body, scanner, watch):
                yield GateFinding(secret.rule, field, "in an archive", mask(secret.value))
        except PackedError as error:
            yield GateFinding("unreadable-body", field, "the whole", str(error))


_PROTECTED = b'encrypted_content"'


def _is_protected(text: bytes, span: tuple[int, int]) -> bool:
    """Whether a place lies in the value of an `encrypted_content`, which later requests send back."""
    key = text.rfind(_PROTECTED, 0, span[0]) if _PROTECTED in text else -1
    if key < 0:
        return False
    opening = text.find(b'"', key + len(_PROTECTED))
    closing = text.find(b'"', opening + 1)
    return opening < span[0] and span[1] <= closing


def header_findings(headers: Values, allowed: HeaderList, side: str) -> Iterator[GateFinding]:
    """Headers that carry credentials and still have a value that is no replacement, a count or a mask."""
    for name, kind in allowed.plan(headers).credentials:
        for value in headers[name]:
            raw = value.encode("utf-8", "surrogateescape")
            if not is_fact(raw) and any(secret_spans(name, raw, kind)):
                yield GateFinding(
                    "denied-header", f"{side}.headers.{canonical_header(name)}", "its value", "…"
                )


def _field_of(sample: bytes, interaction: Interaction) -> str:
    """The field of the interaction that has this text; `interaction` if quoting hides which."""
    request, response = interaction.request, interaction.response
    text = sample.decode("utf-8", "surrogateescape")
    if text in request.url:
        return "request.url"
    if sample in request.body:
        return "request.body"
    if sample in response.body:
        return "response.body"
    for side, values in (
        ("request.headers", request.headers),
        ("response.headers", response.headers),
        ("request.form", request.form),
    ):
        for name, given in values.items():
            if any(text in value for value in given):
                return f"{side}.{name}"
    return "interaction"
