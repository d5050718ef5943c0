"""A cassette's file, read: its format, and what is wrong with it."""

from __future__ import annotations

import gzip
import random
from pathlib import Path

import pytest

from mitmvcr.errors import CassetteError
from mitmvcr.store import cassette
from tests.build import interaction, write


@pytest.mark.parametrize(
    "data", [b"", b"no cassette", b"\x1f\x8b\x08 broken", b"---\nversion: 3\ninteractions: []\n", b"\0" * 100]
)
def test_what_is_no_cassette_is_an_error_with_the_file_s_name(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes(data)
    with pytest.raises(CassetteError) as caught:
        cassette.read(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_a_file_that_is_absent_is_an_error_with_its_name(tmp_path: Path) -> None:
    with pytest.raises(CassetteError, match=r"a\.yaml: can't be read: No such file"):
        cassette.read(tmp_path / "a.yaml")
    with pytest.raises(CassetteError, match=r"a\.yaml: can't be read: No such file"):
        cassette.format_of(tmp_path / "a.yaml")


def test_the_format_is_told_from_the_first_bytes(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    write(path, *[interaction("x" * 1000, "y" * 1000) for _ in range(100)])
    assert cassette.format_of(path) == "go-vcr"
    path.write_bytes(b"no cassette")
    with pytest.raises(CassetteError, match=r"a\.yaml.*move it away"):
        cassette.format_of(path)


def test_a_compressed_cassette_is_read_and_known_for_one(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    write(path, *[interaction(random.Random(n).randbytes(2000)) for n in range(60)])
    path.write_bytes(gzip.compress(path.read_bytes(), mtime=0))
    assert path.stat().st_size > 1 << 16
    assert cassette.format_of(path) == "go-vcr, compressed"
    assert len(cassette.read(path).cassette.interactions) == 60


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"version: 2\ninteractions: [\n", "go-vcr"),
        (b"version: 2\nservices: {}\n", ""),
        (b"version: 1\ninteractions: }\n", "vcrpy"),
        (b"version: 1\nformatters: {}\n", ""),
        (b'{"log": {"entries": [', "har"),
        (b'{"log": {"level": "debug"}}', ""),
        (b'{"request": {}, "response": {', "llama-stack"),
        (b'{"request": {"method": "GET"}}', ""),
        (b'{"name": "package"}', ""),
        (b"", ""),
        (gzip.compress(b"version: 2\ninteractions: []\n" * 100, mtime=0)[:-9], "go-vcr"),
        (b"\x1f\x8b\x08 no gzip", ""),
    ],
)
def test_a_broken_cassette_is_told_from_what_is_none(data: bytes, name: str) -> None:
    assert cassette.meant_format(data) == name
