"""Which headers are kept, dropped or kept with their value replaced, and what is secret in a value."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import Enum

from mitmvcr.scrub.policy import PolicyError
from mitmvcr.scrub.rules.phrases import decode_base64

KEEP_REQUEST = frozenset({"accept", "content-type", "user-agent", "openai-beta"})
"""Request headers that are kept by default, in lower case (design, section 12)."""

KEEP_RESPONSE = frozenset(
    {
        "content-type",
        "retry-after",
        "retry-after-ms",
        "x-should-retry",
        "openai-version",
        "openai-model",
        "location",
        "operation-location",
    }
)
"""Response headers that are kept by default, in lower case (design, section 12)."""

URL_HEADERS = frozenset({"location", "operation-location", "content-location", "referer", "link"})
"""Headers whose value is a URL."""

_DENIED = {
    "authorization": "token",
    "api-key": "token",
    "proxy-authorization": "password",
    "cookie": "cookie",
    "set-cookie": "cookie",
    "openai-organization": "org",
    "openai-project": "project",
}
_DENIED_PART = re.compile(r"token|secret|session|credential|key")


def denied_kind(name: str) -> str | None:
    """What kind of secret a header of this (lower-case) name carries; None if it may be kept."""
    kind = _DENIED.get(name)
    return "token" if kind is None and _DENIED_PART.search(name) else kind


def credentials(name: str, value: str) -> Iterator[str]:
    """The secret parts of a header's value: a cookie's values, a scheme's token, Basic's password."""
    if name == "cookie":
        for pair in value.split(";"):
            yield pair.partition("=")[2].strip()
    elif name == "set-cookie":
        yield value.partition(";")[0].partition("=")[2].strip()
    else:
        scheme, blank, rest = value.strip().partition(" ")
        if not blank or not scheme.isalnum():
            yield value.strip()
            return
        yield rest.strip()
        plain = _plain(rest.strip()) if scheme.lower() == "basic" else None
        if plain:
            yield plain.partition(b":")[2].decode("utf-8", "surrogateescape")


def _plain(coded: str) -> bytes | None:
    return decode_base64(coded.encode("utf-8", "surrogateescape"))


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
class Plan:
    """What becomes of a message's headers, by their names as they are spelled.

    `credentials` are those that carry some, with the kind. `is_plain` says that all others than `kept` are
    dropped and no kept one is a URL, `as_they_are` also that there are no others.
    """

    credentials: tuple[tuple[str, str], ...]
    kept: tuple[str, ...]
    is_plain: bool
    as_they_are: bool


@dataclass(frozen=True, slots=True)
class HeaderList:
    """The compiled allow-list of one direction; what is found of names is remembered."""

    keep: frozenset[str]
    redact: frozenset[str]
    _known: dict[str, Verdict] = field(default_factory=dict, compare=False, repr=False)
    _plans: dict[tuple[str, ...], Plan] = field(default_factory=dict, compare=False, repr=False)

    def verdict(self, name: str) -> Verdict:
        known = self._known.get(name)
        if known is None:
            known = self._judge(name.lower())
            if len(self._known) < 1024:
                self._known[name] = known
        return known

    def plan(self, names: Iterable[str]) -> Plan:
        """The plan for headers of these names: one program's requests have the same ones over and over."""
        names = tuple(names)
        known = self._plans.get(names)
        if known is None:
            known = self._plan({name: self.verdict(name) for name in names})
            if len(self._plans) < 256:
                self._plans[names] = known
        return known

    def _plan(self, verdicts: dict[str, Verdict]) -> Plan:
        kept = tuple([name for name, one in verdicts.items() if one.fate is Fate.KEEP])
        is_plain = not any(
            one.fate is Fate.REDACT
            or (one.fate is Fate.KEEP and one.is_url)
            or name.lower() == "content-encoding"  # stays over a body that can't be decoded
            for name, one in verdicts.items()
        )
        credentials_ = tuple([(name, one.kind) for name, one in verdicts.items() if one.kind])
        return Plan(credentials_, kept, is_plain, is_plain and len(kept) == len(verdicts))

    def _judge(self, name: str) -> Verdict:
        if name in self.redact:
            fate = Fate.REDACT
        elif name in self.keep:
            fate = Fate.KEEP
        else:
            fate = Fate.DROP
        return Verdict(fate, denied_kind(name), name in URL_HEADERS)


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
        elif denied_kind(name):
            raise PolicyError(
                f"keep_headers, entry {at}: {name!r} carries credentials and can't be kept as it is: "
                f"leave it out, or give '{name}=redact' to keep it with its value replaced"
            )
        else:
            keep.add(name)
    return (
        HeaderList(KEEP_REQUEST | keep, frozenset(redact)),
        HeaderList(KEEP_RESPONSE | keep, frozenset(redact)),
    )
