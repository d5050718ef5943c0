"""How go-yaml writes one string: plain, in quotes, as a literal or as `!!binary`; knows nothing of cassettes.

Go-yaml chooses a style in two steps: its encoder wishes for one by what the string would be read as, and
its emitter corrects what can't be written so. Both steps are here, for the two releases that the two
dialects stand for: v4.0.0-rc.3 (charm) and v4.0.0-rc.6 (stock). Lines are never folded.

Where a literal as go-yaml writes it is not read back, by go-yaml or by others, double quotes stand
instead: that is the only departure.
"""

from __future__ import annotations

import base64
import calendar
import enum
import math
import re
from dataclasses import dataclass
from functools import cache, lru_cache


class Dialect(enum.StrEnum):
    """A layout of cassettes that we write.

    `CHARM` is charm.land/x/vcr v0.1.1 (go-yaml v4.0.0-rc.3, indented by 2, compact lists), `STOCK` is
    go-vcr v4.0.7 itself (go-yaml v4.0.0-rc.6, indented by 4).
    """

    CHARM = "charm"
    STOCK = "stock"

    # Enum's own hash is Python code, and the caches here are asked for every scalar.
    __hash__ = str.__hash__

    @property
    def step(self) -> int:
        """The columns of one indentation."""
        return 2 if self is Dialect.CHARM else 4


ESCAPES = dict(zip('0abtnvfre"\\N_LP', '\0\a\b\t\n\v\f\r\x1b"\\\x85\xa0\u2028\u2029', strict=True))
"""What YAML's escapes of one letter stand for, as far as go-yaml writes them."""


class _Style(enum.Enum):
    PLAIN = enum.auto()
    SINGLE = enum.auto()
    DOUBLE = enum.auto()
    LITERAL = enum.auto()


@dataclass(frozen=True, slots=True)
class ScalarPlace:
    """Where a scalar stands: its text's further lines are indented by `pad`.

    `hint_fits` says whether a reader finds them there by the indentation hint, which is always the
    dialect's step: go-yaml writes it also where its own indentation is another (in lists, with step 4).
    """

    dialect: Dialect
    pad: str
    hint_fits: bool


# What go-yaml's emitter takes for printable and for a line break. Neither tab nor emoji is printable.
_BREAK = "\n\r\x85\u2028\u2029"
_PRINTABLE = r"\x20-\x7e\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd"
_CONTROLS = bytes([*range(10), *range(11, 32), 127])
# What isn't printable begins so in UTF-8, and what is a wide line break.
_SUSPECTS = _CONTROLS + b"\xc2\xe2\xef\xf0\xf1\xf2\xf3\xf4"
_MARKS = ("\u2028", "\u2029", "\ufeff", "\ufffe", "\uffff")
_C1 = re.compile(rb"\xc2[\x80-\x9f]")
_BREAK_BEFORE_TEXT = re.compile("([\n\u2028\u2029])(?=[^\n\u2028\u2029])")
_SPACE_AND_BREAK = re.compile("[\u2028\u2029\n] | [\u2028\u2029\n]")
_SPACE_BEFORE_BREAK = re.compile(" [\n\u2028\u2029]")

# Plain is impossible: an indicator or a mark of documents at the start; `: `, ` #` or a line break in it; a
# space at either end.
_NOT_AT_START = re.compile(r"""[#,\[\]{}&*!|>'"%@` ]|---|\.\.\.|[-?:](?:[ \t]|\Z)""")
_NOT_IN_PLAIN = re.compile(r":(?:[ \t]|\Z)| #| \Z|[\u2028\u2029]")

# YAML 1.1's booleans, its numbers to base 60 and its merge key: strings for go-yaml, quoted for others' sake.
_OLD_BOOLEANS = frozenset(
    ["y", "Y", "yes", "Yes", "YES", "on", "On", "ON", "n", "N", "no", "No", "NO", "off", "Off", "OFF"],
)
_BASE_60 = re.compile(r"[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?")
_MERGE = "<<"

_NULLS = ["", "~", "null", "Null", "NULL"]
_BOOLEANS = ["true", "True", "TRUE", "false", "False", "FALSE"]
_FLOATS = [
    ".nan",
    ".NaN",
    ".NAN",
    *(sign + name for sign in ("", "+", "-") for name in (".inf", ".Inf", ".INF")),
]
_NOT_STRINGS = frozenset(_NULLS + _BOOLEANS + _FLOATS)
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_POINT_FLOAT = re.compile(r"\.[0-9]+(?:_[0-9]+)*(?:[eE][-+]?[0-9]+(?:_[0-9]+)*)?")
_PREFIXED = re.compile(r"([-+]?)0(?:[xX]([0-9a-fA-F]+)|[oO]([0-7]+)|[bB]([01]+))")
_TIMESTAMP = re.compile(
    r"""([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})
    (?: (?:[Tt]|(\ +)) ([0-9]{1,2}):([0-9]{1,2}):([0-9]{1,2}) (?:[.,][0-9]+)?
        (?: (Z) | [-+]([0-9]{2}):([0-9]{2}) )? )?""",
    re.VERBOSE,
)
_BINARY_LINE = 70
_SPACE, _DELETE = 0x20, 0x7F
_SIMPLE_KEY_LENGTH = 128  # bytes
_INLINE_CACHE_LENGTH = 128  # characters; longer values are rarely seen twice


def scalar(text: str, place: ScalarPlace) -> str:
    """What stands behind `key: ` or `- `, to the end of the scalar's last line, with its line break."""
    if len(text) <= _INLINE_CACHE_LENGTH and "\n" not in text:
        short = _inline(text, place.dialect)
        if short is not None:
            return short
    return _scalar(text, place)


def _scalar(text: str, place: ScalarPlace) -> str:
    if not text.isascii():
        raw = text.encode("utf-8", "surrogateescape")
        try:
            text = raw.decode()
        except UnicodeDecodeError:
            return binary(raw, place)
    return _written(text, place)


def body(raw: bytes, place: ScalarPlace) -> bytes:
    """What stands behind a body's `key: `, in bytes: text if it is UTF-8, else base64."""
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        return binary(raw, place).encode()
    if _is_usual(raw, text):
        # JSON on one line, and lines that begin with a letter or bracket: most bodies are one or the other.
        if b"\n" not in raw:
            if raw[:1] in (b"{", b"["):
                return b"'%b'\n" % raw.replace(b"'", b"''")
        elif _SPACE < raw[0] < _DELETE and raw[-1] != _SPACE and b" \n" not in raw:
            return _usual_literal(raw, place.pad.encode())
    return _written(text, place).encode()


def _usual_literal(raw: bytes, pad: bytes) -> bytes:
    """Lines that need no hint; see `_literal`."""
    lines = pad + raw.replace(b"\n", b"\n" + pad)
    if b"\n\n" in raw:
        empty = b"\n%b\n" % pad
        lines = lines.replace(empty, b"\n\n")
        if b"\n\n\n" in raw:
            lines = lines.replace(empty, b"\n\n")
    if not raw.endswith(b"\n"):
        return b"|-\n%b\n" % lines
    header = b"|+\n" if raw.endswith(b"\n\n") else b"|\n"
    return header + lines[: -len(pad)]


def binary(raw: bytes, place: ScalarPlace) -> str:
    """Bytes as `!!binary`, on one line if they are few."""
    encoded = base64.b64encode(raw).decode()
    if len(encoded) < _BINARY_LINE:
        return f"!!binary {encoded}\n"
    lines = (encoded[start : start + _BINARY_LINE] for start in range(0, len(encoded), _BINARY_LINE))
    return "!!binary |\n" + "".join(f"{place.pad}{line}\n" for line in lines)


def key(text: str, dialect: Dialect) -> str | None:
    """A key of a mapping without its colon; None where go-yaml writes `? key`: if it has lines or is long."""
    return _key(text, dialect) if len(text) <= _SIMPLE_KEY_LENGTH else None


@lru_cache(maxsize=4096)
def _key(text: str, dialect: Dialect) -> str | None:
    shown = _scalar(text, ScalarPlace(dialect, "", hint_fits=True)).removesuffix("\n")
    if shown.startswith("!!binary "):
        return None if "\n" in shown else shown
    raw = text.encode("utf-8", "surrogateescape")
    if len(raw) > _SIMPLE_KEY_LENGTH or any(mark in raw.decode() for mark in _BREAK):
        return None
    return shown


def is_plain(text: str) -> bool:
    """Whether go-yaml can write the text plain, whatever it would be read as."""
    return not (
        text == ""
        or "\n" in text
        or (not (text.isascii() and text.isprintable()) and _unprintable().search(text))
        or _NOT_AT_START.match(text)
        or _NOT_IN_PLAIN.search(text)
    )


def _written(text: str, place: ScalarPlace) -> str:
    style = _style(text, place)
    if style is _Style.SINGLE:
        return _single(text, place.pad)
    if style is _Style.LITERAL:
        return _literal(text, place)
    if style is _Style.DOUBLE:
        return _double(text)
    return text + "\n"


@lru_cache(maxsize=4096)
def _inline(text: str, dialect: Dialect) -> str | None:
    """A short string on one line, the same at every place; None if it has more lines."""
    shown = _scalar(text, ScalarPlace(dialect, "", hint_fits=True))
    return None if _has_wide_break(shown) or "\n" in shown[:-1] else shown


def _style(text: str, place: ScalarPlace) -> _Style:
    if "\n" in text:
        return _Style.LITERAL if _literal_possible(text, place) else _Style.DOUBLE
    if _is_odd(text):
        return _Style.SINGLE if place.dialect is Dialect.STOCK else _Style.DOUBLE
    if _is_resolved(text):
        return _Style.DOUBLE
    if not _is_usual(text.encode(), text) and (
        _unprintable().search(text) or (_has_wide_break(text) and _SPACE_AND_BREAK.search(text))
    ):
        return _Style.DOUBLE
    return _Style.SINGLE if _NOT_AT_START.match(text) or _NOT_IN_PLAIN.search(text) else _Style.PLAIN


def _literal_possible(text: str, place: ScalarPlace) -> bool:
    """Whether a text with line breaks can be a literal for go-yaml, and one that is read back."""
    if text.isspace() or text.endswith(" ") or " \n" in text:
        return False
    if not _is_usual(text.encode(), text) and (
        _unprintable_but_tab().search(text) or (_has_wide_break(text) and _SPACE_BEFORE_BREAK.search(text))
    ):
        return False
    first = text[0]
    if first == " ":
        return place.hint_fits
    if first not in _BREAK:
        return first != "\t"
    if place.dialect is Dialect.CHARM:
        return place.hint_fits
    # rc.6 writes no hint here: a reader takes the first line's own indentation for the block's.
    return text.lstrip(_BREAK)[0] not in " \t"


def _is_usual(raw: bytes, text: str) -> bool:
    """Whether all characters are printable or LF, and none a wide line break; much faster than by a search.

    `raw` is the same text in UTF-8.
    """
    if len(raw.translate(None, _SUSPECTS)) == len(raw):
        return True
    if raw.isascii() or len(raw.translate(None, _CONTROLS)) != len(raw):
        return False
    is_narrow = len(text.encode("utf-16-le")) == 2 * len(text)
    return is_narrow and not _C1.search(raw) and not any(mark in text for mark in _MARKS)


# Such a set takes 6 ms to compile, and ASCII never needs one.
@cache
def _unprintable() -> re.Pattern[str]:
    return re.compile(rf"[^\n{_PRINTABLE}]")


@cache
def _unprintable_but_tab() -> re.Pattern[str]:
    return re.compile(rf"[^\t\n{_PRINTABLE}]")


def _has_wide_break(text: str) -> bool:
    """Whether there is one of the line breaks that quotes and literals hold as they are, beside LF."""
    return "\u2028" in text or "\u2029" in text


def _is_odd(text: str) -> bool:
    return (
        text in _OLD_BOOLEANS
        or text == _MERGE
        or (":" in text and text[0] in "+-0123456789" and _BASE_60.fullmatch(text) is not None)
    )


def _is_resolved(text: str) -> bool:
    """Whether go-yaml would read the plain text as null, a boolean, a number or a time."""
    if text in _NOT_STRINGS:
        return True
    if text[0] == ".":
        return _POINT_FLOAT.fullmatch(text) is not None and math.isfinite(float(text))
    return text[0] in "+-0123456789" and (_is_number(text.replace("_", "")) or _is_timestamp(text))


def _is_number(digits: str) -> bool:
    if _FLOAT.fullmatch(digits):
        # Decimal integers too: those beyond 64 bits are floats, as long as they are finite.
        return math.isfinite(float(digits))
    prefixed = _PREFIXED.fullmatch(digits)
    if prefixed is None:
        return False
    sign, hexadecimal, octal, binary_ = prefixed.groups()
    value = int(hexadecimal or octal or binary_, 16 if hexadecimal else 8 if octal else 2)
    limits = {"": (1 << 64) - 1, "+": (1 << 63) - 1, "-": 1 << 63}
    return value <= limits[sign]


def _is_timestamp(text: str) -> bool:
    """The four layouts of go-yaml's `parseTimestamp`, with the latitude of Go's `time.Parse`."""
    found = _TIMESTAMP.fullmatch(text)
    if found is None or not _is_date(*map(int, found.group(1, 2, 3))):
        return False
    if found[5] is None:
        return True
    hour, minute, second = map(int, found.group(5, 6, 7))
    after_spaces = found[4] is not None
    has_zone = found[8] is not None or found[9] is not None
    if hour > 23 or minute > 59 or second > 59 or after_spaces == has_zone:
        return False
    return found[9] is None or (int(found[9]) <= 24 and int(found[10]) <= 60)


def _is_date(year: int, month: int, day: int) -> bool:
    # Go's calendar has a leap year 0; Python's begins with 1.
    return 1 <= month <= 12 and 1 <= day <= calendar.monthrange(year or 400, month)[1]


def _single(text: str, pad: str) -> str:
    quoted = text.replace("'", "''")
    if _has_wide_break(quoted):
        quoted = _BREAK_BEFORE_TEXT.sub(rf"\1{pad}", quoted)
    return f"'{quoted}'\n"


def _literal(text: str, place: ScalarPlace) -> str:
    first = text[0]
    hint = first == " " or (first in _BREAK and place.dialect is Dialect.CHARM)
    chomping = "-" if text[-1] not in _BREAK else "+" if text[-2] in _BREAK else ""
    header = f"|{place.dialect.step if hint else ''}{chomping}\n"
    end = "\n" if chomping == "-" else ""
    pad = place.pad
    if _has_wide_break(text):
        start = "" if first in _BREAK else pad
        return header + start + _BREAK_BEFORE_TEXT.sub(rf"\1{pad}", text) + end
    lines = (pad + text).replace("\n", "\n" + pad)
    # Empty lines carry no spaces; no other line is white space only. Twice, for matches that touch.
    empty = f"\n{pad}\n"
    lines = lines.replace(empty, "\n\n").replace(empty, "\n\n")
    if first == "\n":
        lines = lines[len(pad) :]
    if text[-1] == "\n":
        lines = lines[: -len(pad)]
    return header + lines + end


def _double(text: str) -> str:
    if text.startswith("\ufeff"):
        # go-yaml takes a string that starts with a byte order mark for one at each of its characters.
        return '"' + "".join(map(_escape, text)) + '"\n'
    quoted = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
    if not _is_usual(quoted.encode(), quoted):
        quoted = _escaped().sub(lambda found: _escape(found[0]), quoted)
    return f'"{quoted}"\n'


@cache
def _escaped() -> re.Pattern[str]:
    """What stands as an escape in double quotes."""
    return re.compile(r"[^\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd]")


_NAMED = {character: name for name, character in ESCAPES.items()}


def _escape(character: str) -> str:
    name = _NAMED.get(character)
    if name is not None:
        return "\\" + name
    code = ord(character)
    if code <= 0xFF:
        return f"\\x{code:02X}"
    return f"\\u{code:04X}" if code <= 0xFFFF else f"\\U{code:08X}"
