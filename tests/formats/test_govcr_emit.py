from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mitmvcr.formats.govcr.emit import HEAD, Dialect, emit_document, emit_interaction, natural_order
from mitmvcr.model import Cassette, Interaction, Node, Plain, Request, Response
from tests.formats import golden, nasty, plainyaml

DIALECTS = list(Dialect)
both_dialects = pytest.mark.parametrize("dialect", DIALECTS)


def exchange(url: str = "https://a.test/", **headers: str) -> Interaction:
    request = Request("GET", url, headers={name: (value,) for name, value in headers.items()})
    return Interaction(request, Response(200, "200 OK"))


def lines(interaction: Interaction, dialect: Dialect, **options: int) -> list[str]:
    return emit_interaction(interaction, 0, dialect, **options).decode().split("\n")


@golden.needs_golden
@both_dialects
@pytest.mark.parametrize("name", golden.names(misread=False))
def test_golden_cassettes_are_reproduced_to_the_byte(name: str, dialect: Dialect) -> None:
    written = emit_document(Cassette(golden.contents()[name]), dialect)
    assert written == (golden.ROOT / dialect / f"{name}.yaml").read_bytes()


@golden.needs_golden
@both_dialects
@pytest.mark.parametrize("name", golden.names(misread=True))
def test_what_go_vcr_would_spoil_is_read_back(name: str, dialect: Dialect) -> None:
    interactions = golden.contents()[name]
    assert plainyaml.interactions(emit_document(Cassette(interactions), dialect)) == list(interactions)


@golden.needs_golden
def test_what_only_the_other_dialect_spoils_stays_as_go_vcr_writes_it() -> None:
    spoilt_by_stock_alone = [
        "misread_02",
        "misread_03",
        "misread_04",
        "misread_05",
        "misread_06",
        "misread_08",
    ]
    for name in spoilt_by_stock_alone:
        written = emit_document(Cassette(golden.contents()[name]), Dialect.CHARM)
        assert written == (golden.ROOT / "charm" / f"{name}.yaml").read_bytes()


@both_dialects
@given(interactions=st.lists(nasty.interactions, min_size=1, max_size=2))
@pytest.mark.slow
def test_any_interaction_survives_write_and_read(dialect: Dialect, interactions: list[Interaction]) -> None:
    numbered = [Interaction(entry.request, entry.response, id_) for id_, entry in enumerate(interactions)]
    written = emit_document(Cassette(numbered), dialect)
    assert plainyaml.interactions(written) == numbered


@both_dialects
@given(interactions=st.lists(nasty.interactions, min_size=1, max_size=3))
@pytest.mark.slow
def test_a_document_is_its_head_and_its_interactions(
    dialect: Dialect, interactions: list[Interaction]
) -> None:
    parts = [emit_interaction(entry, id_, dialect) for id_, entry in enumerate(interactions)]
    assert emit_document(Cassette(interactions), dialect) == b"".join([HEAD, *parts])


@both_dialects
@given(interaction=nasty.interactions, shift=st.integers(0, 5))
def test_a_shifted_interaction_means_the_same(dialect: Dialect, interaction: Interaction, shift: int) -> None:
    written = emit_interaction(interaction, 7, dialect, shift=shift)
    column = shift + (0 if dialect is Dialect.CHARM else 4)
    assert written.startswith(b" " * column + b"- id: 7\n")
    assert plainyaml.interactions(HEAD + written)[0].request == interaction.request


@both_dialects
def test_an_empty_cassette_is_go_vcrs(dialect: Dialect) -> None:
    assert emit_document(Cassette(), dialect) == b"---\nversion: 2\ninteractions: []\n"


@both_dialects
def test_unknown_keys_are_written_before_those_that_must_be_last(dialect: Dialect) -> None:
    extra: dict[str, Node] = {
        "tool": "mitmvcr",
        "count": Plain("12"),
        "none": Plain(""),
        "text": "12",
        "raw": b"x",
    }
    request = Request("GET", "u", extra=extra)
    entry = Interaction(request, Response(200, extra=extra), extra=extra)
    written = emit_document(Cassette([entry], extra=extra), dialect)
    document = plainyaml.document(written)
    read = {"tool": "mitmvcr", "count": "12", "none": "", "text": "12", "raw": b"x"}
    assert list(document) == ["version", *extra, "interactions"]
    assert list(document["interactions"][0]) == ["id", *extra, "request", "response"]
    assert list(document["interactions"][0]["request"])[-6:] == ["method", *extra]
    assert list(document["interactions"][0]["response"])[-6:] == [*extra, "duration"]
    assert {name: document[name] for name in extra} == read
    assert b'\ncount: 12\nnone:\ntext: "12"\nraw: !!binary eA==\n' in written


_nodes = st.recursive(
    st.one_of(nasty.unicode_texts, st.binary(max_size=60)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(nasty.unicode_texts, inner, max_size=3),
    ),
    max_leaves=8,
)


@both_dialects
@given(extra=st.dictionaries(st.sampled_from(["x-a", "x b", "\n c"]), _nodes))
def test_unknown_keys_of_any_shape_survive(dialect: Dialect, extra: dict[str, Node]) -> None:
    entry = Interaction(Request("GET", "u", extra=extra), Response(200, extra=extra), extra=extra)
    document = plainyaml.document(emit_document(Cassette([entry], extra=extra), dialect))
    places = [
        document,
        *document["interactions"],
        *(document["interactions"][0][side] for side in ("request", "response")),
    ]
    for place in places:
        assert {name: place[name] for name in extra} == extra


def test_unknown_lists_and_mappings_are_laid_out_as_go_yaml_does() -> None:
    extra: dict[str, Node] = {
        "list": [["a", "b"], {"k": "v", "l": ["w"]}, {}, []],
        "map": {"deep": {"er": "x"}},
    }
    entry = Interaction(Request("GET", "u"), Response(200, "200 OK", extra=extra))
    assert "\n".join(lines(entry, Dialect.CHARM)).split("code: 200\n")[1] == (
        "    list:\n    - - a\n      - b\n    - k: v\n      l:\n      - w\n    - {}\n    - []\n"
        "    map:\n      deep:\n        er: x\n    duration: 0s\n"
    )
    assert "\n".join(lines(entry, Dialect.STOCK)).split("code: 200\n")[1] == (
        "        list:\n            - - a\n              - b\n            - k: v\n              l:\n"
        "                - w\n            - {}\n            - []\n"
        "        map:\n            deep:\n                er: x\n        duration: 0s\n"
    )


def test_a_key_with_lines_or_longer_than_128_bytes_has_a_question_mark() -> None:
    entry = exchange(**{"x" * 129: "v"})
    assert f"      ? {'x' * 129}\n      : - v\n" in "\n".join(lines(entry, Dialect.CHARM))
    assert f"            ? {'x' * 129}\n            :   - v\n" in "\n".join(lines(entry, Dialect.STOCK))
    assert f"      {'x' * 128}:" in lines(exchange(**{"x" * 128: "v"}), Dialect.CHARM)
    assert "      ? |-" in lines(exchange(**{"a\nb": "v"}), Dialect.CHARM)


def test_old_booleans_are_quoted_as_the_dialects_release_does() -> None:
    entry = exchange(**{"X-Accel-Buffering": "no"})
    assert '      - "no"' in lines(entry, Dialect.CHARM)
    assert "                - 'no'" in lines(entry, Dialect.STOCK)


@pytest.mark.parametrize(
    ("body", "charm", "stock"),
    [
        (b"word", "word", "word"),
        (b"", '""', '""'),
        (b'{"it\'s": 1}', "'{\"it''s\": 1}'", "'{\"it''s\": 1}'"),
        (b"12:30:45", '"12:30:45"', "'12:30:45'"),
        (b"0x1F", '"0x1F"', '"0x1F"'),
        (b"2026-1-1", '"2026-1-1"', '"2026-1-1"'),
        (b"2026-13-01", "2026-13-01", "2026-13-01"),
        (b"a\tb", '"a\\tb"', '"a\\tb"'),
        ("\U0001f600".encode(), '"\\U0001F600"', '"\\U0001F600"'),
        ("\ufeff{".encode(), '"\\uFEFF\\x7B"', '"\\uFEFF\\x7B"'),
        ("a\u2028b".encode(), "'a\u2028      b'", "'a\u2028            b'"),
        (
            b"data: 1\n\ndata: 2\n\n",
            "|+\n      data: 1\n\n      data: 2\n\n",
            "|+\n            data: 1\n\n            data: 2\n\n",
        ),
        (b"a\n\tb\n", "|\n      a\n      \tb\n", "|\n            a\n            \tb\n"),
        (b" a\nb", "|2-\n       a\n      b", "|4-\n             a\n            b"),
        (b"\na", "|2-\n\n      a", "|-\n\n            a"),
        (b"\n\n", '"\\n\\n"', '"\\n\\n"'),
        (b"a \nb", '"a \\nb"', '"a \\nb"'),
        (b"\ta\nb", '"\\ta\\nb"', '"\\ta\\nb"'),  # go-vcr: a literal that nothing loads
        (b"\n a", "|2-\n\n       a", '"\\n a"'),  # go-vcr's stock: a literal that loses the space
        (b"\xff", "!!binary /w==", "!!binary /w=="),
        (
            b"\xff" * 52,
            f"!!binary |\n      {'/' * 69}w\n      ==",
            f"!!binary |\n            {'/' * 69}w\n            ==",
        ),
    ],
    ids=ascii,
)
def test_a_body_is_written_as_go_yaml_writes_it(body: bytes, charm: str, stock: str) -> None:
    interaction = Interaction(Request("GET", "u"), Response(200, body=body))
    assert f"\n    body: {charm.removesuffix(chr(10))}\n    headers: {{}}\n" in "\n".join(
        lines(interaction, Dialect.CHARM)
    )
    assert f"\n        body: {stock.removesuffix(chr(10))}\n        headers: {{}}\n" in "\n".join(
        lines(interaction, Dialect.STOCK)
    )


@both_dialects
def test_pep_383_bytes_that_make_utf8_are_text(dialect: Dialect) -> None:
    split = "é".encode().decode("ascii", "surrogateescape")
    assert lines(exchange(url=split), dialect) == lines(exchange(url="é"), dialect)


@both_dialects
def test_a_surrogate_that_is_no_byte_is_refused(dialect: Dialect) -> None:
    with pytest.raises(UnicodeEncodeError):
        emit_interaction(exchange(url="\ud800"), 0, dialect)


@pytest.mark.parametrize(
    "ordered",
    [
        ["Accept", "Accept-Encoding", "Content-Type", "X-A", "a"],
        ["X-1", "X-9", "X-10"],
        ["9", "10"],
        ["B", "a"],  # letters by code point
        ["X-", "X--", "X-a"],  # what is no letter comes first
        ["a1b", "a1-"],  # but a letter does after a digit
        ["a1", "a01", "a2"],  # the same number: the shorter run
        ["a10", "a100"],
        ["1_", "10"],
        ["", "a"],
    ],
)
def test_map_keys_are_in_natural_order(ordered: list[str]) -> None:
    assert natural_order(reversed(ordered)) == ordered


@given(st.lists(st.text("019aZ-_. ", max_size=4), unique=True))
def test_natural_order_is_the_same_from_any_start(names: list[str]) -> None:
    assert natural_order(names) == natural_order(reversed(names))
