"""Requests that are never recorded: which ones, and how the list is added to and taken from."""

from __future__ import annotations

import pytest

from mitmvcr.config.ignored_requests import BUILT_IN, answer_code, parse
from mitmvcr.errors import SettingsError

_ALL = tuple(BUILT_IN)


@pytest.mark.parametrize(
    ("method", "host", "path", "code"),
    [
        ("POST", "api.openai.com", "/v1/traces/ingest", 204),
        ("POST", "API.OpenAI.com.", "/v1/traces/ingest/?x=1", 204),
        ("POST", "us.api.openai.com", "/v1/traces/ingest", 204),
        ("POST", "127.0.0.1", "/gateway/v1/traces/ingest", 204),
        ("GET", "api.openai.com", "/v1/traces/ingest", 0),
        ("POST", "api.openai.com", "/v1/traces", 0),
        ("POST", "api.openai.com", "/v1/traces/ingested", 0),
        ("POST", "chatgpt.com", "/backend-api/codex/analytics-events/events", 200),
        ("POST", "api.smith.langchain.com", "/runs/multipart", 200),
        ("POST", "eu.api.smith.langchain.com", "/runs", 200),
        ("PATCH", "api.smith.langchain.com", "/runs/0190-aa", 200),
        ("GET", "api.smith.langchain.com", "/info", 200),
        ("GET", "api.smith.langchain.com", "/prompts/a", 0),
        ("POST", "localhost", "/api/v1/runs/multipart", 200),
        ("POST", "api.openai.com", "/v1/threads/thread_1/runs", 0),
        ("POST", "api.openai.com", "/v1/threads/runs", 0),
        ("POST", "api.openai.com", "/v1/chat/completions", 0),
        ("POST", "api.openai.com", "/v1/files?x=POST */v1/traces/ingest", 0),
        ("POST", "api.openai.com", "/", 0),
    ],
)
def test_tracing_and_telemetry_alone_are_ignored(method: str, host: str, path: str, code: int) -> None:
    assert answer_code(_ALL, method, host, path) == code


def test_what_is_given_is_added_and_what_has_a_minus_is_taken_away() -> None:
    more = parse(["POST Stats.Example.com/v2/*", "* localhost/ping"])
    assert more[: len(_ALL)] == _ALL
    assert answer_code(more, "POST", "stats.example.com", "/v2/a/b") == 200
    assert answer_code(more, "DELETE", "localhost", "/ping") == 200
    less = parse(["-POST */v1/traces/ingest", "- POST *.posthog.com/*"])
    assert len(less) == len(_ALL) - 2
    assert not answer_code(less, "POST", "api.openai.com", "/v1/traces/ingest")
    assert parse(["-*"]) == ()
    assert not answer_code((), "POST", "api.openai.com", "/v1/traces/ingest")
    assert parse(["-*", "POST */v1/traces/ingest"]) == ("POST */v1/traces/ingest",)


@pytest.mark.parametrize(
    "item", ["POST", "/v1/x", "POST /v1/x", "post a/b", "POST https://a/b", "-POST a/b", "-", "POST a/b c"]
)
def test_what_is_no_pattern_is_refused_with_what_one_looks_like(item: str) -> None:
    with pytest.raises(SettingsError, match=r"ignore_requests has .*(?:METHOD HOST/PATH|there are POST)"):
        parse([item])
