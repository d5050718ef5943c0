"""Which kinds of secrets a run of token characters may hold, by the literals of their rules alone.

To look for three hundred literals at each place would cost more than all else. Most of them end a word with a
hyphen, an underscore or a dot: of a run only the last two letters before each of these are looked up, in one
table. The others are looked for where a word begins, or, if they may stand anywhere, by themselves.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from mitmvcr.scrub.rules.shapes import Rule

# Two letters or digits before a separator; such windows don't overlap.
_WINDOW = re.compile(rb"[A-Za-z0-9]{2}[-_.~]")
# The two characters at which a word begins.
_START = re.compile(rb"(?s)(?<![A-Za-z0-9])(?=(..))")


class Literals:
    """The literals of some rules, those of `shortest` characters and more."""

    def __init__(self, rules: Sequence[Rule], *, shortest: int = 1) -> None:
        self._order = {rule: number for number, rule in enumerate(rules)}
        self._by_window: dict[bytes, list[tuple[bytes, Rule]]] = {}
        self._by_start: dict[bytes, list[tuple[bytes, Rule]]] = {}
        self._anywhere: list[tuple[bytes, Rule]] = []
        for rule in rules:
            for literal in rule.literals:
                text = literal.encode()
                windows = _WINDOW.findall(text)
                if len(text) < shortest:
                    continue
                if windows:
                    self._by_window.setdefault(windows[-1], []).append((text, rule))
                elif rule.bounded and not rule.back:
                    self._by_start.setdefault(text[:2], []).append((text, rule))
                else:
                    self._anywhere.append((text, rule))
        self._windows, self._starts = frozenset(self._by_window), frozenset(self._by_start)
        words = sorted({text for text, _ in self._anywhere})
        self._alone = re.compile(b"|".join(map(re.escape, words)) or b"(?!)")

    def rules_in(self, data: bytes, start: int, end: int) -> dict[Rule, int]:
        """The rules that have a literal between two places, in order, each with the literal's length."""
        candidates: list[tuple[bytes, Rule]] = []
        for window in self._windows.intersection(_WINDOW.findall(data, start, end)):
            candidates += self._by_window[window]
        if self._starts:
            for two in self._starts.intersection(_START.findall(data, start, end)):
                candidates += self._by_start[two]
        if self._alone.search(data, start, end):
            candidates += self._anywhere
        found = {rule: len(text) for text, rule in candidates if data.find(text, start, end) >= 0}
        return {rule: found[rule] for rule in sorted(found, key=self._order.__getitem__)} if found else found
