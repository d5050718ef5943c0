"""Content codings, undone and done again: round trips, cuts, bombs, and what recorders leave of a header."""

from __future__ import annotations

import gzip
import random
import tracemalloc
import zlib
from collections.abc import Callable

import brotli
import pytest
import zstandard
from hypothesis import example, given
from hypothesis import strategies as st

from mitmvcr.errors import TooLargeError
from mitmvcr.http import content_coding
from mitmvcr.http.content_coding import actual_coding, coding_of, decode_body, encode_body


def raw_deflate(data: bytes) -> bytes:
    squeeze = zlib.compressobj(wbits=-15)
    return squeeze.compress(data) + squeeze.flush()


ENCODERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": brotli.compress,
    "zstd": zstandard.ZstdCompressor().compress,
}


@pytest.mark.parametrize("coding", ENCODERS)
@given(body=st.binary(min_size=1))
def test_a_coded_body_comes_back(coding: str, body: bytes) -> None:
    coded = ENCODERS[coding](body)
    assert decode_body(coded, coding) == body
    assert decode_body(coded, f" {coding.upper()} ") == body


@given(st.binary())
def test_deflate_is_read_without_a_zlib_frame_too(body: bytes) -> None:
    assert decode_body(raw_deflate(body), "deflate") == body


@given(st.lists(st.sampled_from(sorted(ENCODERS)), max_size=4), st.binary())
def test_stacked_codings_come_off_in_reverse_order(codings: list[str], body: bytes) -> None:
    coded = body
    for coding in codings:
        coded = ENCODERS[coding](coded)
    assert decode_body(coded, ", ".join(["identity", *codings])) == body


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
@given(st.lists(st.binary(max_size=40), min_size=1, max_size=4))
def test_several_members_are_one_body(coding: str, members: list[bytes]) -> None:
    coded = b"".join(map(ENCODERS[coding], members))
    assert decode_body(coded, coding) == b"".join(members)


@pytest.mark.parametrize("coding", [*ENCODERS, "compress", "made-up"])
def test_what_is_not_in_its_coding_is_none(coding: str) -> None:
    assert decode_body(b'{"plain": "JSON"}', coding) is None


@pytest.mark.parametrize("coding", ENCODERS)
def test_every_cut_of_a_coded_body_is_none_and_never_half_a_body(coding: str) -> None:
    coded = ENCODERS[coding](bytes(range(256)) * 3)
    for cut in range(1, len(coded)):
        assert decode_body(coded[:cut], coding) is None, cut


@pytest.mark.parametrize("coding", [*ENCODERS, ""])
def test_an_empty_body_is_empty_in_every_coding(coding: str) -> None:
    assert decode_body(b"", coding) == b""


@pytest.mark.parametrize("coding", ["gzip", "x-gzip", "deflate", "br", "zstd"])
def test_of_a_cut_body_everything_that_was_flushed_is_read(coding: str) -> None:
    flushed = flushing(coding, [b"first event\n\n", b"second event\n\n"])
    assert partly(flushed, coding) == b"first event\n\nsecond event\n\n"
    cut = partly(flushed[:-3], coding)
    assert cut is not None
    assert cut.startswith(b"first event\n\n")


def test_of_a_cut_body_in_stacked_codings_everything_that_was_flushed_is_read() -> None:
    inner = flushing("gzip", [b"first event\n\n", b"second event\n\n"])
    outer = flushing("br", [inner])
    assert partly(outer, "gzip, br") == b"first event\n\nsecond event\n\n"
    assert partly(inner, "identity, gzip") == b"first event\n\nsecond event\n\n"


def test_of_a_cut_body_all_members_are_read() -> None:
    assert partly(gzip.compress(b"one ", mtime=0) + flushing("gzip", [b"two"]), "gzip") == b"one two"


def flushing(coding: str, parts: list[bytes]) -> bytes:
    """What a server has sent of a compressed stream after flushing each part; its end is missing."""
    if coding == "br":
        brotlied = brotli.Compressor()
        return b"".join(brotlied.process(part) + brotlied.flush() for part in parts)
    if coding == "zstd":
        squeezed = zstandard.ZstdCompressor().compressobj()
        return b"".join(
            squeezed.compress(part) + squeezed.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK) for part in parts
        )
    squeeze = zlib.compressobj(wbits=15 if coding == "deflate" else 31)
    return b"".join(squeeze.compress(part) + squeeze.flush(zlib.Z_SYNC_FLUSH) for part in parts)


def partly(body: bytes, coding: str) -> bytes | None:
    return decode_body(body, coding, cut=True)


KINDS = ["gzip", "x-gzip", "deflate", "br", "zstd"]


@given(st.binary(max_size=2000), st.lists(st.sampled_from([*KINDS, "identity"]), max_size=3))
def test_a_body_that_is_coded_comes_back_and_is_always_coded_alike(body: bytes, codings: list[str]) -> None:
    stated = ", ".join(codings)
    coded = encode_body(body, stated)
    assert decode_body(coded, stated) == body
    assert encode_body(body, stated) == coded


LIMIT = 1 << 20


@pytest.mark.parametrize("coding", KINDS)
@pytest.mark.parametrize("limited", [True, False])
def test_a_bomb_is_refused_within_some_times_the_limit(
    coding: str, *, limited: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    has_limits = content_coding._BROTLI_HAS_LIMITS
    monkeypatch.setattr(content_coding, "_BROTLI_HAS_LIMITS", limited and has_limits)
    # A byte may end 16 MB of brotli (RFC 7932, 9.2), of which libraries before 1.2 hold three copies.
    times = 64 if coding == "br" and not has_limits else 8 if limited else 17
    bomb = encode_body(bytes(16 * LIMIT), coding)
    assert len(bomb) < LIMIT
    tracemalloc.start()
    try:
        with pytest.raises(TooLargeError):
            decode_body(bomb, coding, LIMIT)
        assert tracemalloc.get_traced_memory()[1] < times * LIMIT
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("coding", KINDS)
def test_a_body_as_large_as_the_limit_is_read_and_one_byte_more_is_not(coding: str) -> None:
    coded = encode_body(bytes(LIMIT), coding)
    assert decode_body(coded, coding, LIMIT) == bytes(LIMIT)
    with pytest.raises(TooLargeError):
        decode_body(coded, coding, LIMIT - 1)


def test_a_large_body_takes_few_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = 0
    new = zstandard.ZstdDecompressor

    class Counting:
        def decompressobj(self) -> Counting:
            self._stream = new().decompressobj()
            return self

        def decompress(self, data: bytes) -> bytes:
            nonlocal calls
            calls += 1
            return self._stream.decompress(data)

        eof = property(lambda self: self._stream.eof)
        unused_data = property(lambda self: self._stream.unused_data)

    monkeypatch.setattr(zstandard, "ZstdDecompressor", Counting)
    body = random.Random(1).randbytes(1 << 20)
    coded = encode_body(body, "zstd")
    assert decode_body(coded, "zstd", 32 << 20) == body
    assert calls <= len(coded) // 1000 + 1


@example(b"", "br")
@example(bytes(100_000), "br")
@example(b"K", "deflate")
@given(st.binary(max_size=300), st.sampled_from(KINDS))
def test_what_is_in_the_coding_that_its_header_says_is_seen_to_be(body: bytes, coding: str) -> None:
    coded = encode_body(b"\xff" + body, coding)
    assert actual_coding(coded, coding) == coding


@given(
    st.text(st.characters(codec="utf-8", exclude_characters="\0;\6")),
    st.sampled_from([*KINDS, "compress", "gzip, br", "identity", ""]),
)
def test_text_is_in_no_coding_whatever_a_header_says(text: str, stated: str) -> None:
    assert actual_coding(text.encode(), stated) == ""


@pytest.mark.parametrize("stated", ["", "identity", " Identity ", "gzip", "X-GZIP", "br, gzip"])
def test_gzip_is_known_by_its_magic_number_whatever_the_header(stated: str) -> None:
    assert "gzip" in actual_coding(gzip.compress(b"x", mtime=0), stated).lower()


@pytest.mark.parametrize(
    ("body", "coding"),
    [(b"\x1f\x8b\x08", "gzip"), (b"\x1f\x8b\x00", ""), (b"\x28\xb5\x2f\xfd", "zstd"), (b"", "")],
)
def test_codings_that_have_a_magic_number_are_told_by_it(body: bytes, coding: str) -> None:
    assert coding_of(body) == coding


@pytest.mark.parametrize("behind", [bytes(3), bytes(9000), b"\0\x1f", b"garbage", b"\x1f\0", b"\x1fx" * 5000])
def test_what_stands_behind_a_gzip_end_is_read_past_as_clients_do(behind: bytes) -> None:
    body = b'{"n": 1}' * 100
    assert decode_body(gzip.compress(body) + behind, "gzip") == body
    assert decode_body(gzip.compress(body) * 2 + behind, "gzip") == 2 * body


def test_gzip_that_ends_early_is_still_damaged() -> None:
    whole = gzip.compress(b'{"n": 1}' * 100)
    assert decode_body(whole[:-3], "gzip") is None
    assert decode_body(whole + whole[:20], "gzip") is None
