"""Which headers are kept, dropped or redacted, which carry credentials, and where in a value these stand."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import cache, lru_cache
from itertools import pairwise

from mitmvcr.scrub.credential_names import SCHEME, Strength, credential_name
from mitmvcr.scrub.detect.randomness import looks_random
from mitmvcr.scrub.placeholders import MARK, is_fact, is_placeholder, is_redacted
from mitmvcr.scrub.policy import PolicyError
from mitmvcr.scrub.rules.phrases import decode_base64
from mitmvcr.scrub.rules.tables import rows

# A cookie's value, behind its name if it has one, up to the next `;`.
_COOKIE = re.compile(rb"(?:^|;)[ \t]*+(?:[^=;]*+=)?([^;]*)")
# Where the next cookie of a Set-Cookie begins, in what joined several: behind a line break, or a comma and
# a name.
_NEXT_COOKIE = re.compile(rb"\r?\n[ \t]*+|,[ \t]*+(?=[^\s;,=]{1,256}=)")


@dataclass(frozen=True, slots=True)
class _Names:
    """What headers.toml says of names."""

    keep_request: frozenset[str]
    keep_response: frozenset[str]
    urls: frozenset[str]
    kinds: Mapping[str, str]
    harmless: re.Pattern[str]


@cache
def _names() -> _Names:
    table = rows("headers")
    return _Names(
        frozenset(table["keep"]["request"].split()),
        frozenset(table["keep"]["response"].split()),
        frozenset(table["urls"]["names"].split()),
        {name: kind for kind, names in table["credentials"].items() for name in names.split()},
        re.compile("|".join(table["words"]["harmless"])),
    )


@lru_cache(maxsize=4096)
def named_kind(name: str) -> str | None:
    """What kind of credential a header of this (lower-case) name carries; None if it carries none."""
    names = _names()
    kind = names.kinds.get(name)
    if kind is None and not names.harmless.fullmatch(name):
        credential = credential_name(name)
        if credential is not None and credential.strength in (Strength.EXACT, Strength.ENDING):
            return credential.kind
        return "token" if _CARRIER.search(name) else None
    return kind


# What in a header's name tells that it carries a credential: these letters anywhere, these words by
# themselves.
_CARRIER = re.compile(
    r"token|session|secret|credential|key|passw|passphrase"
    r"|(?<![a-z])(?:auth|authorization|authentication|jwt|signature)(?![a-z])"
)


def credential_kind(name: str, value: bytes) -> str | None:
    """What kind of credential a header's value is; None if it is none, a placeholder, or replaced already."""
    lower = name.lower()
    kind = named_kind(lower)
    if kind == "cookie":
        return kind if any(_cookie_values(lower, value)) else None
    if kind is None or MARK.search(value):
        return None
    value = value.strip()
    scheme = SCHEME.match(value + b" x")
    return None if is_placeholder(value[scheme.end() :] if scheme else value, kind) else kind


def secret_spans(name: str, value: bytes, kind: str) -> Iterator[tuple[int, int]]:
    """Where in a header's value of this kind the secrets stand: cookies' values, or all behind a scheme."""
    if kind == "cookie":
        yield from _cookie_values(name.lower(), value)
    elif value and not MARK.search(value):
        scheme = _SCHEME.match(value)
        yield scheme.end() if scheme else 0, len(value)


# The word in front of a credential, which stays: `Bearer `, `Api-Key `.
_SCHEME = re.compile(rb"[A-Za-z][A-Za-z0-9-]*+[ \t]+(?=\S)")


def _cookie_values(name: str, value: bytes) -> Iterator[tuple[int, int]]:
    """The values in a Cookie, or the first of each cookie in a Set-Cookie, that have not been redacted."""
    starts = [0, *[found.end() for found in _NEXT_COOKIE.finditer(value)]] if name == "set-cookie" else [0]
    for start, end in pairwise([*starts, len(value)]):
        for found in _COOKIE.finditer(value[start:end]):
            given = found[1].strip(b", \t\r\n")
            if given and not MARK.search(given) and not is_redacted(given):
                at = start + found.start(1) + found[1].index(given)
                yield at, at + len(given)
            if name == "set-cookie":
                break


# What parts the parameters of a scheme (`Credential=…, Signature=…`), and an id from a secret.
_PARTS = re.compile(r"[\s,;=:&\"']+")


def credentials(name: str, value: str) -> Iterator[str]:
    """The secret parts of a header's value: a cookie's values, what a scheme stands for, its parameters.

    `name` is in lower case. Counts, flags and masks are none.
    """
    raw = value.encode("utf-8", "surrogateescape")
    if name in ("cookie", "set-cookie"):
        for start, end in _cookie_values(name, raw):
            yield raw[start:end].decode("utf-8", "surrogateescape")
        return
    value = value.strip()
    scheme = _SCHEME.match(value.encode("utf-8", "surrogateescape"))
    secret = value[scheme.end() :] if scheme else value
    coded = secret.encode("utf-8", "surrogateescape")
    if is_fact(coded):
        return
    yield secret
    if secret != value and " " not in secret:
        plain = decode_base64(coded) if value[:6].lower() == "basic " else None
        if plain and b":" in plain:
            yield from (part.decode("utf-8", "surrogateescape") for part in plain.split(b":", 1))
    for part in _PARTS.split(value):
        # An id in a path, as in SigV4's scope; a key behind a protocol's name, as WebSockets have it.
        for piece in dict.fromkeys((part, *part.split("/"), part.rpartition(".")[2])):
            if piece != secret and looks_random(piece.encode("utf-8", "surrogateescape")):
                yield piece


def holds_url(name: str) -> bool:
    """Whether the value of a header of this (lower-case) name is a URL."""
    return name in _names().urls


class Fate(Enum):
    """What becomes of a header."""

    DROP = "drop"
    KEEP = "keep"
    REDACT = "redact"


@dataclass(frozen=True, slots=True)
class Verdict:
    """A header's fate in one direction, and the kind of secret that its value is, if it is one."""

    fate: Fate
    kind: str | None
    is_url: bool


@dataclass(frozen=True, slots=True)
class HeaderPlan:
    """What becomes of a message's headers, by their names as they are spelled.

    `credentials` are the names of those that carry some, with the kind. `is_plain` says that all but
    `kept_names` are dropped and none of these is a URL.
    """

    verdicts: Mapping[str, Verdict]
    credentials: tuple[tuple[str, str], ...]
    kept_names: tuple[str, ...]
    is_plain: bool


@dataclass(frozen=True, slots=True)
class HeaderList:
    """The compiled allow-list of one direction; what it makes is remembered."""

    keep: frozenset[str]
    redact: frozenset[str]
    _plans: dict[tuple[str, ...], HeaderPlan] = field(default_factory=dict, compare=False, repr=False)
    _verdicts: dict[str, Verdict] = field(default_factory=dict, compare=False, repr=False)

    def verdict(self, name: str) -> Verdict:
        """What becomes of one header, and whether its value is a credential or a URL."""
        verdict = self._verdicts.get(name)
        if verdict is None:
            lower = name.lower()
            fate = Fate.KEEP if lower in self.keep else Fate.DROP
            fate = Fate.REDACT if lower in self.redact else fate
            verdict = Verdict(fate, named_kind(lower), holds_url(lower))
            if len(self._verdicts) < _VERDICTS:
                self._verdicts[name] = verdict
        return verdict

    def plan(self, names: Iterable[str]) -> HeaderPlan:
        """The plan for headers of these names: one program's requests have the same ones over and over."""
        names = tuple(names)
        plan = self._plans.get(names)
        if plan is None:
            plan = _plan({name: self.verdict(name) for name in names})
            if len(self._plans) < _PLANS:
                self._plans[names] = plan
        return plan


_PLANS = 256
_VERDICTS = 4096


def _plan(verdicts: Mapping[str, Verdict]) -> HeaderPlan:
    kept_names = tuple([name for name, verdict in verdicts.items() if verdict.fate is Fate.KEEP])
    is_plain = not any(
        verdict.fate is Fate.REDACT
        or (verdict.fate is Fate.KEEP and verdict.is_url)
        or name.lower() == "content-encoding"  # stays over a body that can't be decoded
        for name, verdict in verdicts.items()
    )
    carriers = tuple([(name, verdict.kind) for name, verdict in verdicts.items() if verdict.kind])
    return HeaderPlan(verdicts, carriers, kept_names, is_plain)


def compile_headers(entries: Iterable[str]) -> tuple[HeaderList, HeaderList]:
    """The lists of requests and responses with the entries of `keep_headers` added.

    Raises PolicyError for a header that carries credentials and isn't `name=redact`.
    """
    keep: set[str] = set()
    redact: set[str] = set()
    for at, entry in enumerate(entries, start=1):
        name, equals, how = entry.strip().lower().partition("=")
        name = name.strip()
        if equals and how.strip() != "redact":
            raise PolicyError(f"keep_headers, entry {at}: {entry!r}: after '=' only 'redact' may stand")
        if equals:
            redact.add(name)
        elif named_kind(name):
            raise PolicyError(
                f"keep_headers, entry {at}: {name!r} carries credentials and can't be kept as it is: "
                f"leave it out, or give '{name}=redact' to keep it with its value replaced"
            )
        else:
            keep.add(name)
    return (
        HeaderList(_names().keep_request | keep, frozenset(redact)),
        HeaderList(_names().keep_response | keep, frozenset(redact)),
    )
