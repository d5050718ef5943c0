"""Exchanges that ended and wait to be written, each cassette's in the order of their ends.

An answer's end waits for the hook that is told of it. So an exchange is written in the loop's next turn, a
moment later; and before anything else is done with cassettes. To look a large one through takes seconds:
that is done in a thread, and whatever comes for its cassette meanwhile waits behind it. Nothing else of a
cassette may be touched while it is busy.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from mitmvcr.errors import MitmvcrError
from mitmvcr.model import Interaction
from mitmvcr.serving.outcomes import Outcomes
from mitmvcr.sessions.open_cassette import OpenCassette
from mitmvcr.text import in_log

log = logging.getLogger(__name__)

_LARGE = 1 << 18
"""Bytes of bodies that take some hundredths of a second to look through; more goes to the thread."""
_MOST_WAITING = 128 << 20
"""Bytes of bodies that may wait to be written; with more than that, nothing else is done until they are."""


@dataclass(frozen=True, slots=True)
class EndedExchange:
    """An exchange that ended whole, its request in a log line, and the cassette that it is for."""

    line: str
    interaction: Interaction
    cassette: OpenCassette

    @property
    def size(self) -> int:
        """Its bodies' bytes."""
        return len(self.interaction.request.body) + len(self.interaction.response.body)

    def record(self) -> None:
        """Write it; raises MitmvcrError."""
        self.cassette.record(self.interaction)


class WriteQueue:
    """The exchanges that wait, by cassette; needs the event loop to run."""

    def __init__(self, outcomes: Outcomes) -> None:
        self._outcomes = outcomes
        self._waiting: dict[OpenCassette, deque[EndedExchange]] = {}
        self._busy: dict[OpenCassette, tuple[EndedExchange, Future[None]]] = {}
        self._size = 0
        self._thread: ThreadPoolExecutor | None = None

    def add(self, exchange: EndedExchange) -> None:
        """Have it written soon."""
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._write_waiting)
        self._waiting.setdefault(exchange.cassette, deque()).append(exchange)
        self._size += exchange.size
        if self._size > _MOST_WAITING:
            self.flush()

    def is_busy(self, cassette: OpenCassette | None = None) -> bool:
        """Whether a thread is at a cassette, or at any."""
        return bool(self._busy) if cassette is None else cassette in self._busy

    async def settle(self, cassette: OpenCassette | None = None) -> None:
        """Wait until what is there for a cassette, or for any, is written; others are served meanwhile."""
        self._write_waiting()
        while self.is_busy(cassette):
            busy = [future for one, (_, future) in self._busy.items() if cassette in (None, one)]
            await asyncio.wait(map(asyncio.wrap_future, busy))
            self._write_waiting()

    def flush(self) -> None:
        """Write all that waits, or say why it isn't; nothing else is done until then."""
        self._write_waiting()
        while self._busy:
            for _, future in list(self._busy.values()):
                with contextlib.suppress(Exception):  # which is said of the exchange
                    future.result()
            self._write_waiting()

    def _write_waiting(self) -> None:
        """Write what can be written now: all but what waits for a cassette that is busy, or is large."""
        for cassette, (exchange, future) in list(self._busy.items()):
            if future.done():
                del self._busy[cassette]
                self._ended(exchange, future.exception())
        for cassette, exchanges in list(self._waiting.items()):
            while exchanges and cassette not in self._busy:
                self._write(exchanges.popleft())
            if not exchanges:
                del self._waiting[cassette]

    def _write(self, exchange: EndedExchange) -> None:
        if exchange.size > _LARGE:
            self._thread = self._thread or ThreadPoolExecutor(1, "mitmvcr-writer")
            future = self._thread.submit(exchange.record)
            self._busy[exchange.cassette] = exchange, future
            loop = asyncio.get_running_loop()
            future.add_done_callback(lambda _: _soon(loop, self._write_waiting))
            return
        error = None
        try:
            exchange.record()
        except Exception as raised:  # noqa: BLE001 - the client has its answer; the process says so and fails
            error = raised
        self._ended(exchange, error)

    def _ended(self, exchange: EndedExchange, error: BaseException | None) -> None:
        """Say what came of it."""
        self._size -= exchange.size
        self._outcomes.show_notes(exchange.cassette)
        if error is None:
            path = exchange.cassette.location.path
            self._outcomes.access_log.say(f"{exchange.line}: recorded in {path}")
        elif isinstance(error, MitmvcrError):
            self._outcomes.fail(error)
            log.warning("%s: not recorded: %s", exchange.line, in_log(str(error)))
        elif isinstance(error, Exception):
            self._outcomes.failed(exchange.line, error)
        else:
            raise error


def _soon(loop: asyncio.AbstractEventLoop, call: Callable[[], None]) -> None:
    with contextlib.suppress(RuntimeError):  # the loop has ended, and `flush` has seen to it
        loop.call_soon_threadsafe(call)
