"""The run as JUnit's XML: any parser takes it, whatever characters are in it, and its counts add up."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from mitmvcr.misses.explain import Miss
from mitmvcr.reports.junit import as_xml
from mitmvcr.reports.run_report import Report, Unused
from tests.build import CHAT


def a_miss(url: str = CHAT, said: str = "cassette a.yaml has no recording of it") -> Miss:
    return Miss("a", "recordings/a.yaml", "POST", url, "00" * 16, "different", said, hints=("Record it",))


def report(name: str = "a", **values: object) -> Report:
    return Report(name, f"recordings/{name}.yaml", "replay", **values)  # type: ignore[arg-type]


def parsed(*reports: Report, failures: tuple[str, ...] = ()) -> ET.Element:
    return ET.fromstring(as_xml(reports, failures))  # noqa: S314 - what we wrote ourselves


def test_each_cassette_is_a_suite_and_each_miss_a_failure() -> None:
    top = parsed(report(replayed=2, miss_count=1, misses=[a_miss()]), report("b/c", replayed=3))
    assert top.tag == "testsuites"
    assert (top.get("tests"), top.get("failures"), top.get("errors")) == ("2", "1", "0")
    one, other = top
    assert (one.get("name"), one.get("file"), one.get("failures")) == ("a", "recordings/a.yaml", "1")
    (case,) = one
    assert (case.get("classname"), case.get("name")) == ("a", f"POST {CHAT}")
    (failure,) = case
    assert failure.tag == "failure"
    assert failure.get("type") == "miss:different"
    assert failure.get("message") == a_miss().message
    assert failure.text == "\n".join(a_miss().lines)
    (passed,) = other
    assert (passed.get("classname"), passed.get("name"), len(passed)) == ("b/c", "0 recorded, 3 replayed", 0)


def test_unused_recordings_are_failures_where_that_is_strict() -> None:
    unused = [Unused(3, "GET", CHAT), Unused(4, "GET", CHAT)]
    top = parsed(
        report(strict=True, unused_count=9, unused=unused), report("b", unused_count=2, unused=unused)
    )
    assert (top.get("tests"), top.get("failures")) == ("4", "3")
    names = [case.get("name") for case in top[0]]
    assert names == [f"interaction 3: GET {CHAT}", f"interaction 4: GET {CHAT}",
                     "and 7 more that nothing asked for"]  # fmt: skip
    assert top[1].get("failures") == "0"


def test_more_misses_than_were_kept_are_counted() -> None:
    (suite,) = parsed(report(miss_count=5, misses=[a_miss(), a_miss()]))
    assert [case.get("name") for case in suite] == [
        f"POST {CHAT}",
        f"POST {CHAT} (2)",
        "and 3 more misses",
    ]


def test_what_else_failed_is_an_error() -> None:
    top = parsed(failures=("the disk is full",))
    assert (top.get("tests"), top.get("errors")) == ("1", "1")
    assert top[0].get("name") == "mitmvcr"
    error = top[0][0][0]
    assert (error.tag, error.get("message")) == ("error", "the disk is full")


def test_a_run_without_cassettes_is_a_document_too() -> None:
    assert parsed().get("tests") == "0"


def test_characters_that_xml_can_not_hold_are_escaped() -> None:
    nasty = "".join(map(chr, [*range(32), 0x7F, 0x85, 0xD800, 0xDFFF, 0xFFFE, 0xFFFF, 0x1F600])) + "\"'<&>]]>"
    miss = a_miss(url=f"https://h/{nasty}", said=nasty)
    top = parsed(report(name=nasty, miss_count=1, misses=[miss]), failures=(nasty,))
    suite, failed = top
    assert suite.get("name", "").startswith("\\x00\\x01")
    assert "\\x7f\\x85" in suite.get("name", "")
    assert "\\ud800\\udfff\\ufffe\\uffff\U0001f600\"'<&>]]>" in suite.get("name", "")
    assert "\"'<&>]]>" in (suite[0][0].text or "")
    assert "\"'<&>]]>" in failed[0][0].get("message", "")


def test_no_two_cases_have_one_name_and_the_names_are_those_of_the_next_run() -> None:
    """GitLab looks at the first case of a name alone, and compares runs by name."""
    first = [a_miss(), a_miss(f"{CHAT}/b"), a_miss(), a_miss(f"{CHAT} (2)")]
    unused = [Unused(0, "POST", CHAT), Unused(0, "POST", CHAT)]

    def names(misses: list[Miss]) -> list[tuple[str | None, str | None]]:
        reports = [
            report(miss_count=len(misses), misses=misses, strict=True, unused_count=2, unused=unused),
            report(miss_count=1, misses=misses[:1]),  # of another opening, in another mode
        ]
        return [(case.get("classname"), case.get("name")) for suite in parsed(*reports) for case in suite]

    assert len(set(names(first))) == len(names(first)) == 7
    assert set(names(first)) == set(names([first[2], first[1], first[0], first[3]]))
    assert set(names([*first, a_miss()])) > set(names(first))
