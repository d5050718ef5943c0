"""What a run came to, for people: a screen at most, annotations in GitHub Actions, and the report's files."""

from __future__ import annotations

import json
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

from mitmvcr.misses.explain import Miss
from mitmvcr.reports import github, terminal_summary
from mitmvcr.reports.run_report import Report, Unused
from tests.build import CHAT, interaction, request, sessions, write


@pytest.fixture(autouse=True)
def _at_a_desk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    monkeypatch.delenv("CI", raising=False)


def a(name: str = "a", **values: Any) -> Report:
    return Report(name, f"recordings/{name}.yaml", "once", **values)


def a_miss(name: str = "a", url: str = CHAT, **values: object) -> Miss:
    path = f"recordings/{name}.yaml"
    said = f"cassette {path} has no recording of it"
    return Miss(name, path, "POST", url, "00" * 16, "different", said, **values)  # type: ignore[arg-type]


def missing(name: str, count: int, url: str = CHAT) -> Report:
    return a(name, miss_count=count, misses=[a_miss(name, url) for _ in range(min(count, 1000))])


def unused(count: int) -> dict[str, Any]:
    return {"unused_count": count, "unused": [Unused(n, "POST", CHAT) for n in range(min(count, 1000))]}


# --- the terminal


def test_one_line_of_counts_names_the_cassettes_that_were_used() -> None:
    reports = [a(recorded=2, replayed=1), a("b", replayed=3, **unused(1)), a("idle")]
    (line,) = terminal_summary.lines(reports, [])
    assert line == ("2 recorded, 4 replayed, 0 misses, 1 unused (recordings/a.yaml, recordings/b.yaml)")


def test_nothing_at_all_is_said_too() -> None:
    assert terminal_summary.lines([], []) == ["0 recorded, 0 replayed, 0 misses, 0 unused"]


def test_streams_that_broke_off_are_counted() -> None:
    assert "1 broken off (not recorded)" in terminal_summary.lines([a(cut=1)], [])[-1]
    assert "2 too large (not recorded)" in terminal_summary.lines([a(too_large=2)], [])[-1]
    assert "not recorded" not in terminal_summary.lines([a(recorded=1)], [])[-1]


def test_misses_are_counted_and_named() -> None:
    assert terminal_summary.lines([missing("a", 1)], []) == [
        f"miss: POST {CHAT} in recordings/a.yaml",
        "0 recorded, 0 replayed, 1 miss, 0 unused (recordings/a.yaml)",
    ]
    said = terminal_summary.lines([missing("a", 2), missing("b", 1)], [])
    assert said[0] == f"miss: POST {CHAT} (2 times) in recordings/a.yaml"
    assert "3 misses," in said[-1]


def test_the_reasons_of_a_failure_are_said_first_and_not_without_end() -> None:
    said = terminal_summary.lines([a(strict=True, **unused(1))], ["the disk is full"])
    assert said[0] == "failed: the disk is full"
    assert said[1] == f"failed (strict): recordings/a.yaml: never asked for: 0 POST {CHAT}"
    assert "vcr_mode=record" in said[2]
    assert "1 failure" in said[-1]
    many = terminal_summary.lines([], [f"reason {n}" for n in range(40)])
    assert len(many) < 10
    assert any("37 more" in line for line in many)


def test_unused_recordings_are_no_failure_unless_strict() -> None:
    assert len(terminal_summary.lines([a(**unused(1))], [])) == 1


def test_the_screen_holds_it_whatever_there_is_to_say() -> None:
    long = "x" * 300
    reports = [
        a(f"tests/{n}/{long}", replayed=1, strict=True, miss_count=2, misses=[
            a_miss(f"{n}{long}", f"https://h/{n}/{long}"), a_miss(f"{n}{long}", f"https://h/{n}/{long}?")
        ], **unused(1500))
        for n in range(500)
    ]  # fmt: skip
    said = [
        f"mitmvcr: {line}" for line in terminal_summary.lines(reports, [f"{n} {long * 3}" for n in range(50)])
    ]
    assert sum(-(-len(line) // 100) for line in said) <= 24
    assert "1000 misses" in said[-1]
    assert "50 failures" in said[-1]


def test_what_would_drive_the_terminal_is_escaped() -> None:
    nasty = "\x1b]0;title\x07\x9b31m"
    reports = [a(nasty, miss_count=1, misses=[a_miss(nasty, f"https://h/{nasty}")], strict=True, **unused(1))]
    for line in [
        *terminal_summary.lines(reports, [nasty]),
        terminal_summary.announcement(reports[0].misses[0], 11),
    ]:
        assert not set(line) & set("\x1b\x07\x9b")


def test_misses_are_told_as_they_come_less_and_less() -> None:
    said = [
        terminal_summary.announcement(a_miss(hints=("Record it",)), number) for number in range(1, 10_001)
    ]
    assert said[0] == f"miss: POST {CHAT}: cassette recordings/a.yaml has no recording of it\n  Record it"
    assert said[9] == said[0]
    assert said[10] == f"miss: POST {CHAT}: cassette recordings/a.yaml has no recording of it"
    assert "vcr_report" in said[100]
    assert set(said[101:]) == {""}


def test_where_nobody_looks_at_a_screen_all_of_it_is_said() -> None:
    long = "x" * 250
    misses = [a_miss("a", f"https://h/{n}/{long}") for n in range(40)]
    reports = [a(miss_count=40, misses=misses, strict=True, **unused(50))]
    failures = [f"failure {n} {long}" for n in range(20)]
    said = terminal_summary.lines(reports, failures, terminal_summary.WHOLE)
    assert not any("…" in line or " more" in line for line in said)
    for number in range(40):
        assert f"miss: POST https://h/{number}/{long} in recordings/a.yaml" in said
    for failure in failures:
        assert f"failed: {failure}" in said
    assert sum(f"{number} POST {CHAT}" in "".join(said) for number in range(50)) == 50


def test_what_was_redacted_is_said_in_a_line_a_cassette() -> None:
    report = a(recorded=2)
    report.add_redacted({("password", "request.body $.password"): 2, ("token", "response.body $.a"): 1})
    said = terminal_summary.lines([report, a("b", recorded=1)], [])
    assert said[0] == (
        "redacted in bodies: recordings/a.yaml: 2 password in request.body $.password, "
        "1 token in response.body $.a"
    )
    assert len(said) == 2
    many = [a(str(n)) for n in range(5)]
    for each in many:
        each.add_redacted({("token", "request.body"): 2})
    said = terminal_summary.lines(many, [])
    assert said[2] == "redacted in bodies: and 6 values in 3 more cassettes"
    assert len(terminal_summary.lines(many, [], terminal_summary.WHOLE)) == 6


def test_answers_that_matched_by_redaction_are_said() -> None:
    (line, _) = terminal_summary.lines([a(replayed=3, matched_by_redaction=2)], [])
    assert line.startswith("matched by redaction: recordings/a.yaml: 2 answers: ")


# --- GitHub Actions


def test_misses_are_annotations_at_the_line_of_the_nearest_recording(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_WORKSPACE", str(tmp_path))
    (tmp_path / "sub").mkdir()
    monkeypatch.chdir(tmp_path / "sub")
    miss = a_miss(url="https://h/100%25,a", number=1, line=7, hints=("One: two, three",))
    (line,) = github.commands([a(miss_count=2, misses=[miss, miss])], [])
    assert line == (
        "::error file=sub/recordings/a.yaml,line=7,title=Not recorded%3A POST https%3A//h/100%2525%2Ca::"
        "POST https://h/100%2525,a: cassette recordings/a.yaml has no recording of it%0A  One: two, three"
    )


def test_no_file_is_named_that_does_not_exist() -> None:
    miss = Miss("a", "recordings/a.yaml", "POST", CHAT, "", "no-cassette", "there is none")
    (line,) = github.commands([a(miss_count=1, misses=[miss])], [])
    assert line.startswith("::error title=Not recorded")


def test_failures_and_unused_recordings_are_annotations_too_and_ten_in_all() -> None:
    said = github.commands([a(strict=True, **unused(3)), a("b", **unused(3))], ["the disk\nis full"])
    assert said == [
        "::error title=mitmvcr failed::the disk%0Ais full",
        "::error file=recordings/a.yaml,title=3 recordings are unused::Nothing asked for:"
        + "".join(f"%0A{n} POST {CHAT}" for n in range(3)),
    ]
    assert len(github.commands([missing(str(n), 1) for n in range(40)], [])) == 10


def test_annotations_are_printed_in_actions_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for value, printed in ((None, 0), ("false", 0), ("true", 1)):
        if value is not None:
            monkeypatch.setenv("GITHUB_ACTIONS", value)
        table = sessions(tmp_path, mode="replay")
        table.get("a").answer(request(3))
        table.close_all()
        assert terminal_summary.finish(table.closed, table.failures, table.settings) is True
        captured = capsys.readouterr()
        assert captured.out.count("::error ") == printed
        assert captured.err.splitlines()[-1].startswith("mitmvcr: 0 recorded")


# --- the end


def test_finish_prints_writes_the_report_and_tells_a_ci_to_fail(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / "a.yaml", interaction(1), interaction(2))
    table = sessions(tmp_path, mode="replay", report=str(tmp_path / "deep" / "report.json"))
    table.get("a").answer(request(1))
    table.get("a").answer(request(3))
    table.close_all()
    assert terminal_summary.finish(table.closed, table.failures, table.settings) is True
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
    assert terminal_summary.finish(table.closed, table.failures, table.settings) is False
    assert capsys.readouterr().err.count("\n") == 1


def test_each_report_is_written_by_its_suffix(tmp_path: Path) -> None:
    paths = [tmp_path / "r.json", tmp_path / "deep" / "r.XML", tmp_path / "other"]
    table = sessions(tmp_path, mode="replay", report=", ".join(map(str, paths)))
    table.get("a").answer(request(3))
    table.close_all()
    assert terminal_summary.finish(table.closed, table.failures, table.settings) is True
    first, second = (json.loads(path.read_text("utf-8")) for path in (paths[0], paths[2]))
    assert first | {"time": ""} == second | {"time": ""}
    assert ET.fromstring(paths[1].read_text("utf-8")).get("failures") == "1"  # noqa: S314 - we wrote it


def test_colour_is_for_terminals(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for terminal, no_colour, coloured in ((True, "", 1), (True, "1", 0), (False, "", 0)):
        monkeypatch.setenv("NO_COLOR", no_colour)
        monkeypatch.setenv("TERM", "xterm")
        table = sessions(tmp_path, mode="replay")
        table.get("a").answer(request(3))
        table.close_all()
        with monkeypatch.context() as patched:
            patched.setattr(sys.stderr, "isatty", lambda terminal=terminal: terminal)
            terminal_summary.finish(table.closed, table.failures, table.settings)
        assert capsys.readouterr().err.count("\033[31mmitmvcr: miss") == coloured


def test_a_report_that_can_not_be_written_is_a_failure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    table = sessions(tmp_path, report=str(tmp_path / "file" / "report.json"))
    assert terminal_summary.finish(table.closed, table.failures, table.settings) is True
    assert "report.json: the report could not be written" in capsys.readouterr().err


def test_what_fails_at_the_end_leaves_the_rest_done(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setattr("mitmvcr.reports.junit.as_xml", lambda *_: "\ud800")  # no UTF-8
    (tmp_path / "file").touch()
    bad = [tmp_path / "file" / "r.json", tmp_path / "folder.xml"]
    table = sessions(tmp_path, report=",".join(map(str, [*bad, tmp_path / "good.json"])))
    assert terminal_summary.finish(table.closed, table.failures, table.settings) is True
    captured = capsys.readouterr()
    assert captured.err.count("the report could not be written") == 2
    assert captured.err.splitlines()[-1].endswith("2 failures")
    assert captured.out.count("::error ") == 2
    assert len(json.loads((tmp_path / "good.json").read_text("utf-8"))["failures"]) == 2


def test_what_is_no_utf_8_is_reported_all_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "report.json"
    table = sessions(tmp_path, mode="replay", report=str(path))
    table.get("a").answer(request(b'{"a": "\\ud800"}', url="https://h/\udcff?\udcfe"))
    table.close_all()
    assert terminal_summary.finish(table.closed, table.failures, table.settings) is True
    assert "1 miss" in capsys.readouterr().err
    miss = json.loads(path.read_text("utf-8"))["cassettes"][0]["misses"][0]
    assert "https://h/" in miss["message"]
