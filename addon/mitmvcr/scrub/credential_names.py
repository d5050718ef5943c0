"""Names -> whether a credential stands under them, and whether a value under one is one; no texts are read.

One list, rules/credentials.toml, for headers, URLs, forms, multipart and JSON. A name alone is weak
evidence: how much it tells depends on the place. Where credentials are passed (headers, parameters, fields
of JSON) the very names tell by themselves; in a conversation, where people and models write about passwords
and keys, only a value that is random counts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum
from functools import cache, lru_cache

from mitmvcr.scrub.detect.randomness import looks_random
from mitmvcr.scrub.placeholders import MARK, is_dummy, is_placeholder, is_redacted
from mitmvcr.scrub.rules.detection import entropy
from mitmvcr.scrub.rules.names import NamedRule, vendor_kinds
from mitmvcr.scrub.rules.tables import rows


class Place(Enum):
    """Where a value stands.

    `PARAMETER`: under a name in a header, a URL, a form, a part of multipart. `FIELD`: under a key of JSON.
    `CONVERSATION`: in what people, models and tools say to each other, or in any text.
    """

    PARAMETER = "parameter"
    FIELD = "field"
    CONVERSATION = "conversation"


class Strength(Enum):
    """How much a name tells: it is a credential's very name, ends in one, or is other things' name too.

    `KEY`: it ends in `key`, as Azure's account keys and a cache's do. `VENDOR`: it has a vendor's name alone.
    """

    EXACT = "exact"
    ENDING = "ending"
    COMMON = "common"
    KEY = "key"
    VENDOR = "vendor"


@dataclass(frozen=True, slots=True)
class CredentialName:
    """What a name tells, and the kind of the replacement.

    `in_text`: it also tells outside of parameters, though it is a `COMMON` one (`token`). `vendors` are the
    kinds of values that a vendor's name in it tells.
    """

    kind: str
    strength: Strength
    in_text: bool = True
    vendors: tuple[NamedRule, ...] = ()


@dataclass(frozen=True, slots=True)
class Credential:
    """A credential in a value: where it begins, of which kind it is, and the rule by which it is one."""

    start: int
    kind: str
    rule: str


@dataclass(frozen=True, slots=True)
class _Table:
    exact: Mapping[str, str]
    endings: Mapping[str, str]
    common: Mapping[str, str]
    harmless: frozenset[str]
    conversation: frozenset[str]
    beside: frozenset[str]


@cache
def _table() -> _Table:
    table = rows("credentials")
    harmless, conversation, beside = (table.pop(name) for name in ("harmless", "conversation", "beside"))

    def by_name(column: str) -> dict[str, str]:
        return {name: kind for kind, row in table.items() for name in row.get(column, "").split()}

    exact = by_name("names")
    return _Table(
        exact,
        {**exact, **by_name("endings")},
        by_name("common"),
        frozenset(harmless["endings"].split()),
        frozenset(conversation["keys"].split()),
        frozenset(beside["keys"].split()),
    )


# The words of a name: `API`, `Key` in `APIKey`; digits part them.
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_LONGEST_NAME = 96


@lru_cache(maxsize=8192)
def credential_name(name: str) -> CredentialName | None:
    """What a name tells of the value under it; None if nothing."""
    told, vendors = _told_by_words(name), vendor_kinds(name)
    if vendors:
        told = told or CredentialName("", Strength.VENDOR, in_text=False)
        return replace(told, vendors=vendors)
    return told


def _told_by_words(name: str) -> CredentialName | None:
    words = [word.lower() for word in _WORDS.findall(name[-_LONGEST_NAME:])]
    if len(words) > 1 and words[0] == "x":
        words = words[1:]
    if not words:
        return None
    table = _table()
    endings = ["".join(words[at:]) for at in range(max(0, len(words) - 4), len(words))]
    whole = "".join(words)
    if not table.harmless.isdisjoint([whole, *endings]):
        return None
    if whole in table.exact:
        return CredentialName(table.exact[whole], Strength.EXACT)
    if whole in table.common:
        return CredentialName(table.common[whole], Strength.COMMON, whole in table.endings)
    for ending in endings:
        if ending in table.endings:
            return CredentialName(table.endings[ending], Strength.ENDING)
    return CredentialName("token", Strength.KEY, in_text=False) if words[-1] == "key" else None


@lru_cache(maxsize=8192)
def _plain(name: str) -> str:
    return "".join(_WORDS.findall(name)).lower()


def begins_conversation(key: str) -> bool:
    """Whether what stands below this key of JSON is a conversation, or a description of one."""
    return _plain(key) in _table().conversation


def stands_beside(key: str) -> bool:
    """Whether a key, in an object below a credential's name, has what the credential is, not itself."""
    return _plain(key) in _table().beside


# A word in front of a credential, which stays: `Bearer `, `Api-Key `.
SCHEME = re.compile(
    rb"(?i:bearer|basic|digest|token|api-?key|x-api-key|key|jwt|negotiate|snyk-token|sso-key|bot)[ \t]+(?=\S)"
)
# A URL; a host with its port or an address; a path of more than one word.
_PLACE = re.compile(
    rb"[a-z][a-z0-9+.-]{1,15}://.*|(?:[A-Za-z0-9_-]{1,63}\.){0,8}[A-Za-z0-9_-]{1,63}:[0-9]{1,5}(?:/.*)?"
    rb"|[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?::[0-9]+)?|(?:~|\.{1,2})?(?:/[A-Za-z0-9_.@ -]{1,64}){2,32}/?",
    re.DOTALL,
)
# What stands for a password: types, nothing, masks, variables.
_NO_PASSWORD = re.compile(
    rb"(?i)string|password|passwd|secret|null|none|true|false|undefined|\*+|x+|<[^>]*>|\$?\{.*\}|\$\w+|%\w+%"
)
_HASH = re.compile(rb"[0-9a-f]{32}|[0-9a-f]{40}|[0-9a-f]{56}|[0-9a-f]{64}|[0-9a-f]{96}|[0-9a-f]{128}")
_SHORTEST_COMMON = 12
_SHORTEST_PASSWORD = 6
_SHORTEST_RANDOM = 16
_LONGEST_PASSWORD = 128


def credential_at(name: CredentialName, value: bytes, place: Place) -> Credential | None:
    """The credential in a value (decoded) that its name tells; it ends where the value does."""
    scheme = SCHEME.match(value)
    start = scheme.end() if scheme else 0
    secret = value[start:].strip()
    if not secret or (b"REDACTED-" in secret and MARK.search(secret)):
        return None
    if name.strength is not Strength.VENDOR and _is_credential(name, secret, place):
        rule = "secret-parameter" if place is Place.PARAMETER else "secret-field"
        return Credential(start, name.kind, rule)
    for vendor in name.vendors:
        if vendor.value.fullmatch(secret) and fits_vendor(vendor, secret):
            return Credential(start, vendor.kind, vendor.name)
    return None


def is_told(name: CredentialName, value: bytes) -> bool:
    """Whether a word beside a name in a text is a credential."""
    return name.strength is not Strength.VENDOR and _is_credential(name, value, Place.CONVERSATION)


def fits_vendor(vendor: NamedRule, value: bytes) -> bool:
    """Whether a value of the very shape that a vendor's keys have is more than words or a dummy."""
    if vendor.entropy and entropy(value) < vendor.entropy:
        return False
    return vendor.accept(value) and not is_dummy(value)


def _is_credential(name: CredentialName, value: bytes, place: Place) -> bool:
    if place is Place.PARAMETER and name.strength is Strength.EXACT:
        return True  # be it a dummy: a replay's, where another program had recorded with a key
    # Whether it is random is the cheapest question in a conversation, and mostly the answer.
    if place is not Place.PARAMETER and not (name.in_text and (place is Place.FIELD or _is_random(value))):
        return False
    if _stands_for_one(value, name.kind) or (b"://" in value[:24] and _PLACE.fullmatch(value)):
        return False
    if place is Place.PARAMETER:
        return _is_parameter(name, value)
    if place is Place.FIELD and (name.strength is Strength.EXACT or name.kind == "password"):
        return _is_field(name, value)
    is_hash = name.strength is not Strength.EXACT and _HASH.fullmatch(value) is not None
    return not is_hash and not is_redacted(value) and _is_random(value)


def _stands_for_one(value: bytes, kind: str) -> bool:
    """Whether a value stands in a credential's place and is none."""
    if kind == "password":
        return _NO_PASSWORD.fullmatch(value) is not None
    if value.isdigit() and len(value) >= _SHORTEST_PASSWORD:
        return is_dummy(value)
    return is_placeholder(value, kind) or is_redacted(value)


def _is_parameter(name: CredentialName, value: bytes) -> bool:
    if name.strength is Strength.COMMON:
        return len(value) >= _SHORTEST_COMMON and not _PLACE.fullmatch(value)
    return _is_password(value) if name.kind == "password" else looks_random(value)


def _is_field(name: CredentialName, value: bytes) -> bool:
    """In a field of JSON by a credential's very name, or one that ends in a password's."""
    if name.strength is not Strength.EXACT:
        return _is_password(value)
    return name.kind == "password" or not _PLACE.fullmatch(value) or looks_random(value)


def _is_password(value: bytes) -> bool:
    """Whether a value could be a password, not a sentence about one or a place."""
    is_prose = b" " in value or not _SHORTEST_PASSWORD <= len(value) <= _LONGEST_PASSWORD
    return not is_prose and not _PLACE.fullmatch(value)


def _is_random(value: bytes) -> bool:
    return len(value) >= _SHORTEST_RANDOM and b" " not in value and looks_random(value)
