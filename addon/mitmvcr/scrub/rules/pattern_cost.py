"""A user's regular expression -> a text of a few KB that keeps it busy for long, if one is found.

Python's engine tries all ways to match: `(a+)+b`, or `[0-9]+-x` in front of a megabyte of digits, can take
minutes, in which no client is answered. What a pattern costs can't be read off it, so it is tried when it is
loaded: on texts made of its own words and of common letters, longer and longer, until one takes too long.
"""

from __future__ import annotations

import itertools
import re
import time
from collections.abc import Iterator

# How often a text's unit is repeated. In small steps at first: what doubles with each letter would never end.
_REPEATS = (*range(8, 36, 4), 64, 256, 1024, 4096)
# Seconds for one of these texts, a hundred times what a search of that length takes.
_TOO_LONG = 0.01
_LETTERS = (b"0", b"a", b"A", b" ", b"-", b"a ", b"a-", b"a.")
_WORD = re.compile(rb"[A-Za-z0-9_/:@.=-]{1,32}")
_MOST_WORDS = 6


def costly_text(pattern: re.Pattern[bytes]) -> str | None:
    """What a text is made of that takes this pattern's search more than 10 ms; None if none is found."""
    for begin, unit in _texts(pattern.pattern):
        for repeats in _REPEATS:
            text = begin + unit * repeats + b"\0"
            began = time.thread_time()
            for _ in pattern.finditer(text):
                pass
            if time.thread_time() - began > _TOO_LONG:
                return f"{(begin + unit * 3).decode('latin-1')}…, {len(text)} characters"
    return None


def _texts(source: bytes) -> Iterator[tuple[bytes, bytes]]:
    """How texts begin, and the units that they go on with."""
    # Without escapes, `\\d` and `\\.` alike, and without the insides of counts.
    plain = re.sub(rb"\\(?:[A-Za-z]|x..)|\{[0-9,]{1,16}\}", b" ", source).replace(b"\\", b"")
    words = list(dict.fromkeys(_WORD.findall(plain)))[:_MOST_WORDS]
    units = dict.fromkeys([*_LETTERS, *words, *(word[:1] for word in words), *(word[-1:] for word in words)])
    yield from itertools.product((b"", *words), units)
