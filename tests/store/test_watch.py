"""What becomes of a cassette's file while it is open is noticed, once a change, at little cost."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from mitmvcr.store import watch
from mitmvcr.store.cache import CachedCassette, CassetteCache
from mitmvcr.store.watch import FileChange, FileWatch
from tests.build import interaction, write


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "_EVERY", 0.0)
    monkeypatch.setattr(watch, "_SHARE", 0)


def _replaced(path: Path) -> None:
    write(path.with_name("b.yaml"), interaction(2)).clear()
    path.with_name("b.yaml").replace(path)


def _appended(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"\n")


def _touched(path: Path) -> None:
    os.utime(path, (1, 1))


@pytest.mark.parametrize(
    ("change", "seen"),
    [
        (_replaced, FileChange.EDITED),
        (_appended, FileChange.EDITED),
        (_touched, FileChange.EDITED),
        (Path.unlink, FileChange.REMOVED),
        (lambda _: None, None),
    ],
)
def test_a_change_is_told_once(
    tmp_path: Path, change: Callable[[Path], None], seen: FileChange | None
) -> None:
    write(tmp_path / "a.yaml", interaction(1))
    looking = FileWatch(CassetteCache().read(tmp_path / "a.yaml"))
    assert looking.look() is None
    change(tmp_path / "a.yaml")
    assert [looking.look() for _ in range(3)] == [seen, None, None]


def test_a_file_that_comes_back_or_comes_into_being_is_told_of(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    looking = FileWatch(CachedCassette.empty(path))
    assert looking.look() is None
    write(path, interaction(1))
    assert looking.look() is FileChange.EDITED
    path.unlink()
    assert looking.look() is FileChange.REMOVED
    write(path, interaction(1))
    assert looking.look() is FileChange.EDITED


def test_a_folder_s_files_are_looked_at(tmp_path: Path) -> None:
    folder = tmp_path / "recordings"
    folder.mkdir()
    recording = {
        "test_id": None,
        "request": {"method": "POST", "url": "http://h/v1/models", "body": {}},
        "response": {"body": {"__type__": "x.Y", "__data__": {"id": "1"}}, "is_streaming": False},
    }
    (folder / "a.json").write_text(json.dumps(recording))
    looking = FileWatch(CassetteCache().read(folder))
    assert looking.look() is None
    (folder / "b.json").write_text(json.dumps(recording))
    assert looking.look() is FileChange.EDITED
    (folder / "b.json").unlink()
    assert looking.look() is FileChange.EDITED


def test_looks_are_rare_enough_to_cost_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    write(tmp_path / "a.yaml", interaction(1))
    looking = FileWatch(CassetteCache().read(tmp_path / "a.yaml"))
    looks: list[Path] = []

    def counted(path: Path) -> tuple[()]:
        looks.append(path)
        return ()

    monkeypatch.setattr(watch, "current_stamp", counted)
    began = time.monotonic()
    while time.monotonic() < began + 0.35:
        looking.look()
    assert 1 <= len(looks) <= 4
