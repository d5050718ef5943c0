"""`openai-java` (OkHttp) records and replays, its sync and its async client."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import Start
from tests.java.build import build, needs_java
from tests.sdk.lines import KINDS, Kind, codes, run_program, told_the_same

pytestmark = needs_java


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_java_client_is_told_the_same_when_upstream_is_gone(kind: Kind, tmp_path: Path, start: Start) -> None:
    command = build()
    told, on_disk = told_the_same(kind, start, tmp_path, lambda env: run_program(command, env))
    failed = {name: one["status"] for name, one in told.items() if "error" in one}
    assert failed == {"model_missing": 404, "async_model_missing": 404}
    assert told["refused_key"]["value"] == {"status": 401, "code": "invalid_api_key"}
    assert codes(on_disk) == [404, 401, 429, 429, 404, 429, 429]
    assert {one.response.proto for one in on_disk} == {"HTTP/2.0" if kind.forward else "HTTP/1.1"}
