"""Streams are passed on as they come; what counts is whether they had all of their events."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.conftest import Start, check_discretion
from tests.proxy.talk import (
    CHAT,
    FORWARD_H2,
    FORWARD_TLS,
    RESPONSES,
    REVERSE_H2,
    REVERSE_PLAIN,
    Way,
    chat,
    recordings,
    reverse,
)
from tests.upstream.server import Upstream

WAYS = (FORWARD_TLS, FORWARD_H2, REVERSE_PLAIN, REVERSE_H2)


def _plain(standin: str) -> dict[str, str]:
    return {"x-standin": standin, "Accept-Encoding": "identity"}


def _read_until(
    client: httpx.Client, text: bytes, standin: str, path: str = CHAT, prompt: str = "Hi"
) -> bytes:
    """Ask for a stream and hang up as soon as this text has come."""
    body = chat(prompt) if path == CHAT else {"model": "gpt-4o", "input": prompt}
    came = b""
    with client.stream("POST", path, json=body | {"stream": True}, headers=_plain(standin)) as answer:
        for chunk in answer.iter_raw():
            came += chunk
            if text in came:
                break
    return came


@pytest.mark.parametrize("way", WAYS, ids=[way.name for way in WAYS])
def test_stream_is_passed_on_as_it_comes_and_kept_if_it_was_whole(
    way: Way, tmp_path: Path, plain_upstream: Upstream, tls_upstream: Upstream
) -> None:
    upstream = tls_upstream if way.tls else plain_upstream
    with way.start(tmp_path, upstream) as proxy:
        with way.client(proxy, upstream) as client:
            _events_arrive_apart(client)
        for prompt, text, path, standin in (
            ("left after [DONE]", b"data: [DONE]\n\n", CHAT, "events=3,trailing=5"),
            ("left after [DONE], packed", b"", CHAT, "events=3,trailing=5,encoding=gzip"),
            ("left after response.completed", b'"type":"response.completed"', RESPONSES, "trailing=5"),
        ):
            with way.client(proxy, upstream) as client:
                if text:
                    _read_until(client, text, standin, path, prompt)
                else:
                    _read_packed_until_done(client, standin, prompt)
        with way.client(proxy, upstream) as client:
            _read_until(client, b"\n\n", "events=50,delay=0.05", CHAT, "left in the middle")
        proxy.wait_for("not recorded")
        with way.client(proxy, upstream) as client, pytest.raises(httpx.RemoteProtocolError):
            _read_until(client, b"never", "cut=3", CHAT, "upstream broke off")
        with way.client(proxy, upstream) as client:
            dropped = {"x-standin": "drop"}
            assert client.post(CHAT, json=chat("dropped"), headers=dropped).status_code == 502
        assert proxy.stop() == 0, proxy.output
    assert "4 recorded" in proxy.lines[-1]
    assert "2 broken off (not recorded), 1 not answered" in proxy.lines[-1]
    check_discretion(proxy)
    kept = recordings(tmp_path)
    prompts = [one.request.body.decode() for one in kept]
    assert ["apart" in prompts[0], *("left after" in prompt for prompt in prompts[1:])] == [True] * 4
    for one in kept[:3]:
        assert one.response.body.rstrip().endswith(b"data: [DONE]")
    assert b'"type":"response.completed"' in kept[3].response.body


def _events_arrive_apart(client: httpx.Client) -> None:
    arrivals = []
    body = chat("apart", stream=True)
    with client.stream("POST", CHAT, json=body, headers={"x-standin": "events=5,delay=0.15"}) as answer:
        arrivals = [time.monotonic() for chunk in answer.iter_raw() if chunk]
    # Seven events or more, so six waits: none may have been held back until the end.
    assert len(arrivals) >= 5
    assert arrivals[-1] - arrivals[0] > 0.6
    assert arrivals[1] - arrivals[0] < 0.6


def _read_packed_until_done(client: httpx.Client, standin: str, prompt: str) -> None:
    body = chat(prompt, stream=True)
    with client.stream("POST", CHAT, json=body, headers={"x-standin": standin}) as answer:
        came = ""
        for chunk in answer.iter_text():
            came += chunk
            if "[DONE]" in came:
                break


@pytest.mark.parametrize("with_signal", [signal.SIGINT, signal.SIGTERM])
def test_signal_ends_open_streams_and_keeps_the_one_that_had_all_its_events(
    start: Start, tmp_path: Path, upstream: Upstream, with_signal: signal.Signals
) -> None:
    proxy = start(upstream=upstream.url)
    came = {"open": threading.Event(), "whole": threading.Event()}

    def listen(prompt: str, standin: str, until: bytes) -> None:
        text = b""
        body = chat(prompt, stream=True)
        with (
            contextlib.suppress(httpx.TransportError),
            reverse(proxy) as client,
            client.stream("POST", CHAT, json=body, headers=_plain(standin)) as answer,
        ):
            for chunk in answer.iter_raw():
                text += chunk
                if until in text:
                    came[prompt].set()

    with ThreadPoolExecutor() as pool:
        listening = [
            pool.submit(listen, "open", "stall=3", b"\n\n"),
            pool.submit(listen, "whole", "events=2,trailing=60", b"[DONE]"),
        ]
        assert all(event.wait(20) for event in came.values())
        assert proxy.stop(with_signal) == 0, proxy.output
        for done in listening:
            done.result(20)
    assert [b"whole" in one.request.body for one in recordings(tmp_path)] == [True]
    assert "1 recorded" in proxy.lines[-1]
    assert "1 broken off (not recorded)" in proxy.lines[-1]


def test_simultaneous_streams_stand_in_the_order_in_which_they_ended(
    start: Start, tmp_path: Path, upstream: Upstream
) -> None:
    proxy = start(upstream=upstream.url)
    count = 20
    ended: dict[str, float] = {}
    told: dict[str, bytes] = {}

    def listen(number: int) -> None:
        prompt = f"number {number}."
        asked = {"x-standin": f"events=4,first={0.05 + (number * 7 % count) * 0.08},delay=0.02"}
        with reverse(proxy) as client:
            told[prompt] = client.post(CHAT, json=chat(prompt, stream=True), headers=asked).content
        ended[prompt] = time.monotonic()

    with ThreadPoolExecutor(count) as pool:
        list(pool.map(listen, range(count)))
    assert proxy.stop() == 0
    kept = recordings(tmp_path)
    prompts = [next(prompt for prompt in told if prompt.encode() in one.request.body) for one in kept]
    assert sorted(prompts) == sorted(told)
    assert [one.response.body for one in kept] == [told[prompt] for prompt in prompts]
    for at, prompt in enumerate(prompts):
        # Clients see their ends at slightly other times than the proxy does.
        assert all(ended[prompt] < ended[later] + 0.3 for later in prompts[at:])
