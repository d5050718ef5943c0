"""`python -m bench [part ...] [--quick] [--json FILE]`: run the benchmarks, print their tables."""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

from bench import convert, formats, inprocess, match, record, replay, run, startup
from bench.measure import Result, table, write_json

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
USUAL = ("record", "replay", "run", "formats", "startup", SCRUB)
"""What runs if nothing is named: the others take minutes."""


def main() -> int:
    """The exit status is 0 whether goals are met or not: a busy machine misses them."""
    parser = argparse.ArgumentParser(
        prog="python -m bench", description="What mitmvcr costs; see docs/benchmarks.md."
    )
    names = [*PARTS, SCRUB]
    parser.add_argument(
        "parts", nargs="*", metavar="part", help=f"{', '.join(names)}; {', '.join(USUAL)} if none is given"
    )
    parser.add_argument("--quick", action="store_true", help="fewer rounds: under two minutes in all")
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="write the results there, too (not those of scrub)"
    )
    arguments = parser.parse_args()
    for part in arguments.parts:
        if part not in names:
            parser.error(f"there is no part {part!r}; there are {', '.join(names)}")
    results: dict[str, list[Result]] = {}
    for name in arguments.parts or USUAL:
        began = time.perf_counter()
        if name == SCRUB:
            command = [sys.executable, "-m", "bench.scrub", *(["--quick"] if arguments.quick else [])]
            subprocess.run(command, check=True, cwd=Path(__file__).parents[1])
        else:
            part = PARTS[name]
            results[name] = part.run(quick=arguments.quick)
            print(table(name, part.PEER, results[name]))
        print(f"({time.perf_counter() - began:.0f} s)\n", flush=True)
    if arguments.json:
        write_json(arguments.json, results, about())
    return 0


def about() -> dict[str, object]:
    """What the figures depend on."""
    return {
        "python": platform.python_version(),
        "mitmproxy": importlib.metadata.version("mitmproxy"),
        "pyyaml": importlib.metadata.version("PyYAML"),
        "system": platform.system(),
        "machine": platform.machine(),
        "cores": os.cpu_count(),
    }


if __name__ == "__main__":
    sys.exit(main())
