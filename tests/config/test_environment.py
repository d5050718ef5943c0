"""What the environment says of the run."""

from __future__ import annotations

import pytest

from mitmvcr.config.environment import in_ci


@pytest.mark.parametrize("word", ["true", "1", "True", "yes", "woodpecker", "drone"])
def test_whatever_a_ci_sets_ci_to_is_a_ci(word: str) -> None:
    assert in_ci({"CI": word})


@pytest.mark.parametrize(
    "environ", [{}, *({"CI": word} for word in ("", "0", "false", "FALSE", "no", "Off"))]
)
def test_no_ci_or_one_that_is_said_to_be_none_is_none(environ: dict[str, str]) -> None:
    assert not in_ci(environ)
