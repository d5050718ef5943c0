"""Values that were seen as credentials, and every form in which they could stand in a text."""

from __future__ import annotations

import binascii
import json
import re
from bisect import bisect_right, insort
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import quote_from_bytes

from mitmvcr.scrub.detect.escapes import roughly_undone
from mitmvcr.scrub.detect.tokens import SHORTEST, longest_token
from mitmvcr.scrub.rules.detection import Detection, Evidence, places

# Base64 of either alphabet, and with it hexadecimal.
_CODED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_")
_URLSAFE = bytes.maketrans(b"+/", b"-_")
_HEX_DIGITS = re.compile(rb"%[0-9A-F]{2}")
_SQUEEZED = b" \t\r\n\\'\""
_REMEMBERED = 8192
_LONGEST = 512


def _squeeze(data: bytes) -> bytes:
    """Without blanks, line ends, quotes and backslashes: what YAML's folding and quoting change."""
    return data.translate(None, _SQUEEZED)


@dataclass(frozen=True, slots=True)
class _Forms:
    """A value's forms, and what to search for: in the long runs of a text, and anywhere in it."""

    value: bytes
    kind: str
    plain: list[bytes]
    coded: list[bytes]
    squeezed: bytes
    in_runs: list[bytes]
    anywhere: list[bytes]


class Watch:
    """The values of one cassette that were seen as credentials, ready for search.

    Most searches are made in the text's long runs of token characters alone, a fifth of it: there a
    long value's longest run, its Base64 and its hexadecimal digits must be.
    """

    __slots__ = ("_anywhere", "_clear", "_forms", "_in_runs", "_recent", "looks_escaped")

    def __init__(self) -> None:
        self._forms: dict[bytes, _Forms] = {}
        # The values that may be forgotten, by their kinds, those seen last at the end.
        self._recent: dict[str, dict[bytes, None]] = {}
        self._in_runs: list[tuple[bytes, _Forms]] = []  # the shortest first
        self._anywhere: list[tuple[bytes, _Forms]] = []
        self._clear = Clear(None)
        self.looks_escaped = False
        """Whether a value has what looks like an escape: it must also be looked for as it is written."""

    def __len__(self) -> int:
        return len(self._forms)

    def kind(self, value: bytes) -> str | None:
        """The kind of a value that is looked out for."""
        forms = self._forms.get(value)
        return forms.kind if forms else None

    def add(self, value: bytes, kind: str, most: int = 0) -> None:
        """Look out for a value.

        With `most` it counts among its kind's last seen values, of which no more than those are looked out
        for; without, it is never forgotten. A value keeps the kind and the right that it was first given.
        """
        forms = self._forms.get(value)
        if forms is None:
            self._insert(_forms(value, kind))
        elif value not in self._recent.get(forms.kind, ()):
            return
        else:
            kind = forms.kind
        if most:
            self._refresh(value, kind, most)

    def learn(self, other: Watch) -> None:
        """Look out for what the other one looks out for, too; its values count as seen before these."""
        new = {value: forms for value, forms in other._forms.items() if value not in self._forms}
        for forms in new.values():
            self._insert(forms)
        for kind, values in other._recent.items():
            older = {value: None for value in values if value in new}
            self._recent[kind] = older | self._recent.get(kind, {})

    def _insert(self, forms: _Forms) -> None:
        self._forms[forms.value] = forms
        self.looks_escaped |= any(mark in forms.value for mark in (b"\\", b"%", b"&", b"="))
        self._clear = Clear(None)
        self._anywhere += [(text, forms) for text in forms.anywhere]
        for probe in forms.in_runs:
            insort(self._in_runs, (probe, forms), key=_size)

    def _refresh(self, value: bytes, kind: str, most: int) -> None:
        """Make a value the youngest of its kind, and forget the oldest ones."""
        recent = self._recent.setdefault(kind, {})
        recent.pop(value, None)
        recent[value] = None
        while len(recent) > most:
            oldest = next(iter(recent))
            del recent[oldest]
            forms = self._forms.pop(oldest)
            self._anywhere = [item for item in self._anywhere if item[1] is not forms]
            self._in_runs = [item for item in self._in_runs if item[1] is not forms]

    def clear(self, scanner: object) -> Clear:
        """What was found to have neither a value nor anything that this scanner finds."""
        if self._clear.scanner is not scanner:
            self._clear = Clear(scanner)
        return self._clear

    def in_runs(self, data: bytes, runs: Collection[bytes]) -> list[Detection]:
        """Where a value stands as it is, JSON-escaped, or inside a run of Base64 or hexadecimal.

        `runs` are the text's token runs.
        """
        return [hit for forms in self.suspects(runs) for hit in _hits(data, forms)]

    def suspects(self, runs: Collection[bytes]) -> list[_Forms]:
        """The values, one for each of its forms, whose longest run is in one of these.

        The rest of it may be beside that run, or be written in another way.
        """
        if not runs:
            return []
        text = b" ".join(runs)
        longest = max(map(len, runs))
        end = bisect_right(self._in_runs, longest, key=_size)
        # `in` takes several times as long: it tries numbers first.
        return [forms for probe, forms in self._in_runs[:end] if text.find(probe) >= 0]

    def anywhere(self, data: bytes) -> list[Detection]:
        """Where a value, or a form of it, stands that has no long run of token characters."""
        return [hit for probe, forms in self._anywhere if data.find(probe) >= 0 for hit in _hits(data, forms)]

    def folded(self, text: bytes) -> Iterator[tuple[bytes, str]]:
        """The values with blanks or quotes that stand in a text, however YAML quotes and folds them."""
        folding = [forms for forms in self._forms.values() if forms.squeezed]
        if not folding:
            return
        plain = roughly_undone(text)
        for data in map(_squeeze, [text, plain] if plain is not text else [text]):
            for forms in folding:
                if forms.squeezed in data:
                    yield forms.value, forms.kind


def _size(probe: tuple[bytes, _Forms]) -> int:
    return len(probe[0])


class Clear:
    """What a scanner found nothing in, as far as it is worth remembering.

    The hashes of token runs that have no tracked value; of the runs themselves those that tell of no secret;
    pieces of texts; and the lengths and hashes of the texts that were read last.
    """

    __slots__ = ("pieces", "runs", "scanner", "texts", "untracked")

    def __init__(self, scanner: object) -> None:
        self.scanner = scanner
        self.untracked: set[int] = set()
        self.runs: set[bytes] = set()
        self.pieces: set[bytes] = set()
        self.texts: set[tuple[int, int]] = set()

    def remember_runs(self, untracked: Iterable[int], harmless: Iterable[bytes]) -> None:
        _remember(self.untracked, untracked)
        _remember(self.runs, harmless)

    def remember_pieces(self, pieces: Iterable[bytes]) -> None:
        _remember(self.pieces, [piece for piece in pieces if len(piece) <= _LONGEST])

    def remember_texts(self, texts: Iterable[bytes]) -> None:
        self.texts = {(len(text), hash(text)) for text in texts}


Item = TypeVar("Item", bytes, int)


def _remember(items: set[Item], more: Iterable[Item]) -> None:
    if len(items) > _REMEMBERED:
        items.clear()
    items.update(more)


def _hits(data: bytes, forms: _Forms) -> Iterator[Detection]:
    rule = f"tracked-{forms.kind}"
    for text in forms.plain:
        for at in places(data, text):
            yield Detection(at, at + len(text), rule, forms.kind, forms.value, Evidence.SEEN)
    for text in forms.coded:
        for at in places(data, text):
            start, end = _run_around(data, at)
            yield Detection(start, end, rule, "encoded", data[start:end], Evidence.SEEN)


def _run_around(data: bytes, at: int) -> tuple[int, int]:
    """The run of Base64 or hexadecimal around a place: a part of it is no use without the rest."""
    start = end = at
    while start and data[start - 1] in _CODED:
        start -= 1
    while end < len(data) and data[end] in _CODED:
        end += 1
    while data[end : end + 1] == b"=":
        end += 1
    return start, end


def _forms(value: bytes, kind: str) -> _Forms:
    squeezed = _squeeze(value)
    plain, coded = _plain_forms(value), _coded_forms(value)
    in_runs, anywhere = [], []
    # A long run of the value is in each of its plain forms.
    for text in (plain[:1] if len(longest_token(value)) >= SHORTEST else plain) + coded:
        probe = longest_token(text)
        if len(probe) >= SHORTEST:
            in_runs.append(probe)
        else:
            anywhere.append(text)
    return _Forms(value, kind, plain, coded, squeezed if squeezed != value else b"", in_runs, anywhere)


def _plain_forms(value: bytes) -> list[bytes]:
    text = value.decode("utf-8", "surrogateescape")
    forms = [value]
    if b" " in value:
        forms.append(value.replace(b" ", b"+"))  # as urlencoded forms have it
    if text.isascii() and not any(mark in text for mark in '"\\\n\r\t'):
        return forms
    for ascii_only in (False, True) if not text.isascii() else (False,):
        inner = text
        for _ in range(2):  # a string, and a string in a string (tool arguments)
            inner = json.dumps(inner, ensure_ascii=ascii_only)[1:-1]
            forms.append(inner.encode("utf-8", "surrogateescape"))
    if not text.isascii():
        percent = quote_from_bytes(value, safe="").encode()
        forms += [percent, _HEX_DIGITS.sub(lambda found: found.group().lower(), percent)]
    return list(dict.fromkeys(forms))


def _coded_forms(value: bytes) -> list[bytes]:
    """Hexadecimal, and what of the Base64 does not depend on the neighbours, at each offset."""
    forms = [value.hex().encode(), value.hex().upper().encode()]
    for offset in range(3):
        text = binascii.b2a_base64(b"\0" * offset + value, newline=False)
        core = text[(offset * 8 + 5) // 6 : (offset + len(value)) * 8 // 6]
        forms += [core, core.translate(_URLSAFE)]
    return list(dict.fromkeys(forms))
