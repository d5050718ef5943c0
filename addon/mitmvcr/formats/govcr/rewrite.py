"""A cassette -> the bytes of its file, in which every interaction that isn't changed keeps its text.

What is new or changed is emitted in the file's own layout. The document's own keys and all comments keep
their text too; a file in which nothing changed is given back as it was.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from mitmvcr.errors import FormatError
from mitmvcr.formats import places
from mitmvcr.formats.govcr import emit
from mitmvcr.formats.govcr.scalars import Dialect
from mitmvcr.formats.govcr.thorough import NOT_BLOCK, read
from mitmvcr.formats.yaml_nodes import (
    YamlFault,
    YamlList,
    YamlMapping,
    YamlReader,
    YamlScalar,
    end_of,
    start_of,
)
from mitmvcr.model import Cassette, Interaction, Request, Response, Source

_ID = re.compile(rb" *- +id: +([0-9]+)[ \t]*(?:\r?\n|\Z)")
_KEY = re.compile(rb"^ *(['\"]?)interactions\1[ \t]*:", re.MULTILINE)
_NO_ENTRIES = re.compile(rb"[ \t]*(?:\[\s*\]|~|null|Null|NULL)?[ \t]*(#[^\r\n]*)?(?:\r?\n|\Z)")
_KEY_AT_END = re.compile(rb"(interactions['\"]?[ \t]*:)((?:[ \t]*(?:#[^\r\n]*)?\r?\n)+)\Z")
_END_MARK = re.compile(rb"^\.\.\.(?=\s|\Z)[ \t]*(?:#[^\r\n]*)?(?:\r?\n)?", re.MULTILINE)
_PROBE = Interaction(Request("GET", "http://localhost/"), Response(200))


@dataclass(frozen=True, slots=True)
class _EntryLayout:
    """How a new entry is emitted so that it fits the others of the file."""

    dialect: Dialect
    shift: int = 0

    @classmethod
    def of(cls, source: Source | None) -> _EntryLayout:
        if source is None or source.indent in (NOT_BLOCK, 0):
            return cls(Dialect.CHARM)
        return cls(Dialect.STOCK) if source.indent == 4 else cls(Dialect.CHARM, source.indent)

    def emit(self, interaction: Interaction, id_: int) -> bytes:
        return emit.emit_interaction(interaction, id_, self.dialect, self.shift)


def dump(cassette: Cassette) -> bytes:
    """The cassette's bytes in its file's own layout, or in charm if it has no file."""
    source = cassette.source
    if source is None:
        return emit.emit_document(cassette, Dialect.CHARM)
    if cassette.interactions is source.entries or (
        len(cassette.interactions) == len(source.entries)
        and all(map(_is_same, cassette.interactions, source.entries))
    ):
        return source.data
    texts = _Texts.of(source, cassette)
    tail = texts.tail
    pieces = list(texts.pieces(cassette.interactions, _EntryLayout.of(source)))
    whole = [_closed(piece) for piece in pieces[:-1]] + [
        _closed(piece) if tail else piece for piece in pieces[-1:]
    ]
    head = texts.head if pieces else _KEY_AT_END.sub(rb"\1 []\2", texts.head)
    return b"".join([head, *whole, tail])


def entry(interaction: Interaction, id_: int, cassette: Cassette) -> bytes:
    """The text of one more interaction, in the layout of the cassette's file."""
    return _EntryLayout.of(cassette.source).emit(interaction, id_)


def appendable(cassette: Cassette) -> bytes | None:
    """The file rewritten so that `entry`'s bytes can be put behind it, None if they can be as it is."""
    source = cassette.source
    if source and source.spans and source.indent != NOT_BLOCK and source.spans[-1][1] == len(source.data):
        return None if places.ends_line(source.data) else source.data + b"\n"
    return _open_ended(cassette)


def _is_same(one: Interaction, other: Interaction) -> bool:
    """Whether two interactions differ in nothing but their number."""
    return one is other or (
        one.request == other.request and one.response == other.response and one.extra == other.extra
    )


class _Texts:
    """The texts of the entries of a file, and what stands before and behind them."""

    def __init__(self, entries: Sequence[Interaction], source: Source) -> None:
        self._entries = entries
        self._source = source
        self._taken: set[int] = set()
        self._by_content: dict[object, list[int]] = {}
        for index, one in enumerate(entries):
            content = _hashable(one)
            self._by_content.setdefault(content, []).append(index)
            self._by_content.setdefault((one.id, content), []).append(index)
        spans = source.spans
        self.head = source.data[: spans[0][0]] if spans else source.data
        self.tail = source.data[spans[-1][1] :] if spans else b""

    @classmethod
    def of(cls, source: Source, cassette: Cassette) -> _Texts:
        if source.indent == NOT_BLOCK:
            as_block = _open_ended(replace(cassette, interactions=source.entries))
            return cls(source.entries, _block_source(as_block, _EntryLayout.of(source)))
        return cls(source.entries, source)

    def pieces(self, interactions: Sequence[Interaction], layout: _EntryLayout) -> Iterator[bytes]:
        """The text of each interaction, its own where it has one."""
        for id_, interaction in enumerate(interactions):
            index = self._index(interaction)
            start, end = self._source.spans[index] if index is not None else (0, 0)
            text = self._source.data[start:end]
            # A last entry without duration would be taken for torn.
            is_torn = id_ == len(interactions) - 1 and b"duration" not in text
            if index is None or is_torn:
                yield layout.emit(interaction, id_)
            else:
                yield text if self._source.entries[index].id == id_ else _renumbered(text, id_)

    def _index(self, interaction: Interaction) -> int | None:
        """The entry that says the same: if there are several, one of that number, and one not taken yet."""
        content = _hashable(interaction)
        taken: int | None = None
        for key in ((interaction.id, content), content):
            for index in self._by_content.get(key, ()):
                if index in self._taken and taken is not None:
                    continue
                if _is_same(interaction, self._entries[index]):
                    if index not in self._taken:
                        self._taken.add(index)
                        return index
                    taken = index
            if taken is not None:
                return taken
        return None


def _hashable(interaction: Interaction) -> object:
    request, response = interaction.request, interaction.response
    return request.method, request.url, request.body, response.body


def _closed(text: bytes) -> bytes:
    """The text with its last line ended."""
    return text if places.ends_line(text) or not text else text + b"\n"


def _renumbered(text: bytes, id_: int) -> bytes:
    """An entry's text with another number; without one, it is left so."""
    found = _ID.match(text)
    place = found.span(1) if found else _id_place(text)
    return text if place is None else b"%b%d%b" % (text[: place[0]], id_, text[place[1] :])


def _id_place(text: bytes) -> tuple[int, int] | None:
    """Where the value of `id` stands, in an entry that some other hand wrote."""
    try:
        node = YamlReader(text, len(text)).root()
    except YamlFault:
        return None
    if isinstance(node, YamlList):
        node = next(iter(node.items))  # a block's entry has its dash
    for key, value in node.pairs if isinstance(node, YamlMapping) else ():
        if isinstance(key, YamlScalar) and key.value == "id":
            offsets = places.Offsets(text)
            return offsets.byte(start_of(value)), offsets.byte(end_of(value))
    return None


def _open_ended(cassette: Cassette) -> bytes:
    """The cassette's file as bytes that end within the list of interactions, which is a block."""
    layout = _EntryLayout.of(cassette.source)
    if cassette.source is not None:
        for candidate in _candidates(cassette.source):
            if _holds_and_grows(candidate, cassette, layout):
                return candidate
    head = emit.emit_document(replace(cassette, interactions=()), layout.dialect)
    entries = (layout.emit(one, id_) for id_, one in enumerate(cassette.interactions))
    return b"".join([head.removesuffix(b" []\n"), b"\n", *entries])


def _candidates(source: Source) -> Iterator[bytes]:
    """Ways to put the list of interactions at the file's end; which one is right is seen by reading it."""
    data = source.data
    limit = source.spans[0][0] if source.spans else len(data)
    for key in reversed(list(_KEY.finditer(data, 0, limit))):
        before, here = data[: key.start()], data[key.start() : key.end()]
        if not source.spans:
            gone = _NO_ENTRIES.match(data, key.end())
            if gone:
                comment = b" " + gone[1] if gone[1] else b""
                yield _closed(before) + _without_end(data[gone.end() :]) + here + comment + b"\n"
            continue
        first, last = source.spans[0][0], source.spans[-1][1]
        if source.indent != NOT_BLOCK:
            after = _without_end(data[last:])
            yield _closed(data[:last]) + after
            yield _closed(before) + after + _closed(data[key.start() : last])
            continue
        pieces = b"".join(b"- %b\n" % data[start:end] for start, end in source.spans)
        if data[key.end() : first].strip() == b"[":
            after = _without_end(data[data.find(b"]", last) + 1 :].lstrip(b" \t\r\n"))
            yield _closed(before) + after + here + b"\n" + pieces


def _without_end(tail: bytes) -> bytes:
    """What follows the entries, without the mark of the document's end and with its last line ended."""
    return _closed(_END_MARK.sub(b"", tail))


def _holds_and_grows(candidate: bytes, cassette: Cassette, layout: _EntryLayout) -> bool:
    count = len(cassette.interactions)
    try:
        read_back = read(candidate + layout.emit(_PROBE, count))
    except FormatError:
        return False
    return (
        len(read_back.interactions) == count + 1
        and all(map(_is_same, read_back.interactions, cassette.interactions))
        and _is_same(read_back.interactions[-1], _PROBE)
        and (read_back.version, read_back.extra) == (cassette.version, cassette.extra)
    )


def _block_source(data: bytes, layout: _EntryLayout) -> Source:
    """Where the entries stand in an open-ended file; one more is put behind them, so that none is torn."""
    source = read(data + layout.emit(_PROBE, 0)).source
    if source is None:
        raise AssertionError("what is read has a source")
    return Source(data, source.entries[:-1], source.spans[:-1], source.indent)
