"""A conversation recorded again: the order, the numbers and the texts of before stay where they can."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from mitmvcr.formats import govcr
from mitmvcr.model import Cassette, Interaction
from mitmvcr.recording.settle import settle
from mitmvcr.replay.matcher import Matcher
from tests.build import request, response

MATCHER = Matcher(("method", "url", "body"))


def exchange(asked: object, told: object = "ok", duration: int = 5_000_000) -> Interaction:
    return Interaction(request(asked), response(told, duration=duration))


def cassette(*interactions: Interaction) -> Cassette:
    """As it is read from a file."""
    return govcr.load(govcr.dump(Cassette(interactions), "charm"))


def settled(before: Cassette, *now: Interaction) -> bytes:
    """The file, after the same conversation was recorded once more."""
    return govcr.dump(settle(before, cassette(*now).interactions, MATCHER.key))


def source(one: Cassette) -> bytes:
    assert one.source is not None
    return one.source.data


def test_another_order_and_other_durations_change_nothing() -> None:
    before = cassette(exchange("a"), exchange("b"), exchange("c"))
    assert settled(before, exchange("c", duration=7), exchange("a", duration=8), exchange("b")) == source(
        before
    )


def test_only_the_changed_answer_is_another() -> None:
    before = cassette(exchange("a"), exchange("b"), exchange("c"))
    now = settled(before, exchange("b", "news", 9), exchange("a", duration=8), exchange("c", duration=7))
    assert now == govcr.dump(cassette(exchange("a"), exchange("b", "news", 9), exchange("c")), "charm")


def test_equal_requests_keep_the_order_of_their_answers() -> None:
    before = cassette(exchange("poll", "queued"), exchange("other"), exchange("poll", "done"))
    now = settled(before, exchange("poll", "queued"), exchange("poll", "done"), exchange("other"))
    assert now == source(before)


def test_a_new_request_follows_the_one_before_it_and_a_gone_one_goes() -> None:
    before = cassette(exchange("a"), exchange("gone"), exchange("c"))
    now = settle(before, cassette(exchange("c"), exchange("a"), exchange("new")).interactions, MATCHER.key)
    assert [one.request.body for one in now.interactions] == [b"a", b"new", b"c"]
    assert [one.id for one in govcr.load(govcr.dump(now)).interactions] == [0, 1, 2]


def test_new_answers_and_new_requests_have_the_host_that_the_file_s_layout_has() -> None:
    def there(one: Interaction) -> Interaction:
        return govcr.with_host(one, govcr.Dialect.STOCK)

    stock = [there(exchange(asked)) for asked in ("a", "b", "c")]
    before = govcr.load(govcr.dump(Cassette(stock), "stock"))
    now = settled(before, exchange("b", "news"), exchange("new"), exchange("a"), exchange("c"))
    wanted = [stock[0], there(exchange("b", "news")), there(exchange("new")), stock[2]]
    assert now == govcr.dump(Cassette(wanted), "stock")
    assert b"host: api.openai.com\n" in now


def test_replacements_keep_their_numbers_where_secrets_are_seen_in_another_order() -> None:
    before = cassette(
        exchange({"as": "REDACTED-org-1"}, {"of": "REDACTED-org-1"}),
        exchange({"as": "REDACTED-org-2", "x": 1}, {"of": "REDACTED-org-2"}),
    )
    now = settled(
        before,
        exchange({"as": "REDACTED-org-1", "x": 1}, {"of": "REDACTED-org-1"}),
        exchange({"as": "REDACTED-org-2"}, {"of": "REDACTED-org-2"}),
    )
    assert now == source(before)


def test_a_new_replacement_gets_a_number_that_none_has_and_the_length_stays_right() -> None:
    nine = [exchange({"n": n, "as": f"REDACTED-org-{n}"}) for n in range(1, 10)]
    before = cassette(*nine)
    first = exchange({"new": "REDACTED-org-1"})
    others = [exchange({"n": n, "as": f"REDACTED-org-{n + 1}"}) for n in range(1, 10)]
    now = settle(before, cassette(first, *others).interactions, MATCHER.key)
    assert now.interactions[1:] == before.interactions
    assert b'"REDACTED-org-10"' in now.interactions[0].request.body
    assert now.interactions[0].request.content_length == len(now.interactions[0].request.body)


def test_replacements_of_one_secret_stay_one() -> None:
    before = cassette(exchange("a", "REDACTED-org-1"), exchange("b", "REDACTED-org-2"))
    # What were two organizations is one now.
    now = settle(
        before,
        cassette(exchange("a", "REDACTED-org-1"), exchange("b", "REDACTED-org-1")).interactions,
        MATCHER.key,
    )
    assert [one.response.body for one in now.interactions] == [b"REDACTED-org-1", b"REDACTED-org-1"]


@given(st.lists(st.integers(0, 3), max_size=8), st.randoms(use_true_random=False))
def test_any_order_of_completion_gives_the_file_of_before(asked: list[int], random: object) -> None:
    before = cassette(*[exchange({"q": q}, {"to": q}) for q in asked])
    shuffled = list(before.interactions)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    later = [replace(one, response=replace(one.response, duration=n)) for n, one in enumerate(shuffled)]
    assert settled(before, *later) == source(before)
