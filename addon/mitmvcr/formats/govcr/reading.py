"""The bytes of a file -> the cassette that was meant, whichever version of go-vcr wrote it; never writes."""

from __future__ import annotations

from mitmvcr.errors import FormatError
from mitmvcr.formats.govcr import goccy, reader, spans
from mitmvcr.formats.govcr.emit import emit_document
from mitmvcr.formats.govcr.scalars import Dialect
from mitmvcr.model import Cassette


def load(data: bytes) -> Cassette:
    """What the package has under this name."""
    may_be_misread = goccy.is_misread(data)
    try:
        cassette = _read_with_end(data)
    except FormatError:
        meant = goccy.read(data)
        if meant is None:
            raise
        return meant
    # U+0090 in charm and the byte 0x90 of v4.0.5 look alike: what charm would write so, it wrote.
    if may_be_misread and emit_document(cassette, Dialect.CHARM) != data:
        return goccy.read(data) or cassette
    return cassette


def recover(data: bytes) -> tuple[Cassette, bytes]:
    """What the package has under this name."""
    try:
        return load(data), b""
    except reader.TornError as error:
        source = error.before.source
        return error.before, data[len(source.data) if source else 0 :]


def _read_with_end(data: bytes) -> Cassette:
    end = _text_end(data)
    if end == len(data):
        return reader.read(data)
    cassette = reader.read(data[:end])
    raise reader.TornError(
        "the file ends with bytes that are no text, as after a crash: delete them (recording to this "
        "cassette sets them aside by itself)",
        spans.line_number(data, end),
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
