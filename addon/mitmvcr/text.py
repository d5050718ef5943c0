"""Text for people: what can't drive a terminal, counts, and whether colour is wanted; it writes nothing."""

from __future__ import annotations

import os
import re
from typing import IO

# Control characters but for tab and line feed, C1 and DEL, the marks by which Unicode turns the direction of
# text around, what takes no room on a screen, other line ends, and halves of surrogate pairs, which no
# encoding can print. Joiners and variation selectors, of which emoji and scripts are made, stay.
_UNPRINTABLE = (
    r"\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u034f\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f"
    r"\ud800-\udfff\ufeff\ufff9-\ufffb"
)
_IN_LINES = re.compile(f"[{_UNPRINTABLE}]")
_IN_A_LINE = re.compile(rf"[\t\n{_UNPRINTABLE}]")

# What the log of a CI reads as a command: GitHub's at a line's beginning; its older ones, Azure's and
# TeamCity's anywhere.
_COMMAND = re.compile(r"^([ \t]*+):(?=:)|##(?=\[|vso\[|teamcity\[)", re.MULTILINE)

_REQUEST = 300  # characters


def printable(text: str, *, lines: bool = False) -> str:
    """Text without what drives a terminal, can't be seen, or is half a character: escaped as in Python.

    Line breaks and tabs stay only where `lines` are wanted.
    """
    if lines:
        text = text.replace("\r\n", "\n")
    pattern = _IN_LINES if lines else _IN_A_LINE
    return pattern.sub(lambda match: escaped(match[0]), text)


def escaped(text: str) -> str:
    """Text with all but ASCII's printable characters escaped as in Python."""
    return text.encode("unicode_escape").decode()


def in_log(text: str, *, lines: bool = False) -> str:
    """Printable text in which the log of a CI finds no command, whoever wrote it."""
    return _COMMAND.sub(_harmless, printable(text, lines=lines))


def _harmless(match: re.Match[str]) -> str:
    return r"\x23#" if match[1] is None else rf"{match[1]}\x3a"


def request_name(method: str, url: str) -> str:
    """`POST https://…` as it stands in any line: the URL, which has no secret, shortened."""
    return in_log(f"{method} {shortened(url, _REQUEST)}")


def shortened(text: str, columns: int = 90) -> str:
    """The text in so many characters at most; 90 are what `mitmvcr: ` leaves of a line of a hundred."""
    return text if len(text) <= columns else text[: columns - 1] + "…"


def count(number: int, noun: str, plural: str = "") -> str:
    """`1 file`, `2 files`; `2 misses` with that `plural`."""
    return f"{number} {noun if number == 1 else plural or f'{noun}s'}"


def wants_colour(stream: IO[str]) -> bool:
    """Whether it is a terminal that wants colour (https://no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
