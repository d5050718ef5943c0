"""Values that passed as credentials: found in every encoding, wherever they come up again."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from urllib.parse import quote

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mitmvcr.formats import govcr
from mitmvcr.model import Cassette, Interaction, Request, Response
from mitmvcr.scrub import Memory, collapse
from tests.scrub.planting import all_text, exchange, memory, scrubber

SCRUBBER = scrubber()
VALUE = "Zq7-plain.value_91xKw"

ENCODINGS: dict[str, Callable[[str], str]] = {
    "plain": lambda v: v,
    "percent": lambda v: "".join(f"%{ord(c):02x}" for c in v),
    "percent, only what must be": lambda v: quote(v, safe=""),
    "base64": lambda v: base64.b64encode(v.encode()).decode(),
    "base64, 1 in front": lambda v: base64.b64encode(f"x{v}".encode()).decode(),
    "base64, 2 in front": lambda v: base64.b64encode(f"xy{v} and more".encode()).decode(),
    "base64url": lambda v: base64.urlsafe_b64encode(f"~~~{v}~~~".encode()).decode(),
    "hex": lambda v: v.encode().hex(),
    "HEX": lambda v: v.encode().hex().upper(),
    "JSON escapes": lambda v: "".join(f"\\u{ord(c):04x}" for c in v),
    "JSON in JSON": lambda v: json.dumps(json.dumps(v))[1:-1],
    "inside a word": lambda v: f"abc{v}def",
}


def emitted(one: Interaction) -> bytes:
    return govcr.dump(Cassette([one]), govcr.Dialect.CHARM)


@pytest.mark.parametrize(
    "value", [VALUE, "a quoted \"value\" 'of' 17", "ünï-códe-väluë-77", "back\\slash\\17x", "Kurz9wrt"]
)
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_tracked_value_is_taken_out_or_refused(encoding: str, value: str) -> None:
    text = ENCODINGS[encoding](value)
    if not value.isascii() and encoding.startswith("percent"):
        text = quote(value)
    for one in (exchange(f'{{"a":"{text}"}}'.encode()), exchange(b"", f"see\n {text} there".encode())):
        seen = memory()
        seen.track(value, "token")
        assert SCRUBBER.gate(emitted(one), one, seen), "the gate overlooks it"
        clean = SCRUBBER.interaction(one, seen)
        assert text.encode() not in all_text(clean) or SCRUBBER.gate(emitted(clean), clean, seen)


@given(
    value=st.text("abcdefghijklmnopqrstuvwxyzABC0123456789-_+/=.:!$ '\"\\", min_size=16, max_size=60).map(
        lambda text: f"k9{text}9k"
    ),
    encoding=st.sampled_from(sorted(ENCODINGS)),
    before=st.text("ab \n'\"{", max_size=9),
    in_answer=st.booleans(),
)
@example(value="k9000000000000000$9k", encoding="percent, only what must be", before="", in_answer=False)
@settings(max_examples=200, deadline=None)
def test_any_value_in_any_encoding(value: str, encoding: str, before: str, in_answer: bool) -> None:
    seen = memory()
    seen.track(value, "token")
    text = (before + ENCODINGS[encoding](value)).encode()
    one = exchange(b"", text) if in_answer else exchange(text)
    assert SCRUBBER.gate(emitted(one), one, seen)
    clean = SCRUBBER.interaction(one, seen)
    body = clean.response.body if in_answer else clean.request.body
    assert text not in body or SCRUBBER.gate(emitted(clean), clean, seen)


def test_what_the_wire_carries_is_looked_out_for() -> None:
    values = {
        "bearer": "live-key-1234567",
        "azure": "0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f",
        "basic": "p4ssword!x",
        "sent cookie": "cookie-value-77",
        "set cookie": "fresh-cookie-88",
        "org": "acme-research-9",
        "project": "proj-of-acme-9",
        "query": "query-key-5555",
        "any": "some-session-99",
    }
    seen = memory()
    basic = base64.b64encode(f"me:{values['basic']}".encode()).decode()
    request = Request(
        "GET",
        f"https://h.example/v1?api-key={values['query']}&x=1",
        headers={
            "Authorization": [f"Bearer {values['bearer']}"],
            "api-key": [values["azure"]],
            "Proxy-Authorization": [f"Basic {basic}"],
            "cookie": [f"a=1; __cf_bm={values['sent cookie']}"],
            "OpenAI-Project": [values["project"]],
            "X-Session-Id": [values["any"]],
        },
    )
    answer = {
        "Set-Cookie": [f"__cf_bm={values['set cookie']}; path=/; Secure"],
        "openai-organization": [values["org"]],
    }
    SCRUBBER.remember_exchange(Interaction(request, Response(200, headers=answer)), seen)
    for value in values.values():
        clean = SCRUBBER.interaction(exchange(f"it is {value}.".encode()), seen)
        assert value.encode() not in clean.request.body, value


def test_secret_values_of_the_environment_are_tracked_and_others_are_not() -> None:
    seen = memory(
        {
            "MY_API_KEY": "from-the-env-1",
            "DB_PASSWORD": "db-pass-word-2",
            "SSH_KEY": "/home/me/.ssh/id",
            "SHORT_TOKEN": "abc",
            "WORD_TOKEN": "anything",
            "OPENAI_API_KEY": "fake-api-key",
            "HOSTNAME": "not-a-secret-3",
        }
    )
    body = b"from-the-env-1 db-pass-word-2 /home/me/.ssh/id abc anything fake-api-key not-a-secret-3"
    clean = SCRUBBER.interaction(exchange(body), seen).request.body
    assert (
        clean
        == b"REDACTED-token-1 REDACTED-token-2 /home/me/.ssh/id abc anything fake-api-key not-a-secret-3"
    )


def test_the_headers_of_a_foreign_cassette_are_tracked_too() -> None:
    one = Interaction(
        Request("GET", "https://h.example/", headers={"authorization": ["Bearer live-key-1234567"]}),
        Response(
            200, body=b"you sent live-key-1234567", headers={"set-cookie": ["s=my-cookie-1234; path=/"]}
        ),
    )
    clean = SCRUBBER.interaction(one, memory())
    assert clean.request.headers == {}
    assert clean.response.headers == {}
    assert clean.response.body == b"you sent REDACTED-token-1"


def test_a_replay_with_another_key_compares_equal() -> None:
    recorded, asked = memory(), memory()
    bodies = []
    for seen, key in ((recorded, "sk-" + "Ab9" * 16), (asked, "dummy-key-of-ci")):
        seen.track("unrelated-value-1", "token")
        asked_with = Request("GET", "https://h.example/v1", headers={"Authorization": [f"Bearer {key}"]})
        SCRUBBER.remember_credentials(asked_with, seen)
        request = exchange(f'{{"a":"{key} unrelated-value-1"}}'.encode()).request
        bodies.append(collapse(SCRUBBER.request(request, seen).body))
    assert bodies[0] == bodies[1] == b'{"a":"REDACTED-token REDACTED-token"}'


def test_numbers_go_on_behind_those_of_the_cassette() -> None:
    cassette = Cassette([exchange(b"REDACTED-org-7", b"REDACTED-token-2 REDACTED-org-3")])
    seen = Memory.resume(cassette, {})
    assert seen.replacement("org", b"x") == b"REDACTED-org-8"
    assert seen.replacement("token", b"x") == b"REDACTED-token-3"
    assert seen.replacement("sigtoken", b"x") == b"REDACTED-sigtoken-1"


def test_collapse_takes_the_numbers_off() -> None:
    assert collapse(b"a REDACTED-org-7, REDACTED-token-12b") == b"a REDACTED-org, REDACTED-tokenb"
    assert collapse(b"REDACTED- org-7") == b"REDACTED- org-7"


def test_only_the_newest_cookies_are_tracked_so_that_the_cost_stays() -> None:
    seen = memory()
    for number in range(100):
        seen.track(f"cookie-value-{number:04}", "cookie")
    old, new = exchange(b"cookie-value-0003"), exchange(b"cookie-value-0099")
    assert SCRUBBER.interaction(old, seen) is old
    assert SCRUBBER.interaction(new, seen).request.body == b"REDACTED-cookie-1"
