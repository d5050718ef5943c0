"""An exchange that ended -> scrub -> emit -> gate -> one entry in the cassette."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

from mitmvcr.errors import MitmvcrError
from mitmvcr.formats import govcr
from mitmvcr.model import Interaction, Request
from mitmvcr.scrub import GateFinding, Memory, Redaction, Scrubber
from mitmvcr.store.writer import Writer

# A place in a list, which is another for each message of a conversation.
_ITEM = re.compile(r"\[[0-9]+\]")


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

    def record(self, interaction: Interaction) -> Counter[tuple[str, str]]:
        """Append what ended whole; how many values were redacted in its bodies, by kind and field.

        `[*]` in a field is any of a list's items. Raises RefusedError or CassetteError, and then nothing is
        written.
        """
        scrubbed, redactions = self.scrubber.interaction_with_changes(interaction, self.memory)
        entry = self.writer.emit(scrubbed)
        findings = self.scrubber.gate(entry, scrubbed, self.memory)
        if findings:
            raise RefusedError(findings)
        self.writer.append(entry)
        return Counter(
            (redaction.kind, self._field(redaction))
            for redaction in redactions
            if redaction.field in ("request.body", "response.body")
        )

    def _field(self, redaction: Redaction) -> str:
        """Where a value was redacted, without a secret: the names in a body may be anything."""
        place = Request("POST", "", body=_ITEM.sub("[*]", redaction.path).encode("utf-8", "replace"))
        path = self.scrubber.request(place, self.memory).body.decode("utf-8", "replace")
        return f"{redaction.field} {path}".rstrip()

    def rewrite(self, data: bytes) -> None:
        """Put other bytes in the place of what was recorded; raises MitmvcrError, then nothing changes."""
        cassette = govcr.load(data)
        if cassette.source is not None:
            for interaction, (start, end) in zip(cassette.interactions, cassette.source.spans, strict=True):
                if findings := self.scrubber.gate(data[start:end], interaction, self.memory):
                    raise RefusedError(findings)
        self.writer.rewrite(data)
