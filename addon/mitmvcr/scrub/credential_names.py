"""Names -> whether a credential stands under them, and whether a value under one is one; no texts are read.

One list, rules/credentials.toml, for headers, URLs, forms, multipart and JSON. A name alone is weak evidence:
how much it tells depends on the place. Where credentials are passed (headers, parameters, fields of JSON) the
very names tell by themselves; in a conversation, where people and models write about passwords and keys, only a
value that is random counts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cache, lru_cache

from mitmvcr.scrub.detect.randomness import looks_random
from mitmvcr.scrub.placeholders import MARK, is_placeholder, is_redacted
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

    `KEY`: it ends in `key`, as Azure's account keys and a cache's do.
    """

    EXACT = "exact"
    ENDING = "ending"
    COMMON = "common"
    KEY = "key"


@dataclass(frozen=True, slots=True)
class CredentialName:
    """What a name tells, and the kind of the replacement.

    `in_text`: it also tells outside of parameters, though it is a `COMMON` one (`token`).
    """

    kind: str
    strength: Strength
    in_text: bool = True


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
# Words, at most a short number behind each: `dark-mode-rollout-2026-01`.
_SLUG = re.compile(rb"[A-Za-z]{0,24}[0-9]{0,4}(?:[-_. ](?:[A-Za-z]{1,24}[0-9]{0,4}|[0-9]{1,4})){0,12}")
# What stands for a password: types, nothing, masks, variables.
_NO_PASSWORD = re.compile(
    rb"(?i)string|password|passwd|secret|null|none|true|false|undefined|\*+|x+|<[^>]*>|\$?\{.*\}|\$\w+|%\w+%"
)
_HASH = re.compile(rb"[0-9a-f]{32}|[0-9a-f]{40}|[0-9a-f]{56}|[0-9a-f]{64}|[0-9a-f]{96}|[0-9a-f]{128}")
_SHORTEST_COMMON = 12
_SHORTEST_PASSWORD = 6
_SHORTEST_RANDOM = 16
_LONGEST_PASSWORD = 128


def credential_at(name: CredentialName, value: bytes, place: Place) -> int | None:
    """Where in a value (decoded) the credential begins that its name tells; None if it is none."""
    scheme = SCHEME.match(value)
    start = scheme.end() if scheme else 0
    secret = value[start:].strip()
    if not secret or b"REDACTED-" in secret and MARK.search(secret):
        return None
    return start if _is_credential(name, secret, place) else None


def _is_credential(name: CredentialName, value: bytes, place: Place) -> bool:
    is_password = name.kind == "password"
    if b"://" in value[:24] and _PLACE.fullmatch(value):
        return False
    if _NO_PASSWORD.fullmatch(value) if is_password else is_placeholder(value, name.kind):
        return False
    if is_redacted(value) and (place is Place.CONVERSATION or not is_password):
        return False
    if place is not Place.PARAMETER and not name.in_text:
        return False
    if place is Place.CONVERSATION:
        return _is_random(value) and (name.strength is Strength.EXACT or not _HASH.fullmatch(value))
    if name.strength is Strength.EXACT:
        return is_password or not _PLACE.fullmatch(value) or looks_random(value)
    if name.strength is Strength.ENDING and is_password:
        is_prose = b" " in value or not _SHORTEST_PASSWORD <= len(value) <= _LONGEST_PASSWORD
        return not (is_prose or _PLACE.fullmatch(value))
    if place is Place.PARAMETER:
        if name.strength is Strength.COMMON:
            return len(value) >= _SHORTEST_COMMON and not (_SLUG.fullmatch(value) or _PLACE.fullmatch(value))
        return looks_random(value)
    return _is_random(value) and not _HASH.fullmatch(value)


def _is_random(value: bytes) -> bool:
    return len(value) >= _SHORTEST_RANDOM and b" " not in value and looks_random(value)
