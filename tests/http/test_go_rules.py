"""HTTP as Go's net/http sees it."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable

import brotli
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from mitmvcr.http import go_rules


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


# textproto.CanonicalMIMEHeaderKey of Go 1.23, by its own test table and documentation.
@pytest.mark.parametrize(
    ("name", "canonical"),
    [
        ("a-b-c", "A-B-C"),
        ("a-1-c", "A-1-C"),
        ("User-AGENT", "User-Agent"),
        ("uSER-agENT", "User-Agent"),
        ("x-should-retry", "X-Should-Retry"),
        ("openai-beta", "Openai-Beta"),
        ("ETAG", "Etag"),
        ("www-authenticate", "Www-Authenticate"),
        ("foo-", "Foo-"),
        ("--x", "--X"),
        ("x_underscore-y", "X_underscore-Y"),
        ("user agent", "user agent"),
        ("über-name", "über-name"),
        ("a:b", "a:b"),
        ("", ""),
    ],
)
def test_header_names_are_spelled_as_go_spells_them(name: str, canonical: str) -> None:
    assert go_rules.canonical_header(name) == canonical


@given(st.text(alphabet="abcXYZ019-_!~", min_size=1))
def test_a_canonical_name_stays_as_it_is_and_case_makes_no_difference(name: str) -> None:
    canonical = go_rules.canonical_header(name)
    assert go_rules.canonical_header(canonical) == canonical
    assert go_rules.canonical_header(name.upper()) == canonical
    assert canonical.lower() == name.lower()


def test_more_names_than_are_remembered_are_still_spelled_right() -> None:
    names = [f"x-made-up-{number}" for number in range(3000)]
    assert [go_rules.canonical_header(name) for name in names] == [f"X-Made-Up-{n}" for n in range(3000)]


@pytest.mark.parametrize(
    ("code", "text"),
    [(200, "OK"), (413, "Request Entity Too Large"), (414, "Request URI Too Long"), (418, "I'm a teapot"),
     (422, "Unprocessable Entity"), (429, "Too Many Requests"), (299, ""), (520, "")],
)  # fmt: skip
def test_status_texts_are_those_of_go(code: int, text: str) -> None:
    assert go_rules.status_text(code) == text


@pytest.mark.parametrize(
    ("method", "code", "without"),
    [("HEAD", 200, True), ("GET", 204, True), ("GET", 304, True), ("POST", 101, True), ("POST", 100, True),
     ("GET", 200, False), ("DELETE", 205, False), ("POST", 500, False)],
)  # fmt: skip
def test_answers_that_have_no_body(method: str, code: int, without: bool) -> None:
    assert go_rules.bodiless(method, code) is without


@pytest.mark.parametrize("coding", ENCODERS)
@given(body=st.binary(min_size=1))
def test_a_coded_body_comes_back(coding: str, body: bytes) -> None:
    coded = ENCODERS[coding](body)
    assert go_rules.decode_body(coded, coding) == body
    assert go_rules.decode_body(coded, f" {coding.upper()} ") == body


@given(st.binary())
def test_deflate_is_read_without_a_zlib_frame_too(body: bytes) -> None:
    assert go_rules.decode_body(raw_deflate(body), "deflate") == body


@given(st.lists(st.sampled_from(sorted(ENCODERS)), max_size=4), st.binary())
def test_stacked_codings_come_off_in_reverse_order(codings: list[str], body: bytes) -> None:
    coded = body
    for coding in codings:
        coded = ENCODERS[coding](coded)
    assert go_rules.decode_body(coded, ", ".join(["identity", *codings])) == body


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
@given(st.lists(st.binary(max_size=40), min_size=1, max_size=4))
def test_several_members_are_one_body(coding: str, members: list[bytes]) -> None:
    coded = b"".join(map(ENCODERS[coding], members))
    assert go_rules.decode_body(coded, coding) == b"".join(members)


@pytest.mark.parametrize("coding", [*ENCODERS, "compress", "made-up"])
def test_what_is_not_in_its_coding_is_none(coding: str) -> None:
    assert go_rules.decode_body(b'{"plain": "JSON"}', coding) is None


@pytest.mark.parametrize("coding", ENCODERS)
def test_every_cut_of_a_coded_body_is_none_and_never_half_a_body(coding: str) -> None:
    coded = ENCODERS[coding](bytes(range(256)) * 3)
    for cut in range(1, len(coded)):
        assert go_rules.decode_body(coded[:cut], coding) is None, cut


@pytest.mark.parametrize("coding", [*ENCODERS, ""])
def test_an_empty_body_is_empty_in_every_coding(coding: str) -> None:
    assert go_rules.decode_body(b"", coding) == b""


@pytest.mark.parametrize("coding", ["gzip", "x-gzip", "deflate", "br", "zstd"])
def test_of_a_cut_body_everything_that_was_flushed_is_read(coding: str) -> None:
    flushed = flushing(coding, [b"first event\n\n", b"second event\n\n"])
    assert go_rules.decode_partial(flushed, coding) == b"first event\n\nsecond event\n\n"
    cut = go_rules.decode_partial(flushed[:-3], coding)
    assert cut is not None
    assert cut.startswith(b"first event\n\n")


def test_of_a_cut_body_in_stacked_codings_everything_that_was_flushed_is_read() -> None:
    inner = flushing("gzip", [b"first event\n\n", b"second event\n\n"])
    outer = flushing("br", [inner])
    assert go_rules.decode_partial(outer, "gzip, br") == b"first event\n\nsecond event\n\n"
    assert go_rules.decode_partial(inner, "identity, gzip") == b"first event\n\nsecond event\n\n"


def test_of_a_cut_body_all_members_are_read() -> None:
    assert (
        go_rules.decode_partial(gzip.compress(b"one ", mtime=0) + flushing("gzip", [b"two"]), "gzip")
        == b"one two"
    )


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


FORM = "application/x-www-form-urlencoded"


# net/http's Request.ParseForm and net/url's parseQuery, Go 1.23.
@pytest.mark.parametrize(
    ("url", "form"),
    [
        ("https://h/p", {}),
        ("https://h/p?", {}),
        ("https://h/p?limit=2&order=asc", {"limit": ["2"], "order": ["asc"]}),
        ("https://h/p?a=1&b=x&a=2", {"a": ["1", "2"], "b": ["x"]}),
        ("https://h/p?a=1&b=x&a=2#f?c=3", {"a": ["1", "2"], "b": ["x"]}),
        ("https://h/p?a&b=&=c", {"a": [""], "b": [""], "": ["c"]}),
        ("https://h/p?a=1;b=2&c=3", {"c": ["3"]}),
        ("https://h/p?a=%zz&b=%4&c=3&%=1", {"c": ["3"]}),
        ("https://h/p?&&a=1&&", {"a": ["1"]}),
        ("https://h/p?a=x+y%20z%2B&b=1=2", {"a": ["x y z+"], "b": ["1=2"]}),
        ("https://h/p?a%5B%5D=%C3%BC", {"a[]": ["ü"]}),
        ("https://h/p?a=%FF", {"a": ["\udcff"]}),
        ("https://h/p?a=b?c", {"a": ["b?c"]}),
    ],
)
def test_the_form_has_the_query_as_go_parses_it(url: str, form: dict[str, list[str]]) -> None:
    assert go_rules.form_values("GET", url, "", b"") == form


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
def test_the_form_has_the_values_of_an_urlencoded_body_before_those_of_the_query(method: str) -> None:
    form = go_rules.form_values(
        method, "https://h/p?a=query", f"{FORM.upper()}; charset=utf-8", b"a=body&b=2"
    )
    assert form == {"a": ["body", "query"], "b": ["2"]}


@pytest.mark.parametrize(
    ("method", "content_type"), [("GET", FORM), ("DELETE", FORM), ("POST", "application/json"), ("POST", "")]
)
def test_no_other_body_is_a_form(method: str, content_type: str) -> None:
    assert go_rules.form_values(method, "https://h/p", content_type, b"a=1") == {}


def test_the_first_value_of_a_header() -> None:
    assert go_rules.first_value({"A": ["1", "2"], "B": []}, "A") == "1"
    assert go_rules.first_value({"A": ["1", "2"], "B": []}, "B") == ""
    assert go_rules.first_value({}, "A") == ""
