"""What Go's net/http makes of HTTP: header names, status texts, forms; no I/O, and no body is decoded.

go-vcr stores what a Go client sees, so these are Go's rules, not the wire's.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

if TYPE_CHECKING:
    from mitmvcr.model import Values


HOP_BY_HOP = frozenset(
    ("Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "Proxy-Connection",
     "Te", "Trailer", "Transfer-Encoding", "Upgrade")
)  # fmt: skip
"""Header names, canonical, that speak of one connection (RFC 9110, 7.6.1) and are never stored."""

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")


@lru_cache(maxsize=1024)
def canonical_header(name: str) -> str:
    """`content-type` → `Content-Type`, as Go's `textproto.CanonicalMIMEHeaderKey`.

    A name with a byte that no token may have is returned as it is.
    """
    return "-".join(part.capitalize() for part in name.split("-")) if _TOKEN.fullmatch(name) else name


@cache
def _status_texts() -> dict[int, str]:
    # Of net/http/status.go of Go 1.23; Python's HTTPStatus differs between versions.
    lines = Path(__file__).with_name("status_texts.txt").read_text("ascii").splitlines()
    return {int(line[:3]): line[4:] for line in lines}


def status_text(code: int) -> str:
    """`OK` for 200, as Go's `http.StatusText`; empty for a code that has none."""
    return _status_texts().get(code, "")


def bodiless(method: str, code: int) -> bool:
    """Whether an answer has no body whatever its headers say (RFC 9112, 6.3)."""
    return method == "HEAD" or code < 200 or code in (204, 304)


def form_values(method: str, url: str, content_type: str, body: bytes) -> dict[str, list[str]]:
    """The form as Go's `Request.ParseForm` fills it: the body's values before the query's.

    A body counts for POST, PUT and PATCH with `application/x-www-form-urlencoded`.
    """
    form: dict[str, list[str]] = {}
    if method in ("POST", "PUT", "PATCH"):
        media_type = content_type.partition(";")[0].strip().lower()
        if media_type == "application/x-www-form-urlencoded":
            _parse_query(body.decode("utf-8", "surrogateescape"), form)
    query = url.partition("#")[0].partition("?")[2]
    if query:
        _parse_query(query, form)
    return form


_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")


def _parse_query(query: str, into: dict[str, list[str]]) -> None:
    # Go's url.parseQuery: a pair with a semicolon or a broken escape is left out.
    for pair in query.split("&"):
        if not pair or ";" in pair:
            continue
        name, _, value = pair.partition("=")
        if _BAD_ESCAPE.search(pair):
            continue
        into.setdefault(_unescape(name), []).append(_unescape(value))


def _unescape(text: str) -> str:
    raw = text.replace("+", " ").encode("utf-8", "surrogateescape")
    return unquote_to_bytes(raw).decode("utf-8", "surrogateescape")


def first_value(values: Values, name: str) -> str:
    """The first value under a canonical name, empty if there is none."""
    return next(iter(values.get(name, ())), "")
