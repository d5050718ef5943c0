"""What was redacted comes back as the asker's own, and which of several like recordings answers."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mitmvcr.formats import govcr
from mitmvcr.misses.explain import Miss
from mitmvcr.model import Cassette, Interaction
from mitmvcr.sessions.open_cassette import Play
from mitmvcr.sessions.table import Sessions
from tests.build import CHAT, interaction, request, response, sessions, write

FIRST = "sk-" + "proj-Qw3rTy6uIo9pAsDfGh1jKl2zXcVb5nM7qW8eR4tY6uI0oP3a"  # made up, as are the others
SECOND = "sk-" + "proj-Zm4xNb7vCl9kJh2gFd5sAq8wEr1tYu3iOp6aSd0fGh4jK2lQ"
THIRD = "sk-" + "proj-Lk8jHg5fDs2aQw1eRt4yUi7oPz0xCv3bNm6qWe9rTy5uIo8p"


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


# --- what only a name tells


def login(password: str) -> dict[str, Any]:
    return {"user": "ann", "password": password}


def counted(table: Sessions) -> tuple[int, int]:
    report = table.get("a").current()
    return report.replayed, report.matched_by_redaction


def test_an_answer_that_matched_by_a_name_alone_is_counted(tmp_path: Path) -> None:
    data = recorded(
        tmp_path, interaction(login("Zk3Pq8Rt5Vw2Xy7a"), {"n": 0}), interaction({"a": FIRST}, {"n": 1})
    )
    assert b"Zk3Pq8Rt5Vw2Xy7a" not in data
    table = sessions(tmp_path, mode="replay", repeat="any")
    assert said(table, login("Bc4De6Fg9HjKm1Nb")) == {"n": 0}
    assert counted(table) == (1, 1)
    assert said(table, {"a": SECOND}) == {"n": 1}  # a key tells itself: nothing to be said of
    assert counted(table) == (2, 1)
    (on_disk,) = set(re.findall("REDACTED-[a-z]+-[0-9]+", data.decode().partition("- id: 1")[0]))
    assert said(table, login(on_disk)) == {"n": 0}  # to the letter
    assert counted(table) == (3, 1)
    table.close_all()
    (report,) = table.closed
    assert report.matched_by_redaction == 1
    assert not report.failed


def test_of_passwords_each_gets_what_it_got_before(tmp_path: Path) -> None:
    words = ["Zk3Pq8Rt5Vw2Xy7a", "Bc4De6Fg9HjKm1Nb", "Qw3rTy6uIo9pAsDf"]
    recorded(tmp_path, *(interaction(login(word), {"n": n}) for n, word in enumerate(words)))
    table = sessions(tmp_path, mode="replay", repeat="any")
    assert [said(table, login(words[n]))["n"] for n in (0, 1, 2, 2, 0, 1, 0)] == [0, 1, 2, 2, 0, 1, 0]
    assert [said(table, login(words[n]), "another")["n"] for n in (0, 1, 1, 0)] == [0, 1, 1, 0]


def test_where_the_recording_still_has_them_the_very_one_answers(tmp_path: Path) -> None:
    words = ["Zk3Pq8Rt5Vw2Xy7a", "Bc4De6Fg9HjKm1Nb"]
    write(tmp_path / "a.yaml", *(interaction(login(word), {"n": n}) for n, word in enumerate(words)))
    table = sessions(tmp_path, mode="replay")
    assert [said(table, login(word))["n"] for word in reversed(words)] == [1, 0]
    assert counted(table) == (2, 0)
    table = sessions(tmp_path, mode="replay")
    assert said(table, login("Qw3rTy6uIo9pAsDf")) == {"n": 0}
    assert counted(table) == (1, 1)


def test_what_is_not_compared_is_not_counted(tmp_path: Path) -> None:
    recorded(tmp_path, interaction(login("Zk3Pq8Rt5Vw2Xy7a"), {"n": 0}))
    table = sessions(tmp_path, mode="replay", match="method,url")
    assert said(table, login("Bc4De6Fg9HjKm1Nb")) == {"n": 0}
    assert counted(table) == (1, 0)


def test_a_prompt_that_differs_in_more_is_a_miss(tmp_path: Path) -> None:
    recorded(tmp_path, interaction(login("Zk3Pq8Rt5Vw2Xy7a"), {"n": 0}))
    table = sessions(tmp_path, mode="replay")
    assert isinstance(table.get("a").answer(request({**login("Zk3Pq8Rt5Vw2Xy7a"), "user": "bob"})), Miss)


def test_what_was_redacted_in_bodies_is_in_the_report(tmp_path: Path) -> None:
    table = sessions(tmp_path, mode="record")
    for number in range(3):
        exchange = interaction({**prompt(FIRST), "n": number}, {"echo": FIRST})
        table.get("a").answer(exchange.request)
        table.get("a").record(exchange)
    table.close_all()
    (report,) = table.closed
    assert report.redacted_count == 6
    assert {one.kind for one in report.redacted} == {"token"}
    assert {one.field.partition(" ")[0] for one in report.redacted} == {"request.body", "response.body"}
    assert sum(one.count for one in report.redacted) == 6
