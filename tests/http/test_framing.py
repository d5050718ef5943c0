"""What has lengths inside is told from text, by its type, and by its looks where that says nothing."""

from __future__ import annotations

import pytest

from mitmvcr.http.framing import has_lengths

MESSAGE = b"\n\x05hello\x12\x03abc"


@pytest.mark.parametrize(
    "media_type",
    [
        *("application/x-protobuf", "application/protobuf", "application/vnd.google.protobuf"),
        *("application/grpc", "application/grpc+proto", "application/grpc-web+proto", "application/proto"),
        *("application/connect+proto", "application/msgpack", "application/x-msgpack", "application/cbor"),
        *("application/x-amz-cbor-1.1", "application/vnd.amazon.eventstream", "application/octet-stream", ""),
    ],
)
def test_bodies_of_these_types_have_lengths(media_type: str) -> None:
    assert has_lengths(MESSAGE, media_type)


@pytest.mark.parametrize(
    "media_type",
    [
        *("application/json", "text/event-stream", "application/grpc-web-text", "application/protobuf+json"),
        *("multipart/form-data", "audio/mpeg", "application/subscription", "application/vnd.api+json"),
    ],
)
def test_bodies_of_other_types_have_none(media_type: str) -> None:
    assert not has_lengths(MESSAGE, media_type)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b'{"a": 1}',
        "text, déjà vu\r\n\ttabbed \x1b[1m\f".encode(),
        b"caf\xe9 in Latin-1",
        "text of two bytes a letter".encode("utf-16"),
        "text of two bytes a letter".encode("utf-16-be"),
        "text of four".encode("utf-32-le"),
    ],
)
@pytest.mark.parametrize("media_type", ["", "application/octet-stream"])
def test_text_of_no_type_has_none(body: bytes, media_type: str) -> None:
    assert not has_lengths(body, media_type)
