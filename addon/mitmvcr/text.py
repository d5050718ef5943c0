"""Text for people: what can't drive a terminal, counts, and whether colour is wanted; it writes nothing."""

from __future__ import annotations

import os
import re
from typing import IO

# Control characters but for tab and line feed, C1 and DEL, the marks by which Unicode turns the direction of
# text around, and halves of surrogate pairs, which no encoding can print.
_UNPRINTABLE = r"\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff"
_IN_LINES = re.compile(f"[{_UNPRINTABLE}]")
_IN_A_LINE = re.compile(rf"[\t\n{_UNPRINTABLE}]")


def printable(text: str, *, lines: bool = False) -> str:
    """Text without what drives a terminal, or half characters: escaped as in Python.

    Line breaks and tabs stay only where `lines` are wanted.
    """
    if lines:
        text = text.replace("\r\n", "\n")
    pattern = _IN_LINES if lines else _IN_A_LINE
    return pattern.sub(lambda match: match[0].encode("unicode_escape").decode(), text)


def shortened(text: str, columns: int = 90) -> str:
    """The text in so many characters at most; 90 are what `mitmvcr: ` leaves of a line of a hundred."""
    return text if len(text) <= columns else text[: columns - 1] + "…"


def count(number: int, noun: str, plural: str = "") -> str:
    """`1 file`, `2 files`; `2 misses` with that `plural`."""
    return f"{number} {noun if number == 1 else plural or f'{noun}s'}"


def wants_colour(stream: IO[str]) -> bool:
    """Whether it is a terminal that wants colour (https://no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
