"""The pytest plugin: a cassette for each test that wants one, by fixture or by marker; else it does nothing.

One proxy serves all tests of a process (each worker of pytest-xdist has its own). It starts before the
first module is imported that mentions mitmvcr, so that clients made at import time find it.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from mitmvcr.testing.session_proxy import Account, SessionProxy

MODES = ("none", "once", "new_episodes", "all", "rewrite", "replay", "record", "new-episodes")
_FIELDS = ("match", "ignore", "repeat", "latency", "strict")
_MENTION = re.compile(rb"mark\.mitmvcr\b|[(,]\s*mitmvcr\s*[,):]|usefixtures\([^)]*[\"']mitmvcr[\"']")
_MARKER = (
    "mitmvcr(cassette=None, match=None, ignore=None, repeat=None, latency=None, strict=None): "
    "record the test's OpenAI traffic into a cassette, or replay it from there."
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options by pytest-recording's names, which are its own where it is installed."""
    if importlib.util.find_spec("pytest_recording") is None:
        group = parser.getgroup("mitmvcr")
        group.addoption(
            "--record-mode",
            choices=MODES,
            default=None,
            help="What cassettes are used for: none (replay), once, new_episodes, all or rewrite (record). "
            "Default: as mitmvcr.toml says; else none if CI is set, and once elsewhere.",
        )
        group.addoption(
            "--block-network",
            action="store_true",
            default=False,
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
        "mitmvcr_autostart",
        "Start the proxy with the session, for clients that conftest.py or a module makes that doesn't "
        "mention mitmvcr.",
        type="bool",
        default=False,
    )


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker, and start at once if that is wanted."""
    config.addinivalue_line("markers", _MARKER)
    config.stash[STATE] = state = State(config)
    if config.getini("mitmvcr_autostart") and not state.only_collects:
        state.start()


def pytest_unconfigure(config: pytest.Config) -> None:
    """The proxy ends with the session."""
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
    wanted = _wanted(marker)
    path = state.path_of(item, wanted.pop("cassette", None))
    item.stash[USE] = use = Use(state)
    use.open(path, wanted)


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
    """One line of what was recorded and replayed, where anything was."""
    line = config.stash[STATE].line()
    if line:
        terminalreporter.write_line(line)


@pytest.fixture
def mitmvcr(request: pytest.FixtureRequest) -> Cassette:
    """The test's cassette, and where the proxy is: for programs that the test starts."""
    return Cassette(request.node.stash[USE])


def _wanted(marker: pytest.Mark | None) -> dict[str, Any]:
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
    """What one process has: its settings, and its proxy once that is needed."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.proxy: SessionProxy | None = None
        self.item: pytest.Item | None = None
        """The test that runs, or ran last."""
        self.recorded = self.replayed = self.cassettes = 0
        self.everything = False
        """Whether all hosts are recorded, as VCR.py does."""
        self.replays = False
        """Whether nothing is recorded in this session."""

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

    def start(self) -> SessionProxy:
        """The proxy, which is started now if it wasn't; a user's mistake ends the session in a line."""
        from mitmvcr.errors import MitmvcrError  # noqa: PLC0415 - only who uses mitmvcr pays

        if self.proxy is None:
            try:
                self.proxy = self._proxy()
                self.proxy.start()
            except MitmvcrError as error:
                raise pytest.UsageError(f"mitmvcr: {error}") from None
        return self.proxy

    def _proxy(self) -> SessionProxy:
        from mitmvcr.launch.environment import Via  # noqa: PLC0415 - as above
        from mitmvcr.testing.session_proxy import SessionProxy  # noqa: PLC0415

        via = str(self.config.getini("mitmvcr_via"))
        if via not in tuple(Via):
            raise pytest.UsageError(f"mitmvcr_via is {via!r}: give one of {', '.join(Via)}")
        toml = self._toml()
        mode = self.mode(toml)
        self.replays = mode == "replay"
        options = {"mode": mode}
        if self.everything or (self.replays and self.config.getoption("--block-network")):
            options["hosts"] = "*"
        if report := toml.get("report"):
            options["report"] = _own_report(report)
        root = self.folder(toml) or self.config.rootpath
        # VCR.py's suites mind what the API is called, and play requests to loopback.
        way = Via.AUTO if self.everything else Via(via)
        return SessionProxy(
            Path(os.path.normpath(root)), self.config.rootpath, options, way, loopback=self.everything
        )

    def _toml(self) -> dict[str, str]:
        from mitmvcr.config.settings import read_toml  # noqa: PLC0415 - as above

        config = self.config.rootpath / "mitmvcr.toml"
        return read_toml(config) if config.exists() else {}

    def mode(self, toml: Mapping[str, str]) -> str:
        """The session's mode: as the command line has it, or mitmvcr.toml; else by whether this is CI."""
        from mitmvcr.config.settings import Mode, parse_mode  # noqa: PLC0415 - as above

        word = self.config.getoption("--record-mode") or toml.get("mode")
        if not word:
            word = Mode.REPLAY if os.environ.get("CI", "") not in ("", "false", "0") else Mode.ONCE
        return Mode.RECORD.value if word == "rewrite" else parse_mode(str(word)).value

    def folder(self, toml: Mapping[str, str]) -> Path | None:
        """The folder of all cassettes, None if they lie beside their modules."""
        named = str(self.config.getini("mitmvcr_dir")) or toml.get("dir", "")
        return self.config.rootpath / Path(named).expanduser() if named else None

    def path_of(self, item: pytest.Item, cassette: str | None) -> Path:
        """The file of a test's cassette: by pytest-recording's convention, or below the folder of all."""
        from mitmvcr.testing.session_proxy import file_name  # noqa: PLC0415 - as above

        owner = getattr(getattr(item, "cls", None), "__name__", "")
        name = cassette or file_name(item.name, owner)
        folder = self.folder(self._toml())
        if folder is None:
            return item.path.parent / "cassettes" / item.path.stem / name
        if cassette:
            return folder / name
        below = item.path.with_suffix("")
        root = self.config.rootpath
        return folder / (below.relative_to(root) if below.is_relative_to(root) else below.name) / name

    def line(self) -> str:
        """What came of all cassettes."""
        if not self.cassettes:
            return ""
        return f"mitmvcr: {self.recorded} recorded, {self.replayed} replayed, {self.cassettes} cassettes"

    def stop(self) -> None:
        """End the proxy."""
        if self.proxy is not None:
            self.proxy.stop()
            self.proxy = None


class Use:
    """A test's use of cassettes, one after the other; usually one."""

    def __init__(self, state: State) -> None:
        self.proxy = state.start()
        self.state = state
        self.path = Path()
        self.name = ""
        self._said: set[str] = set()
        self._found: list[str] = []

    def open(self, path: Path, fields: Mapping[str, object]) -> None:
        """Open a cassette and make it the one that requests are for; raises pytest's failure."""
        from mitmvcr.errors import MitmvcrError  # noqa: PLC0415 - as above
        from mitmvcr.testing.session_proxy import cassette_name  # noqa: PLC0415

        try:
            name = cassette_name(path, self.proxy.root)
            self.proxy.open(name, fields)
        except MitmvcrError as error:
            pytest.fail(f"mitmvcr: {error}", pytrace=False)
        self.path, self.name = path, name
        self.proxy.use_base_urls()

    def account(self) -> Account:
        """What the open cassette came to so far."""
        return self.proxy.account(self.name)

    def new_problem(self, *, ended: bool) -> str:
        """What is wrong and was not said before."""
        from mitmvcr.testing.session_proxy import ControlError  # noqa: PLC0415 - as above

        if self.name:
            try:
                self._found.append(self.account().problem(ended=ended))
            except ControlError as error:
                self._found.append(str(error))
        new = [one for one in dict.fromkeys(self._found) if one and one not in self._said]
        self._said.update(new)
        return "\n\n".join(new)

    def close(self) -> None:
        """Let go of the open cassette; what came of it is kept for the test's report."""
        from mitmvcr.testing.session_proxy import ControlError  # noqa: PLC0415 - as above

        if not self.name:
            return
        name, self.name = self.name, ""
        self.proxy.leave_base_urls()
        try:
            account = self.proxy.close(name)
        except ControlError as error:
            self._found.append(str(error))
            return
        self._found.append(account.problem(ended=True))
        self.state.cassettes += 1
        self.state.recorded += account.recorded
        self.state.replayed += account.replayed


@dataclass(frozen=True, slots=True)
class Cassette:
    """What the fixture `mitmvcr` is."""

    _use: Use = field(repr=False)

    @property
    def path(self) -> Path:
        """The cassette's file as it was named, which may be without its suffix."""
        return self._use.path

    @property
    def name(self) -> str:
        """The name by which the proxy knows it, for the header X-VCR-Cassette."""
        return self._use.name

    @property
    def proxy_url(self) -> str:
        """Where the forward proxy is."""
        return f"http://127.0.0.1:{self._use.proxy.ready.forward}"

    @property
    def base_url(self) -> str:
        """OpenAI's base URL in the proxy, for clients that take no proxy."""
        from mitmvcr.testing.session_proxy import base_url  # noqa: PLC0415 - as above

        return base_url(self._use.proxy)

    @property
    def environ(self) -> dict[str, str]:
        """The variables that lead any program to the proxy; subprocesses have them from os.environ."""
        return self._use.proxy.environ

    @property
    def misses(self) -> list[str]:
        """The explanations of all misses so far."""
        return list(self._use.account().misses)

    @contextlib.contextmanager
    def use_cassette(self, cassette: str, **fields: object) -> Iterator[None]:
        """Another cassette for a part of the test, named as in the marker; afterwards none is in use."""
        self._use.close()
        self._use.open(self._use.path.with_name(cassette), fields)
        try:
            yield
        finally:
            self._use.close()


def _own_report(report: str) -> str:
    """The report's path; workers of pytest-xdist write one each."""
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    if not worker:
        return report
    paths = [Path(one.strip()) for one in report.split(",")]
    return ",".join(str(path.with_name(f"{path.stem}.{worker}{path.suffix}")) for path in paths)


STATE = pytest.StashKey[State]()
USE = pytest.StashKey[Use]()
BLOCKED = pytest.StashKey[contextlib.ExitStack]()
