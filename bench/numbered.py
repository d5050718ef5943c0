"""Numbered exchanges, all of one size, as cassettes and as bytes on the wire; runs and measures nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from bench.load import HOST, Asked
from mitmvcr.formats.govcr import HEAD, Dialect, emit_interaction
from mitmvcr.model import Interaction
from tests import build

Kind: TypeAlias = Literal["JSON", "SSE"]
KINDS: tuple[Kind, ...] = ("JSON", "SSE")
CONTENT_TYPE = {"JSON": "application/json", "SSE": "text/event-stream"}
PLAIN, TLS = "http://127.0.0.1:9", f"https://{HOST}"
"""Where the exchanges were recorded: what the reverse listener stands before, and what clients tunnel to."""
PATH = "/v1/chat/completions"
MODEL = "gpt-4o-mini"
ID = "chatcmpl-" + "0" * 29
CREATED = 1_700_000_000
USAGE = {"prompt_tokens": 230, "completion_tokens": 170, "total_tokens": 400}

EVENT_TEXT = 58  # characters, which make an event of 271 bytes
_EVENTS = 60  # with the first one, which has no text, and the last one, which says why it ends; before [DONE]
_JSON_TEXT = 688  # characters, which make an answer of 1,000 bytes
_NUMBER = b"987654"
_STREAMS = 100  # of a cassette with more than one recording


@dataclass(frozen=True, slots=True)
class Exchange:
    """What is asked and answered, by a number that is in both texts."""

    number: int
    kind: Kind

    @property
    def prompt(self) -> str:
        """The user's message."""
        return f"{self.kind} number {self.number:06}: {'Go on ' * 150}"

    @property
    def text(self) -> str:
        """What the model says, in all events of a stream together."""
        length = _JSON_TEXT if self.kind == "JSON" else (_EVENTS - 2) * EVENT_TEXT
        return f"Answer {self.number:06}: {'and so it went ' * (length // 15)}".ljust(length)[:length]

    @property
    def asked(self) -> bytes:
        """The request's body."""
        messages = [{"role": "user", "content": self.prompt}]
        return _json({"model": MODEL, "stream": self.kind == "SSE", "messages": messages})

    @property
    def answer(self) -> bytes:
        """The answer's body."""
        if self.kind == "SSE":
            return b"".join(b"data: %b\n\n" % one for one in (*self._events(), b"[DONE]"))
        message = {"role": "assistant", "content": self.text, "refusal": None}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
        return _json({**_head("chat.completion"), "choices": [choice], "usage": USAGE})

    def _events(self) -> Iterator[bytes]:
        text = self.text
        deltas: list[dict[str, str]] = [{"role": "assistant", "content": ""}]
        deltas += [{"content": text[at : at + EVENT_TEXT]} for at in range(0, len(text), EVENT_TEXT)]
        for delta in (*deltas, {}):
            choice = {"index": 0, "delta": delta, "logprobs": None}
            choice["finish_reason"] = None if delta else "stop"
            yield _json({**_head("chat.completion.chunk"), "choices": [choice]})

    def on_the_wire(self, path: str = PATH) -> Asked:
        """The request with its head, and what is wanted."""
        asked = self.asked
        head = (
            f"POST {path} HTTP/1.1\r\nHost: {HOST}\r\nAccept: */*\r\nContent-Type: application/json\r\n"
            f"User-Agent: bench\r\nAuthorization: Bearer {'k' * 40}\r\nContent-Length: {len(asked)}\r\n\r\n"
        )
        return Asked(head.encode() + asked, self.answer)

    def recorded(self, base: str) -> Interaction:
        """The exchange as it is recorded from there."""
        request = build.request(self.asked, url=base + PATH)
        return Interaction(request, build.response(self.answer, content_type=CONTENT_TYPE[self.kind]))


def _head(of: str) -> dict[str, object]:
    return {"id": ID, "object": of, "created": CREATED, "model": MODEL}


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def exchanges(count: int) -> Iterator[Exchange]:
    """So many, of which some are streams; one of each kind if `count` is 1."""
    if count == 1:
        yield from (Exchange(0, kind) for kind in KINDS)
        return
    for number in range(count):
        yield Exchange(number, "JSON" if number % (count // _STREAMS) else "SSE")


def write_cassette(file: Path, count: int) -> None:
    """What our proxies replay; with one of each kind, that is there for TLS, too."""
    bases = (PLAIN, TLS) if count == 1 else (PLAIN,)
    # Each one differs from others of its kind by its numbers alone.
    stencils = {(base, kind): _stencil(base, kind) for base in bases for kind in KINDS}
    with file.open("wb") as text:
        text.write(HEAD)
        for base in bases:
            for id_, one in enumerate(exchanges(count), 0 if base == bases[0] else len(KINDS)):
                entry = stencils[base, one.kind].replace(_NUMBER, b"%06d" % one.number)
                text.write(entry.replace(b"id: 0", b"id: %d" % id_, 1))


def _stencil(base: str, kind: Kind) -> bytes:
    return emit_interaction(Exchange(int(_NUMBER), kind).recorded(base), 0, Dialect.CHARM)
