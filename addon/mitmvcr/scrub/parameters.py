"""`name=value&…` in URLs and forms -> where values stand that are secret by their names; replaces none."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

_KINDS = {
    **dict.fromkeys(("sig", "signature", "x-amz-signature", "x-goog-signature"), "sigtoken"),
    **dict.fromkeys(("api-key", "api_key", "apikey", "key", "x-api-key", "authorization"), "token"),
    **dict.fromkeys(("subscription-key", "ocp-apim-subscription-key", "code"), "token"),
    **dict.fromkeys(("x-amz-credential", "x-goog-credential", "awsaccesskeyid"), "awstoken"),
    **dict.fromkeys(("token", "access_token", "refresh_token", "id_token", "auth_token"), "token"),
    **dict.fromkeys(("x-amz-security-token", "access-token", "session_token", "device_code"), "token"),
    **dict.fromkeys(("client_secret", "secret", "client_assertion", "assertion"), "token"),
    **dict.fromkeys(("password", "passwd", "pwd", "passphrase", "pass"), "password"),
}
_COMMON = frozenset({"key", "token", "code", "pass", "signature", "secret"})
"""Names that other things have too (a cursor's, a sort key's): only long values count."""
_SHORTEST_COMMON = 12

# What begins a URL's query or fragment; a URL without a host may begin with a pair.
_QUERY = re.compile(rb"[?#&]")
# A pair of a URL: behind a separator. A second `?` begins a name anew, as in `#page?key=…`, but may stand in
# a value, which only `&` or `#` ends.
_URL_PAIR = re.compile(rb"(?<![^?&#])([^?&#=]*+)=([^&#]++)")
# A pair of a form: there only `&` is a separator.
_FORM_PAIR = re.compile(rb"(?<![^&])([^&=]*+)=([^&]++)")


@dataclass(frozen=True, slots=True)
class SecretParameter:
    """The place of a secret value as it is written, its kind, and the value without percent-coding."""

    start: int
    end: int
    kind: str
    value: bytes


def secret_parameter(name: str, value: str | bytes) -> str | None:
    """The kind of secret that a parameter's value is; None if it is none."""
    lower = name.lower()
    kind = _KINDS.get(lower)
    if kind is None or not value or (lower in _COMMON and len(value) < _SHORTEST_COMMON):
        return None
    return kind


def in_url(url: bytes) -> Iterator[SecretParameter]:
    """The secret values in a URL's query and fragment."""
    query = _QUERY.search(url)
    return _pairs(_URL_PAIR, url, query.end()) if query else iter(())


def in_form(body: bytes) -> Iterator[SecretParameter]:
    """The secret values in an urlencoded body."""
    return _pairs(_FORM_PAIR, body, 0)


def _pairs(pattern: re.Pattern[bytes], text: bytes, start: int) -> Iterator[SecretParameter]:
    for pair in pattern.finditer(text, start):
        name, value = pair.groups()
        kind = secret_parameter(unquote_to_bytes(name).decode("latin-1"), value)
        if kind:
            yield SecretParameter(*pair.span(2), kind, unquote_to_bytes(value.replace(b"+", b" ")))
