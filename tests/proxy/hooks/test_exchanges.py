"""What is recorded is written behind the answer: in order, bounded, and before anybody looks."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mitmvcr.config.settings import Mode, Settings
from mitmvcr.errors import MitmvcrError
from mitmvcr.model import Interaction
from mitmvcr.proxy.hooks import exchanges
from mitmvcr.proxy.hooks.exchanges import EndedExchange, WriteQueue
from mitmvcr.scrub import Policy, Scrubber
from mitmvcr.serving.outcomes import Outcomes
from mitmvcr.sessions.table import Sessions
from tests import build
from tests.conftest import Start
from tests.harness import Proxy
from tests.proxy.talk import CHAT, chat, recordings, reverse
from tests.upstream.server import Upstream


@pytest.fixture
def sessions(tmp_path: Path) -> Sessions:
    return Sessions(Settings(dir=tmp_path, mode=Mode.RECORD), Scrubber(Policy()))


def _recorded(sessions: Sessions, prompt: str) -> EndedExchange:
    one = build.interaction(chat(prompt), url="https://api.openai.com" + CHAT)
    return EndedExchange("POST /", one, sessions.get("one"))


def _prompts(folder: Path) -> list[bytes]:
    path = folder / "one.yaml"
    return [line for line in path.read_bytes().split(b"\n") if b"said" in line] if path.exists() else []


def test_exchanges_are_written_in_the_loops_next_turn_in_their_order(
    sessions: Sessions, tmp_path: Path
) -> None:
    async def ended() -> None:
        waiting = WriteQueue(Outcomes(lambda: sessions))
        for number in range(5):
            waiting.add(_recorded(sessions, f"said {number}"))
        assert not _prompts(tmp_path)
        await asyncio.sleep(0)
        assert [f"said {number}".encode() in line for number, line in enumerate(_prompts(tmp_path))] == [
            True
        ] * 5

    asyncio.run(ended())
    sessions.close_all()


def test_more_than_may_wait_is_written_at_once(
    sessions: Sessions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchanges, "_MOST_WAITING", 300)

    async def ended() -> None:
        waiting = WriteQueue(Outcomes(lambda: sessions))
        written = []
        for number in range(6):
            waiting.add(_recorded(sessions, f"said {number} {'x' * 50}"))
            written.append(len(_prompts(tmp_path)))
        assert written[0] == 0
        assert written[-1] > 0
        waiting.flush()
        assert len(_prompts(tmp_path)) == 6

    asyncio.run(ended())
    sessions.close_all()


@pytest.mark.parametrize("error", [MitmvcrError("no room"), ValueError("broken")])
def test_what_can_not_be_written_is_a_failure_and_the_next_one_is_written(
    sessions: Sessions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    cassette = sessions.get("one")
    record = cassette.record

    def fails_once(interaction: Interaction) -> None:
        monkeypatch.setattr(cassette, "record", record)
        raise error

    monkeypatch.setattr(cassette, "record", fails_once)

    async def ended() -> None:
        waiting = WriteQueue(Outcomes(lambda: sessions))
        for number in range(2):
            waiting.add(_recorded(sessions, f"said {number}"))
        waiting.flush()

    asyncio.run(ended())
    sessions.close_all()
    assert len(sessions.failures) == 1
    assert str(error) in sessions.failures[0]
    (line,) = _prompts(tmp_path)
    assert b"said 1" in line


def _talk(proxy: Proxy, name: str) -> None:
    with reverse(proxy) as client:
        for number in range(20):
            answer = client.post(CHAT, json=chat(f"{name}.{number}", stream=bool(number % 2)))
            assert answer.status_code == 200


def test_whoever_asks_or_ends_the_process_sees_all_that_was_answered(
    start: Start, tmp_path: Path, upstream: Upstream
) -> None:
    proxy = start(upstream=upstream.url, mode="record")
    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(_talk, proxy, str(one)) for one in range(4)]:
            done.result(60)
    with reverse(proxy) as client:
        client.post(CHAT, json=chat("last"))
        assert client.get("/__vcr__/cassettes/default").json()["recorded"] == 81
        client.post(CHAT, json=chat("after"))
        assert client.delete("/__vcr__/cassettes/default").json()["recorded"] == 82
        client.post(CHAT, json=chat("behind"), headers={"X-VCR-Cassette": "other"})
    assert proxy.stop() == 0
    assert [one.id for one in recordings(tmp_path)] == list(range(82))
    assert len(recordings(tmp_path, "other")) == 1
