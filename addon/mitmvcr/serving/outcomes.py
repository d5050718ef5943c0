"""What becomes of a request, and what is said of it: the one way, whatever carries requests and answers."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from mitmvcr.config.settings import Mode, Others
from mitmvcr.control import api as control_api
from mitmvcr.errors import CassetteError, MitmvcrError, SettingsError, TooLargeError
from mitmvcr.http import pages
from mitmvcr.http.content_coding import UNLIMITED
from mitmvcr.http.hosts import canonical_host
from mitmvcr.misses.explain import Miss
from mitmvcr.model import Request
from mitmvcr.recording import capture
from mitmvcr.replay import served_response
from mitmvcr.replay.served_response import ServedResponse
from mitmvcr.reports import terminal_summary
from mitmvcr.reports.traffic import Traffic
from mitmvcr.serving.request_head import (
    CONTROL_HOST,
    CassetteChoice,
    RequestHead,
    ReversePorts,
    coding_problem,
)
from mitmvcr.serving.request_lines import RequestLines
from mitmvcr.sessions.open_cassette import Forward, OpenCassette
from mitmvcr.sessions.table import Sessions
from mitmvcr.text import in_log, printable

log = logging.getLogger(__name__)
access_lines = logging.getLogger(f"{__name__}.access")
"""The lines of requests that went well, and no others."""

_MOST_PAGES = 64
"""Pages, by their origins, of which it is said that they are refused."""
_LATE = 0.05
"""Seconds that such a line may wait for others. One by one they cost more than the answers do."""

Outcome = TypeVar("Outcome")


class HostRefusedError(CassetteError):
    """A host that isn't recorded, where `vcr_others` says that such are refused."""

    def __init__(self, host: str) -> None:
        self.host = host
        super().__init__(
            f"{host} is not recorded, and vcr_others=refuse (--offline) lets nothing out: "
            f"add it to vcr_hosts, or set vcr_others=pass"
        )


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
        if not access_lines.isEnabledFor(logging.INFO):
            return
        self._waiting.append(line)
        if len(self._waiting) == 1:
            asyncio.get_running_loop().call_later(_LATE, self.flush)

    def flush(self) -> None:
        """Log what waits."""
        if self._waiting:
            waiting, self._waiting = self._waiting, []
            access_lines.info("%s", "\n".join(waiting))

    def _flushed(self, record: logging.LogRecord) -> bool:
        if record.name != access_lines.name:
            self.flush()
        return True


class Outcomes:
    """Decides for each request of a process; `sessions` raises SettingsError where there is no table."""

    def __init__(self, sessions: Callable[[], Sessions], reverse_ports: ReversePorts = dict) -> None:
        self.sessions = sessions
        self._reverse_ports = reverse_ports
        self.access_log = AccessLog()
        self.traffic = Traffic()
        self._miss_count = 0
        self._lines: RequestLines | None = None
        self._refused_pages: set[str] = set()

    def line(self, head: RequestHead) -> str:
        """The request in a line of the log, without a secret; of one that came too late the method alone."""
        try:
            scrubber = self.sessions().scrubber
        except SettingsError:
            return printable(head.method)
        if self._lines is None or self._lines.scrubber is not scrubber:
            self._lines = RequestLines(scrubber)
        return self._lines.line(head)

    def is_served_host(self, host: str) -> bool:
        """Whether a host's traffic is recorded or answered here, however the host is written."""
        return self.sessions().is_recorded(host) or canonical_host(host) == CONTROL_HOST

    def is_ours(self, head: RequestHead, choice: CassetteChoice) -> bool:
        """Whether a request to a forward proxy is recorded or answered here.

        In a process that replays, one that names a cassette is, whatever host it is for. One whose host a
        head alone doesn't say is not.
        """
        if not head.host:
            return False
        is_named = choice.is_named and self.sessions().settings.mode is Mode.REPLAY
        return is_named or self.is_served_host(head.host)

    def is_our_tunnel(self, host: str, server_name: str, choice: CassetteChoice) -> bool:
        """Whether what is in a tunnel to a host is ours, which TLS in it may call otherwise."""
        head = RequestHead("CONNECT", "", host, 0, "", "", (), server_name=server_name)
        return self.is_ours(self.identified(head, choice), choice)

    def identified(self, head: RequestHead, choice: CassetteChoice) -> RequestHead:
        """The head with its host in the one spelling, by the name that is recorded if it has several."""
        host = canonical_host(head.host)
        if head.is_reverse:
            return replace(head, host=host, reverse_ports=self._reverse_ports)
        if not self.is_served_host(host):
            names = head.other_names(is_named=choice.is_named)
            host = next((name for name in names if self.is_served_host(name)), host)
        return head if host == head.host else replace(head, host=canonical_host(host))

    def refuses_others(self) -> bool:
        """Whether nothing goes to hosts that aren't recorded."""
        return self.sessions().settings.others is Others.REFUSE

    def host_refused(self, host: str) -> ServedResponse:
        """The answer to a request, or to a CONNECT, for a host that isn't recorded."""
        error = HostRefusedError(host)
        if self.traffic.refused.add(host):
            log.warning("refused: %s", in_log(str(error)))
        return served_response.host_refused(str(error))

    def max_body(self) -> int:
        """Bytes of a body that is recorded or matched, at most."""
        return self.sessions().settings.max_body or UNLIMITED

    def open(self, choice: CassetteChoice) -> OpenCassette | CassetteError:
        """The cassette of a choice, or why it can't be used."""
        if choice.error:
            return CassetteError(choice.error)
        try:
            cassette = self.sessions().get(choice.cassette)
        except CassetteError as error:
            return error
        if cassette.notes:
            self.show_notes(cassette)
        return cassette

    def show_notes(self, *cassettes: OpenCassette) -> None:
        """Say on the terminal what is to be said of these cassettes, or of all that are open."""
        for cassette in cassettes or self.sessions():
            while cassette.notes:
                print(f"mitmvcr: {in_log(cassette.notes.pop(0))}", file=sys.stderr, flush=True)

    def head_refusal(self, head: RequestHead) -> ServedResponse | None:
        """The answer to a head that isn't served whatever it asks for; None to all others."""
        if problem := coding_problem(head.fields):
            return served_response.bad_request(problem)
        sessions = self.sessions()
        own = canonical_host(head.host)
        why = pages.stranger(
            sender_of(head),
            lambda name: not head.is_reverse or name == own or sessions.is_recorded(name),
            sessions.settings.is_welcome_origin,
        )
        if not why:
            return None
        if why not in self._refused_pages and len(self._refused_pages) < _MOST_PAGES:
            self._refused_pages.add(why)
            self.refused(self.line(head), why)
        return served_response.page_refusal(why)

    def decide(
        self,
        line: str,
        cassette: OpenCassette | CassetteError,
        look_up: Callable[[OpenCassette], Outcome | ServedResponse | Miss],
    ) -> Outcome | ServedResponse:
        """What `look_up` finds for a request, or the error that it is answered with.

        `line` is the request in a log line. `look_up` may raise TooLargeError.
        """
        if isinstance(cassette, HostRefusedError):
            return self.host_refused(cassette.host)
        if isinstance(cassette, CassetteError):
            return self.refused(line, str(cassette))
        try:
            outcome = look_up(cassette)
        except TooLargeError as error:
            return self._too_large(line, error)
        return self._missed(outcome) if isinstance(outcome, Miss) else outcome

    def ignored(self, head: RequestHead, cassette: OpenCassette) -> ServedResponse | Forward | None:
        """What becomes of a request of `vcr_ignore_requests`; None for any other one.

        It goes upstream, unrecorded, where anything does.
        """
        code = self.sessions().settings.ignored_code(head.method, head.host, head.path)
        if not code:
            return None
        cassette.report.ignored += 1
        self.access_log.say(f"{self.line(head)}: ignored, as vcr_ignore_requests has it")
        only_replays = cassette.replays and not cassette.records
        return served_response.empty_success(code) if only_replays else Forward(record=False)

    def replayed(self, line: str, number: int) -> None:
        """Say that the interaction of this id answers."""
        self.access_log.say(f"{line}: replayed, interaction {number}")

    def _missed(self, miss: Miss) -> ServedResponse:
        self._miss_count += 1
        announcement = terminal_summary.announcement(miss, self._miss_count)
        if announcement:
            log.warning("%s", announcement)
        return served_response.miss(miss.message)

    def refused(self, line: str, why: str) -> ServedResponse:
        """The answer where the cassette can't be used."""
        self.sessions().fail(why)
        log.warning("%s: refused: %s", line, in_log(why))
        return served_response.refusal(why)

    def _too_large(self, line: str, error: TooLargeError) -> ServedResponse:
        message = f"{line}: can't be looked up: {error}"
        self.sessions().fail(message)
        log.warning("%s", message)
        return served_response.too_large(message)

    def failed(self, line: str, error: Exception) -> ServedResponse:
        """The answer when something in here is broken: the request goes nowhere."""
        message = f"mitmvcr failed ({type(error).__name__}: {error}); nothing was sent or recorded"
        log.warning("%s: %s", line, in_log(message))
        log.debug("mitmvcr failed", exc_info=error)
        self.fail(message)
        return served_response.failure(message)

    def fail(self, problem: MitmvcrError | str) -> None:
        """Have the process exit non-zero, where it isn't at its end already."""
        with contextlib.suppress(SettingsError):
            self.sessions().fail(problem)

    def control(self, head: RequestHead, path: str, body: bytes) -> ServedResponse:
        """The control API's answer."""
        request = control_api.ControlRequest(head.method, path, body, sender_of(head))
        return control_api.handle(self.sessions(), request)


def sender_of(head: RequestHead) -> pages.Sender:
    """Who sent a request, as far as a browser tells."""
    return pages.Sender(head.authority, head.header("Origin") or "", head.header("Sec-Fetch-Site") or "")


def may_be_page(head: RequestHead) -> bool:
    """Whether anything in a head may be a page's, so that `head_refusal` is to be asked."""
    sender = sender_of(head)
    is_named_oddly = head.is_reverse and sender.host and not pages.is_local_name(sender.host)
    return bool(sender.origin or sender.site or is_named_oddly)


def whole_request(head: RequestHead, body: bytes, limit: int) -> Request:
    """The request in the model's terms, with all of its headers; raises TooLargeError."""
    try:
        return capture.request(head.method, head.url, head.fields, body, limit)
    except TooLargeError:
        raise body_too_large("request", limit) from None


def body_too_large(what: str, limit: int, size: int | None = None) -> TooLargeError:
    """The error for a body of so many bytes, None for one that is too large when decoded."""
    large = f"{limit + 1:,} bytes or more when decoded" if size is None else f"{size:,} bytes"
    return TooLargeError(f"the body of its {what} has {large}, and vcr_max_body is {limit:,}")
