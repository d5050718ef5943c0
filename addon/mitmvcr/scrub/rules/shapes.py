"""Kinds of secrets that a prefix or a shape tells, from shapes.toml; no text is read here."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

from mitmvcr.scrub.rules.tables import compiled, rows


@dataclass(frozen=True, slots=True)
class Rule:
    """One kind of secret.

    `literals` are texts one of which every match holds: the scanner looks for them alone, then tries
    the pattern at most `back` bytes before. `kind` names the replacement (`REDACTED-kind-1`): one
    lower-case word that has one of gitleaks' stopwords in it (`token`), else its generic-api-key takes
    the replacement for a secret. `entropy` is Shannon's, in bits per byte, that the match must have.
    `bounded`: no letter, digit or underscore may stand in front. `any_case`: the pattern's letters may be of
    either case, the literals all of the one or the other. `accept` says what else the match must be. The
    match's group 1, or all of it, is the secret.
    """

    name: str
    kind: str
    literals: tuple[str, ...]
    shape: str
    entropy: float = 0.0
    back: int = 0
    bounded: bool = True
    any_case: bool = False
    accept: Callable[[bytes], bool] | None = None

    @property
    def pattern(self) -> re.Pattern[bytes]:
        return compiled(self.shape, any_case=self.any_case)


_DIGIT = re.compile(rb"[0-9]")
_UPPER = re.compile(rb"[A-Z]")
# 16 letters and digits without a break: no words joined by hyphens have that.
_LONG_RUN = re.compile(rb"[A-Za-z0-9]{16}")


def _is_random(value: bytes) -> bool:
    """Whether a token has what words joined by hyphens don't: digits or capitals in one long run."""
    return _LONG_RUN.search(value) is not None or _has_digit_and_capital(value)


def _has_digit_or_capital(value: bytes) -> bool:
    return _DIGIT.search(value) is not None or _UPPER.search(value[5:]) is not None


def _has_digit_and_capital(value: bytes) -> bool:
    return _DIGIT.search(value) is not None and _UPPER.search(value) is not None


def _is_no_example(value: bytes) -> bool:
    return not value.endswith(b"EXAMPLE")


_ACCEPT = {
    "random": _is_random,
    "digit-or-capital": _has_digit_or_capital,
    "digit-and-capital": _has_digit_and_capital,
    "no-example": _is_no_example,
}


@cache
def shape_rules() -> tuple[Rule, ...]:
    """All kinds, in the table's order."""
    return tuple(_rule(name, **row) for name, row in rows("shapes").items())


def _rule(
    name: str, *, kind: str, literals: str, pattern: str, accept: str | None = None, **rest: Any
) -> Rule:
    if rest.get("any_case"):
        literals = f"{literals} {literals.upper()}"
    texts = tuple(dict.fromkeys(literals.split()))
    return Rule(name, kind, texts, pattern, accept=_ACCEPT[accept] if accept else None, **rest)
