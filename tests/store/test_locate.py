"""A cassette's name and the file that it is in: below the folder, whatever the name and the links."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mitmvcr.errors import CassetteError
from mitmvcr.store import cassette
from mitmvcr.store.locate import Location, locate
from tests.build import interaction, write


def test_a_name_is_a_path_below_the_folder_without_suffix(tmp_path: Path) -> None:
    assert locate(tmp_path, "a") == Location("a", tmp_path / "a.yaml", exists=False)
    assert locate(tmp_path, "a/b c/ü").path == tmp_path / "a" / "b c" / "ü.yaml"
    assert locate(tmp_path, "v1.2").path == tmp_path / "v1.2.yaml"
    assert locate(tmp_path, "a.yml").path == tmp_path / "a.yml"
    assert locate(tmp_path, "test_x[a:b-1]").path == tmp_path / "test_x[a:b-1].yaml"


@pytest.mark.parametrize("suffix", [".yaml", ".yml", ".json", ".har", ".yaml.gz", ".yml.gz", ".json.gz"])
def test_a_name_finds_the_file_that_exists(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.b{suffix}"
    path.touch()
    for name in ("a.b", f"a.b{suffix}"):
        assert locate(tmp_path, name) == Location(name, path, exists=True)


def test_a_name_that_could_be_two_files_is_an_error_that_names_both(tmp_path: Path) -> None:
    for suffix in (".yaml", ".json"):
        (tmp_path / f"a{suffix}").touch()
    with pytest.raises(CassetteError, match=r"a\.yaml.*a\.json.*suffix"):
        locate(tmp_path, "a")
    assert locate(tmp_path, "a.json").exists


@pytest.mark.parametrize(
    "name",
    ["", "..", "../a", "a/../b", "a/..", "./a", "a//b", "/etc/passwd", "/a", "a/", ".", "a/./b", "\\a",
     "a\\..\\b",
     "~/a", "~root/a", "a\0b", "a\nb", "a\x7fb", "\x1b[2J", "x" * 300, "a/" + "ü" * 130, "a/" * 1100 + "b",
     "lone \udcff", "a\x85b", "a\u2028b", "\u2029", ".a.yaml.lock/b", "x/.a.yaml.new/b"],
)  # fmt: skip
def test_what_can_be_no_name_is_refused_in_one_line(tmp_path: Path, name: str) -> None:
    with pytest.raises(CassetteError) as caught:
        locate(tmp_path, name)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400 or len(name) > 200


@pytest.mark.parametrize(
    "name", ["a.lock", "a.yaml.torn", ".a.yaml.lock", "a.new/b", "a.lock/b", ".a", "ü\u200d😀"]
)
def test_a_name_that_is_like_one_of_our_own_files_is_no_such_file(tmp_path: Path, name: str) -> None:
    found = locate(tmp_path, name)
    assert found.path == tmp_path / f"{name}.yaml"


def test_a_path_that_is_too_long_for_the_system_is_no_cassette(tmp_path: Path) -> None:
    deep = tmp_path.joinpath(*["d" * 200] * 30)
    with contextlib.suppress(CassetteError):  # before Python 3.13 it can't be looked for
        assert not locate(deep, "a").exists
    with contextlib.suppress(CassetteError):
        assert not locate(deep, "a.yaml").exists


@given(st.text(max_size=300) | st.text(alphabet="./\\ab~:%", max_size=12))
def test_no_name_leaves_the_folder(name: str) -> None:
    root = Path("some/top")
    try:
        found = locate(root, name)
    except CassetteError:
        return
    assert found.path.resolve().is_relative_to(root.resolve())
    assert ".." not in found.path.parts
    assert found.path.name.encode()


def test_a_link_that_leads_out_is_refused(tmp_path: Path) -> None:
    root, outside = tmp_path / "top", tmp_path / "outside"
    root.mkdir()
    write(outside / "a.yaml", interaction(1))
    (root / "folder").symlink_to(outside)
    (root / "file.yaml").symlink_to(outside / "a.yaml")
    (root / "dangling.yaml").symlink_to(outside / "none.yaml")
    (root / "up").symlink_to("..")
    for name in ("folder/a", "folder/new", "file", "file.yaml", "dangling", "up/outside/a", "up/top/../a"):
        with pytest.raises(CassetteError):
            locate(root, name)


def test_a_link_that_stays_within_is_followed(tmp_path: Path) -> None:
    write(tmp_path / "real" / "a.yaml", interaction(1))
    (tmp_path / "folder").symlink_to("real")
    (tmp_path / "file.yaml").symlink_to("real/a.yaml")
    assert locate(tmp_path, "folder/a").exists
    assert locate(tmp_path, "file").exists


def test_the_root_itself_may_be_a_link(tmp_path: Path) -> None:
    write(tmp_path / "real" / "a.yaml", interaction(1))
    (tmp_path / "root").symlink_to("real")
    assert locate(tmp_path / "root", "a").exists


def test_a_link_to_itself_is_an_error_and_no_crash(tmp_path: Path) -> None:
    (tmp_path / "loop.yaml").symlink_to("loop.yaml")
    try:
        found = locate(tmp_path, "loop")
    except CassetteError:
        return
    with pytest.raises(CassetteError):
        cassette.read(found.path)
