"""What looks random and what doesn't: keys over every alphabet, and all that stands in texts besides."""

from __future__ import annotations

import base64
import time
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mitmvcr.scrub.detect.randomness import looks_like_hash, looks_random
from mitmvcr.scrub.rules.tables import rows


@pytest.mark.parametrize(
    "value",
    [
        "",
        "password",
        "must be at least 8 characters",
        "getUserAccessTokenFromSession",
        "OPENAI_API_KEY_ENVIRONMENT_VARIABLE",
        "AbstractSingletonProxyFactoryBean",
        "gpt-4o-mini-2024-07-18",
        "us.anthropic.claude-3-5-sonnet-20241022-v2:0",
        "meta-llama/Llama-3.3-70B-Instruct-Turbo-Free",
        "accounts/fireworks/models/qwen3-235b-a22b",
        "2024-07-18T12:34:56.789Z",
        "v1.2.3-rc.1+build.5114f85",
        "main.3f9a7c21.chunk.js",
        "nginx-deployment-7d4b9c6f5d-x2x9k",
        "arn:aws:iam::123456789012:role/service-role/MyLambdaRole",
        "http://api:4000/v1",
        "550e8400-e29b-41d4-a716-446655440000",
        "manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
        "sk-xxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        "sk-test-1234567890abcdefghijklmnop",
        "AbCdEfGhIjKlMnOpQrStUvWxYz0123456789",
        "a1b2c3d4e5f6g7h8i9j0",
        "fedcba9876543210fedcba9876543210",
        "your-api-key-here",
        "changeme-changeme-changeme",
        "deadbeefdeadbeefdeadbeef",
        "00000000-0000-0000-0000-000000000000",
        "\u65e5\u672c\u8a9e\u306e\u30c6\u30ad\u30b9\u30c8\u3067\u3059",
        "Donaudampfschifffahrtsgesellschaft",
        "1721304896.789123",
        base64.b64encode(b"hello world, this is a test of words").decode(),
        base64.b64encode("Grüße aus Köln, schöne Straße".encode()).decode(),
    ],
)
def test_words_numbers_and_names_do_not_look_random(value: str) -> None:
    assert not looks_random(value.encode())


@pytest.mark.parametrize("thing", rows("things"))
def test_things_do_not_look_random(thing: str) -> None:
    assert not looks_random(rows("things")[thing]["example"].encode())


def test_a_key_among_words_looks_random() -> None:
    assert looks_random(b"use 9fK2mQx7Lp3ZaBcD please")
    assert looks_random(b"my-secret-key-9fK2mQx7Lp3ZaBcD")


def test_hexadecimal_digits_look_random_and_like_a_hash() -> None:
    md5 = b"4f1c9a7e2b6d8035e1f7a9c3b5d20468"
    assert looks_random(md5)
    assert looks_like_hash(md5)
    assert looks_like_hash(b"5114f85")
    assert not looks_like_hash(b"1234567")
    assert not looks_like_hash(md5 + b"0")
    assert not looks_like_hash(b"getUser")


@given(value=st.binary(max_size=600))
def test_any_bytes_get_an_answer(value: bytes) -> None:
    assert looks_random(value) in (True, False)


@pytest.mark.parametrize("unit", [b"a", b"aB3", b"eyJ", b"a.", b"0:", b"-x", b"/a", b"aGVsbG8g", b"1e"])
def test_a_long_value_costs_no_more_than_in_proportion(unit: bytes) -> None:
    def seconds(size: int) -> float:
        value = unit * (size // len(unit))
        return min(map(_clocked, [partial(looks_random, value)] * 3))

    assert seconds(1_000_000) < 0.1


def _clocked(call: partial[bool]) -> float:
    began = time.thread_time()
    call()
    return time.thread_time() - began
