"""`mitmvcr scrub`: takes the secrets out of cassettes that exist, in place, and changes nothing else."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence

from mitmvcr.cli.policy import policy_of
from mitmvcr.cli.render import terminal
from mitmvcr.maintenance import scrub_tree
from mitmvcr.maintenance.scrub_tree import FileResult
from mitmvcr.text import count, printable


def run(given: argparse.Namespace) -> int:
    """Scrub; the exit status is 2 if a file could not be, else 1 if `--check` found something."""
    task = scrub_tree.Task(policy_of(given), scrub=True, write=not given.check)
    found = list(scrub_tree.files(given.paths, skip_others=given.skip_others))
    rows = [row for row in scrub_tree.run(found, task, given.jobs) if row.is_cassette or row.problem]
    with terminal.output():
        for line in _report(rows, scrub_tree.totals(rows), check=given.check):
            print(line)
    for row in rows:
        if row.problem:
            print(printable(f"mitmvcr: {row.path}: {row.problem}"), file=sys.stderr)
    if any(row.problem for row in rows):
        return 2
    return int(given.check and any(row.replaced for row in rows))


def _report(rows: Sequence[FileResult], totals: Mapping[str, int], *, check: bool) -> Iterator[str]:
    changed = [row for row in rows if row.replaced]
    cells = [(printable(str(row.path)), _kinds(row.replaced)) for row in changed]
    if cells:
        head, *lines = terminal.table([("FILE", "WOULD BE REPLACED" if check else "REPLACED"), *cells])
        yield terminal.Style(sys.stdout).bold(head)
        yield from lines
    done = sum(not row.problem for row in rows)
    verb = "would be replaced" if check else "replaced"
    total = f": {_kinds(totals)}" if totals else ""
    secrets = count(sum(totals.values()), "secret")
    yield f"{secrets} {verb} in {len(changed)} of {count(done, 'cassette')}{total}"


def _kinds(replaced: Mapping[str, int]) -> str:
    return ", ".join(f"{kind} {number}" for kind, number in sorted(replaced.items()))
