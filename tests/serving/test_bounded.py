"""What is remembered within a bound: what was longest unused goes first."""

from __future__ import annotations

from mitmvcr.serving.bounded import Bounded


def test_what_was_longest_unused_is_forgotten_first() -> None:
    held: Bounded[str, int] = Bounded(3)
    for key, value in (("a", 1), ("b", 2), ("c", 3)):
        held.add(key, value)
    assert held.get("a") == 1
    held.add("d", 4)
    assert [held.get(key) for key in "abcd"] == [1, None, 3, 4]


def test_costs_are_never_more_than_the_limit() -> None:
    held: Bounded[int, int] = Bounded(100)
    for number in range(200):
        held.add(number, number, number % 120)
        assert held.cost <= 100
        assert held.cost == sum(key % 120 for key in range(200) if held.get(key) is not None)
    held.clear()
    assert (len(held), held.cost) == (0, 0)
