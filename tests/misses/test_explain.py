"""What a user is told whose request nothing recorded answers: the sentences, kind by kind, and bounds."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mitmvcr.config.settings import Settings
from mitmvcr.misses.explain import Miss, Recordings, explain
from mitmvcr.model import Interaction, Interactions, Request
from mitmvcr.replay.matcher import Matcher
from mitmvcr.replay.overview import Overview
from mitmvcr.scrub import Memory, Policy, Scrubber
from mitmvcr.store.locate import Location
from tests.build import CHAT, interaction, request, response, sessions, write

HERE = Location("tests/a", Path("recordings/tests/a.yaml"), exists=True)
GO_VCR = Matcher(("method", "url", "body"))
VCR_PY = Matcher(("method", "scheme", "host", "port", "path", "query"))

RECORD = "To record it: run with vcr_mode=new-episodes and access to the API"
UUIDS = "3f2b8c1e-0d5e-4a55-9f60-0123456789ab", "a17e1b52-7c11-4c9e-8a11-ba9876543210"


@pytest.fixture(autouse=True)
def _on_a_desk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)


def overview_of(recorded: Sequence[Interaction]) -> Overview:
    overview = Overview()
    overview.add(0, [one.request for one in recorded])
    return overview


def explained(
    asked: Request,
    *recorded: Interaction,
    played: Sequence[int] = (),
    same: Sequence[int] = (),
    matcher: Matcher = GO_VCR,
    times: int = 0,
    elsewhere: Sequence[str] = (),
) -> Miss:
    numbered = [replace(one, id=number) for number, one in enumerate(recorded)]
    recordings = Recordings(
        numbered, overview_of(numbered), set(played), same, lambda one: one, times, elsewhere=elsewhere
    )
    return explain(HERE, recordings, asked, matcher)


def told(asked: Request, *recorded: Interaction, **more: object) -> str:
    return explained(asked, *recorded, **more).message  # type: ignore[arg-type]


def of(asked: Request) -> Interaction:
    return Interaction(asked, response())


def chat(*texts: str, **more: object) -> dict[str, object]:
    return {"model": "gpt-4o", "messages": [{"role": "user", "content": text} for text in texts], **more}


def form(*parts: str, boundary: str) -> Request:
    body = "".join(f"--{boundary}\r\nContent-Disposition: form-data; {part}\r\n" for part in parts)
    return request(f"{body}--{boundary}--\r\n", content_type=f"multipart/form-data; boundary={boundary}")


LONG = "You answer questions about the weather in European capitals. " * 40
URLENCODED = "application/x-www-form-urlencoded"
MODELS = "https://api.openai.com/v1/models"
EMBEDDINGS = "https://api.openai.com/v1/embeddings"

# What was asked, what was recorded, how requests are matched; the differences and what is advised.
# ruff: noqa: ISC004 - long texts in lists of one
KINDS: dict[str, tuple[Request, Request, Matcher, list[str], list[str]]] = {
    "the prompt": (
        request(chat(LONG + "And in Paris?" + LONG)),
        request(chat(LONG + "And in Rome?" + LONG)),
        GO_VCR,
        ['$.messages[0].content: recorded "…an capitals. And in Rome?You answer question…", '
         'asked "…an capitals. And in Paris?You answer question…"'],
        [],
    ),
    "one message more": (
        request(chat("a", "b", "new", "c")),
        request(chat("a", "b", "c")),
        GO_VCR,
        ['$.messages[2]: asked has one more: {"content": "new", "role": "user"}'],
        [],
    ),
    "one message less": (
        request(chat("a", "c")),
        request(chat("a", "b", "c")),
        GO_VCR,
        ['$.messages[1]: recorded has one more: {"content": "b", "role": "user"}'],
        [],
    ),
    "several messages more": (
        request(chat("a", "1", "2", "3")),
        request(chat("a")),
        GO_VCR,
        ['$.messages[1]: asked has 3 more from here on, the first: {"content": "1", "role": "user"}'],
        [],
    ),
    "one message changed and one more": (
        request(chat("a", "x", "new", "c", "d")),
        request(chat("a", "b", "c", "d")),
        GO_VCR,
        ['$.messages[1].content: recorded "b", asked "x"',
         '$.messages[2]: asked has one more: {"content": "new", "role": "user"}'],
        [],
    ),
    "another model": (
        request(chat("a")),
        request(chat("a") | {"model": "gpt-4o-mini"}),
        GO_VCR,
        ['$.model: recorded "gpt-4o-mini", asked "gpt-4o"'],
        [],
    ),
    "a parameter": (
        request(chat("a", temperature=0.2)),
        request(chat("a", temperature=0.7)),
        GO_VCR,
        ["$.temperature: recorded 0.7, asked 0.2"],
        ["If $.temperature does not matter: vcr_ignore=$.temperature"],
    ),
    "a number that is a text": (
        request(chat("a", n="1")),
        request(chat("a", n=1)),
        GO_VCR,
        ['$.n: recorded 1, asked "1" (a number and a text)'],
        ["If $.n does not matter: vcr_ignore=$.n"],
    ),
    "true in place of 1": (
        request(chat("a", logprobs=True)),
        request(chat("a", logprobs=1)),
        GO_VCR,
        ["$.logprobs: recorded 1, asked true"],
        ["If $.logprobs does not matter: vcr_ignore=$.logprobs"],
    ),
    "null in place of nothing": (
        request(chat("a", tools=None)),
        request(chat("a")),
        GO_VCR,
        ["$.tools: recorded nothing, asked null"],
        [],
    ),
    "nothing in place of a text": (
        request({}),
        request({"a": "x"}),
        GO_VCR,
        ['$.a: recorded "x", asked nothing'],
        ["If $.a does not matter: vcr_ignore=$.a"],
    ),
    "a value, whatever the order of keys": (
        request({"b": 2, "c": 1, "a": 1}),
        request({"a": 1, "b": 2, "c": 2}),
        GO_VCR,
        ["$.c: recorded 2, asked 1"],
        ["If $.c does not matter: vcr_ignore=$.c"],
    ),
    "a name that needs quotes": (
        request({"x y": [1, {"z": 1}]}),
        request({"x y": [1, {"z": 2}]}),
        GO_VCR,
        ['$["x y"][1].z: recorded 2, asked 1'],
        ["If $[\"x y\"][1].z does not matter: 'vcr_ignore=$[\"x y\"][1].z'"],
    ),
    "white space": (
        request(chat("Hi  there")),
        request(chat("Hi there")),
        GO_VCR,
        ['$.messages[0].content: recorded "Hi there", asked "Hi  there" (only white space differs)'],
        [],
    ),
    "Unicode forms": (
        request(chat("caf\u00e9")),
        request(chat("cafe\u0301")),
        GO_VCR,
        [r'$.messages[0].content: recorded "cafe\u0301", asked "caf\u00e9" '
         "(the same text in another Unicode form)"],
        [],
    ),
    "a random id": (
        request(chat("a", metadata={"run_id": UUIDS[0]})),
        request(chat("a", metadata={"run_id": UUIDS[1]})),
        GO_VCR,
        [f'$.metadata.run_id: recorded "{UUIDS[1]}", asked "{UUIDS[0]}"'],
        ["Only $.metadata.run_id differs, which looks like a random id: "
         "vcr_ignore=$.metadata.run_id leaves it out"],
    ),
    "random ids in a list": (
        request({"messages": [{"tool_call_id": f"call_{mark * 8}"} for mark in ("Ab1", "Cd2")]}),
        request({"messages": [{"tool_call_id": f"call_{mark * 8}"} for mark in ("Ef3", "Gh4")]}),
        GO_VCR,
        [f'$.messages[{at}].tool_call_id: recorded "call_{one * 8}", asked "call_{other * 8}"'
         for at, one, other in ((0, "Ef3", "Ab1"), (1, "Gh4", "Cd2"))],
        ["Only $.messages[*].tool_call_id differs, which looks like a random id: "
         "'vcr_ignore=$.messages[*].tool_call_id' leaves it out"],
    ),
    "a seed and a user": (
        request(chat("a", seed=1, user="u1")),
        request(chat("a", seed=2, user="u2")),
        GO_VCR,
        ["$.seed: recorded 2, asked 1", '$.user: recorded "u2", asked "u1"'],
        ["Only $.seed and $.user differ: vcr_ignore=$.seed,$.user leaves them out"],
    ),
    "a seed, where more is ignored already": (
        request(chat("a", seed=1, user="u1")),
        request(chat("a", seed=2, user="u2")),
        Matcher(GO_VCR.fields, ("$.user",)),
        ["$.seed: recorded 2, asked 1"],
        ["Only $.seed differs: vcr_ignore=$.user,$.seed leaves it out"],
    ),
    "a time": (
        request(chat("a", created=1732203600)),
        request(chat("a", created=1732100000)),
        GO_VCR,
        ["$.created: recorded 1732100000, asked 1732203600"],
        ["Only $.created differs, which looks like a time in seconds: vcr_ignore=$.created leaves it out"],
    ),
    "a date in the prompt": (
        request(chat(f"{LONG}Today is 2026-11-21.")),
        request(chat(f"{LONG}Today is 2025-01-02.")),
        GO_VCR,
        ['$.messages[0].content: recorded "…pitals. Today is 2025-01-02.", '
         'asked "…pitals. Today is 2026-11-21."'],
        ["Only $.messages[0].content differs, in what looks like a date or time: keep that fixed in the "
         "test, or take it out on both sides: "
         "'vcr_redact=[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[T ][0-9:.]+(?:Z|[+-][0-9:]+)?)?'"],
    ),
    "a date and more in the prompt": (
        request(chat("Today is 2026-11-21, a Saturday.")),
        request(chat("Today is 2025-01-02, a Thursday.")),
        GO_VCR,
        ['$.messages[0].content: recorded "Today is 2025-01-02, a Thursday.", '
         'asked "Today is 2026-11-21, a Saturday."'],
        [],
    ),
    "a temporary path in the prompt": (
        request(chat("Read /tmp/a1/x.txt")),
        request(chat("Read /tmp/b2/x.txt")),
        GO_VCR,
        ['$.messages[0].content: recorded "Read /tmp/b2/x.txt", asked "Read /tmp/a1/x.txt"'],
        ["Only $.messages[0].content differs, in what looks like a temporary path: keep that fixed in the "
         "test, or take it out on both sides: 'vcr_redact=/(?:tmp|var/folders)/[A-Za-z0-9_./+-]+'"],
    ),
    "a header": (
        request(headers={"Openai-Beta": ["v2"]}),
        request(),
        Matcher(("method", "url", "headers:openai-beta")),
        ['headers:Openai-Beta: recorded nothing, asked "v2"'],
        ["Only the header Openai-Beta differs: vcr_match=method,url compares the rest"],
    ),
    "the host": (
        request(chat("a"), url="http://localhost:11434/v1/chat/completions"),
        request(chat("a")),
        GO_VCR,
        ["scheme: recorded https, asked http", "host: recorded api.openai.com, asked localhost",
         "port: recorded 443, asked 11434"],
        ["Only the scheme, the host and the port differ: vcr_match=method,path,query,body compares the rest"],
    ),
    "the beginning of the path": (
        request(chat("a"), url="https://api.openai.com/chat/completions"),
        request(chat("a")),
        GO_VCR,
        ["path: recorded /v1/chat/completions, asked /chat/completions"],
        ["The paths differ only in how they begin: look at the base URL of the client"],
    ),
    "a query field": (
        request(method="GET", url=f"{MODELS}?limit=2&after=x"),
        request(method="GET", url=f"{MODELS}?limit=1&after=x"),
        GO_VCR,
        ["query.limit: recorded 1, asked 2"],
        ["If limit does not matter: vcr_ignore=limit"],
    ),
    "an API version": (
        request(chat("a"), url=f"{CHAT}?api-version=2024-10-01"),
        request(chat("a"), url=f"{CHAT}?api-version=2024-06-01"),
        GO_VCR,
        ["query.api-version: recorded 2024-06-01, asked 2024-10-01"],
        ["Only api-version differs, which looks like a date or time: vcr_ignore=api-version leaves it out"],
    ),
    "the order of the query": (
        request(url=f"{CHAT}?a=1&b=2"),
        request(url=f"{CHAT}?b=2&a=1"),
        GO_VCR,
        [f"url: recorded {CHAT}?b=2&a=1, asked {CHAT}?a=1&b=2"],
        ["Only the spelling of the URL differs: "
         "vcr_match=method,scheme,host,port,path,query,body compares the rest"],
    ),
    "a query field, where bodies do not count": (
        request(chat("a"), url=f"{CHAT}?a=1"),
        request(chat("b")),
        VCR_PY,
        ['query.a: recorded nothing, asked "1"'],
        ["If a does not matter: vcr_ignore=a"],
    ),
    "the method": (
        request(method="DELETE", url=f"{CHAT}/x"),
        request(method="GET", url=f"{CHAT}/x"),
        GO_VCR,
        ["method: recorded GET, asked DELETE"],
        [],
    ),
    "multipart": (
        form('name="purpose"\r\n\r\nbatch', 'name="file"; filename="b"\r\n\r\nhi', boundary="X"),
        form('name="purpose"\r\n\r\nassistants', 'name="file"; filename="a"\r\n\r\nhi', boundary="YY"),
        GO_VCR,
        ['part.purpose: recorded "assistants", asked "batch"',
         r'part.file.headers: recorded "Content-Disposition: form-data; name=\"file\"; filename=\"a\"", '
         r'asked "Content-Disposition: form-data; name=\"file\"; filename=\"b\""'],
        [],
    ),
    "a binary part": (
        form('name="file"\r\n\r\n\x00\x01\x02', boundary="X"),
        form('name="file"\r\n\r\n\x00\x01\x03\x04', boundary="YY"),
        GO_VCR,
        ["part.file: recorded 4 bytes, asked 3 bytes (the first difference is at byte 2)"],
        [],
    ),
    "a user in a form of parts": (
        form('name="user"\r\n\r\nu1', boundary="X"),
        form('name="user"\r\n\r\nu2', boundary="YY"),
        GO_VCR,
        ['part.user: recorded "u2", asked "u1"'],
        ["Only user differs: vcr_ignore=user leaves it out"],
    ),
    "a form": (
        request("a=1&b=3", content_type=URLENCODED),
        request("a=1&b=2", content_type=URLENCODED),
        GO_VCR,
        ['form.b: recorded "2", asked "3"'],
        ["If b does not matter: vcr_ignore=b"],
    ),
    "binary": (
        request(b"\x00\x01\x02\x04\x05", content_type="audio/wav"),
        request(b"\x00\x01\x02\x03", content_type="audio/wav"),
        GO_VCR,
        ["body: recorded 4 bytes, asked 5 bytes (the first difference is at byte 3)"],
        [],
    ),
    "text": (
        request("plan", content_type="text/plain"),
        request("plain", content_type="text/plain"),
        GO_VCR,
        ['body: recorded "plain", asked "plan"'],
        [],
    ),
    "JSON in place of no body": (
        request({"a": 1}),
        request(None),
        GO_VCR,
        [r'body: recorded nothing, asked "{\"a\": 1}"'],
        [],
    ),
    "what drives a terminal": (
        request({"a": "\x9b31m\u202ex\x1b"}),
        request({"a": "y"}),
        GO_VCR,
        [r'$.a: recorded "y", asked "\x9b31m\u202ex\u001b"'],
        ["If $.a does not matter: vcr_ignore=$.a"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_the_difference_is_told_with_what_to_do(kind: str) -> None:
    asked, recorded, matcher, differing, advised = KINDS[kind]
    miss = explained(asked, of(recorded), matcher=matcher)
    assert miss.lines == [
        f"{asked.method} {asked.url}: cassette recordings/tests/a.yaml has no recording of it",
        "  Nearest unplayed: interaction 0:",
        *(f"    {one}" for one in differing),
        *(f"  {one}" for one in advised),
        f"  {RECORD}",
    ]
    assert miss.message == ". ".join(
        [
            f"{asked.method} {asked.url}: cassette recordings/tests/a.yaml has no recording of it",
            f"Nearest unplayed: interaction 0: {'; '.join(differing)}",
            *advised,
            RECORD,
        ]
    )


@pytest.mark.parametrize("kind", [kind for kind in KINDS if any("vcr_" in one for one in KINDS[kind][4])])
def test_the_option_that_is_advised_mends_it(kind: str) -> None:
    asked, recorded, matcher, _, (advised,) = KINDS[kind]
    name, _, value = advised.partition("vcr_")[2].partition("=")
    for behind in (" leaves it out", " leaves them out", " compares the rest"):
        value = value.removesuffix(behind)
    texts = {"match": ",".join(matcher.fields), "ignore": ",".join(matcher.ignore), name: value.strip("'")}
    settings = Settings.parse(texts)
    scrubber, memory = Scrubber(Policy.of(settings)), Memory({})
    mended = Matcher(settings.matching.match, settings.matching.ignore)
    assert matcher.key(asked) != matcher.key(recorded)
    one, other = (mended.key(scrubber.request(side, memory)) for side in (asked, recorded))
    assert one == other


# --- the other reasons


def test_a_cassette_that_does_not_exist_is_said_to_with_the_way_to_record_it() -> None:
    absent = Location("a", Path("recordings/a.yaml"), exists=False)
    miss = explain(absent, Recordings((), Overview(), set(), (), lambda one: one), request(), GO_VCR)
    assert miss.message == (
        f"POST {CHAT}: cassette recordings/a.yaml does not exist, so nothing can answer. "
        "To record it: run with vcr_mode=once and access to the API"
    )
    assert miss.reason == "no-cassette"


def test_in_a_ci_the_cassette_is_to_be_recorded_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    assert told(request(1), interaction(2)).endswith(
        "run with vcr_mode=new-episodes and access to the API on a developer machine, and commit the cassette"
    )


def test_an_empty_cassette_is_said_to_be_one() -> None:
    assert told(request()) == f"POST {CHAT}: cassette recordings/tests/a.yaml holds no recording. {RECORD}"


@pytest.mark.parametrize(
    ("recorded", "same", "times", "said"),
    [
        ((1,), [0], 2, "interaction 0, which was played already: recorded once, asked twice"),
        ((1, 2, 1), [0, 2], 3, "interaction 0, 2, which were played already: recorded twice, asked 3 times"),
    ],
)
def test_a_recording_that_was_played_already_is_named_with_the_ways_out(
    recorded: tuple[int, ...], same: list[int], times: int, said: str
) -> None:
    miss = explained(request(1), *map(interaction, recorded), played=same, same=same, times=times)
    assert miss.message == (
        f"POST {CHAT}: cassette recordings/tests/a.yaml has it as {said}. "
        f"To let it repeat: vcr_repeat=last (the last answer again) or any (all from the first). {RECORD}"
    )
    assert (miss.reason, miss.number) == ("played", same[-1])


def test_where_nothing_is_alike_it_is_said_what_there_is() -> None:
    others = [interaction({"input": "a"}, url=EMBEDDINGS) for _ in range(3)]
    miss = explained(request(chat("Hi")), *others, of(request(method="GET", url=MODELS)))
    assert miss.message == (
        f"POST {CHAT}: cassette recordings/tests/a.yaml has no recording of it. "
        f"It has POST /v1/embeddings (3 times), GET /v1/models. {RECORD}"
    )
    assert (miss.reason, miss.number) == ("unlike", None)
    many = [interaction({"input": n}, url=f"{EMBEDDINGS}/{n}") for n in range(50)]
    assert "and 46 more" in told(request(chat("Hi")), *many)


def test_when_all_were_played_the_nearest_of_them_is_told() -> None:
    miss = explained(request(chat("a")), interaction(chat("zzz")), interaction(chat("b")), played=[0, 1])
    assert "All 2 recordings were played already; the nearest: interaction 1: $.messages[0]" in miss.message
    assert "Its only recording was played already" in told(
        request(chat("a")), interaction(chat("b")), played=[0]
    )


def test_another_cassette_that_has_it_is_named_with_the_way_to_select_it() -> None:
    message = told(request(chat("a")), interaction(chat("b")), elsewhere=["tests/b c"])
    said = "Cassette tests/b c has it: to be answered from there, name it (X-VCR-Cassette: tests/b%20c)"
    assert said in message
    assert "Cassettes b, c have it" in told(request(chat("a")), elsewhere=["b", "c"])


# --- the nearest


@pytest.mark.parametrize("played", [(), (0,), (1,)])
def test_the_nearest_recording_is_named_even_if_it_was_played(played: tuple[int, ...]) -> None:
    asked = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hello"}], "stream": True}
    near = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hullo"}], "stream": True}
    far = {"model": "o1", "messages": [{"role": "system", "content": "Be"}], "temperature": 1}
    miss = explained(request(asked), interaction(far), interaction(near), played=played)
    assert miss.number == 1
    assert [str(one) for one in miss.differences] == [
        '$.messages[0].content: recorded "Hullo", asked "Hello"'
    ]
    if 1 in played:
        assert miss.introduction == (
            "Nearest: interaction 1, which was played already (vcr_repeat=last or any lets it answer again)"
        )
    else:
        assert miss.introduction == "Nearest unplayed: interaction 1"


def test_of_equally_near_ones_the_first_is_named() -> None:
    assert explained(request("a"), *map(interaction, "zbcd"), played=[0]).number == 1


def test_one_with_the_same_path_is_nearer_than_any_other() -> None:
    elsewhere = interaction(chat("Hello"), url=EMBEDDINGS)
    assert explained(request(chat("Hello")), elsewhere, interaction({"quite": "another"})).number == 1


@pytest.mark.parametrize("count", [300, 1000])
def test_a_conversation_finds_its_like_among_many(count: int) -> None:
    talks = [
        chat("Be brief. " * 30, *(f"{n} {word * 20}" for word in ("ab ", "cd ", "ef "))) for n in range(count)
    ]
    asked = chat("Be brief. " * 30, *(f"77 {word * 20}" for word in ("ab ", "cd ", "ef ")), "and now?")
    assert explained(request(asked), *map(interaction, talks)).number == 77


def test_a_body_in_another_order_of_keys_finds_its_like() -> None:
    talks = [
        {"model": "m", "messages": [{"role": "user", "content": f"say {n} twice " * 9}]} for n in range(50)
    ]
    asked = {"messages": talks[31]["messages"], "model": "m", "n": 2}
    assert explained(request(asked), *map(interaction, talks)).number == 31


def test_what_is_ignored_is_no_difference() -> None:
    matcher = Matcher(GO_VCR.fields, ("$.seed", "$.messages[*].id"))
    asked = {"seed": 1, "messages": [{"id": 1, "content": "a"}]}
    near = {"seed": 2, "messages": [{"id": 2, "content": "b"}]}
    miss = explained(request(asked), interaction(near), matcher=matcher)
    assert [one.path for one in miss.differences] == ["$.messages[0].content"]


# --- bounds


def test_only_so_many_bodies_are_compared_however_large_the_cassette(monkeypatch: pytest.MonkeyPatch) -> None:
    read = []
    load = json.loads

    def counting(body: bytes, **how: Any) -> object:
        read.append(body)
        return load(body, **how)

    recorded = [interaction({"messages": ["word " * 40] * 20, "n": n}) for n in range(1000)]
    monkeypatch.setattr(json, "loads", counting)
    miss = explained(request({"messages": ["word " * 40] * 20, "n": -1}), *recorded, played=range(10))
    assert [one.path for one in miss.differences] == ["$.n"]
    assert len(read) < 20


class Counted(Interactions):
    """Interactions that count how often one of them, or its request, is made."""

    def __init__(self, interactions: Sequence[Interaction]) -> None:
        self._interactions = interactions
        self.made: Counter[int] = Counter()

    def __len__(self) -> int:
        return len(self._interactions)

    def __getitem__(self, number: Any) -> Any:
        self.made[number] += 1
        return self._interactions[number]

    def request(self, number: int) -> Request:
        self.made[number] += 1
        return self._interactions[number].request


MISSED = {
    "another prompt": (request(chat("Be brief. " * 60, "and?")), ()),
    "another place": (Request("GET", "https://api.openai.com/v1/files"), ()),
    "played": (request(chat("Be brief. " * 60, "say 9")), range(5, 60)),
}


@pytest.mark.parametrize("count", [100, 1_000, 10_000])
@pytest.mark.parametrize("kind", MISSED)
def test_a_miss_looks_at_so_many_recordings_however_many_there_are(kind: str, count: int) -> None:
    missed, same = MISSED[kind]
    talks = [chat("Be brief. " * 60, f"say {n}") for n in range(50)]
    recorded = [interaction(talks[n % 50], id_=n, url=f"{CHAT}?{n % 3}") for n in range(count)]
    counted, overview = Counted(recorded), overview_of(recorded)
    played = range(0, count, 2)
    miss = explain(HERE, Recordings(counted, overview, {*played}, same, lambda one: one), missed, GO_VCR)
    assert miss.message
    assert len(counted.made) <= 500
    assert counted.made.total() <= len(counted.made) + 6


def test_of_more_recordings_than_are_looked_at_one_that_begins_or_ends_alike_is_found() -> None:
    texts = [f"{n:04} " * 300 for n in range(2000)]
    recorded = [interaction(chat(text)) for text in texts]
    assert explained(request(chat(texts[1234] + "and much more. " * 90)), *recorded).number == 1234
    assert explained(request(chat("Once upon a time. " * 90 + texts[1717])), *recorded).number == 1717


def test_of_equally_near_ones_an_unplayed_one_is_named() -> None:
    recorded = [interaction(chat(f"a{n:04}")) for n in range(300)]
    assert explained(request(chat("b0000")), *recorded, played=range(299)).number == 0  # fewest differ
    assert explained(request(chat("axxxx")), *recorded, played=range(299)).number == 299


def test_long_values_are_shortened_to_where_they_differ() -> None:
    recorded, asked = "x" * 5000 + "RECORDED" + "y" * 5000, "x" * 5000 + "ASKED" + "y" * 5000
    message = told(request({"a": asked}), interaction({"a": recorded}))
    assert "RECORDED" in message
    assert "ASKED" in message
    assert len(message) < 500


def test_of_many_differences_the_first_are_shown_and_the_others_counted() -> None:
    miss = explained(
        request({f"k{n}": n for n in range(50)}), interaction({f"k{n}": -n - 1 for n in range(50)})
    )
    assert [one.path for one in miss.differences] == ["$.k0", "$.k1", "$.k10", "$.k11"]
    assert miss.more == 46
    assert "; and 46 more. " in miss.message
    assert len(miss.message) < 500


def test_a_long_url_is_shortened_in_the_message_and_whole_in_the_data() -> None:
    miss = explained(request(url=f"{CHAT}?q={'x' * 5000}"), interaction())
    assert len(miss.message) < 1500
    assert miss.url.endswith("x" * 5000)


@pytest.mark.parametrize("depth", [100, 300, 600, 900, 2000, 5000, 100_000])
def test_bodies_of_any_depth_are_compared(depth: int) -> None:
    one, other = ('{"a":' * depth + leaf + "}" * depth for leaf in ("1", "2"))
    miss = explained(request(other), interaction(one))
    assert miss.differences
    assert len(miss.message) < 2000


@pytest.mark.parametrize("shape", ["keys", "items", "other items", "text", "binary"])
def test_large_bodies_are_compared_within_bounds(shape: str) -> None:
    one: object
    other: object
    match shape:
        case "keys":
            one, other = ({f"k{n}": n + more for n in range(30_000)} for more in (0, 1))
        case "items":
            one, other = [[*range(100_000)], [*range(50_000), "new", *range(50_000, 100_000)]]
        case "other items":
            one, other = [[*range(50_000)], [*range(60_000, 0, -1)]]
        case "text":
            one, other = ({"a": "x" * 4_000_000 + end} for end in "12")
        case _:
            one, other = (b"\0" * 4_000_000 + end for end in (b"1", b"2"))
    begun = time.process_time()
    miss = explained(request(other), *[interaction(one)] * 3)
    assert time.process_time() - begun < 5
    assert len(miss.message) < 2000
    if shape == "items":
        assert [str(one) for one in miss.differences] == ['$[50000]: asked has one more: "new"']
    if shape in ("text", "binary"):
        (only,) = miss.differences
        assert only.recorded is not None
        assert only.recorded.startswith("4,000,0")
        assert "the first difference is at byte 4,000,0" in str(only)


@pytest.mark.parametrize("url", ["https://[::1/x", "", "https://h/\udcff"])
def test_a_url_that_can_not_be_split_is_still_told(url: str) -> None:
    miss = explained(request(url=url), interaction(url="https://[::2/x"))
    assert miss.message
    assert json.loads(json.dumps(miss.message)) == miss.message


def test_the_message_can_be_sent_as_json_and_is_one_line() -> None:
    message = told(
        request(b"\xff\n" * 99, url="https://h/\udcff", content_type="text/plain"), interaction("a\nb")
    )
    assert json.loads(json.dumps(message, ensure_ascii=False).encode("utf-8", "replace"))
    assert "\n" not in message


# --- through the sessions


def miss_of(folder: Path, name: str, asked: Request, **options: str) -> Miss:
    verdict = sessions(folder, mode="replay", **options).get(name).answer(asked)
    assert isinstance(verdict, Miss)
    return verdict


def test_no_secret_of_a_foreign_cassette_is_told(tmp_path: Path) -> None:
    key, other = "sk-" + "proj-" + "Ab3" * 16, "sk-" + "proj-" + "Cd4" * 16
    stored = chat(f"My key is {key}, is it safe?", user=key)
    write(tmp_path / "a.yaml", interaction(stored, url=f"{CHAT}?api_key={key}"))
    asked = request(chat(f"My key is {other}, is it good?", user=other), url=f"{CHAT}?api_key={other}&x=1")
    miss = miss_of(tmp_path, "a", asked)
    for text in (miss.message, "\n".join(miss.lines), repr(miss)):
        assert key not in text
        assert other not in text
        assert "Ab3Ab3" not in text
    assert "REDACTED-" in miss.message
    assert [one.path for one in miss.differences] == ["query.x", "$.messages[0].content"]


def test_no_secret_of_a_large_recording_is_told(tmp_path: Path) -> None:
    key = "sk-" + "proj-" + "Ab3" * 16
    write(tmp_path / "a.yaml", interaction(key * (1 << 15), url=f"{CHAT}?api_key={key}"))
    miss = miss_of(tmp_path, "a", request("x" * (1 << 21), url=f"{CHAT}?api_key=other"))
    assert "Ab3Ab3" not in repr(miss)
    assert [one.path for one in miss.differences][-1] == "body"


def test_the_line_of_the_nearest_is_known_for_annotations(tmp_path: Path) -> None:
    write(tmp_path / "a.yaml", interaction(chat("one")), interaction(chat("another text")))
    miss = miss_of(tmp_path, "a", request(chat("another test")))
    assert miss.number == 1
    assert miss.line is not None
    lines = (tmp_path / "a.yaml").read_text().splitlines()
    assert lines[miss.line - 1].strip() == "- id: 1"


def test_a_request_that_is_asked_once_too_often_is_counted(tmp_path: Path) -> None:
    write(tmp_path / "a.yaml", interaction(1), interaction(1))
    session = sessions(tmp_path, mode="replay").get("a")
    verdicts = [session.answer(request(1)) for _ in range(4)]
    assert "recorded twice, asked 4 times" in verdicts[-1].message  # type: ignore[union-attr]


def test_an_open_cassette_that_has_it_is_named(tmp_path: Path) -> None:
    write(tmp_path / "a.yaml", interaction(1))
    write(tmp_path / "b.yaml", interaction({"a": 2}))
    table = sessions(tmp_path, mode="replay")
    table.get("b").answer(request({"a": 2}))
    verdict = table.get("a").answer(request(b'{ "a": 2.0 }'))
    assert isinstance(verdict, Miss)
    assert "Cassette b has it" in verdict.message


def test_a_file_that_seems_to_have_it_is_named(tmp_path: Path) -> None:
    write(tmp_path / "a.yaml", interaction(1))
    write(tmp_path / "deep" / "it's.yaml", interaction(chat("It's there")))
    (tmp_path / "link.yaml").symlink_to(tmp_path / "deep" / "it's.yaml")
    for name in ("a", "none", "deep/none"):
        miss = miss_of(tmp_path, name, request(chat("It's there")))
        assert "Cassette deep/it's seems to have it" in miss.message
    assert "seems to" not in miss_of(tmp_path, "a", request(chat("It's there"), url=EMBEDDINGS)).message


def test_a_cassette_of_a_similar_name_is_named(tmp_path: Path) -> None:
    write(tmp_path / "tests" / "weather.yaml", interaction(1))
    assert (
        "There is a cassette of a similar name: tests/weather"
        in miss_of(tmp_path, "tests/wether", request(2)).message
    )
    assert "similar name" not in miss_of(tmp_path, "tests/else", request(2)).message
    assert "similar name" not in miss_of(tmp_path, "nowhere/wether", request(2)).message
