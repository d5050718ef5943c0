"""What the user wants kept and redacted besides the defaults, and the error for a policy that can't be."""

from __future__ import annotations

from dataclasses import dataclass

from mitmvcr.config.settings import Settings
from mitmvcr.errors import MitmvcrError


class PolicyError(MitmvcrError):
    """A policy asks for what it can't have; the text names the option, the entry and the remedy."""


@dataclass(frozen=True, slots=True)
class Policy:
    """Additions to the defaults; see `Scrubber` for how each is read.

    `keep_headers`: names of headers to keep besides the default list; `name=redact` keeps a header
    with its value replaced, the only way to keep one that carries credentials.
    `redact`: patterns (Python's `re`; `re:` in front is allowed), JSONPaths (`$…`) whose values are
    replaced, and `py:FILE.py:NAME` or `py:MODULE:NAME` for a function from Interaction to Interaction.
    `allow`: `rule@field`, both with `*` as a wildcard: what is neither redacted nor refused.
    `emails`, `home_paths`: whether those are redacted too.
    """

    keep_headers: tuple[str, ...] = ()
    redact: tuple[str, ...] = ()
    allow: tuple[str, ...] = ()
    emails: bool = False
    home_paths: bool = False

    @classmethod
    def of(cls, settings: Settings) -> Policy:
        """The policy that the options ask for; `emails` and `home-paths` are words of `vcr_redact`."""
        words = {"emails", "home-paths"}
        return cls(
            keep_headers=settings.keep_headers,
            redact=tuple(entry for entry in settings.redact if entry not in words),
            allow=settings.allow,
            emails="emails" in settings.redact,
            home_paths="home-paths" in settings.redact,
        )
