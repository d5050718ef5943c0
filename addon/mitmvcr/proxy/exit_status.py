"""How the process ends: quietly, and with the exit status that mitmproxy leaves at 0 whatever was found."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import logging
import os
import signal
import sys

from mitmproxy import ctx


def fail_at_exit() -> None:
    """Make the process exit with status 1 when it has ended in every other way.

    A SystemExit inside mitmproxy's event loop prints tracebacks of open connections, and ends
    addons that are not done yet. An atexit handler runs behind all that; since it is the last
    registered it runs first, so it lets the others run before it ends the process.
    """
    atexit.unregister(_exit)
    atexit.register(_exit, 1)


def end_at_once() -> None:
    """End the process with status 0, or 1 if that is due; Python would first take all apart, bit by bit."""
    _exit(0)


def end_on_hangup() -> None:
    """End by SIGHUP, of a terminal that is closed, as by SIGTERM; under nohup it stays ignored.

    mitmproxy knows SIGINT and SIGTERM alone (11.0 to 12.3).
    """
    if signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, ctx.master.shutdown)


def end_quietly() -> None:
    """Keep the end of open connections out of the log.

    Python 3.11's asyncio takes the CancelledError of each for an error, and prints its traceback
    (streams.py, `connection_made`; bare mitmproxy 11.0.2 does so as well).
    """
    logging.getLogger("asyncio").addFilter(_is_no_cancellation)


def _is_no_cancellation(record: logging.LogRecord) -> bool:
    return not (record.exc_info and isinstance(record.exc_info[1], asyncio.CancelledError))


def _exit(status: int) -> None:
    if status:
        atexit.unregister(_exit)
    atexit._run_exitfuncs()  # noqa: SLF001 - there is no public way to run the ones before us
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, OSError):  # closed, or a terminal that is gone
            stream.flush()
    os._exit(status)
