"""What a user is told whose request nothing recorded answers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from mitmvcr import matching, misses
from mitmvcr.cassette import Location
from mitmvcr.matching import Matcher
from mitmvcr.misses import Recordings, explain
from mitmvcr.model import Interaction, Request
from tests.build import CHAT, interaction, request

HERE = Location("tests/a", Path("recordings/tests/a.yaml"), exists=True)
GO_VCR = Matcher(("method", "url", "body"))


def told(
    asked: Request,
    *recorded: Interaction,
    played: Sequence[int] = (),
    same: Sequence[int] = (),
    matcher: Matcher = GO_VCR,
) -> str:
    return explain(HERE, Recordings(recorded, set(played), same, lambda one: one), asked, matcher)


def test_a_cassette_that_does_not_exist_is_said_to_with_the_way_to_record_it() -> None:
    absent = Location("a", Path("recordings/a.yaml"), exists=False)
    message = explain(absent, Recordings((), set(), (), lambda one: one), request(), GO_VCR)
    assert f"POST {CHAT}" in message
    assert "recordings/a.yaml does not exist" in message
    assert "vcr_mode=once" in message


def test_a_recording_that_was_played_already_is_named_with_the_ways_out() -> None:
    message = told(request(1), interaction(1), interaction(2), interaction(1), played=[0, 2], same=[0, 2])
    assert f"POST {CHAT}" in message
    assert "recordings/tests/a.yaml" in message
    assert "interaction 0, 2" in message
    assert "played already" in message
    assert "new-episodes" in message
    assert "vcr_repeat" in message


def test_the_nearest_unplayed_recording_is_named_with_what_differs() -> None:
    asked = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hello"}], "stream": True}
    near = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hullo"}], "stream": True}
    far = {"model": "o1", "messages": [{"role": "system", "content": "Be"}], "temperature": 1}
    message = told(request(asked), interaction(far), interaction(near), interaction(asked), played=[2])
    assert f"POST {CHAT}" in message
    assert "recordings/tests/a.yaml" in message
    assert "interaction 1" in message
    assert '$.messages[0].content: recorded "Hullo", asked "Hello"' in message
    assert "$.model" not in message
    assert "new-episodes" in message


def test_of_equally_near_ones_the_first_is_named() -> None:
    assert "interaction 1" in told(
        request("a"), interaction("z"), *[interaction(c) for c in "bcd"], played=[0]
    )


@pytest.mark.parametrize(
    ("recorded", "asked", "shown"),
    [
        ({"a": 1}, {"a": 2}, "$.a: recorded 1, asked 2"),
        ({"a": 1}, {}, "$.a: recorded 1, asked nothing"),
        ({}, {"a": "x"}, '$.a: recorded nothing, asked "x"'),
        ({"a": 1}, {"a": True}, "$.a: recorded 1, asked true"),
        ({"a": 0}, {"a": None}, "$.a: recorded 0, asked null"),
        ({"a": [1, 2]}, {"a": [1]}, "$.a: recorded 2 items, asked 1"),
        ({"a b": [1]}, {"a b": [2]}, '$["a b"][0]: recorded 1, asked 2'),
        ({"a": {}}, {"a": []}, "$.a: recorded {}, asked []"),
        ([1], {"a": 1}, "$: recorded"),
        ("plain", "plan", "body: recorded 'plain', asked 'plan'"),
        (b"\xff\x00", b"\xff\x01", "body: recorded"),
        ({"a": 1}, "no JSON", "body: recorded"),
        ({"a": 1}, None, "body: recorded"),
    ],
)
def test_each_kind_of_difference_is_shown(recorded: object, asked: object, shown: str) -> None:
    assert shown in told(request(asked), interaction(recorded))


def test_url_and_method_are_shown_where_they_differ() -> None:
    message = told(request(method="GET", url="https://api.openai.com/v1/models?limit=2"),
                   interaction(url="https://api.openai.com/v1/models?limit=1"))  # fmt: skip
    assert "method: recorded POST, asked GET" in message
    assert "limit=1, asked" in message


def test_a_header_that_is_matched_on_is_shown() -> None:
    matcher = Matcher(("method", "headers:openai-beta"))
    message = told(request(headers={"Openai-Beta": ["v2"]}), interaction(), matcher=matcher)
    assert "Openai-Beta: recorded nothing, asked v2" in message


def test_multipart_is_shown_without_its_boundary() -> None:
    one, other = (
        request(
            f"--{mark}\r\nContent: {text}\r\n--{mark}--", content_type=f"multipart/form-data; boundary={mark}"
        )
        for mark, text in (("aaa", "x"), ("bbb", "y"))
    )
    message = told(other, Interaction(one, interaction().response))
    assert "Content: x" in message
    assert "Content: y" in message
    assert "aaa" not in message


def test_what_is_ignored_is_no_difference() -> None:
    matcher = Matcher(("body",), ("$.seed",))
    message = told(request({"a": 1, "seed": 1}), interaction({"a": 2, "seed": 2}), matcher=matcher)
    assert "$.a: recorded 2, asked 1" in message
    assert "seed" not in message


def test_long_values_are_shortened_to_where_they_differ() -> None:
    recorded, asked = "x" * 5000 + "RECORDED" + "y" * 5000, "x" * 5000 + "ASKED" + "y" * 5000
    message = told(request({"a": asked}), interaction({"a": recorded}))
    assert "RECORDED" in message
    assert "ASKED" in message
    assert len(message) < 800


def test_of_many_differences_the_first_are_shown_and_the_others_counted() -> None:
    message = told(
        request({f"k{n}": n for n in range(50)}), interaction({f"k{n}": -n - 1 for n in range(50)})
    )
    assert "$.k0" in message
    assert "and 46 more" in message
    assert len(message) < 800


def test_an_empty_cassette_has_no_nearest() -> None:
    message = told(request())
    assert "has no recording of it (0 unplayed)" in message
    assert "new-episodes" in message


def test_bodies_of_any_depth_are_compared() -> None:
    for depth in (100, 300, 600, 900, 2000, 5000, 100_000):
        one, other = ('{"a":' * depth + leaf + "}" * depth for leaf in ("1", "2"))
        message = told(request(other), interaction(one))
        assert "Nearest unplayed: interaction 0" in message
        assert len(message) < 20_000


@pytest.mark.parametrize("url", ["https://[::1/x", "", "https://h/\udcff"])
def test_a_url_that_can_not_be_split_is_still_told(url: str) -> None:
    assert "interaction 0" in told(request(url=url), interaction(url="https://[::2/x"))


def test_only_so_many_bodies_are_read_however_large_the_cassette(monkeypatch: pytest.MonkeyPatch) -> None:
    reads = []
    parse = matching.parse_json

    def counting(body: bytes) -> object:
        reads.append(len(body))
        return parse(body)

    monkeypatch.setattr(misses, "parse_json", counting)
    recorded = [interaction({"messages": ["word " * 40] * 20, "n": n}) for n in range(1000)]
    message = told(request({"messages": ["word " * 40] * 20, "n": -1}), *recorded, played=range(10))
    assert "$.n: recorded 10, asked -1" in message
    assert len(reads) < 60


def test_no_secret_of_a_cassette_is_told() -> None:
    scrubbed = request({"key": "REDACTED"}, url=f"{CHAT}?key=REDACTED")
    one = interaction({"key": "hidden"}, url=f"{CHAT}?key=hidden")
    message = explain(
        HERE, Recordings([one], set(), (), lambda _: scrubbed), request({"key": "other"}), GO_VCR
    )
    assert "hidden" not in message
    assert "REDACTED" in message


def test_the_message_can_be_sent_as_json() -> None:
    message = told(request(b'{"a": "\\ud800"}'), interaction({"a": 1}))
    assert json.loads(json.dumps(message)) == message
