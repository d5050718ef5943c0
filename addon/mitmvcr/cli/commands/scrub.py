"""`mitmvcr scrub`: takes the secrets out of cassettes that exist, in place, and changes nothing else."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

from mitmvcr.cli.parsers import secret_policy
from mitmvcr.cli.render import terminal
from mitmvcr.errors import MitmvcrError

if TYPE_CHECKING:
    from mitmvcr.maintenance.scrub_tree import FileResult

Subparsers: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"  # noqa: SLF001 - its only name

_EPILOG = """\
A secret's own bytes are replaced where they stand; every other byte of the file stays. Equal secrets in a
cassette get equal replacements. A second run changes nothing. Exits with 0 if all is done, 2 if a file could
not be; with --check 1 if something would change.

examples:
  mitmvcr scrub tests/cassettes            a whole tree
  mitmvcr scrub --check tests/cassettes    only say what would change
"""


def add_parser(commands: Subparsers) -> None:
    """Add the subcommand."""
    command = commands.add_parser(
        "scrub",
        help="take the secrets out of cassettes, in place",
        description="Replace the secrets in cassettes of any format, in place, byte for byte.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    secret_policy.add_arguments(command)
    command.add_argument("--check", action="store_true", help="write nothing, say what would change")
    command.set_defaults(run=run)


def run(given: argparse.Namespace) -> int:
    """Scrub; the exit status is 2 if a file could not be, else 1 if `--check` found something."""
    from mitmvcr.maintenance import scrub_tree  # noqa: PLC0415 - the scrubber's patterns take a while to compile

    try:
        task = scrub_tree.Task(secret_policy.policy_of(given), scrub=True, write=not given.check)
        found = list(scrub_tree.files(given.paths, skip_others=given.skip_others))
        rows = [row for row in scrub_tree.run(found, task, given.jobs) if row.is_cassette or row.problem]
    except MitmvcrError as error:
        print(f"mitmvcr: {error}", file=sys.stderr)
        return 2
    with terminal.output():
        for line in _report(rows, scrub_tree.totals(rows), check=given.check):
            print(line)
    for row in rows:
        if row.problem:
            print(terminal.printable(f"mitmvcr: {row.path}: {row.problem}"), file=sys.stderr)
    if any(row.problem for row in rows):
        return 2
    return int(given.check and any(row.replaced for row in rows))


def _report(rows: Sequence[FileResult], totals: Mapping[str, int], *, check: bool) -> Iterator[str]:
    changed = [row for row in rows if row.replaced]
    cells = [(terminal.printable(str(row.path)), _kinds(row.replaced)) for row in changed]
    if cells:
        head, *lines = terminal.table([("FILE", "WOULD BE REPLACED" if check else "REPLACED"), *cells])
        yield terminal.Style(sys.stdout).bold(head)
        yield from lines
    done = sum(not row.problem for row in rows)
    verb = "would be replaced" if check else "replaced"
    total = f": {_kinds(totals)}" if totals else ""
    secrets = secret_policy.count(sum(totals.values()), "secret")
    yield f"{secrets} {verb} in {len(changed)} of {secret_policy.count(done, 'cassette')}{total}"


def _kinds(replaced: Mapping[str, int]) -> str:
    return ", ".join(f"{kind} {number}" for kind, number in sorted(replaced.items()))
