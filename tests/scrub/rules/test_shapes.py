"""Every kind of shapes.toml: its example is found anywhere, a part of it nowhere, and at what cost."""

from __future__ import annotations

import time
import tomllib
from copy import copy
from pathlib import Path

import pytest

from mitmvcr.scrub.detect.scan import Scanner
from mitmvcr.scrub.detect.tokens import token_runs
from mitmvcr.scrub.rules import shapes
from mitmvcr.scrub.rules.detection import Detection
from mitmvcr.scrub.rules.shapes import Rule, shape_rules
from mitmvcr.scrub.rules.tables import plain_rows, rows

SCANNER = Scanner()
TABLE = Path(shapes.__file__).with_suffix(".toml")
every_rule = pytest.mark.parametrize("rule", shape_rules(), ids=lambda rule: rule.name)


def found(text: bytes) -> list[Detection]:
    spans = token_runs(text)
    return SCANNER.in_runs(text, spans, [text[start:end] for start, end in spans], [])


AROUND = (
    *("{}", "use {} please", "KEY={}", "key: {}", '"k": "{}"', "'{}'", "`{}`", "<{}>", "[{}]", "({})"),
    *("it is {}.", "{}, and", "{};", "{}:", "a\n{}\nb", "a\t{}", '"{}\\"', "https://h.example/?q={}&b=1"),
)


@every_rule
def test_an_example_is_found_in_any_text_and_nothing_else_of_it(rule: Rule) -> None:
    for around in AROUND:
        before, after = (part.encode() for part in around.split("{}"))
        text = before + rule.example.encode() + after
        hits = found(text)
        assert hits, around
        for hit in hits:
            assert hit.value == text[hit.start : hit.end]
            assert len(before) <= hit.start < hit.end <= len(text) - len(after), around


@every_rule
def test_an_example_without_its_last_third_is_none(rule: Rule) -> None:
    example = rule.example.encode()
    cut = example[: len(example) * 2 // 3]
    assert list(rule.find(example, 0, len(example)))
    assert not list(rule.find(cut, 0, len(cut)))


@every_rule
def test_words_behind_a_literal_are_none(rule: Rule) -> None:
    for literal in rule.literals:
        for words in (
            *("compile", "rent", "cache", "value", "2024-07-18T12:34:56", "x" * 64, "1234567890" * 7),
            "learn-pipeline-of-mine-and-yours-and-all-the-others",
            "this_is_a_long_function_name_for_a_test_of_mine_and_yours",
            "SomeLongCamelCaseIdentifierOfAClassInJavaThatGoesOnAndOn",
            "SOME_CONSTANT_OF_A_PROGRAM_THAT_IS_VERY_LONG_INDEED_AND_GOES_ON",
            "your-api-key-here-please-and-thank-you-very-much",
        ):
            assert not found(f"see {literal}{words} there".encode()), words


@every_rule
def test_a_telling_literal_is_found_behind_a_letter_and_a_length_byte(rule: Rule) -> None:
    if rule.bounded or rule.back:
        return
    for before in (b"key_", b"apiKey", bytes([len(rule.example) % 256]), b"k\xd9"):
        assert found(before + rule.example.encode()), before


@every_rule
def test_each_kind_says_where_it_is_from_and_names_its_replacement(rule: Rule) -> None:
    assert rule.source
    assert rule.kind.isalnum()
    assert any(word in rule.kind for word in ("token", "cookie", "org", "project"))
    assert any(literal in rule.example for literal in rule.literals)


@every_rule
def test_a_text_made_against_a_kind_costs_what_its_length_asks_for(rule: Rule) -> None:
    """Its literal, alone and between letters or words, and nearly a secret."""
    example = rule.example
    for unit in (
        *(
            part
            for text in rule.literals[:1]
            for part in (text, f"{text}a", f"{text}words-are-", f"{text}7{{ ")
        ),
        f"{example[: len(example) // 3]}.",
        f"{example[: len(example) * 2 // 3]}! ",
    ):
        text = (unit * (4 * SIZE // len(unit) + 1)).encode()
        if not found(text):
            short = min(_seconds(text[:SIZE]), _seconds(text[:SIZE]))
            assert min(_seconds(text), _seconds(text)) < 8 * short + 0.001, unit


SIZE = 4_000


def _seconds(text: bytes) -> float:
    """Seconds of this thread for one look for shapes; no run of it has been looked at before."""
    spans = token_runs(text)
    runs = [text[start:end] for start, end in spans]
    scanner = copy(SCANNER)
    scanner.__dict__["_states"] = {}
    began = time.thread_time()
    scanner.in_runs(text, spans, runs, [], with_names=False)
    return time.thread_time() - began


def test_the_table_has_no_example_in_one_piece() -> None:
    """So that scanners pass over this repository, ours included."""
    table = TABLE.read_bytes()
    assert not [rule.name for rule in shape_rules() if rule.example.encode() in table]
    kinds = {rule.name for rule in shape_rules()}
    # Their prefixes alone are as long as another kind's secret.
    assert {hit.rule for hit in found(table)} & kinds <= {"aws-bedrock-short-key", "sk-key"}


def test_the_quick_reader_reads_what_toml_means() -> None:
    assert plain_rows("shapes") == rows("shapes")


def test_the_table_is_in_the_order_of_its_ids_but_for_openais() -> None:
    ids = list(tomllib.loads(TABLE.read_text("utf-8")))
    others = ids[ids.index("1password-secret-key") :]
    assert others == sorted(others)
