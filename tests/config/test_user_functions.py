"""The functions that users name in options: one rule, whatever they are for."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from mitmvcr.config import user_functions
from mitmvcr.replay.matcher import Matcher
from mitmvcr.scrub import Memory, Policy, Scrubber
from tests.build import interaction, request

CODE = """\
from dataclasses import replace


def key(request):
    return request.method


def without_url(interaction):
    return replace(interaction, request=replace(interaction.request, url="https://h.example/"))
"""


@pytest.mark.parametrize("name", ["rules_in_a_file.py", "rules_in_a_module"])
def test_a_file_and_a_module_of_the_folder_can_be_named_for_match_and_for_redact(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (tmp_path / f"{name.removesuffix('.py')}.py").write_text(CODE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [place for place in sys.path if place])  # as an installed command has it
    assert Matcher((f"py:{name}:key",)).key(request(1)) == Matcher((f"py:{name}:key",)).key(request(2))
    scrubber = Scrubber(Policy(redact=(f"py:{name}:without_url",)))
    recorded = interaction()
    assert scrubber.interaction(recorded, Memory()).request == replace(
        recorded.request, url="https://h.example/"
    )


def test_what_is_installed_comes_before_the_folder_s_modules(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "colorsys.py").write_text("raise SystemExit('the folder came first')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [place for place in sys.path if place])
    assert user_functions.load("py:colorsys:rgb_to_hsv").__module__ == "colorsys"
