"""The five modes, seen from outside: what is forwarded, what is answered, what becomes of the file."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from mitmvcr.formats import govcr
from mitmvcr.model import Interaction
from tests import build
from tests.conftest import Start
from tests.harness import Proxy
from tests.proxy.talk import CHAT, chat, nothing_reaches, recordings, reverse
from tests.upstream.server import Upstream


def _ask(proxy: Proxy, *prompts: str, standin: str = "") -> list[httpx.Response]:
    asked = {"x-standin": standin} if standin else {}
    with reverse(proxy) as client:
        return [client.post(CHAT, json=chat(prompt), headers=asked) for prompt in prompts]


def _tape(folder: Path, base: str, dialect: govcr.Dialect = govcr.Dialect.CHARM) -> bytes:
    path = folder / "recordings" / "default.yaml"
    asked = build.request(chat("old"), url=base + CHAT)
    build.write(path, Interaction(asked, build.response({"said": "old"})), dialect=dialect)
    return path.read_bytes()


def test_once_records_without_a_cassette_and_replays_strictly_with_one(
    start: Start, tmp_path: Path, upstream: Upstream
) -> None:
    proxy = start(upstream=upstream.url)
    told = _ask(proxy, "one", "one", "two")
    assert proxy.stop() == 0
    assert len(recordings(tmp_path)) == len(upstream.requests()) == 3
    before = (tmp_path / "recordings" / "default.yaml").read_bytes()
    with nothing_reaches(upstream):
        proxy = start(upstream=upstream.url)
        again = _ask(proxy, "one", "two", "one", "three")
        assert proxy.stop() == 1
    assert [one.content for one in again[:3]] == [told[0].content, told[2].content, told[1].content]
    assert again[3].status_code == 404
    assert (tmp_path / "recordings" / "default.yaml").read_bytes() == before


@pytest.mark.parametrize("mode", ["record", "all"])
def test_record_replaces_the_old_file_when_the_first_exchange_is_complete(
    start: Start, tmp_path: Path, upstream: Upstream, mode: str
) -> None:
    path = tmp_path / "recordings" / "default.yaml"
    before = _tape(tmp_path, upstream.url)
    proxy = start(upstream=upstream.url, mode=mode)
    with pytest.raises(httpx.RemoteProtocolError):
        _ask(proxy, "broken off", standin="cut=20,size=1000")
    proxy.wait_for("not recorded")
    assert path.read_bytes() == before
    _ask(proxy, "old")
    proxy.wait_for("recorded in")
    assert path.read_bytes() != before
    _ask(proxy, "new")
    assert proxy.stop() == 0
    assert [b"old" in one.request.body for one in recordings(tmp_path)] == [True, False]
    assert [one.id for one in recordings(tmp_path)] == [0, 1]


def test_record_that_records_nothing_leaves_the_old_file(
    start: Start, tmp_path: Path, upstream: Upstream
) -> None:
    before = _tape(tmp_path, upstream.url)
    assert start(upstream=upstream.url, mode="record").stop() == 0
    assert [path.name for path in (tmp_path / "recordings").iterdir()] == ["default.yaml"]
    assert (tmp_path / "recordings" / "default.yaml").read_bytes() == before


@pytest.mark.parametrize("dialect", [govcr.Dialect.CHARM, govcr.Dialect.STOCK])
def test_new_episodes_replays_what_matches_and_appends_the_rest_in_the_files_own_layout(
    start: Start, tmp_path: Path, upstream: Upstream, dialect: govcr.Dialect
) -> None:
    before = _tape(tmp_path, upstream.url, dialect)
    proxy = start(upstream=upstream.url, mode="new-episodes")
    told = _ask(proxy, "old", "new", "old", "new")
    assert proxy.stop() == 0
    assert told[0].json() == {"said": "old"}
    # What was recorded in this run answers in the next.
    assert [b"old" in one.body for one in upstream.requests()] == [False, True, False]
    kept = recordings(tmp_path)
    assert [one.id for one in kept] == [0, 1, 2, 3]
    assert [one.response.body for one in kept[1:]] == [one.content for one in told[1:]]
    after = (tmp_path / "recordings" / "default.yaml").read_bytes()
    assert after.startswith(before)
    assert after == govcr.dump(govcr.load(after), dialect)
    assert "3 recorded, 1 replayed, 0 misses, 0 unused" in proxy.lines[-1]


def test_new_episodes_begins_a_cassette_that_is_not_there(
    start: Start, tmp_path: Path, upstream: Upstream
) -> None:
    proxy = start(upstream=upstream.url, mode="new_episodes", dialect="stock", cassette="a/b")
    _ask(proxy, "new")
    assert proxy.stop() == 0
    (one,) = recordings(tmp_path, "a/b")
    assert one.request.host == f"127.0.0.1:{upstream.port}"
    assert (tmp_path / "recordings" / "a" / "b.yaml").read_bytes().count(b"\n    - id: 0\n") == 1


@pytest.mark.parametrize("mode", ["replay", "none"])
def test_replay_without_any_cassette_misses_and_says_that_there_is_none(
    start: Start, tmp_path: Path, upstream: Upstream, mode: str
) -> None:
    with nothing_reaches(upstream):
        proxy = start(upstream=upstream.url, mode=mode)
        (told,) = _ask(proxy, "anything")
        assert proxy.stop() == 1
    assert told.status_code == 404
    assert "recordings/default.yaml does not exist" in told.json()["error"]["message"]
    assert not (tmp_path / "recordings").exists()


def test_passthrough_forwards_everything_and_writes_nothing(
    start: Start, tmp_path: Path, upstream: Upstream
) -> None:
    before = _tape(tmp_path, upstream.url)
    proxy = start(upstream=upstream.url, mode="passthrough")
    told = _ask(proxy, "old", "new")
    assert proxy.stop() == 0
    assert [one.status_code for one in told] == [200, 200]
    assert len(upstream.requests()) == 2
    assert (tmp_path / "recordings" / "default.yaml").read_bytes() == before
    assert "0 recorded, 0 replayed, 0 misses, 0 unused" in proxy.lines[-1]


def test_large_upload_is_recorded_whole_while_mitmproxy_streams_bodies(
    start: Start, tmp_path: Path, upstream: Upstream
) -> None:
    prompts = ["x" * 300_000, "small"]
    for mode in ("record", "new-episodes"):
        proxy = start("--set", "stream_large_bodies=10k", upstream=upstream.url, mode=mode)
        told = _ask(proxy, *(f"{mode} {prompt}" for prompt in prompts))
        assert proxy.stop() == 0, proxy.output
        assert [one.status_code for one in told] == [200, 200]
    sent = [received.body for received in upstream.requests()]
    assert [one.request.body for one in recordings(tmp_path)] == sent
    assert [len(body) > 300_000 for body in sent] == [True, False, True, False]
