"""Where a request says which cassette it is for; what says so is taken off, and never goes upstream.

Design section 4: the header X-VCR-Cassette, the proxy user's name, the reverse prefix, the default.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from urllib.parse import unquote

from mitmproxy import http
from mitmproxy.proxy.mode_specs import ReverseMode

HEADER = "X-VCR-Cassette"
CONTROL_HOST = "mitmvcr.local"
CONTROL_PREFIX = "/__vcr__"
_PREFIX = "/vcr/"


@dataclass(frozen=True, slots=True)
class Named:
    """A cassette's name, None for the default one, and the session on it."""

    cassette: str | None = None
    session: str = ""


NOBODY = Named()


def is_reverse(flow: http.HTTPFlow) -> bool:
    """Whether the flow came in through a reverse listener."""
    return isinstance(flow.client_conn.proxy_mode, ReverseMode)


def take_user(flow: http.HTTPFlow) -> Named | None:
    """What the proxy's user name says; the header that has it is deleted."""
    checked = flow.metadata.get("proxyauth")
    given = flow.request.headers.pop("Proxy-Authorization", None)
    if checked:
        return Named(unquote(checked[0]) or None, checked[1])
    if not given:
        return None
    scheme, _, encoded = given.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, _, password = base64.b64decode(encoded, validate=True).decode("utf-8").partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return Named(unquote(user) or None, password)


def take_name(flow: http.HTTPFlow, user: Named) -> Named:
    """The cassette that a request is for; its header and its prefix are gone afterwards."""
    header = flow.request.headers.pop(HEADER, None)
    prefix = _take_prefix(flow) if is_reverse(flow) else None
    if header is not None:
        return Named(unquote(header.strip()) or None, user.session)
    return prefix or user


def _take_prefix(flow: http.HTTPFlow) -> Named | None:
    path = flow.request.path
    if not path.startswith(_PREFIX):
        return None
    name, slash, rest = path.removeprefix(_PREFIX).partition("/")
    query = ""
    if not slash:
        name, mark, query = name.partition("?")
        query = mark + query
    flow.request.path = "/" + rest + query
    return Named(unquote(name) or None)


def control_path(flow: http.HTTPFlow) -> str | None:
    """The path that a request asks of the control API, None if it asks something else."""
    path = flow.request.path.partition("?")[0]
    if is_reverse(flow):
        if path == CONTROL_PREFIX or path.startswith(CONTROL_PREFIX + "/"):
            return path.removeprefix(CONTROL_PREFIX) or "/"
        return None
    return path if flow.request.host == CONTROL_HOST else None


def url_of(request: http.Request) -> str:
    """The absolute URL as upstream is asked for it: CONNECT's or the reverse mode's host, not Host's."""
    host = f"[{request.host}]" if ":" in request.host else request.host
    port = "" if request.port == {"http": 80, "https": 443}.get(request.scheme) else f":{request.port}"
    path = request.path if request.path.startswith("/") else f"/{request.path}"
    return f"{request.scheme}://{host}{port}{path}"
