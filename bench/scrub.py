"""What scrubbing and the gate cost: `python -m bench.scrub [--quick]`.

Every exchange has ids and cookies of its own, so that no cache of seen tokens flatters the figures.
"""

from __future__ import annotations

import argparse
import base64
import json
import random
import string
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "addon"))

from mitmvcr.model import Interaction, Request, Response
from mitmvcr.scrub import Memory, Policy, Scrubber
from mitmvcr.scrub.detect.scan import Scanner
from mitmvcr.scrub.detect.search import find_secrets

WORDS = (  # noqa: SIM905 - a list of words is read as a sentence
    "the a of to and in that it is was for on are with as at be this have from or by not but what all "
    "were when we there can an your which their said if do will each about how up out them then she many"
).split()
ALNUM = string.ascii_letters + string.digits
HEADERS = {"Content-Type": ["application/json"], "User-Agent": ["OpenAI/Go 3.0"], "Accept": ["*/*"]}


def token(rng: random.Random, size: int) -> str:
    return "".join(rng.choices(ALNUM, k=size))


def prose(rng: random.Random, size: int) -> str:
    text = ""
    while len(text) < size:
        text += rng.choice(WORDS) + " "
    return text[:size]


def json_exchange(rng: random.Random) -> Interaction:
    """A chat completion: a request of 0.8 KB, a response of 1.2 KB, as SDKs and servers send them."""
    request = {
        "model": "gpt-4o-mini",
        "messages": [
            {"role": "system", "content": prose(rng, 120)},
            {"role": "user", "content": prose(rng, 380)},
        ],
        "tools": [
            {"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object"}}}
        ],
        "max_completion_tokens": 400,
    }
    answer = {
        "id": f"chatcmpl-{token(rng, 29)}",
        "object": "chat.completion",
        "created": 1773345317,
        "model": "gpt-4o-mini-2024-07-18",
        "choices": [
            {
                "index": 0,
                "message": {
                    "role": "assistant",
                    "content": prose(rng, 500),
                    "tool_calls": [
                        {
                            "id": f"call_{token(rng, 24)}",
                            "type": "function",
                            "function": {"name": "get_weather", "arguments": '{"city":"Florence"}'},
                        }
                    ],
                    "refusal": None,
                },
                "logprobs": None,
                "finish_reason": "tool_calls",
            }
        ],
        "usage": {
            "prompt_tokens": 82,
            "completion_tokens": 17,
            "completion_tokens_details": {"accepted_prediction_tokens": 0, "reasoning_tokens": 0},
        },
        "service_tier": "default",
        "system_fingerprint": f"fp_{token(rng, 10).lower()}",
    }
    return exchange(
        json.dumps(request, separators=(",", ":")).encode(), json.dumps(answer, indent=1).encode()
    )


def stream_exchange(rng: random.Random) -> Interaction:
    """A chat completion as a stream of 7 events."""
    request = {"model": "o4-mini", "stream": True, "messages": [{"role": "user", "content": prose(rng, 120)}]}
    id_ = f"chatcmpl-{token(rng, 29)}"
    events = [
        {
            "id": id_,
            "object": "chat.completion.chunk",
            "created": 1773345317,
            "model": "o4-mini-2025-04-16",
            "choices": [{"index": 0, "delta": {"content": prose(rng, 6)}, "finish_reason": None}],
            "obfuscation": token(rng, 9),
        }
        for _ in range(7)
    ]
    body = "".join(f"data: {json.dumps(event, separators=(',', ':'))}\n\n" for event in events)
    return exchange(json.dumps(request).encode(), (body + "data: [DONE]\n\n").encode())


def exchange(request_body: bytes, response_body: bytes) -> Interaction:
    return Interaction(
        Request(
            "POST",
            "https://api.openai.com/v1/chat/completions",
            content_length=len(request_body),
            body=request_body,
            headers=HEADERS,
        ),
        Response(200, "200 OK", body=response_body, headers={"Content-Type": ["application/json"]}),
    )


def emitted(interaction: Interaction) -> bytes:
    """The bytes of an entry, near enough to what the writer makes of it."""
    request, response = interaction.request, interaction.response
    body = response.body.replace(b"\n", b"\n      ").replace(b"\n      \n", b"\n\n")
    return b"- id: 0\n  request:\n    body: '%s'\n    url: %s\n  response:\n    body: |\n      %s\n" % (
        request.body.replace(b"'", b"''"),
        request.url.encode(),
        body,
    )


def memory(rng: random.Random) -> Memory:
    """What a usual session tracks: a key, an organization, a project, cookies, the environment."""
    environ = {"OPENAI_API_KEY": f"sk-proj-{token(rng, 120)}", "GITHUB_TOKEN": f"ghp_{token(rng, 36)}"}
    out = Memory(environ)
    out.track(f"org-{token(rng, 24)}", "org")
    out.track(f"proj_{token(rng, 24)}", "project")
    for _ in range(4):
        out.track(f"{token(rng, 43)}-1773345317-1.0.1.1-{token(rng, 80)}", "cookie")
    return out


def best(calls: Sequence[Callable[[], object]], rounds: int) -> float:
    """Seconds per call: of several rounds over all calls, the quickest."""
    times = []
    for _ in range(rounds):
        began = time.thread_time()
        for call in calls:
            call()
        times.append((time.thread_time() - began) / len(calls))
    return min(times)


def per_exchange(
    make: Callable[[random.Random], Interaction], rounds: int
) -> Iterator[tuple[str, float, int]]:
    """Each part's name, seconds and bytes, of the quickest round; each round has exchanges of its own."""
    rng = random.Random(7)
    scrubber, seen = Scrubber(Policy()), memory(rng)
    scrubs, gates = [], []
    for _ in range(rounds):
        interactions = [make(rng) for _ in range(200)]
        entries = [emitted(interaction) for interaction in interactions]
        scrub = gate = 0.0
        for interaction, entry in zip(interactions, entries, strict=True):
            began = time.thread_time()
            scrubber.interaction(interaction, seen)
            between = time.thread_time()
            scrubber.gate(entry, interaction, seen)
            gate += time.thread_time() - between
            scrub += between - began
        scrubs.append(scrub / len(interactions))
        gates.append(gate / len(interactions))
    sizes = [len(interaction.request.body) + len(interaction.response.body) for interaction in interactions]
    size = sum(sizes) // len(sizes)
    yield "scrub", min(scrubs), size
    yield "gate", min(gates), size
    yield "both", min(map(sum, zip(scrubs, gates, strict=True))), size


def texts(size: int) -> dict[str, bytes]:
    """Bodies of a size: prose in JSON, Base64, random tokens, and one that is all escapes."""
    rng = random.Random(size)
    words = prose(rng, 4096)
    tokens = " ".join(token(rng, 30) for _ in range(200))
    return {
        "prose": (json.dumps({"content": words}) * (size // 4096 + 1))[:size].encode(),
        "base64": base64.b64encode(rng.randbytes(size * 3 // 4)),
        "tokens": (tokens * (size // len(tokens) + 1))[:size].encode(),
        "floats": json.dumps([rng.uniform(-1, 1) for _ in range(size // 22)]).encode(),
        "one letter": b"a" * size,
        "eyJ": b"eyJ" * (size // 3),
        "sk-": b"sk-" * (size // 3),
        "@://": b"a@://" * (size // 5),
        "stream": (b'data: {"choices":[{"index":1,"delta":{"content":"a b"}}]}\n\n' * (size // 58)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds and bodies up to 1 MB")
    quick = parser.parse_args().quick
    rounds = 5 if quick else 20
    for name, make in (("JSON", json_exchange), ("stream", stream_exchange)):
        for part, seconds, size in per_exchange(make, rounds):
            print(f"{name:8}{part:8}{seconds * 1e6:8.1f} µs per exchange of {size} bytes")
    scanner, watch = Scanner(), memory(random.Random(1)).watch
    sizes = (10_000, 100_000, 1_000_000) if quick else (10_000, 100_000, 1_000_000, 10_000_000)
    print(f"\n{'MB/s':12}" + "".join(f"{size:>12,}" for size in sizes))
    table = {size: texts(size) for size in sizes}
    for name in table[sizes[0]]:
        row = []
        for size in sizes:
            data = table[size][name]
            seconds = best([partial(find_secrets, data, scanner, watch)], 1 if size > 10**6 else 3)
            row.append(f"{len(data) / seconds / 1e6:12.1f}")
        print(f"{name:12}" + "".join(row))


if __name__ == "__main__":
    main()
