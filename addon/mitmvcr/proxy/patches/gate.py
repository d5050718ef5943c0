"""The versions of mitmproxy whose insides may be touched; with any other one nothing is, and hooks serve."""

from __future__ import annotations

import sys

from mitmproxy import version

TRIED = ("11.0", "11.1", "12.0", "12.1", "12.2", "12.3")
"""Tests hold what is put in place to what was there, with 11.0.2, 11.1.3, 12.0.1, 12.1.2, 12.2.3, 12.3.1."""


def refusal() -> str:
    """Why nothing of this mitmproxy may be replaced; empty if it may."""
    if any(version.VERSION.startswith(f"{series}.") for series in TRIED):
        return ""
    tried = f"{TRIED[0]} to {TRIED[-1]}"
    return f"mitmproxy {version.VERSION} is none of the versions that mitmvcr was tried with ({tried})"


def put_in_place() -> None:
    """Replace what is to be replaced for a whole process; or say in a line that nothing is."""
    if why := refusal():
        print(
            f"mitmvcr: {why}: it is left as it is, and serves through its hooks", file=sys.stderr, flush=True
        )
        return
    from mitmvcr.proxy.patches import (  # noqa: PLC0415 - another version may not have it all
        hook_dispatch,
        http1,
        http2,
        idle,
        upstream,
    )

    http1.mend()
    http2.mend()
    upstream.mend()
    idle.mend()
    hook_dispatch.quicken()
