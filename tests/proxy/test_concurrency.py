"""Many clients at once, each on a cassette of its own, through one proxy: none meets another's recordings."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from mitmvcr.model import Interaction
from tests import build
from tests.conftest import Start
from tests.harness import Proxy
from tests.proxy.crowd import WAYS, Client, all_at_once, echo
from tests.proxy.talk import recordings

_CLIENTS = 64
_ASKED = 20


def _cassette(number: int) -> str:
    return f"many/client {number}"


def _asked(number: int) -> list[object]:
    """Half of what a client asks is asked by all, the same one again and again."""
    return [{"prompt": f"{number} asks {turn}" if turn % 2 else "all ask"} for turn in range(_ASKED)]


async def _connect(proxy: Proxy, upstream: str) -> list[Client]:
    return [
        await Client.connect(proxy, WAYS[number % len(WAYS)], upstream, _cassette(number))
        for number in range(_CLIENTS)
    ]


async def _talk(proxy: Proxy, upstream: str) -> list[list[object]]:
    clients = await _connect(proxy, upstream)
    answers = await all_at_once(clients, _asked)
    for client in clients:
        await client.close()
    return answers


@pytest.mark.slow
def test_clients_at_once_record_into_their_own_cassettes_alone(start: Start, tmp_path: Path) -> None:
    received: list[bytes] = []

    async def scenario() -> None:
        async with echo(received.append) as upstream:
            proxy = start(upstream=upstream)
            for number, answers in enumerate(await _talk(proxy, upstream)):
                assert answers == [(200, body) for body in _asked(number)]
            assert proxy.stop() == 0, proxy.output

    asyncio.run(scenario())
    assert len(received) == _CLIENTS * _ASKED
    for number in range(_CLIENTS):
        recorded = recordings(tmp_path, _cassette(number))
        assert [json.loads(one.request.body) for one in recorded] == _asked(number)
        assert [json.loads(one.response.body) for one in recorded] == _asked(number)


def test_clients_at_once_are_answered_from_their_own_cassettes_alone(start: Start, tmp_path: Path) -> None:
    upstream = "http://127.0.0.1:9"
    for number in range(_CLIENTS):
        exchanges = [
            Interaction(
                build.request(body, url=upstream + "/v1/chat/completions"),
                build.response({"cassette": number, "turn": turn}),
            )
            for turn, body in enumerate(_asked(number))
        ]
        build.write(tmp_path / "recordings" / f"{_cassette(number)}.yaml", *exchanges)
    proxy = start(upstream=upstream, mode="replay", strict="true")
    for number, answers in enumerate(asyncio.run(_talk(proxy, upstream))):
        assert answers == [(200, {"cassette": number, "turn": turn}) for turn in range(_ASKED)]
    assert proxy.stop() == 0, proxy.output
    assert f"{_CLIENTS * _ASKED} replayed, 0 misses, 0 unused" in proxy.lines[-1]


def test_sessions_at_once_on_one_cassette_each_play_it_from_its_start(start: Start, tmp_path: Path) -> None:
    upstream = "http://127.0.0.1:9"
    asked = build.request({"prompt": "all ask"}, url=upstream + "/v1/chat/completions")
    exchanges = [Interaction(asked, build.response({"turn": turn})) for turn in range(_ASKED)]
    build.write(tmp_path / "recordings" / "shared.yaml", *exchanges)
    proxy = start(mode="replay", strict="true")

    async def scenario() -> list[list[object]]:
        clients = [
            await Client.connect(proxy, WAYS[0], upstream, "shared", f"session {number}")
            for number in range(_CLIENTS)
        ]
        answers = await all_at_once(clients, lambda _: [{"prompt": "all ask"}] * _ASKED)
        for client in clients:
            await client.close()
        return answers

    for answers in asyncio.run(scenario()):
        assert answers == [(200, {"turn": turn}) for turn in range(_ASKED)]
    assert proxy.stop() == 0, proxy.output


def test_default_that_is_switched_while_requests_fly_gives_each_client_whole_answers(
    start: Start, tmp_path: Path
) -> None:
    upstream = "http://127.0.0.1:9"
    for name in ("a", "b"):
        asked = build.request({"prompt": "all ask"}, url=upstream + "/v1/chat/completions")
        build.write(
            tmp_path / "recordings" / f"{name}.yaml", Interaction(asked, build.response({"from": name}))
        )
    proxy = start(upstream=upstream, mode="replay", repeat="any", cassette="a")

    async def scenario() -> tuple[list[list[object]], int]:
        unnamed = [await Client.connect(proxy, WAYS[3], upstream, "") for _ in range(8)]
        control = await Client.connect(proxy, WAYS[3], upstream, "")
        switches = 0

        async def switch() -> None:
            nonlocal switches
            for _ in range(20):
                for name in ("b", "a"):
                    control.head = f"PUT /__vcr__/cassettes/{name} HTTP/1.1\r\nHost: localhost".encode()
                    code, _ = await control.ask({"default": True})
                    assert code == 200
                    switches += 1

        answers, _ = await asyncio.gather(
            all_at_once(unnamed, lambda _: [{"prompt": "all ask"}] * _ASKED), switch()
        )
        for client in [*unnamed, control]:
            await client.close()
        return answers, switches

    answers, switches = asyncio.run(scenario())
    assert switches == 40
    seen = [answer for each in answers for answer in each]
    assert all(answer in ((200, {"from": "a"}), (200, {"from": "b"})) for answer in seen)
    assert proxy.stop() == 0, proxy.output
    assert f"{len(seen)} replayed, 0 misses" in proxy.lines[-1]
