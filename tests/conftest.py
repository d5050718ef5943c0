"""What the tests that need processes share: stand-in upstreams, and proxies that are checked at their end."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import hypothesis
import pytest

from tests import harness, toolchains
from tests.fork_server import ForkServer
from tests.harness import ENGINE, Proxy
from tests.proxy.talk import SECRETS
from tests.upstream.server import Upstream

Start = Callable[..., Proxy]

# Where a shell has started the tests in the background, or nohup has, these are ignored, and so they would
# be in every process that a test starts.
for number in (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--engine", choices=("auto", "hooks", "layer"), help="vcr_engine of proxies that replay")


def pytest_configure(config: pytest.Config) -> None:
    # In the environment, for what is started far from any fixture.
    if engine := config.getoption("--engine"):
        os.environ[ENGINE] = engine


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # What waits for another language's build comes last: in CI it is built meanwhile.
    items.sort(key=lambda item: item.get_closest_marker("toolchain") is not None)
    for item in items:
        if tools := toolchains.missing(item):
            item.add_marker(pytest.mark.skip(reason=f"{', '.join(tools)} is not installed"))


# Machines are noisy, so nothing is timed by Hypothesis; and CI tries the same examples each time, so that
# it fails only for what has changed. Elsewhere they are new ones.
hypothesis.settings.register_profile("mitmvcr", deadline=None, derandomize=bool(os.environ.get("CI")))
hypothesis.settings.load_profile("mitmvcr")


_fork_server = cache(ForkServer)


@pytest.fixture(autouse=True)
def _proxies_are_forked(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A test that is marked `real_start` has proxies that start as a user starts them."""
    forked = request.node.get_closest_marker("real_start") is None
    monkeypatch.setattr(harness, "fork_server", _fork_server if forked else None)


@pytest.fixture(scope="session")
def plain_upstream() -> Iterator[Upstream]:
    """The stand-in over plain HTTP/1.1, one for all tests of this process."""
    with Upstream.start() as started:
        yield started


@pytest.fixture(scope="session")
def tls_upstream() -> Iterator[Upstream]:
    """The stand-in with TLS, over HTTP/1.1 and HTTP/2, one for all tests of this process."""
    with Upstream.start(tls=True) as started:
        yield started


@pytest.fixture
def upstream(plain_upstream: Upstream) -> Upstream:
    """The plain stand-in, which has forgotten what it was asked before."""
    plain_upstream.clear()
    return plain_upstream


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start proxies in the test's folder; they end with the test, having told nobody any secret."""
    started: list[Proxy] = []

    def start(*arguments: str, folder: Path = tmp_path, **options: object) -> Proxy:
        options = {"hosts": "127.0.0.1", **options}
        proxy = Proxy(folder, *arguments, **options)  # type: ignore[arg-type]
        started.append(proxy)
        return proxy

    try:
        yield start
    finally:
        for proxy in started:
            proxy.stop()
    for proxy in started:
        check_discretion(proxy)


def check_discretion(proxy: Proxy) -> None:
    """Neither what the proxy printed nor any file in its folder holds a secret, or a traceback."""
    assert "Traceback" not in proxy.output, proxy.output
    for secret in SECRETS:
        assert secret not in proxy.output, f"{secret} was printed:\n{proxy.output}"
    for path in proxy.folder.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            assert not [secret for secret in SECRETS if secret.encode() in data], path
