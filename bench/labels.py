"""How well keys are told from all else: `python -m bench.labels [--docs] [FILE-OR-FOLDER ...]`.

Keys are drawn by chance, the same ones in each run; what is none stands in labelled/harmless.txt, by kind. Of
the files that are named each long word is looked at as if a credential's name stood beside it: of cassettes,
prose and code without a secret none should be taken.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import string
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "addon"))

from bench import page
from mitmvcr.model import Interaction, Request, Response
from mitmvcr.scrub import Memory, Policy, Scrubber
from mitmvcr.scrub.detect.randomness import looks_like_hash, looks_random

_LETTERS, _DIGITS = string.ascii_letters, string.digits
ALPHABETS = {
    "hex": _DIGITS + "abcdef",
    "HEX": _DIGITS + "ABCDEF",
    "base32": string.ascii_uppercase + "234567",
    "base32, lower": string.ascii_lowercase + "234567",
    "base36": string.ascii_lowercase + _DIGITS,
    "base58": "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz",
    "base62": _LETTERS + _DIGITS,
    "base64": _LETTERS + _DIGITS + "+/",
    "base64url": _LETTERS + _DIGITS + "-_",
    "letters": _LETTERS,
    "lower letters": string.ascii_lowercase,
}
SIZES = (16, 20, 24, 32, 40, 64)
GROUPS = {"groups of 4, -": (4, "-"), "groups of 5, _": (5, "_"), "groups of 8, -": (8, "-")}
"""How many letters and digits (base36) stand together, and what parts them."""

_HARMLESS = Path(__file__).with_name("labelled") / "harmless.txt"
_WORD = re.compile(rb"[A-Za-z0-9_.~+/=:-]{16,4096}")
_TEXTS = {".py", ".md", ".txt", ".rst", ".yaml", ".yml", ".json", ".toml", ".js", ".go", ".ts"}


def keys(letters: str, size: int, count: int) -> list[bytes]:
    """Random keys of a size, those of an earlier run again."""
    rng = random.Random(f"{letters} {size}")
    return ["".join(rng.choices(letters, k=size)).encode() for _ in range(count)]


def grouped(size: int, separator: str, count: int, length: int) -> list[bytes]:
    """Keys of so many letters and digits in groups."""
    rng = random.Random(f"{size} {separator} {length}")
    groups = [
        ["".join(rng.choices(ALPHABETS["base36"], k=size)) for _ in range(length // size)]
        for _ in range(count)
    ]
    return [separator.join(key).encode() for key in groups]


def recall(count: int) -> dict[str, list[float]]:
    """Of each alphabet and in groups, which share of keys looks random, by `SIZES`."""
    found = {
        name: [_share(keys(letters, size, count)) for size in SIZES] for name, letters in ALPHABETS.items()
    }
    for name, (size, separator) in GROUPS.items():
        found[name] = [_share(grouped(size, separator, count, length)) for length in SIZES]
    return found


def _share(values: Sequence[bytes]) -> float:
    return sum(map(looks_random, values)) / len(values)


def harmless() -> dict[str, list[bytes]]:
    """What is no secret, by kind."""
    found: dict[str, list[bytes]] = {}
    for line in _HARMLESS.read_bytes().splitlines():
        if line.startswith(b"[") and line.endswith(b"]") and b" " not in line.partition(b"]")[2]:
            found[line[1:-1].decode()] = []
        elif line and found:
            [*found.values()][-1].append(line)
    return found


def false_alarms() -> dict[str, list[bytes]]:
    """Of each kind, which values look random all the same."""
    return {kind: [*filter(looks_random, values)] for kind, values in harmless().items()}


def files(tops: Sequence[Path]) -> Iterator[Path]:
    """The files that are given, and the texts in the folders that are."""
    for top in tops:
        yield from (
            [top] if top.is_file() else sorted(path for path in top.rglob("*") if path.suffix in _TEXTS)
        )


def in_texts(tops: Sequence[Path]) -> tuple[int, list[bytes]]:
    """How many long words the texts have, each counted once, and which look random and like no hash."""
    words: set[bytes] = set()
    for path in files(tops):
        words.update(_WORD.findall(path.read_bytes()))
    return len(words), sorted(word for word in words if looks_random(word) and not looks_like_hash(word))


def touched(tops: Sequence[Path]) -> tuple[int, list[str]]:
    """Of the texts as answers of a chat, 4,000 characters each: how many, and which are changed."""
    scrubber, count, changed = Scrubber(Policy()), 0, []
    for path in files(tops):
        text = path.read_text("utf-8", "replace")
        for at in range(0, len(text), _PIECE):
            answer = json.dumps(
                {"choices": [{"message": {"role": "assistant", "content": text[at : at + _PIECE]}}]}
            )
            one = Interaction(
                Request("POST", _URL, body=b"{}"), Response(200, "200 OK", body=answer.encode())
            )
            count += 1
            if scrubber.interaction(one, Memory({})) != one:
                changed.append(f"{path}, from {at} on")
    return count, changed


_PIECE = 4000
_URL = "https://api.openai.com/v1/chat/completions"


def tables(count: int) -> str:
    """Recall and false alarms, in Markdown."""
    rows = [
        ["keys found, of 1,000", *(f"{size} characters" for size in SIZES)],
        ["---", *["--:"] * len(SIZES)],
    ]
    rows += [[name, *(f"{share * 1000:.0f}" for share in shares)] for name, shares in recall(count).items()]
    alarms, all_values = false_alarms(), harmless()
    rest = [["no secrets", "values", "taken for one"], ["---", "--:", "--:"]]
    rest += [[kind, str(len(all_values[kind])), str(len(found))] for kind, found in alarms.items()]
    rest.append(["all", *(str(sum(map(len, group.values()))) for group in (all_values, alarms))])
    return "\n\n".join("\n".join(f"| {' | '.join(row)} |" for row in part) for part in (rows, rest))


def main() -> None:
    """Print the tables, and what of the named files looks random."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("texts", nargs="*", type=Path, metavar="FILE-OR-FOLDER")
    parser.add_argument("--quick", action="store_true", help="fewer keys")
    parser.add_argument("--docs", action="store_true", help="put the tables into docs/benchmarks.md")
    arguments = parser.parse_args()
    found = tables(500 if arguments.quick else 5000)
    print(found)
    if arguments.docs:
        page.place("labels", found)
    for kind, values in false_alarms().items():
        for value in values:
            print(f"taken for a key, of {kind}: {value.decode()}")
    if arguments.texts:
        words, random_ones = in_texts(arguments.texts)
        print(f"{len(random_ones)} of {words} long words look random:")
        print(*(word.decode() for word in random_ones[:100]), sep="\n")
        count, changed = touched(arguments.texts)
        print(f"{len(changed)} of {count} answers made of them are changed:", *changed[:100], sep="\n")


if __name__ == "__main__":
    main()
