"""Text for people: nothing that drives a terminal, and counts."""

from __future__ import annotations

import pytest

from mitmvcr.text import count, in_log, printable, request_name


@pytest.mark.parametrize(
    ("text", "line", "lines"),
    [
        ("a\tb\nc\r\nd", r"a\tb\nc\r\nd", "a\tb\nc\nd"),
        ("\x1b[31m\x7f\x9b", r"\x1b[31m\x7f\x9b", r"\x1b[31m\x7f\x9b"),
        ("\u202eabc\u2066\u200f", r"\u202eabc\u2066\u200f", r"\u202eabc\u2066\u200f"),
        ("\ud800é 日", r"\ud800é 日", r"\ud800é 日"),
        ("\u200b\ufeff\u2028\xad", r"\u200b\ufeff\u2028\xad", r"\u200b\ufeff\u2028\xad"),
        (
            "\U0001f468\u200d\U0001f469\u2764\ufe0f",
            "\U0001f468\u200d\U0001f469\u2764\ufe0f",
            "\U0001f468\u200d\U0001f469\u2764\ufe0f",
        ),
    ],
)
def test_what_drives_a_terminal_is_escaped_and_line_breaks_where_no_lines_are_wanted(
    text: str, line: str, lines: str
) -> None:
    assert printable(text) == line
    assert printable(text, lines=True) == lines


@pytest.mark.parametrize(
    ("text", "line", "lines"),
    [
        ("::error::x", r"\x3a:error::x", r"\x3a:error::x"),
        (" \t::add-mask::x", r" \t::add-mask::x", " \t\\x3a:add-mask::x"),
        ("a\n::error::x\r\n ::b", r"a\n::error::x\r\n ::b", "a\n\\x3a:error::x\n \\x3a:b"),
        ("a ##[set-env name=b]c", r"a \x23#[set-env name=b]c", r"a \x23#[set-env name=b]c"),
        (
            "##vso[x] ##teamcity[y] ## z",
            r"\x23#vso[x] \x23#teamcity[y] ## z",
            r"\x23#vso[x] \x23#teamcity[y] ## z",
        ),
        ("std::vector :: y", "std::vector :: y", "std::vector :: y"),
    ],
)
def test_the_log_of_a_ci_finds_no_command(text: str, line: str, lines: str) -> None:
    assert in_log(text) == line
    assert in_log(text, lines=True) == lines


def test_a_request_s_name_is_a_line_of_some_length() -> None:
    name = request_name("GET", "https://h/" + "\x1b]0;a\n##[b]" * 1000)
    assert name.startswith(r"GET https://h/\x1b]0;a\n\x23#[b]")
    assert name.endswith("…")
    assert len(name) < 700


def test_a_count_has_the_noun_s_plural() -> None:
    assert [count(number, "file") for number in (0, 1, 2)] == ["0 files", "1 file", "2 files"]
    assert [count(number, "miss", "misses") for number in (1, 2)] == ["1 miss", "2 misses"]
