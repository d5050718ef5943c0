"""multipart/form-data taken apart: fields and files."""

from __future__ import annotations

import re

from tests.upstream.wire import ApiError, Request, missing

_FIELD = re.compile(rb'\b(name|filename)="([^"]*)"')


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


def sent_file(request: Request, *names: str) -> tuple[dict[str, str], str, bytes]:
    """The fields, and the name and content of the first of these files that there is; raises ApiError."""
    form, files = multipart(request)
    for name in names:
        if name in files:
            return form, *files[name]
    raise missing(names[0])
