"""Where a request says which cassette it is for; what says so is taken off, and never goes upstream.

Design section 4: the header X-VCR-Cassette, the proxy user's name, the reverse prefix, the default.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias
from urllib.parse import unquote

from mitmvcr.control import api as control_api
from mitmvcr.serving.request_head import Incoming

HEADER = "X-VCR-Cassette"
PROXY_AUTHORIZATION = "Proxy-Authorization"
CONTROL_HOST = control_api.HOST
CONTROL_PREFIX = "/__vcr__"
_PREFIX = "/vcr/"
Fields: TypeAlias = Sequence[tuple[str, str]]

_LEADING = frozenset(("location", "content-location", "operation-location"))


@dataclass(frozen=True, slots=True)
class Named:
    """A cassette's name, None for the default one, and the session on it."""

    cassette: str | None = None
    session: str = ""


NOBODY = Named()


def take_user(asked: Incoming, checked: tuple[str, str] | None = None) -> Named | None:
    """What the proxy's user name says; the header that has it is deleted.

    `checked`: user and password as mitmproxy's `proxyauth` has read them.
    """
    given = asked.pop(PROXY_AUTHORIZATION)
    if checked:
        return Named(_decoded(checked[0]), checked[1])
    if not given:
        return None
    scheme, _, encoded = given.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        said = base64.b64decode(encoded, validate=True).decode("utf-8", "surrogateescape")
    except binascii.Error:
        return None
    user, _, password = said.partition(":")
    return Named(_decoded(user), password)


def _decoded(name: str) -> str | None:
    """A name as it is meant, None if it is empty; what isn't UTF-8 stays to be seen, and refused."""
    return unquote(name, errors="surrogateescape") or None


def take_name(asked: Incoming, user: Named) -> Named:
    """The cassette that a request is for; its header and its prefix are gone afterwards."""
    header = asked.pop(HEADER)
    prefix = _take_prefix(asked) if asked.is_reverse else None
    if header is not None:
        return Named(_decoded(header.strip()), user.session)
    return prefix or user


def _take_prefix(asked: Incoming) -> Named | None:
    path = asked.path
    if not path.startswith(_PREFIX):
        return None
    name, slash, rest = path.removeprefix(_PREFIX).partition("/")
    query = ""
    if not slash:
        name, mark, query = name.partition("?")
        query = mark + query
    asked.taken = path[: len(path) - len(slash + rest + query)]
    asked.path = "/" + rest + query
    return Named(_decoded(name))


def kept_here(asked: Incoming, fields: Fields) -> Fields:
    """An answer's header fields with upstream's own URLs as ours, so that who follows one stays with us.

    Else a redirect, or what Azure tells to poll, leads past us to the live API. What is recorded is
    upstream's.
    """
    if not asked.is_reverse or not any(name.lower() in _LEADING for name, _ in fields):
        return fields
    if asked.called and asked.tls_port:  # by its server name, which has no port
        ours = f"https://{asked.called}:{asked.tls_port}"
    else:
        ours = f"http://{asked.called}" if asked.called else ""
    upstream = asked.origin
    return [
        (name, _led(value, upstream, ours + asked.taken) if name.lower() in _LEADING else value)
        for name, value in fields
    ]


def _led(value: str, upstream: str, ours: str) -> str:
    rest = value[len(upstream) :]
    return ours + rest if value.lower().startswith(upstream) and rest[:1] in ("", "/", "?", "#") else value


def control_path(asked: Incoming) -> str | None:
    """The path that a request asks of the control API, None if it asks something else."""
    path = asked.path.partition("?")[0]
    if asked.is_reverse:
        if path == CONTROL_PREFIX or path.startswith(CONTROL_PREFIX + "/"):
            return path.removeprefix(CONTROL_PREFIX) or "/"
        return None
    return path if asked.host == CONTROL_HOST else None


def asked_of(asked: Incoming, path: str, body: bytes) -> control_api.ControlRequest:
    """A request to the control API."""
    return control_api.ControlRequest(
        asked.method,
        path,
        body,
        asked.called,
        asked.header("Origin") or "",
        asked.header("Sec-Fetch-Site") or "",
    )
