"""Which kinds of secrets a run of token characters may hold, by the literals of their rules alone.

To look for three hundred literals at each place would cost more than all else. Most of them end a word with a
hyphen, an underscore or a dot: of a run only the last two letters before each of these are looked up, in one
table. The others are looked for where a word begins, or, if they may stand anywhere, by themselves.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from mitmvcr.scrub.rules.shapes import Rule

# Two letters or digits before a separator; such windows don't overlap.
_WINDOW = re.compile(rb"[A-Za-z0-9]{2}[-_.~]")


class Literals:
    """The literals of some rules, those of `shortest` characters and more."""

    def __init__(self, rules: Sequence[Rule], *, shortest: int = 1) -> None:
        self._order = {rule: number for number, rule in enumerate(rules)}
        self._by_window: dict[bytes, list[tuple[bytes, Rule]]] = {}
        self._elsewhere: dict[bytes, list[Rule]] = {}
        starts: set[str] = set()
        anywhere: set[str] = set()
        for rule in rules:
            for literal in rule.literals:
                text = literal.encode()
                windows = _WINDOW.findall(text)
                if len(text) < shortest:
                    continue
                if windows:
                    self._by_window.setdefault(windows[-1], []).append((text, rule))
                    continue
                self._elsewhere.setdefault(text, []).append(rule)
                (starts if rule.bounded and not rule.back else anywhere).add(literal)
        self._windows = frozenset(self._by_window)
        patterns = [rb"(?<![A-Za-z0-9])" + _trie(starts)] if starts else []
        self._alone = re.compile(b"|".join([*patterns, *([_trie(anywhere)] if anywhere else [])]) or b"(?!)")

    def rules_in(self, data: bytes, start: int, end: int) -> dict[Rule, int]:
        """The rules that have a literal between two places, in order, each with the literal's length."""
        found: dict[Rule, int] = {}
        for window in self._windows.intersection(_WINDOW.findall(data, start, end)):
            for text, rule in self._by_window[window]:
                if data.find(text, start, end) >= 0:
                    found[rule] = len(text)
        for stop in set(self._alone.findall(data, start, end)):
            # The pattern stops at the shortest of literals that begin alike.
            for text, rules in self._elsewhere.items():
                if text.startswith(stop) and data.find(text, start, end) >= 0:
                    found |= dict.fromkeys(rules, len(text))
        return {rule: found[rule] for rule in sorted(found, key=self._order.__getitem__)}


def _trie(words: Iterable[str]) -> bytes:
    """A regular expression of the words that shares their beginnings: each byte is tried once."""
    tree: dict[str, dict] = {}  # type: ignore[type-arg]
    for word in words:
        node = tree
        for letter in word:
            node = node.setdefault(letter, {})
        node[""] = {}

    def render(node: dict[str, dict]) -> str:  # type: ignore[type-arg]
        if "" in node:
            return ""
        branches = [re.escape(letter) + render(below) for letter, below in sorted(node.items())]
        return branches[0] if len(branches) == 1 else "(?:" + "|".join(branches) + ")"

    return render(tree).encode()
