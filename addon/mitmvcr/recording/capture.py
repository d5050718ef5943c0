"""What went over the wire -> what a Go client would have seen: the model's Request and Response.

No I/O. Header pairs come as the wire had them, bodies as they were sent.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

from mitmvcr.errors import TooLargeError
from mitmvcr.http.content_coding import UNLIMITED, decode_body, stated_coding
from mitmvcr.http.go_rules import (
    HOP_BY_HOP,
    bodiless,
    canonical_header,
    first_value,
    form_values,
    status_text,
)
from mitmvcr.http.sse import last_event
from mitmvcr.model import Request, Response

Pairs = Iterable[tuple[str, str]]
"""Header fields in the order and spelling of the wire."""

_FRAMING = HOP_BY_HOP | {"Host", "Content-Length"}

# Events behind which nothing comes: OpenAI's chat completions and assistants end with [DONE], the
# Responses, images, speech and transcription streams with an event of their own, Anthropic's with
# message_stop.
_LAST_EVENTS = frozenset(
    {
        "response.completed",
        "response.failed",
        "response.incomplete",
        "error",
        "image_generation.completed",
        "image_edit.completed",
        "speech.audio.done",
        "transcript.text.done",
        "message_stop",
    }
)


def request(method: str, url: str, headers: Pairs, body: bytes, limit: int = UNLIMITED) -> Request:
    """A request as Go's client would have made it, with all of its headers (scrubbing comes later).

    Raises TooLargeError if its body has more than `limit` bytes, as it was sent or decoded.
    """
    values = _canonical(headers)
    sized = "Content-Length" in values
    for name in _FRAMING:
        values.pop(name, None)
    decoded = _undo_coding(values, body, limit, cut=False)
    return Request(
        method=method,
        url=url,
        content_length=len(decoded) if sized else 0,
        body=decoded,
        form=form_values(method, url, first_value(values, "Content-Type"), decoded),
        headers=values,
    )


@dataclass(frozen=True, slots=True)
class ResponseHead:
    """A response's status line, headers and, where they have come, trailers, as the wire had them."""

    code: int
    reason: str
    http_version: str
    headers: Pairs
    trailers: Pairs = ()


def response(  # noqa: PLR0913 - an answer is no less than that
    method: str, head: ResponseHead, body: bytes, duration: int, limit: int = UNLIMITED, *, cut: bool = False
) -> Response:
    """A response as Go's client would have seen it; `duration` is in nanoseconds.

    `cut` says that the connection went away before the answer's end came (see `stream_is_whole`).
    Raises TooLargeError if its body has more than `limit` bytes, as it was sent or decoded.
    """
    values = _canonical(head.headers)
    chunked = "chunked" in first_value(values, "Transfer-Encoding").lower()
    length = first_value(values, "Content-Length")
    for name in _FRAMING:
        values.pop(name, None)
    decoded = _undo_coding(values, body, limit, cut=cut)
    http2 = head.http_version.startswith("HTTP/2")
    major, minor = (2, 0) if http2 else (1, int(not head.http_version.endswith(".0")))
    uncompressed = decoded is not body
    if method != "HEAD" and bodiless(method, head.code):
        content_length = 0
    elif length.isdecimal() and not chunked and not uncompressed:
        content_length = int(length)
    else:
        content_length = -1
    # HTTP/2 has no reasons, and Go puts its own; one that is missing in HTTP/1 is left out.
    text = status_text(head.code) if http2 else head.reason
    return Response(
        code=head.code,
        status=f"{head.code} {text}".rstrip(),
        proto=f"HTTP/{major}.{minor}",
        proto_major=major,
        proto_minor=minor,
        transfer_encoding=["chunked"] if chunked and not http2 else (),
        content_length=content_length,
        uncompressed=uncompressed,
        body=decoded,
        trailer=_canonical(head.trailers),
        headers=values,
        duration=duration,
    )


def stream_is_whole(head: ResponseHead, body: bytes, limit: int = UNLIMITED) -> bool:
    """Whether a stream had all of its events when the connection went away.

    Clients close right after the last event, before the answer's end comes. Raises TooLargeError as
    `response`.
    """
    values = _canonical(head.headers)
    if not first_value(values, "Content-Type").lower().startswith("text/event-stream"):
        return False
    event = last_event(_undo_coding(values, body, limit, cut=True))
    if event is None or event.data.rpartition(b"\n")[2].strip() == b"[DONE]":
        return event is not None
    try:
        value = json.loads(event.data) if event.is_ended else None
    except (ValueError, RecursionError):
        return False
    return isinstance(value, dict) and value.get("type") in _LAST_EVENTS


def _canonical(headers: Pairs) -> dict[str, list[str]]:
    values: dict[str, list[str]] = {}
    for name, value in headers:
        values.setdefault(canonical_header(name), []).append(value)
    return values


def _undo_coding(values: dict[str, list[str]], body: bytes, limit: int, *, cut: bool) -> bytes:
    """The body without its Content-Encoding, which goes from `values`; the very same if it has none."""
    if len(body) > limit:
        raise TooLargeError
    coding = stated_coding(values)
    if not coding or not body:
        return body
    decoded = decode_body(body, coding, limit, cut=cut)
    if decoded is None:
        return body
    del values["Content-Encoding"]
    return decoded
