"""From flags, mitmvcr.toml and the environment to a proxy."""

from __future__ import annotations

from pathlib import Path

import pytest

from mitmvcr.launch.planning import plan


@pytest.mark.parametrize("word", ["true", "woodpecker"])
def test_a_program_in_a_ci_replays_unless_it_is_said_otherwise(tmp_path: Path, word: str) -> None:
    assert plan({"CI": word}, {}, folder=tmp_path).launch.options["mode"] == "replay"
    assert plan({"CI": word}, {"mode": "record"}, folder=tmp_path).mode == "record"
    (tmp_path / "mitmvcr.toml").write_text('mode = "once"')
    wanted = plan({"CI": word}, {}, folder=tmp_path)
    assert (wanted.mode, "mode" in wanted.launch.options) == ("once", False)


def test_a_program_outside_of_a_ci_records_once(tmp_path: Path) -> None:
    wanted = plan({"CI": "false"}, {}, folder=tmp_path)
    assert (wanted.mode, wanted.notes) == ("once", [])
