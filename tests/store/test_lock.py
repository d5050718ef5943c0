"""One writer a cassette: a second one is told who the first is, and a killed one holds nobody up."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from mitmvcr.errors import CassetteError
from mitmvcr.store.lock import check_folder
from tests.build import interaction, write
from tests.store.cassettes import add, bodies, child, litter, writer

HOLDER = """
import sys, time
from pathlib import Path
from mitmvcr.store import cassette
from mitmvcr.store.writer import Writer
from mitmvcr.formats.govcr import Dialect
path = Path(sys.argv[1])
held = Writer(path, Dialect.CHARM, cassette.read(path) if path.exists() else None)
print("held", flush=True)
sys.stdin.read()
held.close()
"""


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    with child(HOLDER, tmp_path / "a.yaml") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_the_second_of_two_writers_is_told_who_the_first_is(
    tmp_path: Path, holder: subprocess.Popen[str]
) -> None:
    path = tmp_path / "a.yaml"
    with pytest.raises(CassetteError) as caught:
        writer(path)
    assert f"process {holder.pid} " in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    writer(tmp_path / "b.yaml").close()
    assert holder.stdin is not None
    holder.stdin.close()
    assert holder.wait() == 0
    mine = writer(path)
    add(mine, 1)
    mine.close()
    assert bodies(path) == [b"1"]


def test_the_lock_of_a_killed_process_holds_nobody_up(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    holder.kill()
    holder.wait()
    assert litter(tmp_path) == [".a.yaml.lock"]
    mine = writer(tmp_path / "a.yaml")
    with pytest.raises(CassetteError, match=f"process {os.getpid()} "):
        writer(tmp_path / "a.yaml")
    mine.close()
    assert litter(tmp_path) == []


def test_two_names_of_one_file_by_a_link_are_one_cassette_to_writers(tmp_path: Path) -> None:
    write(tmp_path / "a.yaml", interaction(1))
    (tmp_path / "b.yaml").symlink_to("a.yaml")
    one = writer(tmp_path / "a.yaml")
    with pytest.raises(CassetteError, match=str(os.getpid())):
        writer(tmp_path / "b.yaml")
    one.close()
    other = writer(tmp_path / "b.yaml", anew=True)
    add(other, 2)
    other.close()
    assert (tmp_path / "b.yaml").is_symlink()
    assert bodies(tmp_path / "a.yaml") == [b"2"]


def test_a_folder_is_tried_without_leaving_anything(tmp_path: Path) -> None:
    check_folder(tmp_path / "deep" / "er" / "a.yaml")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").touch()
    with pytest.raises(CassetteError, match=r"can't be recorded to.*vcr_dir"):
        check_folder(tmp_path / "file" / "a.yaml")
