"""Which bodies have lengths inside, so that what is replaced in them must keep its size; reads none."""

from __future__ import annotations

import re

_WITH_LENGTHS = frozenset(
    (
        *("protobuf", "proto", "grpc", "msgpack", "messagepack", "cbor", "bson", "avro", "thrift"),
        *("flatbuffers", "ion", "eventstream"),
    )
)
"""Names of formats, of which a media type has one between its dots, hyphens and pluses."""
_OF_TEXT = frozenset(("text", "json", "xml", "yaml"))
"""What a media type ends in that is text all the same: gRPC-Web's Base64, and protobuf's JSON."""
_OF_ANY_KIND = ("", "application/octet-stream", "binary/octet-stream")
# Control characters that no text has; escape and form feed are in texts of terminals.
_BINARY = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")


def has_lengths(body: bytes, media_type: str) -> bool:
    """Whether a body may have lengths; `media_type` in lower case, without parameters.

    By the type, and where that says nothing by control characters, which text in UTF-8 has none of.
    """
    if media_type in _OF_ANY_KIND:
        return _BINARY.search(body) is not None and not _is_wide(body)
    names = re.split(r"[/.+-]", media_type)
    return names[-1] not in _OF_TEXT and not _WITH_LENGTHS.isdisjoint(names)


def _is_wide(body: bytes) -> bool:
    """Whether a body may be text in UTF-16 or UTF-32: half of its bytes, at one place of two, are zeros."""
    if body.startswith((b"\xff\xfe", b"\xfe\xff")):
        return True
    zeros = max(body[0::2].count(0), body[1::2].count(0))
    return zeros * 2 > len(body) * 0.7
