"""Recording anew: a diff that is upstream's change alone, and recording only what an earlier run missed."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import httpx
import pytest

from mitmvcr.store.cassette import read
from tests.conftest import Start
from tests.harness import Proxy
from tests.upstream.server import Upstream

HEADERS = {"Authorization": "Bearer " + "sk-" + "r" * 48}


def ask(proxy: Proxy, text: str, cassette: str = "talk", standin: str = "") -> httpx.Response:
    body = {"model": "m", "messages": [{"role": "user", "content": text}]}
    headers = {**HEADERS, "X-VCR-Cassette": cassette, **({"x-standin": standin} if standin else {})}
    return httpx.post(f"{proxy.reverse}/v1/chat/completions", json=body, headers=headers, timeout=30)


def at_once(proxy: Proxy, delays: dict[str, str]) -> None:
    """Ask all at the same time; each is answered after its own delay."""
    threads = [
        threading.Thread(target=ask, args=(proxy, text), kwargs={"standin": f"first={delay}"})
        for text, delay in delays.items()
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@pytest.mark.parametrize("dialect", ["charm", "stock"])
@pytest.mark.slow
def test_recorded_again_in_another_order_the_file_is_the_same(
    dialect: str, tmp_path: Path, start: Start, upstream: Upstream
) -> None:
    path = tmp_path / "recordings" / "talk.yaml"
    proxy = start(upstream=upstream.url, mode="record", dialect=dialect)
    at_once(proxy, {"one": "0", "two": "0.8", "three": "1.6"})
    assert proxy.stop() == 0, proxy.output
    before = path.read_bytes()

    proxy = start(upstream=upstream.url, mode="record", dialect="charm")
    at_once(proxy, {"one": "1.6", "two": "0.8", "three": "0"})
    proxy.wait_for("recorded in", 3)
    on_its_way = [one.request.body for one in read(path).cassette.interactions]
    assert b"three" in on_its_way[0]
    assert proxy.stop() == 0, proxy.output
    assert path.read_bytes() == before
    assert sorted(entry.name for entry in path.parent.iterdir()) == ["talk.yaml"]

    proxy = start(upstream=upstream.url, mode="record")
    for text in ("three", "new", "one"):
        assert ask(proxy, text).status_code == 200
    assert proxy.stop() == 0, proxy.output
    now = [one.request.body for one in read(path).cassette.interactions]
    assert [word for body in now for word in (b"one", b"three", b"new") if b'"%s"' % word in body] == [
        b"one",
        b"three",
        b"new",
    ]


def test_a_recording_that_cannot_be_read_is_recorded_anew(
    tmp_path: Path, start: Start, upstream: Upstream
) -> None:
    path = tmp_path / "recordings" / "talk.yaml"
    path.parent.mkdir()
    path.write_text("version: 2\ninteractions:\n  - id: zero\n")
    proxy = start(upstream=upstream.url, mode="record")
    assert ask(proxy, "one").status_code == 200
    assert proxy.stop() == 0, proxy.output
    assert len(read(path).cassette.interactions) == 1


@pytest.mark.slow
def test_only_what_the_last_report_missed_is_recorded(
    tmp_path: Path, start: Start, upstream: Upstream
) -> None:
    options = {"upstream": upstream.url, "report": "out/vcr.json"}
    proxy = start(**options, mode="record")
    assert [ask(proxy, "one", name).status_code for name in ("kept", "talk")] == [200, 200]
    assert proxy.stop() == 0, proxy.output
    kept, talk = (tmp_path / "recordings" / f"{name}.yaml" for name in ("kept", "talk"))
    before = kept.read_bytes()

    proxy = start(**options, mode="replay")
    codes = [
        ask(proxy, text, name).status_code
        for text, name in (("one", "kept"), ("two", "talk"), ("one", "new[1]"))
    ]
    assert codes == [200, 404, 404]
    assert proxy.stop() == 1
    asked = len(upstream.requests())

    proxy = start(**options, mode="record", only_missed="last")
    answers = [
        ask(proxy, text, name)
        for text, name in (
            ("one", "kept"),
            ("one", "talk"),
            ("two", "talk"),
            ("one", "new[1]"),
            ("x", "kept"),
        )
    ]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 200, 404]
    assert proxy.stop() == 1  # for what was asked of a cassette that had no misses
    assert len(upstream.requests()) == asked + 2
    assert kept.read_bytes() == before
    assert [b"two" in one.request.body for one in read(talk).cassette.interactions] == [False, True]
    assert (tmp_path / "recordings" / "new[1].yaml").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"only_missed": "vcr.json"}, "only_missed goes with mode=record"),
        ({"only_missed": "last", "mode": "record"}, "no JSON report is set"),
        ({"only_missed": "none.json", "mode": "record"}, "none.json: the report can't be read"),
        ({"only_missed": "junk.json", "mode": "record"}, "junk.json: this is no report"),
    ],
)
def test_a_report_that_cannot_be_used_ends_the_process(
    options: dict[str, str], said: str, tmp_path: Path, start: Start
) -> None:
    (tmp_path / "junk.json").write_text(json.dumps({"version": 1}))
    proxy = start(**options)
    assert proxy.stop() == 1
    assert said in proxy.output
