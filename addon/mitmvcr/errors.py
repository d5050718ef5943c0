"""Every error that a user can meet; never a traceback, always what happened, where, and what mends it."""

from __future__ import annotations


class MitmvcrError(Exception):
    """The base of all errors that mitmvcr raises on purpose; its text is one line for the user."""


class FormatError(MitmvcrError, ValueError):
    """The bytes of a cassette can't be read.

    `reason` says what is wrong, `line` (from 1) where, if it is known; `str()` joins the two.
    Who knows the file's name puts it in front: `f"{path}: {error}"`.
    """

    def __init__(self, reason: str, line: int | None = None) -> None:
        self.reason = reason
        self.line = line
        super().__init__(reason if line is None else f"line {line}: {reason}")


class NoRecordingError(FormatError):
    """The bytes are no recording of HTTP, in any format."""


class CassetteError(MitmvcrError):
    """A cassette on disk can't be named, opened, locked or written."""


class SettingsError(MitmvcrError):
    """An option has a value that it can't have."""


class TooLargeError(MitmvcrError):
    """A body comes to more bytes than it may; who knows whose says so."""
