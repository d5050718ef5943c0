"""`mitmvcr scrub`: takes the secrets out of cassettes that exist, in place, and changes nothing else."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from mitmvcr.cli.commands.lint import cassettes, say_problems
from mitmvcr.cli.policy import policy_of
from mitmvcr.cli.render import terminal
from mitmvcr.maintenance.scrub_tree import FileResult, Task
from mitmvcr.text import count, printable


def run(given: argparse.Namespace) -> int:
    """Scrub; the exit status is 2 if a file could not be, else 1 if `--check` found something."""
    rows = cassettes(given, Task(policy_of(given), scrub=True, write=not given.check))
    with terminal.output():
        for line in _report(rows, check=given.check):
            print(line)
    if say_problems(rows):
        return 2
    return int(given.check and any(row.replaced for row in rows))


def _report(rows: Sequence[FileResult], *, check: bool) -> Iterator[str]:
    totals: Counter[str] = sum((Counter(row.replaced) for row in rows), Counter())
    changed = [row for row in rows if row.replaced]
    cells = [(printable(str(row.path)), _kinds(row.replaced)) for row in changed]
    if cells:
        head, *lines = terminal.table([("FILE", "WOULD BE REPLACED" if check else "REPLACED"), *cells])
        yield terminal.Style(sys.stdout).bold(head)
        yield from lines
    done = sum(not row.problem for row in rows)
    verb = "would be replaced" if check else "replaced"
    total = f": {_kinds(totals)}" if totals else ""
    secrets = count(totals.total(), "secret")
    yield f"{secrets} {verb} in {len(changed)} of {count(done, 'cassette')}{total}"


def _kinds(replaced: Mapping[str, int]) -> str:
    return ", ".join(f"{kind} {number}" for kind, number in sorted(replaced.items()))
