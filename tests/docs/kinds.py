"""The table of kinds in docs/secrets.md, made of shapes.toml: `python -m tests.docs.kinds` writes it."""

from __future__ import annotations

from pathlib import Path

from mitmvcr.scrub.rules.shapes import Rule, shape_rules

PAGE = Path(__file__).parents[2] / "docs" / "secrets.md"
_BEGIN, _END = "<!-- kinds -->\n", "<!-- end -->\n"


def table() -> str:
    """A row for each kind: its id, the texts one of which it holds, where its shape is described."""
    rows = ["| kind | tells itself by | described in |", "|---|---|---|"]
    rows += [f"| {rule.name} | {_literals(rule)} | {rule.source} |" for rule in shape_rules()]
    return "\n".join(rows) + "\n"


def _literals(rule: Rule) -> str:
    return " ".join(f"`{literal}`" for literal in rule.literals)


def parts(page: str) -> tuple[str, str, str]:
    """The page before the table, the table, and the rest."""
    before, _, rest = page.partition(_BEGIN)
    shown, _, after = rest.partition(_END)
    return before, shown, after


if __name__ == "__main__":
    before, _, after = parts(PAGE.read_text("utf-8"))
    PAGE.write_text(f"{before}{_BEGIN}{table()}{_END}{after}", "utf-8")
