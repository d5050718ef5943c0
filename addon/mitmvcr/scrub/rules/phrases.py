"""Secrets that stand behind fixed words and may hold any character: `sig=`, `://user:`, `Bearer `, PEM.

Each finder looks for its words with `bytes.find` and then at a bounded stretch behind them. The words and
patterns are in phrases.toml, but for those with two ends to find.
"""

from __future__ import annotations

import binascii
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from mitmvcr.scrub.placeholders import is_dummy, is_fact
from mitmvcr.scrub.rules.detection import Detection, Evidence, entropy, places
from mitmvcr.scrub.rules.tables import compiled, rows

Finder = Callable[[bytes], Iterator[Detection]]

Guarded = tuple[tuple[bytes, ...], Finder]
"""A finder and the words without all of which it finds nothing; the rarest first."""


@dataclass(frozen=True, slots=True)
class _Phrase:
    """A kind whose pattern begins `back` bytes before `anchor`; its group `secret` is the secret.

    It has more than `entropy` bits per byte, and is not all `harmless` (a pattern, or empty); with `no_words`
    it is no word for a secret and no name of a variable. `before` stands in front of it on the same line.
    """

    name: str
    kind: str
    anchor: bytes
    pattern: str
    back: int = 0
    entropy: float = 0.0
    harmless: str = ""
    no_words: bool = False
    before: str = ""
    evidence: str = "name"

    def find(self, data: bytes) -> Iterator[Detection]:
        behind = 0
        for at in places(data, self.anchor):
            if at < max(self.back, behind) or not self._has_before(data, at):
                continue
            found = compiled(self.pattern).match(data, at - self.back)
            if found and self._counts(found["secret"]):
                span, evidence = found.span("secret"), Evidence(self.evidence)
                behind = found.end()
                yield Detection(*span, self.name, self.kind, found["secret"], evidence)

    def _has_before(self, data: bytes, at: int) -> bool:
        front = max(0, at - _LINE)
        return not self.before or data.rfind(self.before.encode(), front, at) > data.rfind(b"\n", front, at)

    def _counts(self, value: bytes) -> bool:
        if self.entropy and entropy(value) <= self.entropy:
            return False
        if self.harmless and compiled(self.harmless).fullmatch(value):
            return False
        return not (self.no_words and _is_word(value))


# How far in front of a phrase its line is looked at.
_LINE = 1024


def _is_word(value: bytes) -> bool:
    """Whether a value has no digit and is a word for a secret (`password`), a variable or a template."""
    return not any(48 <= byte <= 57 for byte in value) and (is_dummy(value) or is_fact(value))


def finders(options: Sequence[str] = ()) -> tuple[Guarded, ...]:
    """Those that always look, and those of the options `emails` and `home-paths`."""
    chosen = [guarded for option, guarded in _all_finders() if not option or option in options]
    return tuple(chosen)


@cache
def _all_finders() -> tuple[tuple[str, Guarded], ...]:
    """Each with the option that it needs, or an empty text."""
    found: list[tuple[str, Guarded]] = []
    for name, row in rows("phrases").items():
        found += _of_row(name, **row)
    return (*found, ("", ((b"PRIVATE KEY",), private_keys)), ("emails", ((b"@",), emails)))


def _of_row(
    name: str, *, anchors: Sequence[str], words: Sequence[str] = (), option: str = "", **rest: Any
) -> Iterator[tuple[str, Guarded]]:
    for anchor in anchors:
        guards = tuple(word.encode() for word in words or [anchor])
        yield option, (guards, _Phrase(name, anchor=anchor.encode(), **rest).find)


# PEM and PGP, any kind of PRIVATE KEY; no public keys, no certificates.
_PEM = r"(?i)-----BEGIN[ A-Z0-9_-]{0,100}PRIVATE KEY(?: BLOCK)?-----"
_PEM_END = r"KEY(?: BLOCK)?-----"
# What armour is made of, also with its line ends escaped as JSON has them.
_PEM_BODY = r"(?:[A-Za-z0-9+/=:,. \t\r\n-]|\\[nrt\\])*+"
_PEM_REACH = 64 * 1024


def private_keys(data: bytes) -> Iterator[Detection]:
    """PEM and PGP private keys, with their armour; one that is cut off as far as it goes."""
    behind = 0
    for at in places(data, b"-----BEGIN"):
        found = compiled(_PEM).match(data, at)
        if not found or at < behind:
            continue
        reach = found.end(), found.end() + _PEM_REACH
        end = compiled(_PEM_END).search(data, *reach) or compiled(_PEM_BODY).match(data, *reach)
        behind = end.end() if end else found.end()
        if behind - found.end() > 32:
            yield Detection(at, behind, "private-key", "pemtoken", data[at:behind])


_MAIL_USER = r"[A-Za-z0-9._%+-]{1,64}\Z"
# At least one dot: `user@localhost` is none.
_MAIL_HOST = r"@[A-Za-z0-9][A-Za-z0-9-]{0,62}(?:\.[A-Za-z0-9-]{1,63}){0,5}\.[A-Za-z]{2,24}"


def emails(data: bytes) -> Iterator[Detection]:
    """Mail addresses."""
    for at in places(data, b"@"):
        user = compiled(_MAIL_USER).search(data, max(0, at - 64), at)
        host = compiled(_MAIL_HOST).match(data, at)
        if user and host:
            start = user.start()
            if data[start - 1 : start] == b"\\" and start + 1 < at:
                start += 1  # the letter of an escape: \nuser@host
            yield Detection(start, host.end(), "email", "email", data[start : host.end()])


def decode_base64(text: bytes) -> bytes | None:
    """The bytes, with either alphabet and with or without padding; None if it is no Base64."""
    text = text.rstrip(b"=").translate(_STANDARD)
    if len(text) % 4 == 1:
        text = text[:-1]
    try:
        return binascii.a2b_base64(text + b"=" * (-len(text) % 4))
    except binascii.Error:
        return None


_STANDARD = bytes.maketrans(b"-_", b"+/")
