"""What is wrong ends the process before it serves: exit status 1, and one line that says what mends it."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path

import httpx
import pytest

from tests import build
from tests.conftest import Start
from tests.harness import Proxy
from tests.proxy.talk import CHAT, chat, recordings, reverse
from tests.upstream.server import Upstream


def _refused(proxy: Proxy) -> str:
    """The one line with which the process ended; it never listened."""
    assert proxy.ended, proxy.output
    assert proxy.stop() == 1, proxy.output
    assert "listening" not in proxy.output
    said = [line for line in proxy.lines if "Loading script" not in line]
    assert len(said) == 1, proxy.output
    assert said[0].startswith("mitmvcr: ")
    return said[0]


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["--set", "vcr_mode=reply"], ["vcr_mode", "'reply'", "replay", "new-episodes"]),
        (["--set", "vcr_mdoe=replay"], ["vcr_mdoe", "vcr_mode"]),
        (["--set", "vcr_mode=once", "--set", "vcr_mode=replay"], ["vcr_mode", "once"]),
        (["--set", "vcr_strict"], ["vcr_strict", "vcr_strict=false"]),
        (["--set", "vcr_strict=maybe"], ["vcr_strict", "'maybe'", "true, false"]),
        (["--set", "vcr_match=method,pth"], ["vcr_match", "'pth'", "path"]),
        (["--set", "vcr_ignore=$.["], ["vcr_ignore", "$.[", "JSONPath"]),
        (["--set", "vcr_latency=slow"], ["vcr_latency", "'slow'", "recorded"]),
        (["--set", "vcr_repeat=never"], ["vcr_repeat", "'never'", "last"]),
        (["--set", "vcr_dialect=goccy"], ["vcr_dialect", "'goccy'", "charm, stock"]),
        (["--set", "vcr_hosts=https://api.openai.com"], ["vcr_hosts", "'https://api.openai.com'"]),
        (["--set", "vcr_keep_headers=authorization"], ["keep_headers", "'authorization'"]),
        (["--set", "vcr_dir="], ["vcr_dir", "recordings"]),
        (["--set", "vcr_cassette=../x"], ["'../x'"]),
        (["--set", "vcr_cassette=missing", "--set", "vcr_mode=replay"], ["recordings/missing.yaml", "once"]),
    ],
    ids=lambda value: "_".join(value[1::2]) if isinstance(value, list) and value[0] == "--set" else "",
)
def test_bad_option_ends_the_process(
    start: Start, tmp_path: Path, arguments: list[str], parts: list[str]
) -> None:
    line = _refused(Proxy(tmp_path, *arguments))
    assert not [part for part in parts if part not in line], line
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("content", "mode", "parts"),
    [
        ("version: 2\ninteractions:\n- id: 0\n  request:\n - id: 1\n", "once", ["line "]),
        ("version: 3\ninteractions: []\n", "replay", ["version"]),
        ("version: 2\ninteractions:\n- id: 0\n  request: *a\n", "new-episodes", ["line 4"]),
        ("", "replay", ["empty"]),
        ("just: something\n", "once", []),
        ("{}", "new-episodes", []),
    ],
    ids=["malformed", "newer", "alias", "empty", "foreign", "json"],
)
def test_bad_cassette_ends_the_process_with_its_file_and_line(
    tmp_path: Path, content: str, mode: str, parts: list[str]
) -> None:
    path = tmp_path / "recordings" / "bad.yaml"
    path.parent.mkdir()
    path.write_text(content)
    line = _refused(Proxy(tmp_path, cassette="bad", mode=mode))
    assert "recordings/bad.yaml" in line
    assert not [part for part in parts if part not in line], line
    assert path.read_text() == content
    assert [one.name for one in path.parent.iterdir()] == ["bad.yaml"]


@pytest.mark.real_start
@pytest.mark.slow
def test_file_that_cannot_be_read_or_written_ends_the_process(tmp_path: Path) -> None:
    (tmp_path / "recordings" / "folder.yaml").mkdir(parents=True)
    (tmp_path / "recordings" / "dangling.yaml").symlink_to("nowhere/at/all.yaml")
    (tmp_path / "file").write_text("")
    assert "recordings/folder.yaml" in _refused(Proxy(tmp_path, cassette="folder", mode="replay"))
    line = _refused(Proxy(tmp_path, dir="file/below"))
    assert "file/below/default.yaml" in line
    assert "vcr_dir" in line
    if os.geteuid():
        (tmp_path / "closed").mkdir(mode=0o500)
        line = _refused(Proxy(tmp_path, dir="closed"))
        assert "closed" in line
        assert "vcr_dir" in line


@pytest.mark.real_start
@pytest.mark.slow
def test_second_process_that_records_a_cassette_is_told_who_does(
    start: Start, tmp_path: Path, upstream: Upstream
) -> None:
    first = start(cassette="one")
    line = _refused(Proxy(tmp_path, cassette="one"))
    assert f"process {first.pid}" in line
    assert "recordings/one.yaml" in line
    other = start(upstream=upstream.url)
    with reverse(other, headers={"X-VCR-Cassette": "one"}) as client:
        answer = client.post(CHAT, json=chat())
    assert answer.status_code == 400
    assert f"process {first.pid}" in answer.json()["error"]["message"]
    assert not upstream.requests()
    assert other.stop() == 1
    assert first.stop() == 0
    assert start(cassette="one").stop() == 0
    assert not (tmp_path / "recordings").exists()


def test_second_process_that_replays_a_cassette_is_welcome(start: Start, tmp_path: Path) -> None:
    build.write(tmp_path / "recordings" / "default.yaml", build.interaction(chat()))
    both = [start(mode="replay"), start(mode="replay")]
    assert [proxy.ended for proxy in both] == [False, False]


@pytest.mark.real_start
@pytest.mark.slow
def test_port_in_use_ends_the_process_and_leaves_nothing(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        proxy = Proxy(tmp_path, listeners=[f"regular@{port}"])
        assert proxy.ended
        assert proxy.stop() == 1
    assert "Traceback" not in proxy.output
    assert str(port) in proxy.output
    assert not list(tmp_path.iterdir())


def test_toml_file_gives_options_and_the_command_line_wins(
    start: Start, tmp_path: Path, upstream: Upstream
) -> None:
    toml = 'mode = "replay"\ndir = "tapes"\ncassette = "from-toml"\nhosts = ["127.0.0.1", "*.example"]\n'
    (tmp_path / "mitmvcr.toml").write_text(toml)
    proxy = start(upstream=upstream.url, mode="record", dir="recordings")
    with reverse(proxy) as client:
        assert client.post(CHAT, json=chat()).status_code == 200
    assert proxy.stop() == 0
    assert len(recordings(tmp_path, "from-toml")) == 1
    assert "tapes/from-toml.yaml" in _refused(Proxy(tmp_path))


@pytest.mark.parametrize(
    ("toml", "parts"),
    [
        ('mdoe = "replay"', ["mitmvcr.toml", "mdoe"]),
        ('mode = "reply"', ["mode", "reply"]),
        ("mode = ", ["mitmvcr.toml", "end of document"]),
        ("mode = {}", ["mitmvcr.toml", "mode"]),
        ("strict = 1", ["strict"]),
    ],
)
def test_bad_toml_file_ends_the_process(tmp_path: Path, toml: str, parts: list[str]) -> None:
    (tmp_path / "mitmvcr.toml").write_text(toml)
    line = _refused(Proxy(tmp_path))
    assert not [part for part in parts if part not in line], line


def test_option_may_be_set_in_a_running_process_and_a_bad_value_changes_nothing(
    start: Start, tmp_path: Path, upstream: Upstream
) -> None:
    script = tmp_path / "setter.py"
    script.write_text(
        "from mitmproxy import ctx, exceptions, http\n"
        "def requestheaders(flow):\n"
        "    name, _, value = flow.request.headers.get('x-set', '').partition('=')\n"
        "    if name:\n"
        "        try:\n"
        "            ctx.options.update(**{name: value})\n"
        "            said = 'ok'\n"
        "        except exceptions.OptionsError as error:\n"
        "            said = str(error)\n"
        "        flow.response = http.Response.make(200, said)\n"
    )
    proxy = start("-s", str(script), upstream=upstream.url, cassette="one")
    with reverse(proxy) as client:

        def put(text: str) -> str:
            return client.get("/", headers={"x-set": text}).text

        assert client.post(CHAT, json=chat("first")).status_code == 200
        assert "'nonsense'" in put("vcr_mode=nonsense")
        assert client.post(CHAT, json=chat("second")).status_code == 200
        assert put("vcr_cassette=two") == "ok"
        assert client.post(CHAT, json=chat("third")).status_code == 200
    proxy.stop()
    assert [len(recordings(tmp_path, name)) for name in ("one", "two")] == [2, 1]


@pytest.mark.real_start
@pytest.mark.slow
def test_nothing_is_served_when_the_process_ends(tmp_path: Path) -> None:
    proxy = Proxy(tmp_path, mode="nonsense")
    with pytest.raises(AssertionError, match="no forward listener"):
        httpx.get(proxy.url)
    proxy.stop()


@pytest.mark.real_start
@pytest.mark.slow
def test_miss_while_mitmproxy_is_still_starting_is_only_a_miss(
    start: Start, tmp_path: Path, upstream: Upstream
) -> None:
    # The ports are open by then, and mitmproxy ends a process that logs an error before `running` is over.
    script = tmp_path / "slow.py"
    script.write_text("import asyncio\nasync def running():\n    await asyncio.sleep(1)\n")
    proxy = start("-s", str(script), upstream=upstream.url, mode="replay")
    with reverse(proxy) as client:
        assert client.post(CHAT, json=chat()).status_code == 404
        proxy.wait_for("miss:")
        assert client.post(CHAT, json=chat(), headers={"X-VCR-Cassette": "../x"}).status_code == 400
        time.sleep(1.2)
        assert client.post(CHAT, json=chat()).status_code == 404
    assert proxy.stop() == 1
    assert "2 misses" in proxy.lines[-1]
