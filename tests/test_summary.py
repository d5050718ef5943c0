"""What a run came to: the terminal's lines, the report, and whether it failed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mitmvcr import summary
from mitmvcr.sessions import Report
from tests.build import interaction, request, sessions, write


def a(name: str = "a", **values: object) -> Report:
    return Report(name, f"recordings/{name}.yaml", "once", **values)  # type: ignore[arg-type]


def test_one_line_of_counts_names_the_cassettes_that_were_used() -> None:
    reports = [a(recorded=2, replayed=1), a("b", replayed=3, unused=["0 GET x"]), a("idle")]
    (line,) = summary.lines(reports, [])
    assert line == ("2 recorded, 4 replayed, 0 misses, 1 unused (recordings/a.yaml, recordings/b.yaml)")


def test_nothing_at_all_is_said_too() -> None:
    assert summary.lines([], []) == ["0 recorded, 0 replayed, 0 misses, 0 unused"]


def test_streams_that_broke_off_are_counted() -> None:
    assert "1 broken off (not recorded)" in summary.lines([a(cut=1)], [])[-1]
    assert "broken off" not in summary.lines([a(recorded=1)], [])[-1]


def test_misses_are_counted() -> None:
    assert "1 miss," in summary.lines([a(misses=["m"])], [])[-1]
    assert "2 misses," in summary.lines([a(misses=["m", "n"])], [])[-1]


def test_the_reasons_of_a_failure_are_said_first_and_not_without_end() -> None:
    said = summary.lines([a(strict=True, unused=["1 POST x"])], ["the disk is full"])
    assert said[0] == "failed: the disk is full"
    assert said[1].startswith("failed (strict): recordings/a.yaml")
    assert "1 POST x" in said[1]
    assert "1 failure" in said[-1]
    many = summary.lines([], [f"reason {n}" for n in range(40)])
    assert len(many) < 10
    assert any("35 more" in line for line in many)


def test_unused_recordings_are_no_failure_unless_strict() -> None:
    assert len(summary.lines([a(unused=["1 POST x"])], [])) == 1


@pytest.mark.parametrize(
    ("report", "failures", "failed"),
    [
        (a(recorded=1), [], False),
        (a(cut=3), [], False),
        (a(unused=["x"]), [], False),
        (a(unused=["x"], strict=True), [], True),
        (a(misses=["x"]), [], True),
        (a(), ["x"], True),
    ],
)
def test_the_report_says_whether_it_failed(report: Report, failures: list[str], failed: bool) -> None:
    document = json.loads(summary.as_json([report], failures))
    assert document["failed"] is failed
    assert document["failures"] == failures
    (one,) = document["cassettes"]
    assert one["name"] == "a"
    assert one["path"] == "recordings/a.yaml"
    assert {"recorded", "replayed", "misses", "unused"} <= one.keys()


def test_finish_prints_writes_the_report_and_tells_a_ci_to_fail(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / "a.yaml", interaction(1), interaction(2))
    table = sessions(tmp_path, mode="replay", report=str(tmp_path / "deep" / "report.json"))
    table.get("a").answer(request(1))
    table.get("a").answer(request(3))
    table.close_all()
    assert summary.finish(table) is True
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "mitmvcr: " in captured.err
    assert "0 recorded, 1 replayed, 1 miss, 1 unused" in captured.err
    document = json.loads((tmp_path / "deep" / "report.json").read_text("utf-8"))
    assert document["failed"] is True
    assert len(document["cassettes"][0]["misses"]) == 1


def test_a_run_without_a_miss_is_fine(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "a.yaml", interaction(1))
    table = sessions(tmp_path, mode="replay")
    table.get("a").answer(request(1))
    table.close_all()
    assert summary.finish(table) is False
    assert capsys.readouterr().err.count("\n") == 1


def test_a_report_that_can_not_be_written_is_a_failure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    table = sessions(tmp_path, report=str(tmp_path / "file" / "report.json"))
    assert summary.finish(table) is True
    assert "report.json: the report could not be written" in capsys.readouterr().err


def test_what_is_no_utf_8_is_reported_all_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "report.json"
    table = sessions(tmp_path, mode="replay", report=str(path))
    table.get("a").answer(request(b'{"a": "\\ud800"}', url="https://h/\udcff?\udcfe"))
    table.close_all()
    assert summary.finish(table) is True
    assert "1 miss" in capsys.readouterr().err
    assert "https://h/" in json.loads(path.read_text("utf-8"))["cassettes"][0]["misses"][0]
