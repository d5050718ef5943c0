"""Go's duration strings, exactly as `time.Duration.String` writes and `time.ParseDuration` reads them.

Nanoseconds are plain `int` here, within int64. Never rounds in another way than Go does.
"""

from __future__ import annotations

import re

_UNITS = {
    "ns": 1,
    "us": 1_000,
    "\u00b5s": 1_000,  # micro sign
    "\u03bcs": 1_000,  # Greek letter mu
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
}
_SECOND = _UNITS["s"]
_LIMIT = 1 << 63
_TERM = re.compile(r"(?P<whole>[0-9]*)(?:\.(?P<fraction>[0-9]*))?(?P<unit>[^0-9.]*)")
# Behind so many zeros Go's float64 scale is infinite, and a fraction counts as nothing.
_FRACTION_DIGITS = 400
_EXACT_DIGITS = 18  # fit int64, and their power of ten float64


def format_duration(ns: int) -> str:
    """Nanoseconds as `time.Duration.String` writes them: `1.5µs` (U+00B5), `1m30s`, `-1.5s`, `0s`."""
    if ns == 0:
        return "0s"
    sign, rest = ("-", -ns) if ns < 0 else ("", ns)
    if rest < _SECOND:
        name = "ns" if rest < 1_000 else "\u00b5s" if rest < 1_000_000 else "ms"
        return f"{sign}{_decimal(rest, _UNITS[name])}{name}"
    minutes, rest = divmod(rest, _UNITS["m"])
    seconds = f"{_decimal(rest, _SECOND)}s"
    if not minutes:
        return sign + seconds
    hours, minutes = divmod(minutes, 60)
    return f"{sign}{hours}h{minutes}m{seconds}" if hours else f"{sign}{minutes}m{seconds}"


def _decimal(amount: int, unit: int) -> str:
    """`amount / unit` in full, without trailing zeros; `unit` is a power of ten."""
    whole, rest = divmod(amount, unit)
    if not rest:
        return str(whole)
    digits = str(rest).rjust(len(str(unit)) - 1, "0")
    return f"{whole}.{digits.rstrip('0')}"


def parse_duration(text: str) -> int:
    """The nanoseconds of whatever `time.ParseDuration` accepts; everything else is a `ValueError`."""
    rest = text[1:] if text[:1] in {"-", "+"} else text
    if rest == "0":
        return 0
    if not rest:
        raise ValueError(f"invalid duration {_quoted(text)}: it has no digits")
    total = 0
    position = 0
    while position < len(rest):
        term = _TERM.match(rest, position)
        if term is None or not (term["whole"] or term["fraction"]):
            raise ValueError(f"invalid duration {_quoted(text)}: a number is missing")
        # Go adds in uint64: twice 2^63 wraps to 0, and is accepted.
        total = (total + _term(text, term)) % (1 << 64)
        if total > _LIMIT:
            raise _overflow(text)
        position = term.end()
    if text[0] == "-":
        return -total
    if total == _LIMIT:
        raise _overflow(text)
    return total


def _term(text: str, term: re.Match[str]) -> int:
    """The nanoseconds of one number with its unit, as large as 2^63."""
    if not term["unit"]:
        raise ValueError(f"invalid duration {_quoted(text)}: a unit is missing (as in 1.5s, 20ms, 1m30s)")
    unit = _UNITS.get(term["unit"])
    if unit is None:
        raise ValueError(
            f"invalid duration {_quoted(text)}: unknown unit {_quoted(term['unit'])} "
            "(there are h, m, s, ms, us, \u00b5s, ns)",
        )
    digits = term["whole"].lstrip("0")
    if len(digits) > 19:
        raise _overflow(text)
    whole = int(digits or "0")
    if whole > _LIMIT // unit:
        raise _overflow(text)
    numerator, scale = _fraction(term["fraction"] or "")
    result = whole * unit + int(float(numerator) * (float(unit) / scale))
    if result > _LIMIT:
        raise _overflow(text)
    return result


def _fraction(digits: str) -> tuple[int, float]:
    """The digits behind the point as numerator and scale; what int64 can't hold is dropped, as in Go."""
    if len(digits) <= _EXACT_DIGITS:
        return int(digits or "0"), float(10 ** len(digits))
    numerator = 0
    scale = 1.0
    for digit in digits[:_FRACTION_DIGITS]:
        longer = numerator * 10 + int(digit)
        if numerator > (_LIMIT - 1) // 10 or longer > _LIMIT:
            break
        numerator = longer
        scale *= 10
    return numerator, scale


def _overflow(text: str) -> ValueError:
    return ValueError(f"invalid duration {_quoted(text)}: it does not fit 64 bits of nanoseconds (292 years)")


def _quoted(text: str) -> str:
    shown = text if len(text) <= 60 else f"{text[:57]}..."
    return '"' + shown.encode("unicode_escape").decode().replace('"', '\\"') + '"'
