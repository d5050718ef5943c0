"""mitmproxy's options to Settings: declared as text, checked by the core, refused before any serving."""

from __future__ import annotations

import ipaddress
import sys
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import NoReturn

from mitmproxy import ctx
from mitmproxy.addonmanager import Loader
from mitmproxy.connection import Client
from mitmproxy.proxy.mode_specs import RegularMode, ReverseMode

from mitmvcr.config import load
from mitmvcr.config.options import DEFAULTS, OPTIONS
from mitmvcr.config.settings import Mode, Settings
from mitmvcr.errors import MitmvcrError, SettingsError
from mitmvcr.scrub import Policy, PolicyError, Scrubber

PREFIX = "vcr_"


def declare(loader: Loader) -> set[str]:
    """Declare the options and return the names, without prefix, of those that were given.

    mitmproxy takes an unknown option for one that may yet be declared, and unloads a script in
    silence when an option is given twice; so what was given is looked at before (11.0 to 12.2).
    """
    given = {name: value for name, value in ctx.options.deferred.items() if name.startswith(PREFIX)}
    for name, value in given.items():
        if name.removeprefix(PREFIX) not in DEFAULTS:
            names = ", ".join(PREFIX + option for option in DEFAULTS)
            end(f"there is no option {name}; there are {names}")
        texts = getattr(value, "val", [value])
        if len(texts) != 1 or not isinstance(texts[0], str):
            end(f"{name} must be given once, with a text: --set {name}={DEFAULTS[name.removeprefix(PREFIX)]}")
    # A script that was touched is loaded anew; its options are there already, and none is deferred.
    given |= {
        PREFIX + option.name: value
        for option in OPTIONS
        if PREFIX + option.name in ctx.options
        and (value := getattr(ctx.options, PREFIX + option.name)) != option.default
    }
    for option in OPTIONS:
        loader.add_option(PREFIX + option.name, str, option.default, option.help)
    return {name.removeprefix(PREFIX) for name in given}


def settings(given: Iterable[str]) -> Settings:
    """The settings from mitmvcr.toml, where there is one, and what was given; raises SettingsError."""
    file = load.read()
    texts = {name: getattr(ctx.options, PREFIX + name) for name in given}
    tables = [table.without(texts.keys()) for table in file.tables()]
    texts = {**file.texts(), **texts}
    try:
        checked = Settings.parse(texts, tables)
    except SettingsError as error:
        raise SettingsError(f"{PREFIX}{error}") from None
    if checked.only_missed is None:
        return checked
    from mitmvcr.reports import only_missed  # noqa: PLC0415 - who records what was missed pays

    return replace(checked, tables=(*checked.tables, *only_missed.tables(checked.only_missed, checked.dir)))


def scrubber(checked: Settings) -> Scrubber:
    """The scrubber that the settings ask for; raises SettingsError."""
    try:
        return Scrubber(Policy.of(checked))
    except PolicyError as error:
        raise SettingsError(f"{PREFIX}{error}") from None


def set_mitmproxys_own(mode: Mode) -> None:
    """The options of mitmproxy's that its own defaults have wrong for us (design section 7)."""
    options: Mapping[str, object] = {
        # Eager connects upstream before any hook could answer.
        "connection_strategy": "lazy",
        # mitmdump's own flow log shows URLs with their api-key.
        **({"flow_detail": 0} if "flow_detail" in ctx.options else {}),
        # A request that streams is sent live whatever a hook answers.
        **({} if mode in (Mode.RECORD, Mode.PASSTHROUGH) else {"stream_large_bodies": None}),
        # A header value that ends in a space ends an HTTP/2 connection while this is on.
        **({"validate_inbound_headers": False} if mode is Mode.REPLAY else {}),
    }
    changed = {name: value for name, value in options.items() if getattr(ctx.options, name) != value}
    ctx.options.update(**changed)  # type: ignore[no-untyped-call]


def is_invited(client: Client) -> bool:
    """Whether the client is on this machine, or comes to where somebody wanted the proxy to listen."""
    address = ipaddress.ip_address(client.peername[0].partition("%")[0])
    address = getattr(address, "ipv4_mapped", None) or address
    return (
        address.is_loopback
        or not isinstance(client.proxy_mode, (RegularMode, ReverseMode))  # for other machines
        or client.proxy_mode.custom_listen_host is not None
        or bool(ctx.options.has_changed("listen_host"))  # type: ignore[no-untyped-call]
    )


def end(problem: MitmvcrError | str) -> NoReturn:
    """End the process before it serves: one line, exit status 1."""
    print(f"mitmvcr: {problem}", file=sys.stderr, flush=True)
    sys.exit(1)
