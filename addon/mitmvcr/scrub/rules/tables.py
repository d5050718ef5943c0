"""The tables of kinds, in TOML beside this module, and patterns compiled when they are first needed."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any


def rows(table: str) -> dict[str, dict[str, Any]]:
    """The rows of a table, named as its file is without `.toml`, in their order, each by its id."""
    import tomllib  # noqa: PLC0415 - 5 ms that only who looks for secrets pays

    return tomllib.loads(_source(table))


# A table's head, and what its lines have: text in single quotes, a flag, a number, a list of texts.
_LINE = re.compile(r"(?m)^\[([\w-]+)\]|^(\w+) = (?:'([^'\n]*)'|(true|false)|([0-9]+)|\[([^\n]*)\])$")
_TEXT = re.compile("'([^']*)'")


def plain_rows(table: str) -> dict[str, dict[str, Any]]:
    """The rows of a table whose values are all on one line; TOML's own reader takes ten times as long."""
    found: dict[str, dict[str, Any]] = {}
    row: dict[str, Any] = {}
    for name, key, text, flag, number, texts in _LINE.findall(_source(table)):
        if name:
            row = found[name] = {}
        elif texts:
            row[key] = _TEXT.findall(texts)
        else:
            row[key] = flag == "true" if flag else int(number) if number else text
    return found


def _source(table: str) -> str:
    return Path(__file__).with_name(f"{table}.toml").read_text("utf-8")


@cache
def compiled(pattern: str, *, any_case: bool = False) -> re.Pattern[bytes]:
    """A pattern for bytes, compiled when it is first needed: all of them would take a tenth of the start."""
    return re.compile(pattern.encode(), re.IGNORECASE if any_case else 0)
