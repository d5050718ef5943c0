"""The look over many texts at once never says no where the closer one finds something."""

from __future__ import annotations

import base64
import json
import random

import pytest

from mitmvcr.scrub.detect.scan import Scanner
from mitmvcr.scrub.detect.search import are_clear, may_have_secrets
from mitmvcr.scrub.detect.seen_values import Watch
from tests.scrub.planting import KINDS

LONG = [{"role": "user", "content": f"this is sentence number {number}"} for number in range(100)]
TELLING = {"name": "db", "password": "four words of it"}


def rows(*more: object) -> bytes:
    return json.dumps([*LONG, *more]).encode()


def test_a_look_without_names_leaves_names_to_be_looked_at() -> None:
    scanner, watch = Scanner(), Watch()
    assert not may_have_secrets(rows(TELLING), scanner, watch, with_names=False)
    assert not are_clear([rows(TELLING)], scanner, watch)


@pytest.mark.parametrize(
    "secret", [TELLING, {"key": KINDS["github"](random.Random(3))}], ids=["name", "shape"]
)
def test_a_secret_in_a_row_is_seen_however_often_the_other_rows_were(secret: object) -> None:
    scanner, watch = Scanner(), Watch()
    for _ in range(2):
        assert are_clear([rows()], scanner, watch)
    for _ in range(2):
        assert not are_clear([rows(secret)], scanner, watch)


def test_a_value_that_is_seen_later_is_looked_for_in_rows_that_were_clear() -> None:
    scanner, watch = Scanner(), Watch()
    assert are_clear([rows({"content": "plain-words-here"})], scanner, watch)
    watch.add(b"plain-words-here", "token")
    assert not are_clear([rows({"content": "plain-words-here"})], scanner, watch)


@pytest.mark.parametrize("blanks", ["", " ", "\t", "\n "])
@pytest.mark.parametrize("key", ["password", "db.password", "user password"])
def test_a_telling_key_is_seen_whatever_stands_around_it(key: str, blanks: str) -> None:
    text = f'{{{blanks}"{key}"{blanks}:{blanks}"a b c d"{blanks}}}'.encode()
    for data in (text, json.dumps(text.decode()).encode()):
        assert not are_clear([data], Scanner(), Watch())


@pytest.mark.parametrize("front", ["", "-", "The value is "])
@pytest.mark.parametrize("depth", [0, 1, 2, 3])
def test_lines_of_base64_are_seen_however_deep_their_json_nests(depth: int, front: str) -> None:
    key = KINDS["github"](random.Random(5)).encode()
    lines = base64.encodebytes(b"a text that fills much of the line " + key).decode()
    text = front + lines
    for _ in range(depth):
        text = json.dumps({"a": text})
    assert not are_clear([json.dumps({"a": text}).encode()], Scanner(), Watch())
