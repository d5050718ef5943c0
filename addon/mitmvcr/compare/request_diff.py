"""In what a recorded and an asked request differ, place by place, with both values; bounded work, no I/O.

Bodies are compared as matching has them: JSON by structure, forms and multipart by name, others as
bytes. Lists are aligned, so that one message more reads as one message more. Nothing is quadratic:
what is equal at both ends is skipped by halving, and only short middles are aligned.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, TypeAlias, TypeVar
from urllib.parse import parse_qsl, urlsplit

from mitmvcr.config import user_functions
from mitmvcr.http.go_rules import canonical_header, first_value
from mitmvcr.model import Request
from mitmvcr.replay.matcher import DEFAULT_PORTS, Matcher
from mitmvcr.scrub import collapse
from mitmvcr.text import printable

LARGE = 1 << 20
"""Bytes from which a body is compared as bytes, wherever its structure differs."""

_LEAVES = 200  # differences that are looked for
_STEPS = 20_000  # pairs of values that are looked at
_DEPTH = 64  # levels; deeper values are compared whole
_ALIGNED = 64  # list items on either side that are aligned
_WHOLE = 60  # characters of a text that is shown whole
_CONTEXT = 20  # characters before and behind what differs
_MIDDLE = 90  # characters that are shown of a longer text
_BOUNDARY = re.compile(rb"""boundary=("[^"]+"|[^\s;,]+)""", re.IGNORECASE)
_PART_NAME = re.compile(rb"""[\s;]name=(?:"([^"]*)"|([^\s;]+))""", re.IGNORECASE)


class Nothing(Enum):
    """No value at all: a field that one side doesn't have."""

    NOTHING = 0


NOTHING: Final = Nothing.NOTHING
Step: TypeAlias = "str | int"
Part: TypeAlias = "tuple[bytes | Nothing, bytes | Nothing]"
"""Headers and content of a multipart body's part."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """One place where two requests differ, with the values as they are.

    `kind` is `json` for a place in a JSON body (`where` are its names and indexes), and else the name
    of a part of the request: `method scheme host port path query form headers part url body`; `where`
    is then the name in it, if it has names. `items`: how many list items one side has more, from
    `where` on; the first of them is the value.
    """

    kind: str
    where: tuple[Step, ...]
    recorded: object
    asked: object
    items: int = 0

    @property
    def path(self) -> str:
        """A JSONPath (RFC 9535), or the part's name with the name in it."""
        if self.kind == "json":
            return json_path(self.where)
        separator = ":" if self.kind in ("headers", "py") else "."
        return printable(separator.join([self.kind, *map(str, self.where)]))


@dataclass(frozen=True, slots=True)
class Difference:
    """A leaf as text: both values shortened to where they differ, None for one that is not there."""

    path: str
    recorded: str | None
    asked: str | None
    items: int = 0
    note: str = ""

    def __str__(self) -> str:
        note = f" ({self.note})" if self.note else ""
        if self.items:
            side, value = ("asked", self.asked) if self.recorded is None else ("recorded", self.recorded)
            more = "one more" if self.items == 1 else f"{self.items} more from here on, the first"
            return f"{self.path}: {side} has {more}: {value}{note}"
        return f"{self.path}: recorded {self.recorded or 'nothing'}, asked {self.asked or 'nothing'}{note}"


def json_path(where: Sequence[Step | None]) -> str:
    """The JSONPath of a place: `$.a[0]["b c"]`; None stands for any index: `$.a[*]`."""
    steps = ["$"]
    for step in where:
        if step is None:
            steps.append("[*]")
        elif isinstance(step, int):
            steps.append(f"[{step}]")
        else:
            # A name with other characters needs quotes; every language's JSON escapes fit RFC 9535's.
            steps.append(f".{step}" if step.isidentifier() else f"[{json.dumps(step)}]")
    return "".join(steps)


# --- from requests to leaves


def leaves(recorded: Request, asked: Request, matcher: Matcher) -> tuple[list[Leaf], bool]:
    """Where two requests differ in what the matcher looks at, and whether those are all places."""
    found = list(_in_head(recorded, asked, matcher))
    if "body" not in matcher.fields:
        return found, True
    in_body, whole = _in_bodies(recorded, asked, matcher)
    return found + in_body, whole


def _in_head(recorded: Request, asked: Request, matcher: Matcher) -> Iterator[Leaf]:
    if "method" in matcher.fields and recorded.method.upper() != asked.method.upper():
        yield Leaf("method", (), recorded.method, asked.method)
    yield from _in_urls(_collapsed(recorded.url), _collapsed(asked.url), matcher)
    for name in matcher.fields:
        if name.startswith("headers:"):
            header = canonical_header(name.removeprefix("headers:"))
            one, other = (
                _collapsed(", ".join(side.headers[header])) if side.headers.get(header) else NOTHING
                for side in (recorded, asked)
            )
            if one != other:
                yield Leaf("headers", (header,), one, other)
        elif name.startswith("py:"):
            told, told_now = (_value(user_functions.load(name)(side)) for side in (recorded, asked))
            if told != told_now:
                yield Leaf("py", (name.removeprefix("py:"),), told or NOTHING, told_now or NOTHING)


def _collapsed(text: str) -> str:
    return collapse(text.encode("utf-8", "surrogateescape")).decode("utf-8", "surrogateescape")


_URL_PARTS = ("scheme", "host", "port", "path", "query")


def _in_urls(recorded: str, asked: str, matcher: Matcher) -> Iterator[Leaf]:
    if recorded == asked:
        return
    whole = "url" in matcher.fields
    parts = [part for part in _URL_PARTS if whole or part in matcher.fields]
    try:
        one, other = _split(recorded, matcher), _split(asked, matcher)
    except ValueError:
        if parts:
            yield Leaf("url", (), recorded, asked)
        return
    found = False
    for part in parts:
        if part == "query":
            for leaf in _in_pairs("query", one["query"], other["query"], matcher.ignore):
                found = True
                yield leaf
        elif one[part] != other[part]:
            found = True
            yield Leaf(part, (), one[part] or NOTHING, other[part] or NOTHING)
    kept = [_without(url, matcher.ignore) for url in (recorded, asked)]
    if whole and not found and kept[0] != kept[1]:
        yield Leaf("url", (), kept[0], kept[1])


def _split(url: str, matcher: Matcher) -> dict[str, str]:
    parts = urlsplit(url)
    path = parts.path.replace("/v1/v1/", "/v1/") if matcher.llama_stack else parts.path
    return {
        "scheme": parts.scheme,
        "host": parts.hostname or "",
        "port": str(parts.port or "") or DEFAULT_PORTS.get(parts.scheme, ""),
        "path": path,
        "query": parts.query,
    }


def _without(url: str, ignore: Sequence[str]) -> str:
    head, mark, query = url.partition("?")
    kept = [pair for pair in query.split("&") if pair.partition("=")[0] not in ignore]
    return head + mark + "&".join(kept)


def _in_pairs(kind: str, recorded: str, asked: str, ignore: Sequence[str]) -> Iterator[Leaf]:
    one, other = _by_name(recorded), _by_name(asked)
    for name in [*one, *(name for name in other if name not in one)]:
        before, now = one.get(name, NOTHING), other.get(name, NOTHING)
        if before != now and name not in ignore:
            yield Leaf(kind, (name,), before, now)


def _by_name(pairs: str) -> dict[str, str]:
    named: dict[str, list[str]] = {}
    for name, value in parse_qsl(pairs, keep_blank_values=True, errors="surrogateescape"):
        named.setdefault(name, []).append(value)
    return {name: ", ".join(values) for name, values in named.items()}


def _in_bodies(recorded: Request, asked: Request, matcher: Matcher) -> tuple[list[Leaf], bool]:
    if recorded.body == asked.body:
        return [], True
    if max(len(recorded.body), len(asked.body)) > LARGE:
        return [Leaf("body", (), recorded.body, asked.body)], False
    one, other = (collapse(matcher.body_key(side)) for side in (recorded, asked))
    kind, _, before = one.partition(b" ")
    kind_now, _, now = other.partition(b" ")
    if one == other:
        return [], True
    if kind != kind_now:
        return [_whole_body(recorded.body, asked.body)], True
    found: list[Leaf] = []
    if kind == b"json":
        try:
            return in_json(json.loads(before), json.loads(now))
        except RecursionError:
            pass  # deeper than can be walked through: shown as text
    elif kind == b"multipart":
        found = list(_in_parts(_parts(recorded), _parts(asked)))
    elif _is_form(recorded) and _is_form(asked):
        texts = [body.decode("utf-8", "surrogateescape") for body in (before, now)]
        found = list(_in_pairs("form", texts[0], texts[1], matcher.ignore))
    return found or [_whole_body(before, now)], True


def _whole_body(recorded: bytes, asked: bytes) -> Leaf:
    return Leaf("body", (), recorded or NOTHING, asked or NOTHING)


def _is_form(request: Request) -> bool:
    media_type = first_value(request.headers, "Content-Type").partition(";")[0].strip().lower()
    return media_type == "application/x-www-form-urlencoded"


def _in_parts(recorded: dict[str, Part], asked: dict[str, Part]) -> Iterator[Leaf]:
    for name in [*recorded, *(name for name in asked if name not in recorded)]:
        head, content = recorded.get(name, (NOTHING, NOTHING))
        head_now, content_now = asked.get(name, (NOTHING, NOTHING))
        if content != content_now:
            yield Leaf("part", (name,), content, content_now)
        if head != head_now and NOTHING not in (head, head_now):
            yield Leaf("part", (name, "headers"), head, head_now)


def _parts(request: Request) -> dict[str, Part]:
    """A multipart body's parts by name (with a number for a name's second)."""
    content_type = first_value(request.headers, "Content-Type").encode("utf-8", "surrogateescape")
    found = _BOUNDARY.search(content_type)
    mark = b"--" + found[1].strip(b'"') if found else request.body.partition(b"\n")[0].rstrip(b"\r")
    if len(mark) < 3:
        return {}
    parts: dict[str, Part] = {}
    for piece in collapse(request.body).split(mark)[1:]:
        if piece.startswith(b"--"):
            break
        head, _, content = piece.partition(b"\r\n\r\n" if b"\r\n\r\n" in piece else b"\n\n")
        head, content = head.strip(), content.removesuffix(b"\n").removesuffix(b"\r")
        named = _PART_NAME.search(head)
        name = (named[1] or named[2] or b"").decode("utf-8", "replace") if named else ""
        same = sum(known == name or known.startswith(f"{name}#") for known in parts)
        parts[f"{name}#{same + 1}" if same else name] = head, content
    return parts


# --- JSON


def in_json(recorded: object, asked: object) -> tuple[list[Leaf], bool]:
    """Where two JSON values differ, and whether those are all places; raises RecursionError."""
    walk = _Walk()
    walk.compare((), recorded, asked)
    if not walk.leaves:
        walk = _Walk(strict=True)
        walk.compare((), recorded, asked)
    return walk.leaves, walk.steps < _STEPS and len(walk.leaves) < _LEAVES


@dataclass(slots=True)
class _Walk:
    """Python takes True for 1; only a `strict` walk, which goes into what is equal too, does not."""

    strict: bool = False
    leaves: list[Leaf] = field(default_factory=list)
    steps: int = 0

    def compare(self, where: tuple[Step, ...], recorded: object, asked: object) -> None:
        """Add what differs below this place."""
        self.steps += 1
        if self.steps >= _STEPS or len(self.leaves) >= _LEAVES or (not self.strict and recorded == asked):
            return
        if len(where) < _DEPTH and isinstance(recorded, dict) and isinstance(asked, dict):
            for name in [*recorded, *(name for name in asked if name not in recorded)]:
                self.compare((*where, name), recorded.get(name, NOTHING), asked.get(name, NOTHING))
        elif len(where) < _DEPTH and isinstance(recorded, list) and isinstance(asked, list):
            self._lists(where, recorded, asked)
        elif recorded != asked or isinstance(recorded, bool) != isinstance(asked, bool):
            self.leaves.append(Leaf("json", where, recorded, asked))

    def _lists(self, where: tuple[Step, ...], recorded: list[object], asked: list[object]) -> None:
        if self.strict and len(recorded) == len(asked):
            self._pairwise(where, 0, recorded, asked)
            return
        start = common(recorded, asked)
        end = common_end(recorded[start:], asked[start:])
        one, other = recorded[start : len(recorded) - end], asked[start : len(asked) - end]
        if len(one) == len(other):
            self._pairwise(where, start, one, other)
            return
        for begin, stop, begin_now, stop_now in _changed(one, other):
            paired = min(stop - begin, stop_now - begin_now)
            self._pairwise(where, start + begin_now, one[begin:], other[begin_now : begin_now + paired])
            place = (*where, start + begin_now + paired)
            if stop - begin > paired:
                more = stop - begin - paired
                self.leaves.append(Leaf("json", place, one[begin + paired], NOTHING, more))
            elif stop_now - begin_now > paired:
                more = stop_now - begin_now - paired
                self.leaves.append(Leaf("json", place, NOTHING, other[begin_now + paired], more))

    def _pairwise(
        self, where: tuple[Step, ...], start: int, recorded: Sequence[object], asked: Sequence[object]
    ) -> None:
        for number, (one, other) in enumerate(zip(recorded, asked, strict=False), start):
            if self.steps >= _STEPS or len(self.leaves) >= _LEAVES:
                return
            self.compare((*where, number), one, other)


def _changed(recorded: list[object], asked: list[object]) -> Iterator[tuple[int, int, int, int]]:
    """Stretches (from, to) of two lists that differ; those of long lists are one stretch."""
    if not recorded or not asked or max(len(recorded), len(asked)) > _ALIGNED:
        yield 0, len(recorded), 0, len(asked)
        return
    import difflib  # noqa: PLC0415 - only lists that grew in the middle need it

    one, other = ([json.dumps(item, sort_keys=True) for item in side] for side in (recorded, asked))
    for tag, *places in difflib.SequenceMatcher(None, one, other, autojunk=False).get_opcodes():
        if tag != "equal":
            yield places[0], places[1], places[2], places[3]


Sliced = TypeVar("Sliced", str, bytes, list[object])


def common(one: Sliced, other: Sliced) -> int:
    """How many items two sequences have in common at their beginning, found by halving."""
    low, high = 0, min(len(one), len(other))
    if one[:high] == other[:high]:
        return high
    while high - low > 1:  # one[:low] is common, one[:high] isn't
        middle = (low + high) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle
    return low


def common_end(one: Sliced, other: Sliced) -> int:
    """The same at their end."""
    low, high = 0, min(len(one), len(other))
    if one[len(one) - high :] == other[len(other) - high :]:
        return high
    while high - low > 1:
        middle = (low + high) // 2
        if one[len(one) - middle : len(one) - low] == other[len(other) - middle : len(other) - low]:
            low = middle
        else:
            high = middle
    return low


# --- from leaves to text


def difference(leaf: Leaf) -> Difference:
    """The leaf as text."""
    recorded, asked = leaf.recorded, leaf.asked
    if isinstance(recorded, bytes) and isinstance(asked, bytes):
        return _of_bytes(leaf.path, recorded, asked)
    if isinstance(recorded, str) and isinstance(asked, str):
        note = _alike(recorded, asked) if leaf.kind != "py" else ""
        shown = pair(recorded, asked, escaped=bool(note), plain=leaf.kind not in ("json", "form"))
        return Difference(leaf.path, *shown, note=note)
    texts = _value(recorded), _value(asked)
    note = ""
    if leaf.kind == "json" and texts[0] and texts[1] and texts[0].strip('"') == texts[1].strip('"'):
        note = f"a {_type(recorded)} and a {_type(asked)}"
    return Difference(leaf.path, *texts, items=leaf.items, note=note)


def _of_bytes(path: str, recorded: bytes, asked: bytes) -> Difference:
    if max(len(recorded), len(asked)) > LARGE:
        return _of_large(path, recorded, asked)
    texts = _text(recorded), _text(asked)
    if texts[0] is None or texts[1] is None:
        at = common(recorded, asked)
        return Difference(path, _size(recorded), _size(asked), note=f"the first difference is at byte {at:,}")
    note = _alike(texts[0], texts[1])
    return Difference(path, *pair(texts[0], texts[1], escaped=bool(note)), note=note)


def _of_large(path: str, recorded: bytes, asked: bytes) -> Difference:
    """Sizes, and the asked one where they differ: the recorded one is too large to be scrubbed for this."""
    at = common(recorded, asked)
    text = asked[max(0, at - _CONTEXT) : at + _WHOLE].decode("utf-8", "replace")
    shown = f", there {_excerpt(text, 0, len(text), escaped=False, plain=False)}"
    return Difference(
        path,
        _size(recorded),
        _size(asked) + ("" if "\0" in text or text.count("\ufffd") > 2 else shown),
        note=f"the first difference is at byte {at:,}",
    )


def _text(body: bytes) -> str | None:
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else text


def _size(body: bytes) -> str:
    return f"{len(body):,} bytes"


def _type(value: object) -> str:
    return {str: "text", bool: "boolean", type(None): "null"}.get(type(value), "number")


def _alike(one: str, other: str) -> str:
    """What makes two texts look the same that are not; empty if they don't."""
    if max(len(one), len(other)) > LARGE:
        return ""
    if one.split() == other.split():
        return "only white space differs"
    if unicodedata.normalize("NFC", one) == unicodedata.normalize("NFC", other):
        return "the same text in another Unicode form"
    return "only upper and lower case differ" if one.casefold() == other.casefold() else ""


def pair(recorded: str, asked: str, *, escaped: bool = False, plain: bool = False) -> tuple[str, str]:
    """Two texts, quoted unless `plain`; long ones shortened to where they differ, with some context."""
    start, end = 0, 0
    if max(len(recorded), len(asked)) > _WHOLE:
        start = common(recorded, asked)
        end = max(0, common_end(recorded[start:], asked[start:]) - _CONTEXT)
        start = max(0, start - _CONTEXT)
    shown = [
        _excerpt(side, start, len(side) - end, escaped=escaped, plain=plain) for side in (recorded, asked)
    ]
    return shown[0], shown[1]


def _excerpt(text: str, start: int, end: int, *, escaped: bool, plain: bool) -> str:
    piece = text[start : min(end, start + _MIDDLE)]
    before, behind = "…" if start else "", "…" if start + len(piece) < len(text) else ""
    if plain:
        return printable(f"{before}{piece}{behind}") or '""'
    quoted = json.dumps(piece, ensure_ascii=escaped)[1:-1]
    return printable(f'"{before}{quoted}{behind}"')


def _value(value: object) -> str | None:
    """A value as JSON, shortened; None for none."""
    if value is NOTHING:
        return None
    if isinstance(value, bytes):
        text = _text(value[:LARGE])
        return _size(value) if text is None else _excerpt(text, 0, len(text), escaped=False, plain=False)
    text = json.dumps(_brief(value, 3), ensure_ascii=False)
    return printable(text if len(text) <= _MIDDLE else text[:_MIDDLE] + "…")


def _brief(value: object, depth: int) -> object:
    """The value with its long texts, long lists and deep places cut, so that it takes no time to show."""
    if isinstance(value, str):
        return value if len(value) <= _WHOLE else value[:_WHOLE] + "…"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return int(value)
    if isinstance(value, list):
        return [_brief(item, depth - 1) for item in value[:5]] if depth else ["…"] if value else []
    if isinstance(value, dict):
        names = list(value)[:8] if depth else []
        return {name: _brief(value[name], depth - 1) for name in names} or ({"…": "…"} if value else {})
    return value
