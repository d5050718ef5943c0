"""Secrets that a stream's events share: redacted across them, whatever stands between."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.scrub.planting import KINDS, exchange, memory, scrubber, sse

SCRUBBER = scrubber()
SECRET = KINDS["openai-project-key"](random.Random(11))


def cut(text: str, size: int) -> list[str]:
    return [text[at : at + size] for at in range(0, len(text), size)]


def events(values: Sequence[object], frame: str = "data: {}\n\n") -> bytes:
    return "".join(frame.replace("{}", json.dumps(value)) for value in values).encode()


def spoken(body: bytes, *path: str | int) -> str:
    """What a client reads when it puts the pieces together."""
    out = ""
    for line in body.decode().splitlines():
        text = line.removeprefix("data:").strip()
        if not text.startswith("{"):
            continue
        value = json.loads(text)
        for step in path:
            value = value[step]
        out += str(value)
    return out


PIECES = ["it is ", *cut(SECRET, 9), " ok"]

STREAMS = {
    "chat": (
        events([{"choices": [{"index": 0, "delta": {"content": p}}]} for p in PIECES]),
        ("choices", 0, "delta", "content"),
    ),
    "chat with the index behind": (
        events([{"choices": [{"delta": {"content": p}, "index": 0}]} for p in PIECES]),
        ("choices", 0, "delta", "content"),
    ),
    "tool arguments": (
        events(
            [
                {
                    "choices": [
                        {"index": 0, "delta": {"tool_calls": [{"index": 1, "function": {"arguments": p}}]}}
                    ]
                }
                for p in PIECES
            ]
        ),
        ("choices", 0, "delta", "tool_calls", 0, "function", "arguments"),
    ),
    "responses": (
        events(
            [{"type": "response.output_text.delta", "output_index": 1, "delta": p} for p in PIECES],
            "event: response.output_text.delta\ndata: {}\n\n",
        ),
        ("delta",),
    ),
    "legacy completions": (
        events([{"choices": [{"index": 0, "text": p}]} for p in PIECES]),
        ("choices", 0, "text"),
    ),
    "lines of JSON": (events([{"message": {"content": p}} for p in PIECES], "{}\n"), ("message", "content")),
    "reasoning": (
        events([{"choices": [{"index": 0, "delta": {"reasoning_content": p}}]} for p in PIECES]),
        ("choices", 0, "delta", "reasoning_content"),
    ),
    "no blank behind data": (
        events([{"choices": [{"index": 0, "delta": {"content": p}}]} for p in PIECES], "data:{}\n\n"),
        ("choices", 0, "delta", "content"),
    ),
}


@pytest.mark.parametrize("name", STREAMS)
def test_a_split_secret_is_redacted_across_events(name: str) -> None:
    body, path = STREAMS[name]
    seen = memory()
    clean = SCRUBBER.interaction(exchange(b"", body), seen)
    assert spoken(clean.response.body, *path) == "it is REDACTED-token-1 ok"
    assert clean.response.body.count(b"\n") == body.count(b"\n")
    assert SCRUBBER.gate(b"", clean, seen) == []
    assert SCRUBBER.interaction(clean, seen) is clean
    assert SCRUBBER.gate(b"", exchange(b"", body), seen)


def test_interleaved_choices_are_told_apart() -> None:
    other = KINDS["github"](random.Random(4))
    pairs = zip(cut(SECRET, 11), [*cut(other, 4), *[""] * 9], strict=False)
    body = events(
        [
            {"choices": [{"index": at, "delta": {"content": piece}}]}
            for pair in pairs
            for at, piece in enumerate(pair)
        ]
    )
    clean = SCRUBBER.interaction(exchange(b"", body), memory()).response.body
    said = spoken(clean, "choices", 0, "delta", "content")
    assert len(said) == len("REDACTED-token-1" + "REDACTED-githubtoken-1")
    assert "REDACTED-token-1" in said
    assert "REDACTED-githubtoken-1" in said


def test_several_choices_in_one_event_are_told_apart() -> None:
    body = events(
        [
            {"choices": [{"index": 0, "delta": {"content": a}}, {"index": 1, "delta": {"content": b}}]}
            for a, b in zip(cut(SECRET, 11), cut(SECRET[::-1], 11), strict=True)
        ]
    )
    clean = SCRUBBER.interaction(exchange(b"", body), memory()).response.body
    assert spoken(clean, "choices", 0, "delta", "content") == "REDACTED-token-1"


def test_the_whole_and_the_pieces_get_one_replacement() -> None:
    done = events([{"type": "response.output_text.done", "text": f"it is {SECRET} ok"}])
    clean = SCRUBBER.interaction(exchange(b"", STREAMS["responses"][0] + done), memory()).response.body
    assert b"it is REDACTED-token-1 ok" in clean
    assert b"REDACTED-token-2" not in clean


def test_a_tracked_value_is_found_across_events() -> None:
    seen = memory()
    seen.track("correct-horse-battery", "token")
    body = sse("say correct-", "horse-", "battery!")
    clean = SCRUBBER.interaction(exchange(b"", body), seen).response.body
    assert (
        spoken(clean[: clean.index(b"data: [DONE]")], "choices", 0, "delta", "content")
        == "say REDACTED-token-1!"
    )


def test_plain_lines_of_data_are_joined_too() -> None:
    body = "".join(f"data: {piece}\n\n" for piece in cut(SECRET, 10)).encode()
    assert SECRET[12:22].encode() not in SCRUBBER.interaction(exchange(b"", body), memory()).response.body


@given(
    kind=st.sampled_from(sorted(KINDS)),
    seed=st.integers(0, 999),
    cuts=st.lists(st.integers(1, 60), max_size=6),
)
@settings(max_examples=100, deadline=None)
def test_any_secret_cut_anywhere(kind: str, seed: int, cuts: list[int]) -> None:
    secret = KINDS[kind](random.Random(seed))
    places = sorted({0, *[at for at in cuts if at < len(secret)], len(secret)})
    pieces = [secret[a:b] for a, b in itertools.pairwise(places)]
    clean = SCRUBBER.interaction(exchange(b"", sse("<", *pieces, ">")), memory()).response.body
    said = spoken(clean[: clean.index(b"data: [DONE]")], "choices", 0, "delta", "content")
    assert said.startswith("<REDACTED-")
    assert said.endswith("-1>")
