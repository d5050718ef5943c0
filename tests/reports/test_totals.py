"""What came of closed cassettes is counted by cassette, however often they are opened."""

from __future__ import annotations

from pathlib import Path

from mitmvcr.misses.explain import Miss
from mitmvcr.reports.run_report import MAX_LISTED, Report, Unused
from mitmvcr.reports.totals import Ledger
from tests.build import interaction, request, sessions, write


def report(name: str = "a", *, unused: int = 0, misses: int = 0, replayed: int = 0) -> Report:
    missed = [Miss(name, name, "GET", f"/{number}", "", "empty", "") for number in range(misses)]
    left = [Unused(number, "GET", "/") for number in range(unused)]
    return Report(
        name,
        f"{name}.yaml",
        "replay",
        replayed=replayed,
        miss_count=misses,
        misses=missed[:MAX_LISTED],
        unused_count=unused,
        unused=left[:MAX_LISTED],
        strict=True,
        is_used=True,
    )


def test_openings_of_one_cassette_are_one_report_and_its_counts_add_up() -> None:
    ledger = Ledger()
    for _ in range(10_000):
        ledger.add(report(replayed=2, misses=1), had_recordings=True)
    ledger.add(report("b"), had_recordings=True)
    one, other = ledger
    assert (one.replayed, one.miss_count, len(one.misses)) == (20_000, 10_000, MAX_LISTED)
    assert (other.name, other.replayed) == ("b", 0)
    assert one.failed
    assert not other.failed


def test_unused_is_what_no_opening_asked_for() -> None:
    ledger = Ledger()
    ledger.add(report(unused=5), had_recordings=True)
    ledger.add(report(unused=2), had_recordings=True)
    ledger.add(report(), had_recordings=False)
    counts = [(one.unused_count, len(one.unused)) for one in ledger]
    assert counts == [(2, 2), (0, 0)]


def test_many_more_unused_than_are_kept_are_still_counted() -> None:
    ledger = Ledger()
    for unused in (5 * MAX_LISTED, 3 * MAX_LISTED, 4 * MAX_LISTED):
        ledger.add(report(unused=unused), had_recordings=True)
    (one,) = ledger
    assert (one.unused_count, len(one.unused)) == (3 * MAX_LISTED, MAX_LISTED)


def test_what_is_added_is_not_changed_by_what_comes_later() -> None:
    ledger = Ledger()
    first = report(misses=1)
    ledger.add(first, had_recordings=True)
    ledger.add(report(misses=1), had_recordings=True)
    assert (first.miss_count, len(first.misses)) == (1, 1)


def test_all_of_another_ledger_is_taken() -> None:
    one, other = Ledger(), Ledger()
    one.add(report(replayed=1), had_recordings=True)
    other.add(report(replayed=2), had_recordings=True)
    other.add(report("b", replayed=3), had_recordings=True)
    one.take(other)
    assert [(each.name, each.replayed) for each in one] == [("a", 3), ("b", 3)]


def test_a_table_does_not_grow_with_how_often_its_cassettes_are_opened(tmp_path: Path) -> None:
    write(tmp_path / "a.yaml", interaction(1, "a"), interaction(2, "b"))
    table = sessions(tmp_path, mode="replay")
    for _ in range(300):
        table.open("a", table.plan("a"))
        table.get("a").answer(request(1))
        table.close("a")
    (closed,) = table.closed
    assert (closed.replayed, [one.number for one in closed.unused]) == (300, [1])
    assert list(table) == []


def test_what_a_cassette_answers_after_it_was_closed_still_counts(tmp_path: Path) -> None:
    write(tmp_path / "a.yaml", interaction(1, "a"))
    table = sessions(tmp_path, mode="replay")
    under_way = table.get("a")
    under_way.answer(request(1))
    assert table.close("a") is not None
    under_way.answer(request(2))
    (closed,) = table.closed
    assert (closed.replayed, closed.miss_count) == (1, 1)
    assert closed.failed
