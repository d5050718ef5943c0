"""A YAML cassette -> those of its entries, or of its headers, that need to be read; no others are.

To read a whole file for one secret costs ten times what finding it did. Each piece is YAML by itself, with
its place in the file.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Iterator

from mitmvcr.scrub.files.document import Items, Leaf, Node, Pairs, read
from mitmvcr.scrub.files.roles import Message, messages

_FIRST = re.compile(rb"^interactions:[ \t]*\r?\n( *)- (?:id|request|response):", re.MULTILINE)
# All begin with what `re` can search for quickly.
_HEADERS = re.compile(rb"(?:headers|trailer)[\"']?:[ \t]*\r?\n(?=( +))")
_BEFORE = re.compile(rb"(?:\A|\n) *(?:- )?[\"']?\Z")
_FILLED = re.compile(rb"\n *(?:- )?[\"']?(?:headers|trailer)[\"']?:(?! *(?:\{\}|\[\]|null|~))")


def entries(data: bytes, is_bad: Callable[[bytes], bool]) -> list[Message] | None:
    """The messages of the entries of which `is_bad` holds; None if the file isn't laid out in entries.

    Raises FormatError for an entry that is no YAML.
    """
    first = _FIRST.search(data)
    if first is None or is_bad(data[: first.start(1)]):
        return None
    # No text can begin in the column of the dashes or before: all is indented deeper.
    starts = re.compile(rb"^ {%d}- (?=id:|request:|response:)|^(?=[^ \r\n#-])" % len(first[1]), re.MULTILINE)
    at = first.start(1)
    found: list[Message] = []
    places = [match.start() for match in starts.finditer(data, at)]
    for start, end in zip(places, [*places[1:], len(data)], strict=True):
        piece = data[start:end]
        if is_bad(piece):
            if not piece.lstrip(b" ").startswith(b"-"):
                return None
            found += messages(Pairs(0, 0, [(_INTERACTIONS, shifted(read(piece), start))]))
    return found


_INTERACTIONS = Leaf(b"interactions", 0, 0, "")


def headers(data: bytes, is_wanted: Callable[[str], bool]) -> list[Message] | None:
    """The headers of which `is_wanted` holds, each in a message of its own; None if all can't be seen so."""
    found = []
    blocks = [
        block
        for block in _HEADERS.finditer(data)
        if _BEFORE.search(data, max(0, block.start() - 64), block.start())
    ]
    if len(blocks) < len(_FILLED.findall(data)):
        return None
    sides = [(side.start(), side[1]) for side in _SIDE.finditer(data)] if blocks else []
    for block in blocks:
        for start, end in _lines(data, block, is_wanted):
            inside = Pairs(0, 0, [(_HEADERS_KEY, shifted(read(data[start:end]), start))])
            at = bisect_left(sides, (block.start(),)) - 1
            side = Leaf(sides[at][1] if at >= 0 else b"response", 0, 0, "")
            found += messages(Pairs(0, 0, [(side, inside)]))
    return found


_HEADERS_KEY = Leaf(b"headers", 0, 0, "")


_SIDE = re.compile(rb"(request|response)s?[\"']?:")


def _lines(
    data: bytes, block: re.Match[bytes], is_wanted: Callable[[str], bool]
) -> Iterator[tuple[int, int]]:
    """Where the lines of those headers below a `headers:` stand."""
    indent = block[1]
    from_ = block.end() - 1
    until = re.compile(rb"\n {0,%d}(?=[^ \r\n-])" % (len(indent) - 1)).search(data, from_)
    end = until.start() + 1 if until else len(data)
    names = re.compile(rb"\n%b[\"']?([^ \r\n\"':-][^\r\n\"':]*+)[\"']?:(?=[ \r\n])" % indent)
    if not any(is_wanted(name.decode("utf-8", "replace")) for name in names.findall(data, from_, end)):
        return
    known = [*names.finditer(data, from_, end)]
    for number, found in enumerate(known):
        if is_wanted(found[1].decode("utf-8", "replace")):
            yield found.start() + 1, known[number + 1].start() + 1 if number + 1 < len(known) else end


def shifted(node: Node, by: int) -> Node:
    """The same node, whose piece begins there in the file."""
    if isinstance(node, Leaf):
        return Leaf(node.value, node.start + by, node.end + by, node.style, node.is_binary)
    if isinstance(node, Items):
        return Items(node.start + by, node.end + by, [shifted(item, by) for item in node.items])
    pairs = [(shifted(key, by), shifted(value, by)) for key, value in node.pairs]
    return Pairs(node.start + by, node.end + by, pairs)  # type: ignore[arg-type]
