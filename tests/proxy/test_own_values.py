"""A program gets what it sent where the cassette has a replacement, on both engines."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mitmvcr.model import Interaction
from tests import build
from tests.conftest import Start
from tests.proxy.layer.test_http1_layer import BASE, talk
from tests.proxy.talk import CHAT, chat

KEYS = [
    "sk-" + "proj-Qw3rTy6uIo9pAsDfGh1jKl2zXcVb5nM7q",
    "sk-" + "proj-Zm4xNb7vCl9kJh2gFd5sAq8wEr1tYu3iO",
]  # made up
MARK = "REDACTED-token-1"


@pytest.mark.parametrize("engine", ["layer", "hooks"])
def test_each_program_gets_its_own_key_back(start: Start, tmp_path: Path, engine: str) -> None:
    stream = f'data: {{"delta": "your key is {MARK}"}}\n\ndata: [DONE]\n\n'
    asked = build.request(chat(f"use {MARK}"), url=BASE + CHAT)
    answers = [build.response({"used": MARK}), build.response(stream, content_type="text/event-stream")]
    build.write(tmp_path / "recordings" / "default.yaml", *(Interaction(asked, answer) for answer in answers))
    proxy = start(upstream=BASE, mode="replay", repeat="any", engine=engine)
    for key in KEYS:
        body = json.dumps(chat(f"use {key}")).encode()
        head = f"POST {CHAT} HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        with talk(proxy.reverse) as raw:
            for answer in (f'{{"used": "{key}"}}', stream.replace(MARK, key)):
                raw.send(head + body)
                assert raw.answer()[2] == answer.encode()
    assert proxy.stop() == 0
    assert not any(key in proxy.output for key in KEYS)
