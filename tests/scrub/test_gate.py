"""The gate: it reads the bytes themselves, says what and where, and never shows the secret."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Callable
from dataclasses import replace

import pytest
import zstandard

from mitmvcr.formats import govcr
from mitmvcr.model import Cassette, Interaction, Request, Response
from mitmvcr.scrub.detect import search
from mitmvcr.scrub.detect.scan import Scanner
from mitmvcr.scrub.detect.seen_values import Watch
from tests.scrub.planting import KINDS, exchange, memory, scrubber

SCRUBBER = scrubber()
SECRET = KINDS["github"](random.Random(5))


def test_a_finding_says_rule_field_place_and_remedy_but_not_the_secret() -> None:
    one = exchange(b"", f"a\nb {SECRET}".encode())
    data = govcr.dump(Cassette([one]), govcr.Dialect.CHARM)
    (finding,) = SCRUBBER.gate(data, one, memory())
    line = data[: data.index(SECRET.encode())].count(b"\n") + 1
    assert (finding.rule, finding.field, finding.place) == (
        "github-token", "response.body", f"line {line} of the entry",
    )  # fmt: skip
    assert "vcr_allow=github-token@response.body" in str(finding)
    assert "\n" not in str(finding)
    assert SECRET[5:] not in str(finding)
    assert len(finding.sample) < 20


@pytest.mark.parametrize(
    ("field", "one"),
    [
        ("request.url", exchange(url=f"https://h.example/{SECRET}")),
        ("request.body", exchange(SECRET.encode())),
        (
            "request.headers.User-Agent",
            Interaction(
                Request("GET", "https://h.example/", headers={"User-Agent": [SECRET]}), Response(200)
            ),
        ),
    ],
)
def test_the_field_is_named(field: str, one: Interaction) -> None:
    data = govcr.dump(Cassette([one]), govcr.Dialect.STOCK)
    assert [finding.field for finding in SCRUBBER.gate(data, one, memory())] == [field]


def test_the_bytes_are_read_not_only_the_model() -> None:
    one = exchange(b"clean")
    findings = SCRUBBER.gate(f"- id: 0\n  comment: {SECRET}\n".encode(), one, memory())
    assert [finding.field for finding in findings] == ["interaction"]


def test_folded_and_quoted_text_is_unfolded() -> None:
    half = len(SECRET) // 2
    folded = f'body: "x {SECRET[:half]}\\\n    {SECRET[half:]}"'.encode()
    assert SCRUBBER.gate(folded, exchange(b"clean"), memory())
    seen = memory()
    seen.track("it's a long pass phrase", "password")
    assert SCRUBBER.gate(b"body: 'say: it''s a long\n    pass phrase'", exchange(b"clean"), seen)
    assert SCRUBBER.gate(rb'body: "say: it\x27s a long pass\u0020phrase"', exchange(b"clean"), seen)


def test_a_binary_body_is_read_decoded() -> None:
    one = exchange(b"", b"\xff\xfe\x00 " + SECRET.encode() + b" \x80")
    data = govcr.dump(Cassette([one]), govcr.Dialect.CHARM)
    assert b"!!binary" in data
    assert [finding.rule for finding in SCRUBBER.gate(data, one, memory())] == ["github-token"]


@pytest.mark.parametrize("compress", [gzip.compress, zstandard.compress])
def test_a_compressed_body_is_read_through(compress: Callable[[bytes], bytes]) -> None:
    one = exchange(b"", compress(SECRET.encode()))
    data = govcr.dump(Cassette([one]), govcr.Dialect.CHARM)
    assert [finding.rule for finding in SCRUBBER.gate(data, one, memory())] == ["github-token"]


def coded(body: bytes, coding: str) -> Interaction:
    one = exchange(body, body)
    headers = {"Content-Encoding": [coding]}
    return replace(
        one, request=replace(one.request, headers=headers), response=replace(one.response, headers=headers)
    )


def test_a_foreign_cassettes_compressed_bodies_are_decoded_and_scrubbed() -> None:
    seen = memory()
    clean = SCRUBBER.interaction(coded(gzip.compress(SECRET.encode() * 3), "gzip"), seen)
    assert clean.request.body == clean.response.body
    assert clean.response.body.startswith(b"REDACTED-githubtoken-1")
    assert clean.request.headers == clean.response.headers == {}
    assert clean.request.content_length == len(clean.request.body)
    assert (clean.response.content_length, clean.response.uncompressed) == (-1, True)
    assert SCRUBBER.gate(b"", clean, seen) == []


def test_what_cannot_be_read_into_is_refused() -> None:
    for coding in ("gzip", "x-unheard-of"):
        clean = SCRUBBER.interaction(coded(b"\x1f\x8b\x08\xff\xffbroken", coding), memory())
        findings = SCRUBBER.gate(b"", clean, memory())
        assert {finding.rule for finding in findings} == {"unreadable-body"}
        assert {finding.field for finding in findings} == {"request.body", "response.body"}


def test_a_coding_that_lies_over_text_is_dropped() -> None:
    clean = SCRUBBER.interaction(coded(b'{"a":1}', "gzip"), memory())
    assert clean.response.body == b'{"a":1}'
    assert clean.response.headers == {}
    assert clean.response.uncompressed is False


def test_a_wrapped_base64_of_a_tracked_value_is_found() -> None:
    seen = memory()
    seen.track("a-tracked-value-of-some-length-123", "token")
    one = exchange(b"", b"\xff" * 30 + b"a-tracked-value-of-some-length-123" + b"\xff" * 40)
    data = govcr.dump(Cassette([one]), govcr.Dialect.CHARM)
    assert SCRUBBER.gate(data, one, seen)


STREAM = b"".join(b'data: {"n":%d,"text":"event number %d of the stream"}\n\n' % (n, n) for n in range(9))
BODIES = {
    "a stream": STREAM,
    "a stream with one line break at its end": STREAM[:-1],
    "JSON in lines": json.dumps(dict.fromkeys(map(str, range(30)), "some words"), indent=1).encode(),
    "JSON in one line": json.dumps(dict.fromkeys(map(str, range(30)), "some words")).encode(),
}


@pytest.mark.parametrize("dialect", govcr.Dialect)
@pytest.mark.parametrize("body", BODIES)
def test_what_was_just_read_is_not_read_again_in_the_entry(
    body: str, dialect: govcr.Dialect, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts: list[bytes] = []

    def may_have_secrets(text: bytes, scanner: Scanner, watch: Watch, *, with_names: bool) -> bool:
        texts.append(text)
        return search.may_have_secrets(text, scanner, watch, with_names=with_names)

    monkeypatch.setattr("mitmvcr.scrub.gate.may_have_secrets", may_have_secrets)
    seen = memory()
    clean = SCRUBBER.interaction(exchange(BODIES[body], BODIES[body]), seen)
    data = govcr.dump(Cassette([clean]), dialect)
    assert SCRUBBER.gate(data, clean, seen) == []
    assert len(texts[0]) < len(data) - 1.8 * len(BODIES[body])
    # What stands beside it is.
    findings = SCRUBBER.gate(data.replace(b"- id:", b"- a: %b\n  id:" % SECRET.encode()), clean, seen)
    assert [finding.rule for finding in findings] == ["github-token"]
