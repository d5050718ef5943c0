"""The pytest plugin, from the outside: suites that use it, run by pytest in a process of their own."""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from mitmvcr.store.cassette import read
from tests.testing.runs import CLIENT, SDK_CLIENT, module, run
from tests.upstream.server import Upstream

MARK = "@pytest.mark." + "mitmvcr"  # in one piece it would be a mention, and this module is none of the suite

KEY = {"OPENAI_API_KEY": "sk-" + "plugin" * 8}


def base(upstream: Upstream) -> dict[str, str]:
    """The environment of someone who records."""
    return {**KEY, "OPENAI_BASE_URL": f"{upstream.url}/v1"}


def offline(upstream: Upstream) -> dict[str, str]:
    """The environment of CI: the same base URL, no key, and CI's own variable."""
    return {"CI": "true", "OPENAI_BASE_URL": f"{upstream.url}/v1"}


def asked(upstream: Upstream) -> int:
    return len(upstream.requests())


@pytest.mark.slow
def test_marker_and_fixture_record_once_and_replay_in_ci(tmp_path: Path, upstream: Upstream) -> None:
    module(
        tmp_path,
        "tests/test_talk.py",
        SDK_CLIENT
        + f"""
import subprocess, sys, threading

{MARK}
def test_client_of_import_time():
    assert "hello" in ask("hello")

{MARK}(cassette="shared name")
@pytest.mark.parametrize("word", ["a/b"])
def test_named(word):
    assert word in ask(word)

class TestClass:
    {MARK}
    @pytest.mark.parametrize("word", ["a/b", "c"])
    def test_in_a_class(self, word):
        assert word in ask(word)

def test_fixture(mitmvcr):
    assert "new client" in ask("new client", openai.OpenAI(max_retries=0))
    assert os.environ["OPENAI_BASE_URL"] == mitmvcr.base_url
    told = []
    thread = threading.Thread(target=lambda: told.append(ask("thread")))
    thread.start(), thread.join()
    assert "thread" in told[0]
    code = "import openai; c = openai.OpenAI(); print(c.models.list().data[0].id)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip(), done.stderr

def test_untouched():
    assert 1
""",
    )
    recording = run(tmp_path, **base(upstream))
    assert recording.counts == {"passed": 6}, recording.output
    assert "mitmvcr: 7 recorded, 0 replayed, 5 cassettes" in recording.output
    folder = tmp_path / "tests" / "cassettes" / "test_talk"
    assert sorted(path.name for path in folder.iterdir()) == [
        "TestClass.test_in_a_class[a-b].yaml",
        "TestClass.test_in_a_class[c].yaml",
        "shared name.yaml",
        "test_client_of_import_time.yaml",
        "test_fixture.yaml",
    ]
    for path in folder.iterdir():
        assert KEY["OPENAI_API_KEY"].encode() not in path.read_bytes()
    before = asked(upstream)

    replay = run(tmp_path, "-v", **offline(upstream))
    assert replay.counts == {"passed": 6}, replay.output
    assert "mitmvcr: 0 recorded, 7 replayed, 5 cassettes" in replay.output
    side_by_side = run(tmp_path, "-n", "2", "-p", "xdist", "--record-mode", "none", **offline(upstream))
    assert side_by_side.counts == {"passed": 6}, side_by_side.output
    assert asked(upstream) == before


@pytest.mark.slow
def test_a_miss_fails_the_test_with_the_explanation_as_its_text(tmp_path: Path, upstream: Upstream) -> None:
    text = (
        SDK_CLIENT
        + f"""
{MARK}
def test_raises():
    ask("QUESTION")

{MARK}
def test_swallows():
    with pytest.raises(openai.NotFoundError):
        ask("QUESTION")

{MARK}
@pytest.mark.xfail
def test_expected():
    ask("QUESTION")

@pytest.fixture
def asking():
    ask("QUESTION")

{MARK}
def test_fixture_asks(asking):
    pass
"""
    )
    module(
        tmp_path, "test_miss.py", text.replace("QUESTION", "one").replace("with pytest.raises", "if True: #")
    )
    run(tmp_path, **base(upstream))
    module(tmp_path, "test_miss.py", text.replace("QUESTION", "two"))
    replay = run(tmp_path, **offline(upstream))
    assert replay.status == 1
    assert replay.counts == {"failed": 2, "xfailed": 1, "error": 1}, replay.output
    assert replay.output.count("$.messages[0].content") >= 3
    assert "two" in replay.output
    assert replay.output.count("The test raised openai.NotFoundError") >= 2
    assert "_base_client.py" not in replay.output
    assert "_base_client.py" in run(tmp_path, "-v", "-k", "test_raises", **offline(upstream)).output
    assert run(tmp_path, "-k", "test_expected", **offline(upstream)).status == 0  # as the test has it


@pytest.mark.slow
def test_what_was_not_asked_for_fails_when_strict(tmp_path: Path, upstream: Upstream) -> None:
    text = (
        CLIENT
        + f"""
{MARK}(strict=True)
def test_strict():
    ask("one")
    ask("two")

{MARK}
def test_lenient():
    ask("one")
    ask("two")
"""
    )
    module(tmp_path, "test_strict.py", text)
    assert run(tmp_path, **base(upstream)).counts == {"passed": 2}
    module(tmp_path, "test_strict.py", text.replace('    ask("two")\n', ""))
    replay = run(tmp_path, **offline(upstream))
    assert replay.counts == {"passed": 1, "failed": 1}, replay.output
    assert "never asked for" in replay.output


@pytest.mark.slow
def test_matching_is_set_by_the_marker(tmp_path: Path, upstream: Upstream) -> None:
    text = (
        CLIENT
        + f"""
{MARK}(ignore=["$.messages[0].content"])
def test_ignore():
    ask("WORD")

{MARK}(match=["method", "path"], repeat="any")
def test_match():
    assert ask("WORD") == ask("WORD")
"""
    )
    module(tmp_path, "test_matching.py", text.replace("WORD", "one").replace("== ask", "!= ask"))
    module(tmp_path, "test_matching.py", text.replace("WORD", "one"))
    run(tmp_path, **base(upstream))
    module(tmp_path, "test_matching.py", text.replace("WORD", "two"))
    assert run(tmp_path, **offline(upstream)).counts == {"passed": 2}


@pytest.mark.slow
def test_folder_and_modes_are_taken_from_mitmvcr_toml_and_the_command_line(
    tmp_path: Path, upstream: Upstream
) -> None:
    (tmp_path / "mitmvcr.toml").write_text('dir = "recordings"\nreport = "out/report.json"\n')
    text = CLIENT + f"\n{MARK}\ndef test_a():\n    ask('WORD')\n"
    module(tmp_path, "tests/unit/test_x.py", text.replace("WORD", "one"))
    assert run(tmp_path, **base(upstream)).counts == {"passed": 1}
    path = tmp_path / "recordings" / "tests" / "unit" / "test_x" / "test_a.yaml"
    assert b"one" in read(path).cassette.interactions[0].request.body
    assert json.loads((tmp_path / "out" / "report.json").read_text())["failed"] is False

    module(tmp_path, "tests/unit/test_x.py", text.replace("WORD", "two"))
    assert run(tmp_path, **base(upstream)).counts == {"failed": 1}  # once: it exists, so it is strict
    assert run(tmp_path, "--record-mode=new_episodes", **base(upstream)).counts == {"passed": 1}
    assert len(read(path).cassette.interactions) == 2
    assert run(tmp_path, "--record-mode=rewrite", **base(upstream)).counts == {"passed": 1}
    assert [b"two" in one.request.body for one in read(path).cassette.interactions] == [True]
    assert run(tmp_path, "--record-mode=none", **base(upstream)).counts == {"passed": 1}


@pytest.mark.slow
def test_network_is_blocked_but_for_the_proxy(tmp_path: Path, upstream: Upstream) -> None:
    text = (
        CLIENT
        + f"""
import socket, urllib.request, urllib.error

{MARK}
def test_cassette():
    ask("one")

def test_direct():
    with pytest.raises(RuntimeError, match="block-network"):
        socket.create_connection(("192.0.2.1", 80), timeout=1)
    with socket.socket() as sock, pytest.raises(RuntimeError, match="block-network"):
        sock.connect_ex(("192.0.2.1", 80))

{MARK}
@pytest.mark.xfail(strict=True)
def test_another_host_by_the_proxy():
    urllib.request.urlopen("http://blocked.example/", timeout=20)
"""
    )
    module(tmp_path, "test_block.py", text)
    assert run(tmp_path, "-k", "cassette", **base(upstream)).counts["passed"] == 1
    blocked = run(tmp_path, "--block-network", **offline(upstream))
    assert blocked.counts == {"passed": 2, "xfailed": 1}, blocked.output


@pytest.mark.slow
def test_offline_nothing_goes_to_hosts_that_are_not_recorded(tmp_path: Path, upstream: Upstream) -> None:
    text = (
        CLIENT
        + f"""
import urllib.request, urllib.error

{MARK}
def test_another_host_by_the_proxy():
    ask("one")
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen("http://elsewhere.test/", timeout=20)
    assert caught.value.code == 502
    assert b"vcr_host_refused" in caught.value.read()
"""
    )
    module(tmp_path, "test_offline.py", text)
    recorded = run(tmp_path, "--mitmvcr-offline", **base(upstream))
    assert recorded.counts == {"passed": 1}, recorded.output


@pytest.mark.slow
def test_what_came_from_a_gateway_is_replayed_where_no_variable_names_it(
    tmp_path: Path, upstream: Upstream
) -> None:
    module(tmp_path, "test_gateway.py", CLIENT + f"\n{MARK}\ndef test_a():\n    ask('one')\n")
    gateway = ["-o", f"mitmvcr_upstream={upstream.url}/"]
    assert run(tmp_path, *gateway, **KEY).counts == {"passed": 1}
    assert run(tmp_path, CI="true").counts == {"failed": 1}
    replayed = run(tmp_path, *gateway, CI="true")
    assert replayed.counts == {"passed": 1}, replayed.output


@pytest.mark.slow
def test_nothing_happens_unless_it_is_used(tmp_path: Path) -> None:
    module(
        tmp_path,
        "test_plain.py",
        "import os, sys\n"
        "def test_plain():\n"
        "    assert not [name for name in os.environ if 'PROXY' in name.upper() or 'OPENAI' in name]\n"
        "    heavy = {'mitmvcr.testing.session_proxy', 'mitmvcr.launch', 'mitmproxy'}\n"
        "    assert not heavy & set(sys.modules)\n",
    )
    plain = run(tmp_path)
    assert plain.counts == {"passed": 1}, plain.output
    assert "mitmvcr" not in plain.output
    module(tmp_path, "test_used.py", f"import pytest\n{MARK}\ndef test_used():\n    pass\n")
    collected = run(tmp_path, "--collect-only", "-q", "test_used.py")
    assert "test_used" in collected.output
    assert not (tmp_path / "cassettes").exists()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"{MARK}(casette='x')\ndef test_a(): pass", "takes cassette"),
        (f"{MARK}(match=['nonsense'])\ndef test_a(): pass", "match has 'nonsense'"),
        (f"{MARK}(cassette='../../../../../../out')\ndef test_a(): pass", "does not lie in"),
    ],
    ids=["unknown", "bad value", "outside"],
)
@pytest.mark.slow
def test_mistakes_are_said_without_a_traceback(tmp_path: Path, text: str, said: str) -> None:
    module(tmp_path, "test_wrong.py", f"import pytest\n{text}\n")
    wrong = run(tmp_path, **KEY)
    assert wrong.status != 0
    assert said in wrong.output, wrong.output
    assert "Traceback" not in wrong.output


@pytest.mark.slow
def test_a_bad_mitmvcr_toml_ends_the_session_in_a_line(tmp_path: Path) -> None:
    (tmp_path / "mitmvcr.toml").write_text("mode = 'sometimes'\n")
    module(tmp_path, "test_used.py", f"import pytest\n{MARK}\ndef test_used():\n    pass\n")
    wrong = run(tmp_path, **KEY)
    assert wrong.status == 4
    assert "ERROR: mitmvcr: mode is 'sometimes'" in wrong.output


class LateAnswers(BaseHTTPRequestHandler):
    """An API whose answers take longer than the test that asks for them."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        time.sleep(4)
        message = {"index": 0, "message": {"role": "assistant", "content": "late"}, "finish_reason": "stop"}
        body = json.dumps({"id": "c", "object": "chat.completion", "choices": [message]}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: object) -> None:
        """Nothing on the terminal."""


@pytest.mark.parametrize("arguments", [(), ("-p", "xdist", "-n", "1")], ids=["alone", "xdist"])
@pytest.mark.slow
def test_what_the_proxy_fails_at_after_the_last_test_fails_the_session(
    tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    module(
        tmp_path,
        "test_late.py",
        CLIENT
        + f"""
import threading, time

{MARK}
def test_asks_in_the_background():
    global asking
    asking = threading.Thread(target=ask, args=("x",))
    asking.start()
    time.sleep(1)  # it has asked, and has no answer yet

def test_waits():
    asking.join()
""",
    )
    with ThreadingHTTPServer(("127.0.0.1", 0), LateAnswers) as server:
        threading.Thread(target=server.serve_forever).start()
        try:
            url = f"http://127.0.0.1:{server.server_port}/v1"
            late = run(tmp_path, *arguments, **KEY, OPENAI_BASE_URL=url)
        finally:
            server.shutdown()
    assert late.counts == {"passed": 2}, late.output
    assert late.status == 1, late.output
    assert "= mitmvcr =" in late.output
    assert "the cassette was closed before the exchange ended" in late.output


@pytest.mark.parametrize("number", ["SIGKILL", "SIGTERM"])
@pytest.mark.slow
def test_proxy_that_ends_by_itself_fails_the_session_with_its_last_words(
    tmp_path: Path, upstream: Upstream, number: str
) -> None:
    module(
        tmp_path,
        "test_ends.py",
        CLIENT
        + f"""
import signal, subprocess, time

{MARK}
def test_misses():
    with pytest.raises(Exception):
        ask("x")

def test_ends_it():
    parent = f"--ppid={{os.getpid()}}"
    for line in subprocess.check_output(["ps", "-ww", "-o", "pid,args", parent], text=True).splitlines()[1:]:
        if "entrypoint.py" in line:
            os.kill(int(line.split()[0]), signal.{number})
    time.sleep(1)
""",
    )
    url = upstream.url + "/v1"
    ended = run(tmp_path, "--record-mode", "none", **KEY, OPENAI_BASE_URL=url)
    assert ended.counts == {"failed": 1, "passed": 1}, ended.output
    assert ended.status == 1
    assert "= mitmvcr =" in ended.output
    assert f"the proxy ended by itself, with status {'-9' if number == 'SIGKILL' else '1'}: " in ended.output


def test_several_cassettes_in_one_test(tmp_path: Path, upstream: Upstream) -> None:
    module(
        tmp_path,
        "test_two.py",
        CLIENT
        + """
def test_two(mitmvcr):
    with mitmvcr.use_cassette("first"):
        ask("one")
    with mitmvcr.use_cassette("second"):
        ask("two")
""",
    )
    assert run(tmp_path, **base(upstream)).counts == {"passed": 1}
    made = sorted(path.name for path in (tmp_path / "cassettes" / "test_two").iterdir())
    assert made == ["first.yaml", "second.yaml"]
    assert run(tmp_path, **offline(upstream)).counts == {"passed": 1}
