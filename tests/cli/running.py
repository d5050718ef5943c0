"""`mitmvcr run` and its kin as processes, with an environment that nobody has touched."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.harness import ROOT, confdir

_LED = ("PROXY", "OPENAI", "SSL_CERT", "CA_BUNDLE", "CA_CERTS", "CAINFO", "JAVA_TOOL", "MITMVCR", "DENO_CERT")
PROGRAM = [sys.executable, "-P", "-m", "mitmvcr"]
PATIENCE = 90.0

ASK = """
import json, os, sys, urllib.request
url = sys.argv[1] if len(sys.argv) > 1 else os.environ["OPENAI_BASE_URL"] + "/chat/completions"
asked = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hello"}]}
headers = {"Content-Type": "application/json", "Authorization": "Bearer " + "k" * 40}
try:
    with urllib.request.urlopen(urllib.request.Request(url, json.dumps(asked).encode(), headers)) as answer:
        print(json.load(answer)["choices"][0]["message"]["content"])
except urllib.error.HTTPError as error:
    print(json.load(error)["error"]["message"])
"""
"""Asks once, by the base URL or at the URL that it is given, and prints what it is told."""


def clean(folder: Path, **more: str | Path) -> dict[str, str]:
    """This process's environment without what leads programs to proxies; temporary files go to `folder`."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name != "CI" and not any(part in name.upper() for part in _LED)
    }
    (folder / "tmp").mkdir(exist_ok=True)
    own = {"PYTHONPATH": str(ROOT / "addon"), "PYTHONDONTWRITEBYTECODE": "1", "TMPDIR": str(folder / "tmp")}
    return {**kept, **own, **{name: str(value) for name, value in more.items()}}


def run_command(*options: str) -> list[str]:
    """`mitmvcr run` with the tests' CA; what follows are its options, -- and the program."""
    return [*PROGRAM, "run", "--confdir", str(confdir()), *options]


def run(
    folder: Path, *options: str, env: dict[str, str] | None = None, stdin: str = ""
) -> subprocess.CompletedProcess[str]:
    """`mitmvcr run` to its end, in the folder; it leaves nothing but cassettes, and shows no traceback."""
    done = subprocess.run(
        run_command(*options),
        cwd=folder,
        env=env or clean(folder),
        input=stdin,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    assert not list((folder / "tmp").iterdir()), done.stderr
    return done


@contextmanager
def started(
    folder: Path, *command: str, env: dict[str, str] | None = None
) -> Iterator[subprocess.Popen[str]]:
    """A command that runs until the block's end; its output is in pipes."""
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=env or clean(folder),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()
