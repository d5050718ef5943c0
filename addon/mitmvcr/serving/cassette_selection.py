"""Where a request says which cassette it is for; what says so is taken off, and never goes upstream.

Design section 4: the header X-VCR-Cassette, the proxy user's name, the reverse prefix, the default.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, replace
from urllib.parse import unquote

from mitmvcr.control import api as control_api
from mitmvcr.serving.request_head import RequestHead

CASSETTE_HEADER = "x-vcr-cassette"
PROXY_AUTHORIZATION = "proxy-authorization"
CONTROL_HOST = control_api.HOST
CONTROL_PREFIX = "/__vcr__"
_PREFIX = "/vcr/"


@dataclass(frozen=True, slots=True)
class CassetteChoice:
    """A cassette's name, None for the default one, and the session on it.

    `error` says why what should name them can't be read: such a request is refused.
    """

    cassette: str | None = None
    session: str = ""
    error: str = ""


DEFAULT = CassetteChoice()


def choose(
    head: RequestHead, tunnel: CassetteChoice | None, checked: tuple[str, str] | None = None
) -> tuple[RequestHead, CassetteChoice]:
    """The head without what names its cassette, and the cassette that it is for.

    `tunnel` is the choice of the CONNECT that it came through; `checked`: user and password as mitmproxy's
    `proxyauth` has read them.
    """
    user = proxy_user(head, checked) or tunnel or DEFAULT
    name = head.header(CASSETTE_HEADER)
    is_bare = name is None and head.header(PROXY_AUTHORIZATION) is None
    fields = head.fields if is_bare else head.fields_without(CASSETTE_HEADER, PROXY_AUTHORIZATION)
    path, prefix, by_prefix = head.path, "", None
    if head.is_reverse and path.startswith(_PREFIX):
        path, prefix, by_prefix = _without_prefix(path)
    if fields is not head.fields or prefix:
        head = replace(head, fields=fields, path=path, prefix=prefix)
    if user.error:
        return head, user
    if name is not None:
        return head, CassetteChoice(_decoded(name.strip()), user.session)
    return head, by_prefix or user


def proxy_user(head: RequestHead, checked: tuple[str, str] | None = None) -> CassetteChoice | None:
    """What the proxy's user name says, None if there is none."""
    if checked:
        return CassetteChoice(_decoded(checked[0]), checked[1])
    scheme, _, encoded = (head.header(PROXY_AUTHORIZATION) or "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        text = base64.b64decode(encoded, validate=True).decode("utf-8", "surrogateescape")
    except ValueError:  # of characters beyond ASCII, too
        return CassetteChoice(error="the proxy's user name can't be read: Proxy-Authorization is no Base64")
    user, _, password = text.partition(":")
    return CassetteChoice(_decoded(user), password)


def _decoded(name: str) -> str | None:
    """A name as it is meant, None if it is empty; what isn't UTF-8 stays to be seen, and refused."""
    return unquote(name, errors="surrogateescape") or None


def _without_prefix(path: str) -> tuple[str, str, CassetteChoice]:
    """The path behind the prefix, the prefix, and what it names."""
    name, slash, rest = path.removeprefix(_PREFIX).partition("/")
    query = ""
    if not slash:
        name, mark, query = name.partition("?")
        query = mark + query
    prefix = path[: len(path) - len(slash + rest + query)]
    return "/" + rest + query, prefix, CassetteChoice(_decoded(name))


def control_path(head: RequestHead) -> str | None:
    """The path that a request asks of the control API, None if it asks something else."""
    path = head.path.partition("?")[0]
    if head.is_reverse:
        if path == CONTROL_PREFIX or path.startswith(CONTROL_PREFIX + "/"):
            return path.removeprefix(CONTROL_PREFIX) or "/"
        return None
    return path if head.host == CONTROL_HOST else None
