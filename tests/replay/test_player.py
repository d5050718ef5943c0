"""Which recorded interaction answers next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mitmvcr.config.settings import Repeat
from mitmvcr.replay.index import Index
from mitmvcr.replay.matcher import MatchError
from mitmvcr.replay.player import Player

KEYS = [b"a", b"b", b"a", b"c", b"a"]


def index(keys: Sequence[bytes] = KEYS) -> Index:
    return Index(len(keys), lambda numbers: [keys[number] for number in numbers])


def test_identical_requests_are_answered_in_recorded_order_and_once() -> None:
    player = Player(index(), Repeat.ONCE)
    assert [player.play(b"a") for _ in range(5)] == [0, 2, 4, None, None]
    assert [player.play(b"b") for _ in range(2)] == [1, None]
    assert player.played == {0, 1, 2, 4}


def test_last_repeats_the_last_one() -> None:
    player = Player(index(), Repeat.LAST)
    assert [player.play(b"a") for _ in range(5)] == [0, 2, 4, 4, 4]


def test_any_begins_anew_behind_the_last_one() -> None:
    player = Player(index(), Repeat.ANY)
    assert [player.play(b"a") for _ in range(7)] == [0, 2, 4, 0, 2, 4, 0]


def test_an_unknown_key_is_never_answered() -> None:
    for repeat in Repeat:
        player = Player(index(), repeat)
        assert player.play(b"x") is None
        assert player.played == set()


def test_players_of_one_index_have_places_of_their_own() -> None:
    shared = index()
    one, other = Player(shared, Repeat.ONCE), Player(shared, Repeat.ONCE)
    assert [one.play(b"a"), one.play(b"a"), other.play(b"a"), one.play(b"a")] == [0, 2, 0, 4]


def test_no_more_keys_are_made_than_it_takes_to_find_one() -> None:
    made: list[int] = []

    def keys(numbers: range) -> list[bytes]:
        made.extend(numbers)
        return [b"%d" % (number % 500) for number in numbers]

    shared = Index(1000, keys)
    player = Player(shared, Repeat.ONCE)
    assert (player.play(b"0"), player.play(b"7"), len(made)) == (0, 7, 32)
    assert (player.play(b"40"), len(made)) == (40, 64)
    assert player.play(b"0") == 500
    assert 500 < len(made) < 600
    assert player.play(b"x") is None
    assert made == list(range(1000))
    assert shared.find(b"41") == (41, 541)
    assert len(made) == 1000


def test_where_a_key_can_not_be_made_it_is_tried_again_and_none_is_passed_over() -> None:
    broken = [True]

    def keys(numbers: range) -> Iterator[bytes]:
        for number in numbers:
            if number == 50 and broken:
                raise MatchError
            yield b"%d" % number

    player = Player(Index(100, keys), Repeat.ONCE)
    assert player.play(b"20") == 20
    for _ in range(2):
        with pytest.raises(MatchError):
            player.play(b"40")
    broken.clear()
    assert [player.play(b"%d" % number) for number in (40, 50, 99, 100)] == [40, 50, 99, None]


@given(
    st.lists(st.sampled_from([b"a", b"b", b"c"]), max_size=80),
    st.lists(st.sampled_from([b"a", b"b", b"c", b"d"])),
    st.sampled_from(Repeat),
)
def test_how_far_an_index_is_made_changes_no_answer(
    recorded: list[bytes], asked: list[bytes], repeat: Repeat
) -> None:
    numbers = {key: [n for n, one in enumerate(recorded) if one == key] for key in (b"a", b"b", b"c", b"d")}
    whole = index(recorded)
    whole.complete()
    players = Player(index(recorded), repeat), Player(whole, repeat)
    counts: Counter[bytes] = Counter()
    for key in asked:
        own, count = numbers[key], counts[key]
        counts[key] += 1
        expected = own[count] if count < len(own) else None
        if own and expected is None and repeat is not Repeat.ONCE:
            expected = own[-1] if repeat is Repeat.LAST else own[count % len(own)]
        assert [player.play(key) for player in players] == [expected] * 2
    assert {key: list(players[0].matching(key)) for key in numbers} == numbers


@given(st.lists(st.sampled_from([b"a", b"b", b"c"])), st.lists(st.sampled_from([b"a", b"b", b"c", b"d"])))
def test_each_key_is_a_queue(recorded: list[bytes], asked: list[bytes]) -> None:
    player = Player(index(recorded), Repeat.ONCE)
    left = dict(enumerate(recorded))
    for key in asked:
        expected = next((number for number, one in left.items() if one == key), None)
        assert player.play(key) == expected
        if expected is not None:
            del left[expected]
    assert player.played == set(range(len(recorded))) - set(left)


MARKS = ["m1", "m2", "m1"]
"""The replacements of three recordings with one key."""


class Values:
    """What a request has in their places."""

    def __init__(self, value: str) -> None:
        self._value = value

    def of(self, number: int) -> Mapping[str, str]:
        return {MARKS[number]: self._value}

    def is_same(self, number: int) -> bool:
        return MARKS[number] == self._value


def play_like(player: Player, value: str, *, same: bool = True) -> int | None:
    return player.play_like(b"k", Values(value), is_same_preferred=same)


@pytest.mark.parametrize(
    ("repeat", "asked", "expected"),
    [
        (Repeat.ONCE, "ABAB", [0, 1, 2, None]),  # B has its own by the time it asks again
        (Repeat.ONCE, "BBAA", [0, 2, 1, None]),
        (Repeat.ONCE, "AAAA", [0, 2, 1, None]),
        (Repeat.LAST, "AABAB", [0, 2, 1, 2, 1]),
        (Repeat.ANY, "AAABAB", [0, 2, 0, 1, 2, 1]),
    ],
)
def test_a_session_gets_what_was_recorded_with_one_value_for_one_value(
    repeat: Repeat, asked: str, expected: list[int | None]
) -> None:
    player = Player(index([b"k"] * 3), repeat)
    assert [play_like(player, value) for value in asked] == expected
    assert player.times_asked(b"k") == len(asked)


@pytest.mark.parametrize("repeat", Repeat)
def test_replacements_themselves_get_the_recordings_that_have_them(repeat: Repeat) -> None:
    player = Player(index([b"k"] * 3), repeat)
    assert [play_like(player, mark) for mark in ("m2", "m1", "m1")] == [1, 0, 2]


@pytest.mark.parametrize("repeat", Repeat)
def test_requests_without_a_preference_get_what_is_left(repeat: Repeat) -> None:
    player = Player(index([b"k"] * 3), repeat)
    assert play_like(player, "m2") == 1
    assert [player.play(b"k") for _ in range(3)][:2] == [0, 2]


@given(st.text("AB", max_size=8), st.sampled_from(Repeat))
def test_without_a_preference_they_come_as_if_they_had_no_replacements(asked: str, repeat: Repeat) -> None:
    like, plain = Player(index([b"k"] * 3), repeat), Player(index([b"k"] * 3), repeat)
    for value in asked:
        assert play_like(like, value, same=False) == plain.play(b"k")
    assert like.played == plain.played


@given(st.text("ABC", max_size=8))
def test_no_recording_is_played_twice_that_is_to_be_played_once(asked: str) -> None:
    player = Player(index([b"k"] * 3), Repeat.ONCE)
    played = [number for value in asked if (number := play_like(player, value)) is not None]
    assert sorted(played) == sorted(set(played))
    assert len(played) == min(3, len(asked))
