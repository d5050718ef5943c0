"""What the allow-list keeps, what a policy may add to it, and how a bad policy is refused."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from mitmvcr.model import Interaction, Request, Response
from mitmvcr.scrub import PolicyError
from mitmvcr.scrub.headers import secret_spans
from mitmvcr.scrub.policy import FunctionError
from tests.scrub.planting import exchange, memory, scrubber

REQUEST = {
    "Accept": ["*/*"], "Content-Type": ["application/json"], "User-Agent": ["x"], "OpenAI-Beta": ["a=b"],
}  # fmt: skip
RESPONSE = {
    "Content-Type": ["text/plain"], "Retry-After": ["1"], "Retry-After-Ms": ["1"], "X-Should-Retry": ["true"],
    "Openai-Version": ["1"], "Openai-Model": ["m"], "Location": ["/x"], "Operation-Location": ["/y"],
}  # fmt: skip
DROPPED = {
    "X-Stainless-Lang": ["python"], "Traceparent": ["00-1"], "Cf-Ray": ["1"], "X-Request-Id": ["1"],
    "Authorization": ["Bearer x"], "Set-Cookie": ["a=b"], "Openai-Organization": ["me"], "Date": ["now"],
}  # fmt: skip


def exchange_of(request: dict[str, list[str]], response: dict[str, list[str]]) -> Interaction:
    return Interaction(
        Request("GET", "https://h.example/", headers=request, trailer=dict(DROPPED)),
        Response(200, headers=response, trailer=dict(DROPPED)),
    )


@pytest.mark.parametrize("spell", [str, str.lower, str.upper])
def test_only_listed_headers_stay(spell: object) -> None:
    assert callable(spell)
    asked = {spell(name): values for name, values in {**REQUEST, **DROPPED}.items()}
    answered = {spell(name): values for name, values in {**RESPONSE, **DROPPED}.items()}
    clean = scrubber().interaction(exchange_of(asked, answered), memory())
    assert list(clean.request.headers) == [spell(name) for name in REQUEST]
    assert list(clean.response.headers) == [spell(name) for name in RESPONSE]
    assert clean.request.trailer == clean.response.trailer == {}


def test_the_lists_of_requests_and_responses_are_separate() -> None:
    clean = scrubber().interaction(exchange_of(dict(RESPONSE), dict(REQUEST)), memory())
    assert list(clean.request.headers) == ["Content-Type"]
    assert list(clean.response.headers) == ["Content-Type"]


def test_a_policy_keeps_more_headers() -> None:
    clean = scrubber(keep_headers=("Date", "x-ratelimit-limit-requests")).interaction(
        exchange_of({}, {"Date": ["now"], "X-Ratelimit-Limit-Requests": ["5"]}), memory()
    )
    assert list(clean.response.headers) == ["Date", "X-Ratelimit-Limit-Requests"]


@pytest.mark.parametrize(
    "name",
    [
        "Authorization", "api-key", "Cookie", "SET-COOKIE", "Proxy-Authorization", "OpenAI-Organization",
        "openai-project", "X-Auth-Token", "X-Client-Secret", "x-session-id", "X-Credential", "X-Goog-Api-Key",
    ],
)  # fmt: skip
def test_a_header_with_credentials_cannot_be_kept_by_accident(name: str) -> None:
    with pytest.raises(PolicyError, match=f"entry 2: '{name.lower()}' carries.*{name.lower()}=redact"):
        scrubber(keep_headers=("date", name))


def test_a_header_with_credentials_can_be_kept_with_its_value_redacted() -> None:
    one = Interaction(
        Request("GET", "https://h.example/", headers={"Authorization": ["Bearer live-key-123456"]}),
        Response(200, headers={"openai-organization": ["acme"]}),
    )
    strict = scrubber(keep_headers=("authorization=redact", "OpenAI-Organization=redact"))
    seen = memory()
    clean = strict.interaction(one, seen)
    assert clean.request.headers == {"Authorization": ["Bearer REDACTED-token-1"]}
    assert clean.response.headers == {"openai-organization": ["REDACTED-org-1"]}
    assert strict.gate(b"", clean, seen) == []
    assert strict.interaction(clean, seen) is clean
    assert {finding.rule for finding in strict.gate(b"", one, memory())} == {"denied-header"}


def test_kept_headers_are_scrubbed_and_locations_as_urls() -> None:
    one = exchange_of(
        {"User-Agent": ["tool org-" + "Ab1" * 8]},
        {
            "Location": ["https://u:secret9@h.example/?api-key=x"],
            "Operation-Location": ["/a?sig=" + "aB3" * 9],
        },
    )
    clean = scrubber().interaction(one, memory())
    assert clean.request.headers == {"User-Agent": ["tool REDACTED-org-1"]}
    assert clean.response.headers == {
        "Location": ["https://u:REDACTED-password-1@h.example/?api-key=REDACTED-token-1"],
        "Operation-Location": ["/a?sig=REDACTED-sigtoken-1"],
    }


def test_patterns_redact_their_group_or_all() -> None:
    strict = scrubber(redact=("re:cust-[0-9]+", "name=([a-z]+)"))
    assert strict.request(exchange(b"cust-17 name=bob").request, memory()).body == (
        b"REDACTED-custom-1 name=REDACTED-custom-2"
    )


def test_paths_redact_values_of_any_type_and_json_stays_json() -> None:
    strict = scrubber(redact=("$.user", "$.items[*].n", "$..deep"))
    body = b'{ "user":"b\\"ob", "items":[{"n": 12.5},{"n":null}], "x":{"deep":{"a":[true,"t"]}}, "k" : 1 }'
    seen = memory()
    clean = strict.interaction(exchange(body), seen)
    assert json.loads(clean.request.body) == {
        "user": "REDACTED-custom-1",
        "items": [{"n": "REDACTED-custom-2"}, {"n": None}],
        "x": {"deep": {"a": ["REDACTED-custom-3", "REDACTED-custom-4"]}},
        "k": 1,
    }
    assert clean.request.body.startswith(b'{ "user":"REDACTED-custom-1", "items":[')
    assert strict.interaction(clean, seen) is clean


def test_paths_reach_into_a_streams_events() -> None:
    body = b'data: {"user":"bob"}\n\ndata: {"user":"eve"}\n\ndata: [DONE]\n\n'
    clean = scrubber(redact=("$.user",)).interaction(exchange(b"", body), memory()).response.body
    assert clean == (
        b'data: {"user":"REDACTED-custom-1"}\n\ndata: {"user":"REDACTED-custom-2"}\n\ndata: [DONE]\n\n'
    )


def keep_nothing(one: Interaction) -> Interaction:
    return Interaction(Request("GET", "https://h.example/", body=b"org-" + b"Ab1" * 8), one.response)


def test_a_function_is_called_and_its_result_scrubbed() -> None:
    strict = scrubber(redact=(f"py:{__name__}:keep_nothing",))
    assert strict.interaction(exchange(b"x"), memory()).request.body == b"REDACTED-org-1"


def lose(_one: Interaction) -> None:
    return None


def fail(_one: Interaction) -> Interaction:
    raise ValueError("not today")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("lose", "lose of redact returned NoneType, no Interaction"),
        ("fail", "fail of redact failed: Value"),
    ],
)
def test_function_that_returns_nothing_or_fails_is_named(name: str, message: str) -> None:
    with pytest.raises(FunctionError, match=message):
        scrubber(redact=(f"py:{__name__}:{name}",)).interaction(exchange(b"x"), memory())


@pytest.mark.parametrize(
    "name",
    ["x-ratelimit-remaining-tokens", "Idempotency-Key", "X-Stainless-Retry-Key", "Access-Control-Allow-Key"],
)
def test_header_that_only_sounds_like_a_credential_can_be_kept(name: str) -> None:
    lenient = scrubber(keep_headers=(name,))
    one = exchange_of({}, {name: ["0f1e2d3c4b5a69788796"]})
    seen = memory()
    clean = lenient.interaction(one, seen)
    assert clean.response.headers == one.response.headers
    assert lenient.gate(b"", clean, seen) == []


def test_cookies_are_redacted_one_by_one() -> None:
    one = exchange_of({"Cookie": ["theme=dark; s=4f4f4f4f4f"]}, {"Set-Cookie": ["s=5f5f5f5f5f; path=/"]})
    strict = scrubber(keep_headers=("cookie=redact", "set-cookie=redact"))
    seen = memory()
    clean = strict.interaction(one, seen)
    assert clean.request.headers == {"Cookie": ["theme=REDACTED-cookie-1; s=REDACTED-cookie-2"]}
    assert clean.request.trailer["Set-Cookie"] == ["a=REDACTED-cookie-3"]
    assert clean.response.headers == {"Set-Cookie": ["s=REDACTED-cookie-4; path=/"]}
    assert strict.gate(b"", clean, seen) == []


def test_count_or_date_in_a_header_that_sounds_like_a_credentials_is_not_looked_out_for() -> None:
    body = b"until 2026-11-30T12:00:00Z, 120000000"
    one = exchange_of({"X-Token-Expires": ["2026-11-30T12:00:00Z"], "X-Token-Budget": ["120000000"]}, {})
    one = replace(one, response=replace(one.response, body=body))
    assert scrubber().interaction(one, memory()).response.body == body


def test_parameter_that_is_allowed_stays() -> None:
    url = "https://h.example/v1?api-key=0f1e2d3c4b5a6978"
    lenient = scrubber(allow=("secret-parameter@request.url",))
    assert lenient.interaction(exchange(b"", url=url), memory()).request.url == url


@pytest.mark.parametrize(
    ("url", "clean"),
    [
        ("/a#page?key=0f1e2d3c4b5a6978", "/a#page?key=REDACTED-token-1"),
        ("/a#x=1#token=0f1e2d3c4b5a6978", "/a#x=1#token=REDACTED-token-1"),
        ("/a?password=ab?cd&x=1", "/a?password=REDACTED-password-1&x=1"),
        ("/a?x=1&api%2Dkey=0f1e+2d3c", "/a?x=1&api%2Dkey=REDACTED-token-1"),
    ],
)
def test_parameter_is_found_behind_every_separator(url: str, clean: str) -> None:
    assert scrubber().interaction(exchange(b"", url=url), memory()).request.url == clean


def test_password_in_a_form_is_replaced_with_all_its_words() -> None:
    one = exchange(b"{}")
    one = replace(one, request=replace(one.request, form={"password": ["correct horse battery"]}))
    assert scrubber().interaction(one, memory()).request.form == {"password": ["REDACTED-password-1"]}


def test_extras_are_read_with_their_keys() -> None:
    one = replace(exchange(b"{}"), extra={"datadog_key": "4f0e" * 8, "org-" + "Ab1" * 8: ["x"]})
    assert scrubber().interaction(one, memory()).extra == {
        "datadog_key": "REDACTED-datadogtoken-1",
        "REDACTED-org-1": ["x"],
    }


def test_emails_and_home_paths_are_options() -> None:
    body = (
        b'{"a":"me@example.org","b":"/home/bob/x /Users/eve/y'
        b' C:\\\\Users\\\\kim\\\\z","c":"\\nyou@example.org"}'
    )
    assert scrubber().request(exchange(body).request, memory()).body == body
    strict = scrubber(emails=True, home_paths=True)
    seen = memory()
    clean = strict.interaction(exchange(body), seen)
    assert clean.request.body == (
        b'{"a":"REDACTED-email-1","b":"/home/REDACTED-user-1/x /Users/REDACTED-user-2/y'
        b' C:\\\\Users\\\\REDACTED-user-3\\\\z","c":"\\nREDACTED-email-2"}'
    )
    assert strict.interaction(clean, seen) is clean


def test_what_is_allowed_stays_and_passes_the_gate() -> None:
    body = b"org-" + b"Ab1" * 8
    one = exchange(body, body)
    lenient = scrubber(allow=("openai-organization@request.body",))
    seen = memory()
    clean = lenient.interaction(one, seen)
    assert clean.request.body == body
    assert clean.response.body == b"REDACTED-org-1"
    assert lenient.gate(clean.request.body, clean, seen) == []


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        ({"redact": ("a", "re:(")}, r"redact, entry 2: '\('.*at position"),
        ({"redact": ("x*",)}, "matches the empty text"),
        ({"redact": ("$.a[",)}, "redact, entry 1: .*no JSONPath"),
        ({"redact": ("py:no_such_module_here:f",)}, "redact, entry 1: .*no_such_module_here can't be loaded"),
        ({"redact": ("py:no_such_file.py:f",)}, "redact, entry 1: .*there is no file no_such_file.py"),
        ({"redact": ("py:json",)}, "redact, entry 1: 'py:json': give py:FILE.py:FUNCTION or py:MODULE"),
        ({"allow": ("org",)}, "allow, entry 1: 'org': give rule@field"),
        ({"keep_headers": ("date=keep",)}, "only 'redact'"),
    ],
)
def test_a_bad_policy_is_refused_with_its_place(policy: dict[str, object], message: str) -> None:
    with pytest.raises(PolicyError, match=message):
        scrubber(**policy)


@pytest.mark.parametrize(
    ("value", "cookies"),
    [
        (b"sid=Kd92Lw47; path=/", [b"Kd92Lw47"]),
        (b"lang=en; path=/\nsid=Kd92Lw47; path=/; HttpOnly", [b"en", b"Kd92Lw47"]),
        (b"a=1\r\nb=2\r\n", [b"1", b"2"]),
        (b"a=1; expires=Wed, 21 Oct 2026 07:28:00 GMT; path=/, b=2; path=/", [b"1", b"2"]),
        (b"a=1,b=2", [b"1", b"2"]),
        (b"a=1, 2; path=/", [b"1, 2"]),
        (b"a=REDACTED-cookie-1; path=/\nb=2", [b"2"]),
        (b"solo\nb=2", [b"solo", b"2"]),
        (b"", []),
    ],
)
def test_each_of_several_cookies_in_one_set_cookie_is_found(value: bytes, cookies: list[bytes]) -> None:
    spans = [*secret_spans("Set-Cookie", value, "cookie")]
    assert [value[start:end] for start, end in spans] == cookies
