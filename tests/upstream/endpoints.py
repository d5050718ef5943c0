"""The smaller endpoints: embeddings, models, audio, files, moderations, images."""

from __future__ import annotations

import base64
import hashlib
import math
import re
import struct
from collections.abc import Iterator

from tests.upstream import words
from tests.upstream.state import State, Upload
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
BUILT_IN = Upload("standin.bin", bytes(range(256)), "user_data")
_DIMENSIONS = {"text-embedding-3-large": 3072}
_SPOKEN = "The stand-in heard something, and it says the same to everyone."
_PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
_FIELD = re.compile(rb'\b(name|filename)="([^"]*)"')


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
    """POST /v1/audio/transcriptions."""
    form, files = multipart(request)
    if "file" not in files:
        raise missing("file")
    text = f"{_SPOKEN} ({len(files['file'][1])} bytes)"
    form_stream = form.get("stream") == "true"
    wanted = form.get("response_format", "json")
    if form_stream:
        deltas = [data({"type": "transcript.text.delta", "delta": piece}) for piece in words.pieces(text)]
        return stream([*deltas, data({"type": "transcript.text.done", "text": text})], done=b"")
    if wanted == "text":
        return Answer((text.encode() + b"\n",), content_type="text/plain; charset=utf-8")
    if wanted == "verbose_json":
        return plain({"task": "transcribe", "language": "english", "duration": 2.5, "text": text})
    return plain({"text": text, "usage": {"type": "duration", "seconds": 3}})


def multipart(request: Request) -> tuple[dict[str, str], dict[str, tuple[str, bytes]]]:
    """The fields and the files (name and content) of a multipart/form-data body."""
    _, _, boundary = request.headers.get("content-type", "").partition("boundary=")
    if not boundary:
        raise ApiError(400, "Missing boundary in the multipart/form-data Content-Type.")
    form: dict[str, str] = {}
    files: dict[str, tuple[str, bytes]] = {}
    mark = b"\r\n--" + boundary.strip('"').encode()
    for part in (b"\r\n" + request.body).split(mark)[1:-1]:
        head, _, content = part.partition(b"\r\n\r\n")
        found = {name: value.decode() for name, value in _FIELD.findall(head)}
        name = found.get(b"name", "")
        if b"filename" in found:
            files[name] = (found[b"filename"], content)
        else:
            form[name] = content.decode()
    return form, files


def upload(request: Request, state: State) -> Answer:
    """POST /v1/files."""
    form, files = multipart(request)
    if "file" not in files:
        raise missing("file")
    if "purpose" not in form:
        raise missing("purpose")
    name, content = files["file"]
    # A multipart boundary is random: the id comes from what was sent, not from how.
    digest = hashlib.sha256(repr((name, form["purpose"])).encode() + content).hexdigest()
    key = f"file-{digest[:22]}"
    state.keep(state.files, key, Upload(name, content, form["purpose"]))
    return plain(_file(key, state))


def files(request: Request, state: State) -> Answer:
    """GET /v1/files."""
    listed = [_file(key, state) for key in state.files]
    return plain({"object": "list", "data": listed, "has_more": False})


def file(request: Request, state: State) -> Answer:
    """GET /v1/files/{id}."""
    return plain(_file(request.args[0], state))


def delete_file(request: Request, state: State) -> Answer:
    """DELETE /v1/files/{id}."""
    _upload(request.args[0], state)
    state.files.pop(request.args[0], None)
    return plain({"id": request.args[0], "object": "file", "deleted": True})


def content(request: Request, state: State) -> Answer:
    """GET /v1/files/{id}/content: the bytes as they were uploaded."""
    found = _upload(request.args[0], state)
    named = ("Content-Disposition", f'attachment; filename="{found.filename}"')
    return Answer((found.content,), content_type="application/octet-stream", headers=(named,))


def _upload(key: str, state: State) -> Upload:
    found = BUILT_IN if key == "file-standin" else state.files.get(key)
    if found is None:
        raise ApiError(404, f"No such File object: {key}", param="id")
    return found


def _file(key: str, state: State) -> Json:
    found = _upload(key, state)
    return {
        "object": "file",
        "id": key,
        "purpose": found.purpose,
        "filename": found.filename,
        "bytes": len(found.content),
        "created_at": CREATED,
        "expires_at": None,
        "status": "processed",
        "status_details": None,
    }


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
    body = request.json()
    if "prompt" not in body:
        raise missing("prompt")
    made = [{"b64_json": base64.b64encode(_PNG).decode()} for _ in range(int(body.get("n") or 1))]
    used = words.tokens(str(body["prompt"]))
    usage = {"input_tokens": used, "output_tokens": 272, "total_tokens": used + 272}
    return plain({"created": CREATED, "data": made, "usage": usage})
