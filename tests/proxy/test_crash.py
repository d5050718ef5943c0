"""Whatever ends the process or stops it from writing: what was complete is intact, the rest is not there."""

from __future__ import annotations

import random
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from mitmvcr.formats import govcr
from tests import build
from tests.conftest import Start
from tests.harness import Proxy
from tests.proxy.talk import CHAT, chat, nothing_reaches, recordings, reverse
from tests.upstream.server import Upstream


def _talk_until_it_dies(proxy: Proxy, name: str) -> list[str]:
    """Ask one thing after the other; the prompts whose answers came."""
    answered = []
    with reverse(proxy) as client:
        for number in range(100_000):
            prompt = f"{name} {number}"
            try:
                client.post(CHAT, json=chat(prompt, stream=bool(number % 2)))
            except httpx.TransportError:
                break
            answered.append(prompt)
    return answered


def test_killed_recording_keeps_what_was_complete_and_goes_on(
    start: Start, tmp_path: Path, upstream: Upstream
) -> None:
    path = tmp_path / "recordings" / "default.yaml"
    seed = random.randrange(1 << 30)
    chance = random.Random(seed)
    complete = 0
    for run in range(3):
        proxy = start(upstream=upstream.url, mode="new-episodes")
        before = path.read_bytes() if run else b""
        with ThreadPoolExecutor(4) as pool:
            talking = [pool.submit(_talk_until_it_dies, proxy, f"{run}.{one}.") for one in range(4)]
            proxy.wait_for("recorded in")
            time.sleep(chance.random() * 0.5)
            proxy.stop(signal.SIGKILL)
            answered = [prompt for one in talking for prompt in one.result(30)]
        data = path.read_bytes()
        assert data.startswith(before), seed
        kept = govcr.load(data).interactions
        prompts = {one.request.body for one in kept}
        # An answer can reach its client a moment before it is on disk: one for each connection.
        missing = [prompt for prompt in answered if not any(prompt.encode() in body for body in prompts)]
        assert len(missing) <= 4, seed
        assert complete < len(kept), seed
        complete = len(kept)
        assert [one.id for one in kept] == list(range(complete)), seed
    with nothing_reaches(upstream):
        proxy = start(upstream=upstream.url, mode="replay")
        with reverse(proxy) as client:
            first = kept[0]
            body = first.request.body
            answer = client.post(CHAT, content=body, headers={"Content-Type": "application/json"})
            assert (answer.status_code, answer.content) == (200, first.response.body)
        assert proxy.stop() == 0, proxy.output


@pytest.mark.parametrize("mode", ["once", "new-episodes", "replay"])
def test_torn_last_entry_is_set_aside_and_said(
    start: Start, tmp_path: Path, upstream: Upstream, mode: str
) -> None:
    path = tmp_path / "recordings" / "default.yaml"
    build.write(path, *(build.interaction(chat(text), url=upstream.url + CHAT) for text in ("a", "b", "c")))
    whole = path.read_bytes()
    start_of_last = whole.rindex(b"- id: 2")
    torn = whole[start_of_last : whole.rindex(b"response:")]
    path.write_bytes(whole[:start_of_last] + torn)
    proxy = start(upstream=upstream.url, mode=mode, cassette="default")
    assert "torn" in proxy.output
    with reverse(proxy) as client:
        codes = [client.post(CHAT, json=chat(text)).status_code for text in ("a", "b", "c")]
    status = proxy.stop()
    aside = path.with_name("default.yaml.torn")
    if mode == "replay":
        assert path.read_bytes() == whole[:start_of_last] + torn
        assert not aside.exists()
    else:
        assert aside.read_bytes() == torn
        assert path.read_bytes().startswith(whole[:start_of_last])
    recorded = mode == "new-episodes"
    assert codes == [200, 200, 200 if recorded else 404]
    assert status == (0 if recorded else 1)
    if recorded:
        assert [one.id for one in recordings(tmp_path)] == [0, 1, 2]


def test_full_disk_leaves_what_was_there_and_the_client_its_answer(
    start: Start, tmp_path: Path, upstream: Upstream
) -> None:
    path = tmp_path / "recordings" / "default.yaml"
    proxy = start(upstream=upstream.url, mode="record")
    with reverse(proxy) as client:
        assert client.post(CHAT, json=chat("fits")).status_code == 200
        proxy.wait_for("recorded in")
        before = path.read_bytes()
        # In the middle of the next entry.
        proxy.limit_file_size(len(before) + 200)
        answers = [client.post(CHAT, json=chat(f"does not {n}")) for n in range(2)]
        assert [one.status_code for one in answers] == [200, 200]
        proxy.wait_for("could not be written", times=2)
        assert path.read_bytes() == before
        proxy.limit_file_size(1 << 30)
        assert client.post(CHAT, json=chat("fits again")).status_code == 200
    assert proxy.stop() == 1
    assert proxy.output.count("could not be written") >= 2
    assert "2 failures" in proxy.lines[-1]
    assert [b"fits" in one.request.body for one in recordings(tmp_path)] == [True, True]
    assert path.read_bytes().startswith(before)


def test_disk_that_is_full_from_the_start_leaves_no_file(
    start: Start, tmp_path: Path, upstream: Upstream
) -> None:
    proxy = start(upstream=upstream.url, mode="record")
    proxy.limit_file_size(100)
    with reverse(proxy) as client:
        assert client.post(CHAT, json=chat()).status_code == 200
    assert proxy.stop() == 1
    assert not (tmp_path / "recordings").exists()


def test_file_that_somebody_else_changes_is_left_alone(
    start: Start, tmp_path: Path, upstream: Upstream
) -> None:
    path = tmp_path / "recordings" / "default.yaml"
    proxy = start(upstream=upstream.url, mode="record")
    with reverse(proxy) as client:
        client.post(CHAT, json=chat("one"))
        proxy.wait_for("recorded in")
        changed = path.read_bytes() + b"# by hand\n"
        path.write_bytes(changed)
        assert client.post(CHAT, json=chat("two")).status_code == 200
    assert proxy.stop() == 1
    assert path.read_bytes() == changed
    assert "changed" in proxy.output
