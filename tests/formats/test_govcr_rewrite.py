"""Writing a cassette back: what isn't changed keeps its bytes, and what is added fits in."""

from __future__ import annotations

import itertools
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mitmvcr.errors import FormatError
from mitmvcr.formats.govcr import (
    HEAD,
    Dialect,
    appendable,
    dump,
    emit_document,
    emit_interaction,
    entry,
    load,
)
from mitmvcr.model import Cassette, Interaction, Request, Response
from tests.formats import golden, nasty, seeds

SEEDS = ["multi_tool_streaming", "openai-gpt-4o-mini", "tool_streaming"]
NEW = Interaction(Request("GET", "https://a.test/new"), Response(204, "204 No Content"))


def exchange(number: int) -> Interaction:
    body = f'data: {{"n": {number}, "é": "漢😀"}}\n\n'.encode()
    return Interaction(
        Request("POST", f"https://a.test/{number}", body=b"\xff\0"), Response(200, body=body), number
    )


def emitted(dialect: Dialect = Dialect.CHARM, count: int = 3) -> bytes:
    return emit_document(Cassette([exchange(number) for number in range(count)]), dialect)


BY_HAND = b"""\
# Recorded in May.
interactions:   # three of them
  # the first

  -
    id: 0
    response: {code: 200, duration: 1s, headers: {A: [b]}}
    request:
          url: 'https://a.test/\xc3\xa9'    # \xe2\x98\x83 odd
          method: GET

  - {id: 1, request: {url: u, method: GET}, response: {code: 404,
      duration: 2s}}   # in braces
  # the third
  -   request:
        method: PUT
        url: v
        body: |
              text

      response:
        duration: 3s
        body: "a\\
          b"
      id: 0x2
"""

VARIANTS = {
    "charm": emitted(),
    "stock": emitted(Dialect.STOCK),
    "by hand": BY_HAND,
    "by hand, then more keys": BY_HAND + b"# end\nversion: 2\nx: [1, 2]\n",
    "windows": emitted().replace(b"\n", b"\r\n"),
    "old mac": BY_HAND.replace(b"\n", b"\r"),
    "byte order mark": b"\xef\xbb\xbf" + emitted().removeprefix(b"---\n"),
    "byte order mark and marker": b"\xef\xbb\xbf" + emitted(),
    "end marked": emitted() + b"...\n# done\n",
    "no last line break": emitted()[:-1],
    "blank end": emitted() + b"\n  \n\n",
    "half indented": emitted(Dialect.STOCK) + b"    ",
    "moved": re.sub(rb"(?m)^(?=.)", b"   ", emitted().removeprefix(b"---\n")),
    "wide breaks": emitted().replace(b"https://a.test/0", "'https://a.test/\u2028\u2028 \x85x'".encode()),
    "brackets": b"version: 2\ninteractions: [{id: 0, request: {url: u}, response: {duration: 1s}},\n"
    b" {id: 1, request: {url: v}, response: {duration: 1s}}, {request: {url: w}}]  # all\nx: y\n",
    "json": b'{"version": 2, "interactions": [{"id": 0, "request": {"url": "u"}, "response": {"code": 1}}, '
    b'{"id": 1, "request": {"url": "v"}}, {"id": 2}]}',
}

every_variant = pytest.mark.parametrize("data", VARIANTS.values(), ids=VARIANTS)
line_by_line = pytest.mark.parametrize(
    "data", [data for name, data in VARIANTS.items() if name not in ("brackets", "json")]
)


def texts(data: bytes) -> list[bytes]:
    source = load(data).source
    assert source is not None
    return [source.data[start:end] for start, end in source.spans]


def unnumbered(text: bytes) -> bytes:
    return re.sub(rb"\bid: (?:0x)?[0-9]+", b"id:", text).rstrip()


@golden.needs_golden
def test_every_golden_cassette_is_written_back_to_the_byte() -> None:
    paths = sorted(golden.ROOT.rglob("*.yaml"))
    kept = 0
    for path in paths:
        data = path.read_bytes()
        try:
            cassette = load(data)
        except FormatError:
            continue
        assert dump(cassette) == data
        kept += 1
    assert kept > len(paths) * 3 // 4


@pytest.mark.parametrize("name", SEEDS)
def test_the_seeds_are_written_back_to_the_byte(name: str) -> None:
    data = seeds.seed(f"govcr_v2_{name}.yaml")
    assert dump(load(data)) == data
    if name != "openai-gpt-4o-mini":
        assert dump(load(data), Dialect.CHARM) == data


@every_variant
def test_a_file_of_any_shape_is_written_back_to_the_byte(data: bytes) -> None:
    cassette = load(data)
    assert len(cassette.interactions) == 3
    assert dump(cassette) == data
    copies = tuple(replace(one, request=replace(one.request)) for one in cassette.interactions)
    assert dump(replace(cassette, interactions=copies)) == data


@line_by_line
def test_the_texts_of_the_interactions_and_what_is_around_them_make_the_file(data: bytes) -> None:
    source = load(data).source
    assert source is not None
    assert all(one[1] == other[0] for one, other in itertools.pairwise(source.spans))
    for start, end in source.spans:
        assert re.match(rb" *-\s", data[start:end])
        assert start == 0 or data[start - 1 : start] in (b"\n", b"\r")


@line_by_line
def test_one_change_leaves_the_other_texts(data: bytes) -> None:
    cassette = load(data)
    before = texts(data)
    for index in range(3):
        one = cassette.interactions[index]
        changed = replace(one, request=replace(one.request, url="https://changed.test/"))
        after = list(cassette.interactions)
        after[index] = changed
        written = dump(replace(cassette, interactions=after))
        assert list(load(written).interactions) == after
        assert load(written).extra == cassette.extra
        kept = texts(written)
        assert [kept[k] for k in range(3) if k != index] == [before[k] for k in range(3) if k != index]


@every_variant
def test_removed_reordered_and_added_interactions_leave_the_other_texts(data: bytes) -> None:
    cassette = load(data)
    first, second, third = cassette.interactions
    for order in (
        [second, third],
        [third, first, second],
        [first, NEW, third],
        [NEW, second],
        [first, first],
    ):
        written = dump(replace(cassette, interactions=order))
        again = load(written)
        assert [one.request for one in again.interactions] == [one.request for one in order]
        assert [one.response for one in again.interactions] == [one.response for one in order]
        assert again.extra == cassette.extra
        if cassette.source is not None and cassette.source.indent >= 0:
            known = [unnumbered(text) for text in texts(data)]
            kept = [
                unnumbered(text) for text, one in zip(texts(written), order, strict=True) if one is not NEW
            ]
            assert all(text in known for text in kept)


def test_numbers_follow_the_order() -> None:
    cassette = load(BY_HAND)
    first, second, third = cassette.interactions
    written = dump(replace(cassette, interactions=[third, NEW, first, second]))
    assert [one.id for one in load(written).interactions] == [0, 1, 2, 3]
    assert b"      id: 0\n" in written


@every_variant
def test_all_interactions_can_go_and_come_back(data: bytes) -> None:
    cassette = load(data)
    emptied = load(dump(replace(cassette, interactions=())))
    assert (emptied.interactions, emptied.extra) == ((), cassette.extra)
    assert load(dump(replace(emptied, interactions=[NEW]))).interactions == (NEW,)


def test_an_emptied_cassette_of_go_vcr_is_as_go_vcr_writes_it() -> None:
    cassette = load(emitted())
    assert dump(replace(cassette, interactions=())) == emit_document(Cassette(), Dialect.CHARM)


@every_variant
def test_entries_can_be_put_behind_any_file(data: bytes) -> None:
    cassette = load(data)
    whole = appendable(cassette)
    grown = (data if whole is None else whole) + entry(NEW, 3, cassette) + entry(exchange(4), 4, cassette)
    again = load(grown)
    assert [(one.request, one.response) for one in again.interactions] == [
        (one.request, one.response) for one in (*cassette.interactions, NEW, exchange(4))
    ]
    assert (again.extra, again.version) == (cassette.extra, 2)
    assert appendable(again) is None


@pytest.mark.parametrize(
    "data",
    [
        b"version: 2\ninteractions: []\n",
        b"---\nversion: 2\ninteractions: []",
        b"interactions: [ ]  # none yet\nversion: 2\nx: 1\n",
        b"version: 2\ninteractions:\n",
        b"version: 2\ninteractions: null\n...\n",
        b"interactions:\nversion: 2\n",
        b"{interactions: [], x: 1}",
        b"\xef\xbb\xbf'interactions': []\r\nversion: 2\r\n",
        b"  version: 2\n  interactions: []\n",
    ],
)
def test_entries_can_be_put_behind_an_empty_cassette(data: bytes) -> None:
    cassette = load(data)
    whole = appendable(cassette)
    assert dump(cassette) == data
    again = load((data if whole is None else whole) + entry(NEW, 0, cassette))
    assert (again.interactions, again.extra) == ((NEW,), cassette.extra)
    assert load(dump(replace(cassette, interactions=[NEW]))) == again


@pytest.mark.parametrize("dialect", list(Dialect))
def test_what_go_vcr_wrote_is_appended_to_as_it_is(dialect: Dialect) -> None:
    cassette = load(emitted(dialect))
    assert appendable(cassette) is None
    assert entry(exchange(3), 3, cassette) == emit_interaction(exchange(3), 3, dialect)
    assert emitted(dialect) + entry(exchange(3), 3, cassette) == emitted(dialect, 4)
    assert dump(replace(cassette, interactions=[*cassette.interactions, exchange(3)])) == emitted(dialect, 4)


def test_comments_survive_the_move_of_the_list_to_the_end() -> None:
    data = VARIANTS["by hand, then more keys"]
    whole = appendable(load(data))
    assert whole is not None
    assert sorted(re.findall(rb"#.*", whole)) == sorted(re.findall(rb"#.*", data))


def test_without_a_source_a_cassette_is_charm() -> None:
    cassette = Cassette([exchange(0)], extra={"x": "y"})
    assert dump(cassette) == dump(cassette, "charm") == emit_document(cassette, Dialect.CHARM)
    assert appendable(Cassette()) == HEAD
    assert appendable(cassette) == dump(cassette)
    assert entry(exchange(1), 1, cassette) == emit_interaction(exchange(1), 1, Dialect.CHARM)


def test_an_unknown_dialect_is_an_error() -> None:
    with pytest.raises(ValueError, match="klingon"):
        dump(Cassette(), "klingon")


@given(
    st.lists(nasty.interactions, min_size=1, max_size=3),
    st.sampled_from(Dialect),
    st.lists(st.integers(0, 2), max_size=4),
)
def test_any_selection_of_any_interactions_keeps_their_texts(
    interactions: list[Interaction], dialect: Dialect, chosen: list[int]
) -> None:
    data = emit_document(Cassette(interactions), dialect)
    cassette = load(data)
    order = [cassette.interactions[index % len(interactions)] for index in chosen]
    expected = emit_document(Cassette(order), dialect)
    assert dump(replace(cassette, interactions=order)) == expected
