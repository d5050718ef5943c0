"""What the README and docs say is so: options, commands, links, the curl line and the examples."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
import tomllib
import urllib.request
from pathlib import Path

import pytest

from mitmvcr.config import load
from mitmvcr.config.options import OPTIONS
from tests.conftest import Start
from tests.harness import ROOT

README = (ROOT / "README.md").read_text("utf-8")
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]


def curl_line() -> str:
    (line,) = (line for line in README.splitlines() if line.strip().startswith("curl -N"))
    return line.strip()


def test_every_option_is_documented_and_no_other() -> None:
    page = (ROOT / "docs" / "options.md").read_text("utf-8")
    rows = re.findall(r"^\| `vcr_(\w+)` \|", page, re.MULTILINE)
    assert rows == [option.name for option in OPTIONS]


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.name)
def test_a_documented_default_is_the_default(option: object) -> None:
    assert hasattr(option, "name")
    assert hasattr(option, "default")
    page = (ROOT / "docs" / "options.md").read_text("utf-8")
    (row,) = (line for line in page.splitlines() if line.startswith(f"| `vcr_{option.name}` |"))
    default = row.rstrip(" |").rpartition(" | ")[2].strip()
    if default.startswith("`"):
        assert default == f"`{option.default}`"
    elif option.default:
        assert option.name == "hosts"
        assert default == "OpenAI and Azure OpenAI"


def test_the_example_of_a_toml_file_is_one(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "options.md").read_text("utf-8")
    (example,) = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    path = tmp_path / "mitmvcr.toml"
    path.write_text(example)
    settings = load.read(tmp_path).settings({})
    assert settings.mode == "replay"
    assert settings.matching.ignore == tuple(tomllib.loads(example)["ignore"])


def test_help_has_every_option_of_the_proxy() -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "mitmvcr", "proxy", "--help"],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": str(ROOT / "addon"), "PATH": ""},
    ).stdout
    for option in OPTIONS:
        assert "--" + option.name.replace("_", "-") in shown


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", page.read_text("utf-8")):
        if not target.startswith("https://"):
            assert (page.parent / target).exists(), target


def test_the_readme_and_make_say_the_same_curl_line() -> None:
    words = shlex.split(curl_line())
    makefile = (ROOT / "Makefile").read_text("utf-8")
    assert f"export HAIKU = {words[words.index('-d') + 1]}\n" in makefile


def test_the_curl_line_of_the_readme_is_answered_by_a_stream_each_time(start: Start) -> None:
    words = shlex.split(curl_line())
    path = words[2].removeprefix("http://127.0.0.1:8081")
    proxy = start(
        upstream="https://api.openai.com",
        dir=ROOT / "recordings",
        cassette="haiku",
        mode="replay",
        repeat="any",
    )
    for _ in range(2):
        body = words[words.index("-d") + 1].encode()
        with urllib.request.urlopen(urllib.request.Request(proxy.reverse + path, body), timeout=30) as answer:
            assert answer.headers["Content-Type"].startswith("text/event-stream")
            events = answer.read().decode().split("\n\n")
        deltas = [json.loads(event.removeprefix("data: "))["choices"][0]["delta"] for event in events[:-2]]
        assert "".join(delta.get("content", "") for delta in deltas).startswith("Green dots in a row\n")
        assert events[-2:] == ["data: [DONE]", ""]
    assert proxy.stop() == 0


def test_the_demo_records_and_replays() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.demo"],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 recorded" in done.stdout
    assert "2 replayed" in done.stdout
    assert "duration:" in done.stdout
    assert done.stdout.rstrip().endswith("The same status and the same bytes.")
