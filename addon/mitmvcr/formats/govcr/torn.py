"""The error for a cassette whose last interaction is torn: what is whole comes with it; reads nothing."""

from __future__ import annotations

from mitmvcr.errors import FormatError
from mitmvcr.model import Cassette


class TornError(FormatError):
    """The last interaction is torn; `before` is the cassette without it, its source cut there."""

    def __init__(self, reason: str, line: int, before: Cassette) -> None:
        super().__init__(reason, line)
        self.before = before

    @classmethod
    def of(cls, line: int, before: Cassette) -> TornError:
        """The entry that begins in that line is torn."""
        return cls(
            f"interaction {len(before.interactions)}, the last, is torn: it breaks off before its `duration` "
            f"ends. Delete it from this line on (recording to this cassette sets it aside by itself) or "
            f"complete it",
            line,
            before,
        )
