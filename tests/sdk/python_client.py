"""What programs do with the `openai` package, sync and async; each step gives plain data to compare."""

from __future__ import annotations

import asyncio
import hashlib
import ssl
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import openai
from pydantic import BaseModel

from tests.proxy.talk import HEADERS, KEY, only_http2

MODEL = "gpt-4o-mini"
TOOLS: Any = [
    {
        "type": "function",
        "function": {
            "name": "add",
            "parameters": {
                "type": "object",
                "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
                "required": ["a", "b"],
            },
        },
    }
]


class City(BaseModel):
    """What a structured answer is parsed into."""

    name: str
    country: str


@dataclass(frozen=True, slots=True)
class Line:
    """How a client reaches the API: a base URL, or a proxy; the CA that it trusts; and who it is.

    A client with a key has an organization and a project too; in replay neither is needed.
    """

    base_url: str
    proxy: str = ""
    ca: Path | None = None
    http2: bool = False
    aiohttp: bool = False
    key: str = KEY

    def options(self, *, asynchronous: bool) -> dict[str, Any]:
        """The arguments of an OpenAI client."""
        asynchronous_kind = openai.DefaultAioHttpClient if self.aiohttp else openai.DefaultAsyncHttpxClient
        kind = asynchronous_kind if asynchronous else openai.DefaultHttpxClient
        client = kind(proxy=self.proxy or None, verify=self._trust(), trust_env=False, http2=self.http2)
        known = {"organization": "OpenAI-Organization", "project": "OpenAI-Project"}
        return {
            "api_key": self.key,
            "base_url": self.base_url,
            "http_client": client,
            "max_retries": 2,
            **({option: HEADERS[name] for option, name in known.items()} if self.key == KEY else {}),
        }

    def without_key(self) -> Line:
        """The same for a replay."""
        return replace(self, key="dummy")

    def _trust(self) -> Any:
        if not self.ca:
            return True
        return only_http2(self.ca) if self.http2 else ssl.create_default_context(cafile=str(self.ca))


def ask(text: str) -> Any:
    """Messages with one question."""
    return [{"role": "user", "content": text}]


def failure(error: openai.APIStatusError) -> dict[str, object]:
    """What a program sees of an error."""
    return {
        "type": type(error).__name__,
        "status": error.status_code,
        "message": str(error),
        "code": error.code,
    }


def chat(client: openai.OpenAI) -> object:
    return client.chat.completions.create(model=MODEL, messages=ask("hello")).model_dump()


def chat_streamed(client: openai.OpenAI) -> object:
    stream = client.chat.completions.create(
        model=MODEL, messages=ask("stream"), stream=True, stream_options={"include_usage": True}
    )
    return [chunk.model_dump() for chunk in stream]


def chat_helper(client: openai.OpenAI) -> object:
    with client.chat.completions.stream(
        model=MODEL, messages=ask("use the tool for 2 and 3"), tools=TOOLS
    ) as it:
        kinds = [event.type for event in it]
        return {"events": kinds, "whole": it.get_final_completion().model_dump()}


def structured(client: openai.OpenAI) -> object:
    done = client.chat.completions.parse(model=MODEL, messages=ask("a city"), response_format=City)
    return done.model_dump(warnings=False)


def response(client: openai.OpenAI) -> object:
    return client.responses.create(model=MODEL, input="respond").model_dump()


def response_streamed(client: openai.OpenAI) -> object:
    with client.responses.stream(model=MODEL, input="stream a response") as stream:
        kinds = [event.type for event in stream]
        return {"events": kinds, "whole": stream.get_final_response().model_dump()}


def left_after_the_last_event(client: openai.OpenAI) -> object:
    seen = []
    with client.responses.create(model=MODEL, input="leave early", stream=True) as stream:
        for event in stream:
            seen.append(event.type)
            if event.type == "response.completed":
                break
    return seen


def embeddings(client: openai.OpenAI) -> object:
    return client.embeddings.create(model="text-embedding-3-small", input=["one", "two"]).model_dump()


def models(client: openai.OpenAI) -> object:
    return client.models.list().model_dump()


def missing_model(client: openai.OpenAI) -> object:
    try:
        return client.models.retrieve("no-such-model").model_dump()
    except openai.NotFoundError as error:
        return failure(error)


def speech(client: openai.OpenAI) -> object:
    audio = client.audio.speech.create(model="tts-1", voice="alloy", input="say this").read()
    return {"bytes": len(audio), "sha256": hashlib.sha256(audio).hexdigest()}


def transcription(client: openai.OpenAI) -> object:
    audio = ("a.wav", b"RIFF\x00\xff\xfe", "audio/wav")
    return client.audio.transcriptions.create(model="whisper-1", file=audio).model_dump()


def files(client: openai.OpenAI) -> object:
    sent = client.files.create(file=("lines.jsonl", b'{"a": 1}\n\x00\xff'), purpose="batch")
    content = client.files.content(sent.id).read()
    return {
        "file": sent.model_dump(),
        "content": content.hex(),
        "gone": client.files.delete(sent.id).model_dump(),
    }


def background(client: openai.OpenAI) -> object:
    started = client.responses.create(model=MODEL, input="later", background=True)
    return [started.status, *(client.responses.retrieve(started.id).status for _ in range(2))]


def rate_limited(client: openai.OpenAI) -> object:
    headers = {"x-standin": "fail=2:429,retry-after-ms=20", "x-standin-id": "python"}
    return client.chat.completions.create(
        model=MODEL, messages=ask("wait"), extra_headers=headers
    ).model_dump()


def out_of_patience(client: openai.OpenAI) -> object:
    headers = {"x-standin": "fail=9:429,retry-after-ms=5", "x-standin-id": "impatient"}
    try:
        return client.with_options(max_retries=1).embeddings.create(
            model="text-embedding-3-small", input="never", extra_headers=headers
        )
    except openai.RateLimitError as error:
        return failure(error)


def refused_key(client: openai.OpenAI) -> object:
    try:
        return client.with_options(api_key="sk-" + "wrong").models.retrieve("gpt-4o").model_dump()
    except openai.AuthenticationError as error:
        # The message shows parts of the key, which no cassette keeps.
        return {**failure(error), "message": None}


SYNC: tuple[Callable[[openai.OpenAI], object], ...] = (
    chat,
    chat_streamed,
    chat_helper,
    structured,
    response,
    response_streamed,
    left_after_the_last_event,
    embeddings,
    models,
    missing_model,
    speech,
    transcription,
    files,
    background,
    rate_limited,
    out_of_patience,
    refused_key,
)


async def chat_async(client: openai.AsyncOpenAI) -> object:
    raw = await client.chat.completions.with_raw_response.create(model=MODEL, messages=ask("hello, async"))
    return {"version": raw.http_response.http_version, "whole": raw.parse().model_dump()}


async def chats_at_once(client: openai.AsyncOpenAI) -> object:
    questions = [ask(f"question {number}") for number in range(5)]
    made = [client.chat.completions.create(model=MODEL, messages=question) for question in questions]
    return [one.model_dump() for one in await asyncio.gather(*made)]


async def tool_async(client: openai.AsyncOpenAI) -> object:
    done = await client.chat.completions.create(
        model=MODEL, messages=ask("use the tool for 4 and 5"), tools=TOOLS, tool_choice="required"
    )
    return done.model_dump()


async def chat_streamed_async(client: openai.AsyncOpenAI) -> object:
    stream = await client.chat.completions.create(model=MODEL, messages=ask("stream, async"), stream=True)
    return [chunk.model_dump() async for chunk in stream]


async def response_streamed_async(client: openai.AsyncOpenAI) -> object:
    async with client.responses.stream(model=MODEL, input="stream, async") as stream:
        kinds = [event.type async for event in stream]
        return {"events": kinds, "whole": (await stream.get_final_response()).model_dump()}


async def embeddings_async(client: openai.AsyncOpenAI) -> object:
    return (await client.embeddings.create(model="text-embedding-3-small", input="async")).model_dump()


async def files_async(client: openai.AsyncOpenAI) -> object:
    sent = await client.files.create(file=("a.bin", bytes(range(256))), purpose="user_data")
    return [sent.model_dump(), (await client.files.content(sent.id)).content.hex()]


async def missing_model_async(client: openai.AsyncOpenAI) -> object:
    try:
        return (await client.models.retrieve("no-such-model")).model_dump()
    except openai.NotFoundError as error:
        return failure(error)


async def speech_async(client: openai.AsyncOpenAI) -> object:
    async with client.audio.speech.with_streaming_response.create(
        model="tts-1", voice="alloy", input="stream this"
    ) as audio:
        return [hashlib.sha256(await audio.read()).hexdigest(), audio.headers["content-type"]]


ASYNC: tuple[Callable[[openai.AsyncOpenAI], Awaitable[object]], ...] = (
    chat_async,
    chats_at_once,
    tool_async,
    chat_streamed_async,
    response_streamed_async,
    embeddings_async,
    files_async,
    missing_model_async,
    speech_async,
)


def run_sync(line: Line, steps: Sequence[Callable[[openai.OpenAI], object]] = SYNC) -> dict[str, Any]:
    """Every step of the sync client."""
    with openai.OpenAI(**line.options(asynchronous=False)) as client:
        return {step.__name__: step(client) for step in steps}


async def run_async(
    line: Line, steps: Sequence[Callable[[openai.AsyncOpenAI], Awaitable[object]]] = ASYNC
) -> dict[str, Any]:
    """Every step of the async client."""
    async with openai.AsyncOpenAI(**line.options(asynchronous=True)) as client:
        return {step.__name__: await step(client) for step in steps}
