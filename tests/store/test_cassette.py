"""A cassette's file, read: its format, and what is wrong with it."""

from __future__ import annotations

import gzip
import random
from pathlib import Path

import pytest

from mitmvcr.errors import CassetteError, FormatError, NoRecordingError
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
        (b"version: 1\ninteractions: }\n", "vcrpy"),
        (b'{"log": {"entries": [', "har"),
        (b'{"request": {}, "response": {}}', "llama-stack"),
        (b'---\n{"interactions": [{"request": {"uri": "http://a/"}}]}', "vcrpy"),
    ],
)
def test_a_file_is_of_the_format_that_it_is_meant_to_be_in(data: bytes, name: str) -> None:
    assert cassette.recorded_format(data) == name
    assert cassette.recorded_format(gzip.compress(data, mtime=0)) == name
    assert cassette.recorded_format(data.decode().encode("utf-16")) == name


@pytest.mark.parametrize(
    "data",
    [
        b"version: 2\nservices: {}\n",
        b"version: 1\nformatters: {}\n",
        b'{"log": {"level": "debug"}}',
        b'{"request": {"method": "GET"}}',
        b'{"request": [], "response": {}}',
        b'{"name": "package"}',
        b'{"mappings": {"properties": {}}}',
        b"hello\n",
        b"",
        b"\0" * 64,
    ],
)
def test_what_is_no_recording_is_passed_over(data: bytes) -> None:
    with pytest.raises(NoRecordingError):
        cassette.recorded_format(data)
    with pytest.raises(NoRecordingError):
        cassette.recorded_format(gzip.compress(data, mtime=0))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b'{"request": {}, "response": {', "not JSON"),
        (b'{"request": {"url": "http://a/"}, "response": {"status": 200}}', "no recording of llama-stack"),
        (b'{"request": {"url": "http://a/", "body": "x"}, "response": {}}', "no recording of llama-stack"),
        (b'{"request": {}, "response": {}}\n{"request": {}, "response": {}}\n', "not JSON"),
        (b'{"http_interactions": []}', "Ruby's VCR"),
        (b'{"mappings": [{"request": {}}]}', "WireMock"),
        (b'[{"scope": "http://a:80", "response": {}}]', "nock"),
        (
            b'{"item": [{"request": {"method": "GET", "url": "/"}, "response": [{"code": 200}]}]}',
            "another program",
        ),
        (b"1:0:~", "mitmproxy's flows"),
        (gzip.compress(b"version: 2\ninteractions: []\n" * 100, mtime=0)[:-9], "cut short"),
        (b"\x1f\x8b\x08 no gzip", "damaged gzip"),
    ],
)
def test_a_recording_that_is_not_read_is_told_from_what_is_none(data: bytes, words: str) -> None:
    with pytest.raises(FormatError, match=words) as caught:
        cassette.recorded_format(data)
    assert not isinstance(caught.value, NoRecordingError)
