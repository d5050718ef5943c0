"""The fast reader beside the full one: the same cassette or the same error, whatever the bytes are."""

from __future__ import annotations

import os
import pickle
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mitmvcr.errors import FormatError
from mitmvcr.formats.govcr import HEAD, Dialect, dump, emit_document, fast, load
from mitmvcr.formats.govcr import read as reading
from mitmvcr.formats.govcr.read import TornError
from mitmvcr.model import Cassette, Interaction, Request, Response
from mitmvcr.scrub import Memory
from tests.formats import golden, nasty

both_dialects = pytest.mark.parametrize("dialect", list(Dialect))


def exchanges() -> list[Interaction]:
    """Every style of string, every key."""
    asked = Request(
        "POST",
        "https://api.openai.com/v1/chat/completions?limit=2",
        content_length=30,
        host="api.openai.com",
        body=b'{"content":"Don\'t \xc3\xa9 stop"}',
        form={"limit": ("2",), "none": ()},
        headers={"Accept": ("*/*",), "Content-Type": ("application/json", "a: b")},
    )
    stream = 'data: {"é": " x"}\n\n  data: [DONE]\n\n'.encode()
    answer = Response(200, "200 OK", "HTTP/2.0", 2, 0, content_length=-1, uncompressed=True, body=stream)
    tabs = replace(answer, body=b'{"a":\t"\\n \xf0\x9f\x98\x80"}', duration=852_636_542)
    chunked = replace(asked, transfer_encoding=("chunked",), trailer={"X-1": ("é",)}, body=b"\xff" * 60)
    return [
        Interaction(asked, answer),
        Interaction(
            replace(asked, remote_addr="127.0.0.1:80", request_uri="/v1", body=b"a: b\nc\n"), tabs, 1
        ),
        Interaction(chunked, replace(answer, body=b"\xff\0", duration=5_000_000_000, trailer={"A": ()}), 2),
        Interaction(
            Request("GET", "u"), Response(404, headers={"B": ("x", "y z")}, duration=61_500_000_000), 3
        ),
    ]


SAMPLES = [emit_document(Cassette(exchanges()), dialect) for dialect in Dialect]


def taken(data: bytes) -> bool:
    """Whether the fast reader takes the file, without any help."""
    return fast.read(data, lambda _: None) is not None


def outcome(data: bytes) -> object:
    """All that comes of reading: the cassette with its places, or the error with what is whole."""
    try:
        return told(load(data))
    except TornError as error:
        return str(error), told(error.before)
    except FormatError as error:
        return str(error)


def told(cassette: Cassette) -> object:
    source = cassette.source
    assert source is not None
    assert tuple(source.entries) == tuple(cassette.interactions)
    orders = [[list(one.request.headers), list(one.response.headers)] for one in cassette.interactions]
    return cassette, source.data, tuple(source.spans), source.indent, orders


def reads_as_the_full_reader(data: bytes) -> bool:
    quick = outcome(data)
    with mock.patch.object(fast, "read", return_value=None):
        full = outcome(data)
    assert quick == full
    return not isinstance(full, str)


@golden.needs_golden
@pytest.mark.parametrize(
    "path", sorted(golden.ROOT.rglob("*.yaml")), ids=lambda path: f"{path.parent.name}/{path.stem}"
)
def test_what_go_vcr_wrote_reads_alike(path: Path) -> None:
    reads_as_the_full_reader(path.read_bytes())


@golden.needs_golden
@pytest.mark.parametrize("name", ["json_bodies", "headers", "durations", "form"])
@pytest.mark.parametrize("folder", ["charm", "stock", "other/go-vcr-v3.2.0"])
def test_the_usual_of_go_vcr_is_read_fast(folder: str, name: str) -> None:
    alone = mock.Mock(wraps=reading._read_alone)
    cassette = fast.read((golden.ROOT / folder / f"{name}.yaml").read_bytes(), alone)
    assert cassette is not None
    assert alone.call_count <= len(cassette.interactions) // 2
    assert tuple(cassette.interactions) == golden.contents()[name]


@both_dialects
def test_what_we_write_is_read_fast(dialect: Dialect) -> None:
    data = emit_document(Cassette(exchanges()), dialect)
    assert taken(data)
    assert list(load(data).interactions) == exchanges()
    assert reads_as_the_full_reader(data)


@both_dialects
@given(interactions=st.lists(nasty.interactions, max_size=3))
@pytest.mark.slow
def test_anything_we_write_reads_alike(dialect: Dialect, interactions: list[Interaction]) -> None:
    assert reads_as_the_full_reader(emit_document(Cassette(interactions), dialect))


_PIECES = [
    *"-:?|>'\"#[]{}&*!%@`~0189aneEN_+./\\ \t\n\r",
    *["é", "😀", "\x85", "\x9f", "\xa0", "\u2028", "\u2029", "\ufeff", "\uffff", "\0", "\x1f", "\x7f"],
    *[
        ": ",
        " #",
        "- ",
        "''",
        "\\\n",
        "\n\n",
        "\n ",
        "  ",
        "    ",
        "---",
        "...",
        "null",
        "|+",
        "|2-",
        "|4",
        ">",
    ],
    *[
        "\n---\n",
        "\n...\n",
        "\n- id: 7\n",
        "\n    - id: 7\n",
        " []",
        " {}",
        "!!binary ",
        "<<",
        "\\ud800",
        "\\x41",
    ],
    *["\n    x: y", "\n# c", "\nversion: 3", "0x1f", "1_0", "1h", "9223372036854775808"],
]
_bytes = st.one_of(st.sampled_from(_PIECES).map(str.encode), st.binary(min_size=1, max_size=2))
_edits = st.one_of(
    st.tuples(st.just("bytes"), st.integers(0, 5000), st.integers(0, 3), _bytes),
    st.tuples(st.just("gone"), st.integers(0, 5000), st.integers(1, 60), st.just(b"")),
    st.tuples(st.just("indent"), st.integers(0, 90), st.integers(-4, 4), st.just(b"")),
    st.tuples(st.sampled_from(["drop", "twice", "swap"]), st.integers(0, 90), st.just(0), st.just(b"")),
    st.tuples(st.just("value"), st.integers(0, 90), st.just(0), _bytes),
)


def edited(data: bytes, edit: tuple[str, int, int, bytes]) -> bytes:
    kind, at, count, new = edit
    if kind in ("bytes", "gone"):
        at %= len(data) + 1
        return data[:at] + new + data[at + count :]
    lines = data.splitlines(keepends=True)
    if not lines:
        return data
    at %= len(lines)
    line = lines[at]
    if kind == "indent":
        lines[at] = b" " * count + line if count > 0 else line[min(-count, len(line) - len(line.lstrip())) :]
    elif kind == "drop":
        del lines[at]
    elif kind == "twice":
        lines.insert(at, line)
    elif kind == "swap":
        lines[at - 1 : at + 1] = lines[at - 1 : at + 1][::-1]
    else:
        key, colon, _ = line.partition(b":")
        lines[at] = key + colon + b" " + new + b"\n"
    return b"".join(lines)


@given(st.sampled_from(SAMPLES), st.lists(_edits, min_size=1, max_size=4))
@example(SAMPLES[0], [("bytes", len(HEAD), 0, b"# a comment\n")])
@example(SAMPLES[0], [("bytes", 10**6, 0, b"x: 1\n")])
def test_any_damage_reads_alike(data: bytes, edits: list[tuple[str, int, int, bytes]]) -> None:
    for edit in edits:
        data = edited(data, edit)
    reads_as_the_full_reader(data)


STYLES = [
    *["plain", "'a ''b'' c'", "'a'b'", "'''", "'", "''", '""', '"', '"a\\"b"', r'"\u00e9\x41\U0001F600\e\_"'],
    *[
        r'"\ud800"',
        r'"\U00110000"',
        r'"\q"',
        '"a" # c',
        "'a' # c",
        "a # c",
        "a #c",
        "a#c",
        "a:b",
        "a: b",
        "a:",
    ],
    *[
        "a :b",
        "a : b",
        "# c",
        "~",
        "null",
        "NULL",
        "nULL",
        "true",
        "12",
        "2026-01-01",
        "",
        "- a",
        "-a",
        "? a",
    ],
    *[
        "?a",
        ":a",
        "*a",
        "&a b",
        "!!str a",
        "!!binary YQ==",
        "!!binary Y",
        "!!binary",
        "!!binary |\n{pad}YW\n{pad}Jj",
    ],
    *[
        "!!binary '\n{pad}YQ=='",
        "!!binary YQ= =",
        "|\n{pad}a",
        "|-\n{pad}a\n\n{pad} b",
        "|+\n{pad}a\n\n",
        "|\n{pad}a\n\n",
    ],
    *[
        "|-\n{pad}a\n\n",
        "|\n{pad} a",
        "|\n{pad}\ta",
        "|\n\n{pad}a",
        "|2\n{pad}a",
        "|4-\n{pad}a",
        "| # c\n{pad}a",
    ],
    *[
        "|\n{pad}a\n{pad}",
        "|\n{pad}a\n ",
        "|\n{pad}a\n{pad}  ",
        "|-\n{pad}a\n{pad}\t",
        ">\n{pad}a\n{pad}b",
        "|",
    ],
    *[
        "|\n{pad}- id: 1\n{pad}  request:",
        "'a\n{pad}b'",
        '"a\n{pad}b"',
        '"a\\\n{pad}b"',
        "a\n{pad}b",
        "a\tb",
        "a ",
        "'a' ",
    ],
    *[
        "a\u2028b",
        "'a\u2028b'",
        "é",
        "'\x85'",
        "\xa0",
        "'\ufeff'",
        "\ufeff",
        "😀",
        "[a]",
        "{a: b}",
        "[",
        "a]",
        "%a",
        "@a",
    ],
    *[
        "`a",
        "<<",
        "=",
        "$a",
        "(a)",
        "/a",
        ".5",
        "+1",
        "a'b",
        'a"b',
        "a\\b",
        "'a\tb'",
        '"a\tb"',
        "\ta",
        "a  b",
        "a  #b",
    ],
]


@pytest.mark.parametrize("style", STYLES)
@both_dialects
def test_a_value_in_any_style_reads_alike(dialect: Dialect, style: str) -> None:
    data = SAMPLES[list(Dialect).index(dialect)]
    width = 6 if dialect is Dialect.CHARM else 12
    for key, count in (("host", 1), ("body", 0), ("body", 1), ("url", 2), ("duration", 0), ("- id", 1)):
        value = style.replace("{pad}", " " * width)
        places = list(re.finditer(rb"(?m)^ *%b: (.*\n(?: {%d}.*\n|\n)*)" % (key.encode(), width), data))
        start, end = places[count].span(1)
        reads_as_the_full_reader(data[:start] + value.encode() + b"\n" + data[end:])
    item = b" " * (6 if dialect is Dialect.CHARM else 16) + b"- "
    value = style.replace("{pad}", " " * (len(item)))
    reads_as_the_full_reader(data.replace(item + b"x\n", item + value.encode() + b"\n"))
    name = b"\n" + b" " * width + b"B:\n"
    assert name in data
    reads_as_the_full_reader(data.replace(name, b"\n" + b" " * width + style.encode() + b":\n"))
    reads_as_the_full_reader(data.replace(name, b"\n" + b" " * width + b"B: " + style.encode() + b"\n"))


@both_dialects
def test_every_cut_reads_alike(dialect: Dialect) -> None:
    data = emit_document(Cassette(exchanges()[:2]), dialect)
    borders = [place.start() for place in re.finditer(rb"(?m)^ *- id|^ *duration", data)]
    near = {border + step for border in borders for step in range(-3, 30)}
    for cut in sorted(near | set(range(0, len(data), 31))):
        reads_as_the_full_reader(data[:cut])


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data.replace(b"\n", b"\r\n"),
        lambda data: b"\xef\xbb\xbf" + data,
        lambda data: data + b"\n",
        lambda data: data + b"x: 1\n",
        lambda data: data + b"...\n",
        lambda data: data + b"\0\0",
        lambda data: data[:-1],
        lambda data: data.replace(b"- id: 1", b"- id: 0"),
        lambda data: data.replace(b"- id: 1", b"# c\n- id: 1"),
        lambda data: data.replace(b"request:\n", b"note: 12\n  request:\n"),
        lambda data: data.replace(b"version: 2", b"version: 3"),
        lambda data: data.replace(b"    method: GET", b"    method: GET\n    method: GET"),
    ],
)
def test_other_shapes_read_alike(change: object) -> None:
    assert callable(change)
    for data in SAMPLES:
        assert change(data) != data or data is SAMPLES[1]
        reads_as_the_full_reader(change(data))


@both_dialects
def test_one_entry_of_another_hand_does_not_slow_down_the_others(dialect: Dialect) -> None:
    data = emit_document(Cassette(exchanges() * 5), dialect)
    pad = b" " * (4 if dialect is Dialect.CHARM else 8)
    by_hand = data.replace(pad + b"method: GET\n", pad + b"method:   GET # mine\n" + pad + b"note: 12\n", 1)
    alone = mock.Mock(wraps=reading._read_alone)
    cassette = fast.read(by_hand, alone)
    assert cassette is not None
    assert alone.call_count == 1
    assert cassette.interactions[3].request.extra == {"note": "12"}
    assert reads_as_the_full_reader(by_hand)


def test_an_entry_that_can_not_be_read_is_refused_at_load() -> None:
    data = emit_document(Cassette(exchanges() * 5), Dialect.CHARM)
    line = data[: data.rindex(b"    code: ")].count(b"\n") + 1
    with pytest.raises(FormatError, match=rf"line {line}: interactions\[19\]\.response\.code: an integer"):
        load(data[::-1].replace(b"code: 404"[::-1], b"code: x"[::-1], 1)[::-1])


def test_interactions_are_a_sequence() -> None:
    data = SAMPLES[0]
    read = load(data).interactions
    assert isinstance(read, fast.Entries)
    assert (len(read), list(read), read[-1], read[1:3]) == (
        4,
        exchanges(),
        exchanges()[3],
        tuple(exchanges()[1:3]),
    )
    assert read == exchanges()
    assert tuple(exchanges()) == read
    assert read != exchanges()[:3]
    assert read != "abcd"
    assert read.index(exchanges()[2]) == 2
    assert pickle.loads(pickle.dumps(load(data))) == load(data)  # noqa: S301 - our own
    assert repr(read) == repr(tuple(exchanges()))
    for index in (4, -5):
        with pytest.raises(IndexError):
            read[index]


@both_dialects
@given(interactions=st.lists(nasty.interactions, min_size=1, max_size=3))
@pytest.mark.slow
def test_what_is_told_of_requests_without_making_interactions_is_so(
    dialect: Dialect, interactions: list[Interaction]
) -> None:
    cassette = reading.recover(emit_document(Cassette(interactions), dialect))[0]
    made = tuple(cassette.interactions)
    assert [cassette.request(number) for number in range(len(made))] == [one.request for one in made]
    assert list(cassette.urls) == list(dict.fromkeys(one.request.url for one in made))
    assert cassette.request_headers in (None, {name for one in made for name in one.request.headers})


@both_dialects
@given(st.data())
def test_a_replacement_in_any_style_of_yaml_is_counted(dialect: Dialect, data: st.DataObject) -> None:
    """Where the file says that values stand in it as they are, they aren't looked at one by one."""
    texts = [
        "REDACTED-token-%d",
        "\x1bREDACTED-token-%d",
        "é 'REDACTED-token-%d'",
        'x: "REDACTED-token-%d\\"\n',
    ]
    number = data.draw(st.integers(1, 999))
    raw = data.draw(st.sampled_from([text.encode() for text in texts] + [b"\xffREDACTED-token-%d"])) % number
    place = data.draw(st.sampled_from(["asked", "answered", "url", "header"]))
    text = raw.decode("utf-8", "surrogateescape")
    one = exchanges()[0]
    if place == "answered":
        one = replace(one, response=replace(one.response, body=raw))
    else:
        changed = {
            "asked": replace(one.request, body=raw),
            "url": replace(one.request, url=text),
            "header": replace(one.request, headers={"Accept": (text,)}),
        }
        one = replace(one, request=changed[place])
    cassette = load(emit_document(Cassette([exchanges()[1], one]), dialect))
    assert Memory.resume(cassette, {}).replacement("token", b"x") == b"REDACTED-token-%d" % (number + 1)
    assert Memory.resume(replace(cassette, source=None), {}).replacement("token", b"x") == (
        b"REDACTED-token-%d" % (number + 1)
    )


@pytest.mark.parametrize("letter", [r"\x52", r"\u0052", r"\U00000052"])
def test_a_replacement_that_is_escaped_by_hand_is_counted(letter: str) -> None:
    one = replace(exchanges()[0], request=replace(exchanges()[0].request, body=b"\x1bREDACTED-token-41"))
    data = emit_document(Cassette([one]), Dialect.CHARM).replace(b"REDACTED", b"%bEDACTED" % letter.encode())
    assert Memory.resume(load(data), {}).replacement("token", b"x") == b"REDACTED-token-42"


@both_dialects
def test_where_values_are_escaped_or_base64_is_told(dialect: Dialect) -> None:
    plain = exchanges()[0]
    coded = [
        replace(plain, response=replace(plain.response, body=body)) for body in (b"\xff", b"\0", b"a\x7f")
    ]
    source = load(emit_document(Cassette([plain, *coded, plain]), dialect)).source
    assert source is not None
    assert list(source.coded or ()) == [1, 2, 3]


def test_interactions_that_were_let_go_are_made_anew() -> None:
    with mock.patch.object(fast, "_KEPT", 2 * len(SAMPLES[0])):
        read = load(SAMPLES[0]).interactions
        assert read[0] is read[0]
    with mock.patch.object(fast, "_KEPT", len(SAMPLES[0]) // 2):
        read = load(SAMPLES[0]).interactions
        first = read[0]
        assert list(read) == exchanges()
        assert read[0] is not first
        assert read[0] == first


MEASURE = """
import resource, sys
from pathlib import Path
from mitmvcr import formats
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
before = peak()
data = Path(sys.argv[1]).read_bytes()
interactions = formats.load(data)[1].interactions
assert sum(len(one.response.body) > 0 for one in interactions) == len(interactions)
print((peak() - before) / len(data))
"""


@pytest.mark.slow
def test_a_large_cassette_takes_little_more_memory_than_its_file(tmp_path: Path) -> None:
    one = replace(exchanges()[0], response=replace(exchanges()[0].response, body=b"x" * 3000))
    file = tmp_path / "large.yaml"
    entry = emit_document(Cassette([one]), Dialect.CHARM).removeprefix(HEAD)
    file.write_bytes(HEAD + entry * 40_000)
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, file],
        env={**os.environ, "PYTHONPATH": str(root / "addon")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert float(done.stdout) < 1.6


def test_the_text_of_equal_interactions_stays_with_each() -> None:
    one = replace(exchanges()[3], id=0)
    data = emit_document(Cassette([one, one]), Dialect.CHARM).replace(b"- id: 1", b"- id: 0")
    data = data.replace(b"    method: GET", b"    method: 'GET'", 1)
    cassette = load(data)
    copies = [replace(each) for each in cassette.interactions]
    assert dump(replace(cassette, interactions=[*copies, exchanges()[0]])).count(b"'GET'") == 1
