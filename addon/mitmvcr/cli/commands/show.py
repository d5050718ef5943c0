"""`mitmvcr show`: what is in a cassette of any format, a line an interaction, or one of them readable."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from mitmvcr.cli.policy import policy_of
from mitmvcr.cli.render import terminal
from mitmvcr.cli.render.interactions import InteractionText, Summary, as_json, document
from mitmvcr.config import load
from mitmvcr.errors import CassetteError, FormatError
from mitmvcr.maintenance.convert import scrubbed, skipped
from mitmvcr.model import Interaction
from mitmvcr.scrub import Memory, Policy, Scrubber
from mitmvcr.store import cassette
from mitmvcr.store.cassette import CassetteFile
from mitmvcr.store.locate import locate
from mitmvcr.text import count, printable

_HEADINGS = ("ID", "METHOD", "URL", "STATUS", "MODEL", "TOKENS", "TIME", "BYTES", "STREAM")


def run(given: argparse.Namespace) -> int:
    """Show a cassette, or one interaction of it."""
    if given.raw and given.number is None:
        raise CassetteError(f"--raw wants an interaction's number: mitmvcr show {given.cassette} 0 --raw")
    if given.all and (given.number is not None or given.json):
        raise CassetteError("--all takes neither a number nor --json")
    if given.request and not given.raw:
        raise CassetteError("--request goes with --raw")
    shown = _Shown.of(_load(given.cassette, given.dir), policy_of(given))
    style = terminal.Style(sys.stdout)
    with terminal.output():
        if given.all:
            print("\n".join(shown.everything(style)))
        elif given.number is None:
            print(shown.as_json() if given.json else "\n".join(shown.lines(style)))
        elif given.raw:
            interaction = shown.pick(given.number)
            sys.stdout.buffer.write(interaction.request.body if given.request else interaction.response.body)
            sys.stdout.buffer.flush()
        elif given.json:
            print(as_json(document(shown.scrubbed(shown.pick(given.number)), given.number)))
        else:
            print("\n".join(shown.text(shown.pick(given.number), style).lines(given.number)))
    return 0


def _load(name: str, folder: str | None) -> CassetteFile:
    """The cassette of a path, or of a name below the folder, which mitmvcr.toml here names else."""
    path = Path(name)
    if not path.exists():
        root = load.read().settings({"dir": folder} if folder else {}, only=("dir",)).dir
        try:
            location = locate(root, name)
        except CassetteError:
            if name.startswith((".", "/", "~")) or "/../" in name:
                raise CassetteError(f"{name}: there is no such file") from None
            raise
        if not location.exists:
            raise CassetteError(f"{name}: there is no such file, nor a cassette {name!r} in {root}")
        path = location.path
    try:
        return cassette.read(path)
    except FormatError as error:
        raise CassetteError(f"{path}: {error}") from None


@dataclass(frozen=True, slots=True)
class _Shown:
    """A cassette to be shown; interactions go by their ids, or by place where two have one id."""

    loaded: CassetteFile
    numbers: Sequence[int]
    scrubber: Scrubber

    @classmethod
    def of(cls, loaded: CassetteFile, policy: Policy) -> _Shown:
        ids = [interaction.id for interaction in loaded.cassette.interactions]
        return cls(loaded, ids if len(set(ids)) == len(ids) else range(len(ids)), Scrubber(policy))

    def pick(self, number: int) -> Interaction:
        """The interaction that has this number; raises CassetteError."""
        if number not in self.numbers:
            numbers = self.numbers
            ids = f"they go from {min(numbers)} to {max(numbers)}" if numbers else "it is empty"
            raise CassetteError(f"{self.loaded.path}: there is no interaction {number}: {ids}")
        return self.loaded.cassette.interactions[self.numbers.index(number)]

    def scrubbed(self, interaction: Interaction) -> Interaction:
        """The interaction as it would be recorded."""
        return scrubbed([interaction], self.scrubber, Memory())[0]

    def text(self, interaction: Interaction, style: terminal.Style) -> InteractionText:
        """The interaction for people."""
        return InteractionText(interaction, self.scrubbed(interaction), style)

    def _summaries(self) -> Iterator[Summary]:
        policy, memory = self.scrubber.policy, Memory()
        # The user's own rules may find something anywhere; else a list doesn't pay for bodies it has not.
        whole = bool(policy.redact or policy.emails or policy.home_paths)
        for interaction, number in zip(self.loaded.cassette.interactions, self.numbers, strict=True):
            request, response = interaction.request, interaction.response
            if whole:
                summary = Summary.of(scrubbed([interaction], self.scrubber, memory)[0], number)
                yield replace(summary, request_bytes=len(request.body), bytes=len(response.body))
            else:
                head = replace(request, body=b"", form={}, extra={})
                url = self.scrubber.request(head, memory).url
                yield replace(Summary.of(interaction, number), url=url)

    def _notes(self) -> tuple[str, ...]:
        return skipped(self.loaded.cassette.notes, self.loaded.torn)

    def lines(self, style: terminal.Style) -> Iterator[str]:
        """The table, and what the file has that isn't in it."""
        cells = [summary.cells() for summary in self._summaries()]
        path = printable(str(self.loaded.path))
        yield f"{path}: {self.loaded.format.title}, {count(len(cells), 'interaction')}"
        if cells:
            head, *others = terminal.table([_HEADINGS, *cells], right=frozenset({0, 3, 5, 6, 7}))
            yield style.bold(head)
            yield from others
        for note in self._notes():
            yield style.dim(f"note: {printable(note)}")

    def everything(self, style: terminal.Style) -> Iterator[str]:
        """All interactions; the same lines for two that say the same, whatever their times and numbers."""
        for place, interaction in enumerate(self.loaded.cassette.interactions):
            timeless = replace(interaction, response=replace(interaction.response, duration=0))
            yield from ([""] if place else [])
            yield from self.text(timeless, style).lines(None)

    def as_json(self) -> str:
        """The list for programs."""
        return as_json(
            {
                "path": str(self.loaded.path),
                "format": self.loaded.format.name,
                "interactions": [asdict(summary) for summary in self._summaries()],
                "notes": self._notes(),
            }
        )
