"""What stands where a secret would and is none stays; what could be one never does."""

from __future__ import annotations

import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mitmvcr.scrub.placeholders import is_dummy
from tests.scrub.planting import KINDS, exchange, memory, scrubber

SK = "sk-"
DUMMIES = [
    SK + "x" * 48,
    SK + "proj-" + "X" * 40,
    SK + "0" * 32,
    SK + "*" * 30,
    SK + "...",
    SK + "1234567890" * 4,
    SK + "1234567890abcdef" * 2,
    SK + "thisisafakeapikeyfortesting",
    SK + "your-api-key-here-your-api-key",
    SK + "test-1234567890abcdefghijklmn",
    SK + "dummy-key-for-testing-only-1",
    "AI" + "za" + "x" * 35,
    "gh" + "p_" + "a" * 36,
]


@pytest.mark.parametrize("dummy", DUMMIES)
def test_dummy_stays(dummy: str) -> None:
    text = json.dumps(
        {"prompt": f"export OPENAI_API_KEY={dummy}", "header": f"Authorization: Bearer {dummy}"}
    )
    one = exchange(text.encode(), text.encode())
    assert scrubber().interaction(one, memory()) is one
    assert scrubber().gate(text.encode(), one, memory()) == []


@given(kind=st.sampled_from(sorted(KINDS)), seed=st.integers(0, 2**32))
@settings(max_examples=300, deadline=None)
def test_no_secret_is_taken_for_a_dummy(kind: str, seed: int) -> None:
    assert not is_dummy(KINDS[kind](random.Random(seed)).encode())


@given(st.text(alphabet="0123456789abcdef", min_size=32, max_size=64), st.integers(0, 2**32))
@settings(max_examples=300, deadline=None)
def test_random_hexadecimal_behind_words_is_no_dummy(words: str, seed: int) -> None:
    rng = random.Random(f"{words}{seed}")
    assert not is_dummy(f"sk-test-key-{rng.randbytes(12).hex()}".encode())


def test_passwords_are_no_dummies_however_simple() -> None:
    body = json.dumps({"pass" + "word": "12345678"}).encode()
    assert b"12345678" not in scrubber().interaction(exchange(body), memory()).request.body


@pytest.mark.parametrize(
    "body",
    [
        {
            "type": "thinking",
            "signature": "EqkWCkYICxgCKkBuWdt7SdfI8uwoJvhs2f68KkkOA4AtTJ7Vi/BxheVd+rggCCdyC0LlCh",
        },
        {"thoughtSignature": "CiQBcsjafI1qklZ7TuK2cKchOdyJ2xPZagf/RetqL/hkKOJh1CwKcgFyyNp8asKcRf62dr"},
        {"signatureHash": "e895135474979165e8f95c8c3616326d740ad66821238ab65f8b0506645fce3e"},
    ],
)
def test_what_models_sign_their_thoughts_with_stays(body: dict[str, str]) -> None:
    for text in (json.dumps(body), json.dumps({"arguments": json.dumps(body)})):
        one = exchange(text.encode(), f"data: {text}\n\n".encode())
        assert scrubber().interaction(one, memory()) is one


def test_signature_in_a_url_of_a_body_is_taken_out() -> None:
    signature = "c2c5f7bbfea072d8914f9500ba1d01f219242c57037156147fb496a489d6c514"
    body = json.dumps({"url": f"https://b.example/o?Expires=3600&X-Amz-Signature={signature}"}).encode()
    assert signature.encode() not in scrubber().interaction(exchange(body), memory()).request.body


def test_value_of_base64_is_taken_out_whole() -> None:
    value = "wJalrXUtnFEMI7" + "/K7MDENG/bPxRfiCY" + "+9qZk2LkEY"
    body = json.dumps({"api_key": value}).encode()
    clean = scrubber().interaction(exchange(body), memory()).request.body
    assert clean == b'{"api_key": "REDACTED-token-1"}'


def test_cloudflares_cookie_is_known_wherever_it_stands() -> None:
    cookie = "yHwfhiWkZwm4Z4.NdsBzizgQ5hYa4u7PPbidPK64GDs-1771164665.7066395-1.0.1.1-2jklcmgNY"
    body = f"__cf_bm={cookie}; HttpOnly".encode()
    assert (
        scrubber().interaction(exchange(body), memory()).request.body
        == b"__cf_bm=REDACTED-cookie-1; HttpOnly"
    )
