"""A miss as its user meets it: in the SDK's exception, on the terminal, in the reports, in GitHub Actions."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import openai
import pytest

from tests import build
from tests.conftest import Start
from tests.harness import Proxy
from tests.proxy.talk import CHAT, chat, reverse

UPSTREAM = "https://api.openai.com"
ASKED, RECORDED = "What is the weather like in Paris?", "What is the weather like in Rome?"
DIFFERENCE = f'$.messages[0].content: recorded "{RECORDED}", asked "{ASKED}"'
RECORD = "To record it: run with vcr_mode=new-episodes and access to the API"


def record(folder: Path, *bodies: object, name: str = "default") -> None:
    """A cassette that has these requests."""
    made = (build.interaction(body, url=UPSTREAM + CHAT) for body in bodies)
    build.write(folder / "recordings" / f"{name}.yaml", *made)


def ask(proxy: Proxy, *texts: str) -> list[dict[str, Any]]:
    """What the proxy's misses say to a client that asks these things."""
    with reverse(proxy) as client:
        answers = [client.post(CHAT, json=chat(text)) for text in texts]
    assert {answer.status_code for answer in answers} == {404}
    return [answer.json()["error"] for answer in answers]


def test_one_explanation_reaches_the_client_the_terminal_and_the_reports(
    start: Start, tmp_path: Path
) -> None:
    record(tmp_path, chat(RECORDED), chat("Else"))
    proxy = start(
        upstream=UPSTREAM, mode="replay", report="out/r.json,out/r.xml", env={"CI": "", "GITHUB_ACTIONS": ""}
    )
    with (
        openai.OpenAI(base_url=proxy.reverse + "/v1", api_key="none", max_retries=2) as client,
        pytest.raises(openai.NotFoundError) as raised,
    ):
        client.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": ASKED}])
    said = f"POST {UPSTREAM}{CHAT}: cassette recordings/default.yaml has no recording of it"
    message = f"{said}. Nearest unplayed: interaction 0: {DIFFERENCE}. {RECORD}"
    assert raised.value.body == {
        "message": message, "type": "vcr_cassette_miss", "param": None, "code": "vcr_cassette_miss",
    }  # fmt: skip
    assert message in str(raised.value)  # nothing in it needs an escape

    assert proxy.stop() == 1
    (at,) = (at for at, line in enumerate(proxy.lines) if f"miss: {said}" in line)
    assert proxy.lines[at + 1 : at + 4] == [
        "  Nearest unplayed: interaction 0:", f"    {DIFFERENCE}", f"  {RECORD}",
    ]  # fmt: skip
    assert proxy.lines[-2] == f"mitmvcr: miss: POST {UPSTREAM}{CHAT} in recordings/default.yaml"
    assert "1 miss, 2 unused (recordings/default.yaml)" in proxy.lines[-1]
    assert "::error" not in proxy.output

    report = json.loads((tmp_path / "out" / "r.json").read_text("utf-8"))
    (miss,) = report["cassettes"][0]["misses"]
    assert miss["message"] == message
    assert miss["nearest"]["number"] == 0
    failure = ET.parse(tmp_path / "out" / "r.xml").find(".//failure")  # noqa: S314 - we wrote it
    assert failure is not None
    assert failure.get("message") == message


def test_actions_show_it_at_the_line_of_the_recording(start: Start, tmp_path: Path) -> None:
    record(tmp_path, chat("Else" * 9), chat(RECORDED))
    env = {"GITHUB_ACTIONS": "true", "GITHUB_WORKSPACE": str(tmp_path), "CI": "true"}
    proxy = start(upstream=UPSTREAM, mode="replay", strict="true", env=env)
    (error,) = ask(proxy, ASKED)
    assert "on a developer machine, and commit the cassette" in error["message"]
    assert proxy.stop() == 1
    lines = (tmp_path / "recordings" / "default.yaml").read_text().splitlines()
    number = lines.index("- id: 1") + 1 if "- id: 1" in lines else lines.index("  - id: 1") + 1
    missed, unused = (line for line in proxy.lines if line.startswith("::error "))
    assert missed.startswith(
        f"::error file=recordings/default.yaml,line={number},title=Not recorded%3A POST "
    )
    assert f"%0A    {DIFFERENCE}%0A" in missed
    assert unused.startswith("::error file=recordings/default.yaml,title=2 recordings are unused::")
    assert proxy.lines[-1].startswith("mitmvcr: 0 recorded")


def test_a_hundred_misses_fill_neither_the_terminal_nor_the_report(start: Start, tmp_path: Path) -> None:
    record(tmp_path, chat(RECORDED))
    proxy = start(upstream=UPSTREAM, mode="replay", report="r.json", env={"GITHUB_ACTIONS": ""})
    ask(proxy, *(f"{ASKED} {number}" for number in range(120)))
    assert proxy.stop() == 1
    said = [line for line in proxy.lines if "has no recording of it" in line]
    assert len(said) == 100
    assert sum("Nearest" in line for line in proxy.lines) == 10
    assert sum("more misses are only counted; vcr_report lists them" in line for line in proxy.lines) == 1
    assert sum(line.startswith("mitmvcr: ") for line in proxy.lines) < 24
    assert "120 misses" in proxy.lines[-1]
    (one,) = json.loads((tmp_path / "r.json").read_text("utf-8"))["cassettes"]
    assert one["miss_count"] == len(one["misses"]) == 120


def test_the_option_that_a_miss_advises_mends_it(start: Start, tmp_path: Path) -> None:
    record(tmp_path, chat("Hi", metadata={"run": "3f2b8c1e-0d5e-4a55-9f60-0123456789ab"}))
    asked = chat("Hi", metadata={"run": "a17e1b52-7c11-4c9e-8a11-ba9876543210"})
    options: dict[str, str] = {}
    for code in (404, 200):
        proxy = start(upstream=UPSTREAM, mode="replay", **options)
        with reverse(proxy) as client:
            answer = client.post(CHAT, json=asked)
        assert answer.status_code == code
        proxy.stop()
        if code == 404:
            advised = answer.json()["error"]["message"].partition("vcr_ignore=")[2].partition(" ")[0]
            assert advised == "$.metadata.run"
            options = {"ignore": advised}


@pytest.mark.parametrize("report", ["file/r.json", "ok.json,file/r.xml"])
def test_a_report_that_can_not_be_written_fails_the_run(start: Start, tmp_path: Path, report: str) -> None:
    (tmp_path / "file").touch()
    proxy = start(upstream=UPSTREAM, mode="replay", report=report)
    assert proxy.stop() == 1
    path = report.rpartition(",")[2]
    assert f"mitmvcr: failed: {path}: the report could not be written: " in proxy.output
