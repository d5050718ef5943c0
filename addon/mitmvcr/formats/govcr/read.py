"""The bytes of a file -> the cassette that was meant, whichever version of go-vcr wrote it; never writes."""

from __future__ import annotations

from mitmvcr.errors import FormatError
from mitmvcr.formats import places
from mitmvcr.formats.collector import collector_off
from mitmvcr.formats.govcr import fast, quirks
from mitmvcr.formats.govcr.emit import HEAD, emit_document
from mitmvcr.formats.govcr.scalars import Dialect
from mitmvcr.model import Cassette, Interaction


class TornError(FormatError):
    """The last interaction is torn; `before` is the cassette without it, its source cut there."""

    def __init__(self, reason: str, line: int, before: Cassette) -> None:
        super().__init__(reason, line)
        self.before = before

    @classmethod
    def of(cls, line: int, before: Cassette) -> TornError:
        """The entry that begins in that line is torn."""
        return cls(
            f"interaction {len(before.interactions)}, the last, is torn: it breaks off before its end. "
            f"Delete it from this line on, or complete it; recording to this cassette sets it aside itself",
            line,
            before,
        )


def load(data: bytes) -> Cassette:
    """The cassette in the bytes; raises FormatError, a TornError if only the last interaction is bad."""
    try:
        with collector_off():
            cassette = _read_with_end(data)
    except FormatError:
        meant = quirks.read(data)
        if meant is None:
            raise
        return meant
    # U+0090 in charm and the byte 0x90 of v4.0.5 look alike: what charm would write so, it wrote.
    if _may_be_misread(cassette, data) and emit_document(cassette, Dialect.CHARM) != data:
        return quirks.read(data) or cassette
    return cassette


def _may_be_misread(cassette: Cassette, data: bytes) -> bool:
    source = cassette.source
    # `coded` has all entries with escapes, and those with carriage returns or with plain tabs.
    is_certain = source is not None and source.coded is not None and not source.coded
    return not is_certain and quirks.is_misread(data)


def recover(data: bytes) -> tuple[Cassette, bytes]:
    """The cassette without a torn last interaction, and the bytes of that; raises FormatError."""
    try:
        return load(data), b""
    except TornError as error:
        source = error.before.source
        return error.before, data[len(source.data) if source else 0 :]


def _read_alone(data: bytes) -> Interaction | None:
    """The interaction in a file that has nothing else; PyYAML is imported for what needs it."""
    from mitmvcr.formats.govcr import thorough  # noqa: PLC0415

    try:
        cassette = thorough.read(data, is_timed=True)
    except FormatError:
        return None
    source = cassette.source
    if source is None or cassette.extra or tuple(source.spans) != ((len(HEAD), len(data)),):
        return None
    return cassette.interactions[0]


def _read(data: bytes) -> Cassette:
    cassette = fast.read(data, _read_alone)
    if cassette is not None:
        return cassette
    from mitmvcr.formats.govcr import thorough  # noqa: PLC0415

    last = fast.last_start(data)
    if last:
        # The file of a process that was killed: only its last entry needs the full reader.
        try:
            thorough.read(HEAD + data[last:], is_timed=True)
        except TornError as torn:
            # Where no more than a dash was written, the entry before it is whole.
            whole = torn.before.source
            start = last + (len(whole.data) - len(HEAD) if whole else 0)
            before = fast.read(data[:start], _read_alone)
            if before is not None:
                raise TornError.of(places.line_number(data, start), before) from None
        except FormatError:
            pass
    return thorough.read(data)


def _read_with_end(data: bytes) -> Cassette:
    end = _text_end(data)
    if end == len(data):
        return _read(data)
    cassette = _read(data[:end])
    raise TornError(
        "the file ends with bytes that are no text, as after a crash: delete them (recording to this "
        "cassette sets them aside by itself)",
        places.line_number(data, end),
        cassette,
    )


def _text_end(data: bytes) -> int:
    """The length of the data without half a character or zeros at its end."""
    end = len(data.rstrip(b"\0"))
    for lead in range(end - 1, max(end - 4, -1), -1):
        byte = data[lead]
        if byte & 0xC0 != 0x80:
            length = 1 if byte < 0xC0 else 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
            return lead if byte >= 0xC2 and end - lead < length else end
    return end
