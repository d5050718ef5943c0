"""Runs pytest with the plugin, as a user's suite does: a process of its own, in a folder of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.harness import ROOT, confdir

CLIENT = """\
import json, os, urllib.request

import pytest


def ask(text):
    asked = {"model": "m", "messages": [{"role": "user", "content": text}]}
    headers = {"Authorization": "Bearer " + os.environ["OPENAI_API_KEY"], "Content-Type": "application/json"}
    url = os.environ["OPENAI_BASE_URL"] + "/chat/completions"
    with urllib.request.urlopen(urllib.request.Request(url, json.dumps(asked).encode(), headers)) as answer:
        return json.load(answer)["choices"][0]["message"]["content"]

"""
"""The beginning of a test module: a question to ask, by what the environment says."""

SDK_CLIENT = """\
import os

import openai
import pytest

client = openai.OpenAI(max_retries=0)


def ask(text, using=client):
    answer = using.chat.completions.create(model="m", messages=[{"role": "user", "content": text}])
    return answer.choices[0].message.content

"""
"""The beginning of a test module with the SDK, whose import takes a second: a client made at import time."""

_COUNT = re.compile(r"(\d+) (passed|failed|errors?|skipped|xfailed)")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run of pytest came to; `counts` has the words of its last line."""

    status: int
    output: str
    counts: dict[str, int]


def run(folder: Path, *arguments: str, **environ: str) -> Outcome:
    """Run pytest in the folder; no variable that names a key, a proxy or CI comes from outside."""
    kept = {name: os.environ[name] for name in ("PATH", "TMPDIR", "LANG") if name in os.environ}
    # Whether it is installed or not: once, by its module's name.
    plugins = ["-p", "no:mitmvcr", "-p", "mitmvcr.testing.pytest_plugin"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:anyio", *plugins, *arguments],
        cwd=folder,
        env={
            **kept,
            "PYTHONPATH": f"{ROOT / 'addon'}{os.pathsep}{ROOT}",
            "PYTHONDONTWRITEBYTECODE": "1",
            "HOME": str(home(folder)),
            **environ,
        },
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    output = done.stdout + done.stderr
    assert "INTERNALERROR" not in output, output
    last = output.rstrip().splitlines()[-1] if output.strip() else ""
    counts = {word.rstrip("s") if word == "errors" else word: int(n) for n, word in _COUNT.findall(last)}
    return Outcome(done.returncode, output, counts)


def home(folder: Path) -> Path:
    """A home with mitmproxy's CA in it."""
    made = folder / "home"
    if not made.exists():
        made.mkdir()
        (made / ".mitmproxy").symlink_to(confdir())
    return made


def module(folder: Path, name: str, text: str) -> Path:
    """A module of the suite."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path
