"""Interactions of the strings that YAML writers and readers stumble over, for Hypothesis."""

from __future__ import annotations

import unicodedata

from hypothesis import strategies as st

from mitmvcr.model import Interaction, Request, Response

_PIECES = [
    *"-?:,[]{}#&*!|>'\"%@`=~<.+_/\\ \t\n\r019aAxXoObBeEyYnNtTzZ",
    *["\x00", "\x1b", "\x7f", "\x80", "\x85", "\xa0", "\u2028", "\u2029", "\ufeff", "\ufffe", "\uffff"],
    *["\ud7ff", "\ue000", "é", "漢", "😀", "\u0663", "\xb2", "\u0300"],
    *["  ", "    ", "\n\n", "\n ", "\n\t", " \n", "\r\n", "---", "...", ": ", " #", "- ", "? ", "<<"],
    *["yes", "no", "on", "Off", "true", "null", ".inf", ".nan", "0x1f", "0b11", "0o7", "1e3", "1_0", ".5"],
    *["12:30:45", "2026-1-1", "2026-02-29", "T1:2:3", "Z", " 1:2:3", "+02:00", "word", 'data: {"a": 1}'],
]
_WHOLE = [
    *["", "y", "NO", "<<", "~", "nULL", ".5e3_1", ".57_1", "._5", "0x_1", "1e400", "9" * 400, "07" * 20],
    *[
        "0x8000000000000000",
        "-0x8000000000000001",
        "0xffffffffffffffff",
        "+0xffffffffffffffff",
        "-",
        "?",
        ":",
    ],
    *["2026-1-1T1:2:3,5Z", "2026-1-1t1:2:3+25:00", "2026-1-1   1:2:3", "0000-2-29", "1900-2-29", "1:60"],
    *["\n", " \n", "\u2028\n", "\n\u2028", "\u2028a\nb", "a\u2028", "\ta\nb", "\n a", " a\nb", "\ufeffa b\n"],
    *["x" * 128, "x" * 129, "é" * 65, "a\nb" * 50],
]

unicode_texts = st.one_of(
    st.sampled_from(_WHOLE),
    st.lists(st.sampled_from(_PIECES), max_size=10).map("".join),
    st.text(st.characters(codec="utf-8")),
)
bodies = st.one_of(unicode_texts.map(str.encode), st.binary(max_size=160))
texts = bodies.map(lambda raw: raw.decode("utf-8", "surrogateescape"))
"""Any text of the model: bytes that aren't UTF-8 as PEP 383 has them."""

_integers = st.integers(-(2**63), 2**63 - 1)
_lists = st.lists(texts, max_size=2).map(tuple)


def _has_one_order(name: str) -> bool:
    """Whether every go-yaml sorts such a key alike, on every Unicode.

    Digits beyond 64 bits, or other than ASCII's, have no total order there: what it writes is random. And
    what is a letter is a matter of Unicode's version, of which Go and each Python have one.
    """
    odd = any(
        not char.isascii() and (char.isdecimal() or char > "\U0001ffff" or unicodedata.category(char) == "Cn")
        for char in name
    )
    return not odd and sum(map(str.isdecimal, name)) < 18


_keys = texts.filter(_has_one_order)
# Bytes that aren't UTF-8 are all alike to go-yaml's order.
_values = st.dictionaries(_keys, _lists, max_size=3).filter(
    lambda values: len({name.encode("utf-8", "replace") for name in values}) == len(values),
)

requests = st.builds(
    Request,
    method=texts,
    url=texts,
    proto=texts,
    proto_major=_integers,
    content_length=_integers,
    transfer_encoding=_lists,
    trailer=_values,
    host=texts,
    remote_addr=texts,
    request_uri=texts,
    body=bodies,
    form=_values,
    headers=_values,
)
responses = st.builds(
    Response,
    code=st.integers(0, 999),
    status=texts,
    proto=texts,
    transfer_encoding=_lists,
    trailer=_values,
    content_length=_integers,
    uncompressed=st.booleans(),
    body=bodies,
    headers=_values,
    duration=_integers,
)
interactions = st.builds(Interaction, request=requests, response=responses)
