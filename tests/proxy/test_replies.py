"""What the serving layer keeps of answers: right however little is kept, and never more than the bound."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mitmvcr.model import Interaction
from mitmvcr.proxy import replies
from mitmvcr.proxy.answering import Answering
from mitmvcr.proxy.heads import Head, HeadError, parse, shape_of
from mitmvcr.proxy.lines import Lines, log
from mitmvcr.proxy.replies import Place, Replies
from tests import build
from tests.proxy.talk import CHAT, chat
from tests.proxy.test_layer import BASE

_COUNT = 40


@pytest.mark.parametrize("bound", [0, 500, 3000, 1 << 20])
def test_answers_are_right_whatever_is_kept_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bound: int
) -> None:
    monkeypatch.setattr(replies, "_ANSWERS", bound)
    monkeypatch.setattr(replies, "_ANSWERS_EACH", 0)
    monkeypatch.setattr(replies, "_KEYS", 8)
    monkeypatch.setattr(log, "disabled", True)  # its lines need an event loop
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
    made = Replies(lambda: table, Answering(Lines()), lambda: None)
    place = made.place(Place("http", "127.0.0.1", 9, is_reverse=True))
    kept = 0
    for _ in range(3):
        for number in range(_COUNT):
            body = json.dumps(chat(f"{number}")).encode()
            head = f"POST {CHAT} HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n\r\n".encode()
            asked, length = made.known(place, head)
            assert length == len(body)
            wait, data = made.reply(asked, body, length)
            assert wait == 0
            assert data.endswith(b'\r\n\r\n{"said": "%d"}' % number)
            (known,) = made._assembled.values()
            assert known.size == sum(len(one.data) for one in known.answers.values())
            assert known.size <= max(bound, len(data))
            kept = len(known.answers)
    assert (kept == _COUNT) == (bound == 1 << 20)


_LINES = st.sampled_from(
    [
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
)
_TOLD = st.tuples(_LINES, st.integers(0, 12))


@given(first=st.lists(_TOLD, max_size=3), second=st.lists(_TOLD, max_size=3), same=st.booleans())
def test_heads_of_one_shape_say_the_same_but_for_their_length(
    first: list[tuple[bytes, int]], second: list[tuple[bytes, int]], *, same: bool
) -> None:
    if same:  # in all but the numbers
        second = [(line, number) for (line, _), (_, number) in zip(first, [*second, *first], strict=False)]
    raws = [
        b"\r\n".join([b"POST / HTTP/1.1", *(line.replace(b"%d", b"%d" % n) for line, n in those), b"", b""])
        for those in (first, second)
    ]
    (shape, length), (other_shape, other_length) = map(shape_of, raws)
    one, two = map(_read, raws)
    if shape != other_shape:
        return
    assert (one is None) == (two is None)
    assert (length is None) == (other_length is None)
    if one is None or two is None:
        return
    if length is not None:
        assert (one.length, two.length) == (length, other_length)
    assert [_but_length(one), one.length if length is None else 0] == [
        _but_length(two),
        two.length if length is None else 0,
    ]


def _but_length(head: Head) -> Head:
    fields = tuple(field for field in head.fields if field[0].lower() != "content-length")
    return replace(head, length=0, fields=fields)


def _read(raw: bytes) -> Head | None:
    try:
        return parse(raw)
    except HeadError:
        return None


def test_heads_that_differ_in_their_length_alone_are_read_once() -> None:
    made = Replies(lambda: build.sessions(Path(), mode="replay"), Answering(Lines()), lambda: None)
    place = made.place(Place("http", "127.0.0.1", 9, is_reverse=True))

    def asked(line: str) -> bytes:
        return f"POST {CHAT} HTTP/1.1\r\nHost: a\r\n{line}\r\n\r\n".encode()

    assert made.plain(place, asked("Content-Length: 5")) is None
    first, _ = made.known(place, asked("Content-Length: 5"))
    for number in range(1000):
        assert made.plain(place, asked(f"Content-Length: {number}")) == (first, number)
    assert len(place.heads) == 1
    for line in ("Content-Length: ", "Content-Length: 5\r\nContent-Length: 5", "Content-Length: 1e3"):
        assert made.plain(place, asked(line)) is None
        with pytest.raises(HeadError):
            made.known(place, asked(line))
