r"""Text with its escapes undone, of any kind and depth; the way back leads to whole ones.

Secrets are searched for in what a text means: `\nsk-…` begins with a line break, not with an n, and a token
in front of `\"` ends before the backslash. Whoever replaces a part of the meaning replaces whole escapes,
so that what stands around them is what it was.
"""

from __future__ import annotations

import html
import re
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from mitmvcr.scrub.detect.tokens import Span

Back = Callable[[int, int], list[Span]]
"""From a stretch of what was read (start, end) to the stretches of the bytes that it was read from."""


@dataclass(frozen=True, slots=True)
class View:
    """A text in which secrets may hide, and the way back; `width` is bytes a character there (UTF-16: 2)."""

    text: bytes
    back: Back
    width: int = 1
    is_big_endian: bool = False


def same(start: int, end: int) -> list[Span]:
    """The way back from a text that is the bytes themselves."""
    return [(start, end)]


# Backslashes in any number (JSON nests) before a letter of C's and JSON's escapes, a quote, a slash; before
# digits: \uXXXX, also pairs of surrogates, \u{…}, \UXXXXXXXX, \xXX, octal. Percent signs, coded again up to
# four times. References of HTML. Quoted-printable only where four follow each other, for `=41` is also a
# value. Each alternative begins with a letter, by which places are found some ten times as fast.
_ESCAPE = re.compile(
    rb"\\\\{0,31}(?:u[dD][89abAB][0-9A-Fa-f]{2}\\{1,32}u[dD][c-fC-F][0-9A-Fa-f]{2}|u([0-9A-Fa-f]{4})"
    rb"|u\{([0-9A-Fa-f]{1,6})\}|U([0-9A-Fa-f]{8})|x([0-9A-Fa-f]{2})|([0-3][0-7]{2})|([nrtbf\"'/`]))"
    rb"|%(?:25){0,4}([0-9A-Fa-f]{2})"
    rb"|&(?:\#(?:[0-9]{1,7}|[xX][0-9A-Fa-f]{1,6})|quot|apos|amp|lt|gt);"
    rb"|=[0-9A-F]{2}(?:=[0-9A-F]{2}){3,}"
)
_LETTERS = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"f": b"\f"}


def _meaning(found: re.Match[bytes]) -> bytes:
    code, octal, letter, percent = found[1] or found[2] or found[3] or found[4], found[5], found[6], found[7]
    if letter:
        return _LETTERS.get(letter, letter)
    if code or octal:
        return _character(int(code, 16) if code else int(octal, 8))
    text = found.group()
    if percent or text.startswith(b"="):
        return bytes.fromhex((percent or text.replace(b"=", b"")).decode())
    if text.startswith(b"&"):
        return html.unescape(text.decode()).encode("utf-8", "surrogatepass")
    high, low = (int(part[:4], 16) for part in text.split(b"u", 2)[1:])
    return _character(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00))


def _character(code: int) -> bytes:
    return chr(code).encode("utf-8", "surrogatepass") if code < 0x110000 else b"?"


def has_escapes(data: bytes) -> bool:
    """Whether a text may have any; never a wrong no."""
    return _BACKSLASH in data or ord("%") in data or ord("&") in data or _PRINTABLE.search(data) is not None


_PRINTABLE = re.compile(rb"=[0-9A-F]{2}=[0-9A-F]{2}=[0-9A-F]{2}=[0-9A-F]{2}")


def undone(data: bytes) -> View | None:
    """The text with all escapes undone; None if it has none."""
    return mapped(data, _ESCAPE, _meaning) if has_escapes(data) else None


def mapped(
    data: bytes, pattern: re.Pattern[bytes], meaning: Callable[[re.Match[bytes]], bytes]
) -> View | None:
    """The text with what a pattern takes replaced by its meaning; None if it takes nothing."""
    pieces: list[bytes] = []
    # Of each escape: where it begins and ends in the result and in the text.
    starts, ends, lefts, rights = [], [], [], []
    at = shift = 0
    for found in pattern.finditer(data):
        left, right = found.span()
        plain = meaning(found)
        pieces += data[at:left], plain
        starts.append(left - shift)
        shift += right - left - len(plain)
        ends.append(right - shift)
        lefts.append(left)
        rights.append(right)
        at = right
    if not starts:
        return None
    pieces.append(data[at:])

    def back(start: int, end: int) -> list[Span]:
        return [(place(start, lefts), place(end - 1, rights, 1))]

    def place(at: int, edges: list[int], more: int = 0) -> int:
        number = bisect_right(starts, at) - 1
        if number < 0:
            return at + more
        if at < ends[number]:
            return edges[number]
        return at + more + rights[number] - ends[number]

    return View(b"".join(pieces), back)


def behind(outer: Back, inner: Back) -> Back:
    """The way back through two readings."""
    return lambda start, end: [place for left, right in inner(start, end) for place in outer(left, right)]


def shifted(outer: Back, by: int) -> Back:
    """The way back from a part that begins `by` bytes behind the beginning."""
    return lambda start, end: outer(start + by, end + by)


_ROUGHLY = ((b'\\"', b'"'), (b"\\n", b"\n"), (b"\\r", b"\r"), (b"\\t", b"\t"), (b"\\/", b"/"))
# What these replacements leave: escapes that stand for letters, digits and the like; octal ones.
_CODED = (b"\\u", b"\\x", b"\\U")
_OCTAL = re.compile(rb"\\[0-3][0-7]{2}")
_PERCENT = re.compile(rb"%[0-9A-Fa-f]{2}")
_REFERENCE = re.compile(rb"&(?:\#|quot|apos|amp|lt|gt)")
# The marks are numbers: to look for one takes a tenth of the time that it takes with bytes.
_BACKSLASH = ord("\\")
_OTHERS = ((ord("%"), _PERCENT), (ord("&"), _REFERENCE), (ord("="), _PRINTABLE))


def roughly_undone(data: bytes) -> bytes:
    """The text without escapes, in most cases by plain replacements; blanks and quotes may be others."""
    plain = data
    if _BACKSLASH in data:
        while plain.find(b"\\\\") >= 0:  # JSON in a string doubles them, however often
            plain = plain.replace(b"\\\\", b"\\")
        for escape, meaning in _ROUGHLY:
            plain = plain.replace(escape, meaning)
            if _BACKSLASH not in plain:
                break
        if _BACKSLASH in plain and (any(code in plain for code in _CODED) or _OCTAL.search(plain)):
            return _ESCAPE.sub(_meaning, data)
    for mark, pattern in _OTHERS:
        if mark in plain and pattern.search(plain):
            return _ESCAPE.sub(_meaning, data)
    return plain


# ASCII characters with one or three zero bytes behind or before each; the last one may be cut off.
_WIDE = {
    (2, False): re.compile(rb"(?:[\t\n\r -~]\0)++[ -~]?"),
    (4, False): re.compile(rb"(?:[\t\n\r -~]\0\0\0)++[ -~]?"),
    (4, True): re.compile(rb"(?:\0\0\0[\t\n\r -~])++"),
}
_ZERO = bytes(
    ord("0") if not byte else ord("a") if 32 <= byte < 127 or byte in b"\t\n\r" else ord("x")
    for byte in range(256)
)
_SHORTEST_WIDE = 12
"""How many characters there are at least."""


def wide(data: bytes) -> Iterator[View]:
    """The stretches of UTF-16's and UTF-32's ASCII in a text, of either byte order, each by itself."""
    if 0 not in data:
        return
    classes = data.translate(_ZERO)
    for (width, is_big_endian), pattern in _WIDE.items():
        zeros = b"0" * (width - 1)
        wanted = (zeros + b"a" if is_big_endian else b"a" + zeros) * _SHORTEST_WIDE
        at = classes.find(wanted)
        while at >= 0:
            found = pattern.match(data, at)
            if found is None:
                break
            yield _wide(found.group(), at, width, is_big_endian=is_big_endian)
            at = classes.find(wanted, found.end())


def _wide(stretch: bytes, at: int, width: int, *, is_big_endian: bool) -> View:
    size = len(stretch)
    text = stretch[width - 1 if is_big_endian else 0 :: width]
    return View(
        text, lambda start, end: [(at + width * start, at + min(width * end, size))], width, is_big_endian
    )


# A backslash at the line's end, the indentation below, and the backslash that keeps a blank.
_FOLD = re.compile(rb"\\\r?\n[ \t]*+(?:\\(?=[ \t]))?")


def unfolded(data: bytes) -> bytes:
    r"""YAML text without the folds of double quotes: a backslash, the line's end, the next one's indentation.

    A blank that begins the next line has a backslash in front; that of an escape as `\"` stays.
    """
    return _FOLD.sub(b"", data) if _BACKSLASH in data else data
