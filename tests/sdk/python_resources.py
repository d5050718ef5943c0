"""What programs do with the rest of the API: what is polled, listed, cancelled; again plain data."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable
from typing import Any

import openai

from tests.sdk.python_client import MODEL, TOOLS, City, ask, failure

PNG = ("a.png", b"\x89PNG\r\n\x1a\n\x00\xff", "image/png")
WAV = ("a.wav", b"RIFF\x00\xff\xfe", "audio/wav")
POLL: Any = {"poll_interval_ms": 1}


def legacy_completions(client: openai.OpenAI) -> object:
    asked: Any = {"model": "gpt-3.5-turbo-instruct", "prompt": "once"}
    stream = client.completions.create(**asked, stream=True)
    return [client.completions.create(**asked).to_dict(), [chunk.to_dict() for chunk in stream]]


def embeddings_as_numbers_and_packed(client: openai.OpenAI) -> object:
    asked: Any = {"model": "text-embedding-3-small", "input": "one", "dimensions": 8}
    made = [client.embeddings.create(**asked, encoding_format=form) for form in ("float", "base64")]
    return [[vector.embedding for vector in one.data] for one in made]


def moderations(client: openai.OpenAI) -> object:
    return client.moderations.create(input=["peace", "violence"]).to_dict()


def raw_and_streaming_responses(client: openai.OpenAI) -> object:
    raw = client.chat.completions.with_raw_response.create(model=MODEL, messages=ask("raw"))
    with client.chat.completions.with_streaming_response.create(
        model=MODEL, messages=ask("lines"), stream=True
    ) as answer:
        lines = list(answer.iter_lines())
    return {
        "text": raw.text,
        "content_type": raw.headers["content-type"],
        "parsed": raw.parse().to_dict(),
        "lines": lines,
        "status": answer.status_code,
    }


def structured_responses(client: openai.OpenAI) -> object:
    answer = client.responses.parse(model=MODEL, input="a city", text_format=City)
    with client.responses.stream(model=MODEL, input="another city", text_format=City) as stream:
        stream.until_done()
        streamed = stream.get_final_response()
    with client.chat.completions.stream(model=MODEL, messages=ask("city"), response_format=City) as chat:
        parsed = chat.get_final_completion().choices[0].message.parsed
    return [repr(answer.output_parsed), repr(streamed.output_parsed), repr(parsed)]


def responses_kept(client: openai.OpenAI) -> object:
    """In the background: cancelled, streamed and taken up again; and what follows from one."""
    begun = client.responses.create(model=MODEL, input="never mind", background=True)
    stopped = client.responses.cancel(begun.id)
    stream = client.responses.create(model=MODEL, input="in the background", background=True, stream=True)
    first: list[Any] = [event.to_dict() for event in stream]
    name = first[0]["response"]["id"]
    again = client.responses.retrieve(name, stream=True, starting_after=3)
    more = client.responses.create(model=MODEL, input="and then?", previous_response_id=name)
    return {
        "cancelled": [stopped.status, client.responses.retrieve(begun.id).status],
        "first": first,
        "again": [event.to_dict() for event in again],
        "more": more.to_dict(),
        "input": client.responses.input_items.list(name).to_dict(),
        "count": client.responses.input_tokens.count(model=MODEL, input="how many").to_dict(),
        "deleted": client.responses.with_raw_response.delete(name).text,
    }


def conversations(client: openai.OpenAI) -> object:
    made = client.conversations.create(items=[{"role": "user", "content": "one"}])
    answer = client.responses.create(model=MODEL, input="two", conversation=made.id)
    items = [item.to_dict() for item in client.conversations.items.list(made.id, limit=1)]
    gone = client.conversations.delete(made.id)
    return [made.to_dict(), answer.to_dict(), items, gone.to_dict()]


def images(client: openai.OpenAI) -> object:
    asked: Any = {"model": "gpt-image-1", "prompt": "a pixel"}
    stream = client.images.generate(**asked, stream=True, partial_images=1)
    return [
        client.images.generate(**asked).to_dict(),
        [event.to_dict() for event in stream],
        client.images.edit(**asked, image=[PNG, PNG], mask=PNG).to_dict(),
        client.images.create_variation(image=PNG).to_dict(),
    ]


def audio(client: openai.OpenAI) -> object:
    whisper: Any = {"model": "whisper-1", "file": WAV}
    stream = client.audio.transcriptions.create(**whisper, stream=True)
    with client.audio.speech.with_streaming_response.create(
        model="tts-1", voice="alloy", input="in chunks", response_format="wav"
    ) as speech:
        digest = hashlib.sha256(b"".join(speech.iter_bytes())).hexdigest()
    return [
        [event.to_dict() for event in stream],
        client.audio.transcriptions.create(**whisper, response_format="verbose_json").to_dict(),
        client.audio.transcriptions.create(**whisper, response_format="srt"),
        client.audio.translations.create(**whisper).to_dict(),
        [digest, speech.headers["content-type"]],
    ]


def pages(client: openai.OpenAI) -> object:
    """Lists longer than a page, which the SDK asks for until there is no more."""
    kept = [client.vector_stores.create(name=f"store {number}").id for number in range(5)]
    sent = [client.files.create(file=(f"{n}.txt", str(n).encode()), purpose="user_data").id for n in range(3)]
    stores = [store.id for store in client.vector_stores.list(limit=2)]
    files = [file.id for file in client.files.list(limit=2, purpose="user_data")]
    assert (stores, sorted(files)) == (kept[::-1], sorted(sent))
    return [stores, files]


def batches(client: openai.OpenAI) -> object:
    """The same GET gets another answer each time."""
    body = {"model": MODEL, "messages": ask("in a batch")}
    line = {"custom_id": "one", "method": "POST", "url": "/v1/chat/completions", "body": body}
    sent = client.files.create(file=("batch.jsonl", json.dumps(line).encode()), purpose="batch")
    asked: Any = {"endpoint": "/v1/chat/completions", "completion_window": "24h"}
    batch = client.batches.create(input_file_id=sent.id, **asked)
    seen = [batch.to_dict()]
    while batch.status != "completed":
        batch = client.batches.retrieve(batch.id)
        seen.append(batch.to_dict())
    other = client.batches.create(input_file_id=sent.id, **asked)
    return {
        "seen": seen,
        "output": client.files.content(batch.output_file_id or "").text,
        "cancelled": [client.batches.cancel(other.id).status, client.batches.retrieve(other.id).status],
        "listed": [one.id for one in client.batches.list(limit=1)],
    }


def vector_stores(client: openai.OpenAI) -> object:
    stores = client.vector_stores
    sent = [client.files.create(file=(f"{n}.txt", n.encode()), purpose="assistants") for n in ("a", "b")]
    store = stores.create(name="docs", file_ids=[sent[0].id])
    attached = stores.files.create_and_poll(vector_store_id=store.id, file_id=sent[1].id, **POLL)
    uploaded = stores.files.upload_and_poll(vector_store_id=store.id, file=("c.txt", b"c"), **POLL)
    batch = stores.file_batches.create_and_poll(store.id, file_ids=[one.id for one in sent], **POLL)
    found = [one.to_dict() for one in stores.search(store.id, query="what?")]
    return {
        "store": [store.to_dict(), stores.retrieve(store.id).to_dict()],
        "files": [attached.to_dict(), uploaded.to_dict(), batch.to_dict()],
        "found": found,
        "content": [part.to_dict() for part in stores.files.content(sent[0].id, vector_store_id=store.id)],
        "gone": [
            stores.files.delete(sent[0].id, vector_store_id=store.id).to_dict(),
            stores.delete(store.id).to_dict(),
        ],
    }


def assistants(client: openai.OpenAI) -> object:
    """A run that is polled, waits for a tool, and is answered with the ids that it gave."""
    beta = client.beta
    helper = beta.assistants.create(model=MODEL, name="Helper", tools=TOOLS)
    thread = beta.threads.create(messages=ask("use the tool for 2 and 3"))
    run = beta.threads.runs.create_and_poll(thread_id=thread.id, assistant_id=helper.id, **POLL)
    assert run.required_action, run.status
    calls = run.required_action.submit_tool_outputs.tool_calls
    done = beta.threads.runs.submit_tool_outputs_and_poll(
        run_id=run.id,
        thread_id=thread.id,
        tool_outputs=[{"tool_call_id": call.id, "output": "5"} for call in calls],
        **POLL,
    )
    stopped = beta.threads.runs.create(thread.id, assistant_id=helper.id)
    return {
        "made": [helper.to_dict(), thread.to_dict()],
        "runs": [run.to_dict(), done.to_dict()],
        "messages": [one.to_dict() for one in beta.threads.messages.list(thread.id, limit=1)],
        "steps": [one.to_dict() for one in beta.threads.runs.steps.list(run.id, thread_id=thread.id)],
        "cancelled": beta.threads.runs.cancel(stopped.id, thread_id=thread.id).to_dict(),
        "gone": [beta.threads.delete(thread.id).to_dict(), beta.assistants.delete(helper.id).to_dict()],
    }


def assistants_streamed(client: openai.OpenAI) -> object:
    helper = client.beta.assistants.create(model=MODEL, instructions="Help.")
    thread: Any = {"messages": ask("say something")}
    with client.beta.threads.create_and_run_stream(assistant_id=helper.id, thread=thread) as stream:
        events = [event.to_dict() for event in stream]
        messages = [one.to_dict() for one in stream.get_final_messages()]
    return {"events": events, "messages": messages}


def fine_tuning(client: openai.OpenAI) -> object:
    """All but whose it is, which no cassette says."""
    jobs = client.fine_tuning.jobs
    sent = client.files.create(file=("train.jsonl", b"{}"), purpose="fine-tune")
    job = jobs.create(model=MODEL, training_file=sent.id)
    seen = [job.to_dict()]
    while job.status != "succeeded":
        job = jobs.retrieve(job.id)
        seen.append(job.to_dict())
    other = jobs.create(model=MODEL, training_file=sent.id)
    seen.append(jobs.cancel(other.id).to_dict())
    return {
        "seen": [{**one, "organization_id": None} for one in seen],
        "events": [event.to_dict() for event in jobs.list_events(job.id, limit=2)],
        "checkpoints": [one.to_dict() for one in jobs.checkpoints.list(job.id)],
        "listed": [one.id for one in jobs.list(limit=1)],
    }


def uploads(client: openai.OpenAI) -> object:
    asked: Any = {"mime_type": "text/plain", "purpose": "batch"}
    whole = client.uploads.upload_file_chunked(
        file=bytes(range(256)) * 4, filename="parts.bin", bytes=1024, part_size=400, **asked
    )
    begun = client.uploads.create(bytes=9, filename="never.bin", **asked)
    return [whole.to_dict(), client.uploads.cancel(begun.id).to_dict()]


def redirected(client: openai.OpenAI) -> object:
    """Kept as what they were: each step is a request of its own."""
    told = []
    for status in (307, 308):
        raw = client.chat.completions.with_raw_response.create(
            model=MODEL,
            messages=ask(f"go there by {status}"),
            extra_query={"standin": f"redirect={status}:/v1/chat/completions"},
        )
        told.append([[one.status_code for one in raw.http_response.history], raw.parse().to_dict()])
    moved = client.files.content(
        "file-standin", extra_query={"standin": "redirect=302:/v1/files/file-standin/content"}
    )
    return [told, moved.read().hex()]


def retried(client: openai.OpenAI) -> object:
    """What the SDK made of 429 and 503, by itself."""
    told = []
    for words in ("fail=2:429,retry-after-ms=5", "fail=1:503,retry-after=0.01"):
        headers = {"x-standin": words, "x-standin-id": words}
        raw = client.chat.completions.with_raw_response.create(
            model=MODEL, messages=ask(f"wait: {words}"), extra_headers=headers
        )
        told.append([raw.retries_taken, raw.parse().to_dict()])
    return told


def errors(client: openai.OpenAI) -> object:
    told = []
    for call in (
        lambda: client.batches.retrieve("batch_unknown"),
        lambda: client.vector_stores.list(limit=0),
        lambda: client.responses.cancel("resp_unknown"),
    ):
        try:
            call()
        except openai.APIStatusError as error:
            told.append(failure(error))
    return told


RESOURCES: tuple[Callable[[openai.OpenAI], object], ...] = (
    legacy_completions,
    embeddings_as_numbers_and_packed,
    moderations,
    raw_and_streaming_responses,
    structured_responses,
    responses_kept,
    conversations,
    images,
    audio,
    pages,
    batches,
    vector_stores,
    assistants,
    assistants_streamed,
    fine_tuning,
    uploads,
    retried,
    errors,
)


async def pages_async(client: openai.AsyncOpenAI) -> object:
    kept = [(await client.vector_stores.create(name=f"store {number}")).id for number in range(3)]
    stores = [store.id async for store in client.vector_stores.list(limit=2)]
    assert stores == kept[::-1]
    return stores


async def polled_async(client: openai.AsyncOpenAI) -> object:
    helper = await client.beta.assistants.create(model=MODEL)
    run = await client.beta.threads.create_and_run_poll(
        assistant_id=helper.id, thread={"messages": ask("poll me")}, **POLL
    )
    begun = await client.responses.create(model=MODEL, input="poll me", background=True)
    seen = [(await client.responses.retrieve(begun.id)).status for _ in range(2)]
    return [run.to_dict(), begun.status, *seen]


async def structured_async(client: openai.AsyncOpenAI) -> object:
    async with client.chat.completions.stream(
        model=MODEL, messages=ask("a city"), response_format=City
    ) as stream:
        kinds = [event.type async for event in stream]
        final = await stream.get_final_completion()
    return [kinds, repr(final.choices[0].message.parsed)]


async def uploaded_async(client: openai.AsyncOpenAI) -> object:
    edited = await client.images.edit(model="gpt-image-1", prompt="a pixel", image=PNG)
    heard = await client.audio.transcriptions.create(model="whisper-1", file=WAV)
    return [edited.to_dict(), heard.to_dict()]


async def retried_async(client: openai.AsyncOpenAI) -> object:
    headers = {"x-standin": "fail=2:429,retry-after-ms=5", "x-standin-id": "async"}
    raw = await client.embeddings.with_raw_response.create(
        model="text-embedding-3-small", input="wait", dimensions=4, extra_headers=headers
    )
    return [raw.retries_taken, raw.parse().to_dict()]


async def redirected_async(client: openai.AsyncOpenAI) -> object:
    query = {"standin": "redirect=307:/v1/moderations"}
    return (await client.moderations.create(input="go there", extra_query=query)).to_dict()


ASYNC_RESOURCES: tuple[Callable[[openai.AsyncOpenAI], Awaitable[object]], ...] = (
    pages_async,
    polled_async,
    structured_async,
    uploaded_async,
    retried_async,
)


def azure(client: openai.AzureOpenAI) -> object:
    """The model is a deployment's name, in the path where Azure has it there."""
    asked: Any = {"model": "mine", "messages": ask("hello, Azure")}
    stream = client.chat.completions.create(**asked, stream=True)
    sent = client.files.create(file=("a.txt", b"Azure"), purpose="assistants")
    helper = client.beta.assistants.create(model="mine")
    thread: Any = {"messages": ask("run in Azure")}
    run = client.beta.threads.create_and_run_poll(assistant_id=helper.id, thread=thread, **POLL)
    return {
        "chat": client.chat.completions.create(**asked).to_dict(),
        "stream": [chunk.to_dict() for chunk in stream],
        "embeddings": client.embeddings.create(model="vectors", input="one", dimensions=4).to_dict(),
        "response": client.responses.create(model="mine", input="respond, Azure").to_dict(),
        "file": [sent.to_dict(), client.files.content(sent.id).text],
        "run": run.to_dict(),
        "speech": client.audio.speech.create(model="voice", voice="alloy", input="say").read().hex(),
        "heard": client.audio.transcriptions.create(model="ears", file=WAV).to_dict(),
        "image": client.images.generate(model="painter", prompt="a pixel").to_dict(),
    }


async def azure_async(client: openai.AsyncAzureOpenAI) -> object:
    asked: Any = {"model": "mine", "messages": ask("hello, Azure, async")}
    whole = await client.chat.completions.create(**asked)
    stream = await client.chat.completions.create(**asked, stream=True)
    return [whole.to_dict(), [chunk.to_dict() async for chunk in stream]]


def azure_v1(client: openai.OpenAI) -> object:
    """Azure's newer paths, which the plain client speaks."""
    stream = client.responses.create(model="mine", input="v1", stream=True)
    return [[event.to_dict() for event in stream], client.models.retrieve("gpt-4o").to_dict()]
