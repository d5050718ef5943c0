"""A program that uses `litellm` and prints a line of JSON for each step; only the environment leads it."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import litellm  # type: ignore[import-not-found] # it is in the virtual environment of the frameworks

litellm.suppress_debug_info = True  # it prints advice among the program's own lines
CHAT: Any = {"model": "gpt-4o-mini"}
EMBEDDING: Any = {"model": "text-embedding-3-small", "input": ["one"], "dimensions": 4}


def tell(name: str, value: object) -> None:
    """Print what a step was told."""
    print(json.dumps({"name": name, "value": value}))


def ask(text: str, **more: object) -> Any:
    """The arguments of a completion."""
    return {**CHAT, "messages": [{"role": "user", "content": text}], **more}


def main() -> None:
    """The steps without asyncio."""
    tell("completion", litellm.completion(**ask("hello")).model_dump())
    tell("stream", [_told(chunk) for chunk in litellm.completion(**ask("stream"), stream=True)])
    tell("embedding", litellm.embedding(**EMBEDDING).model_dump())
    try:
        litellm.completion(**{**ask("hello"), "model": "openai/no-such-model"})
    except litellm.NotFoundError as error:
        tell("missing_model", error.status_code)


async def main_async() -> None:
    """The steps with it."""
    tell("acompletion", (await litellm.acompletion(**ask("hello, async"))).model_dump())
    stream = await litellm.acompletion(**ask("stream, async"), stream=True)
    tell("astream", [_told(chunk) async for chunk in stream])
    tell("aembedding", (await litellm.aembedding(**{**EMBEDDING, "input": ["two"]})).model_dump())


def _told(chunk: Any) -> object:
    """A chunk without the time, which litellm takes from the clock."""
    return {**chunk.model_dump(), "created": None}


if __name__ == "__main__":
    main()
    asyncio.run(main_async())
