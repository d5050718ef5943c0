"""Which recorded interaction answers next."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mitmvcr.player import Index, Player
from mitmvcr.settings import Repeat

KEYS = [b"a", b"b", b"a", b"c", b"a"]


def test_identical_requests_are_answered_in_recorded_order_and_once() -> None:
    player = Player(Index(KEYS), Repeat.ONCE)
    assert [player.play(b"a") for _ in range(5)] == [0, 2, 4, None, None]
    assert [player.play(b"b") for _ in range(2)] == [1, None]
    assert player.played == {0, 1, 2, 4}


def test_last_repeats_the_last_one() -> None:
    player = Player(Index(KEYS), Repeat.LAST)
    assert [player.play(b"a") for _ in range(5)] == [0, 2, 4, 4, 4]


def test_any_begins_anew_behind_the_last_one() -> None:
    player = Player(Index(KEYS), Repeat.ANY)
    assert [player.play(b"a") for _ in range(7)] == [0, 2, 4, 0, 2, 4, 0]


def test_an_unknown_key_is_never_answered() -> None:
    for repeat in Repeat:
        player = Player(Index(KEYS), repeat)
        assert player.play(b"x") is None
        assert player.played == set()


def test_rewinding_begins_anew() -> None:
    player = Player(Index(KEYS), Repeat.ONCE)
    assert [player.play(b"a"), player.play(b"a")] == [0, 2]
    player.rewind()
    assert player.played == set()
    assert player.play(b"a") == 0


def test_players_of_one_index_have_places_of_their_own() -> None:
    index = Index(KEYS)
    one, other = Player(index, Repeat.ONCE), Player(index, Repeat.ONCE)
    assert [one.play(b"a"), one.play(b"a"), other.play(b"a"), one.play(b"a")] == [0, 2, 0, 4]


@given(st.lists(st.sampled_from([b"a", b"b", b"c"])), st.lists(st.sampled_from([b"a", b"b", b"c", b"d"])))
def test_each_key_is_a_queue(recorded: list[bytes], asked: list[bytes]) -> None:
    player = Player(Index(recorded), Repeat.ONCE)
    left = dict(enumerate(recorded))
    for key in asked:
        expected = next((number for number, one in left.items() if one == key), None)
        assert player.play(key) == expected
        if expected is not None:
            del left[expected]
    assert player.played == set(range(len(recorded))) - set(left)
