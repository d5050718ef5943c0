"""The lines that tell of each request that went well: gathered, and logged together; nothing else is."""

from __future__ import annotations

import asyncio
import logging

log = logging.getLogger(__name__)

_LATE = 0.05
"""Seconds that a line may wait for others. One by one they cost more than the answers do."""


class AccessLog:
    """Lines that wait to be logged, in their order; a line of anybody else's is logged behind them."""

    def __init__(self) -> None:
        self._waiting: list[str] = []

    def come_first(self) -> None:
        """See to that order in all handlers that there are now."""
        for handler in logging.getLogger().handlers:
            handler.addFilter(self._flushed)

    def say(self, line: str) -> None:
        """Have a line logged; needs the event loop to run."""
        if not log.isEnabledFor(logging.INFO):
            return
        self._waiting.append(line)
        if len(self._waiting) == 1:
            asyncio.get_running_loop().call_later(_LATE, self.flush)

    def flush(self) -> None:
        """Log what waits."""
        if self._waiting:
            waiting, self._waiting = self._waiting, []
            log.info("%s", "\n".join(waiting))

    def _flushed(self, record: logging.LogRecord) -> bool:
        if record.name != log.name:
            self.flush()
        return True
