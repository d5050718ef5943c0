"""Texts that look the same and are not: it is said why, and what makes it so is escaped; other texts stay."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mitmvcr.compare.difference_text import difference
from mitmvcr.compare.json_diff import DifferingValue
from mitmvcr.compare.lookalikes import INVISIBLE, likeness

UNSEEN = "only characters that can't be seen differ: "
ALIKE = "the texts look alike: "
LATIN_A, CYRILLIC_A = "U+0061 LATIN SMALL LETTER A", "U+0430 CYRILLIC SMALL LETTER A"
APOSTROPHE, QUOTE = "U+0027 APOSTROPHE", "U+2019 RIGHT SINGLE QUOTATION MARK"


def told(recorded: str, incoming: str) -> str:
    return str(difference(DifferingValue("json", ("p",), recorded, incoming)))


@pytest.mark.parametrize(
    ("recorded", "incoming", "shown", "note"),
    [
        ("capital", "cap\u200bital", r"cap\u200bital", UNSEEN + "U+200B ZERO WIDTH SPACE"),
        ("capital", "\ufeffcapital", r"\ufeffcapital", UNSEEN + "U+FEFF ZERO WIDTH NO-BREAK SPACE"),
        ("capital", "capital\u202e", r"capital\u202e", UNSEEN + "U+202E RIGHT-TO-LEFT OVERRIDE"),
        ("capital", "cap\xadital", r"cap\u00adital", UNSEEN + "U+00AD SOFT HYPHEN"),
        ("capital", "c\U000e0061", r"c\U000e0061", ""),
        ("a b", "a\xa0b", r"a\u00a0b", "only white space differs"),
        ("\u2764", "\u2764\ufe0f", r"\u2764\ufe0f", UNSEEN + "U+FE0F VARIATION SELECTOR-16"),
        ("caf\xe9", "cafe\u0301", r"cafe\u0301", "the same text in another Unicode form"),
        ("cafe", "cafe\u0301", r"cafe\u0301", "only combining marks differ"),
        ("pay", "p\u0430y", r"p\u0430y", ALIKE + f"{LATIN_A} and {CYRILLIC_A}"),
        ("don't", "don\u2019t", r"don\u2019t", ALIKE + f"{APOSTROPHE} and {QUOTE}"),
        ("fine", "\ufb01ne", r"\ufb01ne", "the texts look alike"),
        ("Hi", "hi", "hi", "only upper and lower case differ"),
        ("Hi Al", "Hi\u200b Bob", r"Hi\u200b Bob", ""),
        ("\u2764\ufe0f one", "\u2764\ufe0f two", "\u2764\ufe0f two", ""),
        ("ключ", "ключи", "ключи", ""),
        ("हिन्दी", "हिन्दि", "हिन्दि", ""),
    ],
)  # fmt: skip
def test_it_is_said_what_differs_and_shown(recorded: str, incoming: str, shown: str, note: str) -> None:
    said = told(recorded, incoming)
    assert f'asked "{shown}"' in said
    assert said.endswith(f" ({note})") if note else not said.endswith(")")
    assert likeness(incoming, recorded).partition(":")[0] == note.partition(":")[0]  # whichever comes first


@given(st.text(max_size=12), st.text(max_size=12), st.integers(0, 12))
def test_texts_of_a_difference_never_look_the_same(text: str, put_in: str, at: int) -> None:
    other = text[:at] + put_in + text[at:]
    if text != other:
        shown = difference(DifferingValue("json", ("p",), text, other))
        assert shown.recorded != shown.asked
        # What isn't seen in one is there in the other, too.
        assert INVISIBLE.findall(shown.recorded or "") == INVISIBLE.findall(shown.asked or "")


def test_long_texts_take_no_longer() -> None:
    text = "é" * (1 << 19)
    began = time.perf_counter()
    assert likeness(f"\u0430{text}a", f"a{text}b") == ""
    assert time.perf_counter() - began < 0.5
