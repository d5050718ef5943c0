"""`mitmvcr lint`: finds secrets in cassettes that exist, and shows none of them."""

from __future__ import annotations

import argparse
import sys

from mitmvcr.cli.policy import policy_of
from mitmvcr.cli.render import findings, terminal
from mitmvcr.maintenance import scrub_tree
from mitmvcr.text import count, printable


def run(given: argparse.Namespace) -> int:
    """Look; the exit status is 1 if there are findings, 2 if something could not be read."""
    task = scrub_tree.Task(policy_of(given))
    found = list(scrub_tree.files(given.paths, skip_others=given.skip_others))
    rows = [row for row in scrub_tree.run(found, task, given.jobs) if row.is_cassette or row.problem]
    with terminal.output():
        for line in findings.FORMATS[given.format](rows):
            print(line)
    secrets = sum(len(row.findings) for row in rows)
    bad = [row for row in rows if row.problem]
    for row in bad:
        print(printable(f"mitmvcr: {row.path}: {row.problem}"), file=sys.stderr)
    if given.format == "text":
        dirty = sum(bool(row.findings) for row in rows)
        looked = count(len(rows) - len(bad), "cassette")
        said = f"{count(secrets, 'secret')} in {dirty} of {looked}" if secrets else f"no secret in {looked}"
        print(f"mitmvcr: {said}", file=sys.stderr)
    return 2 if bad else int(secrets > 0)
