"""Node's `openai` package records and replays, with Node's own fetch and with undici's."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import Start
from tests.node.build import build, needs_node
from tests.sdk.lines import FORWARD, REVERSE, Kind, Told, codes, run_program, told_the_same

pytestmark = needs_node


def check(told: Told, statuses: list[int]) -> None:
    """Every step came to the end that it has when nothing stands between it and the API."""
    failed = {name: one["status"] for name, one in told.items() if "error" in one}
    assert failed == {"model_missing": 404}
    assert told["refused_key"]["value"] == {"status": 401, "code": "invalid_api_key"}
    assert told["chat_helper"]["value"]["deltas"] > 1
    assert told["left_after_the_last_event"]["value"][-1] == "response.completed"
    assert statuses == [404, 401, 429, 429]


@pytest.mark.parametrize(
    ("kind", "arguments"),
    [(FORWARD, ["--undici"]), (REVERSE, [])],
    ids=["undici", "reverse"],
)
def test_any_node_is_told_the_same_when_upstream_is_gone(
    kind: Kind, arguments: list[str], tmp_path: Path, start: Start
) -> None:
    program = build()
    command = [program.node, program.script, *arguments]
    told, on_disk = told_the_same(kind, start, tmp_path, lambda env: run_program(command, env))
    check(told, codes(on_disk))


def test_node_24_needs_nothing_but_its_environment(tmp_path: Path, start: Start) -> None:
    program = build()
    if not program.pinned:
        pytest.skip("npm has no Node for this machine")

    command = [program.pinned, program.script]
    told, on_disk = told_the_same(FORWARD, start, tmp_path, lambda env: run_program(command, env))
    check(told, codes(on_disk))
