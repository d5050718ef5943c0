"""`mitmvcr lint`: what it reports, in which format, and how it exits."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from mitmvcr.cli import main
from mitmvcr.formats import govcr, vcrpy
from mitmvcr.model import Cassette
from tests.scrub.planting import exchange

KEY = "sk-" + "proj-" + "Ab3dE5" * 12


def body(text: str) -> bytes:
    return json.dumps({"input": text}).encode()


def planted(text: str = KEY) -> bytes:
    return vcrpy.dump(Cassette((exchange(body(text), b"{}"),)))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_findings_are_named_with_their_place_and_never_shown(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "a.yaml").write_bytes(planted())
    assert main(["lint", "a.yaml"]) == 1
    out, err = capsys.readouterr()
    assert out.startswith("a.yaml:3:")
    assert "in request.body" in out
    assert "1 secret in 1 of 1 cassette" in err
    assert KEY[:10] not in out + err


def test_clean_cassettes_of_a_tree_exit_with_0_and_other_files_are_passed_over(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "deep").mkdir()
    (folder / "deep" / "a.yaml").write_bytes(planted("nothing"))
    (folder / "deep" / "a.yaml.gz").write_bytes(gzip.compress(planted("nothing")))
    (folder / "compose.yml").write_text(f'version: "2"\nservices: {{a: {KEY}}}\n')
    (folder / "package.json").write_text(json.dumps({"response": "x", "name": KEY}))
    (folder / ".hidden.yaml").write_bytes(planted())
    assert main(["lint", "."]) == 0
    assert "no secret in 2 cassettes" in capsys.readouterr().err


def test_compressed_cassette_is_looked_through(folder: Path) -> None:
    (folder / "a.yaml.gz").write_bytes(gzip.compress(planted()))
    assert main(["lint", "."]) == 1


@pytest.mark.parametrize("text", [b"no cassette", b"interactions:\n- {request: [\nversion: 1\n"])
def test_named_file_that_cannot_be_read_exits_with_2_and_others_are_looked_at(
    folder: Path, capsys: pytest.CaptureFixture[str], text: bytes
) -> None:
    (folder / "bad.yaml").write_bytes(text)
    (folder / "good.yaml").write_bytes(planted())
    assert main(["lint", "bad.yaml", "good.yaml"]) == 2
    out, err = capsys.readouterr()
    assert "good.yaml:3:" in out
    assert "mitmvcr: bad.yaml: " in err


def test_usage_errors_exit_with_2(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lint", "missing.yaml"]) == 2
    assert "missing.yaml: there is no such file" in capsys.readouterr().err
    (folder / "a.yaml").write_bytes(planted())
    assert main(["lint", "--redact", "a(b", "a.yaml"]) == 2
    assert main(["lint", "--allow", "nonsense", "a.yaml"]) == 2


def test_allow_is_taken_from_the_command_line_and_from_the_file(folder: Path) -> None:
    (folder / "a.yaml").write_bytes(planted())
    assert main(["lint", "--allow", "openai-*@request.body", "a.yaml"]) == 0
    (folder / "mitmvcr.toml").write_text('allow = ["openai-*@request.body"]\n')
    assert main(["lint", "a.yaml"]) == 0
    assert main(["lint", "--allow", "jwt@*", "a.yaml"]) == 1


def test_redact_finds_more(folder: Path) -> None:
    (folder / "a.yaml").write_bytes(planted("write to someone@example.org"))
    assert main(["lint", "a.yaml"]) == 0
    assert main(["lint", "--redact", "emails", "a.yaml"]) == 1


def test_json_report_has_findings_and_errors(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "a.yaml").write_bytes(planted())
    (folder / "b.yaml").write_text("nothing")
    assert main(["lint", "--format", "json", "a.yaml", "b.yaml"]) == 2
    report = json.loads(capsys.readouterr().out)
    (finding,) = report["findings"]
    assert (finding["file"], finding["line"], finding["field"]) == ("a.yaml", 3, "request.body")
    assert [error["file"] for error in report["errors"]] == ["b.yaml"]


def test_sarif_report_is_of_version_2_1_0(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "a b.yaml").write_bytes(planted())
    assert main(["lint", "--format", "sarif", "."]) == 1
    log = json.loads(capsys.readouterr().out)
    assert log["version"] == "2.1.0"
    (run,) = log["runs"]
    (result,) = run["results"]
    place = result["locations"][0]["physicalLocation"]
    assert place["artifactLocation"] == {"uri": "a%20b.yaml"}
    assert place["region"]["startLine"] == 3
    assert place["region"]["startColumn"] >= 1
    assert result["level"] == "error"
    assert result["message"]["text"]
    assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
    assert KEY[:10] not in json.dumps(log)


def test_github_commands_are_escaped(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = "a,b:100%.yaml"
    (folder / name).write_bytes(planted())
    assert main(["lint", "--format", "github", name]) == 1
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("::error file=a%2Cb%3A100%25.yaml,line=3,col=")
    assert line.count("::") == 2


def test_many_files_are_looked_through_in_parallel(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clean = [exchange(body("word " * 2000), b"{}")] * 20
    for number in range(12):
        ones = [*clean, exchange(body(KEY), b"")] if number == 7 else clean
        (folder / f"{number:02}.yaml").write_bytes(govcr.dump(Cassette(tuple(ones)), govcr.Dialect.STOCK))
    assert main(["lint", "--jobs", "2", "."]) == 1
    out = capsys.readouterr().out
    assert out.startswith("07.yaml:")
    assert len(out.splitlines()) == 1


FOREIGN = {
    "agent.json": {
        "request": {"method": "POST", "url": "https://a/", "headers": {"Authorization": KEY}, "body": "{}"},
        "response": {"status": {"code": 200, "message": "OK"}, "headers": {}, "body": "{}"},
    },
    "ruby.json": {"http_interactions": [{"request": {}, "response": {}}]},
    "nock.json": [{"scope": "https://a:443", "method": "GET", "path": "/", "response": {}}],
    "postman.json": {"item": [{"request": {"method": "GET"}, "response": [{"code": 200}]}]},
}
OTHERS = {
    "package.json": {"name": "x"},
    "log.json": {"log": {"level": "debug"}},
    "api.json": {"openapi": "3.0.0", "paths": {"/": {"get": {"responses": {"200": {}}}}}},
    "event.json": {"request": {"type": "LaunchRequest"}, "session": {}},
}


def test_a_recording_that_is_not_read_is_named_and_what_is_none_passed_over(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, document in {**FOREIGN, **OTHERS}.items():
        (folder / name).write_text(json.dumps(document))
    (folder / "conflict.yaml").write_bytes(planted().replace(b"- request:", b"<<<<<<< HEAD\n- request:", 1))
    (folder / "compose.yaml").write_text("version: '3'\nservices: {}\n")
    (folder / "cut.json.gz").write_bytes(gzip.compress(planted(), mtime=0)[:-9])
    (folder / "empty.json").touch()
    assert main(["lint", "."]) == 2
    named = {line.split(": ")[1] for line in capsys.readouterr().err.splitlines()[:-1]}
    assert named == {*FOREIGN, "conflict.yaml", "cut.json.gz"}
    for name in (*FOREIGN, "conflict.yaml", "cut.json.gz"):
        (folder / name).unlink()
    assert main(["lint", "."]) == 0
    assert "no secret in 0 cassettes" in capsys.readouterr().err
    assert main(["lint", "compose.yaml"]) == 2
    assert "compose.yaml: this is no cassette" in capsys.readouterr().err
