"""A program that uses `openai` and `aiohttp`, and prints a line of JSON for each of its steps.

Only the environment leads it to the API.
"""

from __future__ import annotations

import asyncio
import json
import os
from typing import Any

import aiohttp
import openai

ASK: Any = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "from the environment"}]}


def tell(name: str, value: object) -> None:
    """Print what a step was told."""
    print(json.dumps({"name": name, "value": value}))


def main() -> None:
    """The steps without asyncio."""
    with openai.OpenAI() as client:
        tell("sync", client.chat.completions.create(**ASK).to_dict())
        stream = client.chat.completions.create(**ASK, stream=True)
        tell("sync_streamed", [chunk.to_dict() for chunk in stream])


async def main_async() -> None:
    """The steps with it."""
    async with openai.AsyncOpenAI() as client:
        tell("async", (await client.chat.completions.create(**ASK)).to_dict())
    async with openai.AsyncOpenAI(http_client=openai.DefaultAioHttpClient()) as client:
        tell("aiohttp", (await client.chat.completions.create(**ASK)).to_dict())
        stream = await client.chat.completions.create(**ASK, stream=True)
        tell("aiohttp_streamed", [chunk.to_dict() async for chunk in stream])
    await bare_aiohttp()


async def bare_aiohttp() -> None:
    """Without an SDK: it looks at HTTPS_PROXY if it is told to."""
    base = os.environ.get("OPENAI_BASE_URL", "https://api.openai.com/v1")
    # aiohttp 3.14 wants a newer Brotli than the one that stands beside mitmproxy 11.
    headers = {"Authorization": f"Bearer {os.environ['OPENAI_API_KEY']}", "Accept-Encoding": "gzip"}
    async with (
        aiohttp.ClientSession(trust_env=True, headers=headers) as session,
        session.post(f"{base}/chat/completions", json={**ASK, "stream": True}) as answer,
    ):
        tell("bare_aiohttp", [line.decode() async for line in answer.content])


if __name__ == "__main__":
    main()
    asyncio.run(main_async())
