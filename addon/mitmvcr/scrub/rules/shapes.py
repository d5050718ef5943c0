"""Kinds of secrets that a prefix or a shape tells, from shapes.toml, and where one of them stands in a text.

A text costs what its length asks for, whatever is in it: each kind is searched for once in a run of token
characters, by the regular expression's own search; a match is judged once, however often it occurs; and what
was refused is left behind, but for one more look from its second character on.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from mitmvcr.scrub.detect.randomness import is_spelled, looks_random
from mitmvcr.scrub.placeholders import is_dummy
from mitmvcr.scrub.rules.detection import Detection
from mitmvcr.scrub.rules.tables import compiled, plain_rows

# No word goes on here; an underscore may stand in front (`KEY_sk-…`).
_BOUNDARY = "(?<![A-Za-z0-9])"
# How much of a value tells whether it is a dummy.
_HEAD = 96


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """One kind of secret.

    `literals` are texts one of which every match holds, at most `back` bytes behind its beginning: the
    scanner looks for them alone, then for the pattern in the run that has one. `kind` names the replacement
    (`REDACTED-kind-1`): one lower-case word that has one of gitleaks' stopwords in it (`token`), else its
    generic-api-key takes the replacement for a secret. `bounded`: no letter or digit may stand in front.
    `any_case`: the pattern's letters may be of either case, the literals all of the one or the other.
    `accept` says what the match must be besides not spelled as words are. The match's group 1, or all of it
    but for full stops at its end, is the secret. `source` says where the shape is described; `example` is one
    that was made up.
    """

    name: str
    kind: str
    literals: tuple[str, ...]
    shape: str
    source: str = ""
    example: str = ""
    back: int = 0
    bounded: bool = True
    any_case: bool = False
    accept: Callable[[bytes], bool] | None = None

    @property
    def pattern(self) -> re.Pattern[bytes]:
        shape = f"{_BOUNDARY}(?:{self.shape})" if self.bounded else self.shape
        return compiled(shape, any_case=self.any_case)

    def find(self, data: bytes, start: int, end: int) -> Iterator[Detection]:
        """The secrets of this kind that begin between two places; they don't overlap."""
        pattern, verdicts = self.pattern, dict[bytes, bool]()
        at = refused = start
        while found := pattern.search(data, at, end):
            if found.end() == end:
                found = pattern.match(data, found.start()) or found  # it may go on
            left, right = found.span(1) if pattern.groups else found.span()
            value = data[left:right].rstrip(b".")
            is_one = verdicts.get(value)
            if is_one is None:
                is_one = verdicts[value] = self._is_secret(value)
            if is_one:
                yield Detection(left, left + len(value), self.name, self.kind, value)
                at = refused = found.end()
            else:
                at = found.start() + 1 if found.start() >= refused else found.end()
                refused = max(refused, found.end())

    def _is_secret(self, value: bytes) -> bool:
        literals = (text.encode() for text in self.literals)
        behind = next((value[len(text) :] for text in literals if value.startswith(text)), value)
        if is_dummy(behind[:_HEAD]) or (is_spelled(behind) and not _is_one_long_run(behind)):
            return False
        return self.accept is None or self.accept(value)


_DIGIT = re.compile(rb"[0-9]")
_UPPER = re.compile(rb"[A-Z]")
_LOWER = re.compile(rb"[a-z]")


def _has_digit_or_capital(value: bytes) -> bool:
    return _DIGIT.search(value) is not None or _UPPER.search(value[5:]) is not None


def _is_mixed(value: bytes) -> bool:
    return all(letters.search(value) for letters in (_DIGIT, _UPPER, _LOWER))


def _is_one_long_run(value: bytes) -> bool:
    """Whether it has a key's length and letters, and nothing that would part words, whatever it spells."""
    return len(value) >= _KEY_LENGTH and value.isalnum() and _is_mixed(value)


_KEY_LENGTH = 20


def _is_no_example(value: bytes) -> bool:
    return not value.endswith(b"EXAMPLE")


_ACCEPT = {
    "random": looks_random,
    "digit-or-capital": _has_digit_or_capital,
    "mixed": _is_mixed,
    "no-example": _is_no_example,
}


@cache
def shape_rules() -> tuple[Rule, ...]:
    """All kinds, in the table's order."""
    return tuple(_rule(name, **row) for name, row in plain_rows("shapes").items())


def _rule(name: str, *, literals: str, pattern: str, example: list[str], **rest: Any) -> Rule:
    if rest.get("any_case"):
        literals = f"{literals} {literals.upper()}"
    accept = rest.pop("accept", None)
    return Rule(
        name,
        literals=tuple(dict.fromkeys(literals.split())),
        shape=pattern,
        example="".join(example),
        accept=_ACCEPT[accept] if accept else None,
        **rest,
    )
