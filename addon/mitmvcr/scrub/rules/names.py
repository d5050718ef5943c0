"""Secrets that only their name tells (`datadog_key = …`): a token's place -> what its name tells.

Reads the few bytes in front of it, never the whole text. The kinds, in names.toml, are many; the long tokens
that the scanner has found are few: so each one's name is looked at, and no name is searched for.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache

from mitmvcr.scrub.rules.tables import compiled, rows

_OPERATORS = b"=>:|,"
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
_GENERIC_NAME = "generic-key"


@dataclass(frozen=True, slots=True)
class _Names:
    """What in a name tells a kind: a vendor's word, the longest first (`my_datadog_key`), or a generic one.

    `in_url` is generic in URLs alone; a `harmless` name tells nothing of the generic kind.
    """

    vendors: Mapping[str, NamedRule]
    vendor_word: re.Pattern[str]
    generic: NamedRule
    generic_word: re.Pattern[str]
    in_url: re.Pattern[str]
    harmless: re.Pattern[str]


@cache
def _table() -> _Names:
    vendors: dict[str, NamedRule] = {}
    table = rows("names")
    generic = table.pop(_GENERIC_NAME)
    for name, row in table.items():
        word = name.removesuffix("-key")
        rule = NamedRule(
            name, f"{word}token", f"(?i:{row['pattern']}){_END}", row.get("entropy", 0.0), is_no_word
        )
        vendors.update(dict.fromkeys(row.get("words", word).split(), rule))
    return _Names(
        vendors,
        re.compile("|".join(map(re.escape, sorted(vendors, key=len, reverse=True)))),
        NamedRule(_GENERIC_NAME, "token", "|".join(generic["patterns"]), generic["entropy"], looks_random),
        re.compile("|".join(generic["words"].split())),
        re.compile(generic["in_url"]),
        re.compile("|".join(generic["harmless"])),
    )


_known_names: dict[tuple[bytes, bool], tuple[NamedRule, ...]] = {}


def named_kinds(data: bytes, at: int) -> tuple[NamedRule, ...]:
    """The kinds that the name in front of a token tells; empty if it has none or a harmless one."""
    front = data[max(0, at - _NAME_REACH) : at]
    bare = front.rstrip(_FILL)
    if not bare or (bare[-1] not in _OPERATORS and b"=" not in front[len(bare) :]):
        return ()
    in_url = front.endswith(b"=")
    bare = bare.rstrip(b":=>|?,").rstrip(_FILL)
    name = bare.translate(_NAME_STOP).rpartition(b"\n")[2]
    if not name:
        return ()
    kinds = _known_names.get((name, in_url))
    if kinds is None:
        kinds = _kinds_of(name.decode("ascii").lower(), in_url=in_url)
        if len(_known_names) < 4096:
            _known_names[name, in_url] = kinds
    return kinds


def _kinds_of(name: str, *, in_url: bool) -> tuple[NamedRule, ...]:
    table = _table()
    kinds = [table.vendors[word] for word in dict.fromkeys(table.vendor_word.findall(name))]
    tells = table.generic_word.search(name) or (in_url and table.in_url.search(name))
    if tells and not table.harmless.search(name):
        kinds.append(table.generic)
    return tuple(kinds)


_DIGITS = b"0123456789"
_LETTERS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
# Names of models (`gpt-4o-mini-2024-07-18`) and dates, which have digits as keys do; possessive, so linear.
_VERSIONED = re.compile(
    rb"(?:gpt|chatgpt|o[0-9]|text|tts|whisper|claude|gemini|llama|mistral|qwen|deepseek)(?:-[a-z0-9.]+)++"
    rb"|[0-9]{4}-[0-9]{2}-[0-9]{2}[A-Za-z0-9:.+-]*"
)


def looks_random(value: bytes) -> bool:
    """Whether a value is more than a word, a model's name or a date."""
    digits = len(value) - len(value.translate(None, _DIGITS))
    letters = len(value) - len(value.translate(None, _LETTERS))
    mixed = digits >= 1 and not (value.islower() or value.isupper())
    return (digits >= 2 or mixed) and letters >= 3 and _VERSIONED.fullmatch(value) is None


def is_no_word(value: bytes) -> bool:
    """Whether a value has digits, or capitals inside: enough where a vendor's name and a shape say so."""
    if len(value.translate(None, _DIGITS)) < len(value):
        return _VERSIONED.fullmatch(value) is None
    return not (value.islower() or value.isupper() or value[1:].islower())
