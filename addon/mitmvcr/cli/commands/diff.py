"""`mitmvcr diff`: what changed between two cassettes, by structure, streams put together; for git too."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from mitmvcr.cli.policy import policy_of
from mitmvcr.cli.render import terminal
from mitmvcr.cli.render.changes import ShownChanges
from mitmvcr.compare.cassette_diff import compare
from mitmvcr.config.settings import parse_matching
from mitmvcr.errors import CassetteError
from mitmvcr.maintenance.convert import scrubbed
from mitmvcr.model import Interaction
from mitmvcr.replay.matcher import Matcher
from mitmvcr.scrub import Memory, Scrubber
from mitmvcr.store import cassette


def run(given: argparse.Namespace) -> int:
    """Compare; 0 if nothing changed, 1 if something did, 2 if that can't be told."""
    names, paths = _sides(given.files, git=given.git)
    scrubber = Scrubber(policy_of(given))
    first, second = (_read(path, name, scrubber) for path, name in zip(paths, names, strict=True))
    matcher = Matcher(("method", "url", "body"), parse_matching({"ignore": given.ignore or ""}).ignore)
    shown = ShownChanges(names, (first, second), compare(first, second, matcher), given.full)
    with terminal.output():
        lines = [shown.as_json()] if given.json else list(shown.lines(terminal.Style(sys.stdout)))
        if lines:
            print("\n".join(lines))
    return 1 if shown.changed and not given.git else 0


def _sides(files: Sequence[str], *, git: bool) -> tuple[tuple[str, str], tuple[str, str]]:
    """What the two are called, and their paths."""
    if git:
        # path old-file old-hex old-mode new-file new-hex new-mode [new-path what]: git(1), GIT_EXTERNAL_DIFF.
        if len(files) not in (7, 9):
            raise CassetteError(
                f"--git takes what git gives an external diff, 7 or 9 arguments, not {len(files)}"
            )
        return (f"a/{files[0]}", f"b/{files[7] if len(files) == 9 else files[0]}"), (files[1], files[4])
    if len(files) != 2:
        raise CassetteError(f"two cassettes are compared, and {len(files)} were given")
    return (files[0], files[1]), (files[0], files[1])


def _read(path: str, name: str, scrubber: Scrubber) -> tuple[Interaction, ...]:
    """A cassette's interactions as they would be recorded; none of /dev/null, git's word for no file."""
    if path == os.devnull:
        return ()
    if not Path(path).exists():
        raise CassetteError(f"{name}: there is no such file")
    return tuple(scrubbed(cassette.read(Path(path)).cassette.interactions, scrubber, Memory()))
