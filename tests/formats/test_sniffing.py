"""A format is told from the bytes, gzip is undone within bounds, and what is none is named."""

from __future__ import annotations

import contextlib
import gzip
import json
import time

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from mitmvcr.errors import FormatError
from mitmvcr.formats import har, vcrpy
from mitmvcr.formats.sniffing import sniff
from tests.formats.golden import ROOT, needs_golden
from tests.formats.models import CASSETTES
from tests.formats.seeds import seed

GO_VCR = b"---\nversion: 2\ninteractions:\n- id: 0\n  request:\n    proto: HTTP/1.1\n"
VCR_PY = b"interactions:\n- request:\n    body: null\n    headers: {}\n    method: GET\n    uri: http://a/\n"
LLAMA = {
    "test_id": "t",
    "request": {"method": "POST", "url": "http://a/v1/v1/embeddings"},
    "response": {"body": {}},
}


@pytest.mark.parametrize(
    ("name", "format_"),
    [
        ("govcr_v2_multi_tool_streaming.yaml", "go-vcr"),
        ("govcr_v2_openai-gpt-4o-mini.yaml", "go-vcr"),
        ("govcr_v2_tool_streaming.yaml", "go-vcr"),
        ("vcrpy_v1_llm_test_tool_use_basic.yaml", "vcrpy"),
        ("llama_stack_ef7060e39e76.json", "llama-stack"),
    ],
)
def test_seeds_are_told(name: str, format_: str) -> None:
    assert sniff(seed(name)) == format_
    assert sniff(gzip.compress(seed(name), mtime=0)) == format_
    assert sniff(b"\xef\xbb\xbf" + seed(name).replace(b"\n", b"\r\n")) == format_


@needs_golden
def test_golden_cassettes_are_go_vcrs() -> None:
    files = [path for path in ROOT.rglob("*.yaml") if b"interactions" in path.read_bytes()]
    assert files
    assert {sniff(path.read_bytes()) for path in files} == {"go-vcr"}


@pytest.mark.parametrize(
    ("data", "format_"),
    [
        (GO_VCR, "go-vcr"),
        (GO_VCR.replace(b"version: 2\n", b""), "go-vcr"),
        (b"# a comment\n\n" + GO_VCR, "go-vcr"),
        (b"version: 2\ninteractions: []\n", "go-vcr"),
        (VCR_PY + b"version: 1\n", "vcrpy"),
        (VCR_PY, "vcrpy"),
        (b"---\nversion: 1\ninteractions:\n- request:\n    body: x\n    form: {}\n", "go-vcr"),
        (b"interactions: []\nversion: 1\n", "vcrpy"),
        (b"{interactions: [], version: 1}", "vcrpy"),
        (b"version: 1\n" + VCR_PY, "vcrpy"),
        (
            b"interactions:\n- request:\n    body: '"
            + b"x" * 200_000
            + b"'\n    uri: http://a\nversion: 1\n",
            "vcrpy",
        ),
        (b"interactions:\n- request:\n    body: 'id: 1\n\n      url: x'\nversion: 1\n", "vcrpy"),
        (b"requests:\n- body: null\nresponses: []\n", "vcrpy"),
        (b"- request:\n    method: GET\n", "vcrpy"),
        (b'{"version": 1, "interactions": []}', "vcrpy"),
        (b'{"interactions": [{"request": {"uri": "http://a"}}], "version": 1}', "vcrpy"),
        (json.dumps(LLAMA).encode(), "llama-stack"),
        (json.dumps({"request": {"body": "x" * 100_000}, "response": {}}).encode(), "llama-stack"),
        (b'{"log": {"version": "1.2", "entries": []}}', "har"),
        (b'\xef\xbb\xbf {\n "log" : {}}', "har"),
    ],
)
def test_content_tells_the_format(data: bytes, format_: str) -> None:
    assert sniff(data) == format_
    assert sniff(gzip.compress(data, mtime=0)) == format_


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "an empty file"),
        (b" \n", "an empty file"),
        (b"PK\x03\x04abc", "a ZIP archive"),
        (b"<!DOCTYPE html><html>", "HTML"),
        (b"8723:9:websocket;0:~", "mitmproxy's flows"),
        (b"---\nhttp_interactions:\n- request: {}\n", "Ruby's VCR"),
        (b'{"http_interactions": []}', "Ruby's VCR"),
        (b'{"mappings": [{"request": {"url": "/"}, "response": {}}]}', "WireMock"),
        (b'{"data": {"pairs": [{"request": {}}]}}', "Hoverfly"),
        (b'{"name": "x"}', "JSON of another kind"),
        (b"[1, 2]", "JSON of another kind"),
        (b"name: x\n", "YAML of another kind"),
        (b"GET / HTTP/1.1\r\n", "raw HTTP"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:1\n", "Git LFS"),
        (b"hello world", "plain text"),
        (b"\x89PNG\r\n\x1a\n\0\0", "binary data"),
        (gzip.compress(b"hello world", mtime=0), "plain text"),
        (b"\x1f\x8bxx", "damaged gzip"),
    ],
)
def test_what_is_no_cassette_is_named_with_what_is_readable(data: bytes, words: str) -> None:
    with pytest.raises(FormatError) as caught:
        sniff(data)
    assert words in str(caught.value)
    for readable in ("go-vcr v2", "VCR.py v1", "llama-stack", "HAR 1.2"):
        assert readable in str(caught.value)


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_bytes_have_a_format_or_are_refused(data: bytes) -> None:
    try:
        assert sniff(data) in ("go-vcr", "vcrpy", "llama-stack", "har")
    except FormatError as error:
        assert "Readable are" in str(error)  # noqa: PT017 - either outcome is right


@given(CASSETTES)
def test_what_is_written_is_told(cassette: object) -> None:
    assert sniff(vcrpy.dump(cassette)) == "vcrpy"  # type: ignore[arg-type]
    assert sniff(har.dump(cassette)) == "har"  # type: ignore[arg-type]


def test_a_body_that_looks_like_a_cassette_does_not_deceive() -> None:
    body = GO_VCR.decode() + '{"log": 1}'
    entry = {"request": {"body": body, "method": "POST", "uri": "http://a/", "headers": {}}, "response": {}}
    assert sniff(yaml.safe_dump({"interactions": [entry], "version": 1}).encode()) == "vcrpy"
    assert (
        sniff(json.dumps({"test_id": body, "request": {"body": body}, "response": {}}).encode())
        == "llama-stack"
    )


def test_sniffing_looks_at_the_head_only() -> None:
    assert sniff(GO_VCR + b"\xff" * 300_000) == "go-vcr"
    assert sniff(gzip.compress(GO_VCR + b"x" * 300_000, mtime=0)[:-100]) == "go-vcr"


# Made against the patterns that tell the format: each is slow where two parts of one share characters.
HOSTILE = {
    "a string over the end of the head": '{"version": 1, "interactions": [{"body": "' + '\\"' * 40_000,
    "escapes over the end of the head": '{"a": "' + "\\" * 70_000,
    "comments with blanks": ("#" + " " * 40 + "\n") * 2_000 + "x",
    "blank lines": "\n" * 70_000 + "x",
    "dashes": "--- " * 20_000,
    "blanks behind a key": "interactions" + " " * 65_000 + "x",
    "blanks behind interactions": "interactions:" + " " * 65_000 + "x",
    "brackets": "{" * 70_000,
    "keys": '{"a": 1,' * 9_000,
    "quotes": '"' * 70_000,
    "words of Ruby's VCR": "\n http_interactions" * 4_000,
    "directives": "%YAML 1.1\n" * 7_000,
    "a key and blanks": '{"request"' + " " * 65_000,
    "an old list": "- request" * 7_000,
    "lines of version 1": "version: 1\n" + " " * 4 + "for\n" * 16_000,
    "a method": "GET " + "x" * 70_000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_telling_the_format_takes_milliseconds(name: str) -> None:
    data = HOSTILE[name].encode()
    started = time.process_time()
    with contextlib.suppress(FormatError):
        sniff(data)
    assert time.process_time() - started < 0.25


@pytest.mark.parametrize(
    ("data", "format_"),
    [
        (b'---\n{"interactions": [{"request": {"uri": "http://a"}}], "version": 1}', "vcrpy"),
        (b'--- {"interactions": [{"id": 0, "request": {}}], "version": 2}', "go-vcr"),
        (b'# a comment\n{"interactions": []}\n', "vcrpy"),
        (b'%YAML 1.1\n---\n{"log": {"entries": []}}\n', "har"),
        (b"%YAML 1.1\n---\n" + VCR_PY, "vcrpy"),
        (b"# c\r\n%YAML 1.1\r\n--- # d\r\n" + GO_VCR[4:].replace(b"\n", b"\r\n"), "go-vcr"),
        (GO_VCR.replace(b"\n", b"\r"), "go-vcr"),
        (b"--- # old\n- request:\n    method: GET\n", "vcrpy"),
        (b"---\ninteractions: []\nversion: 1\n...\n", "vcrpy"),
    ],
)
def test_what_stands_before_a_document_does_not_hide_it(data: bytes, format_: str) -> None:
    assert sniff(data) == format_
    assert sniff(data.decode().encode("utf-16")) == format_
