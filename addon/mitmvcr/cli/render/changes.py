"""What `mitmvcr diff` shows of two cassettes, for people and as JSON; it reads, scrubs and prints nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mitmvcr.cli.render import terminal
from mitmvcr.compare.cassette_diff import InteractionPair
from mitmvcr.compare.difference_text import difference
from mitmvcr.compare.json_diff import DifferingValue
from mitmvcr.model import Interaction
from mitmvcr.text import printable


@dataclass(frozen=True, slots=True)
class ShownChanges:
    """Two cassettes and what changed between them."""

    names: tuple[str, str]
    sides: tuple[Sequence[Interaction], Sequence[Interaction]]
    pairs: Sequence[InteractionPair]
    full: bool

    @property
    def changed(self) -> Sequence[InteractionPair]:
        """The pairs that are not the same."""
        return [pair for pair in self.pairs if not pair.same]

    def lines(self, style: terminal.Style) -> Iterator[str]:
        """One heading and the changes; nothing at all if there are none."""
        if not self.changed:
            return
        yield style.bold(f"{printable(self.names[0])} → {printable(self.names[1])}: {self._count()}")
        for pair in self.changed:
            yield ""
            yield style.bold(self._heading(pair))
            for title, leaves in (("request", pair.request), ("response", pair.response)):
                for leaf in leaves:
                    yield from self._leaf(title, leaf, style)

    def _count(self) -> str:
        gone = sum(pair.second is None for pair in self.pairs)
        new = sum(pair.first is None for pair in self.pairs)
        changed = len(self.changed) - gone - new
        parts = [f"{len(self.pairs) - len(self.changed)} the same", f"{changed} changed"]
        parts += [f"{number} {word}" for number, word in ((gone, "gone"), (new, "new")) if number]
        return ", ".join(parts)

    def _heading(self, pair: InteractionPair) -> str:
        side, number = (0, pair.first) if pair.first is not None else (1, pair.second)
        interaction = self.sides[side][number or 0]
        mark = "-" if pair.second is None else "+" if pair.first is None else "~"
        text = f"{interaction.request.method} {interaction.request.url}"
        if pair.first is None or pair.second is None:
            text += f" ({interaction.response.code}, {len(interaction.response.body):,} bytes)"
        return f"{mark} {number}  {printable(text)}"

    def _leaf(self, title: str, leaf: DifferingValue, style: terminal.Style) -> Iterator[str]:
        shown = difference(leaf)
        reason = "it says the same in other events" if leaf.kind == "events" else shown.note
        note = f" ({reason})" if reason else ""
        note += f" ({leaf.items} items from here on)" if leaf.items > 1 else ""
        yield f"  {title} {shown.path}{style.dim(note)}"
        for mark, value, text in (("-", leaf.recorded, shown.recorded), ("+", leaf.request, shown.asked)):
            if text is not None:
                lines = [f"    {mark} {line}" for line in (_whole(value) if self.full else text).split("\n")]
                yield from map(style.red, lines) if mark == "-" else lines

    def as_json(self) -> str:
        """The changes as JSON, for programs."""
        changes = [
            {
                "first": pair.first,
                "second": pair.second,
                "request": [_plain(leaf) for leaf in pair.request],
                "response": [_plain(leaf) for leaf in pair.response],
            }
            for pair in self.changed
        ]
        document = {"first": self.names[0], "second": self.names[1], "same": len(self.pairs) - len(changes)}
        return json.dumps({**document, "changes": changes}, indent=2)


def _whole(value: object) -> str:
    if isinstance(value, bytes):
        try:
            return printable(value.decode(), lines=True)
        except UnicodeDecodeError:
            return f"{len(value):,} bytes"
    if isinstance(value, str):
        return printable(value, lines=True)
    return json.dumps(value, ensure_ascii=False, indent=2)


def _plain(leaf: DifferingValue) -> dict[str, object]:
    shown = difference(leaf)
    return {"path": shown.path, "first": shown.recorded, "second": shown.asked, "note": shown.note}
