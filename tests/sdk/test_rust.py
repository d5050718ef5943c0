"""`async-openai` (reqwest, with its default TLS, rustls) records and replays."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import Start
from tests.rust.build import build, needs_rust
from tests.sdk.lines import KINDS, Kind, codes, run_program, told_the_same

# The first build, on a machine that is busy, takes minutes.
pytestmark = [needs_rust, pytest.mark.timeout(1800)]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_rust_client_is_told_the_same_when_upstream_is_gone(kind: Kind, tmp_path: Path, start: Start) -> None:
    program = build()
    told, on_disk = told_the_same(kind, start, tmp_path, lambda env: run_program([program], env))
    failed = {name: one["status"] for name, one in told.items() if "error" in one}
    assert failed == {"model_missing": 404}
    assert told["refused_key"]["value"] == {"status": 401, "code": "invalid_api_key"}
    assert told["left_after_the_last_event"]["value"][-1] == "response.completed"
    assert codes(on_disk) == [404, 401, 429, 429]
