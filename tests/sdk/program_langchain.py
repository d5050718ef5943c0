"""A program that uses `langchain-openai` and prints a line of JSON for each step.

Only the environment leads it to the API.
"""

from __future__ import annotations

import asyncio
import json

from langchain_core.tools import tool  # type: ignore[import-not-found] # in the frameworks' environment
from langchain_openai import (  # type: ignore[import-not-found] # in the frameworks' environment
    ChatOpenAI,
    OpenAIEmbeddings,
)
from pydantic import BaseModel

CHAT = ChatOpenAI(model="gpt-4o-mini")
# Counting tokens wants a table from the internet.
EMBEDDINGS = OpenAIEmbeddings(model="text-embedding-3-small", dimensions=4, check_embedding_ctx_length=False)


class City(BaseModel):
    """What a structured answer is parsed into."""

    name: str
    country: str


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def tell(name: str, value: object) -> None:
    """Print what a step was told."""
    print(json.dumps({"name": name, "value": value}))


def main() -> None:
    """The steps without asyncio."""
    tell("invoke", _told(CHAT.invoke("hello")))
    tell("stream", [_told(chunk) for chunk in CHAT.stream("stream")])
    tell("tools", _told(CHAT.bind_tools([tool(add)]).invoke("use the tool for 2 and 3")))
    tell("structured", repr(CHAT.with_structured_output(City).invoke("a city")))
    responses = ChatOpenAI(model="gpt-4o-mini", use_responses_api=True)
    tell("responses", _told(responses.invoke("respond")))
    tell("embeddings", EMBEDDINGS.embed_documents(["one", "two"]))


async def main_async() -> None:
    """The steps with it."""
    tell("ainvoke", _told(await CHAT.ainvoke("hello, async")))
    tell("astream", [_told(chunk) async for chunk in CHAT.astream("stream, async")])
    tell("aembeddings", await EMBEDDINGS.aembed_query("three"))


def _told(message: BaseModel) -> object:
    """A message without its id, which langchain makes up."""
    return {**message.model_dump(), "id": None}


if __name__ == "__main__":
    main()
    asyncio.run(main_async())
