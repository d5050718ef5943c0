"""What is done once in mitmproxy's place: the same hooks run in the same order, the same bytes are sent."""

from __future__ import annotations

import asyncio
import inspect
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence

import pytest
from mitmproxy import exceptions, http, options
from mitmproxy.addonmanager import AddonManager
from mitmproxy.hooks import UpdateHook, all_hooks
from mitmproxy.proxy import commands, context
from mitmproxy.proxy.layers.http._events import ResponseData, ResponseHeaders, ResponseTrailers
from mitmproxy.proxy.layers.http._hooks import HttpRequestHook
from mitmproxy.proxy.layers.http._http1 import Http1Server
from mitmproxy.test import tflow, tutils
from mitmproxy.tools.dump import DumpMaster

from mitmvcr.proxy.patches import hook_dispatch, http1

LIFECYCLE = AddonManager.handle_lifecycle
SEND = Http1Server.send


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    yield
    AddonManager.handle_lifecycle = LIFECYCLE  # type: ignore[method-assign]
    Http1Server.send = SEND  # type: ignore[method-assign]


async def _master(*addons: object) -> DumpMaster:
    master = DumpMaster(options.Options(), with_termlog=False)
    master.addons.add(*addons)  # type: ignore[no-untyped-call]
    return master


class Heard:
    """An addon that notes what it is told."""

    def __init__(self, name: str, into: list[str]) -> None:
        self.name = name
        self._into = into

    def request(self, _flow: http.HTTPFlow) -> None:
        self._into.append(f"{self.name}: request")

    def update(self, _flows: object) -> None:
        self._into.append(f"{self.name}: update")


class Leading(Heard):
    """One that has another below it."""

    def __init__(self, name: str, into: list[str], below: list[object]) -> None:
        super().__init__(name, into)
        self.addons = below


class Halting:
    """One behind which nobody hears anything."""

    name = "halting"

    def request(self, _flow: http.HTTPFlow) -> None:
        raise exceptions.AddonHalt


class Failing:
    """One that is broken."""

    name = "failing"

    async def request(self, _flow: http.HTTPFlow) -> None:
        raise ValueError


def test_every_addon_that_has_a_hook_is_asked_for_it_in_the_same_order() -> None:
    async def compared() -> None:
        manager = (await _master(Heard("own", []))).addons
        for name, hook in all_hooks.items():
            event = object.__new__(hook)
            asked = [one for addon in manager.chain for one in manager._iter_hooks(addon, event)]
            left = hook_dispatch.listeners(manager.chain, name)
            assert [one for addon in left for one in manager._iter_hooks(addon, event)] == asked, name
        assert len(hook_dispatch.listeners(manager.chain, UpdateHook.name)) < 5 < len(manager.chain)

    asyncio.run(compared())


@pytest.mark.parametrize("quick", [False, True], ids=["mitmproxy's own", "ours"])
def test_hooks_run_in_order_and_update_behind_them(quick: bool) -> None:
    if quick:
        hook_dispatch.quicken()
    heard: list[str] = []

    async def asked() -> None:
        master = await _master(
            Heard("first", heard), Failing(), Leading("second", heard, [Heard("below", heard)])
        )
        flow = tflow.tflow()
        await master.addons.handle_lifecycle(HttpRequestHook(flow))
        late = Heard("late", heard)
        master.addons.add(late)  # type: ignore[no-untyped-call]
        await master.addons.handle_lifecycle(HttpRequestHook(flow))
        master.addons.remove(late)  # type: ignore[no-untyped-call]
        await master.addons.handle_lifecycle(HttpRequestHook(flow))

    asyncio.run(asked())
    names = ["first", "second", "below"]
    usual = [f"{name}: {hook}" for hook in ("request", "update") for name in names]
    with_late = [f"{name}: {hook}" for hook in ("request", "update") for name in [*names, "late"]]
    assert heard == [*usual, *with_late, *usual]


@pytest.mark.parametrize("quick", [False, True], ids=["mitmproxy's own", "ours"])
def test_addon_that_halts_keeps_those_behind_it_from_the_hook(quick: bool) -> None:
    if quick:
        hook_dispatch.quicken()
    heard: list[str] = []

    async def asked() -> None:
        master = await _master(Heard("first", heard), Halting(), Heard("second", heard))
        await master.addons.handle_lifecycle(HttpRequestHook(tflow.tflow()))

    asyncio.run(asked())
    assert heard == ["first: request", "first: update", "second: update"]


def _server() -> Http1Server:
    server = Http1Server(context.Context(tflow.tclient_conn(), options.Options()))
    server.request = tutils.treq()
    return server


Fields = Sequence[tuple[bytes, bytes]]
FRAMES: Sequence[Fields] = (
    [],
    [(b"Transfer-Encoding", b"chunked")],
    [(b"X", b"y"), (b"transfer-encoding", b"gzip, Chunked")],
    [(b"Content-Length", b"9")],
)


def _sent(send: Callable[..., Iterable[object]], frames: Sequence[Fields], version: str) -> list[bytes]:
    """What goes to the client for some answers, one behind the other."""
    server, out = _server(), []
    for fields in frames:
        response = http.Response(version.encode(), 200, b"", http.Headers(fields), None, None, 0.0, 0.0)
        parts = [ResponseHeaders(1, response), *(ResponseData(1, one) for one in (b"", b"some", b"x" * 5000))]
        for part in parts:
            for command in send(server, part):
                assert isinstance(command, commands.SendData)
                out.append(command.data)
    return out


@pytest.mark.parametrize("frames", itertools.permutations(FRAMES, 2))
@pytest.mark.parametrize("version", ["HTTP/1.1", "HTTP/2.0"])
def test_bodies_are_framed_as_mitmproxy_frames_them(frames: Sequence[Fields], version: str) -> None:
    assert _sent(hook_dispatch.send, frames, version) == _sent(http1._send_to_client, frames, version)


def test_trailers_are_kept_from_clients_of_http1() -> None:
    assert list(hook_dispatch.send(_server(), ResponseTrailers(1, http.Headers()))) == []


def test_replacements_are_called_as_what_they_replace() -> None:
    for mine, theirs in (
        (hook_dispatch.handle_lifecycle, LIFECYCLE),
        (hook_dispatch.send, http1._send_to_client),
    ):
        assert list(inspect.signature(mine).parameters) == list(inspect.signature(theirs).parameters)
