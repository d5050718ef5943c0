"""Hosts, however they are written: one spelling for each, what a URL's origin is, globs and NO_PROXY's lists.

It asks no resolver: two names of one machine are two hosts.
"""

from __future__ import annotations

import fnmatch
import ipaddress
import re
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import unquote, urlsplit

DEFAULT_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}
"""By URL scheme."""

LOOPBACK = ("localhost", "127.0.0.1", "::1")
"""The names of this machine that every program knows."""

_REMEMBERED = 4096
# A URL up to its path; what browsers take for a slash ends the authority, too.
_ORIGIN = re.compile(r"(?:([A-Za-z][A-Za-z0-9+.-]{0,20}):)?//([^/?#\\]*)")
# An IPv4 address in one of inet_aton's forms: up to four numbers, decimal, octal or hexadecimal.
_NUMBERS = re.compile(r"(?:0x[0-9a-f]{1,8}|\d{1,11})(?:\.(?:0x[0-9a-f]{1,8}|\d{1,11})){0,3}", re.ASCII)
_DOTS = re.compile("[\u3002\uff0e\uff61]")  # full stops that IDNA takes for one (RFC 3490, 3.1)


@lru_cache(_REMEMBERED)
def canonical_host(host: str) -> str:
    """The one spelling of a host: lower case, ASCII (IDNA), no brackets, no trailing dot, short addresses.

    `API.OpenAI.com.` → `api.openai.com`, `[0::1]` → `::1`, `127.1` → `127.0.0.1`. What is no host comes back
    in lower case.
    """
    text = _DOTS.sub(".", unquote(host) if "%" in host and ":" not in host else host)
    text = text.strip().removeprefix("[").removesuffix("]").strip().lower()
    if len(text) > 1:
        text = text.removesuffix(".")
    if ":" in text:
        return _address(text)
    if _NUMBERS.fullmatch(text):
        try:
            return socket.inet_ntoa(socket.inet_aton(text))
        except OSError:
            return text
    if not text.isascii():
        try:
            return canonical_host(text.encode("idna").decode("ascii"))  # of figures, it is an address
        except UnicodeError:
            return text
    return text


def _address(text: str) -> str:
    try:
        address = ipaddress.IPv6Address(text)
    except ValueError:
        return text
    return str(address.ipv4_mapped or address)


def is_address(host: str) -> bool:
    """Whether a host in its canonical spelling is an IP address, and no name."""
    return ":" in host or _NUMBERS.fullmatch(host) is not None


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, so that clients would leave out any proxy on the way to it."""
    name = canonical_host(host)
    return name in LOOPBACK or name.endswith(".localhost") or (name.startswith("127.") and is_address(name))


def bracketed(host: str) -> str:
    """A host as it stands in a URL or in `Host`: an IPv6 address has brackets (RFC 3986, 3.2.2)."""
    return f"[{host}]" if ":" in host else host


def host_header(scheme: str, host: str, port: int) -> str:
    """The value of `Host` for an origin: the port stands in it unless it is the scheme's own."""
    return bracketed(host) + ("" if port == DEFAULT_PORTS.get(scheme) else f":{port}")


@dataclass(frozen=True, slots=True)
class Origin:
    """Scheme, host and port of a URL, the host in its canonical spelling, the port always a number."""

    scheme: str
    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.scheme}://{host_header(self.scheme, self.host, self.port)}"


@lru_cache(_REMEMBERED)
def _origin(scheme: str, authority: str) -> Origin | None:
    try:
        parts = urlsplit(f"//{authority}")
        host, port = canonical_host(parts.hostname or ""), parts.port
    except ValueError:
        return None
    port = DEFAULT_PORTS.get(scheme, 0) if port is None else port
    if not host or not port or any(char.isspace() or char in '<>"\\^`{|}' for char in host):
        return None
    return Origin(scheme, host, port)


def split_origin(url: str) -> tuple[str, str, str]:
    """A URL's scheme in lower case, its authority and what is behind that; empty where it has none.

    `//host/path` has no scheme. Nothing is checked.
    """
    parts = _ORIGIN.match(url)
    if parts is None:
        return "", "", url
    return (parts[1] or "").lower(), parts[2], url[parts.end() :]


def origin_of(url: str, scheme: str = "") -> Origin | None:
    """The origin of a URL; None if it has none that a server could have.

    `scheme` is that of a URL without one (`//host/path`).
    """
    own, authority, _ = split_origin(url)
    return _origin(own or scheme, authority) if authority and (own or scheme) else None


def canonical_url(url: str) -> str:
    """The URL with its origin in the canonical spelling, without the scheme's own port; all else as it is."""
    scheme, authority, rest = split_origin(url)
    origin = _origin(scheme, authority) if scheme and authority else None
    if origin is None:
        return url
    user, at, _ = authority.rpartition("@")
    return f"{scheme}://{user}{at}{str(origin)[len(scheme) + 3 :]}{rest}"


class HostGlobs:
    """Globs of hosts (`*` takes dots too), which fit a host however either is written."""

    def __init__(self, globs: Iterable[str]) -> None:
        patterns = [fnmatch.translate(_canonical_glob(glob)) for glob in globs]
        self._pattern = re.compile("|".join(patterns) or r"(?!)")

    def has(self, host: str) -> bool:
        """Whether one of them fits the host."""
        return self._pattern.match(canonical_host(host)) is not None


def _canonical_glob(glob: str) -> str:
    # A bracket in a glob is an address's, never a set of letters.
    return canonical_host(glob) if "*" not in glob else glob.strip("[]").lower().removesuffix(".")


def is_in_no_proxy(host: str, no_proxy: str, port: int = 0) -> bool:
    """Whether NO_PROXY's list has the host: `*`, a name and all below it, an address, a network; with ports.

    An entry that has a port counts for that port alone; `port` 0 stands for any. As Go's `httpproxy` and
    curl read it, a name may begin with a dot or with `*.`; with either it has the name itself too.
    """
    name = canonical_host(host)
    return any(_fits(name, port, entry) for entry in map(str.strip, no_proxy.lower().split(",")) if entry)


def _fits(name: str, port: int, entry: str) -> bool:
    if entry == "*":
        return True
    if "/" in entry:
        return _is_in_network(name, entry)
    pattern, wanted_port = _without_port(entry)
    if wanted_port and port and wanted_port != str(port):
        return False
    bare = canonical_host(pattern.removeprefix("*").lstrip("."))
    return bool(bare) and (name == bare or (not is_address(name) and name.endswith(f".{bare}")))


def _is_in_network(name: str, entry: str) -> bool:
    try:
        return ipaddress.ip_address(name) in ipaddress.ip_network(entry, strict=False)
    except ValueError:
        return False


def _without_port(entry: str) -> tuple[str, str]:
    """An entry of NO_PROXY and its port; an IPv6 address has one only behind brackets."""
    if entry.startswith("["):
        address, _, rest = entry[1:].partition("]")
        return address, rest.removeprefix(":")
    if entry.count(":") == 1:
        pattern, _, port = entry.partition(":")
        return pattern, port
    return entry, ""
