"""A cassette as go-vcr itself would write it, to the byte, in one of two layouts; never reads one.

The document has one fixed shape: the known keys in go-vcr's order, empty ones left out as go-vcr does
since v4.0.3. Keys that go-vcr doesn't know stand where they disturb nobody: `interactions` stays the last
key of the file, so that one more is an append; `response` stays the last of an interaction and `duration`
the last of a response, so that an entry without it is known to be torn.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cmp_to_key, lru_cache
from typing import NamedTuple

from mitmvcr.durations import format_duration
from mitmvcr.formats.govcr import scalars
from mitmvcr.formats.govcr.scalars import Dialect, ScalarPlace
from mitmvcr.model import Cassette, Interaction, Node, Plain, Request, Response, Values

__all__ = ["HEAD", "Dialect", "emit_document", "emit_interaction", "natural_order"]

HEAD = b"---\nversion: 2\ninteractions:\n"


def emit_document(cassette: Cassette, dialect: Dialect) -> bytes:
    """The whole file from the model, its interactions numbered from 0."""
    top = _block(dialect, 0, 0)
    head = ["---\n", f"version: {cassette.version}\n", *_entries(cassette.extra, top)]
    head.append("interactions:\n" if cassette.interactions else "interactions: []\n")
    entries = (emit_interaction(entry, id_, dialect) for id_, entry in enumerate(cassette.interactions))
    return b"".join(["".join(head).encode(), *entries])


def emit_interaction(interaction: Interaction, id_: int, dialect: Dialect, shift: int = 0) -> bytes:
    """One entry of the list `interactions`, from its `- id:` to its last line break.

    `shift` moves every line right by that many columns, for a file whose `- id:` doesn't stand at the
    dialect's own column (0 in charm, 4 in stock).
    """
    entry = _block(dialect, 2 if dialect is Dialect.CHARM else 6, shift)
    fields = _block(dialect, entry.deeper, shift)
    extra = "".join(_entries(interaction.extra, entry)) if interaction.extra else ""
    return b"".join(
        [
            f"{entry.pad[:-2]}- id: {id_}\n{extra}{entry.pad}request:\n".encode(),
            *_request(interaction.request, fields),
            f"{entry.pad}response:\n".encode(),
            *_response(interaction.response, fields),
        ]
    )


def _request(request: Request, at: _Block) -> tuple[bytes, bytes, bytes]:
    pad, text = at.pad, at.text
    head = [
        _proto(request.proto, request.proto_major, request.proto_minor, at.dialect, pad),
        f"{pad}content_length: {request.content_length}\n",
    ]
    if request.transfer_encoding:
        head.append(_entry("transfer_encoding", request.transfer_encoding, at))
    if request.trailer:
        head.append(_values("trailer", request.trailer, at))
    head.append(f"{pad}host: {scalars.scalar(request.host, text)}")
    if request.remote_addr:
        head.append(f"{pad}remote_addr: {scalars.scalar(request.remote_addr, text)}")
    if request.request_uri:
        head.append(f"{pad}request_uri: {scalars.scalar(request.request_uri, text)}")
    if request.body:
        head.append(f"{pad}body: ")
    tail = [_values("form", request.form, at)] if request.form else []
    if request.headers:
        tail.append(_values("headers", request.headers, at))
    url, method = scalars.scalar(request.url, text), scalars.scalar(request.method, text)
    tail.append(f"{pad}url: {url}{pad}method: {method}")
    if request.extra:
        tail += _entries(request.extra, at)
    body = scalars.body(request.body, text) if request.body else b""
    return "".join(head).encode(), body, "".join(tail).encode()


def _response(response: Response, at: _Block) -> tuple[bytes, bytes, bytes]:
    pad, text = at.pad, at.text
    head = [_proto(response.proto, response.proto_major, response.proto_minor, at.dialect, pad)]
    if response.transfer_encoding:
        head.append(_entry("transfer_encoding", response.transfer_encoding, at))
    if response.trailer:
        head.append(_values("trailer", response.trailer, at))
    head.append(f"{pad}content_length: {response.content_length}\n")
    head.append(f"{pad}uncompressed: true\n{pad}body: " if response.uncompressed else f"{pad}body: ")
    headers = _values("headers", response.headers, at) if response.headers else f"{pad}headers: {{}}\n"
    status = scalars.scalar(response.status, text)
    extra = "".join(_entries(response.extra, at)) if response.extra else ""
    duration = format_duration(response.duration)
    tail = f"{headers}{pad}status: {status}{pad}code: {response.code}\n{extra}{pad}duration: {duration}\n"
    return "".join(head).encode(), scalars.body(response.body, text), tail.encode()


@lru_cache(maxsize=64)
def _proto(name: str, major: int, minor: int, dialect: Dialect, pad: str) -> str:
    shown = scalars.scalar(name, ScalarPlace(dialect, pad + " " * dialect.step, hint_fits=True))
    return f"{pad}proto: {shown}{pad}proto_major: {major}\n{pad}proto_minor: {minor}\n"


class _Block(NamedTuple):
    """Where a mapping's keys stand, and what is below them.

    Columns are the dialect's own; what is written is moved right by `shift`. `deeper` is the column of a
    mapping that is a value here, `dash` that of a list's dashes.
    """

    dialect: Dialect
    column: int
    shift: int
    deeper: int
    dash: int
    pad: str
    text: ScalarPlace


@lru_cache(maxsize=256)
def _block(dialect: Dialect, column: int, shift: int) -> _Block:
    """go-yaml rounds a further level up to a multiple of the step (which its items, moved by 2, leave)."""
    step = dialect.step
    deeper = step * ((column + step) // step)
    dash = deeper - 2 if dialect is Dialect.CHARM else deeper
    text = ScalarPlace(dialect, " " * (deeper + shift), hint_fits=deeper - column == step)
    return _Block(dialect, column, shift, deeper, dash, " " * (column + shift), text)


@lru_cache(maxsize=256)
def _item(dialect: Dialect, dash: int, shift: int) -> tuple[str, ScalarPlace]:
    """What stands before an item of a list, and where the item's further lines stand."""
    before = " " * (dash + shift)
    return f"{before}-", ScalarPlace(dialect, before + "  ", hint_fits=dialect.step == 2)


def _values(name: str, values: Values, at: _Block) -> str:
    """A map of lists under its key, in go-yaml's order."""
    pairs = tuple([(key, tuple(items)) for key, items in values.items()])
    return _mapping(name, pairs, at.dialect, at.column, at.shift)


@lru_cache(maxsize=256)
def _mapping(
    name: str, pairs: tuple[tuple[str, tuple[str, ...]], ...], dialect: Dialect, column: int, shift: int
) -> str:
    """The lines of a map of lists, remembered: one program's requests have the same headers over and over."""
    at = _block(dialect, column, shift)
    inner = _block(dialect, at.deeper, shift)
    before, text = _item(dialect, inner.dash, shift)
    values = dict(pairs)
    lines = [f"{at.pad}{name}:\n"]
    for key in natural_order(values):
        items = values[key]
        shown = scalars.key(key, dialect)
        if items and shown is not None:
            lines.append(f"{inner.pad}{shown}:\n")
            lines += [f"{before} {scalars.scalar(item, text)}" for item in items]
        else:
            lines.append(_entry(key, items, inner))
    return "".join(lines)


def _entries(nodes: Mapping[str, Node], at: _Block) -> Iterator[str]:
    return (_entry(key, node, at) for key, node in nodes.items())


def _entry(key: str, node: Node, at: _Block) -> str:
    """A key and what it stands for, as `key: value`, or `? key` and `: value` where go-yaml writes so."""
    if isinstance(key, Plain) and scalars.is_plain(key):
        return f"{at.pad}{key}:{_value(node, at, at.dash)}"
    shown = scalars.key(str(key), at.dialect)
    if shown is not None:
        return f"{at.pad}{shown}:{_value(node, at, at.dash)}"
    # A collection begins on the line of the colon, and a list isn't compact, not in charm either.
    value = _value(node, at, at.deeper).removeprefix(f"\n{at.pad} ")
    return f"{at.pad}? {scalars.scalar(str(key), at.text)}{at.pad}:{value}"


def _value(node: Node, at: _Block, dash: int) -> str:
    """What stands behind a key's colon, in this line and those below."""
    if isinstance(node, str | bytes) or not node:
        return _leaf(node, at.text)
    if isinstance(node, Mapping):
        return "\n" + "".join(_entries(node, _block(at.dialect, at.deeper, at.shift)))
    return "\n" + _items(node, at.dialect, dash, at.shift)


def _items(nodes: Sequence[Node], dialect: Dialect, dash: int, shift: int) -> str:
    before, text = _item(dialect, dash, shift)
    lines = []
    for node in nodes:
        if isinstance(node, str | bytes) or not node:
            lines.append(before + _leaf(node, text))
            continue
        if isinstance(node, Mapping):
            below = "".join(_entries(node, _block(dialect, dash + 2, shift)))
        else:
            below = _items(node, dialect, dash + 2, shift)
        # A collection begins on the line of the dash.
        lines.append(before + below[len(before) :])
    return "".join(lines)


def _leaf(node: Node, place: ScalarPlace) -> str:
    """A scalar or an empty collection, behind a space."""
    if isinstance(node, Plain) and (not node or scalars.is_plain(node)):
        return f" {node}\n" if node else "\n"
    if isinstance(node, str):
        return f" {scalars.scalar(str(node), place)}"
    if isinstance(node, bytes):
        return f" {scalars.binary(node, place)}"
    return " {}\n" if isinstance(node, Mapping) else " []\n"


_LETTERS_AND_DASHES = re.compile("[A-Za-z-]*")
_SURROGATE = re.compile("[\ud800-\udfff]")


def natural_order(names: Iterable[str]) -> list[str]:
    """The keys of a map in go-yaml's order: `X-2` before `X-10`, else by code point."""
    names = sorted(names)
    # Without digits and signs other than the dash, which sorts below the letters, that is all.
    if len(names) < 2 or _LETTERS_AND_DASHES.fullmatch("".join(names)):
        return names
    return sorted(names, key=cmp_to_key(_compare))


def _compare(a: str, b: str) -> int:
    """go-yaml's `keyList.Less`, which sees U+FFFD for each byte that isn't UTF-8."""
    a, b = _SURROGATE.sub("\ufffd", a), _SURROGATE.sub("\ufffd", b)
    at = next((at for at, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), None)
    if at is None:
        return len(a) - len(b)
    x, y = a[at], b[at]
    if x.isalpha() and y.isalpha():
        return ord(x) - ord(y)
    if x.isalpha() or y.isalpha():
        after_digit = at > 0 and a[at - 1].isdecimal()
        return -1 if x.isalpha() == after_digit else 1
    start = 1 if "0" in (x, y) and _follows_number(a[:at]) else 0
    number_a, length_a = _digits(a, at, start)
    number_b, length_b = _digits(b, at, start)
    return number_a - number_b or length_a - length_b or ord(x) - ord(y)


def _follows_number(common: str) -> bool:
    """Whether the digits at the end of what both keys begin with are more than zeros."""
    for character in reversed(common):
        if not character.isdecimal():
            return False
        if character != "0":
            return True
    return False


def _digits(name: str, start: int, number: int) -> tuple[int, int]:
    """The digits from `start` as a number, `number` before them, and their count; wraps as int64 does."""
    length = 0
    for character in name[start:]:
        if not character.isdecimal():
            break
        number = number * 10 + ord(character) - ord("0")
        length += 1
    return (number + (1 << 63)) % (1 << 64) - (1 << 63), length
