"""What was recorded and is not written yet: it is, in the order of the exchanges' ends, behind their answers.

An answer's end waits for the hook that is told of it. So the hook only puts the exchange here, and it is
written in the event loop's next turn, a moment later; and before anything else is done with cassettes.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from dataclasses import dataclass

from mitmvcr.errors import MitmvcrError
from mitmvcr.model import Interaction
from mitmvcr.serving.outcomes import Outcomes
from mitmvcr.sessions.open_cassette import OpenCassette

log = logging.getLogger(__name__)

MOST = 16 << 20
"""Bytes of bodies that may wait; with more than that, all that waits is written at once."""


@dataclass(frozen=True, slots=True)
class EndedExchange:
    """An exchange that ended whole, its request in a log line, and the cassette that it is for."""

    line: str
    interaction: Interaction
    cassette: OpenCassette


class WriteQueue:
    """The exchanges that wait to be written; needs the event loop to run."""

    def __init__(self, outcomes: Outcomes) -> None:
        self._outcomes = outcomes
        self._waiting: deque[EndedExchange] = deque()
        self._size = 0

    def add(self, exchange: EndedExchange) -> None:
        """Have it written soon."""
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self.flush)
        self._waiting.append(exchange)
        self._size += len(exchange.interaction.request.body) + len(exchange.interaction.response.body)
        if self._size > MOST:
            self.flush()

    def flush(self) -> None:
        """Write all that waits, or say why it isn't."""
        while self._waiting:
            self._write(self._waiting.popleft())
        self._size = 0

    def _write(self, exchange: EndedExchange) -> None:
        try:
            exchange.cassette.record(exchange.interaction)
        except MitmvcrError as error:
            self._outcomes.fail(error)
            log.warning("%s: not recorded: %s", exchange.line, error)
        except Exception as error:  # noqa: BLE001 - the client has its answer; the process says so and fails
            self._outcomes.failed(exchange.line, error)
        else:
            path = exchange.cassette.location.path
            self._outcomes.access_log.say(f"{exchange.line}: recorded in {path}")
