"""Failing closed: mitmproxy logs an exception in a hook, and goes on as if there were no such hook.

Here what breaks in a hook refuses what the hook was called for: a request, a connection, a handshake.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable, Generator
from typing import Any, Protocol, TypeAlias, TypeVar

from mitmproxy import exceptions, http
from mitmproxy.connection import Client
from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.server_hooks import ServerConnectionHookData
from mitmproxy.tls import TlsData
from OpenSSL import SSL

Subject: TypeAlias = http.HTTPFlow | Client | layer.NextLayer | TlsData | ServerConnectionHookData
"""What a hook is called with."""


class FailsClosed(Protocol):
    """An addon that refuses a subject when one of its hooks fails."""

    def fail_closed(self, subject: Any, error: Exception) -> None: ...


Addon = TypeVar("Addon", bound=FailsClosed)
Called = TypeVar("Called", bound=Subject)
Hook: TypeAlias = Callable[[Addon, Called], Awaitable[None] | None]


def guard(hook: Hook[Addon, Called]) -> Hook[Addon, Called]:
    """The hook, which hands what it raises to its addon's `fail_closed`."""
    if inspect.iscoroutinefunction(hook):

        @functools.wraps(hook)
        async def guarded_async(self: Addon, subject: Called) -> None:
            try:
                await hook(self, subject)
            except exceptions.AddonHalt:  # the others are not asked
                raise
            except Exception as error:  # noqa: BLE001 - the one guard at the hooks' edge
                self.fail_closed(subject, error)

        return guarded_async

    @functools.wraps(hook)
    def guarded(self: Addon, subject: Called) -> None:
        try:
            hook(self, subject)
        except Exception as error:  # noqa: BLE001 - the one guard at the hooks' edge
            self.fail_closed(subject, error)

    return guarded


def refuse_connection(
    subject: Client | layer.NextLayer | TlsData | ServerConnectionHookData, why: str
) -> None:
    """Let nothing come of a connection, or of its handshake."""
    match subject:
        case Client():
            subject.error = why
        case layer.NextLayer():
            subject.layer = ClosingLayer(subject.context)
        case TlsData():
            # Without a certificate no handshake comes to its end.
            subject.ssl_conn = SSL.Connection(SSL.Context(SSL.TLS_METHOD))
            subject.ssl_conn.set_accept_state()
        case ServerConnectionHookData():
            subject.server.error = why


class ClosingLayer(layer.Layer):
    """Closes the client's connection, whatever came on it."""

    # The name is private, and the one that each layer has to give its code.
    def _handle_event(self, event: events.Event) -> Generator[commands.Command, Any, None]:
        if isinstance(event, events.Start):
            yield commands.CloseConnection(self.context.client)
