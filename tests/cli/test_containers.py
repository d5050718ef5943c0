"""Whatever one command reads, every command reads: each container of a cassette with each command."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest

from mitmvcr.cli import main
from mitmvcr.errors import CassetteError
from mitmvcr.formats import container, govcr
from mitmvcr.formats.sniffing import sniff
from mitmvcr.http.content_coding import decode_body
from mitmvcr.model import Interaction
from mitmvcr.store import cassette
from tests.cli.containers import BOM, CONTAINERS, KEY, SESSION

SECRETS = (KEY.encode(), SESSION.encode())
EXPECTED = {name: 1 if name.startswith("llama-stack") else 2 for name in CONTAINERS}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def written(folder: Path, name: str) -> Path:
    """The container's file; its suffix says nothing of what it is wrapped in."""
    path = folder / ("a.har" if name.startswith("HAR") else "a.json" if "llama" in name else "a.yaml")
    path.write_bytes(CONTAINERS[name]())
    return path


def read(path: Path) -> list[Interaction]:
    """What replay has of the file."""
    return list(cassette.read(path).cassette.interactions)


def secrets_in(path: Path) -> list[bytes]:
    """The planted ones that the file's text, or what an exchange in it says, still has."""
    texts = [container.unwrapped(path.read_bytes())]
    for interaction in read(path):
        texts += [interaction.request.body, interaction.response.body]
        texts += [decode_body(body, "gzip") or b"" for body in texts[-2:]]
        texts.append(repr((interaction.request.headers, interaction.response.headers)).encode())
    return [secret for secret in SECRETS if any(secret in text for text in texts)]


@pytest.mark.parametrize("name", CONTAINERS)
def test_show_and_replay_read_it(folder: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    path = written(folder, name)
    assert len(read(path)) == EXPECTED[name]
    assert KEY.encode() in read(path)[0].response.body
    assert main(["show", path.name, "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert len(shown["interactions"]) == EXPECTED[name]


# What is read does not hang on what is written: each target with a third of the containers.
@pytest.mark.parametrize(
    ("name", "target"), zip(CONTAINERS, itertools.cycle(["go-vcr", "vcrpy", "har"]), strict=False)
)
def test_convert_reads_it_and_takes_the_secrets_out(folder: Path, name: str, target: str) -> None:
    path = written(folder, name)
    made = folder / ("made.har" if target == "har" else "made.yaml")
    assert main(["convert", "--to", target, path.name, made.name]) == 0
    assert len(read(made)) == EXPECTED[name]
    assert secrets_in(made) == []
    assert main(["lint", made.name]) == 0


@pytest.mark.parametrize("name", CONTAINERS)
def test_lint_finds_the_secrets_and_none_when_scrub_took_them_out(
    folder: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    path = written(folder, name)
    before = path.read_bytes()
    secrets = secrets_in(path)
    assert main(["lint", "."]) == 1
    assert f"{path.name}:" in capsys.readouterr().out
    assert main(["scrub", "--check", "."]) == 1
    assert path.read_bytes() == before
    assert main(["scrub", "."]) == 0
    assert secrets
    assert secrets_in(path) == []
    capsys.readouterr()
    assert main(["lint", "."]) == 0
    assert "no secret in 1 cassette" in capsys.readouterr().err
    assert main(["lint", path.name]) == 0


@pytest.mark.parametrize("name", CONTAINERS)
def test_scrub_leaves_the_container_what_it_is(folder: Path, name: str) -> None:
    path = written(folder, name)
    before = path.read_bytes()
    old = read(path)
    assert main(["scrub", path.name]) == 0
    after = path.read_bytes()
    assert container.title(after) == container.title(before)
    assert sniff(after) == sniff(before)
    texts = [container.unwrapped(data) for data in (before, after)]
    for sign in (BOM, b"\r\n", b"#", b"%YAML", b"...\n", b"!!python", b"&shared", b"*shared", b'["', b"---"):
        assert texts[1].count(sign) == texts[0].count(sign), sign
    assert texts[1].startswith(texts[0][:2])
    for was, became in zip(old, read(path), strict=True):
        assert json.loads(was.response.body).keys() == json.loads(became.response.body).keys()
        assert "\u00e9".encode() in became.request.body
        assert (was.request.method, was.request.url, was.response.code, was.response.duration) == (
            (became.request.method, became.request.url, became.response.code, became.response.duration)
        )
    assert main(["scrub", "--check", path.name]) == 0
    assert path.read_bytes() == after


@pytest.mark.parametrize("name", [name for name in CONTAINERS if name.startswith("go-vcr")])
def test_a_file_of_go_vcr_is_appended_to_or_refused_and_never_damaged(folder: Path, name: str) -> None:
    path = written(folder, name)
    before, old = path.read_bytes(), read(path)
    if container.title(before):
        with pytest.raises(CassetteError, match="only go-vcr v2 cassettes are recorded to"):
            cassette.check_appendable(path)
        return
    cassette.check_appendable(path)
    loaded = cassette.read(path).cassette
    entry = govcr.entry(old[0], len(old), loaded)
    assert loaded.source is not None
    data = (govcr.appendable(loaded) or loaded.source.data) + entry
    assert list(govcr.load(data).interactions)[:-1] == old
