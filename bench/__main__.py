"""`python -m bench [part ...] [--quick] [--json FILE]`: run the benchmarks, print their tables."""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

from bench import convert, formats, inprocess, match, page, record, replay, run, startup
from bench.measure import Line, Result, blocks, plain, table

PARTS = {
    "record": record,
    "replay": replay,
    "formats": formats,
    "startup": startup,
    "convert": convert,
    "match": match,
    "run": run,
    "inprocess": inprocess,
}
SCRUB = "scrub"
"""Prints figures of its own, with no peer to hold them against."""
QUICK = ("record", "replay", "inprocess", "startup")
USUAL = (*QUICK, "run", "formats", SCRUB)
"""What runs if nothing is named."""


def main() -> int:
    """The exit status is 0 whether goals are met or not: a busy machine misses them."""
    parser = argparse.ArgumentParser(
        prog="python -m bench", description="What mitmvcr costs; see docs/benchmarks.md."
    )
    names = [*PARTS, SCRUB]
    parser.add_argument(
        "parts", nargs="*", metavar="part", help=f"{', '.join(names)}; {', '.join(USUAL)} if none is given"
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help=f"fewer rounds; if no part is given {', '.join(QUICK)} alone: some two minutes in all",
    )
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="write the results there, too (not those of scrub)"
    )
    parser.add_argument(
        "--docs", action="store_true", help="put what was measured into docs/benchmarks.md and its chart"
    )
    arguments = parser.parse_args()
    for part in arguments.parts:
        if part not in names:
            parser.error(f"there is no part {part!r}; there are {', '.join(names)}")
    results: dict[str, list[Result | Line]] = {}
    for name in arguments.parts or (QUICK if arguments.quick else USUAL):
        began = time.perf_counter()
        if name == SCRUB:
            quick, docs = ["--quick"] * arguments.quick, ["--docs"] * arguments.docs
            for module, flags in (("bench.scrub", quick), ("bench.labels", [*quick, *docs])):
                command = [sys.executable, "-m", module, *flags]
                subprocess.run(command, check=True, cwd=Path(__file__).parents[1])
        else:
            part = PARTS[name]
            found = part.run(quick=arguments.quick)
            lines, goals = found if isinstance(found, tuple) else ([], found)
            if lines:
                print(blocks(lines, part.COLUMNS), end="\n\n")
            print(table(name, part.PEER, goals))
            results[name] = [*lines, *goals]
        print(f"({time.perf_counter() - began:.0f} s)\n", flush=True)
    parts = {name: [plain(one) for one in part] for name, part in results.items()}
    document = {"about": about(quick=arguments.quick), "parts": parts}
    if arguments.json:
        arguments.json.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", "utf-8")
    if arguments.docs:
        page.write(document)
    return 0


def about(*, quick: bool) -> dict[str, object]:
    """What the figures depend on."""
    return {
        "python": platform.python_version(),
        "mitmproxy": importlib.metadata.version("mitmproxy"),
        "pyyaml": importlib.metadata.version("PyYAML"),
        "system": platform.system(),
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "quick": quick,
    }


if __name__ == "__main__":
    sys.exit(main())
