"""Suites that were written for VCR.py, played by the proxy after one line in conftest.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from mitmvcr.formats import vcrpy
from mitmvcr.model import Cassette, Interaction
from mitmvcr.testing.pytest_vcr import fields
from tests.build import CHAT, request, response
from tests.testing.runs import SDK_CLIENT, module, run

CONFTEST = """\
import pytest

pytest_plugins = ["mitmvcr.pytest_vcr"]


@pytest.fixture(scope="module")
def vcr_config():
    return {"filter_headers": ["authorization"], "before_record_response": lambda response: response}
"""
COMPLETION = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "m"}


def recorded(text: str, url: str = CHAT) -> Interaction:
    message = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": f"{text}!"}}
    asked = {"model": "m", "messages": [{"role": "user", "content": text}]}
    return Interaction(request(asked, url=url), response({**COMPLETION, "choices": [message]}))


def cassette(folder: Path, name: str, *interactions: Interaction) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(vcrpy.dump(Cassette(interactions)))


@pytest.mark.slow
def test_a_suite_of_pytest_recordings_is_played_by_the_proxy(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(CONFTEST)
    module(
        tmp_path,
        "test_suite.py",
        SDK_CLIENT
        + """
pytestmark = pytest.mark.vcr

def test_default_name(vcr):
    assert ask("one") == "one!"
    assert vcr.play_count == 1 and vcr.all_played

@pytest.mark.default_cassette("other.yaml")
def test_other_name():
    assert ask("two") == "two!"

@pytest.mark.vcr("extra.yaml")
def test_extra():
    assert ask("three") == "three!"

@pytest.mark.vcr(record_mode="new_episodes", match_on=["method", "json_body"])
def test_matchers():
    assert ask("four") == "four!"

@pytest.mark.vcr(allow_playback_repeats=True)
@pytest.mark.parametrize("url", ["http://localhost:9/v1"])
def test_loopback(url):
    local = openai.OpenAI(base_url=url, max_retries=0)
    assert ask("five", local) == ask("five", local) == "five!"

def test_missing():
    ask("six")
""",
    )
    folder = tmp_path / "cassettes" / "test_suite"
    cassette(folder, "test_default_name.yaml", recorded("one"))
    cassette(folder, "other.yaml", recorded("two"))
    cassette(folder, "extra.yaml", recorded("three"))
    cassette(folder, "test_matchers.yaml", recorded("no"), recorded("four"))
    local = "http://localhost:9/v1/chat/completions"
    cassette(folder, "test_loopback[http---localhost-9-v1].yaml", recorded("five", local))
    for arguments in ([], ["-p", "xdist", "-n", "2"]):
        played = run(tmp_path, *arguments, CI="1")
        assert played.counts == {"passed": 5, "failed": 1}, played.output
        assert "test_missing.yaml does not exist" in played.output


@pytest.mark.slow
def test_cassettes_are_used_by_the_fixture_as_in_pytest_vcr(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(
        CONFTEST
        + """

@pytest.fixture(scope="module", autouse=True)
def registered(vcr):
    vcr.register_serializer("yaml", object())
    vcr.register_matcher("mine", lambda one, other: None)


@pytest.fixture(scope="module")
def vcr_cassette_dir(request):
    return str(request.path.parent / "tapes")
"""
    )
    module(
        tmp_path,
        "test_suite.py",
        SDK_CLIENT
        + """
def test_several(vcr):
    with vcr.use_cassette("first.yaml"):
        assert ask("one") == "one!"
    with vcr.use_cassette("second.yaml") as second:
        assert ask("two") == "two!"
        assert second.play_count == 1

def test_loopback_is_direct_without_a_cassette():
    with pytest.raises(openai.APIConnectionError):
        ask("x", openai.OpenAI(base_url="http://localhost:9/v1", max_retries=0))
""",
    )
    cassette(tmp_path / "tapes", "first.yaml", recorded("one"))
    cassette(tmp_path / "tapes", "second.yaml", recorded("two"))
    played = run(tmp_path, "--record-mode=none")
    assert played.counts == {"passed": 2}, played.output


def test_configuration_is_told_in_the_control_apis_terms() -> None:
    assert fields(
        {
            "match_on": ["uri", "method", "raw_body", "body"],
            "filter_query_parameters": ["a", ("b", "x")],
            "filter_post_data_parameters": ["c"],
            "allow_playback_repeats": True,
            "record_mode": "once",
            "filter_headers": ["authorization"],
        }
    ) == {
        "match": ["url", "method", "body"],
        "ignore": ["a", "b", "c"],
        "repeat": "any",
        "mode": "once",
    }
    with pytest.warns(pytest.PytestWarning, match="matcher 'tenant' is left out"):
        assert fields({"match_on": ["method", "tenant"]}) == {"match": ["method"]}
