"""Values that stand where a secret would and are none: `sk-xxxx…`, `sk-test-1234567890`, `<your key>`."""

from __future__ import annotations

import re
from itertools import pairwise

# What test suites make their keys of. A random value stays random when these are taken out of it.
_WORDS = re.compile(
    rb"(?i)anthropic|azure|openai|(?:pass)?word|api|key|token|secret|bearer|org|proj(?:ect)?|svcacct|admin|"
    rb"test(?:ing)?|fake|dummy|mock|stub|example|sample|placeholder|redacted|filtered|hidden|changeme|insert|"
    rb"your|this|that|the|for|only|with|not|real|actual|valid|invalid|wrong|bad|unused|some|any|my|is|an|"
    rb"here|foo|bar|baz|qux|sk|[^A-Za-z0-9]+"
)
_FEW = 3
_STEADY = 0.8


def is_dummy(value: bytes) -> bool:
    """Whether a value is nothing but such words, one character many times, or characters in a row.

    Of values of 16 random letters and digits less than one in 10^11 is: four of five neighbours would have
    to follow each other.
    """
    rest = _WORDS.sub(b"", value).lower()
    if len(rest) <= _FEW:
        return True
    steps = sum(_follows(one, two) for one, two in pairwise(rest))
    return steps >= _STEADY * (len(rest) - 1)


_ROUND = frozenset([b"90", b"9a", b"0a", b"z0", b"z1", b"za", b"f0", b"f1", b"01", b"0f"])


def _follows(one: int, two: int) -> bool:
    return two - one in (0, 1) or bytes((one, two)) in _ROUND
