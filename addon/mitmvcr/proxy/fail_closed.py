"""Failing closed: mitmproxy logs an exception in a hook and sends the request upstream all the same."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable
from typing import Protocol, TypeAlias, TypeVar

from mitmproxy import http


class Closing(Protocol):
    """An addon that ends a flow when one of its hooks fails."""

    def fail_closed(self, flow: http.HTTPFlow, error: Exception) -> None: ...


Addon = TypeVar("Addon", bound=Closing)
Hook: TypeAlias = Callable[[Addon, http.HTTPFlow], Awaitable[None] | None]


def guard(hook: Hook[Addon]) -> Hook[Addon]:
    """The hook, which hands what it raises to its addon's `fail_closed`."""
    if inspect.iscoroutinefunction(hook):

        @functools.wraps(hook)
        async def guarded_async(self: Addon, flow: http.HTTPFlow) -> None:
            try:
                await hook(self, flow)
            except Exception as error:  # noqa: BLE001 - the one guard at the hooks' edge
                self.fail_closed(flow, error)

        return guarded_async

    @functools.wraps(hook)
    def guarded(self: Addon, flow: http.HTTPFlow) -> None:
        try:
            hook(self, flow)
        except Exception as error:  # noqa: BLE001 - the one guard at the hooks' edge
            self.fail_closed(flow, error)

    return guarded
