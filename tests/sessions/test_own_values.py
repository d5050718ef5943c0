"""What was redacted comes back as the asker's own, and which of several like recordings answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mitmvcr.formats import govcr
from mitmvcr.model import Cassette, Interaction
from mitmvcr.sessions.open_cassette import Play
from mitmvcr.sessions.table import Sessions
from tests.build import CHAT, interaction, request, response, sessions, write

FIRST = "sk-proj-Qw3rTy6uIo9pAsDfGh1jKl2zXcVb5nM7qW8eR4tY6uI0oP3a"  # made up, as are the others
SECOND = "sk-proj-Zm4xNb7vCl9kJh2gFd5sAq8wEr1tYu3iOp6aSd0fGh4jK2lQ"
THIRD = "sk-proj-Lk8jHg5fDs2aQw1eRt4yUi7oPz0xCv3bNm6qWe9rTy5uIo8p"


def prompt(key: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": f"is {key} valid?"}]}


def recorded(folder: Path, *exchanges: Interaction, name: str = "a") -> bytes:
    """Record the exchanges as a proxy would; the file."""
    table = sessions(folder, mode="record")
    for exchange in exchanges:
        table.get(name).answer(exchange.request)
        table.get(name).record(exchange)
    table.close_all()
    return (folder / f"{name}.yaml").read_bytes()


def said(table: Sessions, body: object, session: str = "") -> Any:
    play = table.get("a").answer(request(body), session)
    assert isinstance(play, Play)
    return json.loads(play.response.body)


@pytest.mark.parametrize("repeat", ["once", "last", "any"])
def test_each_asker_gets_its_own_value(tmp_path: Path, repeat: str) -> None:
    data = recorded(tmp_path, interaction(prompt(FIRST), {"echo": f"{FIRST} is"}))
    assert FIRST.encode() not in data
    table = sessions(tmp_path, mode="replay", repeat=repeat)
    assert said(table, prompt(SECOND), "one") == {"echo": f"{SECOND} is"}
    assert said(table, prompt(THIRD), "other") == {"echo": f"{THIRD} is"}


def test_a_replacement_that_the_request_has_no_value_for_stays(tmp_path: Path) -> None:
    recorded(tmp_path, interaction({"a": 1}, {"key": FIRST}))
    assert said(sessions(tmp_path, mode="replay"), {"a": 1}) == {"key": "REDACTED-token-1"}


def test_a_vcr_py_cassette_gives_them_back_though_bodies_are_not_matched(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(
        "version: 1\ninteractions:\n- request:\n    method: POST\n"
        f"    uri: {CHAT}\n"
        "    headers: {content-type: [application/json]}\n"
        """    body: '{"user": "REDACTED-user-1", "n": 1}'\n"""
        "  response:\n    status: {code: 200, message: OK}\n"
        "    headers: {content-type: [application/json]}\n"
        """    body: {string: '{"for": "REDACTED-user-1"}'}\n"""
    )
    table = sessions(tmp_path, mode="replay", repeat="any")
    assert said(table, {"user": "u-17", "n": 2}) == {"for": "u-17"}
    assert said(table, {"n": 2}) == {"for": "REDACTED-user-1"}


def test_programs_that_send_replacements_back_get_the_recording_with_these(tmp_path: Path) -> None:
    recorded(tmp_path, *(interaction(prompt(key), {"n": n}) for n, key in enumerate((FIRST, SECOND, THIRD))))
    for order in ([2, 0, 1], [1, 2, 0], [0, 1, 2]):
        table = sessions(tmp_path, mode="replay")
        for number in order:
            assert said(table, prompt(f"REDACTED-token-{number + 1}")) == {"n": number}


def test_what_differs_in_no_more_than_a_key_is_answered_in_order(tmp_path: Path) -> None:
    recorded(tmp_path, *(interaction(prompt(key), {"n": n}) for n, key in enumerate((FIRST, SECOND))))
    for repeat, numbers in (("once", [0, 1]), ("last", [0, 1, 1, 1]), ("any", [0, 1, 0, 1])):
        table = sessions(tmp_path, mode="replay", repeat=repeat)
        assert [said(table, prompt(THIRD))["n"] for _ in numbers] == numbers


def test_nothing_is_looked_at_where_a_cassette_has_no_replacement(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "a.yaml", interaction({"a": 1}, {"b": 2}))
    monkeypatch.setattr("mitmvcr.replay.replacements.slots_of", None)
    monkeypatch.setattr("mitmvcr.replay.replacements.marks_of", None)
    assert said(sessions(tmp_path, mode="replay"), {"a": 1}) == {"b": 2}


@given(
    st.binary(max_size=80), st.sampled_from(["application/json", "text/event-stream", "text/plain", "a/b"])
)
def test_whatever_stands_around_it_stays(
    tmp_path_factory: pytest.TempPathFactory, around: bytes, type_: str
) -> None:
    folder = tmp_path_factory.mktemp("own")
    body = around + b"REDACTED-token-1." + around
    entry = Interaction(request({"a": "REDACTED-token-1"}), response(body, content_type=type_))
    (folder / "a.yaml").write_bytes(govcr.dump(Cassette([entry])))
    play = sessions(folder, mode="replay").get("a").answer(request({"a": FIRST}))
    assert isinstance(play, Play)
    assert play.response.body == around + FIRST.encode() + b"." + around
