"""What is recorded is written behind the answer: in order, bounded, and a large one beside all else."""

from __future__ import annotations

import asyncio
import threading
import time
from pathlib import Path

import pytest

from mitmvcr.config.settings import Mode, Settings
from mitmvcr.errors import MitmvcrError
from mitmvcr.model import Interaction
from mitmvcr.proxy.hooks import write_queue
from mitmvcr.proxy.hooks.write_queue import EndedExchange, WriteQueue
from mitmvcr.scrub import Policy, Scrubber
from mitmvcr.serving.outcomes import Outcomes
from mitmvcr.sessions.table import Sessions
from tests import build
from tests.proxy.talk import CHAT, chat


@pytest.fixture
def sessions(tmp_path: Path) -> Sessions:
    return Sessions(Settings(dir=tmp_path, mode=Mode.RECORD), Scrubber(Policy()))


def _recorded(sessions: Sessions, prompt: str, name: str = "one") -> EndedExchange:
    one = build.interaction(chat(prompt), url="https://api.openai.com" + CHAT)
    return EndedExchange("POST /", one, sessions.get(name))


def _prompts(folder: Path, name: str = "one") -> list[bytes]:
    path = folder / f"{name}.yaml"
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
    monkeypatch.setattr(write_queue, "_MOST_WAITING", 300)

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


class _Slow:
    """Holds up what is recorded in a thread until it may go on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, exchange: EndedExchange) -> None:
        self.threads: list[str] = []
        self.may_go_on = threading.Event()
        record = exchange.cassette.record

        def slowly(interaction: Interaction) -> None:
            self.threads.append(threading.current_thread().name)
            if threading.current_thread() is not threading.main_thread():
                assert self.may_go_on.wait(20)
            record(interaction)

        monkeypatch.setattr(exchange.cassette, "record", slowly)


_LARGE = "x" * write_queue._LARGE


def test_large_exchange_is_written_beside_the_loop_and_its_cassette_keeps_its_order(
    sessions: Sessions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def ended() -> None:
        waiting = WriteQueue(Outcomes(lambda: sessions))
        large = _recorded(sessions, "said 0 " + _LARGE)
        slow = _Slow(monkeypatch, large)
        for exchange in (large, _recorded(sessions, "said 1"), _recorded(sessions, "said 2", "other")):
            waiting.add(exchange)
        await asyncio.sleep(0.05)
        assert not _prompts(tmp_path)
        assert len(_prompts(tmp_path, "other")) == 1
        assert waiting.is_busy(large.cassette)
        await waiting.settle(sessions.get("other"))  # which waits for nobody
        asyncio.get_running_loop().call_later(0.1, slow.may_go_on.set)
        await waiting.settle(large.cassette)
        assert not waiting.is_busy()
        assert [b"said %d" % number in line for number, line in enumerate(_prompts(tmp_path))] == [True] * 2
        assert [name == "MainThread" for name in slow.threads] == [False, True]

    asyncio.run(ended())
    sessions.close_all()
    assert sessions.failures == []


def test_end_of_the_process_waits_for_what_is_written_beside_it(
    sessions: Sessions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def ended() -> None:
        waiting = WriteQueue(Outcomes(lambda: sessions))
        large = _recorded(sessions, "said 0 " + _LARGE)
        slow = _Slow(monkeypatch, large)
        for exchange in (large, _recorded(sessions, "said 1 " + _LARGE), _recorded(sessions, "said 2")):
            waiting.add(exchange)
        await asyncio.sleep(0)
        threading.Timer(0.1, slow.may_go_on.set).start()
        waiting.flush()
        assert len(_prompts(tmp_path)) == 3
        assert not waiting.is_busy()

    asyncio.run(ended())
    sessions.close_all()


@pytest.mark.parametrize("error", [MitmvcrError("no room"), ValueError("broken")])
def test_large_exchange_that_fails_is_a_failure_and_holds_nobody_up(
    sessions: Sessions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    async def ended() -> None:
        waiting = WriteQueue(Outcomes(lambda: sessions))
        large = _recorded(sessions, "said 0 " + _LARGE)
        record = large.cassette.record

        def fails_once(_: Interaction) -> None:
            monkeypatch.setattr(large.cassette, "record", record)
            raise error

        monkeypatch.setattr(large.cassette, "record", fails_once)
        waiting.add(large)
        waiting.add(_recorded(sessions, "said 1"))
        before = time.monotonic()
        await waiting.settle()
        assert time.monotonic() - before < 10

    asyncio.run(ended())
    sessions.close_all()
    assert len(sessions.failures) == 1
    assert str(error) in sessions.failures[0]
    assert len(_prompts(tmp_path)) == 1
