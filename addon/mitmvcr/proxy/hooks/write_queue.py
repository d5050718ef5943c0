"""What was recorded and is not written yet: it is, in the order of the exchanges' ends, behind their answers.

An answer's end waits for the hook that is told of it. So the hook only puts the exchange here, and it is
written in the event loop's next turn, a moment later; and before anything else is done with cassettes.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from dataclasses import dataclass

from mitmproxy import http

from mitmvcr.errors import MitmvcrError
from mitmvcr.model import Interaction
from mitmvcr.proxy.fail_closed import guard
from mitmvcr.proxy.flow_adapter import line
from mitmvcr.serving.access_log import Lines
from mitmvcr.serving.outcomes import failed
from mitmvcr.sessions.open_cassette import OpenCassette
from mitmvcr.sessions.table import Sessions

log = logging.getLogger(__name__)

MOST = 16 << 20
"""Bytes of bodies that may wait; with more than that, all that waits is written at once."""


@dataclass(frozen=True, slots=True)
class Ended:
    """An exchange that ended whole, and the cassette that it is for."""

    flow: http.HTTPFlow
    interaction: Interaction
    cassette: OpenCassette
    sessions: Sessions


class Writing:
    """The exchanges that wait to be written; needs the event loop to run."""

    def __init__(self, lines: Lines) -> None:
        self._lines = lines
        self._waiting: deque[Ended] = deque()
        self._size = 0

    def add(self, recorded: Ended) -> None:
        """Have it written soon."""
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self.flush)
        self._waiting.append(recorded)
        self._size += len(recorded.interaction.request.body) + len(recorded.interaction.response.body)
        if self._size > MOST:
            self.flush()

    def flush(self) -> None:
        """Write all that waits, or say why it isn't."""
        while self._waiting:
            self._write(self._waiting[0].flow)
            self._waiting.popleft()
        self._size = 0

    @guard
    def _write(self, flow: http.HTTPFlow) -> None:
        one = self._waiting[0]
        try:
            one.cassette.record(one.interaction)
        except MitmvcrError as error:
            one.sessions.fail(error)
            log.warning("%s: not recorded: %s", line(flow), error)
        else:
            self._lines.say(f"{line(flow)}: recorded in {one.cassette.location.path}")

    def fail_closed(self, flow: http.HTTPFlow, error: Exception) -> None:
        """Something in here is broken: the client has its answer, and the process says so."""
        failed(line(flow), error, self._waiting[0].sessions.fail)
