"""`mitmvcr scrub`: what it changes in files, what it leaves, and who still reads them."""

from __future__ import annotations

import gzip
import json
import os
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from mitmvcr.cli import main
from mitmvcr.formats import govcr, har, vcrpy
from mitmvcr.model import Cassette, Interaction
from mitmvcr.store.lock import locked
from tests.formats.real_vcrpy import deserialize, yamlserializer
from tests.go.build import build, needs_go
from tests.scrub.planting import exchange, sse

KEY = "sk-" + "proj-" + "Ab3dE5" * 12
ROOT = Path(__file__).parents[2]


def exchanges() -> tuple[Interaction, ...]:
    one = exchange(json.dumps({"input": f"it's {KEY}"}).encode(), sse("a ", KEY[:9], KEY[9:], " b"))
    two = exchange(b"\xff" + KEY.encode(), b'{"id": "resp_1"}')
    headers = {"Authorization": [f"Bearer {KEY}"], "Content-Type": ["application/json"]}
    return tuple(replace(each, request=replace(each.request, headers=headers)) for each in (one, two))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_tree_is_scrubbed_and_a_second_run_changes_nothing(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cassette = Cassette(exchanges())
    (folder / "a.yaml").write_bytes(vcrpy.dump(cassette))
    (folder / "b.yaml").write_bytes(govcr.dump(cassette, govcr.Dialect.STOCK))
    (folder / "c.har").write_bytes(har.dump(cassette))
    (folder / "d.yaml.gz").write_bytes(gzip.compress(vcrpy.dump(cassette)))
    (folder / "notes.yaml").write_text(f"key: {KEY}\n")
    assert main(["scrub", "--check", "."]) == 1
    assert KEY in (folder / "a.yaml").read_text()
    assert main(["scrub", "."]) == 0
    out = capsys.readouterr().out
    assert "a.yaml" in out
    assert "in 4 of 4 cassettes" in out
    after = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert main(["scrub", "."]) == 0
    assert main(["lint", "."]) == 0
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == after
    assert after.keys() == {"a.yaml", "b.yaml", "c.har", "d.yaml.gz", "notes.yaml"}
    assert KEY in (folder / "notes.yaml").read_text()
    assert KEY[:10] not in out


def test_mode_is_kept_and_a_link_stays_one(folder: Path) -> None:
    real = folder / "real" / "a.yaml"
    real.parent.mkdir()
    real.write_bytes(vcrpy.dump(Cassette(exchanges())))
    real.chmod(0o640)
    link = folder / "link.yaml"
    link.symlink_to(real)
    assert main(["scrub", str(link)]) == 0
    assert link.is_symlink()
    assert KEY not in real.read_text()
    assert real.stat().st_mode & 0o777 == 0o640
    assert list(real.parent.iterdir()) == [real]


def test_link_out_of_a_folder_is_named_and_not_followed(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    outside, tree = folder / "outside.yaml", folder / "tree"
    tree.mkdir()
    for path in (outside, tree / "a.yaml"):
        path.write_bytes(vcrpy.dump(Cassette(exchanges())))
    (tree / "out.yaml").symlink_to("../outside.yaml")
    (tree / "in.yaml").symlink_to("a.yaml")
    before = outside.read_bytes()
    assert main(["scrub", "tree"]) == 2
    assert "out.yaml: it is a link that leads out of tree" in capsys.readouterr().err
    assert outside.read_bytes() == before
    assert KEY not in (tree / "a.yaml").read_text()
    assert main(["scrub", "tree/out.yaml"]) == 0
    assert KEY not in outside.read_text()


def test_bad_file_is_named_and_the_others_are_scrubbed(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "bad.yaml").write_bytes(b"interactions:\n- {request: [" + KEY.encode() + b"\nversion: 1\n")
    (folder / "good.yaml").write_bytes(vcrpy.dump(Cassette(exchanges())))
    assert main(["scrub", "."]) == 2
    err = capsys.readouterr().err
    assert "mitmvcr: bad.yaml: " in err
    assert len(err.splitlines()) == 1
    assert KEY[:10] not in err
    assert KEY not in (folder / "good.yaml").read_text()


def test_cassette_that_is_being_recorded_is_left_alone(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = folder / "a.yaml"
    path.write_bytes(vcrpy.dump(Cassette(exchanges())))
    with locked(path):
        assert main(["scrub", "a.yaml"]) == 2
    assert "is recording to it" in capsys.readouterr().err
    assert KEY in path.read_text()


def test_folder_of_llama_stack_shares_its_replacements(folder: Path) -> None:
    other = KEY[::-1].replace("-jorp-ks", "")
    for name, keys in {"1": [KEY], "2": ["sk-" + other, KEY]}.items():
        record = {
            "request": {"method": "POST", "url": "https://h/v1/chat/completions", "headers": {}, "body": {}},
            "response": {"body": {"__type__": "x", "__data__": {"texts": keys}}, "is_streaming": False},
        }
        (folder / f"{name}.json").write_text(json.dumps(record))
    assert main(["scrub", "."]) == 0
    first, second = (
        json.loads((folder / f"{name}.json").read_text())["response"]["body"]["__data__"]["texts"]
        for name in "12"
    )
    assert first[0] == second[1] != second[0]


def test_vcrpy_itself_reads_what_is_left(folder: Path) -> None:
    path = folder / "a.yaml"
    path.write_bytes(vcrpy.dump(Cassette(exchanges())))
    before = deserialize(path.read_text(), yamlserializer)
    assert main(["scrub", "a.yaml"]) == 0
    after = deserialize(path.read_text(), yamlserializer)
    for asked, cleaned in zip(before[0], after[0], strict=True):
        assert (asked.method, asked.uri) == (cleaned.method, cleaned.uri)
    for answered, cleaned in zip(before[1], after[1], strict=True):
        assert answered["status"] == cleaned["status"]
    assert before[1][1]["body"] == after[1][1]["body"]
    assert KEY.encode() not in after[0][0].body


@needs_go
@pytest.mark.parametrize("dialect", govcr.Dialect)
def test_go_vcr_itself_reads_what_is_left(folder: Path, dialect: govcr.Dialect) -> None:
    path = folder / "a.yaml"
    path.write_bytes(govcr.dump(Cassette(exchanges()), dialect))
    before = json.loads(subprocess.check_output([build("govcr"), "dump", str(path)]))
    assert main(["scrub", "a.yaml"]) == 0
    after = json.loads(subprocess.check_output([build("govcr"), "dump", str(path)]))
    old, new = (_interactions(dumped) for dumped in (before, after))
    assert len(old) == len(new) == 2
    for one, cleaned in zip(old, new, strict=True):
        assert one["request"]["method"] == cleaned["request"]["method"]
        assert one["request"]["url"] == cleaned["request"]["url"]
        assert one["response"]["status"] == cleaned["response"]["status"]
        assert one["response"]["duration_ns"] == cleaned["response"]["duration_ns"]
        assert one["request"]["body_b64"] != cleaned["request"]["body_b64"]
    assert old[1]["response"]["body_b64"] == new[1]["response"]["body_b64"]


def _interactions(dumped: object) -> list[dict[str, dict[str, object]]]:
    """The interactions in what the oracle prints, whatever stands around them."""
    if isinstance(dumped, list):
        if dumped and isinstance(dumped[0], dict) and "request" in dumped[0]:
            return dumped
        return next((found for item in dumped if (found := _interactions(item))), [])
    if isinstance(dumped, dict):
        return next((found for item in dumped.values() if (found := _interactions(item))), [])
    return []


@pytest.mark.parametrize(("hook", "status"), [("mitmvcr-lint", 1), ("mitmvcr-scrub", 0)])
def test_pre_commit_hook_runs_over_all_sorts_of_files(folder: Path, hook: str, status: int) -> None:
    hooks = {entry["id"]: entry for entry in yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())}
    assert hooks[hook]["language"] == "python"
    assert hooks[hook]["types_or"] == ["yaml", "json"]
    (folder / "a.yaml").write_bytes(vcrpy.dump(Cassette(exchanges())))
    (folder / "package.json").write_text('{"name": "x"}')
    program, *arguments = shlex.split(hooks[hook]["entry"])
    assert program == "mitmvcr"
    done = subprocess.run(
        [sys.executable, "-m", "mitmvcr", *arguments, "a.yaml", "package.json"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT / "addon")},
    )
    assert done.returncode == status, done.stderr
    assert (KEY in (folder / "a.yaml").read_text()) == (hook == "mitmvcr-lint")


def test_function_in_the_folder_is_applied_by_lint_and_scrub(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "path", [place for place in sys.path if place])
    (folder / "own_rules.py").write_text(
        "from dataclasses import replace\n"
        "def clean(one):\n"
        "    body = one.response.body.replace(b'Ada', b'customer')\n"
        "    return replace(one, response=replace(one.response, body=body))\n"
    )
    (folder / "a.yaml").write_bytes(vcrpy.dump(Cassette((exchange(b"{}", b'{"name": "Ada"}'),))))
    arguments = ["--redact", "py:own_rules:clean", "a.yaml"]
    assert main(["lint", *arguments]) == 1
    assert "custom-function in response.body" in capsys.readouterr().out
    assert main(["scrub", *arguments]) == 0
    assert b"customer" in (folder / "a.yaml").read_bytes()
    assert main(["lint", *arguments]) == 0


def test_what_cannot_be_scrubbed_is_named_and_the_rest_is_done(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = exchange(KEY.encode(), b"\x1f\x8b\x08\xff broken")
    (folder / "a.yaml").write_bytes(vcrpy.dump(Cassette((one,))))
    assert main(["scrub", "a.yaml"]) == 2
    assert "unreadable-body in response.body: it can't be looked into" in capsys.readouterr().err
    assert KEY.encode() not in (folder / "a.yaml").read_bytes()


@pytest.mark.parametrize("command", ["lint", "scrub", "convert"])
def test_a_link_that_leads_out_of_the_folder_is_named_and_not_followed(
    folder: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    outside, inside = folder / "outside.yaml", folder / "in" / "side.yaml"
    inside.parent.mkdir()
    outside.write_bytes(vcrpy.dump(Cassette(exchanges())))
    inside.write_bytes(vcrpy.dump(Cassette((exchange(b"{}", b"{}"),))))
    (folder / "in" / "alias.yaml").symlink_to("side.yaml")
    (folder / "in" / "theirs.yaml").symlink_to(outside)
    (folder / "in" / "other.json").symlink_to(folder / "package.json")
    (folder / "package.json").write_text('{"name": "x"}')
    before = outside.read_bytes()
    assert main([command, "in", *(["out"] if command == "convert" else [])]) == (
        1 if command == "convert" else 2
    )
    said = "".join(capsys.readouterr())
    assert "in/theirs.yaml" in said
    assert f"leads out of in (to {outside})" in said
    assert "other.json" not in said
    assert outside.read_bytes() == before
    assert not (folder / "out" / "theirs.yaml").exists()
