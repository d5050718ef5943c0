"""A real proxy as a child: it serves, it ends with whoever started it, and nothing of it stays."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from mitmvcr.launch.contract import Order
from mitmvcr.launch.process import Launch, ProxyError, ProxyProcess
from tests.build import interaction, write
from tests.harness import ROOT, confdir

WAIT = 30.0


def launch(folder: Path, *upstreams: str, **options: str) -> Launch:
    order = Order(str(confdir()), upstreams=upstreams, ports=(0,) * len(upstreams))
    return Launch(order, {"dir": str(folder / "recordings"), **options})


def is_gone(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return True
    return state == "Z"


def wait_until_gone(pid: int) -> bool:
    deadline = time.monotonic() + WAIT
    while not is_gone(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    return is_gone(pid)


def test_a_process_with_many_open_files_can_wait_for_it(tmp_path: Path) -> None:
    # select() takes no descriptor from 1024 on.
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, hard), hard))
    opened: list[int] = []
    try:
        while not opened or opened[-1] < 1100:
            opened.append(os.open(os.devnull, os.O_RDONLY))
        with ProxyProcess(launch(tmp_path)) as proxy:
            assert proxy.wait().forward
    finally:
        for descriptor in opened:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_it_tells_where_it_listens_and_leaves_nothing(tmp_path: Path) -> None:
    write(tmp_path / "recordings" / "one.yaml", interaction())
    with ProxyProcess(launch(tmp_path, "https://a.example", "http://b.example", cassette="one")) as proxy:
        ready = proxy.wait()
        assert len({ready.forward, *ready.reverse}) == 3
        assert ready.upstreams == ("https://a.example", "http://b.example")
        assert ready.ca == str(confdir() / "mitmproxy-ca-cert.pem")
        assert ready.replays
        with urllib.request.urlopen(f"http://127.0.0.1:{ready.reverse[0]}/__vcr__/", timeout=WAIT) as answer:
            assert json.load(answer)["cassettes"] == ["one"]
        assert oct(proxy.folder.stat().st_mode & 0o777) == "0o700"
        assert proxy.stop() == 0
    assert not proxy.folder.exists()
    assert "0 recorded" in proxy.output


def test_what_was_recorded_from_one_host_is_replayed_for_it(tmp_path: Path) -> None:
    one = interaction(url="https://openrouter.ai/api/v1/chat/completions")
    write(tmp_path / "recordings" / "one.yaml", one)
    with ProxyProcess(launch(tmp_path, "", cassette="one")) as proxy:
        assert proxy.wait().upstreams == ("https://openrouter.ai/api/v1",)


def test_without_a_cassette_it_stands_in_front_of_openai(tmp_path: Path) -> None:
    with ProxyProcess(launch(tmp_path, "")) as proxy:
        ready = proxy.wait()
        assert ready.upstreams == ("https://api.openai.com/v1",)
        assert not ready.replays


def test_a_proxy_that_does_not_start_says_why(tmp_path: Path) -> None:
    proxy = ProxyProcess(launch(tmp_path, mode="replay", cassette="absent"))
    with pytest.raises(ProxyError, match=r"absent\.yaml: there is no such cassette") as caught:
        proxy.wait()
    assert caught.value.status == 1
    assert proxy.stop() == 1
    assert not proxy.folder.exists()


def test_a_wrong_option_of_mitmproxys_is_told(tmp_path: Path) -> None:
    one = launch(tmp_path)
    proxy = ProxyProcess(Launch(one.order, one.options, ["--nonsense"]))
    try:
        with pytest.raises(ProxyError, match="nonsense"):
            proxy.wait()
    finally:
        proxy.stop()


def test_a_port_that_is_taken_is_told(tmp_path: Path) -> None:
    with ProxyProcess(launch(tmp_path)) as first:
        order = Order(str(confdir()), upstreams=("http://a.example",), ports=(first.wait().forward,))
        second = ProxyProcess(Launch(order))
        try:
            with pytest.raises(ProxyError) as caught:
                second.wait()
        finally:
            second.stop()
    assert f"no reverse proxy can listen at 127.0.0.1:{order.ports[0]}" in caught.value.output
    assert "Traceback" not in caught.value.output


def test_stopping_twice_is_fine(tmp_path: Path) -> None:
    proxy = ProxyProcess(launch(tmp_path))
    assert proxy.stop() == proxy.stop()
    assert not proxy.folder.exists()


_LAUNCHER = """
import sys
from mitmvcr.launch.contract import Order
from mitmvcr.launch.process import Launch, ProxyProcess
order = Order(sys.argv[1], upstreams=("http://127.0.0.1:9",), ports=(0,))
proxy = ProxyProcess(Launch(order, {"dir": sys.argv[2], "cassette": "one", "mode": "new-episodes"}))
proxy.wait()
print(proxy.pid, proxy.folder, flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_it_ends_in_order_when_its_launcher_is_killed(tmp_path: Path, number: int) -> None:
    write(tmp_path / "one.yaml", interaction())
    launcher = subprocess.Popen(
        [sys.executable, "-c", _LAUNCHER, confdir(), tmp_path],
        env={**os.environ, "PYTHONPATH": str(ROOT / "addon")},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with launcher:
        assert launcher.stdout is not None
        pid, folder = launcher.stdout.readline().split(maxsplit=1)
        launcher.send_signal(number)
    assert wait_until_gone(int(pid))
    assert not Path(folder.strip()).exists()
    # It let go of the cassette, whose lock another one gets.
    with ProxyProcess(launch(tmp_path, mode="new-episodes", cassette="one", dir=str(tmp_path))) as proxy:
        proxy.wait()


def test_a_file_in_the_users_folder_is_not_imported(tmp_path: Path) -> None:
    (tmp_path / "yaml.py").write_text("raise SystemExit('the wrong yaml')\n")
    (tmp_path / "mitmvcr.py").write_text("raise SystemExit('the wrong mitmvcr')\n")
    with ProxyProcess(launch(tmp_path), cwd=tmp_path) as proxy:
        assert proxy.wait().forward


def test_without_a_home_that_can_be_written_there_is_a_ca_for_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "home").touch()  # not even root can make a folder in it
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    with ProxyProcess(Launch(Order(""), {"dir": str(tmp_path)})) as proxy:
        ready = proxy.wait()
        assert Path(ready.ca).is_relative_to(proxy.folder)
    assert not proxy.folder.exists()
