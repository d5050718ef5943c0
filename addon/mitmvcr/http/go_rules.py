"""What Go's net/http makes of HTTP: header names, status texts, forms; no I/O, and no body is decoded.

go-vcr stores what a Go client sees, so these are Go's rules, not the wire's.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

if TYPE_CHECKING:
    from mitmvcr.model import Values


HOP_BY_HOP = frozenset(
    {
        "Connection",
        "Keep-Alive",
        "Proxy-Authenticate",
        "Proxy-Authorization",
        "Proxy-Connection",
        "Te",
        "Trailer",
        "Transfer-Encoding",
        "Upgrade",
    }
)
"""Header names, canonical, that speak of one connection (RFC 9110, 7.6.1) and are never stored."""

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")

_canonical: dict[str, str] = {}


def canonical_header(name: str) -> str:
    """`content-type` → `Content-Type`, as Go's `textproto.CanonicalMIMEHeaderKey`.

    A name with a byte that no token may have is returned as it is.
    """
    canonical = _canonical.get(name)
    if canonical is None:
        is_token = _TOKEN.fullmatch(name)
        canonical = "-".join(part.capitalize() for part in name.split("-")) if is_token else name
        if len(_canonical) < 1024:
            _canonical[name] = canonical
    return canonical


# Go's http.StatusText (net/http/status.go of Go 1.23); Python's HTTPStatus differs between versions.
_STATUS_TEXT = {
    100: "Continue",
    101: "Switching Protocols",
    102: "Processing",
    103: "Early Hints",
    200: "OK",
    201: "Created",
    202: "Accepted",
    203: "Non-Authoritative Information",
    204: "No Content",
    205: "Reset Content",
    206: "Partial Content",
    207: "Multi-Status",
    208: "Already Reported",
    226: "IM Used",
    300: "Multiple Choices",
    301: "Moved Permanently",
    302: "Found",
    303: "See Other",
    304: "Not Modified",
    305: "Use Proxy",
    307: "Temporary Redirect",
    308: "Permanent Redirect",
    400: "Bad Request",
    401: "Unauthorized",
    402: "Payment Required",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    406: "Not Acceptable",
    407: "Proxy Authentication Required",
    408: "Request Timeout",
    409: "Conflict",
    410: "Gone",
    411: "Length Required",
    412: "Precondition Failed",
    413: "Request Entity Too Large",
    414: "Request URI Too Long",
    415: "Unsupported Media Type",
    416: "Requested Range Not Satisfiable",
    417: "Expectation Failed",
    418: "I'm a teapot",
    421: "Misdirected Request",
    422: "Unprocessable Entity",
    423: "Locked",
    424: "Failed Dependency",
    425: "Too Early",
    426: "Upgrade Required",
    428: "Precondition Required",
    429: "Too Many Requests",
    431: "Request Header Fields Too Large",
    451: "Unavailable For Legal Reasons",
    500: "Internal Server Error",
    501: "Not Implemented",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Timeout",
    505: "HTTP Version Not Supported",
    506: "Variant Also Negotiates",
    507: "Insufficient Storage",
    508: "Loop Detected",
    510: "Not Extended",
    511: "Network Authentication Required",
}


def status_text(code: int) -> str:
    """`OK` for 200, as Go's `http.StatusText`; empty for a code that has none."""
    return _STATUS_TEXT.get(code, "")


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
