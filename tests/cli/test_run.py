"""`mitmvcr run`: real programs with the proxy behind them, and how it ends."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Self

import pytest

from mitmvcr.store.cassette import read
from tests.build import interaction, write
from tests.cli.running import ASK, PATIENCE, PROGRAM, clean, run, run_command, started
from tests.harness import confdir
from tests.launch.test_process import is_gone, wait_until_gone
from tests.upstream.server import Upstream

ASKING = [sys.executable, "-c", ASK]
HELLO = ("--", "sh", "-c")


def environment_of(folder: Path, *options: str, env: dict[str, str] | None = None) -> dict[str, str]:
    """What a program finds in its environment."""
    code = "import json, os; print(json.dumps(dict(os.environ)))"
    done = run(folder, *options, "--", sys.executable, "-c", code, env=env)
    assert done.returncode == 0, done.stderr
    found: dict[str, str] = json.loads(done.stdout)
    return found


@pytest.mark.slow
def test_what_is_recorded_by_base_url_is_replayed_by_proxy_and_the_other_way_round(tmp_path: Path) -> None:
    with Upstream.start(tls=True) as upstream:
        url = f"{upstream.url}/v1"
        env = clean(tmp_path, OPENAI_BASE_URL=url, SSL_CERT_FILE=str(upstream.ca))
        by_base = run(tmp_path, "--cassette", "by base", "--", *ASKING, env=env)
        assert by_base.returncode == 0, by_base.stderr
        # To loopback programs use no proxy, as everywhere.
        direct = ["env", "-u", "NO_PROXY", "-u", "no_proxy", *ASKING, f"{url}/chat/completions"]
        by_proxy = run(tmp_path, "--cassette", "by proxy", "--", *direct, env=env)
        assert by_proxy.stdout == by_base.stdout != ""
        assert "1 recorded" in by_proxy.stderr
    for name in ("by base", "by proxy"):
        (one,) = read(tmp_path / "recordings" / f"{name}.yaml").cassette.interactions
        assert one.request.url == f"{url}/chat/completions"
    env = clean(tmp_path, OPENAI_BASE_URL=url)
    crossed = run(tmp_path, "--cassette", "by proxy", "--mode", "replay", "--", *ASKING, env=env)
    assert (crossed.returncode, crossed.stdout) == (0, by_base.stdout), crossed.stderr
    crossed = run(tmp_path, "--cassette", "by base", "--mode", "replay", "--", *direct, env=env)
    assert (crossed.returncode, crossed.stdout) == (0, by_base.stdout), crossed.stderr


def test_programs_started_by_the_program_are_served_too(tmp_path: Path, upstream: Upstream) -> None:
    env = clean(tmp_path, OPENAI_BASE_URL=f"{upstream.url}/v1")
    line = f"({shlex.join(ASKING)}); {shlex.join(ASKING)} & wait"
    done = run(tmp_path, *HELLO, line, env=env)
    assert done.returncode == 0
    assert "2 recorded" in done.stderr


def test_a_miss_fails_a_run_that_would_have_succeeded_and_says_why(tmp_path: Path) -> None:
    done = run(tmp_path, "--mode", "replay", "--", *ASKING)
    assert done.returncode == 1
    assert "does not exist" in done.stdout
    assert "mitmvcr: miss: " in done.stderr
    assert "1 miss" in done.stderr
    assert "did not hold" in done.stderr


@pytest.mark.slow
def test_what_strict_finds_unused_fails_the_run(tmp_path: Path) -> None:
    write(tmp_path / "recordings" / "one.yaml", interaction())
    assert run(tmp_path, "--cassette", "one", "--", "true").returncode == 0
    done = run(tmp_path, "--cassette", "one", "--strict", "true", "--", "true")
    assert done.returncode == 1
    assert "never asked for" in done.stderr


def test_the_programs_own_failure_is_the_status(tmp_path: Path) -> None:
    assert run(tmp_path, "--mode", "replay", *HELLO, f"{shlex.join(ASKING)}; exit 7").returncode == 7


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV])
def test_a_program_that_a_signal_ended_gives_a_shells_status(tmp_path: Path, number: signal.Signals) -> None:
    assert run(tmp_path, *HELLO, f"kill -{int(number)} $$").returncode == 128 + number


def test_what_is_no_command_has_a_shells_status_and_starts_nothing(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no program")
    (tmp_path / "garbage").write_bytes(b"\x00\x01")
    (tmp_path / "garbage").chmod(0o755)
    for command, status, told in (
        ("no-such-command", 127, "there is no such command"),
        ("./absent", 127, "no such file"),
        ("./text", 126, "not executable"),
        (".", 127, "there is no such command"),
        ("./tmp", 126, "a folder"),
        ("./garbage", 126, "exec format error"),
    ):
        done = run(tmp_path, "--", command)
        assert done.returncode == status, (command, done.stderr)
        assert told in done.stderr
    for nothing in ((), ("--",), ("--mode", "replay")):
        done = run(tmp_path, *nothing)
        assert done.returncode == 2
        assert "usage: mitmvcr run" in done.stderr


@pytest.mark.slow
def test_the_programs_arguments_are_its_own(tmp_path: Path) -> None:
    code = "import sys; print(sys.argv[1:])"
    words = ["--mode", "--", "-v", "a b", "", "--help", "*"]
    for separator in (["--"], []):
        done = run(tmp_path, *separator, sys.executable, "-c", code, *words)
        assert done.stdout == f"{words}\n", done.stderr


def test_stdin_and_other_open_files_are_the_programs(tmp_path: Path) -> None:
    read_end, write_end = os.pipe()
    os.write(write_end, b"by three")
    os.close(write_end)
    command = run_command("--", "sh", "-c", f"cat; cat /dev/fd/{read_end}")
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env=clean(tmp_path),
        input=b"by \x00stdin ",
        stdout=subprocess.PIPE,
        pass_fds=[read_end],
        timeout=PATIENCE,
        check=True,
    )
    os.close(read_end)
    assert done.stdout == b"by \x00stdin by three"


def test_a_reader_that_goes_away_ends_the_program_as_in_any_pipe(tmp_path: Path) -> None:
    line = f"{shlex.join(run_command('--', 'yes'))} | head -n 1; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", line],
        cwd=tmp_path,
        env=clean(tmp_path),
        capture_output=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.stdout == b"y\n"
    assert done.returncode == 128 + signal.SIGPIPE


@pytest.mark.slow
def test_only_what_matters_is_said_among_the_programs_lines(tmp_path: Path, upstream: Upstream) -> None:
    env = clean(tmp_path, OPENAI_BASE_URL=f"{upstream.url}/v1")
    quiet = run(tmp_path, "--", *ASKING, env=env)
    assert quiet.stderr == "mitmvcr: 1 recorded, 0 replayed, 0 misses, 0 unused (recordings/default.yaml)\n"
    loud = run(tmp_path, "-v", "--", *ASKING, env=env)
    assert "mitmvcr: POST 127.0.0.1/v1/chat/completions: replayed" in loud.stderr


@pytest.mark.slow
def test_in_a_ci_it_replays_unless_told_otherwise(tmp_path: Path, upstream: Upstream) -> None:
    env = clean(tmp_path, OPENAI_BASE_URL=f"{upstream.url}/v1", CI="true")
    done = run(tmp_path, "--", *ASKING, env=env)
    assert done.returncode == 1
    assert "CI is set, so the mode is replay" in done.stderr
    assert upstream.requests() == []
    assert run(tmp_path, "--mode", "once", "--", *ASKING, env=env).returncode == 0
    (tmp_path / "mitmvcr.toml").write_text('mode = "record"\n')
    assert "1 recorded" in run(tmp_path, "--", *ASKING, env=env).stderr


@pytest.mark.slow
def test_replay_gives_a_key_and_once_does_when_the_cassette_is_there(tmp_path: Path) -> None:
    assert environment_of(tmp_path, "--mode", "replay")["OPENAI_API_KEY"]
    assert "OPENAI_API_KEY" not in environment_of(tmp_path)
    write(tmp_path / "recordings" / "one.yaml", interaction())
    assert environment_of(tmp_path, "--cassette", "one")["OPENAI_API_KEY"]


def test_azure_and_openai_each_have_their_upstream(tmp_path: Path, upstream: Upstream) -> None:
    path = "/openai/deployments/d/chat/completions?api-version=2024-06-01"
    env = clean(tmp_path, AZURE_OPENAI_ENDPOINT=f"{upstream.url}/", OPENAI_BASE_URL="http://127.0.0.1:9/v1")
    line = f'{shlex.join(ASKING)} "${{AZURE_OPENAI_ENDPOINT}}{path[1:]}"'
    done = run(tmp_path, *HELLO, line, env=env)
    assert done.returncode == 0, done.stderr
    (one,) = read(tmp_path / "recordings" / "default.yaml").cassette.interactions
    assert one.request.url == upstream.url + path


@pytest.mark.slow
def test_a_run_inside_of_a_run_goes_through_the_outer_one(tmp_path: Path) -> None:
    with Upstream.start(tls=True) as upstream:
        env = clean(tmp_path, OPENAI_BASE_URL=f"{upstream.url}/v1", SSL_CERT_FILE=str(upstream.ca))
        inner = run_command("--cassette", "inner", "--", *ASKING)
        for way in ("auto", "base-url"):
            done = run(tmp_path, "--cassette", f"outer {way}", "--via", way, "--", *inner, env=env)
            assert done.returncode == 0, done.stderr
            assert done.stderr.count("1 recorded") == 2, done.stderr
            (tmp_path / "recordings" / "inner.yaml").rename(tmp_path / "recordings" / f"inner {way}.yaml")
    urls = {
        one.request.url
        for path in (tmp_path / "recordings").iterdir()
        for one in read(path).cassette.interactions
    }
    assert urls == {f"{upstream.url}/v1/chat/completions"}
    # The outer one replays: the inner one, which would record, never reaches upstream.
    done = run(tmp_path, "--cassette", "outer auto", "--mode", "replay", "--", *inner, env=env)
    assert done.returncode == 0, done.stderr
    assert "1 replayed" in done.stderr


def test_this_machine_is_not_asked_through_a_proxy_that_the_user_needs(
    tmp_path: Path, upstream: Upstream
) -> None:
    env = clean(tmp_path, OPENAI_BASE_URL=f"{upstream.url}/v1", HTTPS_PROXY="http://127.0.0.1:9")
    assert run(tmp_path, "--", *ASKING, env=env).returncode == 0


def test_names_folders_and_temporary_files_may_have_blanks_and_quotes(
    tmp_path: Path, upstream: Upstream
) -> None:
    folder = tmp_path / 'it\'s a "folder"'
    folder.mkdir()
    env = clean(folder, OPENAI_BASE_URL=f"{upstream.url}/v1")
    options = ("--cassette", "sub folder/a name", "--dir", "my recordings")
    assert run(folder, *options, "--", *ASKING, env=env).returncode == 0
    assert (folder / "my recordings" / "sub folder" / "a name.yaml").exists()


@pytest.mark.slow
def test_wrong_options_end_it_before_anything_starts(tmp_path: Path) -> None:
    for options, told in (
        (["--mode", "sometimes"], "mode is 'sometimes'"),
        (["--upstream", "nonsense"], "--upstream is 'nonsense'"),
        (["--set", "vcr_mode=replay"], "give --mode"),
        (["--via", "proxy", "--upstream", "http://localhost:1"], "loopback"),
        (["--mode", "replay", "--cassette", "absent"], "there is no such cassette"),
        (["--confdir", "/dev/null/x"], "--confdir"),
    ):
        done = run(tmp_path, *options, *HELLO, "echo started")
        assert (done.returncode, done.stdout) == (1, ""), (options, done.stderr)
        assert told in done.stderr, done.stderr
        assert len(done.stderr.splitlines()) == 1, done.stderr


def test_it_works_without_a_home_that_can_be_written(tmp_path: Path, upstream: Upstream) -> None:
    (tmp_path / "home").touch()
    env = clean(tmp_path, OPENAI_BASE_URL=f"{upstream.url}/v1", HOME=tmp_path / "home")
    done = subprocess.run(
        [*PROGRAM, "run", "--", *ASKING], cwd=tmp_path, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert not list((tmp_path / "tmp").iterdir())


_READY = "trap 'echo got INT' INT; trap 'exit 5' TERM; echo ready; while :; do sleep 0.05; done"


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 5), (signal.SIGHUP, 129)])
def test_a_signal_goes_to_the_program_and_all_ends_with_it(
    tmp_path: Path, number: signal.Signals, status: int
) -> None:
    with started(tmp_path, *run_command(*HELLO, _READY)) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        assert process.wait(PATIENCE) == status
    assert not list((tmp_path / "tmp").iterdir())


def test_a_program_that_goes_on_after_a_signal_is_waited_for(tmp_path: Path) -> None:
    with started(tmp_path, *run_command(*HELLO, _READY)) as process:
        assert process.stdout is not None
        process.stdout.readline()
        for _ in range(2):
            process.send_signal(signal.SIGINT)
            assert process.stdout.readline() == "got INT\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 5


def proxy_of(pid: int) -> int:
    """The process id of a run's proxy."""
    found = subprocess.run(
        ["ps", "-ww", "-o", "pid=,args=", "--ppid", str(pid)], capture_output=True, text=True, check=True
    )
    (line,) = (line for line in found.stdout.splitlines() if "entrypoint.py" in line)
    return int(line.split()[0])


def test_nothing_stays_when_the_run_itself_is_killed(tmp_path: Path) -> None:
    with started(tmp_path, *run_command(*HELLO, "echo $$; read line; exit")) as process:
        assert process.stdout is not None
        program = int(process.stdout.readline())
        proxy = proxy_of(process.pid)
        process.kill()
        process.wait()
        assert wait_until_gone(proxy)
        assert not is_gone(program)  # it is the user's, and not ours to end
        os.kill(program, signal.SIGKILL)
    assert not list((tmp_path / "tmp").iterdir())


def test_a_signal_while_the_proxy_starts_ends_it(tmp_path: Path) -> None:
    with started(tmp_path, *run_command(*HELLO, "echo started")) as process:
        while not list((tmp_path / "tmp").iterdir()):
            assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 128 + signal.SIGTERM
        assert process.stdout is not None
        assert process.stdout.read() == ""
    assert not list((tmp_path / "tmp").iterdir())


def test_it_says_when_the_proxy_is_gone_and_fails(tmp_path: Path) -> None:
    with started(tmp_path, *run_command(*HELLO, "echo ready; read line; echo went on")) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdin is not None
        process.stdout.readline()
        os.kill(proxy_of(process.pid), signal.SIGKILL)
        assert "the proxy has ended (killed by signal 9) while sh runs" in process.stderr.readline()
        process.stdin.write("\n")
        process.stdin.flush()
        assert process.stdout.readline() == "went on\n"
        assert process.wait(PATIENCE) == 1
    assert not list((tmp_path / "tmp").iterdir())


def test_what_the_program_leaves_behind_is_not_waited_for(tmp_path: Path) -> None:
    done = run(tmp_path, *HELLO, "(exec >&- 2>&-; exec sleep 60) & echo $!")
    assert done.returncode == 0
    os.kill(int(done.stdout), signal.SIGKILL)


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_streams_that_are_closed_stay_closed_for_the_program(tmp_path: Path, closed: str) -> None:
    code = """
import os, sys
with open("seen", "w") as seen:
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            print(number, file=seen)
"""
    (tmp_path / "look.py").write_text(code)
    line = f"{shlex.join(run_command('--', 'sh', '-c', f'exec {sys.executable} look.py'))} {closed}"
    done = subprocess.run(
        ["bash", "-c", line], cwd=tmp_path, env=clean(tmp_path), capture_output=True, text=True, check=False
    )
    assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr
    # The interpreter that looks has the file `seen` open under the first number that is free.
    expected = {"<&-": 1, ">&-": 1, "2>&-": 1, "<&- >&- 2>&-": 3}[closed]
    assert len((tmp_path / "seen").read_text().split()) >= expected - 1
    assert not list((tmp_path / "tmp").iterdir())


def test_what_is_set_for_mitmproxy_wins_over_the_environment(tmp_path: Path) -> None:
    ca = tmp_path / "ca.pem"
    ca.write_bytes((confdir() / "mitmproxy-ca-cert.pem").read_bytes())
    env = clean(tmp_path, SSL_CERT_FILE=ca)
    done = run(tmp_path, "--set", f"ssl_verify_upstream_trusted_ca={ca}", "--", "echo", "ran", env=env)
    assert (done.returncode, done.stdout) == (0, "ran\n"), done.stderr


class Gateway:
    """An API that is also the user's own proxy: whoever asks for another host by CONNECT gets this one."""

    def __init__(self) -> None:
        self.targets: list[str] = []
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._server.getsockname()[1])
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._server.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError), connection.makefile("rb") as lines:
            while line := lines.readline():
                length = 0
                while (field := lines.readline()).strip():
                    if field.lower().startswith(b"content-length:"):
                        length = int(field.split(b":")[1])
                lines.read(length)
                if line.startswith(b"CONNECT "):
                    self.targets.append(line.split()[1].decode())
                    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
                    continue
                body = b'{"choices": [{"message": {"content": "Hi"}}]}'
                head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
                connection.sendall(head % len(body) + body)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._thread.join(10)
        self._server.close()


@pytest.mark.slow
@pytest.mark.parametrize("via", ["proxy", "base-url", "auto"])
@pytest.mark.parametrize("is_set", [True, False], ids=["with a base URL", "without"])
@pytest.mark.slow
def test_each_way_records_and_replays_from_the_same_upstream(tmp_path: Path, via: str, is_set: bool) -> None:
    base = "http://gateway.test/api/v1"
    with Gateway() as gateway:
        env = clean(tmp_path, HTTPS_PROXY=f"http://127.0.0.1:{gateway.port}")
        env |= {"OPENAI_BASE_URL": base} if is_set else {}
        upstream = [] if is_set else ["--upstream", base]
        asking = [*ASKING, *([] if is_set or via != "proxy" else [f"{base}/chat/completions"])]
        options = ["--via", via, "--cassette", "c"]
        for mode in ("once", "record", "new-episodes", "replay", "passthrough"):
            # The cassette knows where upstream is, when it has been recorded.
            more = upstream if mode in ("once", "passthrough") else []
            done = run(tmp_path, *options, "--mode", mode, *more, "--", *asking, env=env)
            assert (done.returncode, done.stdout) == (0, "Hi\n"), (mode, done.stderr)
            (one,) = read(tmp_path / "recordings" / "c.yaml").cassette.interactions
            assert one.request.url == f"{base}/chat/completions"
        assert gateway.targets == ["gateway.test:80"] * 3  # not by new-episodes and replay


def test_offline_a_recorded_host_is_asked_through_the_proxy_that_the_user_needs(tmp_path: Path) -> None:
    base = "http://gateway.test/api/v1"
    with Gateway() as gateway:
        env = clean(tmp_path, HTTPS_PROXY=f"http://127.0.0.1:{gateway.port}")
        options = ["--offline", "--via", "proxy", "--upstream", base]
        done = run(tmp_path, *options, "--", *ASKING, f"{base}/chat/completions", env=env)
        assert (done.returncode, done.stdout) == (0, "Hi\n"), done.stderr
        assert gateway.targets == ["gateway.test:80"]


def test_it_is_said_when_nothing_came(tmp_path: Path) -> None:
    done = run(tmp_path, "--", "true")
    assert done.returncode == 0
    assert "no request came to the proxy" in done.stderr
    assert "docs/clients.md" in done.stderr


_HANGS_UP = """
import os, socket, ssl, sys, urllib.parse
proxy = urllib.parse.urlsplit(os.environ["HTTPS_PROXY"])
plain = socket.create_connection((proxy.hostname, proxy.port))
plain.sendall(b"CONNECT API.openai.com.:443 HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n")
plain.recv(4096)
context = ssl.create_default_context(cafile=sys.argv[1] if sys.argv[1:] else None)
if not sys.argv[1:]:
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
try:
    tls = context.wrap_socket(plain, server_hostname="api.openai.com")
    tls.close()
except ssl.SSLError as error:
    print(error)
"""


@pytest.mark.parametrize("mode", ["once", "replay"])
@pytest.mark.parametrize("sends_alert", [True, False])
def test_it_is_said_when_a_handshake_was_all_that_came(tmp_path: Path, mode: str, sends_alert: bool) -> None:
    (tmp_path / "hang_up.py").write_text(_HANGS_UP)
    others = tmp_path / "other.pem"
    others.write_bytes(expired_ca())
    options = [str(others)] if sends_alert else []
    done = run(tmp_path, "--mode", mode, "--", sys.executable, "hang_up.py", *options)
    assert "TLS handshake without a request was all that came for api.openai.com (1)" in done.stderr
    assert ("verify failed" in done.stdout) is sends_alert


def test_a_url_that_no_server_has_is_named_with_its_place(tmp_path: Path) -> None:
    urls = (
        "http://api:REDACTED-token-1",
        "http://api:REDACTED-token-2",
        "https://openrouter.ai/api/v1/models",
    )
    write(
        tmp_path / "recordings" / "odd.yaml",
        *(interaction(number, url=url) for number, url in enumerate(urls)),
    )
    done = run(tmp_path, "--mode", "replay", "--cassette", "odd", *HELLO, "echo $OPENAI_BASE_URL")
    assert done.stdout.endswith("/api/v1\n")
    assert "odd.yaml: interaction 0 has the URL 'http://api:REDACTED-token-1', which no server" in done.stderr


def test_offline_nothing_goes_to_other_hosts(tmp_path: Path) -> None:
    program = (
        "import urllib.request as r\ntry: r.urlopen('https://elsewhere.test/')\nexcept OSError as e: print(e)"
    )
    done = run(tmp_path, "--offline", "--", sys.executable, "-c", program)
    assert "502 Refused by mitmvcr" in done.stdout
    assert "refused, not recorded: elsewhere.test (1)" in done.stderr
    assert done.returncode == 0


def test_an_expired_ca_is_refused_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "ca").mkdir()
    (tmp_path / "ca" / "mitmproxy-ca.pem").write_bytes(expired_ca())
    done = run(tmp_path, "--confdir", str(tmp_path / "ca"), "--", "true")
    assert done.returncode == 1
    assert "expired on 20" in done.stderr
    assert "rm " in done.stderr


def expired_ca() -> bytes:
    """Mitmproxy's own CA, with its years over."""
    import datetime as dt  # noqa: PLC0415 - with the rest of what makes it

    from cryptography import x509  # noqa: PLC0415
    from cryptography.hazmat.primitives import hashes, serialization  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import rsa  # noqa: PLC0415

    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "mitmproxy")])
    key = rsa.generate_private_key(65537, 2048)
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=9))
        .not_valid_after(now - dt.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    own = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    return own + made.public_bytes(serialization.Encoding.PEM)
