"""An exchange that is recorded and a file of it that is scrubbed in place come to the same."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from urllib.parse import quote, urlencode

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from mitmvcr import formats
from mitmvcr.formats import govcr, vcrpy
from mitmvcr.model import Cassette, Interaction, Node, Request, Response, Values
from mitmvcr.scrub import Memory, Policy, Scrubber
from mitmvcr.scrub.files import file_secrets
from tests.scrub.planting import KINDS, sse

FORM = "application/x-www-form-urlencoded"
WRITERS: dict[str, Callable[[Cassette], bytes]] = {
    "go-vcr": lambda cassette: govcr.dump(cassette, govcr.Dialect.CHARM),
    "VCR.py": vcrpy.dump,
}
_RNG = random.Random(2026)
SECRETS = [make(_RNG) for make in KINDS.values()]
CREDENTIALS = [
    "q7Zp-credential.of_77x",
    "0f1e2d3c4b5a69788796a5b4",
    "it is 9 words, a pass phrase",
    *SECRETS[:3],
]
# What is no secret, though some of it stands where one could.
PLAIN = [
    "gpt-4o-mini",
    "17",
    "true",
    "call_Ab1Cd2Ef3Gh4",
    "REDACTED-token-99",
    "<your key>",
    "naïve café",
    "",
]

PHASES = [Phase.explicit, Phase.reuse, Phase.generate]
"""A failure is shown as it was met: to make it smaller takes minutes."""

secret = st.sampled_from(SECRETS)
value = st.one_of(st.sampled_from([*PLAIN, *CREDENTIALS]), secret)
name = st.sampled_from(
    ["api-key", "key", "sig", "code", "password", "authorization", "api-version", "q", "user"]
)
pairs = st.lists(st.tuples(name, value), max_size=3)
sentence = st.lists(value, max_size=3).map(" and ".join)


def shout(one: Interaction) -> Interaction:
    """A user's function."""
    return replace(one, request=replace(one.request, body=one.request.body.replace(b"gpt", b"GPT")))


POLICIES: list[dict[str, object]] = [
    {},
    {"emails": True, "home_paths": True},
    {"redact": ("$.user", "re:caf", "$..note")},
    {"keep_headers": ("authorization=redact", "cookie=redact", "x-ratelimit-limit-tokens", "x-user=redact")},
    {"allow": ("secret-parameter@request.*", "tracked-*@response.body", "secret-field@*")},
    {"redact": (f"py:{__name__}:shout",)},
]


@st.composite
def urls(draw: st.DrawFn) -> tuple[str, list[tuple[str, str]]]:
    query = draw(pairs)
    unquoted = draw(st.sampled_from(["", "/", "/ @:?"]))
    text = "&".join(f"{key}={quote(given_, safe=unquoted)}" for key, given_ in query)
    url = f"https://{draw(st.sampled_from(['h.example', 'me:pass9word@localhost']))}/v1" + (
        f"?{text}" if text else ""
    )
    fragment = draw(pairs)
    return url + ("#" + urlencode(fragment) if fragment else ""), query


@st.composite
def request_headers(draw: st.DrawFn, credential: str) -> dict[str, list[str]]:
    coded = draw(st.sampled_from([f"Bearer {credential}", credential, f"Token {credential}"]))
    headers = {
        "Authorization": [coded],
        "Api-Key": [credential],
        "Cookie": [f"a=b; session={credential}", "theme=dark"],
        "X-Session-Id": [draw(value)],
        "Idempotency-Key": [f"stainless-python-retry-{draw(secret)}"],
        "X-Ratelimit-Limit-Tokens": ["90000"],
        "X-Token-Expires": ["2026-11-30T12:00:00Z"],
        "X-User": [draw(value)],
        "User-Agent": [draw(sentence) or "tool"],
    }
    return {key: headers[key] for key in draw(st.sets(st.sampled_from(sorted(headers))))}


@st.composite
def bodies(draw: st.DrawFn, credential: str) -> tuple[str, bytes]:
    said = st.one_of(sentence, st.just(f"you sent {credential}."), st.just("me@example.org /home/bob/x"))
    kind = draw(st.sampled_from(["form", "JSON", "stream", "text"]))
    if kind == "form":
        return FORM, urlencode([*draw(pairs), ("said", draw(said))]).encode()
    tree = {
        "user": draw(said),
        "model": draw(value),
        draw(name): draw(said),
        "deep": {"note": [draw(value), 7]},
    }
    if kind == "JSON":
        return "application/json", json.dumps(tree, ensure_ascii=draw(st.booleans())).encode()
    if kind == "stream":
        text = draw(said)
        cut = draw(st.integers(0, len(text)))
        return "text/event-stream", sse(text[:cut], text[cut:])
    return "text/plain", draw(said).encode()


@st.composite
def exchanges(draw: st.DrawFn) -> Interaction:
    credential = draw(st.sampled_from(CREDENTIALS))
    url, query = draw(urls())
    form: dict[str, list[str]] = {}
    for key, given_ in query:
        form.setdefault(key, []).append(given_)
    (asked_type, asked), (answered_type, answered) = draw(bodies(credential)), draw(bodies(credential))
    answer_headers = {"Content-Type": [answered_type], "Set-Cookie": [f"session={credential}; path=/"]}
    if draw(st.booleans()):
        answer_headers["Location"] = [draw(urls())[0]]
    extra: dict[str, Node] = draw(
        st.sampled_from([{}, {"note": draw(sentence)}, {"datadog_key": draw(value), "a": ["b"]}])
    )
    return Interaction(
        Request(
            "POST",
            url,
            body=asked,
            content_length=len(asked),
            form=form,
            headers={"Content-Type": [asked_type], **draw(request_headers(credential))},
            extra=extra,
        ),
        Response(200, "200 OK", body=answered, headers=answer_headers, content_length=len(answered)),
        extra=extra,
    )


def shared(one: Interaction, kept: Interaction, *, has_form: bool) -> tuple[object, ...]:
    """What recording and scrubbing both keep; of the headers those that the recording has.

    VCR.py's files have no form: it is made of what is in URL and body.
    """
    request, response = one.request, one.response

    def headers(values: Values, those: Values) -> Mapping[str, list[str]]:
        return {key: [*values.get(key, ())] for key in those}

    return (
        request.url, request.body, request.content_length - len(request.body),
        {key: [*values] for key, values in request.form.items()} if has_form else {},
        headers(request.headers, kept.request.headers), request.extra,
        response.body, response.content_length - len(response.body),
        headers(response.headers, kept.response.headers), response.extra, one.extra,
    )  # fmt: skip


_NUMBER = re.compile(r"(REDACTED-[a-z0-9]+)-[0-9]+")


def renumbered(text: str) -> str:
    """With the replacements numbered as they come: a file is read in another order."""
    numbers: dict[str, int] = {}
    return _NUMBER.sub(lambda found: f"{found[1]} {numbers.setdefault(found[0], len(numbers))}", text)


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: "-".join(policy) or "default")
@given(one=exchanges())
@settings(max_examples=20, deadline=None, phases=PHASES, suppress_health_check=[HealthCheck.too_slow])
def test_recording_and_scrubbing_a_file_give_the_same(
    policy: dict[str, object], writer: str, one: Interaction
) -> None:
    chosen = Policy(**policy)  # type: ignore[arg-type]
    data = WRITERS[writer](Cassette([one]))
    (loaded,) = formats.load(data)[1].interactions
    recorded = Scrubber(chosen).interaction(loaded, Memory({}))
    scrubbed = file_secrets.scrub(data, file_secrets.Rules(chosen), file_secrets.memory_for([], {}))
    (in_file,) = formats.load(scrubbed.data)[1].interactions
    has_form = writer == "go-vcr"
    kept = repr(shared(recorded, recorded, has_form=has_form))
    assert renumbered(repr(shared(in_file, recorded, has_form=has_form))) == renumbered(kept)
