"""A folder is walked in one way: in order, without what is hidden, and never out of it by a link."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mitmvcr.store.walk import is_own, walk


def found(top: Path) -> list[str]:
    return [
        str((folder.path / entry.name).relative_to(top)) for folder in walk(top) for entry in folder.files
    ]


def make(top: Path, *names: str) -> None:
    for name in names:
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).touch()


def test_files_come_in_order_from_the_top_down_without_what_is_hidden(tmp_path: Path) -> None:
    make(tmp_path, "b", "a", "d/b", "d/a/x", "c/z", ".hidden", ".git/config", "d/.lock")
    assert found(tmp_path) == ["a", "b", "c/z", "d/b", "d/a/x"]


def test_links_to_folders_are_not_followed_and_links_to_files_are_listed_apart_if_they_lead_out(
    tmp_path: Path,
) -> None:
    make(tmp_path, "outside/secret", "top/real")
    (tmp_path / "top" / "out").symlink_to(tmp_path / "outside")
    (tmp_path / "top" / "up").symlink_to("..")
    (tmp_path / "top" / "file").symlink_to(tmp_path / "outside" / "secret")
    (tmp_path / "top" / "loop").symlink_to("loop")
    (tmp_path / "top" / "dangling").symlink_to("nowhere")
    (tmp_path / "top" / "alias").symlink_to("real")
    (tmp_path / "topper").touch()
    (tmp_path / "top" / "near").symlink_to(tmp_path / "topper")
    assert found(tmp_path / "top") == ["alias", "real"]
    (folder,) = walk(tmp_path / "top")
    assert folder.links_out == [tmp_path / "top" / "file", tmp_path / "top" / "near"]
    (tmp_path / "by-link").symlink_to(tmp_path / "top")
    assert found(tmp_path / "by-link") == ["alias", "real"]


def test_a_folder_that_is_not_wanted_is_left_out_with_all_below(tmp_path: Path) -> None:
    make(tmp_path, "a", "node_modules/x/a", "b/site-packages/a", "b/own")
    folders = [folder.path.relative_to(tmp_path).as_posix() for folder in walk(tmp_path, is_own)]
    assert folders == [".", "b"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_can_not_be_read_is_said_and_the_others_are_walked(tmp_path: Path) -> None:
    make(tmp_path, "a/x", "b/y")
    (tmp_path / "a").chmod(0)
    problems = {folder.path.name: folder.problem for folder in walk(tmp_path)}
    (tmp_path / "a").chmod(0o700)
    assert problems["a"] == "can't be read: Permission denied"
    assert problems["b"] == ""


def test_a_folder_that_is_gone_is_said(tmp_path: Path) -> None:
    (gone,) = walk(tmp_path / "none")
    assert gone.problem == "can't be read: No such file or directory"
