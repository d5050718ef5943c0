"""Lines of requests that went well: none is lost, each in its place, and few records for many."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from mitmvcr.serving.outcomes import AccessLog, access_lines
from tests.conftest import Start
from tests.proxy.layer.test_http1_layer import BASE, post, talk, tape


class Kept(logging.Handler):
    """What a handler of mitmproxy's would print."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record.getMessage())


@pytest.fixture
def kept() -> Iterator[Kept]:
    root, handler = logging.getLogger(), Kept()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    yield handler
    root.removeHandler(handler)
    root.setLevel(level)


def test_lines_that_come_together_are_one_record(kept: Kept) -> None:
    async def said() -> None:
        lines = AccessLog()
        for number in range(100):
            lines.say(str(number))
        await asyncio.sleep(0.2)
        lines.say("later")
        await asyncio.sleep(0.2)

    asyncio.run(said())
    assert kept.records == ["\n".join(map(str, range(100))), "later"]


def test_a_line_of_somebody_elses_comes_behind_those_before_it(kept: Kept) -> None:
    async def said() -> None:
        lines = AccessLog()
        lines.come_first()
        lines.say("one")
        lines.say("two")
        logging.getLogger("somebody").warning("three")
        lines.say("four")
        lines.flush()

    asyncio.run(said())
    assert kept.records == ["one\ntwo", "three", "four"]


def test_where_nobody_listens_nothing_is_kept(kept: Kept) -> None:
    async def said() -> None:
        lines = AccessLog()
        access_lines.setLevel(logging.WARNING)
        lines.say("one")
        access_lines.setLevel(logging.NOTSET)
        lines.flush()

    asyncio.run(said())
    assert kept.records == []


@pytest.mark.parametrize("engine", ["layer", "hooks"])
def test_each_replayed_request_has_its_line_in_the_order_of_all_lines(
    start: Start, tmp_path: Path, engine: str
) -> None:
    tape(tmp_path, "Hi")
    proxy = start(upstream=BASE, mode="replay", repeat="any", engine=engine)
    with talk(proxy.reverse) as raw:
        for prompt in ("Hi", "Hi", "nobody said this", "Hi"):
            raw.send(post(prompt))
            raw.answer()
    proxy.stop()
    told = [line for line in proxy.output.splitlines() if "replayed, interaction" in line or "miss" in line]
    assert [("miss" in line, "replayed, interaction 0" in line) for line in told[:4]] == [
        (False, True),
        (False, True),
        (True, False),
        (False, True),
    ], proxy.output
