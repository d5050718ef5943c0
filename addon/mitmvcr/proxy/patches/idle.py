"""When a client's connection is idle: mitmproxy 11.0 to 12.3 counts the time that upstream takes to answer.

It closes what has been silent for `tcp_timeout` seconds, 600 by default, also while a request is under way:
without this what upstream works on for longer (flex processing, deep research, a local model) is cut. How
long to wait is for the client to say.
"""

from __future__ import annotations

import asyncio
import time
from weakref import WeakKeyDictionary

from mitmproxy.proxy import commands
from mitmproxy.proxy.layers.http._hooks import HttpErrorHook, HttpRequestHeadersHook, HttpResponseHook
from mitmproxy.proxy.mode_servers import ProxyConnectionHandler
from mitmproxy.proxy.server import TimeoutWatchdog

_under_way: WeakKeyDictionary[TimeoutWatchdog, set[str]] = WeakKeyDictionary()
"""The flows of a connection that have neither been answered nor failed, by their ids."""

# What is there before, once for a process: `mend` may be called again.
_handle_hook = ProxyConnectionHandler.handle_hook


def mend() -> None:
    """Put what follows in the place of mitmproxy's own."""
    ProxyConnectionHandler.handle_hook = handle_hook  # type: ignore[method-assign]
    TimeoutWatchdog.watch = watch  # type: ignore[method-assign]


async def handle_hook(self: ProxyConnectionHandler, hook: commands.StartHook) -> None:
    """Run a hook, and remember whether a request is under way behind it."""
    if isinstance(hook, HttpRequestHeadersHook):
        _under_way.setdefault(self.timeout_watchdog, set()).add(hook.flow.id)
    elif isinstance(hook, HttpResponseHook | HttpErrorHook):
        _under_way.get(self.timeout_watchdog, set()).discard(hook.flow.id)
    await _handle_hook(self, hook)


async def watch(self: TimeoutWatchdog) -> None:
    """Close the connection when it has been idle for so long."""
    try:
        while True:
            await self.can_timeout.wait()
            await asyncio.sleep(self.timeout - (time.time() - self.last_activity))
            if self.blocker or _under_way.get(self):
                self.register_activity()  # type: ignore[no-untyped-call]
            elif self.last_activity + self.timeout < time.time():
                await self.callback()
                return
    except asyncio.CancelledError:
        return
