"""go-vcr's cassettes of version 2: bytes <-> model. Every version's files are read, two dialects written.

`load` and `dump` are the pair; `recover`, `appendable` and `entry` are for a file that grows by an entry at a
time. What reads is imported when it is first called: PyYAML is a fifth of mitmvcr's start, and a new cassette
is recorded without it.

read      the bytes of a file -> the cassette that was meant: which reader has to read it, and torn files
fast      a file in a layout that go-vcr writes, its interactions made when they are asked for
layouts   what an entry in one of those layouts says
thorough  a file in any YAML, with each interaction's place
torn      whether a last entry is the beginning of one
fields    the fields of requests and responses, and what each holds
values    YAML's nodes as the values of go-vcr's fields
quirks    what some writers wrote so that readers don't get it back
emit      an interaction or a file as go-vcr writes it
scalars   how go-yaml writes one string
rewrite   a file in which what isn't changed keeps its text
"""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import urlsplit

from mitmvcr.formats.govcr.emit import HEAD, emit_document, emit_interaction
from mitmvcr.formats.govcr.scalars import Dialect
from mitmvcr.model import Cassette, Interaction

__all__ = [
    "HEAD",
    "Dialect",
    "appendable",
    "dialect_of",
    "dump",
    "emit_document",
    "emit_interaction",
    "entry",
    "load",
    "recover",
    "with_host",
]


def load(data: bytes) -> Cassette:
    """The cassette in the bytes; raises FormatError, also where only the last interaction is torn."""
    from mitmvcr.formats.govcr import read  # noqa: PLC0415

    return read.load(data)


def recover(data: bytes) -> tuple[Cassette, bytes]:
    """The cassette without a torn last interaction, and that one's bytes (or none); raises FormatError.

    An interaction is torn if the file ends before its answer's `code` does: see `torn`. Without a line break
    behind it, a duration that go-vcr wrote is whole if it ends in `s`: `1m` may be half of `1m30s`.
    """
    from mitmvcr.formats.govcr import read  # noqa: PLC0415

    return read.recover(data)


def dump(cassette: Cassette, dialect: Dialect | str | None = None) -> bytes:
    """The cassette's bytes: emitted anew in the dialect; or without one, as the text that it was read from.

    In that text interactions that are not changed stand as they are, but for their numbers. A cassette that
    was not read from one of go-vcr is emitted in `charm`.
    """
    if dialect is not None or cassette.source is None:
        return emit_document(cassette, Dialect(dialect or Dialect.CHARM))
    from mitmvcr.formats.govcr import rewrite  # noqa: PLC0415

    return rewrite.dump(cassette)


def entry(interaction: Interaction, id_: int, cassette: Cassette) -> bytes:
    """The text of one more interaction, to be put behind the cassette's file (see `appendable`)."""
    from mitmvcr.formats.govcr import rewrite  # noqa: PLC0415

    return rewrite.entry(interaction, id_, cassette)


def appendable(cassette: Cassette) -> bytes | None:
    """The file rewritten so that `entry`'s bytes can be put behind it, or None if they can be as it is.

    They can't where `interactions` is not the last key, is empty or in brackets, or where the last line has
    no end. Nothing is lost: `interactions` moves to the end, entries keep their text.
    """
    from mitmvcr.formats.govcr import rewrite  # noqa: PLC0415

    return rewrite.appendable(cassette)


def dialect_of(cassette: Cassette) -> Dialect:
    """The dialect whose layout the cassette's text has."""
    return Dialect.STOCK if cassette.source is not None and cassette.source.indent == 4 else Dialect.CHARM


def with_host(interaction: Interaction, dialect: Dialect) -> Interaction:
    """The interaction with the request's `host` as programs have it that record in this dialect.

    That is http.Request.Host: the URL's host with http.NewRequest, empty with openai-go (`charm`), whose
    requests start from a relative URL.
    """
    host = urlsplit(interaction.request.url).netloc if dialect is Dialect.STOCK else ""
    if interaction.request.host == host:
        return interaction
    return replace(interaction, request=replace(interaction.request, host=host))
