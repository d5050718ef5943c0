"""`name=value&…` in URLs and forms -> where values stand that are secret by their names; replaces none."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from urllib.parse import unquote_to_bytes

from mitmvcr.scrub.rules.tables import rows

_SHORTEST_COMMON = 12
"""The shortest value (in bytes or characters) that counts where a name is of other things too."""

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


@cache
def _names() -> dict[str, tuple[str, int]]:
    """By name: the kind of secret, and the shortest value that counts."""
    table = rows("parameters").items()
    names = {name: (kind, 1) for kind, row in table for name in row["names"].split()}
    common = {name: (kind, _SHORTEST_COMMON) for kind, row in table for name in row.get("common", "").split()}
    return names | common


def secret_parameter(name: str, value: str | bytes) -> str | None:
    """The kind of secret that a parameter's value is; None if it is none."""
    kind, shortest = _names().get(name.lower(), (None, 0))
    return kind if len(value) >= shortest else None


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
