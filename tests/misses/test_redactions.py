"""A miss by what is redacted on one side alone names the variable that is its cause, and never its value."""

from __future__ import annotations

from pathlib import Path

import pytest

from mitmvcr.misses.explain import Miss
from mitmvcr.sessions.table import Sessions
from tests.build import interaction, request, sessions, write

VALUE = "production-mode1-eu"  # made up


def said(text: object) -> dict[str, object]:
    return {"messages": [{"role": "user", "content": text}]}


def miss(table: Sessions, body: object) -> str:
    outcome = table.get("a").answer(request(body))
    assert isinstance(outcome, Miss)
    return outcome.message


@pytest.mark.parametrize("name", ["SERVICE_TOKEN", "OPENAI_API_KEY", "DEPLOY_SECRET"])
def test_a_variable_whose_value_is_redacted_here_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, VALUE)
    write(tmp_path / "a.yaml", interaction(said("deploy to staging")))
    message = miss(sessions(tmp_path, mode="replay"), said(f"deploy to {VALUE}"))
    assert f"The value of ${name} stands in the request ($.messages[0].content) and is redacted" in message
    assert VALUE not in message


def test_a_value_that_was_redacted_where_it_was_recorded_is_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SERVICE_TOKEN", raising=False)
    write(tmp_path / "a.yaml", interaction(said("deploy to REDACTED-token-1")))
    message = miss(sessions(tmp_path, mode="replay"), said(f"deploy to {VALUE}"))
    assert "The recording has a redacted value at $.messages[0].content where the request has none" in message


def test_nothing_is_said_where_both_sides_are_redacted_or_neither(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SERVICE_TOKEN", VALUE)
    write(tmp_path / "a.yaml", interaction(said("REDACTED-token-1 now")), interaction(said("nothing")))
    table = sessions(tmp_path, mode="replay")
    for text in (f"{VALUE} later", "anything"):
        message = miss(table, said(text))
        assert "redacted value" not in message
        assert "is redacted" not in message
