"""Where the seed recordings are, beside the repository; tests that read them are skipped without them."""

from __future__ import annotations

from pathlib import Path

import pytest

_SEEDS = Path(__file__).parents[3] / "shared" / "seeds"


def seed(name: str) -> bytes:
    path = _SEEDS / name
    if not path.exists():
        pytest.skip(f"there is no {name} in ../shared/seeds")
    return path.read_bytes()
