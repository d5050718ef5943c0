"""What docs/secrets.md shows works."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from mitmvcr.cli import main
from mitmvcr.config import load
from mitmvcr.formats import vcrpy
from mitmvcr.model import Cassette, Request, Response
from mitmvcr.model import Interaction as Exchange
from mitmvcr.scrub import Policy
from mitmvcr.scrub.files import file_secrets
from tests.docs import kinds

ROOT = Path(__file__).parents[2]
DOCS = (ROOT / "docs" / "secrets.md").read_text()
KEY = "sk-" + "proj-" + "Ab3dE5" * 12


def block(language: str) -> str:
    (text,) = re.findall(rf"^```{language}\n(.*?)^```", DOCS, re.MULTILINE | re.DOTALL)
    return str(text)


def test_settings_are_accepted_and_do_what_is_said(tmp_path: Path) -> None:
    path = tmp_path / "mitmvcr.toml"
    path.write_text(block("toml"))
    policy = Policy.of(load.read(tmp_path).settings({}))
    body = (
        b'{"user": "u-1", "metadata": {"customer": "ACME"}, "note": "a@example.org /home/alice ticket-12345"}'
    )
    one = Exchange(Request("POST", "https://h/v1", body=body), Response(200, "200 OK"))
    data = vcrpy.dump(Cassette((one,)))
    clean = file_secrets.scrub(data, file_secrets.Rules(policy), file_secrets.memory_for([data], {})).data
    for gone in (b"u-1", b"ACME", b"a@example.org", b"alice", b"ticket-12345"):
        assert gone not in clean


def test_lint_prints_what_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    headers = {"Accept": ["*/*"], "Authorization": [f"Bearer {KEY}"]}
    one = Exchange(Request("GET", "https://h/v1", headers=headers), Response(200, "200 OK"))
    (tmp_path / "weather.yaml").write_bytes(vcrpy.dump(Cassette((one,))))
    monkeypatch.chdir(tmp_path)
    assert main(["lint", "."]) == 1
    shown, printed = (re.sub(r"\d+", "0", text) for text in (block("text"), capsys.readouterr().out))
    assert printed == shown


def test_hooks_that_are_shown_are_there() -> None:
    (repo,) = yaml.safe_load(block("yaml"))["repos"]
    there = {hook["id"] for hook in yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())}
    assert {hook["id"] for hook in repo["hooks"]} == there


def test_the_table_of_kinds_is_the_one_of_the_rules() -> None:
    """`python -m tests.docs.kinds` mends it."""
    assert kinds.parts(DOCS)[1] == kinds.table()
