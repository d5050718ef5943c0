"""Secrets that only their name tells (`datadog_key = …`): a token's place -> what its name tells.

Reads the few bytes in front of it, never the whole text. The kinds, in names.toml, are many; the long tokens
that the scanner has found are few: so each one's name is looked at, and no name is searched for.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache

from mitmvcr.scrub.rules.tables import compiled, rows

_OPERATORS = b"=>:"
_FILL = b" \t\r\n'\"`\\"
_NAME_REACH = 72
_NAME_STOP = bytes(
    byte if byte in b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-. \t" else 10
    for byte in range(256)
)


@dataclass(frozen=True, slots=True)
class NamedRule:
    """A kind whose values the name in front tells: pattern, least entropy (bits per byte), and looks."""

    name: str
    kind: str
    shape: str
    entropy: float
    accept: Callable[[bytes], bool]

    @property
    def value(self) -> re.Pattern[bytes]:
        return compiled(self.shape)


# Nothing of a token may follow: a vendor's value has its very length.
_END = r"(?![A-Za-z0-9_=-])"


@dataclass(frozen=True, slots=True)
class _Vendors:
    """The kinds by the words that tell them in a name (`my_datadog_key`), the longest word first."""

    kinds: Mapping[str, NamedRule]
    word: re.Pattern[str]


@cache
def _vendors() -> _Vendors:
    kinds: dict[str, NamedRule] = {}
    for name, row in rows("names").items():
        word = name.removesuffix("-key")
        rule = NamedRule(
            name, f"{word}token", f"(?i:{row['pattern']}){_END}", row.get("entropy", 0.0), is_no_word
        )
        kinds.update(dict.fromkeys(row.get("words", word).split(), rule))
    return _Vendors(kinds, re.compile("|".join(map(re.escape, sorted(kinds, key=len, reverse=True)))))


# A scheme between a name and its value (`Authorization: Bearer …`).
_SCHEME = re.compile(rb"(?i:bearer|basic|token|api-?key)[ \t]{1,4}\Z")
_SCHEME_REACH = 11
"""The most (in bytes) that it takes: it is looked for at each place."""


def name_in_front(data: bytes, at: int) -> str:
    """The name that an operator (`=`, `:`, `=>`) ties to what begins at a place; empty if there is none.

    A host in front of its port is none, nor what stands in front of another value, as in a list; nor is one
    of our replacements.
    """
    front = data[max(0, at - _NAME_REACH) : at]
    scheme = _SCHEME.search(front, max(0, len(front) - _SCHEME_REACH))
    if scheme:
        front = front[: scheme.start()]
    bare = front.rstrip(_FILL)
    if not bare or bare[-1] not in _OPERATORS:
        return ""
    bare = bare.rstrip(b":=>?").rstrip(_FILL)
    name = bare.translate(_NAME_STOP).rpartition(b"\n")[2]
    if name.find(b"REDACTED") >= 0 or bare.endswith(b"//" + name):
        return ""
    return name.decode("ascii")


# A name in a list of arguments: a constant's, or a plain word's; an id has digits, or letters of either case.
_CONSTANT = re.compile(rb"(?:[A-Z][A-Z_.-]{2,63}|[A-Za-z]?[a-z_.-]{3,63})\Z")


def constant_in_front(data: bytes, at: int) -> str:
    """The name of a constant that a comma or a bar parts from what begins at a place; empty if there is none.

    It is a neighbour in a list, so it tells no more than a vendor's name.
    """
    bare = data[max(0, at - _NAME_REACH) : at].rstrip(_FILL)
    if not bare or bare[-1] not in b",|":
        return ""
    name = bare.rstrip(b",|").rstrip(_FILL).translate(_NAME_STOP).rpartition(b"\n")[2]
    found = _CONSTANT.search(name.replace(b"\t", b" ").rpartition(b" ")[2])
    return found[0].decode() if found and b"REDACTED" not in found[0] else ""


@lru_cache(maxsize=8192)
def vendor_kinds(name: str) -> tuple[NamedRule, ...]:
    """The kinds whose values a name tells."""
    vendors = _vendors()
    return tuple([vendors.kinds[word] for word in dict.fromkeys(vendors.word.findall(name.lower()))])


_DIGITS = b"0123456789"
# Names of models (`gpt-4o-mini-2024-07-18`) and dates, which have digits as keys do; possessive, so linear.
_VERSIONED = re.compile(
    rb"(?:gpt|chatgpt|o[0-9]|text|tts|whisper|claude|gemini|llama|mistral|qwen|deepseek)(?:-[a-z0-9.]+)++"
    rb"|[0-9]{4}-[0-9]{2}-[0-9]{2}[A-Za-z0-9:.+-]*"
)


def is_no_word(value: bytes) -> bool:
    """Whether a value has digits, or capitals inside: enough where a vendor's name and a shape say so."""
    if len(value.translate(None, _DIGITS)) < len(value):
        return _VERSIONED.fullmatch(value) is None
    return not (value.islower() or value.isupper() or value[1:].islower())
