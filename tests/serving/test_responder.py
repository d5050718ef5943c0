"""What the serving layer keeps of answers: right however little is kept, and never more than the bound."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from pathlib import Path

import pytest

from mitmvcr.model import Interaction
from mitmvcr.serving import responder
from mitmvcr.serving.outcomes import Outcomes, access_lines
from mitmvcr.serving.request_parser import HeadError, ParsedHead, Shape, parse, shape_of
from mitmvcr.serving.responder import Responder, Route
from tests import build
from tests.proxy.layer.test_http1_layer import BASE
from tests.proxy.talk import CHAT, chat

_COUNT = 40


@pytest.mark.parametrize("bound", [0, 500, 3000, 1 << 20])
def test_answers_are_right_whatever_is_kept_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bound: int
) -> None:
    monkeypatch.setattr(responder, "_ANSWERS", bound)
    monkeypatch.setattr(responder, "_ANSWERS_EACH", 0)
    monkeypatch.setattr(responder, "_KEYS", 8)
    monkeypatch.setattr(access_lines, "disabled", True)  # its lines need an event loop
    build.write(
        tmp_path / "default.yaml",
        *(
            Interaction(
                build.request(chat(f"{number}"), url=BASE + CHAT), build.response({"said": f"{number}"})
            )
            for number in range(_COUNT)
        ),
    )
    table = build.sessions(tmp_path, mode="replay", repeat="any")
    made = Responder(Outcomes(lambda: table))
    route = made.route(Route("http", "127.0.0.1", 9, is_reverse=True))
    kept = 0
    for _ in range(3):
        for number in range(_COUNT):
            body = json.dumps(chat(f"{number}")).encode()
            head = f"POST {CHAT} HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n\r\n".encode()
            asked, length = made.read(route, head)
            assert length == len(body)
            wait, data = made.answer(asked, body, length)
            assert wait == 0
            assert data.endswith(b'\r\n\r\n{"said": "%d"}' % number)
            (cache,) = made._caches.values()
            assert cache.size == sum(len(ready.data) for ready in cache.answers.values())
            assert cache.size <= max(bound, len(data))
            kept = len(cache.answers)
    assert (kept == _COUNT) == (bound == 1 << 20)


def test_an_answer_with_one_asker_s_value_is_nobody_else_s(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access_lines, "disabled", True)
    mark = "REDACTED-token-1"
    recorded = [
        Interaction(build.request(chat(f"use {mark}"), url=BASE + CHAT), build.response({"used": mark})),
        Interaction(build.request(chat("none"), url=BASE + CHAT), build.response({"used": mark})),
    ]
    build.write(tmp_path / "default.yaml", *recorded)
    table = build.sessions(tmp_path, mode="replay", repeat="any")
    made = Responder(Outcomes(lambda: table))
    route = made.route(Route("http", "127.0.0.1", 9, is_reverse=True))
    keys = [
        "sk-" + "proj-Qw3rTy6uIo9pAsDfGh1jKl2zXcVb5nM7q",
        "sk-" + "proj-Zm4xNb7vCl9kJh2gFd5sAq8wEr1tYu3iO",
    ]  # made up
    for _ in range(3):
        for prompt, used in [(f"use {key}", key) for key in [*keys, mark]] + [("none", mark)]:
            body = json.dumps(chat(prompt)).encode()
            head = f"POST {CHAT} HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n\r\n".encode()
            routed, length = made.read(route, head)
            assert length == len(body)
            said = made.answer(routed, body, length)[1]
            assert said.endswith(b'\r\n\r\n{"used": "%b"}' % used.encode())
            assert b"Content-Length: %d\r\n" % len(f'{{"used": "{used}"}}') in said
    (cache,) = made._caches.values()
    assert not any(key.encode() in ready.data for ready in cache.answers.values() for key in keys)


_LINES = [
    b"Content-Length: %d",
    b"content-length: %d",
    b"CONTENT-LENGTH: %d",
    b"Content-Length:%d",
    b"Content-Length: 00%d",
    b"Content-Length: +%d",
    b"Content-Length: %d ",
    b"Content-Length: \0%d",
    b"Content-Length: %d, %d",
    b"Content-Length: ",
    b"Content-Length: \0",
    b"Content-Length: 99999999999999999999",
    b"Transfer-Encoding: chunked",
    b"Connection: close",
    b"Expect: 100-continue",
    b"X: a\r\n Content-Length: %d",
    b"Host: a",
]


def test_heads_of_one_shape_say_the_same_but_for_their_length() -> None:
    lines = [line.replace(b"%d", number) for line in _LINES for number in (b"0", b"12")]
    heads = {
        b"\r\n".join([b"POST / HTTP/1.1", *told, b"", b""])
        for count in range(3)
        for told in itertools.product(lines, repeat=count)
    }
    said: dict[Shape, set[object]] = {}
    for raw in heads:
        (shape, length), head = shape_of(raw), _read(raw)
        if head is not None and length is not None:
            assert head.length == length
        said.setdefault(shape, set()).add(head and _but_length(head, known=length is not None))
    assert all(len(several) == 1 for several in said.values())
    assert len(said) < len(heads)


def _but_length(head: ParsedHead, *, known: bool) -> tuple[bool, ParsedHead]:
    """All that a head says, but for its length where that is `known` from its shape."""
    bare = replace(head.head, fields=head.head.fields_without("content-length"))
    return known, replace(head, length=0 if known else head.length, head=bare)


def _read(raw: bytes) -> ParsedHead | None:
    try:
        return parse(raw)
    except HeadError:
        return None


def test_heads_that_differ_in_their_length_alone_are_read_once() -> None:
    table = build.sessions(Path(), mode="replay")
    made = Responder(Outcomes(lambda: table))
    route = made.route(Route("http", "127.0.0.1", 9, is_reverse=True))

    def asked(line: str) -> bytes:
        return f"POST {CHAT} HTTP/1.1\r\nHost: a\r\n{line}\r\n\r\n".encode()

    assert made.read_again(route, asked("Content-Length: 5")) is None
    first, _ = made.read(route, asked("Content-Length: 5"))
    for number in range(1000):
        assert made.read_again(route, asked(f"Content-Length: {number}")) == (first, number)
    assert len(route.heads) == 1
    for line in ("Content-Length: ", "Content-Length: 5\r\nContent-Length: 5", "Content-Length: 1e3"):
        assert made.read_again(route, asked(line)) is None
        with pytest.raises(HeadError):
            made.read(route, asked(line))


def test_heads_take_no_more_than_their_bytes_and_those_in_use_are_remembered() -> None:
    table = build.sessions(Path(), mode="replay")
    made = Responder(Outcomes(lambda: table))
    route = made.route(Route("http", "127.0.0.1", 9, is_reverse=True))

    def head(name: str, size: int) -> bytes:
        return f"GET /{name} HTTP/1.1\r\nHost: a\r\nX: {'x' * size}\r\n\r\n".encode()

    made.read(route, head("used", 10))
    for number in range(2_000):
        made.read(route, head(str(number), number % 3_000))
        assert made.read_again(route, head("used", 10)) is not None
        assert route.heads.cost <= responder._HEADS
    assert made.read_again(route, head("0", 0)) is None
    assert len(route.heads) > 20
    made.read(route, head("large", 5_000))
    assert made.read_again(route, head("large", 5_000)) is None
