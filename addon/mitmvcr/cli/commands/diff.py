"""`mitmvcr diff`: what changed between two cassettes, by structure, streams put together; for git too."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from mitmvcr.cli.render import terminal
from mitmvcr.errors import CassetteError, SettingsError

if TYPE_CHECKING:
    from mitmvcr.compare.cassette_diff import InteractionPair
    from mitmvcr.compare.json_diff import DifferingValue
    from mitmvcr.model import Interaction
    from mitmvcr.replay.matcher import Matcher

Subparsers: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"  # noqa: SLF001 - its only name

_EPILOG = """\
The order of interactions, their numbers and durations are not compared. What is shown is scrubbed.
The exit status is 0 if they say the same, 1 if they don't, 2 if one can't be read.

examples:
  mitmvcr diff old.yaml recordings/tests.yaml
  mitmvcr diff --ignore '$.id,$.created,$.system_fingerprint' old.yaml new.yaml
  mitmvcr diff --full old.yaml new.yaml          values at their whole length

with git, for files that .gitattributes has as `recordings/*.yaml diff=mitmvcr`:
  git config diff.mitmvcr.command "mitmvcr diff --git"
  git config diff.mitmvcr.textconv "mitmvcr show --all"    or this: for git log -p and others
  git difftool -x "mitmvcr diff"
"""


def add_parser(commands: Subparsers) -> None:
    """Add the subcommand."""
    command = commands.add_parser(
        "diff",
        help="show what changed between two cassettes",
        description="Show what changed between two cassettes of any format, interaction by interaction.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    command.add_argument(
        "files", nargs="+", metavar="FILE", help="the two cassettes; with --git, git's arguments"
    )
    command.add_argument(
        "--ignore", metavar="PATHS", help="JSONPaths of bodies that are left out, as vcr_ignore"
    )
    command.add_argument("--full", action="store_true", help="don't shorten values")
    command.add_argument("--json", action="store_true", help="print JSON, for programs")
    command.add_argument(
        "--git", action="store_true", help="be git's external diff: seven arguments, status 0"
    )
    command.set_defaults(run=run)


def run(given: argparse.Namespace) -> int:
    """Compare; 0 if nothing changed, 1 if something did, 2 if that can't be told."""
    try:
        names, paths = _sides(given.files, git=given.git)
        shown = _Shown.of(names, paths, given.ignore or "", full=given.full)
    except (CassetteError, SettingsError) as error:
        print(f"mitmvcr: {error}", file=sys.stderr)
        return 2
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


def _read(path: str, name: str) -> tuple[Interaction, ...]:
    from mitmvcr.maintenance.convert import scrubbed  # noqa: PLC0415
    from mitmvcr.scrub import Memory, Policy, Scrubber  # noqa: PLC0415
    from mitmvcr.store import cassette  # noqa: PLC0415 - it brings PyYAML, which the help doesn't need

    if path == os.devnull:
        return ()
    if not Path(path).exists():
        raise CassetteError(f"{name}: there is no such file")
    return tuple(scrubbed(cassette.read(Path(path)).cassette.interactions, Scrubber(Policy()), Memory()))


@dataclass(frozen=True, slots=True)
class _Shown:
    """Two cassettes and what changed between them."""

    names: tuple[str, str]
    sides: tuple[Sequence[Interaction], Sequence[Interaction]]
    pairs: Sequence[InteractionPair]
    full: bool

    @classmethod
    def of(cls, names: tuple[str, str], paths: tuple[str, str], ignore: str, *, full: bool) -> _Shown:
        from mitmvcr.compare.cassette_diff import compare  # noqa: PLC0415 - as in _read

        sides = (_read(paths[0], names[0]), _read(paths[1], names[1]))
        return cls(names, sides, compare(*sides, _matcher(ignore)), full)

    @property
    def changed(self) -> Sequence[InteractionPair]:
        """The pairs that are not the same."""
        return [pair for pair in self.pairs if not pair.same]

    def lines(self, style: terminal.Style) -> Iterator[str]:
        """One heading and the changes; nothing at all if there are none."""
        if not self.changed:
            return
        yield style.bold(
            f"{terminal.printable(self.names[0])} → {terminal.printable(self.names[1])}: {self._count()}"
        )
        for pair in self.changed:
            yield ""
            yield style.bold(self._heading(pair))
            for title, leaves in (("request", pair.request), ("response", pair.response)):
                for leaf in leaves:
                    yield from self._leaf(title, leaf, style)

    def _count(self) -> str:
        only = [
            sum(pair.second is None for pair in self.pairs),
            sum(pair.first is None for pair in self.pairs),
        ]
        changed = len(self.changed) - sum(only)
        parts = [f"{len(self.pairs) - len(self.changed)} the same", f"{changed} changed"]
        parts += [f"{number} {word}" for number, word in zip(only, ("gone", "new"), strict=True) if number]
        return ", ".join(parts)

    def _heading(self, pair: InteractionPair) -> str:
        side, number = (0, pair.first) if pair.first is not None else (1, pair.second)
        one = self.sides[side][number or 0]
        mark = "-" if pair.second is None else "+" if pair.first is None else "~"
        text = f"{one.request.method} {one.request.url}"
        if pair.first is None or pair.second is None:
            text += f" ({one.response.code}, {len(one.response.body):,} bytes)"
        return f"{mark} {number}  {terminal.printable(text)}"

    def _leaf(self, title: str, leaf: DifferingValue, style: terminal.Style) -> Iterator[str]:
        from mitmvcr.compare.difference_text import difference  # noqa: PLC0415 - as in _read

        shown = difference(leaf)
        told = "it says the same in other events" if leaf.kind == "events" else shown.note
        note = f" ({told})" if told else ""
        note += f" ({leaf.items} items from here on)" if leaf.items > 1 else ""
        yield f"  {title} {shown.path}{style.dim(note)}"
        for mark, value, text in (("-", leaf.recorded, shown.recorded), ("+", leaf.request, shown.asked)):
            if text is not None:
                whole = _whole(value) if self.full else text
                yield from (
                    style.red(f"    {mark} {line}") if mark == "-" else f"    {mark} {line}"
                    for line in whole.split("\n")
                )

    def as_json(self) -> str:
        """The same for programs."""
        found = [
            {
                "first": pair.first,
                "second": pair.second,
                "request": [_plain(leaf) for leaf in pair.request],
                "response": [_plain(leaf) for leaf in pair.response],
            }
            for pair in self.changed
        ]
        document = {"first": self.names[0], "second": self.names[1], "same": len(self.pairs) - len(found)}
        return json.dumps({**document, "changes": found}, indent=2)


def _matcher(ignore: str) -> Matcher:
    from mitmvcr.config.settings import parse_matching  # noqa: PLC0415
    from mitmvcr.replay.matcher import Matcher  # noqa: PLC0415 - as in _read

    return Matcher(("method", "url", "body"), parse_matching({"ignore": ignore}).ignore)


def _whole(value: object) -> str:
    if isinstance(value, bytes):
        try:
            return terminal.printable(value.decode(), lines=True)
        except UnicodeDecodeError:
            return f"{len(value):,} bytes"
    if isinstance(value, str):
        return terminal.printable(value, lines=True)
    return json.dumps(value, ensure_ascii=False, indent=2)


def _plain(leaf: DifferingValue) -> dict[str, object]:
    from mitmvcr.compare.difference_text import difference  # noqa: PLC0415 - as in _read

    shown = difference(leaf)
    return {"path": shown.path, "first": shown.recorded, "second": shown.asked, "note": shown.note}
