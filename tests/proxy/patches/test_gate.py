"""With a version of mitmproxy that nobody tried, nothing of it is replaced, and hooks serve all the same."""

from __future__ import annotations

from pathlib import Path

import pytest
from mitmproxy import version

from mitmvcr.proxy.patches import gate
from tests.conftest import Start
from tests.harness import SCRIPT, Proxy
from tests.proxy.talk import CHAT, chat, nothing_reaches, recordings, reverse
from tests.upstream.server import Upstream

_OTHER_VERSION = """
import atexit, inspect, sys
from mitmproxy import version
version.VERSION = "12.99.0"

def replaced():
    for name, module in list(sys.modules.items()):
        if name.startswith(("mitmproxy.", "h11.")):
            for owner in (module, *(found for found in vars(module).values() if inspect.isclass(found))):
                for what in vars(owner).values():
                    if (getattr(what, "__module__", "") or "").startswith("mitmvcr."):
                        yield f"{name}: {what}"

atexit.register(lambda: print("replaced:", sorted(set(replaced())), flush=True))
"""
_LINE = (
    "mitmvcr: mitmproxy 12.99.0 is none of the versions that mitmvcr was tried with (11.0 to 12.3): "
    "it is left as it is, and serves through its hooks"
)


def _start(start: Start, folder: Path, upstream: str, **options: object) -> Proxy:
    script = folder / "other_version.py"
    script.write_text(_OTHER_VERSION)
    return start("-s", str(SCRIPT), script=script, upstream=upstream, **options)


def test_this_mitmproxy_is_one_that_was_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    assert gate.refusal() == ""
    for other in ("10.4.2", "12.30.1", "13.0.0", "12.99.0"):
        monkeypatch.setattr(version, "VERSION", other)
        assert other in gate.refusal()


def test_untried_version_is_left_as_it_is_and_records_and_replays(
    start: Start, tmp_path: Path, upstream: Upstream
) -> None:
    answers: dict[str, list[bytes]] = {}
    for mode in ("once", "replay"):
        upstream.clear()
        proxy = _start(start, tmp_path, upstream.url, mode=mode, engine="auto")
        with reverse(proxy) as client:
            asked = [client.post(CHAT, json=chat("Hi", stream=stream)) for stream in (False, True)]
        answers[mode] = [answer.content for answer in asked]
        assert [answer.status_code for answer in asked] == [200, 200]
        assert proxy.stop() == 0, proxy.output
        assert proxy.lines.count(_LINE) == 1
        assert "replaced: []" in proxy.lines, proxy.output
        assert len(upstream.requests()) == (2 if mode == "once" else 0)
    assert answers["once"] == answers["replay"]
    assert len(recordings(tmp_path)) == 2


def test_what_looks_for_replaced_names_finds_them(start: Start, tmp_path: Path, upstream: Upstream) -> None:
    script = tmp_path / "tried_version.py"
    script.write_text(_OTHER_VERSION.replace('version.VERSION = "12.99.0"', ""))
    proxy = start("-s", str(SCRIPT), script=script, upstream=upstream.url, mode="replay")
    assert proxy.stop() == 0
    (line,) = (line for line in proxy.lines if line.startswith("replaced:"))
    assert "handle_lifecycle" in line
    assert "read_final_headers" in line


def test_layer_is_refused_with_an_untried_version(start: Start, tmp_path: Path, upstream: Upstream) -> None:
    with nothing_reaches(upstream):
        proxy = _start(start, tmp_path, upstream.url, mode="replay", engine="layer")
        proxy.wait_for("vcr_engine is 'layer', but mitmproxy 12.99.0 is none of the versions")
        assert proxy.stop() == 1
