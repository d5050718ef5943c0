"""Interactions of a given size, always the same: answers in JSON and as streams; measures nothing."""

from __future__ import annotations

import json
import random

from mitmvcr.model import Interaction, Request, Response

URL = "https://api.openai.com/v1/chat/completions"
_TEXT = (
    "the of to and a in is it you that he was for on are with as they be at this have from or one had by but "
    'not what all were we when your can said there use an each which she do "how" their if caf\u00e9 it\'s\n'
)
_WORDS = _TEXT.split(" ")


def many(count: int, size: int) -> list[Interaction]:
    """So many interactions, whose two bodies come to some `size` bytes each time."""
    rng = random.Random(count * size)
    return [_one(rng, number, size) for number in range(count)]


def _one(rng: random.Random, number: int, size: int) -> Interaction:
    asked = json.dumps(
        {
            "model": "gpt-4o-mini",
            "messages": [{"role": "user", "content": f"Number {number}: {_prose(rng, size // 4)}"}],
            "stream": bool(number % 2),
        },
        ensure_ascii=False,
        separators=(",", ":"),
    ).encode()
    answered = _stream(rng, size - len(asked)) if number % 2 else _plain(rng, size - len(asked))
    kind = "text/event-stream; charset=utf-8" if number % 2 else "application/json"
    return Interaction(
        Request(
            "POST",
            URL,
            content_length=len(asked),
            body=asked,
            headers={"Accept": ["application/json"], "Content-Type": ["application/json"]},
        ),
        Response(
            200,
            "200 OK",
            "HTTP/2.0",
            2,
            0,
            content_length=-1,
            uncompressed=True,
            body=answered,
            headers={"Content-Type": [kind], "Openai-Version": ["2020-10-01"]},
            duration=rng.randrange(10**8, 10**10),
        ),
        number,
    )


def _prose(rng: random.Random, size: int) -> str:
    return " ".join(rng.choices(_WORDS, k=size // 4 + 1))[:size]


def _plain(rng: random.Random, size: int) -> bytes:
    """As OpenAI sends it: indented by 2."""
    answer = {
        "id": f"chatcmpl-{rng.randbytes(14).hex()}",
        "object": "chat.completion",
        "choices": [
            {"index": 0, "message": {"role": "assistant", "content": _prose(rng, max(size - 250, 1))}}
        ],
        "usage": {"prompt_tokens": 8, "completion_tokens": 9, "total_tokens": 17},
    }
    return json.dumps(answer, ensure_ascii=False, indent=2).encode()


def _stream(rng: random.Random, size: int) -> bytes:
    id_ = f"chatcmpl-{rng.randbytes(14).hex()}"
    events, length = [], 14
    while length < size:
        choice = {"index": 0, "delta": {"content": rng.choice(_WORDS)}, "finish_reason": None}
        event = {"id": id_, "object": "chat.completion.chunk", "model": "gpt-4o-mini", "choices": [choice]}
        events.append(b"data: %b\n\n" % json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode())
        length += len(events[-1])
    return b"".join([*events, b"data: [DONE]\n\n"])
