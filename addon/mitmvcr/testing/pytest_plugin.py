"""The pytest plugin: a cassette for each test that wants one, by fixture or by marker; else it does nothing.

One proxy serves all tests of a process (each worker of pytest-xdist has its own). It starts before the
first module is imported that mentions mitmvcr, so that clients made at import time find it.
"""

from __future__ import annotations

import contextlib
import importlib.util
import re
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from mitmvcr.testing.cassette_session import CassetteFixture, CassetteSession, Use

MODES = ("none", "once", "new_episodes", "all", "rewrite", "replay", "record", "new-episodes")
_FIELDS = ("match", "ignore", "repeat", "latency", "strict")
_MENTION = re.compile(rb"mark\.mitmvcr\b|[(,]\s*mitmvcr\s*[,):]|usefixtures\([^)]*[\"']mitmvcr[\"']")
_FAILURES = "mitmvcr_failures"
_MARKER = (
    "mitmvcr(cassette=None, match=None, ignore=None, repeat=None, latency=None, strict=None): "
    "record the test's OpenAI traffic into a cassette, or replay it from there."
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options by pytest-recording's names, which are its own where it is installed."""
    group = parser.getgroup("mitmvcr")
    group.addoption(
        "--mitmvcr-offline",
        action="store_true",
        help="The proxy refuses hosts that are not recorded: nothing that goes through it reaches them.",
    )
    if importlib.util.find_spec("pytest_recording") is None:
        group.addoption(
            "--record-mode",
            choices=MODES,
            help="What cassettes are used for: none (replay), once, new_episodes, all or rewrite (record). "
            "Default: as mitmvcr.toml says; else none if CI is set, and once elsewhere.",
        )
        group.addoption(
            "--block-network",
            action="store_true",
            help="Refuse all connections but those to loopback; where cassettes are replayed, the proxy "
            "refuses all hosts that have none.",
        )
    parser.addini(
        "mitmvcr_dir",
        "The folder of all cassettes: DIR/<path of the test's module>/<test>.yaml. "
        "Default: dir in mitmvcr.toml, else cassettes/<module>/<test>.yaml beside each module.",
    )
    parser.addini(
        "mitmvcr_via",
        "How clients are led to the proxy: proxy (HTTPS_PROXY), base-url (OPENAI_BASE_URL, while a test "
        "with a cassette runs) or auto, which is both.",
        default="auto",
    )
    parser.addini(
        "mitmvcr_upstream",
        "The API's base URL, in place of OPENAI_BASE_URL's: where cassettes were recorded from, in CI too.",
    )
    parser.addini(
        "mitmvcr_autostart",
        "Start the proxy with the session, for clients that conftest.py or a module makes that doesn't "
        "mention mitmvcr.",
        type="bool",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker, and start at once if that is wanted."""
    config.addinivalue_line("markers", _MARKER)
    config.stash[STATE] = state = State(config)
    if config.getini("mitmvcr_autostart") and not state.only_collects:
        state.start()


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """The proxy ends before the summary is printed; what it failed at, unknown to tests, is a failure."""
    state = session.config.stash[STATE]
    state.stop()
    if not state.failures:
        return
    output = getattr(session.config, "workeroutput", None)
    if output is not None:  # this is a worker of pytest-xdist, whose terminal nobody sees
        output[_FAILURES] = state.failures
    if session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take over what a worker's proxy failed at."""
    node.config.stash[STATE].failures += getattr(node, "workeroutput", {}).get(_FAILURES, [])


def pytest_unconfigure(config: pytest.Config) -> None:
    """Where there was no session the proxy that was started for it ends here."""
    if STATE in config.stash:
        config.stash[STATE].stop()


def pytest_collectstart(collector: pytest.Collector) -> None:
    """A module that mentions mitmvcr may make clients when it is imported."""
    if isinstance(collector, pytest.Module):
        state = collector.config.stash[STATE]
        if not state.only_collects and state.mentions(collector.path):
            state.start()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Open the test's cassette before its fixtures are made."""
    state = item.config.stash[STATE]
    state.item = item
    if item.config.getoption("--block-network"):
        from mitmvcr.testing.block_network import blocked  # noqa: PLC0415 - for those who want it

        item.stash[BLOCKED] = stack = contextlib.ExitStack()
        stack.enter_context(blocked())
    marker = item.get_closest_marker("mitmvcr")
    if marker is None and "mitmvcr" not in getattr(item, "fixturenames", ()):
        return
    arguments = _arguments(marker)
    session = state.start()
    path = session.path_of(item, arguments.pop("cassette", None))
    from mitmvcr.testing.cassette_session import Use  # noqa: PLC0415 - only who uses mitmvcr pays for it

    item.stash[USE] = use = Use(session)
    use.open(path, arguments)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None]:
    """Close the cassette after the last fixture is gone."""
    yield
    if USE in item.stash:
        item.stash[USE].close()
    if BLOCKED in item.stash:
        item.stash[BLOCKED].close()


@pytest.hookimpl(hookwrapper=True, tryfirst=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any]:
    """A miss fails the test, whatever the test made of it; the explanation is the failure's text."""
    outcome = yield
    if USE not in item.stash:
        return
    report: pytest.TestReport = outcome.get_result()
    problem = item.stash[USE].new_problem(ended=call.when != "setup")
    if not problem or hasattr(report, "wasxfail"):
        return
    if report.failed:
        problem += f"\n\n{_raised(report, whole=item.config.get_verbosity() > 0)}"
    report.outcome = "failed"
    report.longrepr = problem


def _raised(report: pytest.TestReport, *, whole: bool) -> str:
    """What the test itself came to; with -v all of it."""
    crash = getattr(report.longrepr, "reprcrash", None)
    if whole or crash is None:
        return f"The test raised:\n{report.longreprtext}"
    kind = str(crash.message).partition("\n")[0].partition(":")[0]
    return f"The test raised {kind} (-v shows it)."


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """A line of what was recorded and replayed, where anything was, and what the proxy failed at."""
    state = config.stash[STATE]
    if state.summary:
        terminalreporter.write_line(state.summary)
    for failure in state.failures:
        terminalreporter.section("mitmvcr", red=True)
        terminalreporter.write_line(failure)


@pytest.fixture
def mitmvcr(request: pytest.FixtureRequest) -> CassetteFixture:
    """The test's cassette, and where the proxy is: for programs that the test starts."""
    from mitmvcr.testing.cassette_session import CassetteFixture  # noqa: PLC0415 - only who uses mitmvcr pays for it

    return CassetteFixture(request.node.stash[USE])


def _arguments(marker: pytest.Mark | None) -> dict[str, Any]:
    """The marker's arguments; raises pytest.UsageError for what it doesn't take."""
    if marker is None:
        return {}
    arguments = dict(marker.kwargs)
    if marker.args:
        arguments["cassette"] = marker.args[0]
    unknown = [name for name in arguments if name not in ("cassette", *_FIELDS)]
    if unknown or len(marker.args) > 1:
        raise pytest.UsageError(f"@pytest.mark.mitmvcr takes cassette, {', '.join(_FIELDS)}; not {unknown}")
    return {name: value for name, value in arguments.items() if value is not None}


class State:
    """What one process has: whether tests run in it, and its cassettes once a test needs them."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.session: CassetteSession | None = None
        self.item: pytest.Item | None = None
        """The test that runs, or ran last."""
        self.everything = False
        """Whether all hosts are recorded, as VCR.py does."""
        self.summary = ""
        self.failures: list[str] = []
        """What proxies said at their end that no test was told of; those of pytest-xdist's workers, too."""

    @property
    def only_collects(self) -> bool:
        """Whether no test is run in this process: `--collect-only`, or the controller of pytest-xdist."""
        options = self.config.option
        distributes = getattr(options, "dist", "no") != "no" or getattr(options, "tx", None)
        return bool(options.collectonly or (distributes and not hasattr(self.config, "workerinput")))

    @staticmethod
    def mentions(path: Path) -> bool:
        """Whether a module's text has the marker, or the fixture as an argument."""
        with contextlib.suppress(OSError):
            return _MENTION.search(path.read_bytes()) is not None
        return False

    def start(self) -> CassetteSession:
        """The process's cassettes; the proxy is started if it wasn't. A user's mistake ends all in a line."""
        # Only who uses mitmvcr pays for what starts a proxy.
        from mitmvcr.errors import MitmvcrError  # noqa: PLC0415
        from mitmvcr.testing.cassette_session import CassetteSession  # noqa: PLC0415

        if self.session is None:
            try:
                self.session = CassetteSession(self.config, everything=self.everything)
            except MitmvcrError as error:
                raise pytest.UsageError(f"mitmvcr: {error}") from None
        return self.session

    def stop(self) -> None:
        """End the proxy, and keep what it came to."""
        if self.session is None:
            return
        session, self.session = self.session, None
        self.summary = session.summary()
        if failure := session.stop():
            self.failures.append(failure)


STATE = pytest.StashKey[State]()
USE: pytest.StashKey[Use] = pytest.StashKey()
BLOCKED = pytest.StashKey[contextlib.ExitStack]()
