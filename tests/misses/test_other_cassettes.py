"""A look at other cassettes' files: what it finds, and that it ends."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from mitmvcr.misses import other_cassettes
from mitmvcr.model import Request
from tests.build import interaction, request, write

WANTED = request({"prompt": "what is the weather like"})


def found(root: Path) -> str | None:
    return other_cassettes.with_request(root, WANTED, root / "here" / "a.yaml")


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(other_cassettes, "_SECONDS", 60.0)
    write(tmp_path / "there" / "b.yaml", interaction({"prompt": "what is the weather like"}))
    return tmp_path


def test_a_file_with_the_body_and_the_url_is_named(root: Path) -> None:
    assert found(root) == "there/b"


@pytest.mark.parametrize(
    ("bound", "value"), [("_SECONDS", -1.0), ("_BYTES", 10), ("_FILES", 0), ("_FILE_BYTES", 40)]
)
def test_nothing_is_found_behind_a_bound(
    root: Path, bound: str, value: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(other_cassettes, bound, value)
    assert found(root) is None


def test_the_clock_is_looked_at_within_a_file(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(root / "here" / "large.yaml", *(interaction({"n": n, "text": "x" * 1000}) for n in range(1000)))
    monkeypatch.setattr(other_cassettes, "_PIECE", 1000)
    times = iter([0.0, 0.0, 0.0, *[61.0] * 3])
    monkeypatch.setattr(time, "perf_counter", lambda: next(times))
    assert found(root) is None


def test_folders_without_cassettes_do_not_make_it_long(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looked_into: list[Path] = []
    scandir = os.scandir

    def counting(folder: Path) -> object:
        looked_into.append(folder)
        return scandir(folder)

    for number in range(50):
        (root / f"empty{number}").mkdir()
    monkeypatch.setattr(os, "scandir", counting)
    monkeypatch.setattr(other_cassettes, "_SECONDS", -1.0)
    assert found(root) is None
    assert len(looked_into) == 1


def test_a_link_is_not_followed(root: Path) -> None:
    (root / "there" / "b.yaml").rename(root / "b.txt")
    (root / "there" / "b.yaml").symlink_to(root / "b.txt")
    assert found(root) is None


def test_a_short_body_is_not_looked_for(root: Path) -> None:
    short = Request("POST", WANTED.url, body=b"{}")
    assert other_cassettes.with_request(root, short, root / "a.yaml") is None
