"""Headers named like a credential's whose value is none: counts, flags, what others have redacted."""

from __future__ import annotations

import re
from collections.abc import Iterator

from mitmvcr.scrub.headers import denied_kind
from mitmvcr.scrub.memory import MARK
from mitmvcr.scrub.placeholders import is_dummy

# Counts of tokens, in every provider's rate limits; Azure's name of a model's deployment; CORS; caches' and
# requests' own names (SDKs make a new Idempotency-Key for each request).
_HARMLESS_NAME = re.compile(
    r".*ratelimit.*|.*-token-count|azureml-model-session|access-control-.*|sec-websocket-key|surrogate-key"
    r"|(?:x-)?cache-key|(?:x-)?idempotency-key|x-stainless-.*"
)
# A number, a time span, a date, a flag; masks without letters; names of variables and templates.
_HARMLESS_VALUE = re.compile(
    rb"[-+]?[0-9.,]{1,20}|(?:[0-9.]+(?:ms|[smhd])){1,4}|[0-9T:.Z+-]{1,32}|true|false|yes|no|none|null|n/a"
    rb"|[\s*.xX#<>\[\](){}_-]*+|\$?\{[^{}]{0,64}\}|\{\{[^{}]{0,64}\}\}|<[^<>]{0,64}>|\$[A-Z_]{1,64}",
    re.IGNORECASE,
)
_SCHEME = re.compile(rb"(?:bearer|token|apikey|key)(?:[ \t]+|\Z)", re.IGNORECASE)
_REDACTED = re.compile(
    rb"redacted|filtered|removed|scrubbed|masked|hidden|saniti[sz]ed|anonymi[sz]ed|censored|dummy|fake|mock"
    rb"|placeholder|example|invalid|changeme|your[-_ ]|not[-_ ]?(?:needed|used|required)|xxx|\*\*\*",
    re.IGNORECASE,
)
_RANDOM = re.compile(rb"(?=[A-Za-z]{0,15}[0-9])[A-Za-z0-9]{16}")
_WORDS = re.compile(rb"(?:[a-z]{1,15}|[A-Z]{1,15})(?:[-_. ](?:[a-z]{1,15}|[A-Z]{1,15})){0,4}[-_ ]?[0-9]{0,3}")
_LONGEST_PLACEHOLDER = 64


_COOKIE = re.compile(rb"(?:^|;)[ \t]*+(?:[^=;]*+=)?([^;]*)")


def cookie_values(name: str, value: bytes) -> Iterator[tuple[int, int]]:
    """Where in a Cookie or (the first only) a Set-Cookie values stand that have not been redacted."""
    for found in _COOKIE.finditer(value):
        given = found[1].strip()
        if given and not MARK.search(given) and not _is_redacted(given):
            start = found.start(1) + found[1].index(given)
            yield start, start + len(given)
        if name == "set-cookie":
            return


def _is_redacted(value: bytes) -> bool:
    if len(value) > _LONGEST_PLACEHOLDER:
        return False
    return (_REDACTED.search(value) is not None and not _RANDOM.search(value)) or not value.strip(b"*.xX# ")


def credential_kind(name: str, value: bytes) -> str | None:
    """What kind of credential a header's value is; None if it is none, or has been redacted."""
    lower = name.lower()
    kind = denied_kind(lower)
    if kind is None or _HARMLESS_NAME.fullmatch(lower):
        return None
    if kind == "cookie":
        return kind if any(cookie_values(lower, value)) else None
    if MARK.search(value):
        return None
    return None if _is_placeholder(_SCHEME.sub(b"", value.strip(), count=1), kind) else kind


def _is_placeholder(value: bytes, kind: str) -> bool:
    if len(value) > _LONGEST_PLACEHOLDER:
        return False
    if _HARMLESS_VALUE.fullmatch(value) or _is_redacted(value):
        return True
    # `test-key` is none, but an organization's name may be words, and a cookie's value anything.
    return kind == "token" and (_WORDS.fullmatch(value) is not None or is_dummy(value))
