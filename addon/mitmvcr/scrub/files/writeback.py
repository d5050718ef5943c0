"""From places in a scalar's value to places in the text that it is written as; one reader for each style.

By it a part of a value is replaced in the file without touching what stands around it, however the writer
has quoted and folded the rest.
"""

from __future__ import annotations

import base64
import json
import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mitmvcr.formats import yaml_json
from mitmvcr.formats.govcr.scalars import ESCAPES
from mitmvcr.scrub.files.document import BARE, JSON, PlacedScalar


@dataclass(frozen=True, slots=True)
class _Piece:
    """Bytes of the value and the text they are read from; `exact` if both are the same."""

    at: int
    value: bytes
    start: int
    end: int
    exact: bool


Bit = tuple[bytes, int, int, bool]
"""A piece before its place in the value is known: value, start and end in the text, whether they're equal."""


class Written:
    """A scalar as it is written; None of `of` where its style is one that we can't go back from (`>`)."""

    __slots__ = ("_at", "_pieces")

    def __init__(self, pieces: Sequence[_Piece]) -> None:
        self._pieces = pieces
        self._at = [piece.at for piece in pieces]

    @classmethod
    def of(cls, leaf: PlacedScalar, data: bytes) -> Written | None:
        read = _READERS.get(leaf.style)
        if leaf.is_binary or read is None:
            return None
        pieces = []
        at = 0
        for value, start, end, exact in read(leaf, data):
            pieces.append(_Piece(at, value, start, end, exact))
            at += len(value)
        value = b"".join([piece.value for piece in pieces])
        # A literal's last line breaks may be chomped off.
        return cls(pieces) if value == leaf.value or value.rstrip(b"\n") == leaf.value.rstrip(b"\n") else None

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Where in the file the value's bytes from `start` to `end` are written."""
        first = self._pieces[bisect_right(self._at, start) - 1]
        last = self._pieces[bisect_right(self._at, end - 1) - 1]
        left = first.start + start - first.at if first.exact else first.start
        right = last.start + end - last.at if last.exact else last.end
        return left, right


def _between(data: bytes, start: int, end: int, marks: Iterator[Bit]) -> Iterator[Bit]:
    """The pieces with what is written plainly between them."""
    for value, left, right, exact in marks:
        if left > start:
            yield data[start:left], start, left, True
        yield value, left, right, exact
        start = right
    if end > start:
        yield data[start:end], start, end, True


# To YAML 1.1 those are line breaks too: U+0085, which is read as \n, U+2028 and U+2029, which stay.
_BREAK = rb"(?:\r\n?|\n|\xc2\x85|\xe2\x80[\xa8\xa9])"
# One or more line breaks with the blanks around them: what YAML folds between words.
_FOLD = rb"(?<![ \t])[ \t]*+(" + _BREAK + rb"(?:[ \t]*+" + _BREAK + rb")*+)[ \t]*+"
_ONE_BREAK = re.compile(_BREAK)


def _folded(text: bytes) -> bytes:
    """What line breaks between words are read as."""
    first, *more = [_one_break(found) for found in _ONE_BREAK.findall(text)]
    return (b"".join(more) or b" ") if first == b"\n" else b"".join([first, *more])


def _one_break(text: bytes) -> bytes:
    return text if text.startswith(b"\xe2") else b"\n"


_PLAIN_MARK = re.compile(_FOLD)
_SINGLE_MARK = re.compile(rb"''|" + _FOLD)


def _plain(leaf: PlacedScalar, data: bytes) -> Iterator[Bit]:
    return _between(data, leaf.start, leaf.end, _single_marks(_PLAIN_MARK, data, leaf.start, leaf.end))


def _single(leaf: PlacedScalar, data: bytes) -> Iterator[Bit]:
    start, end = leaf.start + 1, leaf.end - 1
    return _between(data, start, end, _single_marks(_SINGLE_MARK, data, start, end))


def _single_marks(pattern: re.Pattern[bytes], data: bytes, start: int, end: int) -> Iterator[Bit]:
    for found in pattern.finditer(data, start, end):
        yield (_folded(found[1]) if found[1] else b"'"), *found.span(), False


# An escape (of a line break, of 2, 4 or 8 hexadecimal digits, of one character), or a fold.
_DOUBLE_MARK = re.compile(
    rb"\\(?:" + _BREAK + rb"[ \t]*+|x([0-9A-Fa-f]{2})|u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|(.))|" + _FOLD,
    re.DOTALL,
)


def _double(leaf: PlacedScalar, data: bytes) -> Iterator[Bit]:
    start, end = leaf.start + 1, leaf.end - 1
    return _between(data, start, end, _double_marks(data, start, end))


def _double_marks(data: bytes, start: int, end: int) -> Iterator[Bit]:
    for found in _DOUBLE_MARK.finditer(data, start, end):
        code = found[1] or found[2] or found[3]
        if code:
            value = chr(int(code, 16)).encode("utf-8", "surrogatepass")
        elif found[4]:
            value = _ESCAPED.get(found[4], b"?")
        elif found[5]:
            value = _folded(found[5])
        else:
            value = b""
        yield value, *found.span(), False


_ESCAPED = {name.encode(): character.encode() for name, character in ESCAPES.items()}
_ESCAPED |= {mark: mark for mark in (b"\t", b" ", b"/")}

# A line and its break; bytes of UTF-8 that only begin like a break's are of the line.
_LINE = re.compile(rb"((?:[^\r\n\xc2\xe2]|\xc2(?!\x85)|\xe2(?!\x80[\xa8\xa9]))*+)(" + _BREAK + rb"|\Z)")


def _literal(leaf: PlacedScalar, data: bytes) -> Iterator[Bit]:
    header = _LINE.match(data, leaf.start, leaf.end)
    at = header.end() if header else leaf.end
    indent = _indent(leaf.value, data, at, leaf.end)
    while at < leaf.end:
        line = _LINE.match(data, at, leaf.end)
        if line is None:
            return
        text = min(at + indent, line.end(1))
        if text < line.end(1):
            yield data[text : line.end(1)], text, line.end(1), True
        yield _one_break(line[2]), line.end(1), line.end(), False
        at = line.end()


def _indent(value: bytes, data: bytes, at: int, end: int) -> int:
    """How far a literal's text is indented: told from the first line that is not empty."""
    text = value.lstrip(b"\n")
    written = re.compile(rb"[ \r\n]*+").match(data, at, end)
    if not text or written is None:
        return 0
    line = max(data.rfind(b"\n", at, written.end()), data.rfind(b"\r", at, written.end()), at - 1) + 1
    own = len(text) - len(text.lstrip(b" "))
    return max(0, written.end() - line - own)


# A pair of surrogates, one character in four digits, or another escape.
_JSON_MARK = re.compile(rb"\\u[dD][89abAB][0-9A-Fa-f]{2}\\u[dD][c-fC-F][0-9A-Fa-f]{2}|\\u[0-9A-Fa-f]{4}|\\.")


def _json(leaf: PlacedScalar, data: bytes) -> Iterator[Bit]:
    start, end = leaf.start + 1, leaf.end - 1
    return _between(data, start, end, _json_marks(data, start, end))


def _json_marks(data: bytes, start: int, end: int) -> Iterator[Bit]:
    for found in _JSON_MARK.finditer(data, start, end):
        character: str = json.loads(b'"' + found.group() + b'"')
        yield yaml_json.encode(character), *found.span(), False


def _bare(leaf: PlacedScalar, data: bytes) -> Iterator[Bit]:
    yield data[leaf.start : leaf.end], leaf.start, leaf.end, True


_READERS = {"": _plain, "'": _single, '"': _double, "|": _literal, JSON: _json, BARE: _bare}

_UNPRINTABLE = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")


def rewritten(leaf: PlacedScalar, data: bytes, value: bytes) -> bytes:
    """The text of a scalar that gets another value as a whole: in double quotes."""
    text = value.decode("utf-8", "surrogateescape")
    if leaf.style == JSON:
        return json.dumps(text).encode()
    quoted = _UNPRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(text, ensure_ascii=False))
    return quoted.encode("utf-8", "surrogateescape") + _end(leaf, data)


def rewritten_base64(leaf: PlacedScalar, data: bytes, value: bytes) -> bytes:
    """The text of a scalar of Base64 (`!!binary`, or in JSON) for other bytes, in lines as long as before."""
    old = data[leaf.start : leaf.end]
    if leaf.style == JSON:
        return b'"' + base64.b64encode(value) + b'"'
    if leaf.style != "|":
        quote = old[:1] if old[:1] in (b'"', b"'") else b""
        return quote + base64.b64encode(value) + quote
    header, newline, rest = old.partition(b"\n")
    first = rest.partition(b"\n")[0]
    text = first.strip()
    pad = first[: len(first) - len(first.lstrip())]
    width = max(len(text), 4)
    coded = base64.b64encode(value)
    if coded and len(coded) < width:
        width = len(coded)
    lines = [pad + coded[at : at + width] for at in range(0, len(coded), width)]
    return b"\n".join([header, *lines]) + _end(leaf, data) if newline else old


def _end(leaf: PlacedScalar, data: bytes) -> bytes:
    """The line breaks that belong to a block scalar's text."""
    old = data[leaf.start : leaf.end]
    return old[len(old.rstrip(b" \r\n")) :] if leaf.style in ("|", ">") else b""
