"""What the environment says of the run; it knows no options."""

from __future__ import annotations

from collections.abc import Mapping

_NO_CI = frozenset({"", "0", "false", "no", "off"})


def in_ci(environ: Mapping[str, str]) -> bool:
    """Whether this is a CI: all of them set CI, most to true, Woodpecker to its name."""
    return environ.get("CI", "").strip().lower() not in _NO_CI
