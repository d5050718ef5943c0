"""The cassettes that the tests of one pytest process use, and what they came to; it has no hooks.

What imports this pays for the launcher and the control API's client, so the plugin does it only where a test
uses mitmvcr.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from mitmvcr.config import load
from mitmvcr.config.settings import Mode, Others, parse_mode
from mitmvcr.errors import MitmvcrError
from mitmvcr.launch.environment import Via
from mitmvcr.testing.session_proxy import Account, ControlError, SessionProxy, cassette_name, file_name

_FAILED = "mitmvcr: failed: "
"""What begins the lines of a proxy's summary about what failed and is no miss."""


class CassetteSession:
    """The proxy of a pytest process, started, and the counts of what its cassettes came to.

    With `everything` all hosts are recorded, as VCR.py does; `replays` says that nothing is recorded.
    Raises MitmvcrError where the proxy can't be started, and pytest.UsageError for wrong settings.
    """

    def __init__(self, config: pytest.Config, *, everything: bool) -> None:
        self._config = config
        self.recorded = self.replayed = self.cassettes = 0
        self.reported: set[str] = set()
        """What tests were told of misses and failures."""
        via = str(config.getini("mitmvcr_via"))
        if via not in tuple(Via):
            raise pytest.UsageError(f"mitmvcr_via is {via!r}: give one of {', '.join(Via)}")
        toml = load.read(config.rootpath).texts()
        mode = _mode(str(config.getoption("--record-mode") or toml.get("mode", "")))
        self.replays = mode is Mode.REPLAY
        options = {"mode": mode.value}
        if everything or (self.replays and config.getoption("--block-network")):
            options["hosts"] = "*"
        if config.getoption("--mitmvcr-offline"):
            options["others"] = Others.REFUSE.value
        if report := toml.get("report"):
            options["report"] = _own_report(report)
        named = str(config.getini("mitmvcr_dir")) or toml.get("dir", "")
        self._folder = config.rootpath / Path(named).expanduser() if named else None
        root = Path(os.path.normpath(self._folder or config.rootpath))
        # VCR.py's suites mind what the API is called, and play requests to loopback.
        way = Via.AUTO if everything else Via(via)
        upstream = str(config.getini("mitmvcr_upstream"))
        self.proxy = SessionProxy(root, config.rootpath, options, way, loopback=everything, upstream=upstream)

    def path_of(self, item: pytest.Item, cassette: str | None) -> Path:
        """The file of a test's cassette: by pytest-recording's convention, or below the folder of all."""
        owner = getattr(getattr(item, "cls", None), "__name__", "")
        name = cassette or file_name(item.name, owner)
        if self._folder is None:
            return item.path.parent / "cassettes" / item.path.stem / name
        if cassette:
            return self._folder / name
        below = item.path.with_suffix("")
        root = self._config.rootpath
        return self._folder / (below.relative_to(root) if below.is_relative_to(root) else below.name) / name

    def summary(self) -> str:
        """A line of what all cassettes came to, empty where none was used."""
        if not self.cassettes:
            return ""
        return f"mitmvcr: {self.recorded} recorded, {self.replayed} replayed, {self.cassettes} cassettes"

    def stop(self) -> str:
        """End the proxy; what it says of failures that no test was told of, empty if there are none.

        The proxy fails for all misses, too. Where tests were told of some, the lines of its summary say
        what else failed; they may be cut.
        """
        output = self.proxy.stop()
        if not output or not self.reported or self.proxy.has_crashed:
            return output
        reported = "\n".join(self.reported)
        failures = [line for line in output.splitlines() if line.startswith(_FAILED)]
        return "\n".join(line for line in failures if line.removeprefix(_FAILED).rstrip("…") not in reported)


def _mode(word: str) -> Mode:
    """The mode of a word that the user gave; without one replay in a CI, and once elsewhere."""
    if not word:
        return Mode.REPLAY if load.in_ci(os.environ) else Mode.ONCE
    return Mode.RECORD if word == "rewrite" else parse_mode(word)


def _own_report(report: str) -> str:
    """The report's path; workers of pytest-xdist write one each."""
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    if not worker:
        return report
    paths = [Path(path.strip()) for path in report.split(",")]
    return ",".join(str(path.with_name(f"{path.stem}.{worker}{path.suffix}")) for path in paths)


class Use:
    """A test's use of cassettes, one after the other; usually one."""

    def __init__(self, session: CassetteSession) -> None:
        self.session = session
        self.proxy = session.proxy
        self.path = Path()
        self.name = ""
        self._reported: set[str] = set()
        self._problems: list[str] = []

    def open(self, path: Path, fields: Mapping[str, object]) -> None:
        """Open a cassette and make it the one that requests are for; raises pytest's failure."""
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
        if self.name:
            try:
                self._problems.append(self.account().problem(ended=ended))
            except ControlError as error:
                self._problems.append(str(error))
        new = [text for text in dict.fromkeys(self._problems) if text and text not in self._reported]
        self._reported.update(new)
        self.session.reported.update(new)
        return "\n\n".join(new)

    def close(self) -> None:
        """Let go of the open cassette; what came of it is kept for the test's report."""
        if not self.name:
            return
        name, self.name = self.name, ""
        self.proxy.leave_base_urls()
        try:
            account = self.proxy.close(name)
        except ControlError as error:
            self._problems.append(str(error))
            return
        self._problems.append(account.problem(ended=True))
        self.session.cassettes += 1
        self.session.recorded += account.recorded
        self.session.replayed += account.replayed


@dataclass(frozen=True, slots=True)
class CassetteFixture:
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
        """OpenAI's base URL in the proxy, for clients that take no proxy; raises ControlError without one."""
        if "OPENAI_BASE_URL" not in self._use.proxy.environ:
            raise ControlError("there is no base URL: set mitmvcr_via to auto or base-url")
        return self._use.proxy.environ["OPENAI_BASE_URL"]

    @property
    def environ(self) -> dict[str, str]:
        """The variables that lead any program to the proxy; subprocesses have them from os.environ."""
        return dict(self._use.proxy.environ)

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
