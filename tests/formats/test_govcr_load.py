"""Reading go-vcr's cassettes: of every version, edited by hand, and torn."""

from __future__ import annotations

import contextlib
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mitmvcr.errors import FormatError
from mitmvcr.formats.govcr import HEAD, Dialect, dump, emit_interaction, load, recover
from mitmvcr.model import Cassette, Interaction, Plain, Request, Response
from tests.formats import golden, nasty, seeds

both_dialects = pytest.mark.parametrize("dialect", list(Dialect))

# What v4.0.5 wrote as raw bytes that no YAML can hold.
NO_TEXT = {"go-vcr-v4.0.5/body_gzip_like", "go-vcr-v4.0.5/values_invalid_utf8"}

CHAT = b"""\
---
version: 2
interactions:
- id: 0
  request:
    proto: HTTP/1.1
    proto_major: 1
    proto_minor: 1
    content_length: 2
    host: ""
    body: '{}'
    headers:
      Accept:
      - application/json
    url: https://api.openai.com/v1/chat/completions
    method: POST
  response:
    proto: HTTP/2.0
    proto_major: 2
    proto_minor: 0
    content_length: -1
    uncompressed: true
    body: '{"id": 1}'
    headers:
      Content-Type:
      - application/json
    status: 200 OK
    code: 200
    duration: 1m30s
"""


def files(*, misread: bool) -> list[str]:
    if not golden.ROOT.is_dir():
        return []
    paths = [path for path in golden.ROOT.rglob("*.yaml") if path.name.startswith("misread_") is misread]
    return sorted(str(path.relative_to(golden.ROOT).with_suffix("")) for path in paths)


def golden_file(name: str) -> bytes:
    return (golden.ROOT / f"{name}.yaml").read_bytes()


def with_(old: str, new: str) -> bytes:
    assert old.encode() in CHAT
    return CHAT.replace(old.encode(), new.encode(), 1)


def only(data: bytes) -> Interaction:
    (interaction,) = load(data).interactions
    return interaction


def refused(data: bytes) -> str:
    with pytest.raises(FormatError) as caught:
        load(data)
    return str(caught.value)


@golden.needs_golden
@pytest.mark.parametrize("name", files(misread=False))
def test_every_writers_golden_cassette_is_read_as_it_was_meant(name: str) -> None:
    if name.removeprefix("other/") in NO_TEXT:
        assert "is no text" in refused(golden_file(name))
    else:
        cassette = load(golden_file(name))
        assert cassette.interactions == golden.contents()[name.rpartition("/")[2]]
        assert (cassette.version, cassette.extra, cassette.notes) == (2, {}, ())


@golden.needs_golden
@pytest.mark.parametrize("name", files(misread=True))
def test_a_cassette_that_its_writer_spoiled_is_read_as_meant_or_as_yaml_or_refused(name: str) -> None:
    (meant,) = golden.contents()[name.rpartition("/")[2]]
    with contextlib.suppress(FormatError):
        lost = replace(meant.request, body=meant.request.body.removeprefix(b"\n"))
        assert only(golden_file(name)).request in (meant.request, lost)
        assert dump(load(golden_file(name))) == golden_file(name)


@both_dialects
@given(interactions=st.lists(nasty.interactions, max_size=2))
def test_any_interaction_survives_write_and_read(dialect: Dialect, interactions: list[Interaction]) -> None:
    numbered = tuple(replace(one, id=id_) for id_, one in enumerate(interactions))
    assert load(dump(Cassette(numbered), dialect)).interactions == numbered


@pytest.mark.parametrize(
    "name",
    ["multi_tool_streaming", "openai-gpt-4o-mini", "tool_streaming"],
)
def test_the_seeds_have_their_exchanges(name: str) -> None:
    interactions = load(seeds.seed(f"govcr_v2_{name}.yaml")).interactions
    assert len(interactions) == 2
    for one in interactions:
        assert one.request.body.startswith(b'{"messages":')
        assert one.response.body.startswith(b"data: {")
        assert one.response.body.endswith(b"data: [DONE]\n\n")
        assert one.response.duration > 0


def test_the_fields_are_those_of_go_vcr() -> None:
    assert only(CHAT) == Interaction(
        Request(
            method="POST",
            url="https://api.openai.com/v1/chat/completions",
            content_length=2,
            body=b"{}",
            headers={"Accept": ("application/json",)},
        ),
        Response(
            code=200,
            status="200 OK",
            proto="HTTP/2.0",
            proto_major=2,
            proto_minor=0,
            content_length=-1,
            uncompressed=True,
            body=b'{"id": 1}',
            headers={"Content-Type": ("application/json",)},
            duration=90 * 10**9,
        ),
    )


def test_missing_keys_are_gos_zero_values() -> None:
    data = b"interactions:\n- response:\n    duration: 0s\n"
    request = Request("", "", proto="", proto_major=0, proto_minor=0)
    assert load(data) == Cassette(
        (Interaction(request, Response(0, proto="", proto_major=0, proto_minor=0)),)
    )


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("12", b"12"),
        ("1.50", b"1.50"),
        ("true", b"true"),
        ("2026-01-01", b"2026-01-01"),
        ("~", b""),
        ("null", b""),
        ("'null'", b"null"),
        ("", b""),
        ("!!binary /wA=", b"\xff\0"),
        ("!!binary |\n      /w\n      A=", b"\xff\0"),
        (r'"\xff\u00e9"', "ÿé".encode()),
        ("|\n      a\n\n      b\n", b"a\n\nb\n"),
        (">\n      a\n      b\n", b"a b\n"),
    ],
)
def test_a_text_is_what_go_yaml_reads_into_a_string(written: str, read: bytes) -> None:
    assert only(with_("'{}'", written)).request.body == read


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("0x10", 16),
        ("017", 15),
        ("0b11", 3),
        ("1_000", 1000),
        ("+5", 5),
        ("-7", -7),
        ("08", 8),
        ("null", 0),
        ("", 0),
    ],
)
def test_an_integer_is_what_go_yaml_reads(written: str, read: int) -> None:
    assert only(with_("code: 200", f"code: {written}")).response.code == read


@pytest.mark.parametrize(
    ("written", "read"), [("True", True), ("yes", True), ("'on'", True), ("FALSE", False), ("", False)]
)
def test_a_boolean_is_what_go_yaml_reads(written: str, read: bool) -> None:
    assert only(with_("uncompressed: true", f"uncompressed: {written}")).response.uncompressed is read


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("1.5µs", 1500),
        ("-1.5s", -1_500_000_000),
        ("'1h'", 3_600_000_000_000),
        ("null", 0),
        ("0", 0),
        ("1us", 1000),
    ],
)
def test_a_duration_is_what_parse_duration_takes(written: str, read: int) -> None:
    assert only(with_("1m30s", written)).response.duration == read


@pytest.mark.parametrize(
    ("old", "new", "line", "path"),
    [
        ("1m30s", "1500", 29, "interactions[0].response.duration"),
        ("1m30s", "1.5", 29, "interactions[0].response.duration"),
        ("1m30s", "''", 29, "interactions[0].response.duration"),
        ("1m30s", "[1s]", 29, "interactions[0].response.duration"),
        ("code: 200", "code: '200'", 28, "interactions[0].response.code"),
        ("code: 200", "code: 1.5", 28, "interactions[0].response.code"),
        ("code: 200", "code: true", 28, "interactions[0].response.code"),
        ("code: 200", "code: 9223372036854775808", 28, "interactions[0].response.code"),
        ("code: 200", "code: ٣", 28, "interactions[0].response.code"),
        ("uncompressed: true", "uncompressed: 1", 22, "interactions[0].response.uncompressed"),
        ("uncompressed: true", "uncompressed: 'true'", 22, "interactions[0].response.uncompressed"),
        ("body: '{}'", "body: {}", 11, "interactions[0].request.body"),
        ("body: '{}'", "body: []", 11, "interactions[0].request.body"),
        ("body: '{}'", "body: !!binary a", 11, "interactions[0].request.body"),
        ("body: '{}'", "body: !!binary é", 11, "interactions[0].request.body"),
        ("body: '{}'", "body: !!str a", 11, "interactions[0].request.body"),
        ("body: '{}'", "body: !python/object:os.x a", 11, "interactions[0].request.body"),
        ("body: '{}'", "body: &a b", 11, "interactions[0].request.body"),
        ("body: '{}'", "body: *a", 11, "interactions[0].request.body"),
        (
            "      - application/json",
            "        application/json",
            14,
            "interactions[0].request.headers.Accept",
        ),
        ("      - application/json", "      - []", 14, "interactions[0].request.headers.Accept[0]"),
        ("      - application/json", "      - a\n      Accept: []", 15, "interactions[0].request.headers"),
        ("Accept:", "<<:", 13, "interactions[0].request.headers"),
        ("Accept:", "[a]:", 13, "interactions[0].request.headers"),
        ("    method: POST", "    method: POST\n    method: GET", 17, "interactions[0].request"),
        ("    method: POST", "    x: {a: 1, a: 2}", 16, "interactions[0].request.x"),
        ("version: 2", "version: '2'", 2, "version"),
        ("- id: 0", "- id: x", 4, "interactions[0].id"),
    ],
)
def test_what_is_wrong_is_said_with_its_line_and_path(old: str, new: str, line: int, path: str) -> None:
    assert refused(with_(old, new)).startswith(f"line {line}: {path}: ")


def test_unknown_keys_are_kept_and_numbers_among_them_stay_numbers() -> None:
    data = with_("version: 2", "version: 2\nx-tool: {count: 12, words: ['12', yes or no], at: !!binary /w==}")
    data = data.replace(b"    method: POST", b"    method: POST\n    note: null")
    cassette = load(data)
    assert cassette.extra == {"x-tool": {"count": "12", "words": ["12", "yes or no"], "at": b"\xff"}}
    tool = cassette.extra["x-tool"]
    assert isinstance(tool, dict)
    assert isinstance(tool["count"], Plain)
    assert not isinstance(tool["words"], str)
    assert not isinstance(tool["words"][0], Plain)
    (one,) = cassette.interactions
    assert one.request.extra == {"note": Plain("null")}
    assert isinstance(one.request.extra["note"], Plain)
    assert load(dump(cassette, "charm")) == cassette
    assert b"count: 12\n" in dump(cassette, "stock")
    assert b"note: null\n" in dump(cassette, "stock")


@pytest.mark.parametrize(
    "data",
    [
        b"version: 2\ninteractions: []\n",
        b"version: 2\ninteractions:\n",
        b"\xef\xbb\xbfversion: 2\ninteractions: []",
        b'{"version": 2, "interactions": []}',
    ],
)
def test_a_cassette_may_have_no_interactions(data: bytes) -> None:
    assert load(data) == Cassette()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is no cassette: the file is empty"),
        (b" \n\t\n", "is no cassette: the file is empty"),
        (b"# only this\n", "is no cassette: there are only comments in the file"),
        (b"hello\n", "line 1: is no cassette: "),
        (b"- a\n", "line 1: is no cassette: "),
        (b"version: 2\n", "is no go-vcr cassette: it has no `interactions`"),
        (b"interactions: {}\n", "line 1: interactions: a list is needed, this is a mapping"),
        (b"interactions: x\n", "line 1: interactions: a list is needed, this is 'x'"),
        (b"version: 3\ninteractions: []\n", "line 1: cassette version 3 is not read"),
        (b"interactions: []\nversion: 1\n", "line 2: version 1 is that of go-vcr before v3"),
        (
            b"interactions:\n- request: {uri: x, body: {}}\nversion: 1\n",
            "line 3: version 1 is that of go-vcr before",
        ),
        (
            b"interactions:\n- request:\n    uri: x\n    body: {}\nversion: 1\n",
            "line 5: version 1, with `uri`: this is",
        ),
        (CHAT + b"---\na: b\n", "line 30: a second YAML document begins here"),
        (CHAT + b"...\n---\n", "line 31: a second YAML document begins here"),
        (b"%YAML 1.2\n" + CHAT, "line 1: is a YAML directive"),
        (b"%YAML 1.1\n%TAG ! a:\n" + CHAT, "line 2: is a YAML directive"),
        (CHAT.decode().encode("utf-16"), "line 1: is UTF-16"),
        (CHAT.replace(b"    proto:", b"\tproto:", 1), "line 6: interactions[0]"),
        (CHAT + b"- \n- id: 2\n  response:\n    duration: 1s\n", "line 30: interactions[1]: an interaction"),
    ],
)
def test_what_is_no_cassette_of_this_version_is_named(data: bytes, message: str) -> None:
    assert refused(data).startswith(message)


GOCCY = CHAT.replace(b"'{}'", b'"{}"').replace(b"'{\"id\": 1}'", b'"{\\"id\\": 1}"')


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (rb'"\xff\xd8\x00\u00ff"', b"\xff\xd8\0\xc3\xbf"),
        (b"|\r\n      a\r\n      b", b"a\r\nb\r\n"),
        (b"|-\r\n      a\r\n      \r\n      b", b"a\r\n\r\nb"),
        (b"|-\r    a\r    b", b"a\rb"),
        (b"\ta", b"\ta"),
        (b"a\t", b"a\t"),
        (b"|-\n      \n        a", b"\n  a"),
        (b"|\n      \ta", b"\ta\n"),
    ],
)
def test_what_v4_0_5_wrote_is_read_as_it_was_meant(written: bytes, read: bytes) -> None:
    data = GOCCY.replace(b'"{}"', written)
    assert only(data).request.body == read
    assert dump(load(data)) == data


def test_an_escaped_latin_letter_is_no_byte_where_v4_0_5_did_not_write_the_file() -> None:
    assert only(CHAT.replace(b"'{}'", rb'"\xff"')).request.body == "ÿ".encode()


def test_a_first_line_break_that_yaml3_lost_is_restored_where_the_file_shows_it() -> None:
    stock = dump(load(CHAT), "stock")
    assert only(stock.replace(b"body: '{}'", b"body: |4-\n            a")).request.body == b"\na"
    assert only(stock.replace(b"body: '{}'", b"body: |4-\n\n            a")).request.body == b"\na"


def conversation() -> list[Interaction]:
    first = only(CHAT)
    stream = b'data: {"a": "\xc3\xa9"}\n\ndata: [DONE]\n\n'
    return [
        first,
        replace(first, id=1, response=replace(first.response, body=stream, duration=852_636_542)),
        replace(
            first,
            id=2,
            request=replace(first.request, body=b"\xff" * 80),
            response=Response(500, duration=1500),
        ),
    ]


@both_dialects
def test_a_file_that_breaks_off_anywhere_gives_its_whole_interactions(dialect: Dialect) -> None:
    data = dump(Cassette(conversation()), dialect)
    spans = load(data).source.spans  # type: ignore[union-attr]
    for cut in range(spans[0][1], len(data) + 1):
        cassette, torn = recover(data[:cut])
        # Without its line break the last line is whole.
        whole = sum(end <= cut + 1 for _, end in spans)
        assert list(cassette.interactions) == conversation()[:whole]
        assert cassette.source is not None
        assert cassette.source.data + torn == data[:cut]
        begun = data[spans[whole - 1][1] : cut]
        assert (torn == begun) if begun.strip() else not torn
        if torn:
            assert f"interaction {whole}, the last, is torn" in refused(data[:cut]) or "no text" in refused(
                data[:cut]
            )


def test_a_torn_duration_is_not_taken_for_a_shorter_one() -> None:
    data = CHAT + emit_interaction(conversation()[1], 1, Dialect.CHARM)
    for torn in (data.removesuffix(b"s\n"), CHAT.removesuffix(b"30s\n")):
        assert re.search("interaction [01], the last, is torn", refused(torn))
    assert load(data[:-1]).interactions == load(data).interactions


def test_zeros_after_a_crash_are_torn_off() -> None:
    cassette, torn = recover(CHAT + b"\0" * 4096)
    assert (cassette.interactions, torn) == (load(CHAT).interactions, b"\0" * 4096)
    assert "line 30: the file ends with bytes that are no text" in refused(CHAT + b"\0" * 4096)
    half = emit_interaction(conversation()[1], 1, Dialect.CHARM)[:300]
    cassette, torn = recover(CHAT + half + b"\0" * 50)
    assert (cassette.interactions, torn) == (load(CHAT).interactions, half + b"\0" * 50)


def test_a_torn_first_interaction_leaves_none() -> None:
    cassette, torn = recover(CHAT[:100])
    assert (cassette.interactions, torn) == ((), CHAT[len(HEAD) : 100])


@pytest.mark.parametrize(
    "data",
    [
        CHAT.replace(b"code: 200", b"code: x") + CHAT.removeprefix(HEAD),
        CHAT.replace(b"body: '{}'", b"body: '{}") + CHAT.removeprefix(HEAD),
        CHAT.replace(b"code: 200", b"code: x"),
        CHAT.replace(b"    body: '{}'", b"  body: '{}'"),
    ],
)
def test_damage_that_is_not_at_the_end_is_not_cut_off(data: bytes) -> None:
    with pytest.raises(FormatError) as caught:
        recover(data)
    assert "torn" not in str(caught.value)


def test_a_last_interaction_without_duration_is_torn_only_where_go_vcr_wrote_others_with_one() -> None:
    untimed = CHAT.replace(b"    duration: 1m30s\n", b"")
    assert only(untimed).response.duration == 0
    assert only(untimed.removeprefix(b"---\nversion: 2\n") + b"version: 2\n").response.duration == 0
    second = untimed.removeprefix(HEAD).replace(b"id: 0", b"id: 1")
    assert len(load(untimed + second).interactions) == 2
    assert "interaction 1, the last, is torn" in refused(CHAT + second)
    assert len(load(untimed + second + CHAT.removeprefix(HEAD).replace(b"id: 0", b"id: 2")).interactions) == 3
    # People leave out what they don't need, go-vcr doesn't.
    by_hand = second.replace(b"    proto: HTTP/1.1\n    proto_major: 1\n    proto_minor: 1\n", b"")
    assert len(load(CHAT + by_hand).interactions) == 2


def test_an_escape_that_two_writers_share_is_read_as_the_one_who_wrote_the_rest() -> None:
    control = Interaction(Request("GET", "https://h/\x90"), Response(200, headers={"A": ('{"a": 1}',)}))
    written = dump(Cassette((control,)), Dialect.CHARM)
    assert rb"\x90" in written
    assert load(written).interactions == (control,)
    by_goccy = written.replace(b"""'{"a": 1}'""", rb'"{\"a\": 1}"')
    assert load(by_goccy).interactions[0].request.url == "https://h/\udc90"
