"""The examples of docs/migration.md, run as they stand there: in-process before, through a proxy after."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mitmvcr.cli import main
from mitmvcr.formats.govcr import Dialect
from mitmvcr.model import Interaction, Request, Response
from mitmvcr.store.cassette import read
from tests.build import write
from tests.formats.real_vcrpy import VCRRequest, serialize, yamlserializer
from tests.go.build import HERE as GO
from tests.go.build import needs_go
from tests.harness import Proxy

PAGE = Path(__file__).parents[2] / "docs" / "migration.md"
BLOCKS = {
    found[2]: found[3]
    for found in re.finditer(
        r"^```(\w+) (\S+)\n(.*?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL
    )
}
COMPLETION = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "gpt-4o-mini-2024-07-18",
    "choices": [
        {
            "index": 0,
            "finish_reason": "stop",
            "message": {"role": "assistant", "content": "Sunny."},
            "logprobs": None,
        }
    ],
}
ASKED = [{"role": "user", "content": "How is the weather?"}]


def proxy(block: str, folder: Path) -> Proxy:
    """The proxy that the page starts, on free ports."""
    words = shlex.split(BLOCKS[block])
    assert words[:3] == ["mitmdump", "-s", "addon/vcr.py"]
    options: dict[str, Any] = {}
    upstream = ""
    for flag, value in zip(words[3::2], words[4::2], strict=True):
        if flag == "--set":
            name, _, given = value.partition("=")
            options[name.removeprefix("vcr_")] = given
        elif flag == "--mode":
            upstream = value.removeprefix("reverse:")
        else:
            assert flag == "--listen-port"
    return Proxy(folder, upstream=upstream, **options)


def run(block: str, started: Proxy, folder: Path) -> None:
    """The command that the page runs, with the ports that are there."""
    words = BLOCKS[block].replace("http://127.0.0.1:8080", started.url)
    words = words.replace("http://127.0.0.1:8081", started.reverse if "8081" in words else "")
    words = words.replace("~/.mitmproxy/mitmproxy-ca-cert.pem", str(started.ca))
    env, command = {}, shlex.split(words)
    while "=" in command[0]:
        name, _, env[name] = command.pop(0).partition("=")
    execute(command, folder, env)


def execute(command: list[str], folder: Path, env: dict[str, str]) -> None:
    """A test suite's run, which must pass."""
    if command[0] == "pytest":
        command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *command[1:]]
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        command,
        cwd=folder,
        env={**clean, "PYTHONDONTWRITEBYTECODE": "1", "GOFLAGS": "-mod=mod", **env},
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def nothing_missed(started: Proxy, replayed: int) -> None:
    """The proxy ends, having answered so often and missed nothing."""
    assert started.stop() == 0, started.output
    assert f"{replayed} replayed, 0 misses" in started.output


def write_vcrpy(folder: Path) -> None:
    """A cassette as VCR.py itself writes it."""
    request = VCRRequest(
        "POST",
        "https://api.openai.com/v1/chat/completions",
        json.dumps({"messages": ASKED, "model": "gpt-4o-mini"}).encode(),
        {"content-type": "application/json"},
    )
    response = {
        "status": {"code": 200, "message": "OK"},
        "headers": {"content-type": ["application/json"]},
        "body": {"string": json.dumps(COMPLETION).encode()},
    }
    folder.mkdir(parents=True)
    text = serialize({"requests": [request], "responses": [response]}, yamlserializer)
    (folder / "weather.yaml").write_text(text)


@pytest.mark.slow
def test_vcrpy_before_runs_in_process(tmp_path: Path) -> None:
    write_vcrpy(tmp_path / "tests" / "cassettes")
    (tmp_path / "test_weather.py").write_text(BLOCKS["vcrpy-before"])
    execute(["pytest"], tmp_path, {"OPENAI_API_KEY": "none"})


@pytest.mark.slow
def test_vcrpy_after_runs_through_the_proxy_on_the_same_cassette(tmp_path: Path) -> None:
    write_vcrpy(tmp_path / "tests" / "cassettes")
    (tmp_path / "test_weather.py").write_text(BLOCKS["vcrpy-after"])
    with proxy("vcrpy-proxy", tmp_path) as started:
        run("vcrpy-run", started, tmp_path)
        nothing_missed(started, 1)


def test_vcrpy_cassettes_are_converted_as_the_page_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_vcrpy(tmp_path / "tests" / "cassettes")
    monkeypatch.chdir(tmp_path)
    name, *arguments = shlex.split(BLOCKS["vcrpy-convert"])
    assert name == "mitmvcr"
    assert main(arguments) == 0
    loaded = read(tmp_path / "recordings" / "weather.yaml")
    assert loaded.format.name == "go-vcr"
    assert json.loads(loaded.cassette.interactions[0].response.body) == COMPLETION


def write_go(folder: Path, block: str) -> None:
    """A Go module with the block as its test, and its cassette."""
    for name in ("go.mod", "go.sum"):
        shutil.copy(GO / "govcr" / name, folder)
    (folder / "weather_test.go").write_text(BLOCKS[block])
    url = "https://api.openai.com/v1/models"
    request = Request("GET", url, host="api.openai.com")
    body = b'{"object": "list", "data": []}'
    response = Response(
        200, "200 OK", content_length=len(body), body=body, headers={"Content-Type": ["application/json"]}
    )
    write(folder / "testdata" / "models.yaml", Interaction(request, response), dialect=Dialect.STOCK)


@needs_go
def test_go_vcr_before_runs_in_process(tmp_path: Path) -> None:
    write_go(tmp_path, "govcr-before")
    execute(["go", "test", "./..."], tmp_path, {})


@needs_go
def test_go_vcr_after_runs_through_the_proxy_on_the_same_cassette(tmp_path: Path) -> None:
    write_go(tmp_path, "govcr-after")
    with proxy("govcr-proxy", tmp_path) as started:
        run("govcr-run", started, tmp_path)
        nothing_missed(started, 1)


@pytest.mark.slow
def test_llama_stacks_recordings_are_served_to_the_openai_client(tmp_path: Path) -> None:
    folder = tmp_path / "tests" / "integration" / "recordings"
    folder.mkdir(parents=True)
    kind = "openai.types.chat.chat_completion_chunk.ChatCompletionChunk"
    chunks = [
        {
            "__type__": kind,
            "__data__": {
                "id": "chatcmpl-1",
                "object": "chat.completion.chunk",
                "created": 1,
                "model": "llama3.2:3b",
                "choices": [{"index": 0, "delta": {"content": part}, "finish_reason": None}],
            },
        }
        for part in ("Sun", "ny.")
    ]
    recording = {
        "request": {
            "method": "POST",
            "url": "http://0.0.0.0:11434/v1/v1/chat/completions",
            "headers": {},
            "body": {"model": "llama3.2:3b", "messages": ASKED, "stream": True},
            "endpoint": "/v1/chat/completions",
            "model": "llama3.2:3b",
        },
        "response": {"body": chunks, "is_streaming": True},
    }
    (folder / "0a1b2c.json").write_text(json.dumps(recording))
    (tmp_path / "test_weather.py").write_text(BLOCKS["llamastack-after"])
    with proxy("llamastack-proxy", tmp_path) as started:
        run("llamastack-run", started, tmp_path)
        run("llamastack-run", started, tmp_path)  # as often as it is asked for
        nothing_missed(started, 2)
