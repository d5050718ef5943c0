"""`name=value&…` in URLs and forms: values whose name says that they are secret are replaced."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import unquote_to_bytes

from mitmvcr.scrub.memory import MARK

Replacement = Callable[[str, bytes], bytes]

_NAMES = {
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
_SHORTEST_COMMON = 12


def secret_parameter(name: str, value: str | bytes) -> str | None:
    """The kind of secret that a parameter's value is; None if it is none."""
    lower = name.lower()
    kind = _NAMES.get(lower)
    if kind is None or not value or (lower in _COMMON and len(value) < _SHORTEST_COMMON):
        return None
    return kind


def scrub_pairs(text: bytes, replacement: Replacement) -> bytes:
    """The pairs without secret values; the same object if there were none."""
    if b"=" not in text:
        return text
    pairs = text.split(b"&")
    changed = False
    for at, pair in enumerate(pairs):
        name, equals, value = pair.partition(b"=")
        kind = secret_parameter(unquote_to_bytes(name).decode("latin-1"), value)
        if kind and not MARK.search(value):
            plain = unquote_to_bytes(value.replace(b"+", b" "))
            pairs[at] = name + equals + replacement(kind, plain)
            changed = True
    return b"&".join(pairs) if changed else text


def scrub_url(url: str, replacement: Replacement) -> str:
    """The URL without secret values in its query and fragment; the same object if there were none."""
    front, mark, rest = url.partition("?")
    if not mark:
        front, mark, rest = url.partition("#")
    if not mark:
        return url
    query, hash_, fragment = rest.partition("#")
    parts = [part.encode("utf-8", "surrogateescape") for part in (query, fragment)]
    clean = [scrub_pairs(part, replacement) for part in parts]
    if clean[0] is parts[0] and clean[1] is parts[1]:
        return url
    query, fragment = (part.decode("utf-8", "surrogateescape") for part in clean)
    return front + mark + query + hash_ + fragment
