"""`mitmvcr env`: lines that a shell, direnv, GitHub and docker take for what they are."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.build import interaction, write
from tests.cli.running import ASK, PATIENCE, PROGRAM, clean, started
from tests.harness import confdir
from tests.upstream.server import Upstream

SHOW = f"{shlex.quote(sys.executable)} -c 'import json, os; print(json.dumps(dict(os.environ)))'"


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A folder with the tests' CA, and with a name that has to be quoted."""
    folder = tmp_path / 'it\'s $HOME "quoted"'
    folder.mkdir()
    for path in confdir().glob("mitmproxy-*"):
        (folder / path.name).write_bytes(path.read_bytes())
    return folder


def env(folder: Path, *options: str | Path, **more: str) -> str:
    done = subprocess.run(
        [*PROGRAM, "env", *map(str, options)],
        cwd=folder,
        env=clean(folder, **more),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=True,
    )
    return done.stdout


def in_shell(folder: Path, lines: str, **more: str) -> dict[str, str]:
    """The environment of a program, after a shell has read the lines."""
    command = ["sh", "-c", f"{lines}\n{SHOW}"]
    done = subprocess.run(command, env=clean(folder, **more), capture_output=True, text=True, check=True)
    found: dict[str, str] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("flag", [[], ["--direnv"]], ids=["shell", "direnv"])
def test_a_shell_reads_it_back(own: Path, tmp_path: Path, flag: list[str]) -> None:
    after = in_shell(tmp_path, env(tmp_path, "--confdir", own, *flag, NO_PROXY="a b"))
    assert after["HTTPS_PROXY"] == after["https_proxy"] == "http://127.0.0.1:8080"
    assert after["OPENAI_BASE_URL"] == "http://127.0.0.1:8081/v1"
    assert after["NO_PROXY"].startswith("a b,localhost")
    bundle = Path(after["SSL_CERT_FILE"])
    assert bundle == own / "mitmvcr" / "bundle.pem"
    assert (own / "mitmproxy-ca-cert.pem").read_text().strip() in bundle.read_text()


def test_reading_it_twice_is_as_good_as_once(own: Path, tmp_path: Path) -> None:
    lines = env(tmp_path, "--confdir", own)
    once = in_shell(tmp_path, lines)
    led = {name: value for name, value in once.items() if name in lines}
    assert env(tmp_path, "--confdir", own, **led) == lines


def test_ports_and_upstream_are_those_that_are_given(own: Path, tmp_path: Path) -> None:
    options = ["--port", "9000", "--reverse-port", "9100", "--upstream", "https://openrouter.ai/api/v1"]
    more = {"AZURE_OPENAI_ENDPOINT": "https://x.openai.azure.com"}
    after = in_shell(tmp_path, env(tmp_path, "--confdir", own, *options, **more))
    assert after["HTTPS_PROXY"] == "http://127.0.0.1:9000"
    assert after["OPENAI_BASE_URL"] == "http://127.0.0.1:9100/api/v1"
    assert after["AZURE_OPENAI_ENDPOINT"] == "http://127.0.0.1:9101"


def test_a_key_is_there_where_it_replays(own: Path, tmp_path: Path) -> None:
    assert "OPENAI_API_KEY=" not in env(tmp_path, "--confdir", own)
    assert "OPENAI_API_KEY=" in env(tmp_path, "--confdir", own, "--mode", "none")
    assert "OPENAI_API_KEY=" in env(tmp_path, "--confdir", own, CI="true")


def test_github_reads_it_back(own: Path, tmp_path: Path) -> None:
    text = env(tmp_path, "--confdir", own, "--github", NO_PROXY="one\ntwo")
    found, lines = {}, iter(text.splitlines())
    for line in lines:  # as the runner does, FileCommandManager.cs
        name, equals, value = line.partition("=")
        if "<<" in line and (not equals or line.index("<<") < line.index("=")):
            name, _, end = line.partition("<<")
            value = "\n".join(iter(lines.__next__, end))
        found[name] = value
    assert found["NO_PROXY"] == "one\ntwo,localhost,127.0.0.1,::1"
    assert found["SSL_CERT_FILE"] == str(own / "mitmvcr" / "bundle.pem")
    assert found["JAVA_TOOL_OPTIONS"].endswith("=jks")


def test_docker_is_told_addresses_and_a_mount(own: Path, tmp_path: Path) -> None:
    words = shlex.split(env(tmp_path, "--confdir", own, "--docker", JAVA_TOOL_OPTIONS="-Xmx9g"))
    flags = list(zip(words[::2], words[1::2], strict=True))
    assert ("--volume", f"{own / 'mitmvcr'}:/mitmvcr:ro") in flags
    assert ("--add-host", "host.docker.internal:host-gateway") in flags
    after = dict(value.split("=", 1) for flag, value in flags if flag == "--env")
    assert after["HTTPS_PROXY"] == "http://host.docker.internal:8080"
    assert after["OPENAI_BASE_URL"] == "http://host.docker.internal:8081/v1"
    assert after["NO_PROXY"].split(",")[-1] == "host.docker.internal"
    assert after["SSL_CERT_FILE"] == "/mitmvcr/bundle.pem"
    assert "-Xmx9g" not in after["JAVA_TOOL_OPTIONS"]
    assert str(own) not in " ".join(after.values())


@pytest.mark.parametrize("flag", [[], ["--direnv"], ["--github"], ["--docker"]], ids=" ".join)
def test_no_password_is_printed_unless_it_is_wanted(own: Path, tmp_path: Path, flag: list[str]) -> None:
    more = {
        "OPENAI_BASE_URL": "https://user:hush@gateway.example/v1",
        "AZURE_OPENAI_ENDPOINT": "https://user:hush@x.openai.azure.com",
        "HTTPS_PROXY": "http://user:hush@corp.example:3128",
        "JAVA_TOOL_OPTIONS": "-Dhttp.proxyPassword=hush",
    }
    assert "hush" not in env(tmp_path, "--confdir", own, *flag, **more)
    upstream = ["--upstream", "https://user:hush@other.example"]
    assert "hush" not in env(tmp_path, "--confdir", own, *flag, *upstream, **more)
    assert "user:hush@" in env(tmp_path, "--confdir", own, "--passwords", *flag, **more)


def test_by_proxy_alone_no_base_url_is_printed(own: Path, tmp_path: Path) -> None:
    lines = env(tmp_path, "--confdir", own, "--via", "proxy", OPENAI_BASE_URL="https://gateway.example/v1")
    assert "HTTPS_PROXY=" in lines
    assert "OPENAI_BASE_URL=" not in lines.replace("MITMVCR_BASE_URLS=", "")


def test_upstream_is_what_the_cassette_of_the_configuration_was_recorded_from(
    own: Path, tmp_path: Path
) -> None:
    write(tmp_path / "tests" / "api.yaml", interaction(url="http://gateway:4000/api/v1/chat/completions"))
    (tmp_path / "mitmvcr.toml").write_text('dir = "tests"\ncassette = "api"\n')
    lines = env(tmp_path, "--confdir", own)
    assert "OPENAI_BASE_URL=http://127.0.0.1:8081/api/v1" in lines
    assert "http://gateway:4000/api/v1" in lines


@pytest.mark.slow
def test_programs_of_another_shell_come_to_a_running_proxy(tmp_path: Path, own: Path) -> None:
    with Upstream.start() as upstream:
        options = [
            "--confdir",
            str(own),
            "--upstream",
            f"{upstream.url}/v1",
            "--port",
            "0",
            "--via",
            "base-url",
        ]
        with started(tmp_path, *PROGRAM, "proxy", *options) as proxy:
            assert proxy.stderr is not None
            line = next(line for line in proxy.stderr if line.startswith("    eval "))
            assert f"--upstream {upstream.url}/v1" in line
            words = shlex.join([*PROGRAM[:-2], "-m", "mitmvcr"])
            asking = shlex.join([sys.executable, "-c", ASK])
            script = line.replace("mitmvcr env", f"{words} env", 1) + asking
            done = subprocess.run(
                ["sh", "-c", script],
                cwd=tmp_path,
                env=clean(tmp_path),
                capture_output=True,
                text=True,
                check=True,
            )
            assert done.stdout
            proxy.terminate()
            assert proxy.wait(PATIENCE) == 0
            assert "1 recorded" in proxy.stderr.read()
