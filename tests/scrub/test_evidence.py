"""What counts as a secret, by the name over it and the place where it stands; the tables whole."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from urllib.parse import urlencode

import pytest

from mitmvcr.formats import govcr
from mitmvcr.model import Cassette, Interaction, Response
from mitmvcr.scrub import Memory
from mitmvcr.scrub.rules.detection import Evidence
from tests.scrub.planting import all_text, exchange, memory, scrubber

SCRUBBER = scrubber()
FORM = "application/x-www-form-urlencoded"
RANDOM = "Zk3Pq8Rt5Vw2Xy7Za1Bc4De6"
HASH = "4f1c9a7e2b6d8035e1f7a9c3b5d20468"
SLUG = "dark-mode-rollout-2026-01"
URL = "https://login.example.com/v1"
WORD = "juniper"
ODD = 'p"ss\\w\n0rd é'

# Per name: the values that are taken out of a field of JSON, of a form, and of a conversation.
TABLE = {
    "password": ({RANDOM, HASH, SLUG, WORD, ODD}, {RANDOM, HASH, SLUG, URL, WORD, ODD}, {RANDOM, HASH}),
    "pwd": ({RANDOM, HASH, SLUG, WORD, ODD}, {RANDOM, HASH, SLUG, URL, WORD, ODD}, {RANDOM, HASH}),
    "db_password": ({RANDOM, HASH, SLUG, WORD, ODD}, {RANDOM, HASH, SLUG, URL, WORD, ODD}, {RANDOM, HASH}),
    "staging_password": ({RANDOM, HASH, SLUG, WORD}, {RANDOM, HASH, SLUG, WORD}, {RANDOM}),
    "api_key": ({RANDOM, HASH, SLUG, ODD}, {RANDOM, HASH, SLUG, URL, WORD, ODD}, {RANDOM, HASH}),
    "apiKey": ({RANDOM, HASH, SLUG, ODD}, {RANDOM, HASH, SLUG, URL, WORD, ODD}, {RANDOM, HASH}),
    "X-API-KEY": ({RANDOM, HASH, SLUG, ODD}, {RANDOM, HASH, SLUG, URL, WORD, ODD}, {RANDOM, HASH}),
    "client_secret": ({RANDOM, HASH, SLUG, ODD}, {RANDOM, HASH, SLUG, URL, WORD, ODD}, {RANDOM, HASH}),
    "openai_api_key": ({RANDOM, HASH, SLUG, ODD}, {RANDOM, HASH, SLUG, URL, WORD, ODD}, {RANDOM, HASH}),
    "webhook_token": ({RANDOM}, {RANDOM, HASH}, {RANDOM}),
    "token": ({RANDOM}, {RANDOM, HASH, SLUG, ODD}, {RANDOM}),
    "key": (set(), {RANDOM, HASH, SLUG, ODD}, set()),
    "account_key": (set(), {RANDOM, HASH}, set()),
    "agent_key": (set(), set(), set()),
    "idempotency_key": (set(), set(), set()),
    "x-ratelimit-key": (set(), set(), set()),
    "secret_id": (set(), set(), set()),
    "max_tokens": (set(), set(), set()),
    "page_token": (set(), set(), set()),
    "town": (set(), set(), set()),
}
VALUES = (RANDOM, HASH, SLUG, URL, WORD, ODD)


@pytest.mark.parametrize("value", VALUES, ids=["random", "hash", "slug", "URL", "word", "odd"])
@pytest.mark.parametrize("name", TABLE)
def test_what_a_name_tells_depends_on_the_place(name: str, value: str) -> None:
    in_field, in_form, in_conversation = TABLE[name]
    body = json.dumps({"user": "ann", name: value}).encode()
    clean = SCRUBBER.interaction(exchange(body), memory()).request.body
    assert (json.loads(clean)[name] != value) == (value in in_field)

    form = exchange(urlencode({"user": "ann", name: value}).encode(), content_type=FORM)
    form = replace(form, request=replace(form.request, form={"user": ["ann"], name: [value]}))
    clean_form = SCRUBBER.interaction(form, memory()).request
    assert (clean_form.form[name] != [value]) == (value in in_form)
    assert clean_form.body == urlencode({"user": "ann", name: clean_form.form[name][0]}).encode()

    part = f'--B\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n--B--\r\n'
    multipart = exchange(part.encode(), content_type="multipart/form-data; boundary=B")
    clean = SCRUBBER.interaction(multipart, memory()).request.body
    assert (clean != part.encode()) == (value in in_form)

    call = {"function": {"name": "f", "arguments": json.dumps({name: value, "city": "Rome"})}}
    answer = {"choices": [{"message": {"tool_calls": [call]}}]}
    clean = SCRUBBER.interaction(exchange(b"", json.dumps(answer).encode()), memory()).response.body
    given = json.loads(json.loads(clean)["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"])
    assert (given[name] != value) == (value in in_conversation)
    assert given["city"] == "Rome"


@pytest.mark.parametrize(
    ("value", "scrubbed"),
    [
        (48213377, "REDACTED-password-1"),
        (["0ld-Secret7", "N3w-Secret8"], ["REDACTED-password-1", "REDACTED-password-2"]),
        ({"value": "Qw-7-Er-9-Ty", "type": "plain"}, {"value": "REDACTED-password-1", "type": "plain"}),
        ([[1, 2], None, True], [["REDACTED-password-1"], None, True]),
        (None, None),
        ("", ""),
        ("<your password>", "<your password>"),
        ("${PASSWORD}", "${PASSWORD}"),
    ],
)
def test_each_scalar_below_a_credentials_name_is_taken_out(value: object, scrubbed: object) -> None:
    for body in ({"password": value}, {"a": json.dumps({"password": value})}):
        clean = json.loads(SCRUBBER.interaction(exchange(json.dumps(body).encode()), memory()).request.body)
        assert (json.loads(clean["a"]) if "a" in clean else clean) == {"password": scrubbed}


@pytest.mark.parametrize(
    ("body", "scrubbed"),
    [
        ('\ufeff{"password": "hunter2x"}', '\ufeff{"password": "REDACTED-password-1"}'),
        ('{"password": "hunter2x", "a": ', '{"password": "REDACTED-password-1", "a": '),
        ('{"a": {"password": "hunter2x"}} and more', '{"a": {"password": "REDACTED-password-1"}} and more'),
        ('{"a": 1}\n{"password": "hunter2x"}\n', '{"a": 1}\n{"password": "REDACTED-password-1"}\n'),
        ('{"password" : 48213377}', '{"password" : "REDACTED-password-1"}'),
        ('{"secret": 48213377}', '{"secret": "REDACTED-token-1"}'),
        ("{password: hunter2x}", "{password: hunter2x}"),
    ],
)
def test_json_with_something_before_or_behind_it_is_read_as_far_as_it_goes(body: str, scrubbed: str) -> None:
    assert SCRUBBER.interaction(exchange(body.encode()), memory()).request.body == scrubbed.encode()


@pytest.mark.parametrize(
    "text",
    [
        "It handles authentication, authorization, rate-limiting, and logging.",
        'headers = {"Authorization": auth_header, "Accept": "*/*"}',
        'r.Header.Set("Authorization", tt.header)',
        '{"password": "must be at least 8 characters"}',
        "http://api:4000/v1/chat/completions and https://auth.internal:8443/token",
        'ids = ["eval_n2x77rokeyfnlj67qapx", "fco_37075e29c1a55457bbc71989"]',
        '{"properties": {"password": {"type": "string"}, "api_key": {"type": "string"}}}',
        "access_token: see the docs; secret = os.environ['SECRET']",
        "commit: 3f2b1c9d8e7a6b5c4d3e2f1a0b9c8d7e6f5a4b3c",
    ],
)
def test_prose_and_code_about_credentials_stay(text: str) -> None:
    for answer in ({"content": text}, {"output": [{"text": text}]}, text):
        one = exchange(b"", json.dumps(answer).encode())
        clean = SCRUBBER.interaction(one, memory())
        assert clean is one
        assert SCRUBBER.gate(emitted(clean), clean, memory()) == []


def emitted(one: Interaction) -> bytes:
    return govcr.dump(Cassette([one]), govcr.Dialect.CHARM)


@pytest.mark.parametrize(
    "value",
    [
        "Bearer {}", "Token {}", "Api-Key {}", "Snyk-Token {}", "Sso-Key id:{}", "GoogleLogin auth={}", "{}",
        "PVEAPIToken={}", "SharedKey account:{}", "Bearer Bearer {}", 'Token token="{}", nonce="abc"',
        'OAuth realm="x", oauth_consumer_key="{}", oauth_version="1.0"',
        "AWS4-HMAC-SHA256 Credential={}/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=ab",
    ],
)  # fmt: skip
def test_each_part_of_a_credential_is_looked_out_for(value: str) -> None:
    one = exchange(b'{"a":"us-east-1 aws4_request realm"}', f"the caller {RANDOM} may not".encode())
    headers = {"Authorization": [value.format(RANDOM)]}
    clean = SCRUBBER.interaction(replace(one, request=replace(one.request, headers=headers)), memory())
    assert RANDOM.encode() not in all_text(clean)
    assert clean.request.body == one.request.body


def test_both_sides_of_basic_are_looked_out_for() -> None:
    for pair in (f"{RANDOM}:", f":{RANDOM}", f"me:{RANDOM}"):
        coded = base64.b64encode(pair.encode()).decode()
        one = exchange(b"", f"no {RANDOM} and no {coded}".encode())
        headers = {"Authorization": [f"Basic {coded}"]}
        clean = SCRUBBER.interaction(replace(one, request=replace(one.request, headers=headers)), memory())
        assert RANDOM.encode() not in clean.response.body
        assert coded.encode() not in clean.response.body


@pytest.mark.parametrize(
    "name",
    ["OPENAI_API_KEY_2", "OPENAI_KEY_PROD", "API_KEYS", "DB_PASS", "MYSQL_PWD", "PGPASS", "GITHUB_PAT",
     "SECRET_KEY_BASE", "TOKEN_PROD", "NPM_AUTH", "JWT", "DJANGO_SECRET_ID", "gpg_passphrase"],
)  # fmt: skip
def test_secret_names_of_the_environment(name: str) -> None:
    one = exchange(f"the words were {RANDOM}".encode())
    assert RANDOM.encode() not in SCRUBBER.interaction(one, memory({name: RANDOM})).request.body


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PATH", RANDOM), ("KEYBOARD", RANDOM), ("PWD", "/home/me/project"),
        ("SSH_AUTH_SOCK", "/run/agent.17"),
        ("MAX_TOKENS", "100000000"), ("OPENAI_API_KEY", "localhost:8080"), ("OPENAI_API_KEY", "anything"),
        ("KEY_VAULT_URL", "https://vault.example.net/x"), ("MODEL_KEY", "gpt-4o-mini-2024-07-18"),
        ("API_KEY", "2026-11-30"), ("API_KEY", "short"), ("API_HOST_KEY", "api.example.com"),
    ],
)  # fmt: skip
def test_common_values_of_the_environment_are_not_looked_out_for(name: str, value: str) -> None:
    one = exchange(f"the words were {value}".encode())
    assert SCRUBBER.interaction(one, memory({name: value})) is one


def test_what_an_answer_holds_changes_nothing_of_its_request() -> None:
    one = exchange(
        b'{"model":"gpt-5-mini-eu-7","note":"' + RANDOM.encode() + b'"}', b'{"model":"gpt-5-mini-eu-7"}'
    )
    for name in ("x-ratelimit-key", "x-session-token", "set-cookie"):
        value = "gpt-5-mini-eu-7" if name == "x-ratelimit-key" else RANDOM
        response = replace(one.response, headers={name: [f"a={value}" if name == "set-cookie" else value]})
        seen = memory()
        clean = SCRUBBER.interaction(Interaction(one.request, response), seen)
        assert clean.request is one.request
        assert clean.request == SCRUBBER.request(one.request, memory())
        assert SCRUBBER.gate(emitted(clean), clean, seen) == []


def test_what_is_found_in_one_place_is_taken_out_of_all() -> None:
    value = "tr0ub4dor&3-x"
    one = exchange(
        json.dumps({"password": value}).encode(), f"no: {value}".encode(), url=f"https://h.example/{value}"
    )
    one = replace(one, request=replace(one.request, trailer={"X-Echo": [value]}, extra={"note": value}))
    clean, redactions = SCRUBBER.interaction_with_changes(one, memory())
    assert value.encode() not in all_text(clean)
    assert {redaction.field for redaction in redactions} >= {"request.body", "request.url", "response.body"}


def test_redactions_say_where_and_by_what_evidence() -> None:
    key = "sk-" + "proj-" + "Ab9_" * 12
    body = {"messages": [{"content": f"use {key}"}], "metadata": {"password": "hunter2x!"}}
    one = exchange(json.dumps(body).encode(), f"{RANDOM}".encode())
    headers = {"Authorization": [f"Bearer {RANDOM}"]}
    one = replace(one, request=replace(one.request, headers=headers))
    _, redactions = SCRUBBER.interaction_with_changes(one, memory())
    assert [(found.field, found.path, found.kind, found.evidence) for found in redactions] == [
        ("request.body", "messages[0].content", "token", Evidence.SHAPE),
        ("request.body", "metadata.password", "password", Evidence.NAME),
        ("response.body", "", "token", Evidence.SEEN),
    ]
    assert SCRUBBER.request_with_changes(one.request, memory())[1] == redactions[:2]


@pytest.mark.parametrize(
    "cookies",
    ["sid={}; path=/; HttpOnly", "lang=en; path=/\nsid={}; path=/",
     "a=b; Expires=Wed, 21 Oct 2026 07:28:00 GMT, sid={}",
     "{}; path=/"],
)  # fmt: skip
def test_every_cookie_of_a_set_cookie_is_looked_out_for_and_redacted(cookies: str) -> None:
    one = exchange(b"", f"your session {RANDOM}".encode())
    answer = replace(one.response, headers={"Set-Cookie": [cookies.format(RANDOM)]})
    strict = scrubber(keep_headers=("set-cookie=redact",))
    clean = strict.interaction(replace(one, response=answer), memory())
    assert RANDOM not in clean.response.headers["Set-Cookie"][0]
    assert RANDOM.encode() not in clean.response.body
    assert "path=/" in clean.response.headers["Set-Cookie"][0] or "Expires" in cookies


def test_a_dummy_is_a_credential_where_one_is_passed() -> None:
    recorded = exchange(url="https://h.example/v1?api-key=" + RANDOM).request
    replayed = exchange(url="https://h.example/v1?api-key=dummy").request
    assert SCRUBBER.request(recorded, memory()).url == SCRUBBER.request(replayed, memory()).url


def test_user_and_password_of_a_url_are_taken_out() -> None:
    for user, kept in (("me:hunter2", "me:REDACTED-password-1"), (RANDOM, "REDACTED-token-1")):
        clean = SCRUBBER.request(exchange(url=f"https://{user}@h.example/v1").request, memory())
        assert clean.url == f"https://{kept}@h.example/v1"


def test_a_memory_that_was_told_nothing_changes_nothing() -> None:
    one = Interaction(exchange(b'{"a":1}').request, Response(200))
    assert SCRUBBER.interaction(one, Memory({})) is one
