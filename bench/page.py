"""docs/benchmarks.svg and the tables of docs/benchmarks.md, from the JSON of a run; measures nothing.

`python -m bench.page FILE` makes them from a run's `--json`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench import chart, inprocess, replay
from bench.measure import Line, Spread, shown

_END = "<!-- end -->"
DOCS = Path(__file__).parents[1] / "docs"
_TABLES = {"replay": replay.TABLE, "inprocess": inprocess.TABLE}


def write(document: Mapping[str, Any], folder: Path = DOCS) -> None:
    """Put what was measured in the place of what stands there; of parts that were not, that stays."""
    for name, found in document["parts"].items():
        lines = [_line(one) for one in found if "workload" in one]
        goals = [one for one in found if one.get("goal")]
        about = _about(document["about"], lines)
        made = [about]
        if lines:
            made.append(_matrix(lines, _TABLES[name]))
        if goals:
            made.append(_goals(goals))
        place(name, "\n\n".join(made), folder)
        if name == "replay":
            (folder / "benchmarks.svg").write_text(chart.draw(lines, about), "utf-8")


def place(name: str, made: str, folder: Path = DOCS) -> None:
    """Put a part's tables where the page has a place for them."""
    page = folder / "benchmarks.md"
    before, mark, after = page.read_text("utf-8").partition(f"<!-- measured: {name} -->\n")
    if mark:
        page.write_text("".join([before, mark, made, "\n\n", after[after.index(_END) :]]), "utf-8")


def _line(plain: Mapping[str, Any]) -> Line:
    figures = {name: Spread(**spread) for name, spread in plain["figures"].items()}
    return Line(plain["workload"], plain["who"], plain["product"], figures)


def _about(about: Mapping[str, Any], lines: Sequence[Line]) -> str:
    products = dict.fromkeys([f"mitmproxy {about['mitmproxy']}", *(line.product for line in lines)])
    return (
        f"{about['system']} on {about['machine']}, {about['cores']} cores, Python {about['python']}; "
        f"{', '.join(products)}{'; --quick' if about['quick'] else ''}."
    )


def _matrix(lines: Sequence[Line], columns: Sequence[tuple[str, str, str, str]]) -> str:
    """A row for each contender, a column for each figure of a workload."""
    found = {(line.workload, line.who): line.figures for line in lines}
    rows = [["", *(heading for heading, *_ in columns)], ["---", *("--:" for _ in columns)]]
    for who in dict.fromkeys(line.who for line in lines):
        cells = [
            shown(found[workload, who][figure].median, unit)
            if figure in found.get((workload, who), {})
            else ""
            for _, workload, figure, unit in columns
        ]
        if any(cells):
            rows.append([who, *cells])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _goals(goals: Sequence[Mapping[str, Any]]) -> str:
    rows = ["| | mitmvcr | peer | measured | goal |", "|---|--:|--:|--:|--:|"]
    for one in goals:
        ours, peer = (shown(one[side]["median"], one["shown_in"]) for side in ("ours", "peer"))
        measured = one["ours" if one["goal"]["of"] == "figure" else one["goal"]["of"]]
        said, limit = (_goal(value, one) for value in (measured["median"], one["goal"]["limit"]))
        met = "" if one["goal_met"] else " **missed**"
        rows.append(f"| {one['what']} | {ours} | {peer} | {said}{met} | {limit} |")
    return "\n".join(rows)


def _goal(value: float, one: Mapping[str, Any]) -> str:
    """A ratio below 1 as that many times less, where that is what is wanted."""
    if one["goal"]["of"] == "ratio":
        is_less = value < 1 and one["goal"]["limit"] < 1
        return f"{1 / value:.3g} times less" if is_less else f"{value:.2f} times"
    sign = "+" if one["goal"]["of"] == "difference" and value >= 0 else ""
    return sign + shown(value, one["shown_in"])


def main() -> None:
    """Take the JSON file that is named."""
    write(json.loads(Path(sys.argv[1]).read_text("utf-8")))


if __name__ == "__main__":
    main()
