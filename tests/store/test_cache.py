"""Cassettes are read once for as long as their files are unchanged, and their indexes made once."""

from __future__ import annotations

import gzip
import json
import os
import time
from pathlib import Path

import pytest

from mitmvcr.errors import CassetteError
from mitmvcr.formats import vcrpy
from mitmvcr.model import Request
from mitmvcr.replay.matcher import Matcher
from mitmvcr.scrub import Memory, Policy, Scrubber
from mitmvcr.store import cassette
from mitmvcr.store.cache import CassetteCache
from tests.build import interaction, request, write

SCRUBBER = Scrubber(Policy())
GO_VCR = Matcher(("method", "url", "body"))


def old(path: Path) -> Path:
    """The file as if it had been written a minute ago."""
    then = time.time() - 60
    os.utime(path, (then, then))
    return path


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that are parsed."""
    names: list[str] = []
    parse = cassette.parse

    def counting(path: Path, data: bytes) -> cassette.CassetteFile:
        names.append(path.name)
        return parse(path, data)

    monkeypatch.setattr(cassette, "parse", counting)
    return names


def test_an_unchanged_file_is_parsed_once(tmp_path: Path, parsed: list[str]) -> None:
    write(tmp_path / "a.yaml", interaction(1, "a"))
    cache = CassetteCache()
    first = cache.read(old(tmp_path / "a.yaml"))
    assert [cache.read(tmp_path / "a.yaml") for _ in range(5)] == [first] * 5
    assert parsed == ["a.yaml"]


def test_an_unchanged_file_is_not_even_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "a.yaml", interaction(1, "a"))
    cache = CassetteCache()
    first = cache.read(old(tmp_path / "a.yaml"))
    monkeypatch.delattr(cassette, "content")
    assert cache.read(tmp_path / "a.yaml") is first


def test_a_file_that_changed_is_parsed_again_even_within_a_tick_of_the_clock(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    cache = CassetteCache()
    for number in range(1, 8):
        before = path.stat() if path.exists() else None
        write(path, interaction(number, "a"))
        if before is not None:
            os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))  # the same time, size and inode
        assert cache.read(path).interactions[0].request.body == str(number).encode()


def test_a_file_that_was_only_touched_is_not_parsed_again(tmp_path: Path, parsed: list[str]) -> None:
    write(tmp_path / "a.yaml", interaction(1, "a"))
    cache = CassetteCache()
    first = cache.read(tmp_path / "a.yaml")
    assert cache.read(old(tmp_path / "a.yaml")) is first
    assert parsed == ["a.yaml"]


def test_a_folder_is_one_cassette_and_read_again_when_a_file_of_it_changes(tmp_path: Path) -> None:
    def record(name: str, text: str) -> None:
        call = {
            "request": {
                "method": "POST",
                "url": "http://h/v1/v1/chat/completions",
                "endpoint": "/v1/chat/completions",
                "body": {"model": "m", "messages": [{"role": "user", "content": text}]},
            },
            "response": {
                "body": {"__type__": "x.ChatCompletion", "__data__": {"id": text}},
                "is_streaming": False,
            },
        }
        (tmp_path / "tape" / name).write_text(json.dumps(call))
        old(tmp_path / "tape" / name)

    (tmp_path / "tape").mkdir()
    record("a.json", "one")
    cache = CassetteCache()
    first = cache.read(tmp_path / "tape")
    assert cache.read(tmp_path / "tape") is first
    record("b.json", "two")
    second = cache.read(tmp_path / "tape")
    assert len(second.interactions) == 2
    record("b.json", "three")
    assert b"three" in cache.read(tmp_path / "tape").interactions[1].request.body


def test_what_is_kept_is_bounded_and_the_one_used_last_stays(tmp_path: Path, parsed: list[str]) -> None:
    names = ["a.yaml", "b.yaml", "c.yaml"]
    for name in names:
        write(tmp_path / name, interaction(name, name))
        old(tmp_path / name)
    cache = CassetteCache(limit=2 * (tmp_path / "a.yaml").stat().st_size)
    for name in ("a.yaml", "b.yaml", "a.yaml", "c.yaml", "a.yaml", "b.yaml"):
        cache.read(tmp_path / name)
    assert parsed == ["a.yaml", "b.yaml", "c.yaml", "b.yaml"]


def test_a_file_larger_than_the_bound_is_read_each_time(tmp_path: Path, parsed: list[str]) -> None:
    write(tmp_path / "a.yaml", interaction(1, "a"))
    cache = CassetteCache(limit=10)
    for _ in range(2):
        cache.read(old(tmp_path / "a.yaml"))
    assert parsed == ["a.yaml"] * 2


def test_an_index_is_made_once_for_equal_matchers(tmp_path: Path) -> None:
    write(tmp_path / "a.yaml", interaction(1, "a"))
    recorded = CassetteCache().read(tmp_path / "a.yaml")
    first = recorded.index(GO_VCR, SCRUBBER, Memory({}))
    assert recorded.index(Matcher(("method", "url", "body")), SCRUBBER, Memory({})) is first
    assert recorded.index(Matcher(("method",)), SCRUBBER, Memory({})) is not first


def test_an_index_that_is_used_again_tells_a_memory_what_the_recordings_hold(tmp_path: Path) -> None:
    secret = "Foreign" + "Credential" + "0815" * 3
    held = interaction({"note": secret}, "a")
    held.request.headers["Authorization"] = [f"Bearer {secret}"]  # type: ignore[index]
    write(tmp_path / "a.yaml", held)
    recorded = CassetteCache().read(tmp_path / "a.yaml")
    keys = []
    for _ in range(2):
        memory = Memory({})
        index = recorded.index(GO_VCR, SCRUBBER, memory)
        keys.append(GO_VCR.key(SCRUBBER.request(request({"note": secret}), memory)))
        assert list(index.find(keys[-1])) == [0]
    assert keys[0] == keys[1]


def test_a_file_that_can_not_be_read_is_said_and_nothing_is_kept(tmp_path: Path) -> None:
    cache = CassetteCache()
    with pytest.raises(CassetteError, match=r"none\.yaml: can't be read"):
        cache.read(tmp_path / "none.yaml")
    (tmp_path / "bad.yaml").write_text("bad")
    with pytest.raises(CassetteError, match=r"bad\.yaml"):
        cache.read(tmp_path / "bad.yaml")
    write(tmp_path / "bad.yaml", interaction(1, "a"))
    assert len(cache.read(tmp_path / "bad.yaml").interactions) == 1


def test_keys_are_made_as_far_as_they_are_needed_and_all_where_that_makes_a_difference(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[bytes] = []
    key = Matcher.key

    def counting(matcher: Matcher, asked: Request) -> bytes:
        made.append(asked.body)
        return key(matcher, asked)

    monkeypatch.setattr(Matcher, "key", counting)

    def made_for(name: str, *, matcher: Matcher = GO_VCR, whole: bool = False) -> int:
        made.clear()
        index = CassetteCache().read(tmp_path / name).index(matcher, SCRUBBER, Memory({}), whole=whole)
        assert index.at(key(matcher, request("3")), 0) == 3
        return len(made)

    those = [interaction(str(number), "a") for number in range(100)]
    write(tmp_path / "a.yaml", *those)
    (tmp_path / "same.py").write_text("def same(request):\n    return b''\n")
    by_function = Matcher(("body", f"py:{tmp_path / 'same.py'}:same"))
    assert made_for("a.yaml") < 40
    assert made_for("a.yaml", whole=True) == 100
    assert made_for("a.yaml", matcher=by_function) == 100
    those[99].request.headers["Authorization"] = ["Bearer " + "x1" * 20]  # type: ignore[index]
    write(tmp_path / "b.yaml", *those)
    assert made_for("b.yaml") == 100


def test_a_file_is_known_again_by_its_bytes_in_every_format(tmp_path: Path, parsed: list[str]) -> None:
    cache = CassetteCache()
    write(tmp_path / "a.yaml", interaction(1, "a"))
    one = cache.read(tmp_path / "a.yaml").file.cassette
    (tmp_path / "b.yaml").write_bytes(vcrpy.dump(one))
    (tmp_path / "c.yaml.gz").write_bytes(gzip.compress((tmp_path / "a.yaml").read_bytes()))
    parsed.clear()
    for name in ("b.yaml", "c.yaml.gz"):
        first = cache.read(tmp_path / name)
        assert cache.read(old(tmp_path / name)) is first
        (tmp_path / name).write_bytes((tmp_path / name).read_bytes())
        assert cache.read(tmp_path / name) is first
    assert parsed == ["b.yaml", "c.yaml.gz"]


def test_ways_to_match_that_clients_think_of_do_not_pile_up(tmp_path: Path) -> None:
    write(tmp_path / "a.yaml", interaction({"x": 1}, "a"))
    recorded = CassetteCache().read(tmp_path / "a.yaml")
    for number in range(100):
        matcher = recorded.matcher(Matcher(("body",), (f"$.x{number}",)))
        assert recorded.index(matcher, SCRUBBER, Memory({})).find(matcher.key(request({"x": 1})))
        assert len(recorded._indexes) < 20
        assert len(recorded._matchers) < 20
