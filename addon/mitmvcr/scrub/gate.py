"""The last look at the bytes that are about to be written: what is wrong with them, never what it is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from mitmvcr.http.content_coding import actual_coding, stated_coding
from mitmvcr.http.event_stream import as_text
from mitmvcr.http.go_rules import canonical_header
from mitmvcr.model import Interaction, Values
from mitmvcr.scrub.detect.archives import PackedError, members, unpacked
from mitmvcr.scrub.detect.readings import unfolded
from mitmvcr.scrub.detect.scan import Scanner
from mitmvcr.scrub.detect.search import find_secrets, is_clear
from mitmvcr.scrub.detect.seen_values import Watch
from mitmvcr.scrub.headers import HeaderList, secret_spans
from mitmvcr.scrub.placeholders import is_fact


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


# Base64 of `!!binary`, as a block or on one line: the body that it stands for is looked at by itself.
_BINARY = re.compile(
    rb"!!binary[ \t]*(?:\|[-+]?[ \t]*)?\r?\n(?:[ \t]+[A-Za-z0-9+/=]+\r?\n)*+|!!binary[ \t]+[^\r\n]+"
)


# The escape of a character in YAML's double quotes, or in JSON, behind an even number of backslashes.
_LETTER = re.compile(
    rb"(?<!\\)((?:\\\\)*+)\\(?:x([89A-Fa-f][0-9A-Fa-f])|u([0-9A-Fa-f]{4})|U(00[01][0-9A-Fa-f]{5}))"
)


_LETTER_MARKS = (b"\\x", b"\\u", b"\\U")


def _with_letters(text: bytes) -> bytes:
    """The text with the letters beyond ASCII that its escapes mean, of which none is part of a key."""
    return _LETTER.sub(_letter, text) if any(mark in text for mark in _LETTER_MARKS) else text


def _letter(escape: re.Match[bytes]) -> bytes:
    code = int(escape[2] or escape[3] or escape[4], 16)
    if code < 0x80 or 0xD800 <= code < 0xE000 or code > 0x10FFFF:
        return escape[0]
    return escape[1] + chr(code).encode()


def examine(data: bytes, interaction: Interaction, scanner: Scanner, watch: Watch) -> list[GateFinding]:
    """What `data`, the emitted text of a scrubbed interaction, and its bodies still have."""
    findings: dict[tuple[str, str], GateFinding] = {}
    text = _with_letters(unfolded(_BINARY.sub(b"", data) if b"!!binary" in data else data))
    for secret in find_secrets(text, scanner, watch):
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
    for finding in _body_findings(text, interaction, scanner, watch):
        findings.setdefault((finding.rule, finding.field), finding)
    return list(findings.values())


def _body_findings(
    text: bytes, interaction: Interaction, scanner: Scanner, watch: Watch
) -> Iterator[GateFinding]:
    """What the emitted text alone doesn't show: split by events, in binary or compressed bodies.

    A body in which `find_secrets` has just found nothing, with all that is tracked now, is not asked again.
    """
    for side, message in (("request", interaction.request), ("response", interaction.response)):
        field = f"{side}.body"
        body = message.body
        coding = actual_coding(body, stated_coding(message.headers))
        try:
            if coding:
                body = unpacked(body, coding)
            body = as_text(body)
            if not is_clear(body, scanner, watch):
                only_split = not coding and _is_shown(body, text)
                for secret in find_secrets(body, scanner, watch, only_split=only_split):
                    split = f", split over {len(secret.spans)} events" if len(secret.spans) > 1 else ""
                    place = f"byte {secret.spans[0][0]} of the body{split}"
                    yield GateFinding(secret.rule, field, place, mask(secret.value))
            for member in members(body):
                for secret in find_secrets(member, scanner, watch):
                    yield GateFinding(secret.rule, field, "in an archive", mask(secret.value))
        except PackedError as error:
            yield GateFinding("unreadable-body", field, "the whole", str(error))


def _is_shown(body: bytes, text: bytes) -> bool:
    """Whether the text has the body as it is but for indentation, so that who read the one read both."""
    first, newline, rest = body.partition(b"\n")
    if not newline:
        return _stands(body, text) or (b"'" in body and _stands(body.replace(b"'", b"''"), text))
    at = text.find(first + b"\n")
    if at < 0:
        return False
    below = at + len(first) + 1
    indent = b"\n" + b" " * (_blanks(text, below) - _blanks(rest, 0))
    inner = body.rstrip(b"\n").replace(b"\n", indent)
    return text.startswith(inner, at) or text.startswith(inner.replace(indent + b"\n", b"\n\n"), at)


def _stands(line: bytes, text: bytes) -> bool:
    """Whether the text has the line; `in` would first make preparations for a needle of such a length."""
    at = text.find(line[:48])
    return at >= 0 and text.startswith(line, at)


def _blanks(text: bytes, at: int) -> int:
    line = text[at : at + 256]
    return len(line) - len(line.lstrip(b" "))


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
