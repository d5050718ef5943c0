"""What mitmproxy does for each hook and each chunk where once is enough; changes nothing that comes of it.

mitmproxy (11.0 to 12.3) asks each of its thirty addons for each hook, and for `update` behind each hook of a
flow, which none of mitmdump's has. And for each chunk it looks through all headers for how the body ends.
Without it requests through hooks, and streams, take more CPU; no more than that is lost.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from weakref import WeakKeyDictionary

from mitmproxy import exceptions, flow, hooks, http
from mitmproxy.addonmanager import AddonManager, safecall
from mitmproxy.proxy import commands
from mitmproxy.proxy.layers.http._events import HttpEvent, ResponseData
from mitmproxy.proxy.layers.http._http1 import Http1Server

from mitmvcr.proxy.patches.http1 import send_without_trailers

_MITMPROXYS = "mitmproxy."

_framing: WeakKeyDictionary[Http1Server, tuple[http.Response, bool]] = WeakKeyDictionary()
_listeners: dict[str, tuple[list[Any], list[Any]]] = {}


def quicken() -> None:
    """Put what follows in the place of mitmproxy's own, and of what `http1` has put there."""
    AddonManager.handle_lifecycle = handle_lifecycle  # type: ignore[method-assign]
    Http1Server.send = send  # type: ignore[method-assign, assignment]


async def handle_lifecycle(self: AddonManager, event: hooks.Hook) -> None:
    """Run a hook of a connection or a flow, and `update` behind one of a flow."""
    await _run(self, event)
    message = event.args()[0]
    if isinstance(message, flow.Flow) and listeners(self.chain, hooks.UpdateHook.name):
        await _run(self, hooks.UpdateHook([message]))


async def _run(self: AddonManager, event: hooks.Hook) -> None:
    for addon in listeners(self.chain, event.name):
        try:
            with safecall():
                await self.invoke_addon(addon, event)
        except exceptions.AddonHalt:
            return


def listeners(chain: list[Any], name: str) -> list[Any]:
    """The addons but those of mitmproxy's own that neither have the hook nor lead to others."""
    listening = _listeners.get(name)
    if listening is None or listening[0] != chain:
        listening = _listeners[name] = list(chain), [addon for addon in chain if _may_have(addon, name)]
    return listening[1]


def _may_have(addon: object, name: str) -> bool:
    is_mitmproxys = type(addon).__module__.startswith(_MITMPROXYS)
    return not is_mitmproxys or hasattr(addon, name) or hasattr(addon, "addons")


def send(self: Http1Server, event: HttpEvent) -> Iterable[commands.Command]:
    """Send a part of an answer to a client of HTTP/1."""
    if not isinstance(event, ResponseData):
        return send_without_trailers(self, event)
    data = event.data
    raw = b"%x\r\n%b\r\n" % (len(data), data) if _is_chunked(self) else data
    return (commands.SendData(self.conn, raw),) if raw else ()


def _is_chunked(server: Http1Server) -> bool:
    response, is_chunked = _framing.get(server, (None, False))
    if response is None or response is not server.response:
        response = server.response
        if response is None:
            raise AssertionError("a body before its head")  # as mitmproxy's own does
        is_chunked = "chunked" in response.headers.get("transfer-encoding", "").lower()
        _framing[server] = response, is_chunked
    return is_chunked
