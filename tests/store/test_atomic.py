"""A whole file is written in one way: it is there whole and on the disk, or as if nothing had been."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from mitmvcr.errors import CassetteError
from mitmvcr.formats.govcr import Dialect
from mitmvcr.maintenance import convert_tree, scrub_tree
from mitmvcr.maintenance.convert import Target
from mitmvcr.reports import run_report
from mitmvcr.scrub import Policy
from mitmvcr.store import atomic, cassette
from mitmvcr.store.atomic import write_file
from mitmvcr.store.writer import Writer
from tests.build import interaction, write
from tests.store.cassettes import add, writer

SECRET = "sk-" + "proj-" + "Zy9" * 20


def failing(*_arguments: object, **_names: object) -> int:
    raise OSError(errno.EIO, os.strerror(errno.EIO))


@pytest.mark.parametrize("call", ["pwrite", "fsync", "fchmod", "replace", "open"])
@pytest.mark.parametrize("exists", [True, False])
def test_what_fails_leaves_the_old_file_and_nothing_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, exists: bool
) -> None:
    path = tmp_path / "a"
    if exists:
        path.write_bytes(b"old")
    elif call == "fchmod":
        return  # a new file has the mode that it is made with
    monkeypatch.setattr(os, call, failing)
    with pytest.raises(OSError, match=os.strerror(errno.EIO)):
        write_file(path, b"new")
    monkeypatch.undo()
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == ({"a": b"old"} if exists else {})


def test_a_link_that_fails_leaves_nothing_where_nothing_may_be_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "link", failing)
    with pytest.raises(OSError, match=os.strerror(errno.EIO)):
        write_file(tmp_path / "a", b"new", replace=False)
    assert list(tmp_path.iterdir()) == []


def test_the_bytes_are_on_the_disk_before_they_have_the_name_and_the_name_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    fsync, replace = os.fsync, os.replace

    def syncing(fd: int) -> None:
        steps.append("folder" if stat.S_ISDIR(os.fstat(fd).st_mode) else f"file of {os.fstat(fd).st_size}")
        fsync(fd)

    def replacing(source: Path, target: Path) -> None:
        steps.append("replace")
        replace(source, target)

    monkeypatch.setattr(os, "fsync", syncing)
    monkeypatch.setattr(os, "replace", replacing)
    write_file(tmp_path / "a", b"new")
    assert steps == ["file of 3", "replace", "folder"]


def test_a_folder_that_can_not_be_forced_to_the_disk_is_no_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fsync = os.fsync
    monkeypatch.setattr(
        os, "fsync", lambda fd: failing() if stat.S_ISDIR(os.fstat(fd).st_mode) else fsync(fd)
    )
    write_file(tmp_path / "a", b"new")
    assert (tmp_path / "a").read_bytes() == b"new"


def test_the_mode_is_the_old_file_s_or_what_a_new_one_has(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.touch()
    usual = path.stat().st_mode
    path.chmod(0o600)
    write_file(path, b"new")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    write_file(tmp_path / "b", b"new")
    assert (tmp_path / "b").stat().st_mode == usual


def test_others_never_see_what_only_the_owner_may_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a"
    path.touch(0o600)
    modes: list[int] = []
    pwrite = os.pwrite

    def looking(fd: int, data: bytes, offset: int) -> int:
        modes.append(stat.S_IMODE(os.fstat(fd).st_mode))
        return pwrite(fd, data, offset)

    monkeypatch.setattr(os, "pwrite", looking)
    write_file(path, b"new")
    assert modes == [0o600]


@pytest.mark.parametrize("has_links", [True, False])
def test_nothing_is_replaced_where_nothing_may_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_links: bool
) -> None:
    def refusing(*_arguments: object) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    if not has_links:
        monkeypatch.setattr(os, "link", refusing)
    write_file(tmp_path / "a", b"first", replace=False)
    (tmp_path / "dangling").symlink_to("nowhere")
    for name in ("a", "dangling"):
        with pytest.raises(FileExistsError):
            write_file(tmp_path / name, b"second", replace=False)
    assert (tmp_path / "a").read_bytes() == b"first"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "dangling"]


def test_a_link_is_replaced_itself(tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(b"old")
    (tmp_path / "link").symlink_to("real")
    write_file(tmp_path / "link", b"new")
    assert (tmp_path / "real").read_bytes() == b"old"
    assert not (tmp_path / "link").is_symlink()


def test_what_is_in_the_way_of_the_file_beside_is_not_written_through(tmp_path: Path) -> None:
    (tmp_path / "victim").write_bytes(b"old")
    (tmp_path / "beside").symlink_to("victim")
    with pytest.raises(FileExistsError):
        write_file(tmp_path / "a", b"new", beside=tmp_path / "beside")
    assert (tmp_path / "victim").read_bytes() == b"old"


def test_a_process_that_ends_at_once_removes_what_it_has_not_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ending(*_arguments: object) -> int:
        assert len(list(tmp_path.iterdir())) == 1
        atomic.remove_unfinished()
        assert list(tmp_path.iterdir()) == []
        return failing()

    monkeypatch.setattr(os, "pwrite", ending)
    with pytest.raises(OSError, match=os.strerror(errno.EIO)):
        write_file(tmp_path / "a", b"new")


# --- whoever writes


def first_entry(path: Path) -> None:
    held = writer(path)
    add(held, 1)
    held.close()


def appended_entry(path: Path) -> None:
    write(path, interaction(1))
    held = writer(path)
    add(held, 2)
    held.close()


def put_in_order(path: Path) -> None:
    held = writer(path)
    add(held, 1)
    held.rewrite(path.read_bytes())
    held.close()


def torn_end(path: Path) -> None:
    write(path, interaction(1), interaction(2))
    path.write_bytes(path.read_bytes()[:-20])
    Writer(path, Dialect.CHARM, cassette.read(path)).close()


def scrubbed(path: Path) -> None:
    write(path, interaction({"note": SECRET}))
    task = scrub_tree.Task(Policy(), scrub=True, environ={})
    (result,) = scrub_tree.run(list(scrub_tree.files([path])), task, workers=1)
    assert result.replaced


def converted(path: Path, *, force: bool = False) -> None:
    write(path, interaction(1))
    jobs, root = convert_tree.plan([path], path.with_name("b.yaml"), "vcrpy")
    (row,) = convert_tree.run(
        jobs, convert_tree.ConvertOptions(Target("vcrpy"), Policy(), root, force=force), 1
    )
    assert row.outcome is convert_tree.Outcome.DONE, row


def converted_by_force(path: Path) -> None:
    path.with_name("b.yaml").touch()
    converted(path, force=True)


def reported(path: Path) -> None:
    run_report.write(path, "{}")


WAYS = [first_entry, put_in_order, torn_end, scrubbed, converted, converted_by_force, reported]


@pytest.mark.parametrize("way", WAYS)
def test_whoever_writes_a_whole_file_forces_it_and_its_folder_to_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: Callable[[Path], None]
) -> None:
    synced: set[str] = set()
    fsync = os.fsync

    def syncing(fd: int) -> None:
        synced.add("folder" if stat.S_ISDIR(os.fstat(fd).st_mode) else "file")
        fsync(fd)

    monkeypatch.setattr(os, "fsync", syncing)
    way(tmp_path / "a.yaml")
    assert synced == {"file", "folder"}
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is forced to the disk, and put in another file's place, in order."""
    steps: list[str] = []
    replace = os.replace

    def replacing(source: Path, target: Path) -> None:
        steps.append("replace")
        replace(source, target)

    def syncing(fd: int) -> None:
        steps.append("folder" if stat.S_ISDIR(os.fstat(fd).st_mode) else "file")

    monkeypatch.setattr(os, "fsync", syncing)
    monkeypatch.setattr(os, "replace", replacing)
    return steps


def test_no_entry_of_a_new_cassette_waits_for_the_disk_and_its_end_does(
    tmp_path: Path, steps: list[str]
) -> None:
    held = writer(tmp_path / "a.yaml")
    add(held, 1, 2)
    assert steps == []
    held.close()
    assert steps == ["file", "folder"]


def test_what_is_recorded_anew_is_on_the_disk_before_it_takes_the_old_file_s_place(
    tmp_path: Path, steps: list[str]
) -> None:
    write(tmp_path / "a.yaml", interaction(1))
    held = writer(tmp_path / "a.yaml", anew=True)
    add(held, 2, 3)
    assert steps == ["file", "replace"]
    held.close()
    assert steps[2:] == ["file", "folder"]


def test_a_recording_is_forced_to_the_disk_when_it_is_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda fd: synced.append(os.fstat(fd).st_size))
    appended_entry(tmp_path / "a.yaml")
    assert synced == [(tmp_path / "a.yaml").stat().st_size]


def test_a_recording_that_can_not_be_forced_to_the_disk_is_said_and_its_lock_is_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.yaml"
    write(path, interaction(1))
    held = writer(path)
    add(held, 2)
    monkeypatch.setattr(os, "fsync", failing)
    with pytest.raises(CassetteError, match=r"a\.yaml: may not have come to the disk: "):
        held.close()
    monkeypatch.undo()
    writer(path).close()
