"""A recorded response with the incoming request's own values in the places of replacements; keeps all else.

A value is written as its place needs it: escaped for JSON, once more for each level of JSON in its strings,
percent-coded in forms and URLs, as entities in XML. The bytes around a replacement stay as they are.
"""

from __future__ import annotations

import html
import re
from dataclasses import replace
from urllib.parse import quote, quote_plus

from mitmvcr.http.content_coding import stated_coding
from mitmvcr.http.event_stream import EventText, as_text, is_event_stream, patched
from mitmvcr.http.framing import has_lengths
from mitmvcr.http.go_rules import canonical_header, first_value
from mitmvcr.http.multipart import body_parts
from mitmvcr.http.sse import is_stream
from mitmvcr.model import Response, Values
from mitmvcr.replay.json_insertion import StreamText, Write, in_json, is_json, written
from mitmvcr.replay.own_values import MARKS, Literal, OwnValues, plain_mark
from mitmvcr.scrub.detect.archives import PackedError, unpacked
from mitmvcr.scrub.headers import holds_url

# What no header's value may hold.
_UNFIT = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
# What JSON escapes, and what ends a line of a stream.
_SPECIAL = re.compile(r'["\\\x00-\x1f\x7f-\U0010ffff]')
_MEDIA = re.compile("(?:audio|video|font)/|image/(?!svg)")
# A replacement in a body with lengths: with zeros in front of its number, it has the secret's size.
_SIZED = re.compile(rb"(REDACTED-[a-z][a-z0-9]*)-([0-9]+)")
_PART_TYPE = re.compile(rb"^content-type:[ \t]*([^\r\n]*)", re.IGNORECASE | re.MULTILINE)

_XML = re.compile(r"(?:text|application)/(?:html|xml)|.*\+xml")


def marks_of(response: Response) -> frozenset[str]:
    """The replacements in a response; a body is looked at without its content coding."""
    texts = [
        value for values in (response.headers, response.trailer) for text in values.values() for value in text
    ]
    body = as_text(_decoded(response).body)
    texts += [body.decode("latin-1")] if b"REDACTED-" in body else []
    found = (mark for text in texts if "REDACTED-" in text for mark in MARKS.findall(text))
    return frozenset(plain_mark(mark) for mark in found)


def with_own_values(response: Response, values: OwnValues) -> Response:
    """The response with these values in their replacements' places; the very one if it has none of these."""
    decoded = _decoded(response)
    content_type = first_value(decoded.headers, "Content-Type")
    body = _body(decoded.body, content_type, values)
    headers, trailer = (_headers(fields, values) for fields in (decoded.headers, decoded.trailer))
    if body == decoded.body and headers == decoded.headers and trailer == decoded.trailer:
        return response
    is_length = response.content_length == len(response.body)
    length = len(body) if is_length else response.content_length
    return replace(decoded, body=body, headers=headers, trailer=trailer, content_length=length)


def _decoded(response: Response) -> Response:
    """The response without its content coding, if it can be undone."""
    coding = stated_coding(response.headers)
    if not coding:
        return response
    try:
        body = unpacked(response.body, coding)
    except PackedError:
        return response
    headers = {
        name: values
        for name, values in response.headers.items()
        if canonical_header(name) not in ("Content-Encoding", "Content-Length")
    }
    return replace(response, body=body, headers=headers)


def _headers(fields: Values, values: OwnValues) -> Values:
    """Header fields; a value that none can hold, or that would be read as something else, stays replaced."""

    def field(name: str, text: str) -> str:
        if "REDACTED-" not in text:
            return text
        write: Write = _quoted if holds_url(name.lower()) else str
        fit = {mark: value for mark, value in values.items() if not _UNFIT.search(value)}
        if name.lower() == "set-cookie":
            fit = {mark: value for mark, value in fit.items() if ";" not in value}
        return written(text, fit, write)

    return (
        {name: [field(name, text) for text in texts] for name, texts in fields.items()} if fields else fields
    )


def _quoted(value: str) -> str:
    """A value as a part of a URL."""
    return quote(value, safe="", errors="surrogateescape")


def _body(body: bytes, content_type: str, values: OwnValues) -> bytes:
    media_type = content_type.partition(";")[0].strip().lower()
    if is_event_stream(body):
        frames = EventText.of(body)
        patches, seals = frames.back(StreamText(frames.text, values).patches())
        return patched(body, [*patches, *seals])
    if b"REDACTED-" not in body or _MEDIA.match(media_type):
        return body
    if has_lengths(body, media_type):
        return _SIZED.sub(lambda mark: _of_same_size(mark, values), body)
    if media_type.startswith("multipart/"):
        return _multipart(body, content_type, values)
    text = body.decode("utf-8", "surrogateescape")
    if media_type == "application/x-www-form-urlencoded":
        made = written(text, values, lambda value: quote_plus(value, errors="surrogateescape"))
    elif _XML.fullmatch(media_type):
        made = written(text, values, html.escape)
    elif not any(map(_needs_care, values.values())):
        made = written(text, values, str)
    elif is_stream(body, content_type):
        return StreamText(body, values).whole()
    else:
        made = in_json(text, values) if is_json(text) else written(text, values, str)
    return made.encode("utf-8", "surrogateescape")


def _of_same_size(mark: re.Match[bytes], values: OwnValues) -> bytes:
    """What takes a replacement's place where lengths stand around it: a value that has no other size."""
    value = values.get(f"{mark[1].decode()}-{int(mark[2])}", "").encode("utf-8", "surrogateescape")
    return value if len(value) == len(mark[0]) else mark[0]


def _needs_care(value: str) -> bool:
    """Whether a value is written in another way where it stands in JSON, or in a stream's line."""
    return isinstance(value, Literal) or _SPECIAL.search(value) is not None


def _multipart(body: bytes, content_type: str, values: OwnValues) -> bytes:
    for part in body_parts(body, content_type):
        head, blank, content = part.split()
        if blank and b"REDACTED-" in content:
            named = _PART_TYPE.search(head)
            inner = _body(content, named[1].decode("latin-1") if named else "", values)
            body = body.replace(part.raw, head + blank + inner)
    return body
