"""Counts the letters of words for `looks_random`: `python -m bench.trigrams FILE-OR-FOLDER... -o FILE`.

Every run of letters and digits in the texts is a word; how often each letter follows two others in the words
is written as `scrub.detect.randomness` reads it. The table that ships is of CPython 3.13's standard library
without its tests (sources and texts) and of the names and summaries of PyPI's packages in November 2026, of
which words that stand there less than four times are left out (`--least FILE 4`).
Of the texts nothing but these counts is kept.
"""

from __future__ import annotations

import argparse
import math
import re
import sys
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "addon"))

from mitmvcr.scrub.detect.randomness import BITS, BOUNDARY, DIGIT, FOLD, SYMBOLS

_WORD = re.compile(rb"[A-Za-z0-9]{2,40}(?![A-Za-z0-9])")
_TEXTS = {".py", ".txt", ".rst", ".md"}
# What people type for want of a word; as common as the commonest words.
_ROWS = b"abcdefghijklmnopqrstuvwxyz", b"qwertyuiop", b"asdfghjkl", b"zxcvbnm"
_OF_ROWS = 2000.0
# How many words of the next simpler model (two letters, one letter) each count is worth at the beginning.
_PRIOR_PAIR, _PRIOR_LETTER = 30.0, 60.0


def files(tops: Sequence[Path]) -> Iterator[Path]:
    """The files that are given, and the texts in the folders that are, but for those of tests."""
    for top in tops:
        if top.is_file():
            yield top
        for file in sorted(top.rglob("*")):
            folders = file.relative_to(top).parts[:-1]
            if file.suffix in _TEXTS and file.is_file() and not {"test", "site-packages"} & {*folders}:
                yield file


def weigh(words: Counter[bytes], least: int, weights: list[float]) -> None:
    """Add words to the weights of each three symbols, each by the logarithm of how often it stands."""
    for word, number in words.items():
        if number >= least:
            add(word, math.log2(1 + number), weights)


def add(word: bytes, weight: float, weights: list[float]) -> None:
    before, last = BOUNDARY, BOUNDARY
    for symbol in (*word.translate(FOLD), BOUNDARY):
        weights[(before * SYMBOLS + last) * SYMBOLS + symbol] += weight
        before, last = last, symbol


def levels(weights: Sequence[float]) -> bytes:
    """What each symbol costs behind two others, in `BITS`; where three are rare, two and one have a say."""
    triples = range(SYMBOLS)
    pairs = [
        [sum(weights[(a * SYMBOLS + b) * SYMBOLS + c] for a in triples) for c in triples] for b in triples
    ]
    letters = [sum(pairs[b][c] for b in triples) for c in triples]
    out = bytearray()
    for a in triples:
        for b in triples:
            row = weights[(a * SYMBOLS + b) * SYMBOLS : (a * SYMBOLS + b + 1) * SYMBOLS]
            for c in triples:
                letter = letters[c] / sum(letters)
                pair = (pairs[b][c] + _PRIOR_LETTER * letter) / (sum(pairs[b]) + _PRIOR_LETTER)
                chance = (row[c] + _PRIOR_PAIR * pair) / (sum(row) + _PRIOR_PAIR)
                # All digits are one symbol; what stands behind a word is no part of it.
                bits = 0.0 if c == BOUNDARY else -math.log2(chance / (10 if c == DIGIT else 1))
                out.append(round(min(bits, 12) / BITS))
    return bytes(out)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("texts", nargs="*", type=Path, metavar="FILE-OR-FOLDER")
    parser.add_argument("--least", nargs=2, action="append", default=[], metavar=("FILE", "N"))
    parser.add_argument("-o", "--output", type=Path, required=True)
    arguments = parser.parse_args()
    weights = [0.0] * SYMBOLS**3
    for tops, least in [(arguments.texts, 1), *(([Path(file)], int(n)) for file, n in arguments.least)]:
        words: Counter[bytes] = Counter()
        for file in files(tops):
            words.update(_WORD.findall(file.read_bytes()))
        weigh(words, least, weights)
    for row in _ROWS:
        add(row, _OF_ROWS, weights)
    arguments.output.write_bytes(zlib.compress(levels(weights), 9))


if __name__ == "__main__":
    main()
