"""A request's head in plain data, as each carrier has it, and which cassette it names; looks nothing up.

What names a cassette is taken off, and never goes upstream (design section 4): the header X-VCR-Cassette, the
proxy user's name, the reverse prefix. Without them it is the default one.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeAlias
from urllib.parse import unquote

from mitmvcr.control import api as control_api
from mitmvcr.http.hosts import Origin, host_header, is_address, origin_of
from mitmvcr.text import printable, shortened

CASSETTE_HEADER = "x-vcr-cassette"
PROXY_AUTHORIZATION = "proxy-authorization"
CONTROL_HOST = control_api.HOST
CONTROL_PREFIX = "/__vcr__"
_PREFIX = "/vcr/"


ReversePorts: TypeAlias = Callable[[], Mapping[Origin, int]]
"""The ports of this process's plain reverse listeners, by the origin that each stands in front of."""


@dataclass(frozen=True, slots=True)
class RequestHead:
    """A request line, its header fields, and how the request came.

    `host` and `port` are whom it is for: CONNECT's or the reverse listener's, not Host's; empty and 0 where
    a head alone doesn't say. `server_name` is what TLS in a tunnel calls that host, empty where there is
    none. `authority` is what the client calls this proxy: empty if it gave no name, None if that was not
    seen. `tls_port` is the port of a reverse listener that the client speaks TLS to, else 0. `prefix` is the
    part of the path that named a cassette, and is taken off `path`. `reverse_ports` says where upstream's
    other origins are served.
    """

    method: str
    scheme: str
    host: str
    port: int
    path: str
    http_version: str
    fields: tuple[tuple[str, str], ...]
    is_reverse: bool = False
    authority: str | None = ""
    tls_port: int = 0
    prefix: str = ""
    server_name: str = ""
    reverse_ports: ReversePorts = field(default=dict, compare=False, repr=False)

    def header(self, name: str) -> str | None:
        """A header's values, joined by commas; None if it isn't there."""
        values = [value for field, value in self.fields if field.lower() == name.lower()]
        return ", ".join(values) if values else None

    def fields_without(self, *names: str) -> tuple[tuple[str, str], ...]:
        """The header fields but those of these names, which are given in lower case."""
        return tuple(field for field in self.fields if field[0].lower() not in names)

    @property
    def origin(self) -> str:
        """Scheme, host and port of whom it is for."""
        return f"{self.scheme}://{host_header(self.scheme, self.host, self.port)}"

    def other_names(self, *, is_named: bool) -> tuple[str, ...]:
        """What else the host is called: by TLS; and by Host, where it is given as an address.

        Who names a cassette (`is_named`) means the host in the URL.
        """
        names = [self.server_name] if self.server_name else []
        if not is_named and is_address(self.host):
            by_header = origin_of(f"//{self.header('Host') or ''}", "http")
            names += [by_header.host] if by_header else []
        return tuple(names)

    @property
    def url(self) -> str:
        """The absolute URL as upstream is asked for it."""
        return self.origin + (self.path if self.path.startswith("/") else f"/{self.path}")


@dataclass(frozen=True, slots=True)
class CassetteChoice:
    """A cassette's name, None for the default one, and the session on it.

    `error` says why what should name them can't be read: such a request is refused.
    """

    cassette: str | None = None
    session: str = ""
    error: str = ""

    @property
    def is_named(self) -> bool:
        """Whether a request says itself which cassette it is for, be that legible or not."""
        return self.cassette is not None or bool(self.error)


DEFAULT = CassetteChoice()


def coding_problem(fields: Iterable[tuple[str, str]]) -> str:
    """Why a request's Transfer-Encoding can't be served; empty if it can.

    Of what is in chunks and coded besides, two servers make two requests; clients send none.
    """
    codings = [value.strip() for name, value in fields if name.lower() == "transfer-encoding"]
    if all(coding.lower() == "chunked" for coding in codings) and len(codings) < 2:
        return ""
    said = shortened(printable(", ".join(codings)))
    return f"the request has the Transfer-Encoding {said!r}; chunked alone is served"


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
