"""Python programs that nothing leads to the proxy but their environment, each in a process of its own."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Start
from tests.sdk import frameworks
from tests.sdk.lines import KINDS, Kind, Told, codes, run_program, told_the_same

HERE = Path(__file__).parent


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
@pytest.mark.slow
def test_openai_and_aiohttp_need_nothing_but_their_environment(
    kind: Kind, tmp_path: Path, start: Start
) -> None:
    def run(env: dict[str, str]) -> Told:
        return run_program([sys.executable, HERE / "program_openai.py"], env)

    told, on_disk = told_the_same(kind, start, tmp_path, run)
    assert {name: len(one["value"]) > 5 for name, one in told.items()} == dict.fromkeys(
        ("sync", "sync_streamed", "async", "aiohttp", "aiohttp_streamed", "bare_aiohttp"), True
    )
    assert len(on_disk) == 6


@frameworks.needs_frameworks
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_litellm_needs_nothing_but_its_environment(kind: Kind, tmp_path: Path, start: Start) -> None:
    def run(env: dict[str, str]) -> Told:
        # Else it fetches the models' prices from the internet first.
        env = {**env, "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
        return run_program([frameworks.python(), HERE / "program_litellm.py"], env)

    told, on_disk = told_the_same(kind, start, tmp_path, run)
    assert said(told["completion"]).startswith("You said: hello")
    assert said(told["acompletion"]).startswith("You said: hello, async")
    assert len(told["stream"]["value"]) > 5 < len(told["astream"]["value"])
    assert told["missing_model"]["value"] == 404
    assert codes(on_disk) == [404]


def said(one: dict[str, object]) -> str:
    """The text of a completion's first choice."""
    value: Any = one["value"]
    text: str = value["choices"][0]["message"]["content"]
    return text


@frameworks.needs_frameworks
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_langchain_needs_nothing_but_its_environment(kind: Kind, tmp_path: Path, start: Start) -> None:
    def run(env: dict[str, str]) -> Told:
        return run_program([frameworks.python(), HERE / "program_langchain.py"], env)

    told, on_disk = told_the_same(kind, start, tmp_path, run)
    assert told["invoke"]["value"]["content"].startswith("You said: hello")
    assert len(told["stream"]["value"]) > 5 < len(told["astream"]["value"])
    assert told["tools"]["value"]["tool_calls"][0]["args"] == {"a": 2, "b": 3}
    assert told["structured"]["value"] == "City(name='Standin', country='Standin')"
    assert len(told["embeddings"]["value"]) == 2
    assert len(on_disk) == 9
