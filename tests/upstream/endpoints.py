"""The endpoints that keep nothing: embeddings, models, audio, moderations, images."""

from __future__ import annotations

import base64
import hashlib
import math
import struct
from collections.abc import Iterator

from tests.upstream import words
from tests.upstream.forms import sent_file
from tests.upstream.wire import (
    CREATED,
    Answer,
    ApiError,
    Json,
    Request,
    data,
    missing,
    model_of,
    plain,
    stream,
)

MODELS = ("gpt-4o-mini", "gpt-4o", "gpt-4.1", "o4-mini", "text-embedding-3-small", "tts-1", "whisper-1")
_DIMENSIONS = {"text-embedding-3-large": 3072}
_SPOKEN = "The stand-in heard something, and it says the same to everyone."
_PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


def embeddings(request: Request) -> Answer:
    """POST /v1/embeddings."""
    body = request.json()
    model = model_of(body, request.args[0] if request.args else "")
    given = body.get("input")
    if given is None:
        raise missing("input")
    inputs = [given] if isinstance(given, str) or (given and isinstance(given[0], int)) else given
    size = int(body.get("dimensions") or _DIMENSIONS.get(model, 1536))
    as_text = body.get("encoding_format") == "base64"
    listed: list[Json] = []
    for index, each in enumerate(inputs):
        vector = _vector(repr(each), size)
        packed = base64.b64encode(struct.pack(f"<{size}f", *vector)).decode() if as_text else vector
        listed.append({"object": "embedding", "index": index, "embedding": packed})
    used = sum(words.tokens(str(each)) for each in inputs)
    usage = {"prompt_tokens": used, "total_tokens": used}
    return plain({"object": "list", "data": listed, "model": model, "usage": usage})


def _vector(text: str, size: int) -> list[float]:
    """A unit vector of float32 values that the text decides."""
    raw = b"".join(_noise(text, size * 2))[: size * 2]
    numbers = [number / 32768 for number in struct.unpack(f"<{size}h", raw)]
    length = math.sqrt(sum(number * number for number in numbers)) or 1.0
    return [round(number / length, 9) for number in numbers]


def _noise(text: str, size: int) -> Iterator[bytes]:
    for at in range(-(-size // 64)):
        yield hashlib.sha512(f"{text}{at}".encode()).digest()


def models(request: Request) -> Answer:
    """GET /v1/models."""
    return plain({"object": "list", "data": [_model(name) for name in MODELS]})


def model(request: Request) -> Answer:
    """GET /v1/models/{id}."""
    return plain(_model(_known(request.args[0])))


def delete_model(request: Request) -> Answer:
    """DELETE /v1/models/{id}: fine-tuned ones alone may go."""
    name = request.args[0]
    if name.startswith("ft:"):
        return plain({"id": name, "object": "model", "deleted": True})
    _known(name)
    raise ApiError(403, f"You have insufficient permissions to delete the model '{name}'.")


def _known(name: str) -> str:
    if name not in MODELS and not name.startswith("ft:"):
        raise ApiError(404, f"The model '{name}' does not exist", param="model", code="model_not_found")
    return name


def _model(name: str) -> Json:
    return {"id": name, "object": "model", "created": CREATED, "owned_by": "system"}


def speech(request: Request) -> Answer:
    """POST /v1/audio/speech: chunks of bytes that are no text, and no JSON anywhere."""
    body = request.json()
    model_of(body)
    size = request.knobs.size or 4096
    sound = b"\xff\xf3\xe4\xc4" + b"".join(_noise(str(body.get("input")), size))
    step = max(1, size // 8)
    chunks = [sound[at : min(at + step, size)] for at in range(0, size, step)]
    kind = {"wav": "audio/wav", "opus": "audio/opus", "flac": "audio/flac", "aac": "audio/aac"}
    return Answer(chunks, content_type=kind.get(body.get("response_format", ""), "audio/mpeg"), streamed=True)


def transcriptions(request: Request) -> Answer:
    """POST /v1/audio/transcriptions and …/translations."""
    form, _, sound = sent_file(request, "file")
    model_of(dict(form))
    text = f"{_SPOKEN} ({len(sound)} bytes)"
    wanted = form.get("response_format", "json")
    if form.get("stream") == "true":
        deltas = [data({"type": "transcript.text.delta", "delta": piece}) for piece in words.pieces(text)]
        return stream([*deltas, data({"type": "transcript.text.done", "text": text})], done=b"")
    if wanted in ("text", "srt", "vtt"):
        lines = {"srt": "1\n00:00:00,000 --> 00:00:02,500\n", "vtt": "WEBVTT\n\n00:00.000 --> 00:02.500\n"}
        body = lines.get(wanted, "") + text + "\n"
        return Answer((body.encode(),), content_type="text/plain; charset=utf-8")
    if wanted == "verbose_json":
        task = "translate" if request.path.endswith("translations") else "transcribe"
        return plain({"task": task, "language": "english", "duration": 2.5, "text": text})
    return plain({"text": text, "usage": {"type": "duration", "seconds": 3}})


def moderations(request: Request) -> Answer:
    """POST /v1/moderations: what says "violence" is flagged."""
    body = request.json()
    given = body.get("input")
    if given is None:
        raise missing("input")
    results = []
    for each in [given] if isinstance(given, str) else given:
        flagged = "violence" in words.text_of([each] if isinstance(each, dict) else each).lower()
        scores = {"violence": 0.97 if flagged else 1.5e-05, "harassment": 2.25e-06}
        categories = {"violence": flagged, "harassment": False}
        results.append({"flagged": flagged, "categories": categories, "category_scores": scores})
    named = body.get("model", "omni-moderation-latest")
    return plain({"id": f"modr-{request.token('id', length=29)}", "model": named, "results": results})


def images(request: Request) -> Answer:
    """POST /v1/images/generations: a PNG of one pixel, in base64."""
    return _pictures(request, request.json())


def edited_images(request: Request) -> Answer:
    """POST /v1/images/edits, with an image or some."""
    form, _, _ = sent_file(request, "image", "image[]")
    return _pictures(request, dict(form))


def image_variations(request: Request) -> Answer:
    """POST /v1/images/variations, which has no prompt."""
    form, _, _ = sent_file(request, "image")
    return _pictures(request, {"prompt": ""} | form)


def _pictures(request: Request, asked: Json) -> Answer:
    if "prompt" not in asked:
        raise missing("prompt")
    picture = base64.b64encode(_PNG).decode()
    used = words.tokens(str(asked["prompt"]))
    counts = {"input_tokens": used, "output_tokens": 272, "total_tokens": used + 272}
    usage = counts | {"input_tokens_details": {"text_tokens": used, "image_tokens": 0}}
    look = {"background": "opaque", "output_format": "png", "quality": "low", "size": "1024x1024"}
    if asked.get("stream") in (True, "true"):
        kind = "image_edit" if request.path.endswith("edits") else "image_generation"
        steps = [
            {"type": f"{kind}.partial_image", "partial_image_index": at}
            for at in range(int(asked.get("partial_images") or 0))
        ]
        events: list[Json] = [*steps, {"type": f"{kind}.completed", "usage": usage}]
        head: Json = {"b64_json": picture, "created_at": CREATED} | look
        return stream((_named(event | head) for event in events), done=b"")
    made = [{"b64_json": picture} for _ in range(int(asked.get("n") or 1))]
    return plain({"created": CREATED, "data": made, "usage": usage} | look)


def _named(event: Json) -> bytes:
    return f"event: {event['type']}\n".encode() + data(event)
