"""What the serving layer keeps of answers: right however little is kept, and never more than the bound."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mitmvcr.model import Interaction
from mitmvcr.proxy import replies
from mitmvcr.proxy.answering import Answering
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
            wait, data = made.reply(made.known(place, head), body, len(body))
            assert wait == 0
            assert data.endswith(b'\r\n\r\n{"said": "%d"}' % number)
            (known,) = made._assembled.values()
            assert known.size == sum(len(one.data) for one in known.answers.values())
            assert known.size <= max(bound, len(data))
            kept = len(known.answers)
    assert (kept == _COUNT) == (bound == 1 << 20)
