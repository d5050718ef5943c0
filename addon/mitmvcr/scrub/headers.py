"""Which headers are kept, dropped, or kept with their value replaced; knows names, never bodies."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum

from mitmvcr.scrub.policy import PolicyError

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
class HeaderList:
    """The compiled allow-list of one direction; verdicts are remembered by name as it is spelled."""

    keep: frozenset[str]
    redact: frozenset[str]
    _known: dict[str, Verdict] = field(default_factory=dict, compare=False, repr=False)

    def verdict(self, name: str) -> Verdict:
        known = self._known.get(name)
        if known is None:
            known = self._judge(name.lower())
            if len(self._known) < 1024:
                self._known[name] = known
        return known

    def keeps_all(self, names: Iterable[str]) -> bool:
        """Whether all these headers are kept as they are, and none is a URL."""
        for name in names:
            verdict = self.verdict(name)
            if verdict.fate is not Fate.KEEP or verdict.is_url:
                return False
        return True

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
