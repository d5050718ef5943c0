"""Messages that are looked over together: what is found is what each of them would show by itself."""

from __future__ import annotations

import random
from dataclasses import replace
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mitmvcr.formats import har, vcrpy
from mitmvcr.model import Cassette, Interaction
from mitmvcr.scrub import Memory, Policy
from mitmvcr.scrub.files import file_secrets, finder
from mitmvcr.scrub.files.file_secrets import FileFinding
from tests.scrub.planting import KINDS, exchange

RULES = file_secrets.Rules(Policy())
COOKIE = "x7Qz" * 20
PASSWORD = "Kd92-Lw47-Qz"


def with_headers(one: Interaction, **headers: str) -> Interaction:
    values = {name.replace("_", "-"): [value] for name, value in headers.items()}
    response = replace(one.response, headers={**one.response.headers, **values})
    return replace(one, response=response)


def plain(number: int) -> Interaction:
    one = exchange(b'{"prompt":"What is a rainbow?"}', b'{"said":"light, number %d"}' % number)
    return with_headers(one, X_Header="some value", X_Number=str(number))


def key() -> str:
    return KINDS["openai-project-key"](random.Random(3))


LEAKS = {
    "a cookie": with_headers(plain(0), Set_Cookie=f"a={COOKIE}; path=/"),
    "a cookie that another one set": exchange(b"{}", b'{"echo":"' + COOKIE.encode() + b'"}'),
    "a key": exchange(b'{"prompt":"my key is %s"}' % key().encode(), b"{}"),
    "a password": exchange(b'{"password":"%s"}' % PASSWORD.encode(), b'{"echo":"%s"}' % PASSWORD.encode()),
    "a URL in a header": with_headers(plain(1), Location=f"https://a/?api_key={PASSWORD}"),
    "a key in a header that tells nothing": with_headers(plain(2), X_Echo=key()),
}


def findings(data: bytes, together: int) -> list[FileFinding]:
    with mock.patch.object(finder, "_TOGETHER", together):
        return file_secrets.examine(data, RULES, Memory({}))


def scrubbed(data: bytes, together: int) -> file_secrets.Scrubbed:
    with mock.patch.object(finder, "_TOGETHER", together):
        return file_secrets.scrub(data, RULES, Memory({}))


@given(
    leaks=st.dictionaries(st.integers(0, 9), st.sampled_from(sorted(LEAKS)), min_size=1, max_size=4),
    together=st.sampled_from([3, 64]),
    is_har=st.booleans(),
)
@settings(max_examples=25, deadline=None)
def test_messages_together_show_what_each_shows_by_itself(
    *, leaks: dict[int, str], together: int, is_har: bool
) -> None:
    entries = [LEAKS[leaks[number]] if number in leaks else plain(number) for number in range(10)]
    data = (har if is_har else vcrpy).dump(Cassette(tuple(entries)))
    assert findings(data, together) == findings(data, 1)
    assert scrubbed(data, together) == scrubbed(data, 1)


@pytest.mark.parametrize("leak", sorted(set(LEAKS) - {"a cookie that another one set"}))
def test_one_leak_among_many_messages_is_found(leak: str) -> None:
    entries = [*map(plain, range(80)), LEAKS[leak], *map(plain, range(60))]
    data = vcrpy.dump(Cassette(tuple(entries)))
    assert findings(data, finder._TOGETHER)
    after = scrubbed(data, finder._TOGETHER).data
    assert not any(secret.encode() in after for secret in (COOKIE, PASSWORD, key()))
    assert findings(after, finder._TOGETHER) == []


def test_a_cookie_is_found_far_from_where_it_was_set() -> None:
    first, last = LEAKS["a cookie that another one set"], LEAKS["a cookie"]
    data = vcrpy.dump(Cassette((first, *map(plain, range(100)), last)))
    assert {(found.field, found.kind) for found in findings(data, finder._TOGETHER)} == {
        ("response.body", "cookie"),
        ("response.headers.Set-Cookie", "cookie"),
    }
