"""For suites that were written for VCR.py, by way of pytest-recording or pytest-vcr: one line in conftest.py.

    pytest_plugins = ["mitmvcr.pytest_vcr"]

`@pytest.mark.vcr`, the fixture `vcr` and what configures them (`vcr_config`, `vcr_cassette_dir`,
`default_cassette_name`) mean what they did, but the cassettes are played by the proxy. Python functions
in the configuration (filters, custom matchers, serializers) are not called: the proxy scrubs by itself.
"""

from __future__ import annotations

import contextlib
import os
import warnings
from collections.abc import Generator, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from mitmvcr.config.settings import SUFFIXES
from mitmvcr.testing.block_network import blocked
from mitmvcr.testing.cassette_session import Use
from mitmvcr.testing.pytest_plugin import STATE, USE, State
from mitmvcr.testing.session_proxy import file_name

_MATCHERS = {name: name for name in ("method", "scheme", "host", "port", "path", "query", "body")}
_MATCHERS |= {"uri": "url", "raw_body": "body"}
_LOOPBACK = "localhost,127.0.0.1,::1"


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """Every host is recorded, loopback too, and clients may be made as early as they like."""
    config.addinivalue_line("markers", "vcr: play the test's HTTP traffic from a cassette.")
    config.addinivalue_line("markers", "default_cassette(name): the name of the test's cassette.")
    config.addinivalue_line("markers", "block_network: refuse connections that pass the proxy by.")
    state = config.stash[STATE]
    state.everything = True
    if not state.only_collects:
        state.start()


class CassettePlayer:
    """What the fixture `vcr` gives: VCR.py's `use_cassette`, and what a played cassette is asked."""

    def __init__(self, state: State, folder: Path) -> None:
        self.folder = folder
        self._state = state
        self._use: Use | None = None

    @contextlib.contextmanager
    def use_cassette(self, path: str | os.PathLike[str] = "", **config: Any) -> Iterator[CassettePlayer]:
        """Play the cassette meanwhile, or record it; a relative path is below the cassettes' folder."""
        item: Any = self._state.item  # None is impossible: a module's fixtures are made for a test too
        merged = {**item._request.getfixturevalue("vcr_config"), **config}  # noqa: SLF001 - what asks for fixtures
        folder = Path(merged.get("cassette_library_dir") or self.folder)
        if self._use is None or item.stash.get(USE, None) is not self._use:
            item.stash[USE] = self._use = Use(self._state.start())
        options = fields(merged)
        if self._state.start().replays:  # so do cassettes that the suite would record
            options.pop("mode", None)
        self._use.open(folder / _named(path or item.name, merged), options)
        with _direct(merged):
            try:
                yield self
            finally:
                self._use.close()

    @property
    def play_count(self) -> int:
        """How many requests the open cassette has answered."""
        return self._use.account().replayed if self._use else 0

    @property
    def all_played(self) -> bool:
        """Whether every recording of the open cassette was asked for."""
        return not self._use.account().unused if self._use else False

    def register_matcher(self, *_arguments: object, **_named: object) -> None:
        """Nothing: cassettes are files, read by what is in them, and `fields` says what a matcher becomes."""

    register_serializer = register_persister = register_matcher


def _named(path: str | os.PathLike[str], config: Mapping[str, Any]) -> str:
    """The cassette's file; the transformer that adds a suffix is not needed, whichever is there is found."""
    name = os.fspath(path)
    serializer = config.get("serializer")
    suffix = f".{serializer}" if serializer else ""
    return name if not suffix or name.endswith((suffix, *SUFFIXES)) else name + suffix


def fields(config: Mapping[str, Any]) -> dict[str, object]:
    """VCR.py's configuration in the terms of the control API; what can't be told is warned of."""
    options: dict[str, object] = {}
    if config.get("match_on"):
        options["match"] = list(dict.fromkeys(_matchers(config["match_on"])))
    filters = [config.get(f"filter_{part}_parameters") or () for part in ("query", "post_data")]
    names = [entry if isinstance(entry, str) else entry[0] for entries in filters for entry in entries]
    if names:
        options["ignore"] = names
    if config.get("allow_playback_repeats"):
        options["repeat"] = "any"
    if config.get("record_mode"):
        mode = config["record_mode"]
        options["mode"] = str(getattr(mode, "value", mode))
    return options


def _matchers(names: Iterator[str]) -> Iterator[str]:
    for name in names:
        if name in _MATCHERS:
            yield _MATCHERS[name]
        elif "body" in name:
            yield "body"
        else:
            warnings.warn(
                pytest.PytestWarning(f"mitmvcr: the matcher {name!r} is left out: the proxy has no such one"),
                stacklevel=2,
            )


@contextlib.contextmanager
def _direct(config: Mapping[str, Any]) -> Iterator[None]:
    """Loopback is in the cassette too, as with VCR.py; what that would leave alone is asked directly."""
    hosts = [*(config.get("ignore_hosts") or ()), *([_LOOPBACK] if config.get("ignore_localhost") else ())]
    before = {name: os.environ.get(name, "") for name in ("NO_PROXY", "no_proxy")}
    os.environ.update(dict.fromkeys(before, ",".join(hosts)))
    try:
        yield
    finally:
        os.environ.update(before)


@pytest.fixture(scope="module")
def vcr_config() -> dict[str, Any]:
    """VCR.py's configuration; a suite has its own."""
    return {}


@pytest.fixture(scope="module")
def vcr_cassette_dir(request: pytest.FixtureRequest) -> str:
    """Where a module's cassettes are: as pytest-recording has it, or pytest-vcr where that is installed."""
    folder = request.path.parent / "cassettes"
    by_pytest_vcr = request.config.pluginmanager.has_plugin("vcr")
    return str(folder if by_pytest_vcr else folder / request.path.stem)


@pytest.fixture
def default_cassette_name(request: pytest.FixtureRequest) -> str:
    """The test's cassette: pytest-recording's name for it."""
    marker = request.node.get_closest_marker("default_cassette")
    if marker is not None and marker.args:
        return str(marker.args[0])
    return file_name(request.node.name, getattr(request.cls, "__name__", ""))


@pytest.fixture(scope="module")
def vcr(request: pytest.FixtureRequest, vcr_cassette_dir: str) -> CassettePlayer:
    """What plays the module's cassettes."""
    return CassettePlayer(request.config.stash[STATE], Path(vcr_cassette_dir))


@pytest.fixture(autouse=True)
def _vcr_of_the_test(request: pytest.FixtureRequest, vcr: CassettePlayer) -> Iterator[None]:
    """`@pytest.mark.vcr` plays the test's own cassette."""
    markers = list(request.node.iter_markers(name="vcr"))
    if not markers or request.config.pluginmanager.has_plugin("vcr"):
        yield  # pytest-vcr has a fixture that asks ours for the cassette
        return
    merged: dict[str, Any] = {}
    for marker in reversed(markers):
        merged |= marker.kwargs
    name = request.getfixturevalue("default_cassette_name")
    extra = [path for marker in markers for path in marker.args]
    if extra and not any((vcr.folder / f"{name}{suffix}").exists() for suffix in SUFFIXES):
        name = extra[0]
    with vcr.use_cassette(name, **merged):
        yield


@pytest.fixture(autouse=True)
def block_network(request: pytest.FixtureRequest) -> Iterator[None]:
    """In place of pytest-recording's, which would keep the test from the proxy too."""
    marked = request.node.get_closest_marker("block_network") is not None
    with blocked() if marked else contextlib.nullcontext():
        yield


@pytest.fixture
def vcr_cassette(vcr: CassettePlayer, request: pytest.FixtureRequest) -> Generator[CassettePlayer]:
    """pytest-vcr's: the cassette of a marked test."""
    marker = request.node.get_closest_marker("vcr")
    with vcr.use_cassette(
        request.getfixturevalue("default_cassette_name"), **(marker.kwargs if marker else {})
    ) as cassette:
        yield cassette
