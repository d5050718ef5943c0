"""What a request is answered, and what is said of it: the one way of both serving layers."""

from __future__ import annotations

import logging
from collections.abc import Callable

from mitmvcr.errors import MitmvcrError
from mitmvcr.misses.explain import Miss
from mitmvcr.replay import served_response
from mitmvcr.replay.served_response import ServedResponse
from mitmvcr.reports import summary
from mitmvcr.serving.access_log import Lines
from mitmvcr.serving.cassette_selection import NOBODY, Named, take_name, take_user
from mitmvcr.serving.request_head import Incoming
from mitmvcr.sessions.table import Sessions

log = logging.getLogger(__name__)


class Answering:
    """Answers; counts the misses that it has told of."""

    def __init__(self, lines: Lines) -> None:
        self._lines = lines
        self._misses = 0

    def replayed(self, line: str, number: int) -> None:
        """Say that the interaction of this id answers."""
        self._lines.say(f"{line}: replayed, interaction {number}")

    def missed(self, miss: Miss) -> ServedResponse:
        """The answer where nothing recorded is one."""
        self._misses += 1
        said = summary.announcement(miss, self._misses)
        if said:
            log.warning("%s", said)
        return served_response.miss(miss.message)

    def refused(self, line: str, why: str, sessions: Sessions) -> ServedResponse:
        """The answer where the cassette can't be used."""
        sessions.fail(why)
        log.warning("%s: refused: %s", line, why)
        return served_response.refusal(why)

    def too_large(self, line: str, error: MitmvcrError, sessions: Sessions) -> ServedResponse:
        """The answer to a body that is larger than any that is matched."""
        message = f"{line}: can't be looked up: {error}"
        sessions.fail(message)
        log.warning("%s", message)
        return served_response.too_large(message)


def named(asked: Incoming, user: Named | None, checked: tuple[str, str] | None = None) -> Named:
    """The cassette and session that a request is for, taken off it; `user` is its connection's."""
    return take_name(asked, take_user(asked, checked) or user or NOBODY)


def failed(line: str, error: Exception, fail: Callable[[str], None] | None) -> ServedResponse:
    """The answer when something in here is broken: the request goes nowhere."""
    message = f"mitmvcr failed ({type(error).__name__}: {error}); nothing was sent or recorded"
    log.warning("%s: %s", line, message)
    log.debug("mitmvcr failed", exc_info=error)
    if fail is not None:
        fail(message)
    return served_response.failure(message)
