"""What a terminal shows: tables, colour, text of any width, and a pipe that may be closed early."""

from __future__ import annotations

import contextlib
import os
import sys
import unicodedata
from collections.abc import Iterator, Sequence
from typing import IO

from mitmvcr.text import printable, wants_colour


def say(line: str) -> None:
    """A line of the command's own on standard error, at once."""
    print(printable(f"mitmvcr: {line}"), file=sys.stderr, flush=True)


class Style:
    """Bold, dim and red, on a terminal that wants colour; nothing elsewhere."""

    def __init__(self, stream: IO[str]) -> None:
        self._on = wants_colour(stream)

    def bold(self, text: str) -> str:
        """For headings."""
        return self._in("1", text)

    def dim(self, text: str) -> str:
        """For what is of less weight."""
        return self._in("2", text)

    def red(self, text: str) -> str:
        """For what failed."""
        return self._in("31", text)

    def _in(self, code: str, text: str) -> str:
        return f"\033[{code}m{text}\033[0m" if self._on and text else text


def width(text: str) -> int:
    """Columns that a text takes: two for a wide character, none for a combining one."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1
        for char in text
    )


def table(rows: Sequence[Sequence[str]], *, right: frozenset[int] = frozenset()) -> Iterator[str]:
    """Rows as aligned lines; the columns in `right` are aligned there, as numbers are."""
    widths = [max(width(row[column]) for row in rows) for column in range(len(rows[0]))] if rows else []
    for row in rows:
        cells = []
        for column, text in enumerate(row):
            blank = " " * (widths[column] - width(text))
            cells.append(blank + text if column in right else text + blank)
        yield "  ".join(cells).rstrip()


@contextlib.contextmanager
def output() -> Iterator[None]:
    """Standard output that can show any character, and may be closed early (`| head`)."""
    reconfigure = getattr(sys.stdout, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="backslashreplace")
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        # What Python flushes at its end would fail once more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
