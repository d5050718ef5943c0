"""`mitmvcr run`: a program with the proxy behind it, for as long as it runs."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Sequence

from mitmvcr.cli.parsers import running
from mitmvcr.cli.render import terminal
from mitmvcr.errors import MitmvcrError
from mitmvcr.launch import child
from mitmvcr.launch.contract import Order
from mitmvcr.launch.environment import Via
from mitmvcr.launch.planning import ProxyPlan, plan
from mitmvcr.launch.process import ProxyError, ProxyProcess
from mitmvcr.launch.trust import system_certificates


def run(given: argparse.Namespace) -> int:
    """Run the program; the exit status."""
    words = given.command[1:] if given.command[:1] == ["--"] else given.command
    if not words:
        given.error("there is no command; put it behind --")
    try:
        path = child.find(words[0], os.environ)
        proxy_plan = plan(
            os.environ,
            running.options(given),
            upstream=given.upstream,
            via=Via(given.via),
            order=Order(given.confdir, verbose=given.verbose),
            arguments=running.settings(given),
        )
        child.hold_signals()
        return _run(path, words, proxy_plan, given.closed_streams)
    except child.CommandError as error:
        terminal.say(str(error))
        return error.status


class _InterruptedError(MitmvcrError):
    """A signal came before the program was started."""


def _run(path: str, words: list[str], proxy_plan: ProxyPlan, closed_streams: Sequence[int]) -> int:
    proxy = ProxyProcess(proxy_plan.launch, output=2)
    try:
        trusted = system_certificates(os.environ)  # while the proxy starts
        ready = proxy.wait(meanwhile=_stop_if_signalled)
        changes = proxy_plan.changes(ready, proxy.folder, os.environ, certificates=trusted)
        environ = {**os.environ, **changes}
        status = child.wait(child.start(path, words, environ, closed_streams), _watch(proxy, words[0]))
    except _InterruptedError:
        proxy.stop()
        return 128 + child.pending()
    except ProxyError as error:
        proxy.stop()
        if error.status != 1:  # else it has said why
            raise
        for note in proxy_plan.notes:
            terminal.say(note)
        return 1
    except BaseException:
        proxy.stop()
        raise
    held = proxy.stop() == 0
    if status == 0 and not held:
        for note in proxy_plan.notes:
            terminal.say(note)
        terminal.say("the program succeeded, but the cassette did not hold: exit status 1")
        return 1
    return status


def _stop_if_signalled() -> None:
    if child.pending():
        raise _InterruptedError("interrupted")


def _watch(proxy: ProxyProcess, name: str) -> Callable[[], None]:
    """What says, once, that the proxy is gone while the program runs; for a child's change of state."""
    is_said = False

    def look() -> None:
        nonlocal is_said
        status = proxy.status
        if status is not None and not is_said:
            is_said = True
            how = f"killed by signal {-status}" if status < 0 else f"status {status}"
            terminal.say(f"the proxy has ended ({how}) while {name} runs: nothing answers its requests")

    return look
