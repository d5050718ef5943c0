"""`mitmvcr lint`: finds secrets in cassettes that exist, and shows none of them."""

from __future__ import annotations

import argparse

from mitmvcr.cli.policy import policy_of
from mitmvcr.cli.render import findings, terminal
from mitmvcr.maintenance import scrub_tree
from mitmvcr.maintenance.scrub_tree import FileResult, Task
from mitmvcr.text import count


def run(given: argparse.Namespace) -> int:
    """Look; the exit status is 1 if there are findings, 2 if something could not be read."""
    rows = cassettes(given, Task(policy_of(given)))
    with terminal.output():
        for line in findings.FORMATS[given.format](rows):
            print(line)
    failed = say_problems(rows)
    secrets = sum(len(row.findings) for row in rows)
    if given.format == "text":
        dirty = sum(bool(row.findings) for row in rows)
        looked = count(len(rows) - failed, "cassette")
        total = f"{count(secrets, 'secret')} in {dirty} of" if secrets else "no secret in"
        terminal.say(f"{total} {looked}")
    return 2 if failed else int(secrets > 0)


def cassettes(given: argparse.Namespace, task: Task) -> list[FileResult]:
    """What the task came to with each cassette in the paths that were given, and what could not be read."""
    files = list(scrub_tree.files(given.paths, skip_others=given.skip_others))
    return [row for row in scrub_tree.run(files, task, given.jobs) if row.is_cassette or row.problem]


def say_problems(rows: list[FileResult]) -> int:
    """A line on standard error for each file that could not be done; how many there are."""
    failed = [row for row in rows if row.problem]
    for row in failed:
        terminal.say(f"{row.path}: {row.problem}")
    return len(failed)
