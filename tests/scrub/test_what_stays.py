"""Ids, encrypted content, media and prose: what must never be touched."""

from __future__ import annotations

import base64
import json
import random
import string
import uuid

import pytest

from mitmvcr.formats import govcr, llamastack, vcrpy
from tests.formats.seeds import seed
from tests.scrub.planting import ALNUM, HEX, exchange, memory, scrubber

SCRUBBER = scrubber()
PREFIXES = (
    "call_", "resp_", "chatcmpl-", "msg_", "rs_", "file-", "batch_", "ft:gpt-4o-mini:acme::", "asst_",
    "thread_", "run_", "fp_", "req_", "",
)  # fmt: skip


@pytest.mark.parametrize("seed_", range(40))
def test_ids_and_media_are_never_touched(seed_: int) -> None:
    rng = random.Random(seed_)
    ids = {
        f"id{at}": p + "".join(rng.choices(ALNUM, k=rng.choice((10, 24, 29, 48, 64))))
        for at, p in enumerate(PREFIXES)
    }
    hexes = {f"hex{at}": p + "".join(rng.choices(HEX, k=48)) for at, p in enumerate(PREFIXES)}
    value = {
        **ids,
        **hexes,
        "id": ids["id2"],
        "previous_response_id": ids["id1"],
        "encrypted_content": "gAAAAAB" + base64.urlsafe_b64encode(rng.randbytes(3000)).decode(),
        "embedding": base64.b64encode(rng.randbytes(6144)).decode(),
        "audio": {"data": base64.b64encode(rng.randbytes(9000)).decode()},
        "image_url": "data:image/png;base64," + base64.b64encode(rng.randbytes(4000)).decode(),
        "uuid": str(uuid.UUID(bytes=rng.randbytes(16), version=4)),
        "floats": [rng.uniform(-1, 1) for _ in range(300)],
        "prompt_cache_key": ids["id3"],
        "next_page_token": ids["id4"],
        "model": "gpt-4o-mini-2024-07-18",
        "usage": {"completion_tokens_details": {"accepted_prediction_tokens": 0}},
        "text": "the sk-learn and org-mode projects, task-force, disk-based, risk-free, monkey=banana",
    }
    one = exchange(json.dumps(value).encode(), json.dumps(value, indent=2).encode())
    assert SCRUBBER.interaction(one, memory()) is one


def test_even_a_secrets_look_is_kept_in_encrypted_content() -> None:
    inner = "gAAAAAB" + "x" * 40 + "-sk-" + "proj-" + "a1B" * 20
    one = exchange(json.dumps({"encrypted_content": inner}).encode())
    assert SCRUBBER.interaction(one, memory()) is one


def test_prose_is_kept() -> None:
    rng = random.Random(1)
    words = ["".join(rng.choices(string.ascii_lowercase, k=rng.randint(1, 14))) for _ in range(5000)]
    text = "".join(word + rng.choice((" ", "-", "_", ", ", ": ", ".\n", "=")) for word in words)
    one = exchange(json.dumps({"content": text}).encode())
    assert SCRUBBER.interaction(one, memory()) is one


@pytest.mark.parametrize(
    ("name", "load"),
    [
        ("govcr_v2_multi_tool_streaming.yaml", govcr.load),
        ("govcr_v2_openai-gpt-4o-mini.yaml", govcr.load),
        ("govcr_v2_tool_streaming.yaml", govcr.load),
        ("vcrpy_v1_llm_test_tool_use_basic.yaml", vcrpy.load),
        ("llama_stack_ef7060e39e76.json", llamastack.load),
    ],
)
def test_real_recordings_keep_their_bodies_and_urls(name: str, load: object) -> None:
    assert callable(load)
    for one in load(seed(name)).interactions:
        seen = memory()
        clean = SCRUBBER.interaction(one, seen)
        assert clean.request.body == one.request.body
        assert clean.response.body == one.response.body
        assert clean.request.url == one.request.url
        assert SCRUBBER.interaction(clean, seen) is clean
        assert SCRUBBER.gate(b"", clean, seen) == []


@pytest.mark.parametrize("behind", ["Certainly. What now?", "9", "and so on", "sk-", "/v1"])
def test_what_stands_behind_a_key_in_the_next_message_is_kept(behind: str) -> None:
    rng = random.Random(7)
    key = "sk-" + "proj-" + "".join(rng.choices(ALNUM, k=48))
    for value in (
        {"messages": [{"role": "user", "content": f"use {key}"}, {"role": "assistant", "content": behind}]},
        {"input": [key, behind]},
        [key, behind],
    ):
        clean = SCRUBBER.interaction(exchange(json.dumps(value).encode()), memory()).request.body
        assert clean == json.dumps(value).replace(key, "REDACTED-token-1").encode()
