"""An exchange that ended -> scrub -> emit -> gate -> one entry in the cassette."""

from __future__ import annotations

from dataclasses import dataclass

from mitmvcr.errors import MitmvcrError
from mitmvcr.formats import govcr
from mitmvcr.model import Interaction
from mitmvcr.scrub import GateFinding, Memory, Scrubber
from mitmvcr.store.writer import Writer


class RefusedError(MitmvcrError):
    """The gate found a secret in what would have been written; nothing of it was."""

    def __init__(self, findings: list[GateFinding]) -> None:
        self.findings = findings
        super().__init__("; ".join(str(finding) for finding in findings))


@dataclass(frozen=True, slots=True)
class Recorder:
    """Writes one cassette; there is no way past the gate to its file."""

    writer: Writer
    scrubber: Scrubber
    memory: Memory

    def record(self, interaction: Interaction) -> None:
        """Append what ended whole; raises RefusedError or CassetteError, and then nothing is written."""
        scrubbed = self.scrubber.interaction(interaction, self.memory)
        entry = self.writer.emit(scrubbed)
        findings = self.scrubber.gate(entry, scrubbed, self.memory)
        if findings:
            raise RefusedError(findings)
        self.writer.append(entry)

    def rewrite(self, data: bytes) -> None:
        """Put other bytes in the place of what was recorded; raises MitmvcrError, then nothing changes."""
        cassette = govcr.load(data)
        if cassette.source is not None:
            for interaction, (start, end) in zip(cassette.interactions, cassette.source.spans, strict=True):
                if findings := self.scrubber.gate(data[start:end], interaction, self.memory):
                    raise RefusedError(findings)
        self.writer.rewrite(data)
