"""The jobs in docs/ci.md, as far as the shell goes: their steps run, in order, on a small project."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import yaml

from mitmvcr.store.cassette import read
from tests.harness import ROOT
from tests.testing.runs import home
from tests.upstream.server import Upstream

BLOCKS = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs" / "ci.md").read_text("utf-8"), re.DOTALL)
TEST = """\
import openai


def test_haiku():
    answer = openai.OpenAI(max_retries=0).chat.completions.create(
        model="gpt-4o-mini", messages=[{"role": "user", "content": "QUESTION"}]
    )
    assert "QUESTION" in answer.choices[0].message.content
"""


def steps(block: str) -> Iterator[tuple[str, Mapping[str, str]]]:
    """The shell lines of a job, with their variables."""
    document = yaml.safe_load(block)
    if "replay" in document:
        yield from ((line, {}) for line in document["replay"]["script"])
        return
    (job,) = document["jobs"].values()
    yield from ((step["run"], step.get("env", {})) for step in job["steps"] if "run" in step)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A checkout with a test, and the job's tools on the PATH: pip has nothing to do here."""
    tools = tmp_path / "bin"
    tools.mkdir()
    python = shlex.quote(sys.executable)
    for name, command in (
        ("mitmvcr", f"{python} -m mitmvcr"),
        ("pytest", f"{python} -m pytest -p no:mitmvcr -p no:anyio -p no:cacheprovider"),
        ("pip", "test -e requirements.txt ||"),
    ):
        (tools / name).write_text(f'#!/bin/sh\n{command} "$@"\n')
        (tools / name).chmod(0o755)
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    (checkout / "requirements.txt").write_text("openai\npytest\n")
    (checkout / "recordings").mkdir()
    (checkout / "test_haiku.py").write_text(TEST.replace("QUESTION", "a haiku"))
    return checkout


def run(project: Path, block: str, **environ: str) -> list[subprocess.CompletedProcess[str]]:
    """Run a job's steps until one fails."""
    done = []
    for line, given in steps(block):
        variables = {
            name: "sk-" + "ci" * 24 if "secrets." in value else value for name, value in given.items()
        }
        done.append(
            subprocess.run(
                ["sh", "-e", "-c", line],
                cwd=project,
                env={
                    "PATH": f"{project.parent / 'bin'}{os.pathsep}{os.environ['PATH']}",
                    "HOME": str(home(project.parent)),
                    "PYTHONPATH": str(ROOT / "addon"),
                    "PYTHONDONTWRITEBYTECODE": "1",
                    "CI": "true",
                    **environ,
                    **variables,
                },
                capture_output=True,
                text=True,
                timeout=120,
                check=False,
            )
        )
        if done[-1].returncode:
            break
    return done


@pytest.mark.slow
def test_each_job_replays_what_the_recording_job_has_recorded(project: Path, upstream: Upstream) -> None:
    actions, recording, gitlab = BLOCKS
    base = {"OPENAI_BASE_URL": f"{upstream.url}/v1", "GITHUB_STEP_SUMMARY": str(project / "summary")}
    (project / "recordings" / "tests.yaml").write_text("version: 2\ninteractions: []\n")
    last = run(project, recording, **base)[-1]
    assert last.returncode == 0, last.stderr
    assert "0 the same, 0 changed, 1 new" in (project / "summary").read_text()
    assert len(read(project / "recordings" / "tests.yaml").cassette.interactions) == 1
    before = len(upstream.requests())

    for block in (actions, gitlab):
        done = run(project, block, **base)
        assert [one.returncode for one in done] == [0, 0, 0], done[-1].stdout + done[-1].stderr
        report = json.loads((project / "out" / "vcr.json").read_text())
        assert report["failed"] is False
        assert "<testsuite" in (project / "out" / "vcr.xml").read_text()

    (project / "test_haiku.py").write_text(TEST.replace("QUESTION", "a sonnet"))
    for block, annotated in ((actions, True), (gitlab, False)):
        failed = run(project, block, **base, **({"GITHUB_ACTIONS": "true"} if annotated else {}))[-1]
        assert failed.returncode == 1
        said = failed.stdout + failed.stderr
        assert "$.messages[0].content" in said
        assert ("::error" in said) == annotated
        assert json.loads((project / "out" / "vcr.json").read_text())["failed"] is True
    assert len(upstream.requests()) == before
