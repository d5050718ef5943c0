"""Open cassettes and the sessions on them: what each mode does with a request, and what came of it."""

from __future__ import annotations

import errno
import gzip
import os
from dataclasses import replace
from pathlib import Path
from unittest import mock

import pytest

from mitmvcr.config import load
from mitmvcr.config.settings import CassetteSettings, Matching, Mode, Repeat, Settings
from mitmvcr.errors import CassetteError, SettingsError
from mitmvcr.misses.explain import Miss
from mitmvcr.model import Interaction
from mitmvcr.reports.run_report import MAX_LISTED, has_failed
from mitmvcr.reports.terminal_summary import lines
from mitmvcr.scrub import Policy, Scrubber
from mitmvcr.sessions.open_cassette import Forward, OpenCassette, Play, Verdict
from mitmvcr.sessions.table import Sessions
from mitmvcr.store import cassette
from mitmvcr.store.lock import Lock
from tests.build import CHAT, interaction, request, response, sessions, write

MODES = ["once", "record", "replay", "new-episodes", "passthrough"]
YES, NO = Forward(record=True), Forward(record=False)


def answer_of(verdict: Verdict) -> object:
    """The body that is played, else what else is done."""
    return verdict.interaction.response.body if isinstance(verdict, Play) else verdict


def ask(table: Sessions, body: object, name: str | None = "a", session: str = "") -> object:
    return answer_of(table.get(name).answer(request(body), session))


def report(table: Sessions, name: str = "a") -> tuple[int, int, int, int]:
    opened = table.find(name)
    assert opened is not None
    now = opened.current()
    return now.recorded, now.replayed, len(now.misses), len(now.unused)


# --- the modes


@pytest.mark.parametrize(
    ("mode", "verdict"),
    [("once", YES), ("record", YES), ("new-episodes", YES), ("passthrough", NO), ("replay", None)],
)
def test_without_a_cassette_each_mode_but_replay_goes_upstream(
    tmp_path: Path, mode: str, verdict: Forward | None
) -> None:
    table = sessions(tmp_path, mode=mode)
    said = ask(table, 1)
    if verdict is None:
        assert isinstance(said, Miss)
        assert "does not exist" in said.message
        assert str(tmp_path / "a.yaml") in said.message
    else:
        assert said == verdict
    table.close_all()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("mode", "known", "unknown"),
    [
        ("once", b"one", None),
        ("replay", b"one", None),
        ("new-episodes", b"one", YES),
        ("record", YES, YES),
        ("passthrough", NO, NO),
    ],
)
def test_with_a_cassette_each_mode_does_what_its_name_says(
    tmp_path: Path, mode: str, known: object, unknown: Forward | None
) -> None:
    write(tmp_path / "a.yaml", interaction(1, "one"))
    before = (tmp_path / "a.yaml").read_bytes()
    table = sessions(tmp_path, mode=mode)
    assert ask(table, 1) == known
    said = ask(table, 2)
    assert isinstance(said, Miss) if unknown is None else said == unknown
    table.close_all()
    assert (tmp_path / "a.yaml").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["a.yaml"]


def record(table: Sessions, *bodies: object, name: str = "a") -> None:
    for body in bodies:
        table.get(name).record(Interaction(request(body), response(body)))


def recorded(path: Path) -> list[bytes]:
    return [one.request.body for one in cassette.read(path).cassette.interactions]


def test_once_records_what_replays_the_next_time(tmp_path: Path) -> None:
    table = sessions(tmp_path)
    assert ask(table, 1) == YES
    record(table, 1, 2)
    assert ask(table, 1) == YES
    table.close_all()
    again = sessions(tmp_path)
    assert [ask(again, 1), ask(again, 2)] == [b"1", b"2"]
    again.close_all()


def test_record_starts_anew_when_the_first_exchange_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    write(path, interaction("old"))
    table = sessions(tmp_path, mode="record")
    assert ask(table, "new") == YES
    assert recorded(path) == [b"old"]
    record(table, "new", "newer")
    table.close_all()
    assert recorded(path) == [b"new", b"newer"]


def test_new_episodes_adds_what_does_not_match(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    write(path, interaction("old", "old"))
    before = path.read_bytes()
    table = sessions(tmp_path, mode="new-episodes")
    assert [ask(table, "old"), ask(table, "old"), ask(table, "new")] == [b"old", YES, YES]
    record(table, "new")
    assert report(table) == (1, 1, 0, 0)
    table.close_all()
    assert path.read_bytes().startswith(before)
    assert recorded(path) == [b"old", b"new"]


@pytest.mark.parametrize("mode", ["replay", "passthrough"])
def test_a_cassette_that_is_not_recorded_to_refuses_to_be_written(tmp_path: Path, mode: str) -> None:
    table = sessions(tmp_path, mode=mode)
    ask(table, 1)
    with pytest.raises(CassetteError):
        record(table, 1)


def test_after_close_nothing_is_written(tmp_path: Path) -> None:
    table = sessions(tmp_path)
    opened = table.get("a")
    table.close_all()
    with pytest.raises(CassetteError, match="closed before the exchange ended"):
        opened.record(interaction(1))
    assert list(tmp_path.iterdir()) == []


# --- playing


def test_identical_requests_are_answered_first_in_first_out_and_once(tmp_path: Path) -> None:
    write(tmp_path / "a.yaml", interaction(1, "a"), interaction(2, "x"), interaction(1, "b"))
    table = sessions(tmp_path, mode="replay")
    assert [ask(table, 1), ask(table, 1), ask(table, 2)] == [b"a", b"b", b"x"]
    said = ask(table, 1)
    assert isinstance(said, Miss)
    assert "interaction 0, 2" in said.message
    assert "vcr_repeat" in said.message
    assert report(table) == (0, 3, 1, 0)


@pytest.mark.parametrize(
    ("repeat", "answers"), [("last", [b"a", b"b", b"b", b"b"]), ("any", [b"a", b"b", b"a", b"b"])]
)
def test_repeating_never_misses(tmp_path: Path, repeat: str, answers: list[bytes]) -> None:
    write(tmp_path / "a.yaml", interaction(1, "a"), interaction(1, "b"))
    table = sessions(tmp_path, mode="replay", repeat=repeat)
    assert [ask(table, 1) for _ in range(4)] == answers


def test_sessions_on_one_cassette_each_begin_at_its_start_and_share_what_is_unused(tmp_path: Path) -> None:
    write(tmp_path / "a.yaml", interaction(1, "a"), interaction(1, "b"), interaction(2, "x"))
    table = sessions(tmp_path, mode="replay")
    assert [ask(table, 1, session="p"), ask(table, 1, session="q"), ask(table, 1, session="p")] == [
        b"a",
        b"a",
        b"b",
    ]
    assert report(table) == (0, 3, 0, 1)
    assert table.get("a").unused() == [2]
    assert ask(table, 2, session="q") == b"x"
    assert report(table) == (0, 4, 0, 0)


def test_a_cassette_is_read_once_for_all_of_its_sessions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "a.yaml", interaction(1, "a"))
    table = sessions(tmp_path, mode="replay")
    reads = []
    parse = cassette.parse

    def counting(path: Path, data: bytes) -> cassette.CassetteFile:
        reads.append(path)
        return parse(path, data)

    monkeypatch.setattr(cassette, "parse", counting)
    assert [ask(table, 1, session=str(n)) for n in range(20)] == [b"a"] * 20
    assert reads == [tmp_path / "a.yaml"]


@pytest.mark.parametrize(("latency", "wait"), [("off", 0.0), ("recorded", 1.5), ("2", 3.0), ("0.5", 0.75)])
def test_the_wait_is_the_recorded_duration_times_the_factor(
    tmp_path: Path, latency: str, wait: float
) -> None:
    write(tmp_path / "a.yaml", Interaction(request(1), response(1, duration=1_500_000_000)))
    verdict = sessions(tmp_path, mode="replay", latency=latency).get("a").answer(request(1))
    assert isinstance(verdict, Play)
    assert verdict.wait == wait


def test_what_was_scrubbed_on_disk_still_matches(tmp_path: Path) -> None:
    key = "sk-" + "proj-" + "Zy9" * 20
    table = sessions(tmp_path)
    record(table, {"note": key})
    table.close_all()
    assert key.encode() not in (tmp_path / "a.yaml").read_bytes()
    assert isinstance(sessions(tmp_path, mode="replay").get("a").answer(request({"note": key})), Play)


def test_a_request_is_not_scrubbed_where_its_very_bytes_are_recorded(tmp_path: Path) -> None:
    write(tmp_path / "a.yaml", *(interaction(n, f"{n}") for n in range(3)))
    table = sessions(tmp_path, mode="replay")
    assert ask(table, 0) == b"0"
    with mock.patch.object(Scrubber, "request", side_effect=AssertionError):
        assert [ask(table, n) for n in (2, 1)] == [b"2", b"1"]
        with pytest.raises(AssertionError):
            ask(table, 3)


def test_credentials_of_a_request_that_is_recorded_are_looked_out_for_in_others(tmp_path: Path) -> None:
    path, secret = tmp_path / "a.yaml", "Correct-Horse-Battery"
    write(path, interaction("old", "old"))
    table = sessions(tmp_path, mode="new-episodes")
    ask(table, "warm")  # which makes the keys
    asked = request("old", headers={"Authorization": [f"Bearer {secret}"]})
    assert answer_of(table.get("a").answer(asked)) == b"old"
    record(table, {"note": f"she said {secret}!"})
    table.close_all()
    assert secret.encode() not in path.read_bytes()
    assert b"she said REDACTED-" in path.read_bytes()


def test_no_secret_that_a_foreign_cassette_has_is_shown_in_a_miss_or_a_report(tmp_path: Path) -> None:
    key = "sk-" + "proj-" + "Zy9" * 20
    write(tmp_path / "a.yaml", interaction({"note": key}, url=f"{CHAT}?key={key}"))
    table = sessions(tmp_path, mode="replay")
    verdict = table.get("a").answer(request({"note": "other"}, url=f"{CHAT}?key=other"))
    assert isinstance(verdict, Miss)
    table.close_all()
    assert key not in verdict.message
    assert "REDACTED" in verdict.message
    assert key not in repr(table.closed)


def test_match_ignore_and_repeat_are_the_settings_where_given_and_the_format_s_else(tmp_path: Path) -> None:
    write(tmp_path / "a.yaml", interaction({"a": 1, "seed": 1}, "a"))
    assert isinstance(ask(sessions(tmp_path, mode="replay"), {"a": 1, "seed": 2}), Miss)
    assert ask(sessions(tmp_path, mode="replay", ignore="$.seed"), {"a": 1, "seed": 2}) == b"a"
    assert ask(sessions(tmp_path, mode="replay", match="method,path"), {"b": 1}) == b"a"
    opened = sessions(tmp_path, mode="replay").get("a")
    assert opened.matcher.fields == ("method", "url", "body")


# --- opening and closing


def test_unnamed_requests_use_the_default_cassette(tmp_path: Path) -> None:
    write(tmp_path / "default.yaml", interaction(1, "unnamed"))
    write(tmp_path / "mine.yaml", interaction(1, "mine"))
    assert ask(sessions(tmp_path, mode="replay"), 1, None) == b"unnamed"
    assert ask(sessions(tmp_path, mode="replay", cassette="mine"), 1, None) == b"mine"


def test_the_default_need_not_exist_but_one_that_is_given_must_in_replay(tmp_path: Path) -> None:
    sessions(tmp_path, mode="replay").open_default()
    with pytest.raises(CassetteError, match=r"mine\.yaml.*vcr_mode=once"):
        sessions(tmp_path, mode="replay", cassette="mine").open_default()
    recording = sessions(tmp_path, mode="once", cassette="mine")
    recording.open_default()
    recording.close_all()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("mode", ["once", "replay", "new-episodes"])
@pytest.mark.parametrize("name", ["", "mine"])
def test_a_malformed_default_is_found_at_the_start(tmp_path: Path, mode: str, name: str) -> None:
    (tmp_path / f"{name or 'default'}.yaml").write_text("---\nversion: 2\ninteractions:\n- id: []\n")
    with pytest.raises(CassetteError, match=rf"{name or 'default'}\.yaml"):
        sessions(tmp_path, mode=mode, cassette=name).open_default()


def test_a_default_that_can_not_be_written_is_found_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CassetteError, match="vcr_dir"):
        sessions(tmp_path / "file").open_default()


def test_passthrough_opens_nothing(tmp_path: Path) -> None:
    table = sessions(tmp_path, mode="passthrough", cassette="mine")
    table.open_default()
    assert list(table) == []


@pytest.mark.parametrize("mode", [mode for mode in Mode if mode is not Mode.REPLAY])
def test_a_process_in_replay_stays_in_it(tmp_path: Path, mode: Mode) -> None:
    table = sessions(tmp_path, mode="replay")
    with pytest.raises(CassetteError, match="only replays"):
        table.open("a", replace(table.plan("a"), mode=mode))
    assert table.find("a") is None
    assert list(tmp_path.iterdir()) == []


def test_opening_again_rewinds_all_sessions_and_reads_the_file_anew(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    write(path, interaction(1, "a"))
    table = sessions(tmp_path, mode="replay")
    assert [ask(table, 1), ask(table, 1, session="q")] == [b"a", b"a"]
    write(path, interaction(1, "b"))
    table.open("a", table.plan("a"))
    assert [ask(table, 1), ask(table, 1, session="q")] == [b"b", b"b"]
    assert report(table) == (0, 2, 0, 0)
    assert [one.replayed for one in table.closed] == [2]


def test_a_cassette_just_recorded_is_replayed_when_it_is_opened_again(tmp_path: Path) -> None:
    table = sessions(tmp_path)
    record(table, 1)
    table.open("a", table.plan("a"))
    assert ask(table, 1) == b"1"
    table.close_all()


def test_a_cassette_opened_with_a_plan_of_its_own_uses_it(tmp_path: Path) -> None:
    write(tmp_path / "a.yaml", interaction({"x": 1}, "a"))
    table = sessions(tmp_path)
    matching = Matching(ignore=("$.x",), repeat=Repeat.ANY)
    table.open("a", CassetteSettings(Mode.REPLAY, matching, latency=2.0, strict=True))
    verdicts = [table.get("a").answer(request({"x": n})) for n in range(3)]
    assert [v.wait for v in verdicts if isinstance(v, Play)] == [0.01] * 3
    closed = table.close("a")
    assert closed is not None
    assert closed.strict
    assert closed.mode == "replay"


def test_closing_reports_and_frees_the_file(tmp_path: Path) -> None:
    table = sessions(tmp_path)
    record(table, 1)
    closed = table.close("a")
    assert closed is not None
    assert (closed.name, closed.path, closed.recorded) == ("a", str(tmp_path / "a.yaml"), 1)
    assert table.closed == [closed]
    assert table.close("a") is None
    assert [path.name for path in tmp_path.iterdir()] == ["a.yaml"]


def test_closing_the_default_leaves_none(tmp_path: Path) -> None:
    write(tmp_path / "default.yaml", interaction(1, "a"))
    table = sessions(tmp_path, mode="replay")
    assert ask(table, 1, None) == b"a"
    table.close("default")
    assert table.default is None
    with pytest.raises(CassetteError, match="X-VCR-Cassette"):
        table.get(None)
    assert isinstance(ask(table, 1, "other"), Miss)


def test_two_names_of_one_file_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "a.yaml", interaction(1, "a"))
    table = sessions(tmp_path, mode="replay")
    assert ask(table, 1) == b"a"
    with pytest.raises(CassetteError, match="open as 'a'"):
        table.get("a.yaml")


def test_a_name_that_can_be_none_opens_nothing(tmp_path: Path) -> None:
    table = sessions(tmp_path / "root")
    for name in ("../a", "/a", "a\0"):
        with pytest.raises(CassetteError):
            table.get(name)
    assert list(tmp_path.iterdir()) == []


VCR_PY = """
interactions:
- request: {uri: 'https://h/', method: GET, body: null, headers: {}}
  response: {status: {code: 200, message: OK}, headers: {}, body: {string: ''}}
version: 1
"""


@pytest.mark.parametrize("mode", ["record", "new-episodes"])
@pytest.mark.parametrize(
    ("data", "shown"),
    [
        (VCR_PY.encode(), "vcrpy"),
        (gzip.compress(b"---\nversion: 2\ninteractions: []\n", mtime=0), "compressed"),
    ],
)  # fmt: skip
def test_only_plain_go_vcr_cassettes_are_recorded_to(
    tmp_path: Path, mode: str, data: bytes, shown: str
) -> None:
    (tmp_path / "a.yaml").write_bytes(data)
    with pytest.raises(CassetteError, match=shown):
        sessions(tmp_path, mode=mode).get("a")
    assert (tmp_path / "a.yaml").read_bytes() == data
    assert [path.name for path in tmp_path.iterdir()] == ["a.yaml"]


# --- what came of it


def test_what_was_never_asked_for_is_named(tmp_path: Path) -> None:
    write(tmp_path / "a.yaml", interaction(1, "a"), interaction(2, "b", url=CHAT + "?x=1"))
    table = sessions(tmp_path, mode="replay", strict="true")
    ask(table, 1)
    table.close_all()
    (closed,) = table.closed
    assert [str(one) for one in closed.unused] == [f"1 POST {CHAT}?x=1"]
    assert closed.failed


def test_unused_recordings_fail_only_if_strict_and_misses_always(tmp_path: Path) -> None:
    write(tmp_path / "a.yaml", interaction(1), interaction(2))
    table = sessions(tmp_path, mode="replay")
    ask(table, 1)
    assert not table.get("a").current().failed
    ask(table, 3)
    assert table.get("a").current().failed


def test_strict_counts_a_default_that_nobody_asked(tmp_path: Path) -> None:
    write(tmp_path / "a.yaml", interaction(1))
    named = sessions(tmp_path, mode="replay", cassette="a", strict="true")
    named.open_default()
    named.close_all()
    assert named.closed[0].failed
    write(tmp_path / "default.yaml", interaction(1))
    unnamed = sessions(tmp_path, mode="replay", strict="true")
    unnamed.open_default()
    unnamed.close_all()
    assert unnamed.closed[0].failed
    other = sessions(tmp_path, mode="replay", strict="true")
    other.open_default()
    other.get("a").answer(request(1))
    other.close_all()  # the run used another cassette: nobody meant the default one
    assert not any(report.failed for report in other.closed)


@pytest.mark.parametrize("mode", ["replay", "once", "new-episodes", "record", "passthrough"])
@pytest.mark.parametrize("strict", ["true", "false"])
@pytest.mark.parametrize("cassette", ["", "default"])
def test_strict_fails_where_nothing_was_asked_of_what_is_replayed(
    tmp_path: Path, mode: str, strict: str, cassette: str
) -> None:
    write(tmp_path / "default.yaml", interaction(1))
    table = sessions(tmp_path, mode=mode, strict=strict, cassette=cassette)
    table.open_default()
    table.close_all()
    replays = mode not in ("record", "passthrough")
    assert any(report.failed for report in table.closed) == (replays and strict == "true")


@pytest.mark.parametrize("mode", ["once", "new-episodes", "replay"])
def test_a_torn_end_is_said_and_set_aside_only_where_the_file_may_be_written(
    tmp_path: Path, mode: str
) -> None:
    path = tmp_path / "a.yaml"
    write(path, interaction(1, "a"), interaction(2, "b"))
    torn = path.read_bytes()[:-20]
    path.write_bytes(torn)
    table = sessions(tmp_path, mode=mode)
    opened = table.get("a")
    assert ask(table, 1) == b"a"
    assert len(opened.notes) == 1
    assert str(path) in opened.notes[0]
    assert "torn" in opened.notes[0]
    table.close_all()
    if mode == "replay":
        assert path.read_bytes() == torn
        assert [one.name for one in tmp_path.iterdir()] == ["a.yaml"]
    else:
        assert str(tmp_path / "a.yaml.torn") in opened.notes[0]
        assert path.read_bytes() + (tmp_path / "a.yaml.torn").read_bytes() == torn


@pytest.mark.parametrize(
    ("host", "is_ours"),
    [("api.openai.com", True), ("API.OpenAI.com", True), ("eu.api.openai.com", True),
     ("x.openai.azure.com", True),
     ("api.openai.com.example.org", False), ("xapi.openai.com", False), ("example.org", False), ("", False)],
)  # fmt: skip
def test_the_hosts_of_the_option_are_recorded(tmp_path: Path, host: str, is_ours: bool) -> None:
    assert sessions(tmp_path).is_recorded(host) is is_ours


@pytest.mark.parametrize("mode", MODES)
def test_the_hosts_of_an_open_cassette_are_ours_where_it_is_replayed(tmp_path: Path, mode: str) -> None:
    write(tmp_path / "a.yaml", interaction(1, url="https://LLM.example.org:8443/v1/x"))
    table = sessions(tmp_path, mode=mode)
    assert not table.is_recorded("llm.example.org")
    table.get("a")
    assert table.is_recorded("llm.example.org") is (mode in ("once", "replay", "new-episodes"))
    assert not table.is_recorded("example.org")
    table.close_all()
    assert table.is_recorded("llm.example.org") is (mode == "replay")


@pytest.mark.parametrize(
    "host",
    [
        *(
            "llm.example.org",
            "LLM.Example.ORG",
            "llm.example.org.",
            "llm%2Eexample.org",
            "llm\u3002example.org",
        ),
        *("bücher.example", "xn--bcher-kva.example", "BÜCHER.example.", "::1", "[::1]", "[0:0:0:0:0:0:0:1]"),
        *("192.0.2.7", "::ffff:192.0.2.7", "3221225991", "llm_gateway"),
    ],
)
def test_a_recorded_host_is_recorded_however_it_is_written(tmp_path: Path, host: str) -> None:
    urls = (
        *("https://llm.example.org/v1/x", "https://bücher.example/v1", "http://[::1]:8080/v1"),
        *("http://192.0.2.7/v1", "http://llm_gateway:4000/v1"),
    )
    write(tmp_path / "a.yaml", *(interaction(number, url=url) for number, url in enumerate(urls)))
    table = sessions(tmp_path, mode="replay")
    assert not table.is_recorded(host)
    table.get("a")
    assert table.is_recorded(host)


@pytest.mark.parametrize("mode", MODES)
def test_hosts_of_the_presets_are_ours_in_replay_whatever_the_option_says(tmp_path: Path, mode: str) -> None:
    table = sessions(tmp_path, mode=mode, hosts="llm.example.org")
    assert table.is_recorded("api.openai.com") is (mode == "replay")
    assert table.is_recorded("x.openai.azure.com.") is (mode == "replay")
    assert table.is_recorded("llm.example.org")


@pytest.mark.parametrize("mode", MODES)
def test_a_host_of_a_file_that_nobody_opened_may_be_named_in_replay(tmp_path: Path, mode: str) -> None:
    table = sessions(tmp_path, mode=mode)
    assert not table.may_be_named("llm.example.org")
    write(
        tmp_path / "deep" / "a.yaml",
        interaction(1, "in a prompt: elsewhere.example", url="https://LLM.example.org:1/"),
    )
    table = sessions(tmp_path, mode=mode)
    assert table.may_be_named("llm.example.org.") is (mode == "replay")
    assert not table.may_be_named("elsewhere.example")
    assert not table.is_recorded("llm.example.org")


@pytest.mark.parametrize("mode", MODES)
def test_the_default_cassettes_only_host_is_known_in_every_mode(tmp_path: Path, mode: str) -> None:
    urls = ("http://gateway:4000/api/v1/chat/completions", "http://GATEWAY:4000/other")
    write(tmp_path / "default.yaml", *(interaction(number, url=url) for number, url in enumerate(urls)))
    table = sessions(tmp_path, mode=mode)
    table.open_default()
    assert table.recorded_from() == "http://gateway:4000/api/v1"


def test_no_hosts_is_none(tmp_path: Path) -> None:
    table = sessions(tmp_path, hosts="")
    assert not table.is_recorded("api.openai.com")
    assert not table.is_recorded("")


def test_failures_are_remembered_as_text(tmp_path: Path) -> None:
    table = sessions(tmp_path)
    table.fail(CassetteError("what"))
    table.fail("that")
    assert table.failures == ["what", "that"]


def test_failures_without_end_take_no_memory_without_end(tmp_path: Path) -> None:
    table = sessions(tmp_path)
    for number in range(MAX_LISTED + 500):
        table.fail(f"what {number}")
    assert len(table.failures) == MAX_LISTED
    assert f"{MAX_LISTED} failures or more" in lines([], table.failures)[-1]


def test_a_table_that_follows_another_still_counts_its_misses_and_failures(tmp_path: Path) -> None:
    first = sessions(tmp_path, mode="replay")
    assert isinstance(first.get(None).answer(request()), Miss)
    first.fail("something broke")
    second = sessions(tmp_path, mode="once")
    second.take_over(first)
    second.close_all()
    assert [len(report.misses) for report in second.closed] == [1]
    assert second.failures == ["something broke"]
    assert not list(first)


def failing(*_arguments: object) -> None:
    raise OSError(errno.EIO, os.strerror(errno.EIO))


def recorded_twice_in_each(folder: Path) -> Sessions:
    table = sessions(folder, mode="record")
    for name in ("a", "b", "c"):
        record(table, 1, 2, name=name)
    return table


def test_a_cassette_that_can_not_be_closed_keeps_no_other_open_and_fails_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = recorded_twice_in_each(tmp_path)
    monkeypatch.setattr(os, "fsync", failing)
    table.close_all()
    monkeypatch.undo()
    assert list(table) == []
    assert [report.recorded for report in table.closed] == [2, 2, 2]
    assert all(report.failed for report in table.closed)
    for name, failure in zip("abc", table.failures, strict=True):
        assert failure == f"{tmp_path / name}.yaml: may not have come to the disk: {os.strerror(errno.EIO)}"
    assert has_failed(table.closed, table.failures)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_a_lock_file_that_can_not_be_removed_keeps_no_other_cassette_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = recorded_twice_in_each(tmp_path)
    unlink = Path.unlink

    def refusing(path: Path, missing_ok: bool = False) -> None:
        if path.name == ".b.yaml.lock":
            failing()
        unlink(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", refusing)
    table.close_all()
    monkeypatch.undo()
    assert [report.failed for report in table.closed] == [False, True, False]
    assert table.failures == [f"{tmp_path}/.b.yaml.lock: can't be removed: {os.strerror(errno.EIO)}"]
    again = sessions(tmp_path, mode="record")
    for name in ("a", "c"):
        again.get(name)
    again.close_all()


def test_each_cassette_is_closed_even_if_something_is_broken_in_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = recorded_twice_in_each(tmp_path)
    close = OpenCassette.close

    def broken(opened: OpenCassette) -> None:
        close(opened)
        if opened.location.name == "a":
            raise RuntimeError("broken on purpose")

    monkeypatch.setattr(OpenCassette, "close", broken)
    with pytest.raises(RuntimeError, match="broken on purpose"):
        table.close_all()
    assert list(table) == []
    assert sorted(report.name for report in table.closed) == ["a", "b", "c"]


def test_what_goes_wrong_with_the_close_of_one_is_in_its_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = recorded_twice_in_each(tmp_path)
    monkeypatch.setattr(os, "fsync", failing)
    closed = table.close("b")
    assert closed is not None
    assert closed.failed
    assert [failure.partition(": ")[2] for failure in closed.failures] == [
        f"may not have come to the disk: {os.strerror(errno.EIO)}"
    ]
    assert table.failures == closed.failures


# --- several at once


def test_new_episodes_reads_what_others_wrote_until_it_has_the_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.yaml"
    write(path, interaction(1, "a"))

    class Late(Lock):
        """Somebody writes an entry while this process is about to take the lock."""

        def __init__(self, where: Path, infix: str = "") -> None:
            write(path, interaction(1, "a"), interaction(2, "b"))
            super().__init__(where, infix)

    monkeypatch.setattr("mitmvcr.sessions.open_cassette.Lock", Late)
    table = sessions(tmp_path, mode="new-episodes")
    assert [ask(table, 1), ask(table, 2)] == [b"a", b"b"]
    record(table, 3)
    table.close_all()
    assert recorded(path) == [b"1", b"2", b"3"]


def test_once_never_replaces_what_another_process_recorded_meanwhile(tmp_path: Path) -> None:
    table = sessions(tmp_path)
    assert ask(table, 1) == YES
    write(tmp_path / "a.yaml", interaction(2, "theirs"))
    with pytest.raises(CassetteError, match="somebody else made the file"):
        record(table, 1)
    assert recorded(tmp_path / "a.yaml") == [b"2"]


def test_a_lock_is_free_again_when_the_cassette_could_not_be_read(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("---\nversion: 2\ninteractions:\n- id: []\n")
    table = sessions(tmp_path, mode="new-episodes")
    with pytest.raises(CassetteError):
        table.get("a")
    assert [one.name for one in tmp_path.iterdir()] == ["a.yaml"]
    write(path, interaction(1, "a"))
    assert ask(table, 1) == b"a"


def test_a_cassette_that_can_not_be_opened_anew_stays_as_it_is(tmp_path: Path) -> None:
    write(tmp_path / "a.yaml", interaction(1, "a"), interaction(1, "b"))
    table = sessions(tmp_path, mode="replay")
    assert ask(table, 1) == b"a"
    (tmp_path / "a.yaml").write_text("bad")
    with pytest.raises(CassetteError):
        table.open("a", table.plan("a"))
    assert ask(table, 1) == b"b"


# --- tables of mitmvcr.toml


def with_tables(folder: Path, text: str, **options: str) -> Sessions:
    path = folder / "mitmvcr.toml"
    path.write_text(text)
    settings = Settings.parse({"dir": str(folder), **options}, load.read(path.parent).tables())
    return Sessions(settings, Scrubber(Policy()))


def test_cassettes_are_used_as_their_tables_say(tmp_path: Path) -> None:
    for name in ("a", "tests/b"):
        write(tmp_path / f"{name}.yaml", interaction({"x": 1}, name))
    table = with_tables(tmp_path, '[cassettes."tests/*"]\nignore = ["$.x"]\nrepeat = "any"', mode="replay")
    assert isinstance(ask(table, {"x": 2}), Miss)
    assert [ask(table, {"x": number}, "tests/b") for number in range(3)] == [b"tests/b"] * 3


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ('mode = "record"', "this process only replays"),
        ('match = ["py:none.py:key"]', "there is no file none.py"),
        ('match = ["headers:x-tenant"]', "vcr_keep_headers"),
    ],
)
def test_a_table_that_can_not_be_used_is_refused_at_the_start(tmp_path: Path, text: str, shown: str) -> None:
    with pytest.raises(SettingsError) as caught:
        with_tables(tmp_path, f'[cassettes."tests/*"]\n{text}', mode="replay")
    assert 'mitmvcr.toml: [cassettes."tests/*"]: ' in str(caught.value)
    assert shown in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("match", "shown"), [("py:none.py:key", "there is no file"), ("headers:x-tenant", "vcr_keep_headers")]
)
def test_a_match_that_can_not_be_used_is_refused_at_the_start(tmp_path: Path, match: str, shown: str) -> None:
    with pytest.raises(SettingsError, match=shown):
        sessions(tmp_path, match=match)


# --- a table that takes over from another, when an option changes


def test_what_is_refused_leaves_positions_and_what_is_open(tmp_path: Path) -> None:
    write(tmp_path / "default.yaml", interaction(1, "a"), interaction(1, "b"))
    write(tmp_path / "c.yaml", interaction(1, "c"), interaction(1, "d"))
    first = sessions(tmp_path, mode="replay")
    assert [ask(first, 1, None), ask(first, 1, "c")] == [b"a", b"c"]
    (tmp_path / "bad.yaml").write_text("bad")
    for options in ({"cassette": "bad"}, {"cassette": "none"}, {"cassette": "../x"}):
        with pytest.raises(CassetteError):
            sessions(tmp_path, mode="replay", **options).take_over(first)
    assert [ask(first, 1, None), ask(first, 1, "c")] == [b"b", b"d"]
    assert first.closed == []


def test_a_cassette_that_is_recorded_to_goes_from_one_table_to_the_next(tmp_path: Path) -> None:
    first = sessions(tmp_path, mode="record", cassette="a")
    first.open_default()
    record(first, 1)
    second = sessions(tmp_path, mode="new-episodes", cassette="a")
    second.take_over(first)
    assert ask(second, 1, None) == b"1"
    record(second, 2)
    second.close_all()
    assert recorded(tmp_path / "a.yaml") == [b"1", b"2"]
    assert sorted(one.recorded for one in second.closed) == [1, 1]


@pytest.mark.parametrize("mode", ["once", "new-episodes", "replay"])
def test_hosts_of_cassettes_count_as_long_as_one_that_has_them_is_open_and_in_replay_for_ever(
    tmp_path: Path, mode: str
) -> None:
    for name in ("a", "b"):
        write(tmp_path / f"{name}.yaml", interaction(1, url="https://llm.example.org/v1/x"))
    table = sessions(tmp_path, mode=mode)
    for name in ("a", "b", "a"):
        table.open(name, table.plan(name))
    for name in ("a", "b"):
        assert table.is_recorded("llm.example.org")
        table.close(name)
    assert table.is_recorded("llm.example.org") is (mode == "replay")


def test_a_note_is_said_once_however_often_its_cassette_is_opened(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    write(path, interaction(1, "a"), interaction(2, "b"))
    path.write_bytes(path.read_bytes()[:-20])
    table = sessions(tmp_path, mode="replay")
    assert [len(table.open("a", table.plan("a")).notes) for _ in range(3)] == [1, 0, 0]


# --- a cassette whose file changes while it is open


@pytest.fixture
def _looked_at_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mitmvcr.store.watch._EVERY", 0.0)
    monkeypatch.setattr("mitmvcr.store.watch._SHARE", 0)


def answered(table: Sessions, body: object, session: str = "") -> bytes:
    outcome = table.get("a").answer(request(body), session)
    return outcome.interaction.response.body if isinstance(outcome, Play) else b"missed"


@pytest.mark.usefixtures("_looked_at_each_time")
@pytest.mark.parametrize("mode", ["replay", "once"])
def test_an_edited_cassette_is_served_as_it_is_now_from_its_beginning(tmp_path: Path, mode: str) -> None:
    write(tmp_path / "a.yaml", interaction(1, "old"), interaction(2, "gone"))
    table = sessions(tmp_path, mode=mode)
    assert answered(table, 1) == b"old"
    write(tmp_path / "a.yaml", interaction(1, "new"), interaction(3, "three"))
    assert answered(table, 1) == b"new"
    assert table.get("a").notes == [
        f"{tmp_path / 'a.yaml'}: it has changed, and is read anew: its sessions begin at the start"
    ]
    assert answered(table, 3) == b"three"
    table.close_all()
    (report,) = table.closed
    assert (report.replayed, report.miss_count, report.unused_count) == (3, 0, 0)


@pytest.mark.usefixtures("_looked_at_each_time")
def test_a_touched_cassette_goes_on_where_it_was(tmp_path: Path) -> None:
    write(tmp_path / "a.yaml", interaction(1, "first"), interaction(1, "second"))
    table = sessions(tmp_path, mode="replay")
    assert answered(table, 1) == b"first"
    os.utime(tmp_path / "a.yaml", (5, 5))
    assert answered(table, 1) == b"second"
    assert table.get("a").notes == []


@pytest.mark.usefixtures("_looked_at_each_time")
@pytest.mark.parametrize("content", [b"", b"version: 2\ninteractions:\n  - id: 0\n", b"nonsense: [", None])
def test_what_is_gone_or_half_written_is_served_as_it_was(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "a.yaml"
    write(path, interaction(1, "a"), interaction(2, "b"))
    table = sessions(tmp_path, mode="once")
    assert answered(table, 1) == b"a"
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    assert answered(table, 2) == b"b"
    (note,) = table.get("a").notes
    assert note.startswith(f"{path}: it {'was removed' if content is None else 'has changed'}")
    assert "is served as it was" in note
    assert (path.read_bytes() if path.exists() else None) == content  # nobody's half file is touched
    assert answered(table, 2) == b"missed"
    write(path, interaction(2, "B"))
    assert answered(table, 2) == b"B"


@pytest.mark.usefixtures("_looked_at_each_time")
def test_a_cassette_that_comes_into_being_is_served(tmp_path: Path) -> None:
    table = sessions(tmp_path, mode="replay")
    assert answered(table, 1) == b"missed"
    write(tmp_path / "a.yaml", interaction(1, "made"))
    assert answered(table, 1) == b"made"


@pytest.mark.usefixtures("_looked_at_each_time")
def test_what_is_recorded_here_is_no_change_of_somebody_else_s(tmp_path: Path) -> None:
    table = sessions(tmp_path, mode="once")
    for number in range(3):
        opened = table.get("a")
        assert opened.answer(request(number)) == Forward(record=True)
        opened.record(interaction(number))
    assert table.get("a").notes == []
    table.close_all()
    assert [report.recorded for report in table.closed] == [3]


def test_a_cassette_that_can_not_be_put_in_order_is_a_failure_and_the_others_are_closed(
    tmp_path: Path,
) -> None:
    table = sessions(tmp_path, mode="record")
    for name in "abc":
        write(tmp_path / f"{name}.yaml", interaction(1, "before"), interaction(2, "before"))
        opened = table.get(name)
        for number in (2, 1):
            opened.record(interaction(number, "now"))
    with (tmp_path / "b.yaml").open("ab") as file:
        file.write(b"# somebody else's\n")
    table.close_all()
    assert len(table.failures) == 1
    assert "b.yaml: recorded whole, but in the order in which exchanges ended" in table.failures[0]
    assert {report.name: report.failed for report in table.closed} == {"a": False, "b": True, "c": False}
    assert [
        [entry.request.body for entry in cassette.read(tmp_path / f"{name}.yaml").cassette.interactions]
        for name in "abc"
    ] == [[b"1", b"2"], [b"2", b"1"], [b"1", b"2"]]
