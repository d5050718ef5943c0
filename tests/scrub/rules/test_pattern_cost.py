"""Which of users' patterns are refused: those that take much longer than a text is long."""

from __future__ import annotations

import re

import pytest

from mitmvcr.scrub import Policy, PolicyError, Scrubber
from mitmvcr.scrub.rules.pattern_cost import costly_text
from tests.scrub.planting import exchange, memory


@pytest.mark.parametrize(
    "pattern",
    [
        "ticket-[0-9]{4,}",
        r"\bAcme Corp\b",
        r"acct_[A-Za-z0-9]+",
        r"customer: .+",
        r"(?i)secret\s{0,8}[:=]\s{0,8}\S+",
        r"[a-z0-9.]{1,64}@corp\.example",
        r"\d{3}-\d{2}-\d{4}",
        r"(?<=id=)[0-9a-f-]+",
        r"[A-Z]{2}[0-9]++",
        "(?:foo|bar){1,9}baz",
    ],
)
def test_a_pattern_that_costs_what_a_text_is_long_is_taken(pattern: str) -> None:
    assert costly_text(re.compile(pattern.encode())) is None


@pytest.mark.parametrize(
    "pattern",
    [
        "(a+)+b",
        "(?:a|aa)+$",
        r"([a-zA-Z]+)*!",
        r"(\w+\s?)*!",
        "(x+x+)+y",
        "[0-9]+-secret",
        r"[a-z0-9]+@corp\.example",
        ".*password.*",
        r"\s+$",
        "(?:foo|bar)+baz",
    ],
)
def test_a_pattern_that_a_text_can_keep_busy_is_not(pattern: str) -> None:
    assert costly_text(re.compile(pattern.encode())) is not None
    with pytest.raises(PolicyError, match=r"^redact, entry 2: .*takes too long.*Give its repeats a bound"):
        Scrubber(Policy(redact=("ticket-[0-9]{4,}", pattern)))


def test_a_bound_mends_it() -> None:
    own = Scrubber(Policy(redact=(r"[0-9]{1,64}-secret",)))
    one = exchange(b"", b"a 12345-secret b")
    assert own.interaction(one, memory()).response.body == b"a REDACTED-custom-1 b"
