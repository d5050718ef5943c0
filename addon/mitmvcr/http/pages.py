"""Web pages that ask: which ones may, told by the headers that a browser sets and no page can; no I/O.

A browser sends what any site's page asks, also to an address of this machine, and to a name of that site that
its DNS leads here (DNS rebinding). Programs set none of these headers, or as they like: they are let in.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from mitmvcr.text import printable, shortened

_ORIGIN = re.compile(r"([a-z][a-z0-9+.-]{0,40})://([!-~]{0,300})", re.IGNORECASE)
"""A scheme and an authority, in printable ASCII alone."""
_OPAQUE = "null"
_WEB = ("http", "https")
_OWN_SITES = ("", "none", "same-origin", "same-site")


@dataclass(frozen=True, slots=True)
class Sender:
    """Who asks, as far as a browser tells.

    `host` is the name, with or without a port, by which the client knows this proxy, or that of the API where
    this is a forward proxy: None if that is not known, empty if the client said none. `origin` and `site` are
    the headers Origin and Sec-Fetch-Site, empty where there is none.
    """

    host: str | None = ""
    origin: str = ""
    site: str = ""


def name_of(host: str) -> str | None:
    """The name in `name:port`, in lower case, without brackets and the root's dot; None if it is none."""
    try:
        return (urlsplit(f"//{host}").hostname or "").removesuffix(".")
    except ValueError:
        return None


def is_local_name(host: str) -> bool:
    """Whether no stranger can have this name, with or without a port, in the DNS, and let it lead here."""
    name = name_of(host)
    if name is None:
        return False
    return _is_address(name) or "." not in name or name.endswith((".localhost", ".internal"))


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def own_origin(sender: Sender) -> bool:
    """Whether the request is of no page, or of one that this proxy has answered with."""
    scheme, _, host = sender.origin.lower().partition("://")
    is_own = scheme in _WEB and bool(host) and sender.host is not None and host == sender.host.lower()
    return (is_own or not sender.origin) and sender.site in ("", "none", "same-origin")


def stranger(sender: Sender, is_own_name: Callable[[str], bool], is_welcome: Callable[[str], bool]) -> str:
    """Why a request is not served that a page of another site may have sent; empty if it is.

    `is_own_name` tells other names by which this proxy may be asked, `is_welcome` other origins whose pages
    may ask. Pages of this machine may, by whatever port, and what is no web page (extensions, apps).
    """
    host, origin = sender.host, sender.origin.strip()
    is_named = host is None or is_local_name(host) or is_own_name(name_of(host) or "")
    if host and not is_named and not any(is_welcome(f"{scheme}://{host.lower()}") for scheme in _WEB):
        shown = shortened(printable(host))
        return (
            f"this proxy is asked as {shown!r}, a name that any site may have led here: use its IP address, "
            f"localhost or a name without dots, or set vcr_origins=http://{shown}"
        )
    if not origin or origin == _OPAQUE:
        if sender.site in (("same-origin",) if origin else _OWN_SITES):
            return ""
        return "a page of another site asks: pages of this machine may, and those that vcr_origins names"
    if own_origin(Sender(host, origin)) or _is_local_origin(origin) or is_welcome(origin.lower()):
        return ""
    shown = shortened(printable(origin))
    return f"a page of {shown} asks, which is another site: if it is yours, set vcr_origins={shown}"


def _is_local_origin(origin: str) -> bool:
    found = _ORIGIN.fullmatch(origin)
    if found is None:
        return False
    if found[1].lower() not in _WEB:
        return True
    name = name_of(found[2])
    if not name:
        return False
    if _is_address(name):
        address = ipaddress.ip_address(name)
        return address.is_loopback or address.is_unspecified
    return is_local_name(name)


def readable_by(origin: str) -> tuple[tuple[str, str], ...]:
    """The header fields by which a page of this origin may read an answer (CORS); none for no origin."""
    is_origin = origin == _OPAQUE or _ORIGIN.fullmatch(origin)
    return (("Access-Control-Allow-Origin", origin), ("Vary", "Origin")) if is_origin else ()
