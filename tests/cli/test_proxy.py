"""`mitmvcr proxy`: in the foreground, on two ports of loopback, with lines to paste."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mitmvcr.store.cassette import read
from tests.build import interaction, write
from tests.cli.running import PATIENCE, PROGRAM, clean, started
from tests.harness import confdir
from tests.upstream.server import Upstream


@contextmanager
def proxy(folder: Path, *options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The proxy, and what it says before it has served anything."""
    with started(folder, *PROGRAM, "proxy", "--confdir", str(confdir()), *options) as process:
        assert process.stderr is not None
        told = ""
        for line in process.stderr:
            told += line
            if line.startswith(("    export", "    eval")) and ("export" in line or "proxy" in options):
                break
        yield process, told


def ended(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*PROGRAM, "proxy", "--confdir", str(confdir()), *options],
        cwd=folder,
        env=clean(folder),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def ports(told: str) -> list[int]:
    return [int(port) for port in re.findall(r"proxy is at http://127\.0\.0\.1:(\d+)", told)]


def free_pair() -> int:
    """A port that is free, and so is the next one."""
    while True:
        with socket.create_server(("127.0.0.1", 0)) as one:
            port = int(one.getsockname()[1])
            try:
                socket.create_server(("127.0.0.1", port + 1)).close()
            except OSError:
                continue
        return port


def test_it_listens_twice_and_says_how_to_use_it(tmp_path: Path) -> None:
    port = free_pair()
    with proxy(tmp_path, "--port", str(port)) as (process, told):
        assert ports(told) == [port, port + 1]
        assert f"mitmvcr env --confdir {confdir()} --port {port})" in told
        assert f"export OPENAI_BASE_URL=http://127.0.0.1:{port + 1}/v1" in told
        handler = urllib.request.ProxyHandler({"http": f"http://127.0.0.1:{port}"})
        with urllib.request.build_opener(handler).open("http://mitmvcr.local/", timeout=30) as answer:
            assert answer.status == 200
        process.terminate()
        assert process.wait(PATIENCE) == 0


def test_what_it_says_has_the_path_of_the_base_url_and_no_password(tmp_path: Path) -> None:
    base = "https://user:hush@openrouter.ai/api/v1"
    with proxy(tmp_path, "--port", "0", "--upstream", base) as (_, told):
        assert f"export OPENAI_BASE_URL=http://127.0.0.1:{ports(told)[1]}/api/v1" in told
        assert "--upstream https://openrouter.ai/api/v1" in told
        assert "hush" not in told


@pytest.mark.parametrize("mode", ["record", "new-episodes"])
def test_it_stands_in_front_of_what_its_cassette_was_recorded_from(tmp_path: Path, mode: str) -> None:
    write(tmp_path / "recordings" / "default.yaml", interaction(url="http://[::1]:9/api/v1/chat/completions"))
    with proxy(tmp_path, "--port", "0", "--mode", mode) as (_, told):
        assert "in front of http://[::1]:9" in told
        assert f"export OPENAI_BASE_URL=http://127.0.0.1:{ports(told)[1]}/api/v1" in told
        assert "--upstream 'http://[::1]:9/api/v1'" in told


def test_a_terminal_that_is_closed_ends_it_in_order(tmp_path: Path, upstream: Upstream) -> None:
    options = ("--mode", "record", "--report", "report.json", "--upstream", f"{upstream.url}/v1")
    with proxy(tmp_path, "--port", "0", *options) as (process, told):
        url = f"http://127.0.0.1:{ports(told)[1]}/v1/models"
        asked = urllib.request.Request(url, headers={"Authorization": "Bearer " + "k" * 40})
        with urllib.request.urlopen(asked, timeout=30) as answer:
            # Whoever leaves before the end breaks it off.
            assert json.loads(answer.read())["object"] == "list"
        process.send_signal(signal.SIGHUP)
        assert process.wait(PATIENCE) == 0
        assert process.stderr is not None
        assert "1 recorded" in process.stderr.read()
    assert (tmp_path / "report.json").exists()
    assert [path.name for path in (tmp_path / "recordings").iterdir()] == ["default.yaml"]
    assert len(read(tmp_path / "recordings" / "default.yaml").cassette.interactions) == 1


def test_nothing_is_made_in_a_folder_called_tilde(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    env = clean(tmp_path, HOME=tmp_path / "home")
    with started(tmp_path, *PROGRAM, "proxy", "--port", "0", env=env) as process:
        assert process.stderr is not None
        next(line for line in process.stderr if "export" in line)
    assert not (tmp_path / "~").exists()
    assert (tmp_path / "home" / ".mitmproxy" / "mitmproxy-ca.pem").exists()


def test_a_miss_is_its_exit_status(tmp_path: Path) -> None:
    with proxy(tmp_path, "--port", "0", "--mode", "replay") as (process, told):
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(f"http://127.0.0.1:{ports(told)[1]}/v1/models", timeout=30)
        caught.value.close()
        process.terminate()
        assert process.wait(PATIENCE) == 1


def test_by_proxy_alone_there_is_one_listener(tmp_path: Path) -> None:
    with proxy(tmp_path, "--port", "0", "--via", "proxy") as (_, told):
        assert len(ports(told)) == 1
        assert "OPENAI_BASE_URL" not in told


def test_mitmweb_is_there_on_a_port_of_its_own(tmp_path: Path) -> None:
    with proxy(tmp_path, "--port", "0", "--web") as (process, told):
        assert process.stdout is not None
        line = next(line for line in process.stdout if "Web server listening at " in line)
        url = line.split("listening at ")[1].strip()
        with urllib.request.urlopen(url, timeout=30) as answer:
            assert b"mitmproxy" in answer.read()
        assert int(re.findall(r":(\d+)/", url)[0]) not in ports(told)
        process.terminate()
        assert process.wait(PATIENCE) == 0


@pytest.mark.slow
def test_a_port_that_is_taken_is_said(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as one:
        port = str(one.getsockname()[1])
        for options in (["--port", port], ["--port", "0", "--reverse-port", port]):
            done = ended(tmp_path, *options)
            assert done.returncode == 1
            assert f":{port}" in done.stdout + done.stderr
            assert "Traceback" not in done.stdout + done.stderr


def test_what_stands_behind_two_dashes_is_mitmproxys(tmp_path: Path) -> None:
    done = ended(tmp_path, "--port", "0", "--", "--nonsense")
    assert done.returncode == 1
    assert "--nonsense" in done.stderr


def test_listening_beyond_loopback_is_said(tmp_path: Path) -> None:
    with proxy(tmp_path, "--port", "0", "--listen-host", "0.0.0.0") as (_, told):
        assert "reach" in told


def test_in_a_shell_that_was_led_to_it_the_proxy_does_not_go_through_itself(tmp_path: Path) -> None:
    port = free_pair()
    with started(
        tmp_path,
        *PROGRAM,
        "proxy",
        *("--confdir", str(confdir()), "--port", str(port), "--upstream", "http://127.0.0.1:9/v1"),
        env=clean(tmp_path, HTTPS_PROXY=f"http://127.0.0.1:{port}", MITMVCR_PROXY=f"http://127.0.0.1:{port}"),
    ) as process:
        assert process.stderr is not None
        next(line for line in process.stderr if "export" in line)
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(f"http://127.0.0.1:{port + 1}/v1/models", timeout=30)
        caught.value.close()
        assert caught.value.code == 502
