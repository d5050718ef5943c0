"""Values that were seen as credentials, and every form in which they could stand in a text."""

from __future__ import annotations

import binascii
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import quote_from_bytes

from mitmvcr.scrub.hits import Hit
from mitmvcr.scrub.runs import SHORTEST, longest_token

_CODED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_")
_URLSAFE = bytes.maketrans(b"+/", b"-_")
_HEX_DIGITS = re.compile(rb"%[0-9A-F]{2}")
_SQUEEZED = b" \t\r\n\\'\""
_REMEMBERED = 50_000


def squeeze(data: bytes) -> bytes:
    """Without blanks, line ends, quotes and backslashes: however YAML folds and quotes, it is the same."""
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
    """The tracked values of one cassette, ready for search.

    Most searches are made in the text's long runs of token characters alone, a fifth of it: there a
    long value's longest run, its Base64 and its hexadecimal digits must be. Runs that were found to have
    none are remembered, by their hash: the same words come with each exchange.
    """

    __slots__ = ("_all", "_anywhere", "_clear", "_in_runs")

    def __init__(self) -> None:
        self._all: dict[bytes, _Forms] = {}
        self._in_runs: list[tuple[bytes, _Forms]] | None = None
        self._anywhere: list[tuple[bytes, _Forms]] = []
        self._clear: set[int] = set()

    def __contains__(self, value: bytes) -> bool:
        return value in self._all

    @property
    def has_folding(self) -> bool:
        """Whether there are values that YAML may fold or quote, so that they must be squeezed to be found."""
        return any(forms.squeezed for forms in self._all.values())

    def kind(self, value: bytes) -> str | None:
        forms = self._all.get(value)
        return forms.kind if forms else None

    def add(self, value: bytes, kind: str) -> None:
        """Look out for a value; one that is known already becomes the youngest of its kind."""
        known = self._all.pop(value, None)
        self._all[value] = _forms(value, kind) if known is None else known
        self._in_runs = None

    def learn(self, other: Watch) -> None:
        """Look out for what the other one looks out for, too."""
        self._all = other._all | self._all
        self._in_runs = None

    def forget_all_but(self, newest: int, kind: str) -> None:
        """Drop the oldest values of a kind."""
        those = [value for value, forms in self._all.items() if forms.kind == kind]
        for value in those[:-newest]:
            del self._all[value]
            self._in_runs = None

    def find(self, data: bytes, runs: Sequence[bytes]) -> Iterator[Hit]:
        """Where a value stands as it is, JSON-escaped, or inside a run of Base64 or hexadecimal.

        `runs` are the text's token runs.
        """
        if not self._all:
            return
        if self._in_runs is None:
            self._in_runs = self._sort()
        fresh = [run for run in runs if hash(run) not in self._clear]
        if fresh:
            yield from self._in(fresh, data)
        for probe, forms in self._anywhere:
            if probe in data:
                yield from _hits(data, forms)

    def _in(self, runs: Sequence[bytes], data: bytes) -> Iterator[Hit]:
        text = b" ".join(runs)
        longest = max(map(len, runs))
        is_clear = True
        for probe, forms in self._in_runs or ():
            if len(probe) > longest:
                break
            if probe in text:
                is_clear = False
                yield from _hits(data, forms)
        if is_clear:
            if len(self._clear) > _REMEMBERED:
                self._clear.clear()
            self._clear.update(map(hash, runs))

    def in_squeezed(self, data: bytes) -> Iterator[tuple[bytes, str]]:
        """The values with blanks or quotes that stand in squeezed text, however quoted and folded."""
        for forms in self._all.values():
            if forms.squeezed and forms.squeezed in data:
                yield forms.value, forms.kind

    def _sort(self) -> list[tuple[bytes, _Forms]]:
        self._clear.clear()
        self._anywhere = [(text, forms) for forms in self._all.values() for text in forms.anywhere]
        in_runs = [(probe, forms) for forms in self._all.values() for probe in forms.in_runs]
        return sorted(in_runs, key=lambda item: len(item[0]))


def _hits(data: bytes, forms: _Forms) -> Iterator[Hit]:
    rule = f"tracked-{forms.kind}"
    for text in forms.plain:
        for at in _places(data, text):
            yield Hit(at, at + len(text), rule, forms.kind, forms.value)
    for text in forms.coded:
        for at in _places(data, text):
            start, end = _run_around(data, at)
            yield Hit(start, end, rule, "encoded", data[start:end])


def _places(data: bytes, text: bytes) -> Iterator[int]:
    at = data.find(text)
    while at >= 0:
        yield at
        at = data.find(text, at + len(text))


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
    squeezed = squeeze(value)
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
    if text.isascii() and not any(mark in text for mark in '"\\\n\r\t'):
        return [value]
    forms = [value]
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
