"""The quick look that most texts get: it says no only where the thorough one finds nothing."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mitmvcr.scrub import Memory, Policy
from mitmvcr.scrub.changes import Change
from mitmvcr.scrub.decide import Decisions, Rules
from mitmvcr.scrub.detect import search
from mitmvcr.scrub.detect.scan import Scanner
from mitmvcr.scrub.detect.search import are_clear, find_secrets, is_clear
from mitmvcr.scrub.detect.seen_values import Watch
from mitmvcr.scrub.rules.shapes import shape_rules
from tests.scrub.planting import KINDS

RANDOM = random.Random(5)
SECRETS = [make(RANDOM).encode() for make in KINDS.values()]
KEY = SECRETS[list(KINDS).index("openai-project-key")]
TOKENS = ["0123456789abcdef" * 2, "Zx8Kq2Lm9Pw4Rt6Yv1Bn3", "chatcmpl-" + "aB3" * 9, "v1/chat/completions"]
ODD = b"k9abcdefghijklmnop{qrstuvwxyz0123$4567"
TRACKED = b"Wq7Tracked_value-91xKw55"
PIECES = [
    *(b"{", b"}", b"[", b"]", b'"', b":", b",", b"=", b" ", b"\\", b"\\n", b"\n", b"%", b"\0", b"'"),
    *(b'"datadog_api_key":"', b"token = ", b"Bearer ", b"basic ", b'{"id":"', b"://user:", b"@", b"sig="),
    *(b"data: ", b"\ndata: ", b'"content":"', b'index":1', b'"delta":{"content":"', b"{}{}{{", b"password"),
    *(b"contribsys.com", b"-us12", b":AA", b"T3Blbk" + b"FJ", b"u0073k-", b"\\u0073", b"%73"),
    *map(str.encode, TOKENS),
    *SECRETS,
    *(one[: len(one) // 2] for one in SECRETS),
    *(one[len(one) // 2 :] for one in SECRETS),
    TRACKED,
    TRACKED.hex().encode(),
    ODD,
    ODD.replace(b"$", b"%24"),
    ODD.replace(b"$", b"%24").replace(b"{", b"%7B"),
    ODD.replace(b"{", b"\\u007b"),
    ODD[:20],
    ODD[20:],
]
texts = st.lists(st.sampled_from(PIECES) | st.binary(max_size=6), max_size=14).map(b"".join)
events = st.lists(texts, min_size=1, max_size=4).map(
    lambda said: b"".join(b'data: {"choices":[{"delta":{"content":"%b"}}]}\n\n' % one for one in said * 2)
)
SCANNER = Scanner()


def watch() -> Watch:
    memory = Memory({})
    memory.track(TRACKED, "token")
    memory.track(ODD, "token")
    memory.track("a value with blanks", "token")
    return memory.watch


RULES = Rules(Policy())


def closer_look(data: bytes) -> list[Change]:
    """What is found when a text is read as its format says, by somebody who has read nothing before."""
    known = Memory({})
    known.watch.learn(watch())
    return Decisions(RULES, known).body(data, "request.body", "")


@pytest.fixture(params=[0, 4096], ids=["in pieces", "as it is"], autouse=True, scope="module")
def _worth(request: pytest.FixtureRequest) -> Iterator[None]:
    before = search._WORTH_SPLITTING
    search._WORTH_SPLITTING = request.param
    yield
    search._WORTH_SPLITTING = before


@given(st.lists(texts | events, min_size=1, max_size=4))
@example([b"n" + KEY, b"\\n" + KEY])
@example([b'{"x":"y"}', b'{"x":"y"}' + TRACKED])
@example([b"Zx8Kq2Lm9Pw4Rt6Yv1Bn3", b'"datadog_api_key":"Zx8Kq2Lm9Pw4Rt6Yv1Bn3"'])
@example([b"k9abcdefghijklmnop", ODD.replace(b"$", b"%24"), ODD])
@settings(max_examples=300, deadline=None)
def test_whatever_was_read_before_what_is_there_is_found(several: list[bytes]) -> None:
    known = watch()
    for text in several:
        if are_clear([text], RULES.scanner, known):
            assert closer_look(text) == []


def test_text_that_was_clear_is_read_again_when_something_new_is_looked_out_for() -> None:
    known, body = Memory({}), b'{"said":"' + b"x " * 400 + TRACKED + b'"}' * 2
    assert are_clear([body], SCANNER, known.watch)
    assert is_clear(body, SCANNER, known.watch)
    known.track(TRACKED, "token")
    assert not is_clear(body, SCANNER, known.watch)
    assert not are_clear([body], SCANNER, known.watch)
    assert find_secrets(body, SCANNER, known.watch)


def test_what_one_scanner_has_read_is_not_clear_for_another() -> None:
    secret = KINDS["openai-plain"](RANDOM).encode()
    body = b'{"said":"' + b"x " * 400 + secret + b'"}' * 2
    known = watch()
    assert are_clear([body], Scanner([rule for rule in shape_rules() if rule.name == "groq-key"], ()), known)
    assert not is_clear(body, SCANNER, known)
    assert find_secrets(body, SCANNER, known)


def test_text_in_which_something_was_found_is_never_clear() -> None:
    known, body = watch(), b"x " * 400 + TRACKED
    assert not are_clear([body], SCANNER, known)
    assert not is_clear(body, SCANNER, known)


def test_no_shape_has_what_texts_are_split_at() -> None:
    for rule in shape_rules():
        literal = rule.literals[0].encode()
        for found in (rule.pattern.fullmatch(literal + b"{"), rule.pattern.fullmatch(b"{" + literal)):
            assert found is None, rule.name
        shape = rule.pattern.pattern.decode()
        without_counts = re.sub(r"\{\d+(?:,\d*)?\}", "", shape)
        assert "{" not in without_counts, rule.name
        assert "[^" not in without_counts.replace("[^\\", ""), rule.name
