"""The fields of go-vcr's requests and responses, in its order, and what each holds; reads none.

They are those of `cassette.Request` and `cassette.Response` of gopkg.in/dnaeon/go-vcr.v4.
"""

_PROTO = {"proto": "string", "proto_major": "integer", "proto_minor": "integer"}
_FRAMING = {"transfer_encoding": "strings", "trailer": "values"}
_LENGTH = {"content_length": "integer"}

REQUEST = {
    **_PROTO,
    **_LENGTH,
    **_FRAMING,
    **dict.fromkeys(("host", "remote_addr", "request_uri"), "string"),
    "body": "body",
    "form": "values",
    "headers": "values",
    "url": "string",
    "method": "string",
}
"""Names and kinds, in the order in which they are written."""
RESPONSE = {
    **_PROTO,
    **_FRAMING,
    **_LENGTH,
    "uncompressed": "boolean",
    "body": "body",
    "headers": "values",
    "status": "string",
    "code": "integer",
    "duration": "duration",
}
"""Names and kinds, in the order in which they are written."""
