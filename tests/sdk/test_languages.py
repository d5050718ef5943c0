"""What a program in one language recorded answers one in another, that writes its JSON in its own way."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Start
from tests.go.build import needs_go
from tests.java.build import build as build_java
from tests.java.build import needs_java
from tests.node.build import build as build_node
from tests.node.build import needs_node
from tests.proxy.talk import KEY
from tests.sdk.go_client import run_go_in
from tests.sdk.lines import REVERSE, Told, environment, run_program, upstream_for


def go(env: dict[str, str]) -> Told:
    return run_go_in({"OPENAI_BASE_URL": env["OPENAI_BASE_URL"]}, "shared", key=env["OPENAI_API_KEY"])


def node(env: dict[str, str]) -> Told:
    program = build_node()
    return run_program([program.node, program.script, "shared"], env)


def java(env: dict[str, str]) -> Told:
    return run_program([*build_java(), "shared"], env)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param(go, node, marks=[needs_go, needs_node]),
        pytest.param(node, java, marks=[needs_node, needs_java]),
        pytest.param(java, go, marks=[needs_java, needs_go]),
    ],
)
def test_what_one_language_recorded_answers_another(
    first: Callable[[dict[str, str]], Told],
    second: Callable[[dict[str, str]], Told],
    tmp_path: Path,
    start: Start,
) -> None:
    with upstream_for(REVERSE) as upstream:
        proxy = start(upstream=upstream.url, cassette="shared")
        told = first(environment(REVERSE, proxy, KEY))
        assert proxy.stop() == 0, proxy.output
        url = upstream.url
    replaying = start(upstream=url, cassette="shared", mode="replay", strict="true")
    assert known(second(environment(REVERSE, replaying, "dummy"))) == known(told)
    assert replaying.stop() == 0, replaying.output


def known(told: Told) -> tuple[str, str]:
    """What the answer says, and its id, which the stand-in makes of the request's bytes."""
    answer: dict[str, Any] = told["shared"]["value"]
    return answer["id"], answer["choices"][0]["message"]["content"]
