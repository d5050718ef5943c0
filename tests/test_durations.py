from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mitmvcr.durations import format_duration, parse_duration

LARGEST = 2**63 - 1
SMALLEST = -(2**63)
HOUR = 3_600_000_000_000

WRITTEN = {
    "0s": 0,
    "1ns": 1,
    "-1ns": -1,
    "999ns": 999,
    "1\u00b5s": 1_000,
    "1.5\u00b5s": 1_500,
    "1ms": 1_000_000,
    "852.636542ms": 852_636_542,
    "1s": 1_000_000_000,
    "1.5s": 1_500_000_000,
    "-1.5s": -1_500_000_000,
    "1m0s": 60_000_000_000,
    "1m30s": 90_000_000_000,
    "1h0m0s": HOUR,
    "1h2m3.000000004s": HOUR + 123_000_000_004,
    "24h0m0s": 24 * HOUR,
    "2562047h47m16.854775807s": LARGEST,
    "-2562047h47m16.854775808s": SMALLEST,
}

READ = {
    "0": 0,
    "-0": 0,
    "+0": 0,
    "+5s": 5_000_000_000,
    ".5s": 500_000_000,
    "5.s": 5_000_000_000,
    "1h2m3.5s": HOUR + 123_500_000_000,
    "3s1h": HOUR + 3_000_000_000,
    "12us": 12_000,
    "12\u00b5s": 12_000,
    "12\u03bcs": 12_000,
    "0.9999999999s": 999_999_999,
    "0.3333333333333333333h": 1_200_000_000_000,
    "0.830103483285477580700h": 2_988_372_539_827,
    "0.9007199254740993h": 3_242_591_731_706,
    "0.100000000000000000000h": 360_000_000_000,
    "1.9ns": 1,
    "0." + "0" * 500 + "1h": 0,
    "-9223372036854775808ns": SMALLEST,
    "9223372036854775807ns": LARGEST,
    "9223372036854775.807us": LARGEST,
    "-9223372036854775.808us": SMALLEST,
    "0" * 5_000 + "1s": 1_000_000_000,
    "-9223372036854775808ns9223372036854775808ns": 0,  # Go's uint64 wraps
}

REFUSED = [
    *[
        "",
        "-",
        "+",
        "s",
        ".",
        ".s",
        "-.",
        "3",
        "1500",
        "1.5",
        "-3",
        "1 s",
        " 1s",
        "1s ",
        "--1s",
        "1.2.3s",
        "1S",
    ],
    *["1d", "1ms2", "1,5s", "0x1s", "\u0661s", "1e3s", "1h 2m", "NaNs", "\ud800", '"'],
    *["9223372036854775808ns", "9223372036854775.808us", "-9223372036854775809ns", "3000000h"],
    *["9" * 5_000 + "ns", "2562047h47m16.854775808s"],
]


@pytest.mark.parametrize(("text", "ns"), WRITTEN.items())
def test_durations_are_written_as_go_does(text: str, ns: int) -> None:
    assert format_duration(ns) == text


@pytest.mark.parametrize(("text", "ns"), [*WRITTEN.items(), *READ.items()], ids=ascii)
def test_durations_are_read_as_go_does(text: str, ns: int) -> None:
    assert parse_duration(text) == ns


@pytest.mark.parametrize("text", REFUSED, ids=lambda text: ascii(text[:20]))
def test_what_go_refuses_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match="invalid duration"):
        parse_duration(text)


def test_a_refusal_is_one_short_printable_line() -> None:
    with pytest.raises(ValueError, match="unit is missing") as refusal:
        parse_duration("1" * 1_000)
    assert len(str(refusal.value)) < 200
    with pytest.raises(ValueError, match="unknown unit") as refusal:
        parse_duration("1\n\ud800")
    assert str(refusal.value).isprintable()


@given(st.integers(SMALLEST, LARGEST))
def test_every_duration_survives_write_and_read(ns: int) -> None:
    assert parse_duration(format_duration(ns)) == ns
