"""The tables of kinds, in TOML beside this module, and patterns compiled when they are first needed."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any


def rows(table: str) -> dict[str, dict[str, Any]]:
    """The rows of a table, named as its file is without `.toml`, in their order, each by its id."""
    import tomllib  # noqa: PLC0415 - 5 ms that only who looks for secrets pays

    return tomllib.loads(Path(__file__).with_name(f"{table}.toml").read_text("utf-8"))


@cache
def compiled(pattern: str, *, any_case: bool = False) -> re.Pattern[bytes]:
    """A pattern for bytes, compiled when it is first needed: all of them would take a tenth of the start."""
    return re.compile(pattern.encode(), re.IGNORECASE if any_case else 0)
