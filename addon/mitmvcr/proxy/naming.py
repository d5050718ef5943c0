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

from mitmvcr import control

HEADER = "X-VCR-Cassette"
CONTROL_HOST = control.HOST
CONTROL_PREFIX = "/__vcr__"
_PREFIX = "/vcr/"
_TAKEN = "mitmvcr_prefix"
_LEADING = ("Location", "Content-Location", "Operation-Location")


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


def take_name(flow: http.HTTPFlow, user: Named) -> Named:
    """The cassette that a request is for; its header and its prefix are gone afterwards."""
    header = flow.request.headers.pop(HEADER, None)
    prefix = _take_prefix(flow) if is_reverse(flow) else None
    if header is not None:
        return Named(_decoded(header.strip()), user.session)
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
    flow.metadata[_TAKEN] = path[: len(path) - len(slash + rest + query)]
    flow.request.path = "/" + rest + query
    return Named(_decoded(name))


def keep_here(flow: http.HTTPFlow, response: http.Response, host: str | None) -> None:
    """Tell upstream's own URLs as ours, so that who follows one stays with the reverse proxy.

    Else a redirect, or what Azure tells to poll, leads past us to the live API. `host` is what the client
    calls this proxy. What is recorded is upstream's.
    """
    if not is_reverse(flow):
        return
    if host and flow.client_conn.tls:  # by its server name, which has no port
        ours = f"https://{host}:{flow.client_conn.sockname[1]}"
    else:
        ours = f"http://{host}" if host else ""
    upstream = origin_of(flow.request)
    for name in _LEADING:
        value = response.headers.get(name, "")
        rest = value[len(upstream) :]
        if value.lower().startswith(upstream) and rest[:1] in ("", "/", "?", "#"):
            response.headers[name] = f"{ours}{flow.metadata.get(_TAKEN, '')}{rest}"


def control_path(flow: http.HTTPFlow) -> str | None:
    """The path that a request asks of the control API, None if it asks something else."""
    path = flow.request.path.partition("?")[0]
    if is_reverse(flow):
        if path == CONTROL_PREFIX or path.startswith(CONTROL_PREFIX + "/"):
            return path.removeprefix(CONTROL_PREFIX) or "/"
        return None
    return path if flow.request.host == CONTROL_HOST else None


def asked_of(flow: http.HTTPFlow, path: str, host: str | None) -> control.Asked:
    """A request to the control API; `host` is what the client calls this proxy."""
    return control.Asked(
        flow.request.method,
        path,
        flow.request.raw_content or b"",
        host,
        flow.request.headers.get("Origin", ""),
        flow.request.headers.get("Sec-Fetch-Site", ""),
    )


def origin_of(request: http.Request) -> str:
    """Scheme, host and port of who is asked: CONNECT's or the reverse mode's host, not Host's."""
    host = f"[{request.host}]" if ":" in request.host else request.host
    port = "" if request.port == {"http": 80, "https": 443}.get(request.scheme) else f":{request.port}"
    return f"{request.scheme}://{host}{port}"


def url_of(request: http.Request) -> str:
    """The absolute URL as upstream is asked for it."""
    path = request.path if request.path.startswith("/") else f"/{request.path}"
    return origin_of(request) + path
