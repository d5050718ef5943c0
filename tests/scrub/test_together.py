"""Requests that are scrubbed together come out as each by itself does, whatever stands in and around them."""

from __future__ import annotations

import gzip
import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from unittest import mock

import pytest

from mitmvcr.model import Request
from mitmvcr.scrub import Memory, Scrubber
from tests.scrub.planting import CHAT, KINDS, PLACES, exchange, pem, scrubber, sse

_RNG = random.Random(7)
SECRETS = [make(_RNG) for make in KINDS.values()]
VALUE = "Zq7-plain.value_91xKw"
PLANTED = [place(secret).request for place in PLACES.values() for secret in (SECRETS[1], SECRETS[9], VALUE)]
PLANTED += [exchange(f'{{"a":"{secret}"}}'.encode()).request for secret in SECRETS]
PLANTED += [exchange(sse("key ", VALUE[:5], VALUE[5:9], VALUE[9:], " is")).request]
PLANTED += [exchange(text.encode()).request for text in (pem(_RNG), pem(_RNG)[:45], pem(_RNG)[40:])]
CLEAN = [
    exchange(b'{"model":"gpt-4o-mini","messages":[{"role":"user","content":"so it goes"}]}').request,
    exchange(b"a=1&b=2", content_type="application/x-www-form-urlencoded").request,
    exchange(b"password=hunter22&a=1", content_type="application/x-www-form-urlencoded").request,
    exchange(url=f"{CHAT}?api-version=1&api-key={'x1' * 9}").request,
    exchange(url=f"{CHAT}#token={'x1' * 9}").request,
    replace(exchange(b"{}").request, form={"password": ["hunter22"], "a": ["b"]}),
    replace(exchange(b"{}").request, trailer={"X-Secret": ["hunter22"]}),
    replace(exchange(b"{}").request, request_uri=f"/v1?api-key={'x1' * 9}"),
    replace(exchange(b"{}").request, extra={"note": "plain"}),
    replace(exchange(gzip.compress(b"{}")).request, headers={"Content-Encoding": ["gzip"]}),
    replace(exchange(b"{}").request, headers={"X-Stainless-Os": ["Linux"], "Accept": ["*/*"]}),
    replace(exchange(b"{}").request, headers={"Authorization": [f"Bearer {VALUE}"]}),
    exchange(sse("so", " it", " goes")).request,
]
ARMOUR = f"-----BEGIN {'PRIVATE'} KEY-----"
BARE = [Request("POST", "u", body=body.encode()) for body in (ARMOUR, f"{ARMOUR}\n{'aB3' * 30}", "{}")]
ALL = [*CLEAN, *PLANTED, *BARE]
POLICIES: list[dict[str, object]] = [
    {},
    {"redact": (r"^use|\Ause", r"goes\b", "^https")},
    {"redact": ("$.model",)},
]


def known(*values: str) -> Memory:
    memory = Memory({})
    for value in values:
        memory.track(value, "token")
    return memory


@pytest.mark.parametrize(
    ("policy", "tracked"), [({}, ()), ({}, (VALUE,)), *[(one, ()) for one in POLICIES[1:]]]
)
@pytest.mark.slow
def test_any_two_together_are_as_each_by_itself(policy: Mapping[str, object], tracked: Sequence[str]) -> None:
    scrubbing = scrubber(**policy)
    for first in [*CLEAN, *BARE, *PLANTED[::17]]:
        for second in [*CLEAN, *BARE, *PLANTED[::5]]:
            apart, together = known(*tracked), known(*tracked)
            expected = [scrubbing.request(one, apart) for one in (first, second)]
            assert scrubbing.requests([first, second], together) == expected


@pytest.mark.parametrize("policy", POLICIES)
def test_what_has_nothing_to_find_is_still_cleaned_by_names_and_paths(policy: Mapping[str, object]) -> None:
    scrubbing = scrubber(**policy)
    changed = 0
    for one in ALL:
        clean = scrubbing.request(one, Memory({}))
        with mock.patch.object(Scrubber, "_has_only_texts", return_value=False):
            assert clean == scrubbing.request(one, Memory({}))
        changed += one in CLEAN and clean is not one
    assert changed >= 8


def test_what_has_nothing_is_read_once_and_is_the_same_object() -> None:
    scrubbing = scrubber()
    those = [replace(CLEAN[0], body=CLEAN[0].body.replace(b"goes", b"%d" % number)) for number in range(20)]
    with mock.patch.object(Scrubber, "request", side_effect=AssertionError):
        clean = scrubbing.requests(those, Memory({}))
    assert all(one is other for one, other in zip(clean, those, strict=True))
