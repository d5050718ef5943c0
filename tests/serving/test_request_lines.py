"""A request's line in the log: on one line, of a bounded length, and without a secret."""

from __future__ import annotations

import pytest

from mitmvcr.scrub import Policy, Scrubber
from mitmvcr.serving.request_head import RequestHead
from mitmvcr.serving.request_lines import RequestLines

KEY = "sk-" + "proj-Qw3rTy6uIo9pAsDfGh1jKl2zXcVb5nM7qW8eR4tY6uI0oP3a"  # made up
OPAQUE = "opaque-77-value-of-a-gateway"


def line(path: str, *fields: tuple[str, str], lines: RequestLines | None = None) -> str:
    head = RequestHead("POST", "https", "api.openai.com", 443, path, "HTTP/1.1", fields)
    return (lines or RequestLines(Scrubber(Policy()))).line(head)


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/v1/chat/completions", "/v1/chat/completions"),
        (f"/v1/models?api-key={KEY}", "/v1/models"),
        (f"/v1/files/{KEY}/content", "/v1/files/REDACTED-token-1/content"),
        (f"/v1/files/{OPAQUE}", "/v1/files/REDACTED-token-1"),
        ("/v1/x\r\n::error::y\x1b[31m\u202e", r"/v1/x\r\n::error::y\x1b[31m\u202e"),
        ("/v1/##vso[task]", "/v1/"),
        ("/\udcff", r"/\udcff"),
        ("*", "*"),
    ],
)
def test_it_has_no_secret_and_drives_nothing(path: str, said: str) -> None:
    fields = ("Authorization", f"Bearer {OPAQUE}"), ("Accept", "*/*")
    lines = RequestLines(Scrubber(Policy()))
    for _ in range(2):
        assert line(path, *fields, lines=lines) == f"POST api.openai.com{said}"


def test_what_one_request_has_as_a_credential_is_none_to_be_said_of_another() -> None:
    lines = RequestLines(Scrubber(Policy()))
    line("/v1/models", ("x-api-key", OPAQUE), lines=lines)
    assert OPAQUE not in line(f"/v1/files/{OPAQUE}", lines=lines)


def test_what_is_remembered_has_a_bound() -> None:
    lines = RequestLines(Scrubber(Policy()))
    for number in range(3000):
        line(f"/v1/{number}/{'x' * 900}", (f"x-header-{number}", "y"), lines=lines)
    assert lines._lines.cost <= 1 << 20
    assert len(lines._carriers) <= 1 << 10
