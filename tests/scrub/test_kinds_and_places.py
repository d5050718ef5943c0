"""Every kind of secret in every place: the scrubber takes it out, and nothing else."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from urllib.parse import unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mitmvcr.formats import govcr
from mitmvcr.model import Cassette, Interaction
from tests.scrub.planting import KINDS, PLACES, all_text, exchange, memory, pem, scrubber, sse

SCRUBBER = scrubber()


def emitted(one: Interaction) -> bytes:
    return govcr.dump(Cassette([one]), govcr.Dialect.CHARM)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_secret_is_taken_out_of_its_place(kind: str, place: str) -> None:
    secret = KINDS[kind](random.Random(kind + place))
    one = PLACES[place](secret)
    seen = memory()
    clean = SCRUBBER.interaction(one, seen)
    text = all_text(clean)
    for size in range(len(secret) - 12):
        piece = secret[size : size + 12]
        assert piece.encode() not in text, piece
    assert b"REDACTED-" in text
    assert SCRUBBER.gate(emitted(clean), clean, seen) == []
    assert SCRUBBER.interaction(clean, seen) is clean


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("kind", KINDS)
def test_the_gate_finds_what_was_not_scrubbed(kind: str, place: str) -> None:
    secret = KINDS[kind](random.Random(kind + place))
    one = PLACES[place](secret)
    findings = SCRUBBER.gate(emitted(one), one, memory())
    assert findings
    assert all(secret not in str(finding) for finding in findings)


@given(
    kind=st.sampled_from(sorted(KINDS)),
    place=st.sampled_from(sorted(PLACES)),
    seed=st.integers(0, 2**32),
    before=st.text(max_size=12),
    after=st.text(max_size=12),
)
@settings(max_examples=150, deadline=None)
def test_any_secret_with_any_neighbours(kind: str, place: str, seed: int, before: str, after: str) -> None:
    secret = KINDS[kind](random.Random(seed))
    one = PLACES[place](f"{before} {secret} {after}")
    seen = memory()
    clean = SCRUBBER.interaction(one, seen)
    found = SCRUBBER.gate(emitted(clean), clean, seen)
    assert found or secret not in unquote(all_text(clean).decode("utf-8", "replace"))
    again = SCRUBBER.interaction(clean, seen)
    assert again == clean


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@given(value=JSON, kind=st.sampled_from(sorted(KINDS)), ascii_only=st.booleans())
@settings(max_examples=100, deadline=None)
def test_scrubbed_json_differs_only_where_the_secret_was(value: object, kind: str, ascii_only: bool) -> None:
    secret = KINDS[kind](random.Random(kind))
    body = json.dumps({"a": value, "b": f"<{secret}>", "c": value}, ensure_ascii=ascii_only).encode(
        "utf-8", "surrogatepass"
    )
    clean = SCRUBBER.interaction(exchange(body), memory()).request.body
    front, middle, back = clean.partition(b"REDACTED-")
    assert middle
    at = body.index(secret.encode())
    assert front == body[:at]
    assert back.partition(b">")[2] == body[at + len(secret) + 1 :]


def test_equal_secrets_get_equal_replacements_and_others_do_not() -> None:
    rng = random.Random(1)
    one, two = KINDS["openai-org"](rng), KINDS["openai-org"](rng)
    seen = memory()
    first = SCRUBBER.interaction(exchange(f"{one} {two}".encode(), one.encode()), seen)
    later = SCRUBBER.interaction(exchange(two.encode()), seen)
    assert first.request.body == b"REDACTED-org-1 REDACTED-org-2"
    assert first.response.body == b"REDACTED-org-1"
    assert later.request.body == b"REDACTED-org-2"


def test_lengths_follow_the_body_where_they_told_it() -> None:
    secret = KINDS["github"](random.Random(1)).encode()
    clean = SCRUBBER.interaction(exchange(secret, secret), memory())
    assert clean.request.content_length == len(clean.request.body)
    assert clean.response.content_length == len(clean.response.body)
    one = exchange(secret, secret)
    one = replace(one, response=replace(one.response, content_length=-1))
    assert SCRUBBER.interaction(one, memory()).response.content_length == -1


def test_what_has_no_secret_is_the_same_object() -> None:
    one = exchange(b'{"input":"hello"}', b'{"output":"world"}')
    assert SCRUBBER.interaction(one, memory()) is one
    assert SCRUBBER.request(one.request, memory()) is one.request


@pytest.mark.parametrize("cut", [1, 7, 40])
def test_a_private_key_is_taken_out_whole(cut: int) -> None:
    key = pem(random.Random(3))
    pieces = [key[at : at + cut] for at in range(0, len(key), cut)]
    for one in (
        exchange(json.dumps({"key": key}).encode()),
        exchange(b"", key.encode()),
        exchange(b"", sse(*pieces)),
    ):
        seen = memory()
        clean = SCRUBBER.interaction(one, seen)
        assert key[40:60].encode() not in all_text(clean)
        assert b"PRIVATE" not in all_text(clean)
        assert SCRUBBER.gate(emitted(clean), clean, seen) == []


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("https://user:hunter22@host.example/x", "https://user:REDACTED-password-1@host.example/x"),
        (
            "https://b.example/c?sv=1&sig=" + "aB3%2F" * 9 + "%3D&se=2",
            "https://b.example/c?sv=1&sig=REDACTED-sigtoken-1&se=2",
        ),
        ("https://h.example/?api-key=" + "0f" * 16, "https://h.example/?api-key=REDACTED-token-1"),
        ("https://h.example/?api-key=x", "https://h.example/?api-key=REDACTED-token-1"),
        ("https://h.example/?page_token=abc&max_tokens=5", "https://h.example/?page_token=abc&max_tokens=5"),
    ],
)
def test_urls_lose_passwords_and_signatures(text: str, kept: str) -> None:
    assert SCRUBBER.request(exchange(url=text).request, memory()).url == kept


@pytest.mark.parametrize(
    "body",
    [
        '{"password": "hunter22!"}',
        '{"a": "{\\"password\\": \\"hunter22!\\"}"}',
        '{"authorization": "Bearer hunter22x"}',
        "curl -u me:hunter22! https://x",
        "datadog_key=" + "hunter22" * 5,
        '{"api_key": "' + "hunter22aB9xQ7z" + '"}',
    ],
)
def test_a_name_tells_a_secret(body: str) -> None:
    assert b"hunter22" not in SCRUBBER.interaction(exchange(body.encode()), memory()).request.body


def test_a_form_loses_what_its_names_tell_are_secrets() -> None:
    body = b"grant_type=x&client_secret=abc&password=p&username=me"
    one = exchange(body, content_type="application/x-www-form-urlencoded")
    one = replace(one, request=replace(one.request, form={"password": ["p"], "username": ["me"]}))
    clean = SCRUBBER.request(one.request, memory())
    assert (
        clean.body == b"grant_type=x&client_secret=REDACTED-token-1&password=REDACTED-password-1&username=me"
    )
    assert clean.form == {"password": ["REDACTED-password-1"], "username": ["me"]}
