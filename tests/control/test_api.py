"""The control API, each method on each path."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mitmvcr import __version__
from mitmvcr.control import api as control_api
from mitmvcr.control.api import ControlRequest
from mitmvcr.http.pages import Sender
from mitmvcr.misses.explain import Miss
from mitmvcr.model import Interaction
from mitmvcr.sessions.open_cassette import Play
from mitmvcr.sessions.table import Sessions
from tests.build import as_body, interaction, request, response, sessions, write


def call(table: Sessions, method: str, path: str, body: object = None) -> tuple[int, Any]:
    answer = control_api.handle(table, ControlRequest(method, path, as_body(body)))
    headers = {name.lower(): value for name, value in answer.headers}
    assert headers["content-type"] == "application/json"
    assert headers["content-length"] == str(len(answer.body))
    document = json.loads(answer.body)
    if answer.code != 200:
        assert headers["x-should-retry"] == "false"
        assert document["error"]["type"] == "vcr_control_error"
        return answer.code, document["error"]["message"]
    return answer.code, document


def put(table: Sessions, name: str, **fields: object) -> tuple[int, Any]:
    return call(table, "PUT", f"/cassettes/{name}", fields or None)


@pytest.fixture
def replaying(tmp_path: Path) -> Sessions:
    write(tmp_path / "a.yaml", interaction(1, "a"), interaction(2, "b"))
    return sessions(tmp_path, mode="replay")


def test_the_overview_has_version_mode_directory_and_open_cassettes(replaying: Sessions) -> None:
    assert put(replaying, "a")[0] == 200
    code, document = call(replaying, "GET", "/")
    assert code == 200
    assert document["version"] == __version__
    assert document["mode"] == "replay"
    assert document["directory"] == str(replaying.settings.dir)
    assert document["cassettes"] == ["a"]


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("POST", "/", 405),
        ("PUT", "/", 405),
        ("DELETE", "/", 405),
        ("GET", "/cassettes/", 404),
        ("PUT", "/cassettes/", 404),
        ("GET", "/other", 404),
        ("GET", "", 404),
        ("POST", "/cassettes/a", 405),
        ("PATCH", "/cassettes/a", 405),
        ("GET", "/cassettes/a", 404),
        ("DELETE", "/cassettes/a", 404),
    ],
)
def test_whatever_else_is_asked_is_refused(replaying: Sessions, method: str, path: str, code: int) -> None:
    status, message = call(replaying, method, path)
    assert status == code
    assert message


def test_put_opens_and_get_and_delete_report(replaying: Sessions) -> None:
    assert put(replaying, "a")[0] == 200
    assert isinstance(replaying.get("a").answer(request(1)), Play)
    assert isinstance(replaying.get("a").answer(request(3)), Miss)
    code, now = call(replaying, "GET", "/cassettes/a")
    assert code == 200
    assert (now["recorded"], now["replayed"]) == (0, 1)
    assert len(now["unused"]) == 1
    assert (now["unused"][0]["number"], now["unused"][0]["method"]) == (1, "POST")
    assert len(now["misses"]) == 1
    assert call(replaying, "DELETE", "/cassettes/a") == (200, now)
    assert call(replaying, "DELETE", "/cassettes/a")[0] == 404
    assert call(replaying, "GET", "/")[1]["cassettes"] == []


def test_put_rewinds_what_is_open(replaying: Sessions) -> None:
    for _ in range(3):
        assert put(replaying, "a")[0] == 200
        assert isinstance(replaying.get("a").answer(request(1)), Play)
        assert isinstance(replaying.get("a").answer(request(1), "other"), Play)


@pytest.mark.parametrize("path", ["deep/a%20b", "deep%2Fa%20b", "deep%2fa b", "d%65ep/a%20b"])
def test_a_name_is_percent_decoded_once(tmp_path: Path, path: str) -> None:
    write(tmp_path / "deep" / "a b.yaml", interaction(1, "a"))
    table = sessions(tmp_path, mode="replay")
    assert put(table, path)[0] == 200
    assert table.find("deep/a b") is not None
    assert call(table, "GET", f"/cassettes/{path}")[0] == 200
    assert call(table, "GET", "/cassettes/deep%252Fa%2520b")[0] == 404


@pytest.mark.parametrize(
    "path", ["..%2Fa", "../a", "%2Fetc%2Fpasswd", "/a", "a%00", "%20%0A", "a%2F..%2F..%2Fb", "%5Ca"]
)
def test_a_name_that_leaves_the_folder_is_refused(tmp_path: Path, path: str) -> None:
    table = sessions(tmp_path / "root")
    for method in ("PUT", "GET", "DELETE"):
        code, message = call(table, method, f"/cassettes/{path}")
        assert code in (400, 404)
        assert "\n" not in message
    assert list(table) == []
    assert list(tmp_path.iterdir()) == []


def test_default_makes_it_the_one_that_unnamed_requests_use(replaying: Sessions) -> None:
    assert put(replaying, "a", default=True)[0] == 200
    assert isinstance(replaying.get(None).answer(request(1)), Play)
    assert call(replaying, "GET", "/")[1]["default"] == "a"
    assert call(replaying, "DELETE", "/cassettes/a")[0] == 200
    assert replaying.default is None


def test_default_false_leaves_the_default(replaying: Sessions) -> None:
    before = replaying.default
    put(replaying, "a", default=False)
    assert replaying.default == before


def test_a_cassette_that_can_not_be_opened_does_not_become_the_default(replaying: Sessions) -> None:
    before = replaying.default
    (replaying.settings.dir / "bad.yaml").write_text("bad")
    code, message = put(replaying, "bad", default=True)
    assert code == 400
    assert "bad.yaml" in message
    assert replaying.default == before
    assert replaying.find("bad") is None


def test_every_field_counts(tmp_path: Path) -> None:
    write(tmp_path / "a.yaml", Interaction(request({"x": 1}), response("a", duration=10**9)))
    table = sessions(tmp_path)
    code, _ = put(
        table,
        "a",
        mode="replay",
        match=["method", "body"],
        ignore="$.x",
        repeat="any",
        latency=0.5,
        strict=True,
    )
    assert code == 200
    opened = table.find("a")
    assert opened is not None
    assert opened.plan.mode.value == "replay"
    assert opened.plan.strict
    assert opened.matcher.fields == ("method", "body")
    for number in range(3):
        verdict = table.get("a").answer(request({"x": number}, url="https://elsewhere/"))
        assert isinstance(verdict, Play)
        assert verdict.wait == 0.5


def test_what_is_not_given_is_the_process_s(tmp_path: Path) -> None:
    write(tmp_path / "a.yaml", interaction({"x": 1}, "a"))
    table = sessions(tmp_path, ignore="$.x", latency="recorded", repeat="last", strict="true")
    assert put(table, "a", match="method,body")[0] == 200
    opened = table.find("a")
    assert opened is not None
    assert opened.matcher.ignore == ("$.x",)
    assert opened.plan.matching.repeat == "last"
    assert (opened.plan.latency, opened.plan.strict) == (1.0, True)
    assert put(table, "a", repeat="")[0] == 200


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        ("{", "no JSON"),
        (b"\xff", "no JSON"),
        ("[" * 100_000, "no JSON"),
        ("[]", "no JSON object"),
        ("1", "no JSON object"),
        ("null", "no JSON object"),
        ({"mod": "replay"}, "mod"),
        ({"vcr_mode": "replay"}, "vcr_mode"),
        ({"mode": "rekord"}, "rekord"),
        ({"mode": 1}, "mode"),
        ({"mode": None}, "mode"),
        ({"mode": {}}, "mode"),
        ({"match": "boddy"}, "boddy"),
        ({"match": [1]}, "match"),
        ({"ignore": "$["}, "$["),
        ({"repeat": "twice"}, "twice"),
        ({"latency": -1}, "latency"),
        ({"latency": True}, "latency"),
        ({"strict": "yes"}, "strict"),
        ({"strict": 1}, "strict"),
        ({"default": "yes"}, "default"),
        ({"\ud800": 1}, "there is no field"),
    ],
)
def test_a_wrong_body_is_refused_in_one_line_and_opens_nothing(
    replaying: Sessions, body: object, shown: str
) -> None:
    code, message = call(replaying, "PUT", "/cassettes/a", body)
    assert code == 400
    assert shown in message
    assert "\n" not in message
    assert list(replaying) == []


@pytest.mark.parametrize("mode", ["record", "once", "new-episodes", "all", "passthrough"])
def test_a_process_in_replay_refuses_other_modes(replaying: Sessions, mode: str) -> None:
    code, message = put(replaying, "a", mode=mode)
    assert code == 400
    assert "only replays" in message
    assert list(replaying) == []


def test_opening_a_cassette_without_a_file_is_fine_in_replay(replaying: Sessions) -> None:
    assert put(replaying, "none")[0] == 200
    assert isinstance(replaying.get("none").answer(request(1)), Miss)
    assert call(replaying, "DELETE", "/cassettes/none")[1]["misses"]


def test_a_refused_put_leaves_what_is_open(replaying: Sessions) -> None:
    put(replaying, "a")
    assert isinstance(replaying.get("a").answer(request(1)), Play)
    assert put(replaying, "a", mode="record")[0] == 400
    assert put(replaying, "a", mood="x")[0] == 400
    assert isinstance(replaying.get("a").answer(request(1)), Miss)


def test_a_cassette_can_be_recorded_and_replayed_in_one_process(tmp_path: Path) -> None:
    table = sessions(tmp_path)
    assert put(table, "a", mode="record")[0] == 200
    table.get("a").record(interaction(1, "a"))
    assert call(table, "DELETE", "/cassettes/a")[1]["recorded"] == 1
    assert put(table, "a", mode="replay")[0] == 200
    assert isinstance(table.get("a").answer(request(1)), Play)


# --- who may ask


@pytest.mark.parametrize(
    "host",
    ["", "mitmvcr.local", "mitmvcr.local:80", "localhost:8081", "LOCALHOST", "a.localhost:1",
     "127.0.0.1:8081", "127.1.2.3", "[::1]:8081", "192.168.1.5:8081", "vcr:8081",
     "host.docker.internal:8081", "localhost."],
)  # fmt: skip
def test_names_that_no_stranger_can_have_are_served(replaying: Sessions, host: str) -> None:
    assert control_api.handle(replaying, ControlRequest("GET", "/", sender=Sender(host))).code == 200


@pytest.mark.parametrize(
    "host",
    [None, "example.org", "example.org:8081", "localhost.example.org", "127.0.0.1.example.org", "1.2.3",
     "mitmvcr.local.example.org", "x.local", "example.org.", "[::1", "[example.org]", "\udcff.org"],
)  # fmt: skip
def test_names_that_anybody_could_have_are_refused(replaying: Sessions, host: str | None) -> None:
    for method, path in (("GET", "/"), ("PUT", "/cassettes/a"), ("DELETE", "/cassettes")):
        answer = control_api.handle(replaying, ControlRequest(method, path, sender=Sender(host)))
        assert answer.code == 403
    assert list(replaying) == []


@pytest.mark.parametrize(
    ("origin", "site", "code"),
    [
        ("", "", 200),
        ("", "none", 200),
        ("", "same-origin", 200),
        ("http://127.0.0.1:8081", "same-origin", 200),
        ("https://127.0.0.1:8081", "", 200),
        ("http://example.org", "", 403),
        ("http://127.0.0.1:8082", "", 403),
        ("http://127.0.0.1", "", 403),
        ("null", "", 403),
        ("file://", "", 403),
        ("http://[", "", 403),
        ("", "cross-site", 403),
        ("", "same-site", 403),
        ("http://127.0.0.1:8081", "cross-site", 403),
    ],
)
def test_pages_of_other_sites_are_refused(replaying: Sessions, origin: str, site: str, code: int) -> None:
    answer = control_api.handle(
        replaying, ControlRequest("PUT", "/cassettes/a", b"", Sender("127.0.0.1:8081", origin, site))
    )
    assert answer.code == code
    assert bool(list(replaying)) is (code == 200)
    assert not [name for name, _ in answer.headers if name.lower().startswith("access-control-")]


# --- all of them


def test_all_open_cassettes_are_reported_and_closed_at_once(replaying: Sessions) -> None:
    assert put(replaying, "a", default=True)[0] == 200
    assert put(replaying, "none")[0] == 200
    code, document = call(replaying, "GET", "/cassettes")
    assert (code, [one["name"] for one in document["cassettes"]]) == (200, ["a", "none"])
    assert call(replaying, "DELETE", "/cassettes") == (200, document)
    assert list(replaying) == []
    assert replaying.default is None
    assert call(replaying, "DELETE", "/cassettes") == (200, {"cassettes": []})


# --- what may be matched by


def test_no_function_is_run_that_the_process_was_not_started_with(tmp_path: Path) -> None:
    (tmp_path / "keys.py").write_text("ran = open(__file__ + '.ran', 'w')\ndef key(request): return 1")
    entry = f"py:{tmp_path / 'keys.py'}:key"
    table = sessions(tmp_path, mode="replay")
    for match in (entry, [entry], ["method", "py:os:getcwd"]):
        code, message = put(table, "a", match=match)
        assert code == 400
        assert "started with" in message
    assert list(table) == []
    assert not (tmp_path / "keys.py.ran").exists()


def test_a_function_that_the_process_was_started_with_can_be_used(tmp_path: Path) -> None:
    (tmp_path / "keys.py").write_text("def key(request): return 1")
    write(tmp_path / "a.yaml", interaction(1, "a"))
    entry = f"py:{tmp_path / 'keys.py'}:key"
    table = sessions(tmp_path, mode="replay", match=entry)
    assert put(table, "a", match=["method", entry])[0] == 200
    assert isinstance(table.get("a").answer(request(2)), Play)


def test_a_header_that_is_not_kept_can_not_be_matched(tmp_path: Path) -> None:
    table = sessions(tmp_path, mode="replay")
    code, message = put(table, "a", match=["headers:X-Tenant"])
    assert code == 400
    assert "vcr_keep_headers" in message
    assert put(table, "a", match=["headers:OpenAI-Beta"])[0] == 200
