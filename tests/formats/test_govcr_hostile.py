"""Files that are no cassettes, or mean harm: one clear FormatError each, soon, and in little memory."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mitmvcr.errors import FormatError
from mitmvcr.formats.govcr import HEAD, Dialect, dump, emit_document, load, recover
from mitmvcr.model import Cassette, Interaction, Request, Response
from tests.formats import seeds

GOOD = Interaction(
    Request("POST", "https://a.test/", headers={"A": ("b",)}, body=b'{"a": "\xc3\xa9"}'),
    Response(200, "200 OK", body=b"data: 1\n\ndata: 2\n\n", headers={"C": ("d", "e")}, duration=1),
)
DATA = emit_document(Cassette([GOOD, GOOD]), Dialect.CHARM)


def is_read_or_refused(data: bytes) -> bool:
    """Whether the data is a cassette; anything but a FormatError that is one line is raised."""
    message = ""
    try:
        assert dump(load(data)) == data
    except FormatError as error:
        message = str(error)
    assert "\n" not in message
    assert len(message) < 600
    return not message


def entry(text: str) -> bytes:
    return HEAD + b"- request:\n" + text.encode() + b"\n  response:\n    duration: 1s\n"


LAUGHS = "\n".join(
    f"{chr(98 + level)}: &{chr(98 + level)} [{', '.join([f'*{chr(97 + level)}'] * 9)}]" for level in range(9)
)
HOSTILE = {
    "aliases": f"a: &a [lol]\n{LAUGHS}\n".encode() + DATA.removeprefix(b"---\n"),
    "alias": entry("    headers: &h {A: [b]}\n    trailer: *h"),
    "anchor on an entry": HEAD + b"- &a\n  response: {duration: 1s}\n",
    "anchor on the root": b"--- &a\n" + DATA.removeprefix(b"---\n"),
    "anchor on the list": DATA.replace(b"interactions:\n", b"interactions: &a\n"),
    "merge": entry("    <<: {url: u}"),
    "merge among unknown keys": entry("    x: {<<: {a: b}}"),
    "tag on a mapping": entry("    headers: !!map {}"),
    "tag on an unknown list": entry("    x: !!set {}"),
    "object": entry("    x: !!python/object/apply:os.system [id]"),
    "brackets": b"[" * 100_000,
    "braces": b"{a: " * 100_000,
    "brackets in a field": entry("    headers: " + "[" * 100_000),
    "brackets in an unknown field": entry("    x: " + "[" * 100_000 + "]" * 100_000),
    "dashes": b"- " * 100_000,
    "dashes in an unknown field": entry("    x:\n      " + "- " * 100_000),
    "question marks": b"? " * 100_000,
    "steps": b"\n".join(b" " * level + b"a:" for level in range(2000)),
    "many tag directives": b"".join(b"%%TAG !%d! tag:x\n" % n for n in range(100_000)) + DATA,
    "zeros": b"\0" * 1000,
    "zero inside": DATA.replace(b"a.test", b"a\0test", 1),
    "tabs": DATA.replace(b"    ", b"\t"),
    "latin-1": DATA.replace("é".encode(), b"\xe9", 1),
    "utf-16": DATA.decode().encode("utf-16"),
    "utf-16 without mark": DATA.decode().encode("utf-16-le"),
    "utf-32": DATA.decode().encode("utf-32"),
    "json": b'{"a": [1, 2, {"b": null}]}',
    "har": b'{"log": {"version": "1.2", "creator": {"name": "x", "version": "1"}, "entries": []}}',
    "html": b"<!doctype html>\n<html><head><title>404</title></head><body>\n<p>404: no</p></body></html>\n",
    "gzip": b"\x1f\x8b\x08\x00" + bytes(range(256)),
    "words": b"The quick brown fox: jumps\nover the lazy dog\n",
    "interactions of text": b"interactions: [a, b]\n",
    "interactions of lists": b"interactions:\n- - a\n",
    "version list": b"version: [2]\ninteractions: []\n",
    "huge integer": entry("    content_length: " + "9" * 100_000),
    "huge version": b"version: " + b"9" * 10_000 + b"\ninteractions: []\n",
    "huge duration": HEAD + b"- response:\n    duration: " + b"9" * 100_000 + b"h\n",
    "huge key": entry("    ? " + "k" * 100_000 + "\n    : &x y"),
    "lone surrogate": entry(r'    url: "\ud800"'),
    "beyond unicode": entry(r'    url: "\U00110000"'),
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE)
def test_it_is_refused_at_once(data: bytes) -> None:
    started = time.process_time()
    assert not is_read_or_refused(data)
    with pytest.raises(FormatError):
        recover(data)
    assert time.process_time() - started < 5


@pytest.mark.parametrize("levels", ["[", "{a: ", "- ", "? "])
def test_deep_nesting_is_named_whatever_libyaml_says_of_it(levels: str) -> None:
    with pytest.raises(FormatError, match=r"line 5: .*nested more than 100 levels deep"):
        load(entry("    x: " + levels * 100_000 if levels in "[{a: " else "    ? " + levels * 100_000))


def test_a_cassette_of_vcr_py_is_named() -> None:
    data = seeds.seed("vcrpy_v1_llm_test_tool_use_basic.yaml")
    with pytest.raises(FormatError, match=r"this is a cassette of VCR\.py"):
        load(data)


def test_any_type_in_any_place_is_read_or_refused() -> None:
    lines = DATA.decode().splitlines()
    for number, line in enumerate(lines):
        key = line.partition(":")[0]
        for value in (
            "[a]",
            "{a: b}",
            "text",
            "12",
            "1.5",
            "true",
            "~",
            "''",
            "*a",
            "&a b",
            "!x y",
            "!!binary a",
            "[",
            "|",
            ">9",
        ):
            is_read_or_refused("\n".join([*lines[:number], f"{key}: {value}", *lines[number + 1 :]]).encode())
            is_read_or_refused("\n".join([*lines[:number], f"{line}{value}", *lines[number + 1 :]]).encode())


def test_a_file_cut_anywhere_is_read_or_refused() -> None:
    for cut in range(len(DATA)):
        is_read_or_refused(DATA[:cut])
        is_read_or_refused(DATA[cut:])


@given(st.binary(max_size=300))
@example(b"\xef\xbb\xbf")
@example(b"%")
@example(b"interactions:\n-\xc2\x85-")
@example(b"interactions:\n- a: |\xe2\x80\xa8-")
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    is_read_or_refused(data)
    is_read_or_refused(HEAD + data)
    is_read_or_refused(HEAD + b"- " + data)


@given(
    st.lists(
        st.tuples(
            st.integers(0, len(DATA)), st.integers(0, 4), st.text("-: \n\t'\"|>[]{}&*!#%?~0é\x85\u2028\r\0")
        ),
        max_size=4,
    )
)
def test_any_damage_is_read_or_refused(damage: list[tuple[int, int, str]]) -> None:
    data = DATA
    for at, gone, new in damage:
        data = data[:at] + new.encode() + data[at + gone :]
    is_read_or_refused(data)
    try:
        cassette, torn = recover(data)
    except FormatError:
        return
    assert cassette.source is not None
    assert cassette.source.data + torn == data


LARGE = {
    "one body": "entry('    body: ' + 'x' * 100_000_000)",
    "one literal": "entry('    body: |\\n' + '      data: x\\n\\n' * 6_600_000)",
    "blank lines": "b'\\n' * 100_000_000",
    "comments": "b'# x\\n' * 25_000_000 + b'a: [}'",
    "small values": "entry('    x:\\n' + '    - a\\n' * 12_500_000)",
    "empty entries": "HEAD + b'- {}\\n' * 20_000_000",
    "old mac's entries": "(HEAD + b'- {}\\n' * 20_000_000).replace(b'\\n', b'\\r')",
    "headers": "entry('    headers: {' + ', '.join(f'k{n}: []' for n in range(9_000_000)) + '}')",
    "opening quotes": "entry('    body: \"' + 'a b\\\\n' * 20_000_000)",
    "indicators": "b'? ' * 50_000_000",
    "spaces": "b' ' * 100_000_000 + b'a: }'",
}
MEASURE = """
import resource, sys, time
from tests.formats.test_govcr_hostile import *
data = {code}
started = time.process_time()
try:
    load(data); print("read")
except FormatError as error:
    print("refused", error)
print(time.process_time() - started, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


@pytest.mark.skipif(not os.environ.get("MITMVCR_LARGE"), reason="takes minutes and 2 GB; set MITMVCR_LARGE=1")
@pytest.mark.parametrize("code", LARGE.values(), ids=LARGE)
def test_a_hundred_megabytes_are_read_or_refused_in_bounds(code: str) -> None:
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", MEASURE.replace("{code}", code)],
        cwd=root,
        env={**os.environ, "PYTHONPATH": f"{root / 'addon'}:{root}"},
        capture_output=True,
        text=True,
        check=True,
    )
    said, measured = done.stdout.splitlines()
    seconds, megabytes = map(float, measured.split())
    assert said.startswith(("read", "refused"))
    assert seconds < 60
    assert megabytes < 2500
