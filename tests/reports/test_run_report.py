"""The JSON report: it keeps to its schema, is written whole or not at all, and does not grow without end."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import mitmvcr
from mitmvcr.reports import run_report
from mitmvcr.reports.run_report import MAX_LISTED, SCHEMA, Report, Unused
from tests.build import CHAT, interaction, request, sessions, write


def check(document: object) -> dict[str, Any]:
    """Raises if the document doesn't keep to the schema, or has a field that the schema doesn't name."""
    schema = json.loads(SCHEMA.read_text("utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(document, closed(schema), jsonschema.Draft202012Validator)
    assert isinstance(document, dict)
    return document


def closed(schema: Any) -> Any:
    """The schema without room for other fields."""
    if isinstance(schema, list):
        return [closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    inner = {name: closed(value) for name, value in schema.items()}
    return inner | ({"additionalProperties": False} if schema.get("type") == "object" else {})


def run(folder: Path) -> dict[str, Any]:
    """A run with a miss of every reason, and what it reports."""
    write(folder / "a.yaml", interaction({"a": 1}), interaction({"a": 2}), interaction({"a": 3}))
    write(folder / "empty.yaml")
    table = sessions(folder, mode="replay", strict="true")
    for name, body, url in (
        ("a", {"a": 1}, CHAT),
        ("a", {"a": 1}, CHAT),
        ("a", {"a": [4]}, CHAT),
        ("a", {"b": 1}, "https://h/other"),
        ("empty", {"a": 1}, CHAT),
        ("none", b"\xff", "https://h/\udcff"),
    ):
        table.get(name).answer(request(body, url=url))
    table.fail("something \udcff else")
    table.close_all()
    text = run_report.as_json(table.closed, table.failures, folder)
    return check(json.loads(text.encode("utf-8")))


def test_a_run_keeps_to_the_schema(tmp_path: Path) -> None:
    document = run(tmp_path)
    reasons = [miss["reason"] for one in document["cassettes"] for miss in one["misses"]]
    assert reasons == ["played", "different", "unlike", "empty", "no-cassette"]
    assert document["version"] == run_report.VERSION == 1
    assert document["mitmvcr"] == mitmvcr.__version__
    assert document["failed"] is True
    assert document["failures"] == ["something \udcff else"]
    first = document["cassettes"][0]
    assert first["name"] == "a"
    assert first["path"] == str(tmp_path / "a.yaml")
    assert (first["replayed"], first["miss_count"], first["unused_count"]) == (1, 3, 2)
    assert first["unused"][0] == {"number": 1, "method": "POST", "url": CHAT}
    assert (first["strict"], first["failed"], first["asked"]) == (True, True, True)


def test_a_miss_names_the_request_and_the_difference(tmp_path: Path) -> None:
    misses = [miss for one in run(tmp_path)["cassettes"] for miss in one["misses"]]
    different = misses[1]
    assert different["request"]["method"] == "POST"
    assert different["request"]["url"] == CHAT
    assert different["nearest"]["number"] == 1
    assert different["differences"] == [
        {"path": "$.a", "recorded": "2", "asked": "[4]", "items": 0, "note": ""}
    ]
    assert different["hints"][-1].startswith("To record it")
    assert different["message"].startswith(f"POST {CHAT}: ")
    assert misses[0]["nearest"]["number"] == 0
    assert misses[2]["nearest"] is None
    assert len({miss["request"]["key"] for miss in misses}) == 4  # one was asked for in two cassettes


def test_the_folder_is_told_from_where_the_process_ran(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    for given, told in (
        ("recordings", "recordings"),
        (str(Path.cwd() / "deep" / "r"), "deep/r"),
        ("../out", str(Path.cwd() / ".." / "out")),
    ):
        document = check(json.loads(run_report.as_json([], [], Path(given))))
        assert document["dir"] == told
        assert document["cwd"] == str(Path.cwd())


def test_misses_and_unused_are_kept_up_to_a_bound_and_counted(tmp_path: Path) -> None:
    write(tmp_path / "a.yaml", *(interaction(n) for n in range(MAX_LISTED + 5)))
    table = sessions(tmp_path, mode="replay")
    miss = table.get("a").answer(request("x"))
    report = table.get("a").report
    for _ in range(10_000):
        report.add(miss)  # type: ignore[arg-type]
    table.close_all()
    (one,) = check(json.loads(run_report.as_json(table.closed, [], tmp_path)))["cassettes"]
    assert (one["miss_count"], len(one["misses"])) == (10_001, MAX_LISTED)
    assert (one["unused_count"], len(one["unused"])) == (MAX_LISTED + 5, MAX_LISTED)


@pytest.mark.parametrize(
    ("values", "failures", "failed"),
    [
        ({"recorded": 1}, [], False),
        ({"cut": 3}, [], False),
        ({"unused_count": 1}, [], False),
        ({"unused_count": 1, "strict": True}, [], True),
        ({"miss_count": 1}, [], True),
        ({}, ["x"], True),
    ],
)
def test_the_report_says_whether_it_failed(
    tmp_path: Path, values: dict[str, Any], failures: list[str], failed: bool
) -> None:
    document = json.loads(run_report.as_json([Report("a", "a.yaml", "once", **values)], failures, tmp_path))
    assert check(document)["failed"] is failed


def test_a_report_is_replaced_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "made" / "report.json"
    run_report.write(path, "one")
    with pytest.raises(UnicodeEncodeError):
        run_report.write(path, "two \udcff")
    assert path.read_text() == "one"
    assert [one.name for one in path.parent.iterdir()] == ["report.json"]
    run_report.write(path, "three")
    assert path.read_text() == "three"
    assert [one.name for one in path.parent.iterdir()] == ["report.json"]
    with pytest.raises(OSError, match="report"):
        run_report.write(path / "below", "no folder")


def test_an_unused_recording_is_shown_with_its_number() -> None:
    assert str(Unused(3, "GET", CHAT)) == f"3 GET {CHAT}"


def test_the_documentation_names_every_field() -> None:
    page = (Path(__file__).parents[2] / "docs" / "reports.md").read_text("utf-8")
    schema = json.loads(SCHEMA.read_text("utf-8"))
    shapes = [schema, *(shape for name, shape in schema["$defs"].items() if name != "count")]
    for shape in shapes:
        for name in shape["properties"]:
            assert f"`{name}`" in page, name
