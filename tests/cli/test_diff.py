"""`mitmvcr diff`: what changed between two cassettes, and git with it."""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from mitmvcr.model import Interaction, Response
from tests.build import CHAT, write
from tests.cli.command import COMMAND, ENV, KEY, exchange, mitmvcr, write_vcrpy
from tests.cli.test_show import STREAM, streamed


def again(one: Interaction, **changes: object) -> Interaction:
    """The same request, another answer."""
    return replace(one, response=replace(one.response, **changes))  # type: ignore[arg-type]


def told(text: str) -> Interaction:
    answer = json.dumps({"id": text, "choices": [{"message": {"content": text}}]}).encode()
    return again(exchange("Hi"), body=answer, content_length=len(answer))


def test_order_numbers_durations_and_the_format_are_no_change(tmp_path: Path) -> None:
    write(tmp_path / "a.yaml", exchange("one"), exchange("two", duration=5), streamed())
    write(tmp_path / "b.yaml", streamed(), exchange("two", duration=7), exchange("one"))
    write_vcrpy(tmp_path / "c.yaml", again(streamed(), proto="HTTP/1.1"), exchange("two"), exchange("one"))
    for other in ("b.yaml", "c.yaml"):
        ran = mitmvcr("diff", "a.yaml", other, cwd=tmp_path)
        assert (ran.status, ran.out, ran.err) == (0, "", "")


def test_changes_are_shown_by_place_with_both_values(tmp_path: Path) -> None:
    write(tmp_path / "a.yaml", exchange("same"), told("before"), exchange("old wording"))
    write(
        tmp_path / "b.yaml",
        exchange("same"),
        told("after"),
        exchange("new wording"),
        exchange("x", url=f"{CHAT}/x"),
    )
    ran = mitmvcr("diff", "a.yaml", "b.yaml", cwd=tmp_path)
    assert ran.status == 1
    heading, *lines = ran.out.splitlines()
    assert heading == "a.yaml → b.yaml: 1 the same, 2 changed, 1 new"
    assert lines[:9] == [
        "",
        f"~ 1  POST {CHAT}",
        "  response $.id",
        '    - "before"',
        '    + "after"',
        "  response $.choices[0].message.content",
        '    - "before"',
        '    + "after"',
        "",
    ]
    assert "  request $.messages[0].content" in lines
    assert '    - "old wording"' in lines
    assert f"+ 3  POST {CHAT}/x (200, 184 bytes)" in lines or f"+ 3  POST {CHAT}/x" in ran.out
    ignoring = mitmvcr("diff", "--ignore", "$.id", "a.yaml", "b.yaml", cwd=tmp_path)
    assert "response $.id" not in ignoring.out


def test_streams_are_put_together(tmp_path: Path) -> None:
    recut = STREAM.replace(b"Let me ", b"Let ").replace(b"look.", b"me look.")
    said = STREAM.replace(b"look.", b"see.").replace(b"Bern", b"Basel")
    write(tmp_path / "a.yaml", streamed())
    write(tmp_path / "recut.yaml", streamed(recut))
    write(tmp_path / "said.yaml", streamed(said))
    cut = mitmvcr("diff", "a.yaml", "recut.yaml", cwd=tmp_path)
    assert cut.status == 1
    assert "response events (it says the same in other events)\n" in cut.out
    assert f"- 7 events, {len(STREAM):,} bytes" in cut.out
    ran = mitmvcr("diff", "a.yaml", "said.yaml", cwd=tmp_path)
    assert "stream.messages.0.text\n    - Let me look.\n    + Let me see.\n" in ran.out
    assert "stream.messages.0.tool_calls.0.arguments.city\n    - Bern\n    + Basel\n" in ran.out


def test_what_is_shown_is_scrubbed_and_can_be_whole(tmp_path: Path) -> None:
    long = "word " * 200
    write(tmp_path / "a.yaml", told(long + KEY))
    write(tmp_path / "b.yaml", told(long + "other"))
    for arguments in ([], ["--full"], ["--json"]):
        ran = mitmvcr("diff", *arguments, "a.yaml", "b.yaml", cwd=tmp_path)
        assert KEY not in ran.out
        assert "REDACTED-" in ran.out
        assert (long in ran.out) == (arguments == ["--full"])
    (change,) = json.loads(ran.out)["changes"]
    assert (change["first"], change["second"]) == (0, 0)
    assert [leaf["path"] for leaf in change["response"]] == ["$.id", "$.choices[0].message.content"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["a.yaml"], "two cassettes are compared, and 1 were given"),
        (["a.yaml", "none.yaml"], "none.yaml: there is no such file"),
        (["a.yaml", "junk.yaml"], "junk.yaml"),
        (["--git", "a.yaml", "a.yaml"], "7 or 9 arguments, not 2"),
        (["--ignore", "$.[", "a.yaml", "a.yaml"], "ignore"),
    ],
)
def test_mistakes_have_status_2(arguments: list[str], said: str, tmp_path: Path) -> None:
    write(tmp_path / "a.yaml", exchange())
    (tmp_path / "junk.yaml").write_text("- 1\n")
    ran = mitmvcr("diff", *arguments, cwd=tmp_path)
    assert ran.status == 2
    assert said in ran.err
    assert ran.out == ""


def test_git_shows_it_as_its_own_diff(tmp_path: Path) -> None:
    def git(*arguments: str) -> str:
        done = subprocess.run(
            ["git", "-c", "user.name=n", "-c", "user.email=e@example.com", *arguments],
            cwd=tmp_path,
            env={**ENV, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null"},
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout

    command = " ".join(f"'{part}'" for part in COMMAND)
    git("init", "-q")
    (tmp_path / ".gitattributes").write_text("*.yaml diff=mitmvcr\n")
    write(tmp_path / "a.yaml", told("before"))
    git("add", ".")
    git("commit", "-qm", "one")
    (tmp_path / "a.yaml").unlink()
    write(tmp_path / "a.yaml", told("after"))
    write(tmp_path / "new.yaml", exchange())
    git("add", "-N", "new.yaml")
    git("config", "diff.mitmvcr.command", f"{command} diff --git")
    shown = git("diff")
    assert "a/a.yaml → b/a.yaml: 0 the same, 1 changed" in shown
    assert "a/new.yaml → b/new.yaml: 0 the same, 0 changed, 1 new" in shown
    git("config", "diff.mitmvcr.textconv", f"{command} show --all")
    shown = git("diff", "--no-ext-diff", "a.yaml")
    assert re.search(r'^- +"content": "before"$', shown, re.MULTILINE)
    assert re.search(r'^\+ +"content": "after"$', shown, re.MULTILINE)
    assert "~ 0  POST" in git("difftool", "-y", "-x", f"{command} diff", "a.yaml")


def test_an_empty_answer_and_a_binary_one_are_shown(tmp_path: Path) -> None:
    empty = Response(200, "200 OK", body=b"")
    write(tmp_path / "a.yaml", replace(exchange("x"), response=empty))
    write(tmp_path / "b.yaml", replace(exchange("x"), response=replace(empty, code=204, body=b"\xff\x00")))
    ran = mitmvcr("diff", "a.yaml", "b.yaml", cwd=tmp_path)
    assert "  response status\n    - 200\n    + 204\n" in ran.out
    assert "  response body\n    + 2 bytes\n" in ran.out
