"""The stand-in's objects are OpenAI's: the SDK's types take each whole, lists have pages, polling gets on."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

import httpx
import openai
import pytest

from tests.upstream.server import Upstream

KEY = "sk-" + "a" * 48
MODEL = "gpt-4o-mini"
ADD: Any = {
    "type": "function",
    "function": {
        "name": "add",
        "parameters": {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}}},
    },
}
PNG = ("a.png", b"\x89PNG\r\n")

_M = TypeVar("_M", bound=openai.BaseModel)

# The assistants' methods are deprecated in the SDK, and are what is tested here.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    with Upstream.start() as started:
        yield started
        assert started.stderr() == ""


@pytest.fixture
def sdk(upstream: Upstream) -> Iterator[openai.OpenAI]:
    upstream.clear()
    with openai.OpenAI(base_url=f"{upstream.url}/v1", api_key=KEY, max_retries=0) as made:
        yield made


def valid(thing: _M) -> _M:
    """The thing, which pydantic finds to be of its type: the SDK itself doesn't look."""
    type(thing).model_validate(thing.to_dict(mode="json"))
    return thing


def ids(listed: Iterable[Any]) -> list[str]:
    return [valid(each).id for each in listed]


def upload(sdk: openai.OpenAI, content: bytes = b"text", name: str = "a.txt") -> str:
    return sdk.files.create(file=(name, content), purpose="assistants").id


def test_batch_gets_on_each_time_it_is_asked_for_and_answers_its_files_lines(sdk: openai.OpenAI) -> None:
    body = {"model": MODEL, "messages": [{"role": "user", "content": "hi"}]}
    line = {"custom_id": "one", "method": "POST", "url": "/v1/chat/completions", "body": body}
    given = upload(sdk, json.dumps(line).encode() + b"\n")
    made = valid(
        sdk.batches.create(
            input_file_id=given, endpoint="/v1/chat/completions", completion_window="24h", metadata={"a": "b"}
        )
    )
    seen = [valid(sdk.batches.retrieve(made.id)) for _ in range(4)]
    assert [made.status, *(each.status for each in seen)] == [
        "validating",
        "in_progress",
        "finalizing",
        "completed",
        "completed",
    ]
    assert seen[-1].completed_at
    assert seen[-1].metadata == {"a": "b"}
    (answer,) = sdk.files.content(seen[-1].output_file_id or "").text.splitlines()
    assert json.loads(answer)["custom_id"] == "one"
    assert "You said: hi" in answer


def test_batch_can_be_cancelled_until_it_is_done_and_fails_for_a_bad_line(sdk: openai.OpenAI) -> None:
    asked: Any = {"endpoint": "/v1/embeddings", "completion_window": "24h"}
    batch = sdk.batches.create(input_file_id=upload(sdk, b"{no json"), **asked)
    assert valid(sdk.batches.cancel(batch.id)).status == "cancelling"
    assert valid(sdk.batches.retrieve(batch.id)).cancelled_at
    with pytest.raises(openai.BadRequestError):
        sdk.batches.cancel(batch.id)
    other = sdk.batches.create(input_file_id=upload(sdk, b"{no json"), **asked)
    assert valid(sdk.batches.retrieve(other.id)).status == "failed"
    assert ids(sdk.batches.list(limit=1)) == [other.id, batch.id]


def test_lists_have_pages_both_ways_and_refuse_what_is_no_cursor(
    sdk: openai.OpenAI, upstream: Upstream
) -> None:
    made = [sdk.vector_stores.create(name=f"store {number}").id for number in range(5)]
    assert ids(sdk.vector_stores.list(limit=2)) == made[::-1]
    assert ids(sdk.vector_stores.list(limit=2, order="asc", after=made[0])) == made[1:]
    assert ids(sdk.vector_stores.list(order="asc", before=made[2]).data) == made[:2]
    page = sdk.vector_stores.list(limit=2).to_dict()
    assert (page["first_id"], page["last_id"], page["has_more"]) == (made[4], made[3], True)
    with pytest.raises(openai.BadRequestError, match="cursor"):
        sdk.vector_stores.list(after="vs_unknown")
    with pytest.raises(openai.BadRequestError, match="limit"):
        sdk.vector_stores.list(limit=0)
    assert [one.path.count("after=") for one in upstream.requests()[5:8]] == [0, 1, 1]


def test_ids_begin_anew_when_all_is_forgotten(sdk: openai.OpenAI, upstream: Upstream) -> None:
    first = [sdk.beta.threads.create().id for _ in range(2)]
    upstream.clear()
    assert [sdk.beta.threads.create().id for _ in range(2)] == first
    assert first[0] != first[1]


def test_vector_store_counts_its_files_and_finds_their_text(sdk: openai.OpenAI) -> None:
    stores = sdk.vector_stores
    key = upload(sdk, b"the text")
    store = valid(
        stores.create(name="docs", file_ids=[key], expires_after={"anchor": "last_active_at", "days": 1})
    )
    assert (store.status, store.file_counts.in_progress) == ("in_progress", 1)
    assert valid(stores.retrieve(store.id)).file_counts.completed == 1
    more = [upload(sdk, text) for text in (b"more", b"most")]
    attached = valid(
        stores.files.create_and_poll(vector_store_id=store.id, file_id=more[0], attributes={"n": 1})
    )
    assert (attached.status, attached.usage_bytes, attached.attributes) == ("completed", 4, {"n": 1})
    batch = valid(stores.file_batches.create_and_poll(store.id, file_ids=more))
    assert (batch.status, batch.file_counts.completed) == ("completed", 2)
    assert ids(stores.file_batches.list_files(batch.id, vector_store_id=store.id)) == more[::-1]
    cancelled = stores.file_batches.create(store.id, file_ids=more)
    assert valid(stores.file_batches.cancel(cancelled.id, vector_store_id=store.id)).status == "cancelled"
    assert [
        valid(found).content[0].text for found in stores.search(store.id, query="?", max_num_results=2)
    ] == [
        "the text",
        "more",
    ]
    assert [part.text for part in stores.files.content(key, vector_store_id=store.id)] == ["the text"]
    assert valid(stores.files.update(key, vector_store_id=store.id, attributes={"x": "y"})).attributes == {
        "x": "y"
    }
    assert valid(stores.files.delete(key, vector_store_id=store.id)).object == "vector_store.file.deleted"
    assert key not in ids(stores.files.list(store.id))
    assert valid(stores.update(store.id, name="renamed")).name == "renamed"
    assert valid(stores.delete(store.id)).deleted
    with pytest.raises(openai.NotFoundError, match="No vector store found with id"):
        stores.retrieve(store.id)


def test_run_is_polled_until_it_has_answered_the_thread(sdk: openai.OpenAI) -> None:
    beta = sdk.beta
    assistant = valid(beta.assistants.create(model=MODEL, name="Helper", instructions="Help."))
    thread = valid(beta.threads.create(messages=[{"role": "user", "content": "first"}]))
    valid(beta.threads.messages.create(thread.id, role="user", content=[{"type": "text", "text": "second"}]))
    run = valid(beta.threads.runs.create(thread.id, assistant_id=assistant.id))
    seen = [valid(beta.threads.runs.retrieve(run.id, thread_id=thread.id)) for _ in range(3)]
    assert [run.status, *(each.status for each in seen)] == [
        "queued",
        "in_progress",
        "completed",
        "completed",
    ]
    assert seen[-1].instructions == "Help."
    messages = [valid(each) for each in beta.threads.messages.list(thread.id, order="asc")]
    assert [each.role for each in messages] == ["user", "user", "assistant"]
    (step,) = [valid(each) for each in beta.threads.runs.steps.list(run.id, thread_id=thread.id)]
    assert step.step_details.type == "message_creation"
    assert step.step_details.message_creation.message_id == messages[-1].id
    assert valid(beta.threads.messages.retrieve(messages[-1].id, thread_id=thread.id)).run_id == run.id
    other = beta.threads.runs.create(thread.id, assistant_id=assistant.id)
    assert valid(beta.threads.runs.cancel(other.id, thread_id=thread.id)).status == "cancelling"
    assert valid(beta.threads.runs.retrieve(other.id, thread_id=thread.id)).status == "cancelled"
    assert ids(beta.threads.runs.list(thread.id)) == [other.id, run.id]
    assert valid(beta.threads.update(thread.id, metadata={"a": "b"})).metadata == {"a": "b"}
    assert valid(beta.assistants.update(assistant.id, name="Other")).name == "Other"
    assert valid(beta.threads.delete(thread.id)).object == "thread.deleted"
    assert valid(beta.assistants.delete(assistant.id)).object == "assistant.deleted"
    with pytest.raises(openai.NotFoundError):
        beta.threads.messages.create(thread.id, role="user", content="too late")


def test_run_waits_for_its_tools(sdk: openai.OpenAI) -> None:
    assistant = sdk.beta.assistants.create(model=MODEL, tools=[ADD])
    run = valid(
        sdk.beta.threads.create_and_run_poll(
            assistant_id=assistant.id,
            thread={"messages": [{"role": "user", "content": "use the tool for 2 and 3"}]},
        )
    )
    assert run.status == "requires_action"
    assert run.required_action
    (call,) = run.required_action.submit_tool_outputs.tool_calls
    assert json.loads(call.function.arguments) == {"a": 2, "b": 3}
    runs = sdk.beta.threads.runs
    with pytest.raises(openai.BadRequestError, match=call.id):
        runs.submit_tool_outputs(
            run.id, thread_id=run.thread_id, tool_outputs=[{"tool_call_id": "x", "output": "5"}]
        )
    outputs: Any = [{"tool_call_id": call.id, "output": "5"}]
    done = valid(
        runs.submit_tool_outputs_and_poll(run_id=run.id, thread_id=run.thread_id, tool_outputs=outputs)
    )
    assert done.status == "completed"
    steps = [valid(each) for each in runs.steps.list(run.id, thread_id=run.thread_id, order="asc")]
    assert [each.type for each in steps] == ["tool_calls", "message_creation"]
    with pytest.raises(openai.BadRequestError, match="completed"):
        runs.submit_tool_outputs(run.id, thread_id=run.thread_id, tool_outputs=outputs)


def test_streamed_run_tells_what_a_polled_one_leaves(sdk: openai.OpenAI) -> None:
    assistant = sdk.beta.assistants.create(model=MODEL, tools=[ADD])
    thread = sdk.beta.threads.create(messages=[{"role": "user", "content": "use the tool for 2 and 3"}])
    with sdk.beta.threads.runs.stream(thread_id=thread.id, assistant_id=assistant.id) as stream:
        kinds = [event.event for event in stream]
        (step,) = [valid(each) for each in stream.get_final_run_steps()]
    run = sdk.beta.threads.runs.retrieve(step.run_id, thread_id=thread.id)
    assert kinds[:3] == ["thread.run.created", "thread.run.queued", "thread.run.in_progress"]
    assert kinds[-1] == "thread.run.requires_action"
    assert run.required_action
    (call,) = run.required_action.submit_tool_outputs.tool_calls
    assert json.loads(call.function.arguments) == {"a": 2, "b": 3}
    with sdk.beta.threads.runs.submit_tool_outputs_stream(
        run_id=run.id, thread_id=thread.id, tool_outputs=[{"tool_call_id": call.id, "output": "5"}]
    ) as stream:
        stream.until_done()
        (said,) = [valid(each) for each in stream.get_final_messages()]
    kept = sdk.beta.threads.messages.retrieve(said.id, thread_id=thread.id)
    assert said.content == kept.content


def test_fine_tuning_job_succeeds_and_leaves_events_and_a_checkpoint(sdk: openai.OpenAI) -> None:
    jobs = sdk.fine_tuning.jobs
    job = valid(jobs.create(model=MODEL, training_file=upload(sdk), suffix="mine"))
    seen = [valid(jobs.retrieve(job.id)) for _ in range(3)]
    assert [each.status for each in seen] == ["queued", "running", "succeeded"]
    assert (seen[-1].fine_tuned_model or "").startswith("ft:")
    assert len(ids(jobs.list_events(job.id, limit=3))) == 4
    assert [valid(each).step_number for each in jobs.checkpoints.list(job.id)] == [3]
    assert valid(jobs.cancel(jobs.create(model=MODEL, training_file=upload(sdk)).id)).status == "cancelled"
    assert ids(jobs.list(limit=1))[-1] == job.id


def test_upload_becomes_a_file_of_its_parts_in_their_order(sdk: openai.OpenAI) -> None:
    content = bytes(range(250)) * 4
    done = valid(
        sdk.uploads.upload_file_chunked(
            file=content, filename="a.bin", bytes=1000, mime_type="text/plain", purpose="batch", part_size=300
        )
    )
    assert done.status == "completed"
    assert done.file
    assert sdk.files.content(done.file.id).read() == content
    begun = sdk.uploads.create(bytes=9, filename="b", mime_type="text/plain", purpose="batch")
    part = valid(sdk.uploads.parts.create(begun.id, data=b"short"))
    with pytest.raises(openai.BadRequestError, match="5 bytes, expected 9"):
        sdk.uploads.complete(begun.id, part_ids=[part.id])
    assert valid(sdk.uploads.cancel(begun.id)).status == "cancelled"
    with pytest.raises(openai.BadRequestError, match="cancelled"):
        sdk.uploads.complete(begun.id, part_ids=[part.id])


def test_conversation_holds_what_responses_add(sdk: openai.OpenAI) -> None:
    made = valid(sdk.conversations.create(items=[{"role": "user", "content": "one"}], metadata={"a": "b"}))
    answer = sdk.responses.create(model=MODEL, input="two", conversation=made.id)
    assert answer.conversation
    assert answer.conversation.id == made.id
    sdk.conversations.items.create(made.id, items=[{"role": "user", "content": "three"}])
    items: list[Any] = [valid(each) for each in sdk.conversations.items.list(made.id, order="asc", limit=2)]
    texts = [item.content[0].text for item in items]
    assert [texts[0], texts[1], texts[3]] == ["one", "two", "three"]
    assert texts[2] == answer.output_text
    assert sdk.conversations.items.delete(items[0].id, conversation_id=made.id).id == made.id
    assert len(sdk.conversations.items.list(made.id).data) == 3
    assert valid(sdk.conversations.delete(made.id)).deleted
    with pytest.raises(openai.NotFoundError):
        sdk.responses.create(model=MODEL, input="two", conversation=made.id)


def test_response_is_streamed_again_from_where_it_broke_off(sdk: openai.OpenAI) -> None:
    whole = list(sdk.responses.create(model=MODEL, input="go on", background=True, stream=True))
    last: Any = whole[-1]
    again = list(sdk.responses.retrieve(last.response.id, stream=True, starting_after=4))
    assert [each.type for each in again] == [each.type for each in whole[5:]]
    assert [each.sequence_number for each in again] == list(range(5, len(whole)))
    assert sdk.responses.input_tokens.count(model=MODEL, input="one two").input_tokens == 2


def test_images_are_edited_varied_and_streamed(sdk: openai.OpenAI) -> None:
    made = [
        sdk.images.generate(model="gpt-image-1", prompt="a pixel", n=2),
        sdk.images.edit(model="gpt-image-1", image=[PNG, PNG], mask=PNG, prompt="another"),
        sdk.images.create_variation(image=PNG),
    ]
    assert [len(valid(each).data or []) for each in made] == [2, 1, 1]
    streamed = sdk.images.generate(model="gpt-image-1", prompt="a pixel", stream=True, partial_images=1)
    kinds = [valid(event).type for event in streamed]
    assert kinds == ["image_generation.partial_image", "image_generation.completed"]
    edited = sdk.images.edit(model="gpt-image-1", image=PNG, prompt="another", stream=True)
    (event,) = edited
    assert event.type == "image_edit.completed"
    assert base64.b64decode(event.b64_json).startswith(b"\x89PNG")


@pytest.mark.parametrize("shape", ["json", "text", "srt", "vtt", "verbose_json"])
def test_translation_has_every_format(sdk: openai.OpenAI, shape: Any) -> None:
    said: Any = sdk.audio.translations.create(
        model="whisper-1", file=("a.wav", b"RIFF"), response_format=shape
    )
    assert "(4 bytes)" in (said if isinstance(said, str) else valid(said).text)


def test_azure_has_the_rest_beside_its_deployments(upstream: Upstream) -> None:
    with openai.AzureOpenAI(azure_endpoint=upstream.url, api_key=KEY, api_version="2025-03-01") as azure:
        assert azure.responses.create(model="mine", input="hi").output_text.startswith("You said: hi")
        assert azure.beta.threads.create().id.startswith("thread_")
        assert len(azure.audio.speech.create(model="mine", voice="alloy", input="hi").read()) == 4096
    reached = [one.path for one in upstream.requests()[-3:]]
    assert reached == [
        "/openai/responses?api-version=2025-03-01",
        "/openai/threads?api-version=2025-03-01",
        "/openai/deployments/mine/audio/speech?api-version=2025-03-01",
    ]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_have_the_status_that_is_asked_for(sdk: openai.OpenAI, status: int) -> None:
    raw = sdk.models.with_raw_response.list(extra_query={"standin": f"redirect={status}:/v1/models"})
    assert [one.status_code for one in raw.http_response.history] == [status]
    assert raw.parse().data


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/batches/batch_unknown"),
        ("POST", "/v1/threads/thread_unknown/runs"),
        ("GET", "/v1/threads/thread_unknown/messages/msg_unknown"),
        ("DELETE", "/v1/vector_stores/vs_unknown/files/file-unknown"),
        ("POST", "/v1/conversations/conv_unknown/items"),
        ("POST", "/v1/uploads/upload_unknown/complete"),
    ],
)
def test_what_was_never_made_is_not_found(upstream: Upstream, method: str, path: str) -> None:
    headers = {"authorization": f"Bearer {KEY}"}
    answer = httpx.request(method, upstream.url + path, headers=headers, content=b"{}", trust_env=False)
    assert answer.status_code == 404
    assert path.split("/")[3 if path.count("unknown") == 1 else -1] in answer.json()["error"]["message"]
