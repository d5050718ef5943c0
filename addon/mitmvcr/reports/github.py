"""Workflow commands of GitHub Actions, which become annotations; it prints nothing."""

from __future__ import annotations

from collections.abc import Mapping


def error_command(properties: Mapping[str, str], message: str) -> str:
    """An `::error` command; escaped as @actions/core does (packages/core/src/command.ts)."""
    given = ",".join(
        f"{name}={_escaped(value).replace(':', '%3A').replace(',', '%2C')}"
        for name, value in properties.items()
    )
    return f"::error {given}::{_escaped(message)}"


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
