"""The table of options that mitmproxy's `--set`, mitmvcr.toml and the command line's flags are made from.

Its rows stand in options.json, by their names without `vcr_`. It parses nothing: `settings` knows what their
texts mean.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Option:
    """One option: its name, what it is when it isn't given, and a help text of one sentence."""

    name: str
    default: str
    help: str
    metavar: str


_ROWS = Path(__file__).with_name("options.json")
OPTIONS = tuple(Option(**row) for row in json.loads(_ROWS.read_text("utf-8")))
DEFAULTS = {option.name: option.default for option in OPTIONS}

PER_CASSETTE = ("mode", "match", "ignore", "repeat", "latency", "strict")
"""The options that one cassette can have for itself: in mitmvcr.toml by its name, or from the control API."""

POLICY = ("keep_headers", "redact", "allow")
"""The options that say what is a secret; they hold for every command that scrubs, shows or looks for one."""
