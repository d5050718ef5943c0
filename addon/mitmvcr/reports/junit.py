"""The report of a run as JUnit's XML, as CI systems read it: a suite for each cassette; no I/O.

A test case is what failed: a miss, and where that is strict a recording that nothing asked for. A
cassette in which all is well has one case, which passed. The dialect is that of testmoapp/junitxml.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from xml.sax.saxutils import escape, quoteattr

from mitmvcr.reports.run_report import Report
from mitmvcr.text import escaped, printable, request_name

_FORBIDDEN = re.compile("[\ufffe\uffff]")
"""What no XML 1.0 document can hold, escaped or not (its production 2), of what is printable."""


@dataclass(frozen=True, slots=True)
class _Case:
    """A test case; `kind` is `failure` or `error`, or empty if it passed."""

    name: str
    kind: str = ""
    type: str = ""
    message: str = ""
    text: str = ""


def as_xml(reports: Sequence[Report], failures: Sequence[str]) -> str:
    """The run as a `testsuites` document."""
    taken: set[tuple[str, str]] = set()
    suites = [(report.name, report.path, _numbered(report.name, _cases(report), taken)) for report in reports]
    if failures:
        broken = [_Case(f"failure {at}", "error", "failure", one) for at, one in enumerate(failures, 1)]
        suites.append(("mitmvcr", "", broken))
    every = [case for *_, cases in suites for case in cases]
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', f'<testsuites name="mitmvcr" {_counts(every)}>']
    for name, path, cases in suites:
        file = f" file={_attribute(path)}" if path else ""
        lines.append(f"  <testsuite name={_attribute(name)}{file} {_counts(cases)}>")
        for case in cases:
            lines += _case(name, case)
        lines.append("  </testsuite>")
    return "\n".join([*lines, "</testsuites>", ""])


def _cases(report: Report) -> Iterator[_Case]:
    for miss in report.misses:
        text = "\n".join(miss.lines)
        yield _Case(miss.request, "failure", f"miss:{miss.reason}", miss.message, text)
    if report.miss_count > len(report.misses):
        more = f"and {report.miss_count - len(report.misses)} more misses"
        yield _Case(more, "failure", "miss", more)
    if report.strict and report.unused_count:
        for unused in report.unused:
            what = f"interaction {unused.number}"
            request = request_name(unused.method, unused.url)
            yield _Case(f"{what}: {request}", "failure", "unused", f"nothing asked for {what}, {request}")
        if report.unused_count > len(report.unused):
            more = f"and {report.unused_count - len(report.unused)} more that nothing asked for"
            yield _Case(more, "failure", "unused", more)
    if not report.failed:
        yield _Case(f"{report.recorded} recorded, {report.replayed} replayed")


def _numbered(suite: str, cases: Iterable[_Case], taken: set[tuple[str, str]]) -> list[_Case]:
    """The cases, the second of a name in the suite with a number, and so on: GitLab looks at the first alone.

    Whatever the order in which requests come, a run that misses the same ones has the same names.
    """
    numbered = []
    for case in cases:
        name, number = case.name, 1
        while (suite, name) in taken:
            number += 1
            name = f"{case.name} ({number})"
        taken.add((suite, name))
        numbered.append(replace(case, name=name))
    return numbered


def _counts(cases: Sequence[_Case]) -> str:
    failures, errors = (sum(case.kind == kind for case in cases) for kind in ("failure", "error"))
    return f'tests="{len(cases)}" failures="{failures}" errors="{errors}" skipped="0"'


def _case(suite: str, case: _Case) -> Iterator[str]:
    head = f"    <testcase classname={_attribute(suite)} name={_attribute(case.name)}"
    if not case.kind:
        yield f"{head}/>"
        return
    yield f"{head}>"
    attributes = f"type={_attribute(case.type)} message={_attribute(case.message)}"
    yield f"      <{case.kind} {attributes}>{_text(case.text)}</{case.kind}>"
    yield "    </testcase>"


def _text(text: str) -> str:
    return escape(_allowed(printable(text, lines=True)))


def _attribute(text: str) -> str:
    return quoteattr(_allowed(printable(text)))


def _allowed(text: str) -> str:
    return _FORBIDDEN.sub(lambda match: escaped(match[0]), text)
