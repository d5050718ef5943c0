"""Text for people: nothing that drives a terminal, and counts."""

from __future__ import annotations

import pytest

from mitmvcr.text import count, printable


@pytest.mark.parametrize(
    ("text", "line", "lines"),
    [
        ("a\tb\nc\r\nd", r"a\tb\nc\r\nd", "a\tb\nc\nd"),
        ("\x1b[31m\x7f\x9b", r"\x1b[31m\x7f\x9b", r"\x1b[31m\x7f\x9b"),
        ("\u202eabc\u2066\u200f", r"\u202eabc\u2066\u200f", r"\u202eabc\u2066\u200f"),
        ("\ud800é 日", r"\ud800é 日", r"\ud800é 日"),
    ],
)
def test_what_drives_a_terminal_is_escaped_and_line_breaks_where_no_lines_are_wanted(
    text: str, line: str, lines: str
) -> None:
    assert printable(text) == line
    assert printable(text, lines=True) == lines


def test_a_count_has_the_noun_s_plural() -> None:
    assert [count(number, "file") for number in (0, 1, 2)] == ["0 files", "1 file", "2 files"]
    assert [count(number, "miss", "misses") for number in (1, 2)] == ["1 miss", "2 misses"]
