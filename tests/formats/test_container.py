"""What a cassette is wrapped in is undone within bounds, and done again: the text stays the text."""

from __future__ import annotations

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mitmvcr.errors import FormatError
from mitmvcr.formats.container import head, rewrapped, title, unwrapped

CODES = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be")
TEXT = '{"interactions": [{"request": {"uri": "http://ä/😀"}}]}'


def test_gzip_is_undone_and_all_else_left_alone() -> None:
    assert unwrapped(b"abc") == b"abc"
    assert unwrapped(gzip.compress(b"abc", mtime=0)) == b"abc"
    assert unwrapped(gzip.compress(b"abc", mtime=0) + gzip.compress(b"def", mtime=0) + b"\0\0") == b"abcdef"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (gzip.compress(b"x" * 1001, mtime=0), "more than 1,000 bytes"),
        (gzip.compress(b"x" * 100, mtime=0) * 11, "more than 1,000 bytes"),
        (gzip.compress(b"abc", mtime=0)[:-4], "cut short"),
        (gzip.compress(b"abc", mtime=0)[:-8] + b"\0" * 8, "damaged gzip"),
        (b"\x1f\x8bxxxxxxxxxxxxxxxx", "damaged gzip"),
    ],
)
def test_gzip_out_of_bounds_or_damaged_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(FormatError, match=reason):
        unwrapped(data, 1000)


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("code", CODES)
def test_text_in_every_code_is_read_and_written_back_as_it_was(code: str, compressed: bool) -> None:
    data = TEXT.encode(code)
    data = gzip.compress(data, mtime=0) if compressed else data
    text = unwrapped(data)
    assert text.decode("utf-8-sig") == TEXT
    assert rewrapped(text, data) == data
    assert head(data, 1 << 16) == text
    assert head(data, 30).decode("utf-8-sig").rstrip("\ufffd") in TEXT
    assert bool(title(data)) == (compressed or code[4:6] in ("16", "32"))


@given(st.text(st.characters(exclude_categories=["Cs"])), st.sampled_from(CODES), st.booleans())
def test_any_text_comes_back(text: str, code: str, compressed: bool) -> None:
    data = ("---\n" + text).encode(code)
    data = gzip.compress(data, mtime=0) if compressed else data
    read = unwrapped(data)
    assert read.decode("utf-8-sig") == "---\n" + text
    assert rewrapped(read, data) == data


@given(st.binary(max_size=64))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        read = unwrapped(data)
    except FormatError:
        return
    assert rewrapped(read, data) == data or data.startswith(b"\x1f\x8b")


@pytest.mark.parametrize("data", [b"\xff\xfe{\0\x00\xd8", "{}".encode("utf-16") + b"\0"])
def test_utf_16_that_is_none_is_refused(data: bytes) -> None:
    with pytest.raises(FormatError, match="UTF-16 text that is damaged"):
        unwrapped(data)
