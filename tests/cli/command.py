"""`mitmvcr` as a process of its own, as a user runs it, and cassettes for it to work on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from mitmvcr.formats import vcrpy
from mitmvcr.model import Cassette, Interaction, Request, Response

ADDON = Path(__file__).parents[2] / "addon"
ENV = {**os.environ, "PYTHONPATH": str(ADDON), "PYTHONDONTWRITEBYTECODE": "1", "COLUMNS": "100"}
COMMAND = (sys.executable, "-m", "mitmvcr")

KEY = "sk-" + "proj-" + "Ab3" * 16
CHAT = "https://api.openai.com/v1/chat/completions"


@dataclass(frozen=True, slots=True)
class Ran:
    """What a command came to."""

    status: int
    out: str
    err: str


def mitmvcr(*arguments: str | Path, cwd: Path | None = None) -> Ran:
    """Run it to its end; never a traceback."""
    done = subprocess.run(
        [*COMMAND, *map(str, arguments)], capture_output=True, cwd=cwd, env=ENV, check=False, timeout=120
    )
    ran = Ran(done.returncode, done.stdout.decode("utf-8", "surrogateescape"), done.stderr.decode())
    assert "Traceback" not in ran.err, ran.err
    return ran


def exchange(text: str = "Hello", url: str = CHAT, **response: object) -> Interaction:
    """A chat completion with all that recorders keep: a key, an organization, cookies."""
    asked = json.dumps({"model": "gpt-4o-mini", "messages": [{"role": "user", "content": text}]}).encode()
    answered = json.dumps(
        {
            "model": "gpt-4o-mini-2024-07-18",
            "choices": [{"index": 0, "message": {"role": "assistant", "content": f"{text}!"}}],
            "usage": {"prompt_tokens": 8, "completion_tokens": 2, "total_tokens": 10},
        }
    ).encode()
    return Interaction(
        Request(
            "POST",
            url,
            content_length=len(asked),
            body=asked,
            headers={
                "Content-Type": ["application/json"],
                "Authorization": [f"Bearer {KEY}"],
                "X-Stainless-Lang": ["python"],
            },
        ),
        Response(
            **{
                "code": 200,
                "status": "200 OK",
                "content_length": len(answered),
                "body": answered,
                "headers": {
                    "Content-Type": ["application/json"],
                    "Openai-Organization": ["acme-organization"],
                    "Set-Cookie": ["__cf_bm=cookie-value-1; path=/", "_cfuvid=cookie-value-2; path=/"],
                },
                **response,
            }  # type: ignore[arg-type]
        ),
    )


def write_vcrpy(path: Path, *interactions: Interaction) -> Path:
    """A cassette of VCR.py's at this path, of one exchange if none are given."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(vcrpy.dump(Cassette(interactions or (exchange(path.stem),))))
    return path


def write_llamastack(folder: Path, name: str, text: str = "Hello") -> Path:
    """One of llama-stack's recordings in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    body = {"model": "llama", "messages": [{"role": "user", "content": text}]}
    completion = {
        "id": "rec-1",
        "object": "chat.completion",
        "created": 0,
        "model": "llama",
        "choices": [
            {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": f"{text}!"}}
        ],
    }
    recording = {
        "test_id": "tests/test_a.py::test_a",
        "request": {
            "method": "POST",
            "url": "http://0.0.0.0:11434/v1/v1/chat/completions",
            "headers": {},
            "body": body,
            "endpoint": "/v1/chat/completions",
            "model": "llama",
        },
        "response": {
            "body": {"__type__": "openai.types.chat.chat_completion.ChatCompletion", "__data__": completion},
            "is_streaming": False,
        },
    }
    path = folder / name
    path.write_text(json.dumps(recording, indent=2))
    return path
