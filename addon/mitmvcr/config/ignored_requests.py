"""Requests that say nothing of a program's conversation: its tracing and telemetry; matches, answers nothing.

They differ in each run (ids, times), so a recording of one never answers another. The table says what each of
these services answers with: 204, or 200 and an empty object.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase, translate
from functools import lru_cache

from mitmvcr.errors import SettingsError

_FOUND = 200

BUILT_IN = {
    # openai-agents, in Python and Node; whatever the base URL, also regional ones
    "POST */v1/traces/ingest": 204,
    # Codex
    "POST */codex/analytics-events/events": _FOUND,
    "POST ab.chatgpt.com/*": _FOUND,
    # LangSmith: its own service, and one of somebody's own
    "GET *api.smith.langchain.com/info": _FOUND,
    "POST *api.smith.langchain.com/runs*": _FOUND,
    "PATCH *api.smith.langchain.com/runs/*": _FOUND,
    "POST */runs/batch": _FOUND,
    "POST */runs/multipart": _FOUND,
    # Langfuse
    "POST */api/public/ingestion": _FOUND,
    "POST */api/public/otel/v1/traces": _FOUND,
    # litellm, CrewAI, Claude Code, and what others count with
    "POST litellm-logging.onrender.com/*": _FOUND,
    "POST telemetry.crewai.com/*": _FOUND,
    "POST api.anthropic.com/api/event_logging/*": _FOUND,
    "POST statsig.anthropic.com/*": _FOUND,
    "POST *.posthog.com/*": _FOUND,
    "POST api.segment.io/*": _FOUND,
    "POST *.ingest*.sentry.io/*": _FOUND,
}
"""Patterns, and the status of the answer that their senders expect."""

_PATTERN = re.compile(r"(?:[A-Z]{1,20}|\*) [A-Za-z0-9.*?_-]{1,250}/[!-~]{0,1000}")
"""A method, a host and a path; `*` in one of them may stand for what goes on into the next."""


def parse(items: Sequence[str]) -> tuple[str, ...]:
    """The patterns that hold: those built in, less what `-PATTERN` names, and what is added.

    Raises SettingsError for what is no pattern, or is not in the list that it would be taken from.
    """
    patterns = list(BUILT_IN)
    for item in items:
        removed = item.removeprefix("-").strip()
        if item.startswith("-"):
            left = [
                pattern for pattern in patterns if pattern != removed and not fnmatchcase(pattern, removed)
            ]
            if len(left) == len(patterns):
                raise SettingsError(
                    f"ignore_requests has {item!r}, which takes away nothing; there are {', '.join(BUILT_IN)}"
                )
            patterns = left
        elif _PATTERN.fullmatch(item):
            method, _, rest = item.partition(" ")
            host, _, path = rest.partition("/")
            patterns.append(f"{method} {host.lower()}/{path}")
        else:
            raise SettingsError(
                f"ignore_requests has {item!r}: give METHOD HOST/PATH, as POST */v1/telemetry"
            )
    return tuple(dict.fromkeys(patterns))


def answer_code(patterns: tuple[str, ...], method: str, host: str, path: str) -> int:
    """The status that a request is answered with, 0 if none of the patterns fits it.

    `path` may have a query, which isn't looked at.
    """
    asked = f"{method} {host.lower().removesuffix('.')}{path.partition('?')[0]}"
    asked = asked.rstrip("/") if asked.count("/") > 1 else asked
    if not _any_of(patterns).match(asked):
        return 0
    return next(
        (BUILT_IN.get(pattern, _FOUND) for pattern in patterns if fnmatchcase(asked, pattern)), _FOUND
    )


@lru_cache(maxsize=16)
def _any_of(patterns: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(map(translate, patterns)) or r"(?!)")
