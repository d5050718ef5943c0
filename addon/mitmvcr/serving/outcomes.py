"""What becomes of a request, and what is said of it: the one way, whatever carries requests and answers."""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Callable

from mitmvcr.control import api as control_api
from mitmvcr.errors import CassetteError, MitmvcrError, SettingsError, TooLargeError
from mitmvcr.http.content_coding import UNLIMITED
from mitmvcr.misses.explain import Miss
from mitmvcr.model import Request
from mitmvcr.recording import capture
from mitmvcr.replay import served_response
from mitmvcr.replay.served_response import ServedResponse
from mitmvcr.reports import terminal_summary
from mitmvcr.serving.access_log import AccessLog
from mitmvcr.serving.cassette_selection import CONTROL_HOST, CassetteChoice
from mitmvcr.serving.request_head import RequestHead
from mitmvcr.sessions.open_cassette import Forward, OpenCassette, Play, Verdict
from mitmvcr.sessions.table import Sessions

log = logging.getLogger(__name__)


class Outcomes:
    """Decides for each request of a process; `sessions` raises SettingsError where there is no table."""

    def __init__(self, sessions: Callable[[], Sessions], access_log: AccessLog) -> None:
        self.sessions = sessions
        self.access_log = access_log
        self._told_misses = 0

    def is_served_host(self, host: str) -> bool:
        """Whether a host's traffic is recorded or answered here."""
        return host == CONTROL_HOST or self.sessions().is_recorded(host)

    def max_body(self) -> int:
        """Bytes of a body that is recorded or matched, at most."""
        return self.sessions().settings.max_body or UNLIMITED

    def open(self, choice: CassetteChoice) -> OpenCassette | CassetteError:
        """The cassette of a choice, or why it can't be used."""
        if choice.error:
            return CassetteError(choice.error)
        try:
            return self.sessions().get(choice.cassette)
        except CassetteError as error:
            return error

    def show_notes(self) -> None:
        """Say on the terminal what is to be said of cassettes that were opened."""
        for cassette in self.sessions():
            while cassette.notes:
                print(f"mitmvcr: {cassette.notes.pop(0)}", file=sys.stderr, flush=True)

    def decide(
        self,
        line: str,
        cassette: OpenCassette | CassetteError,
        look_up: Callable[[OpenCassette], Verdict],
    ) -> Play | Forward | ServedResponse:
        """What to do with a request: replay a recording, send it upstream, or answer with an error.

        `line` is the request in a log line. `look_up` may raise TooLargeError.
        """
        if isinstance(cassette, CassetteError):
            return self.refused(line, str(cassette))
        try:
            verdict = look_up(cassette)
        except TooLargeError as error:
            if cassette.records:
                return Forward(record=True)  # and its end will say why it isn't recorded
            return self._too_large(line, error)
        return verdict if not isinstance(verdict, Miss) else self._missed(verdict)

    def replayed(self, line: str, number: int) -> None:
        """Say that the interaction of this id answers."""
        self.access_log.say(f"{line}: replayed, interaction {number}")

    def _missed(self, miss: Miss) -> ServedResponse:
        self._told_misses += 1
        announcement = terminal_summary.announcement(miss, self._told_misses)
        if announcement:
            log.warning("%s", announcement)
        return served_response.miss(miss.message)

    def refused(self, line: str, why: str) -> ServedResponse:
        """The answer where the cassette can't be used."""
        self.sessions().fail(why)
        log.warning("%s: refused: %s", line, why)
        return served_response.refusal(why)

    def _too_large(self, line: str, error: TooLargeError) -> ServedResponse:
        message = f"{line}: can't be looked up: {error}"
        self.sessions().fail(message)
        log.warning("%s", message)
        return served_response.too_large(message)

    def failed(self, line: str, error: Exception) -> ServedResponse:
        """The answer when something in here is broken: the request goes nowhere."""
        message = f"mitmvcr failed ({type(error).__name__}: {error}); nothing was sent or recorded"
        log.warning("%s: %s", line, message)
        log.debug("mitmvcr failed", exc_info=error)
        self.fail(message)
        return served_response.failure(message)

    def fail(self, problem: MitmvcrError | str) -> None:
        """Have the process exit non-zero, where it isn't at its end already."""
        with contextlib.suppress(SettingsError):
            self.sessions().fail(problem)

    def control(self, head: RequestHead, path: str, body: bytes) -> ServedResponse:
        """The control API's answer."""
        site = head.header("Sec-Fetch-Site") or ""
        origin = head.header("Origin") or ""
        request = control_api.ControlRequest(head.method, path, body, head.authority, origin, site)
        return control_api.handle(self.sessions(), request)


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
