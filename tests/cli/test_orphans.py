"""`mitmvcr orphans`: what no run used is listed and can be deleted, and nothing else ever is."""

from __future__ import annotations

import json
import os
import pty
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from mitmvcr import cli
from mitmvcr.reports import terminal_summary
from mitmvcr.store.lock import locked
from tests import build
from tests.cli.command import COMMAND, ENV, Ran, write_llamastack, write_vcrpy

Mitmvcr = Callable[..., Ran]


@pytest.fixture
def mitmvcr(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Mitmvcr:
    """The command, run in this process and in a folder."""

    def run(*arguments: str, cwd: Path) -> Ran:
        monkeypatch.chdir(cwd)
        capsys.readouterr()
        try:
            status = cli.main(arguments)
        except SystemExit as end:
            status = int(end.code or 0)
        return Ran(status, *capsys.readouterr())

    return run


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Cassettes of three formats, and what is none."""
    folder = tmp_path / "recordings"
    build.write(folder / "used.yaml", build.interaction(1))
    build.write(folder / "deep" / "old.yaml", build.interaction(1))
    write_vcrpy(folder / "deep" / "older.yml")
    write_llamastack(folder / "stack", "one.json")
    (folder / "notes.yaml").write_text("just: notes\n")
    (folder / "report.json").write_text("{}")
    (folder / "README.md").write_text("# Notes")
    build.write(folder / ".hidden" / "a.yaml", build.interaction(1))
    return folder


def report(folder: Path, asked: Mapping[str, bool] = MappingProxyType({}), name: str = "report.json") -> Path:
    """The report of a run in the folder's parent that opened these cassettes."""
    cassettes = [
        {"path": f"{folder.name}/{path}", "asked": value, "recorded": 0, "replayed": 0, "miss_count": 0}
        for path, value in asked.items()
    ]
    path = folder.parent / name
    document = {"version": 1, "dir": folder.name, "cwd": str(folder.parent), "failed": False}
    path.write_text(json.dumps(document | {"cassettes": cassettes}))
    return path


def change(path: Path, **values: Any) -> Path:
    path.write_text(json.dumps(json.loads(path.read_text()) | values))
    return path


ALL = {"used.yaml": True, "deep/old.yaml": True, "deep/older.yml": True, "stack": True}


def test_what_no_run_used_is_listed(mitmvcr: Mitmvcr, tree: Path) -> None:
    ran = mitmvcr("orphans", "--report", report(tree, {"used.yaml": True}).name, cwd=tree.parent)
    assert ran.status == 1
    assert ran.out.splitlines() == [
        "recordings/deep/old.yaml",
        "recordings/deep/older.yml",
        "recordings/stack/one.json",
    ]
    assert "3 cassettes that no run used" in ran.err


def test_several_reports_are_merged_however_they_are_given(mitmvcr: Mitmvcr, tree: Path) -> None:
    one = report(tree, {"used.yaml": True, "deep/old.yaml": False}, "one.json")
    two = report(tree, {"deep/old.yaml": True, "stack": True}, "two.json")
    three = report(tree, {"deep/older.yml": True}, "three.json")
    ran = mitmvcr("orphans", "--report", one.name, two.name, "--report", three.name, cwd=tree.parent)
    assert (ran.status, ran.out) == (0, "")
    assert "every cassette was used" in ran.err


def test_a_cassette_that_was_only_opened_is_an_orphan_and_said_to_be_opened(
    mitmvcr: Mitmvcr, tree: Path
) -> None:
    name = report(tree, ALL | {"deep/old.yaml": False}).name
    ran = mitmvcr("orphans", "--report", name, cwd=tree.parent)
    assert ran.out == "recordings/deep/old.yaml  (opened, but nothing was asked of it)\n"
    rows = json.loads(mitmvcr("orphans", "--report", name, "--format", "json", cwd=tree.parent).out)
    (row,) = rows["orphans"]
    size = (tree / "deep" / "old.yaml").stat().st_size
    assert row == {"path": "recordings/deep/old.yaml", "bytes": size, "opened": True}


def test_the_report_of_a_real_run_is_understood(
    mitmvcr: Mitmvcr, tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tree.parent)
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    table = build.sessions(Path("recordings"), mode="replay", report="out/r.json,out/r.xml")
    table.get("used").answer(build.request(1))
    table.get("deep/older").answer(build.request("a miss uses it too", url="https://h/"))
    table.open("stack", table.plan("stack"))
    table.close_all()
    terminal_summary.finish(table.closed, table.failures, table.settings)
    ran = mitmvcr("orphans", "--report", "out/r.json", cwd=tree.parent)
    assert ran.status == 1
    assert ran.out.splitlines() == [
        "recordings/deep/old.yaml",
        "recordings/stack/one.json",
    ]
    assert "this run failed" in ran.err
    assert "give the JSON one" in mitmvcr("orphans", "--report", "out/r.xml", cwd=tree.parent).err
    (tree.parent / "mitmvcr.toml").write_text('report = ["out/r.json", "out/r.xml"]\n')
    assert mitmvcr("orphans", cwd=tree.parent).out == ran.out


def test_it_deletes_when_told_to_and_only_cassettes(mitmvcr: Mitmvcr, tree: Path) -> None:
    name = report(tree, {"used.yaml": True}).name
    before = {path for path in tree.rglob("*") if path.is_file()}
    ran = mitmvcr("orphans", "--report", name, "--delete", "--yes", cwd=tree.parent)
    assert ran.status == 0
    assert "recordings/deep/old.yaml" in ran.out
    assert "3 cassettes deleted" in ran.err
    gone = before - {path for path in tree.rglob("*") if path.is_file()}
    assert {str(path.relative_to(tree)) for path in gone} == {
        "deep/old.yaml", "deep/older.yml", "stack/one.json",
    }  # fmt: skip


def test_without_a_terminal_and_yes_nothing_is_deleted(mitmvcr: Mitmvcr, tree: Path) -> None:
    ran = mitmvcr("orphans", "--report", report(tree).name, "--delete", cwd=tree.parent)
    assert ran.status == 2
    assert "add --yes" in ran.err
    assert (tree / "used.yaml").exists()


@pytest.mark.parametrize(("answer", "status"), [(b"y\n", 0), (b"\n", 2)])
def test_on_a_terminal_it_asks(tree: Path, answer: bytes, status: int) -> None:
    name = report(tree, ALL | {"used.yaml": False}).name
    ours, theirs = pty.openpty()
    command = [*COMMAND, "orphans", "--report", name, "--delete"]
    try:
        os.write(ours, answer)
        done = subprocess.run(
            command, stdin=theirs, capture_output=True, cwd=tree.parent, env=ENV, check=False, timeout=60
        )
    finally:
        os.close(ours)
        os.close(theirs)
    assert b"delete 1 cassette? [y/N]" in done.stderr
    assert done.returncode == status
    assert (tree / "used.yaml").exists() is (status != 0)


def test_links_are_neither_followed_nor_deleted(mitmvcr: Mitmvcr, tree: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    build.write(outside / "theirs.yaml", build.interaction(1))
    (tree / "linked").symlink_to(outside)
    (tree / "link.yaml").symlink_to(outside / "theirs.yaml")
    (tree / "alias.yaml").symlink_to(tree / "deep" / "old.yaml")
    used = {"alias.yaml": True, "deep/older.yml": True, "stack": True, "used.yaml": True}
    ran = mitmvcr("orphans", "--report", report(tree, used).name, "--delete", "--yes", cwd=tree.parent)
    assert (ran.status, ran.out) == (0, "")
    assert (outside / "theirs.yaml").exists()
    assert (tree / "link.yaml").is_symlink()


def test_a_cassette_that_is_being_recorded_or_can_not_be_read_is_kept(mitmvcr: Mitmvcr, tree: Path) -> None:
    broken = tree / "deep" / "older.yml"
    broken.write_bytes(broken.read_bytes()[:-20] + b"\x00: [")
    name = report(tree, {"used.yaml": True, "stack": True}).name
    with locked(tree / "deep" / "old.yaml"):
        ran = mitmvcr("orphans", "--report", name, "--delete", "--yes", cwd=tree.parent)
    assert ran.status == 2
    assert "is recording to it" in ran.err
    assert "older.yml" in ran.err
    assert (tree / "deep" / "old.yaml").exists()
    assert broken.exists()


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"version": 2}, "of version 2, and this mitmvcr reads 1: update mitmvcr"),
        ({"version": "1"}, "no report of mitmvcr"),
        ({"cassettes": [{"path": 3}]}, "no report of mitmvcr"),
        ({"dir": "tests/other"}, "the run used vcr_dir=tests/other, not recordings: give --dir tests/other"),
    ],
)
def test_a_report_that_can_not_be_used_is_refused(
    mitmvcr: Mitmvcr, tree: Path, values: dict[str, Any], said: str
) -> None:
    ran = mitmvcr(
        "orphans", "--report", change(report(tree), **values).name, "--delete", "--yes", cwd=tree.parent
    )
    assert ran.status == 2
    assert said in ran.err
    assert ran.err.count("\n") == 1
    assert (tree / "used.yaml").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--report", "none.json"), "none.json: the report can't be read: No such file or directory"),
        (("--report", "recordings"), "recordings: the report can't be read: Is a directory"),
        (("--report", "recordings/README.md"), "no report, for it is no JSON"),
        (("--report", "ok.json", "--dir", "nowhere"), "the run used vcr_dir=recordings, not nowhere"),
        ((), "no report is named: run with vcr_report=report.json"),
        (("--report",), "expected at least one argument"),
    ],
)
def test_wrong_usage_is_told_in_a_line(
    mitmvcr: Mitmvcr, tree: Path, arguments: tuple[str, ...], said: str
) -> None:
    report(tree, name="ok.json")
    ran = mitmvcr("orphans", *arguments, cwd=tree.parent)
    assert ran.status == 2
    assert said in ran.err


def test_a_run_on_another_machine_is_compared_by_where_the_folder_is(mitmvcr: Mitmvcr, tree: Path) -> None:
    name = change(report(tree, ALL), cwd="/elsewhere/shop").name
    assert mitmvcr("orphans", "--report", name, cwd=tree.parent).status == 0
    absolute = change(report(tree, ALL), dir=str(tree)).name
    assert mitmvcr("orphans", "--report", f"../{absolute}", "--dir", ".", cwd=tree).status == 0


def test_a_run_that_used_nothing_or_failed_is_said(mitmvcr: Mitmvcr, tree: Path) -> None:
    ran = mitmvcr("orphans", "--report", report(tree).name, cwd=tree.parent)
    assert "this run used no cassette at all" in ran.err
    ran = mitmvcr("orphans", "--report", change(report(tree, ALL), failed=True).name, cwd=tree.parent)
    assert ran.status == 0
    assert "this run failed" in ran.err
