"""The policy that a command scrubs, shows and looks for secrets by; no command makes one otherwise."""

from __future__ import annotations

import argparse

from mitmvcr.config import load
from mitmvcr.config.options import POLICY
from mitmvcr.scrub import Policy


def policy_of(given: argparse.Namespace) -> Policy:
    """What mitmvcr.toml here says, and over it the flags that the command has; raises SettingsError."""
    flags = {name: getattr(given, name, None) for name in POLICY}
    texts = {name: text for name, text in flags.items() if text is not None}
    return Policy.of(load.read().settings(texts, only=POLICY))
