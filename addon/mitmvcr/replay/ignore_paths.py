"""What `vcr_ignore` leaves out of a request: JSONPaths, fields of queries, forms and multipart; no I/O."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import unquote_plus

from mitmvcr.http.multipart import body_parts


def without_pairs(text: str, ignored: Sequence[str]) -> str:
    """A query or an urlencoded body without the pairs of ignored names, escaped or not."""
    if not ignored:
        return text
    return "&".join([pair for pair in text.split("&") if not _ignores(pair, ignored)])


def _ignores(pair: str, ignored: Sequence[str]) -> bool:
    name = pair.partition("=")[0]
    return name in ignored or unquote_plus(name) in ignored


def without_parts(body: bytes, content_type: str, ignored: Sequence[str]) -> bytes:
    """A multipart body's parts between bare dashes, without those of ignored names."""
    parts = body_parts(body, content_type)
    if not parts:
        return body
    return b"--".join([part.raw for part in parts if not ignored or part.name not in ignored])


def remove_paths(value: object, paths: Sequence[str]) -> None:
    """Take what JSONPaths find out of a JSON value, in place; the root itself can't be taken out.

    All are looked up before the first goes, so that `$[0]` and `$[1]` mean the value's own places.
    Raises RecursionError for a value that is nested too deeply.
    """
    if not paths or not isinstance(value, dict | list):
        return
    import jsonpath_rfc9535  # noqa: PLC0415 - 60 ms that only those who ignore paths pay

    try:
        found = {node.location for path in paths for node in jsonpath_rfc9535.find(path, value)} - {()}
    except jsonpath_rfc9535.JSONPathRecursionError as error:
        raise RecursionError(str(error)) from None
    # From the back, so that a list's later places go first and the earlier ones stay valid.
    for location in sorted(found, key=lambda place: [str(step).zfill(12) for step in place], reverse=True):
        _remove(value, location)


def _remove(value: object, location: Sequence[int | str]) -> None:
    *steps, last = location
    for step in steps:
        if isinstance(value, dict) and isinstance(step, str):
            value = value.get(step)
        elif isinstance(value, list) and isinstance(step, int) and step < len(value):
            value = value[step]
        else:
            return
    if isinstance(value, dict):
        value.pop(str(last), None)
    elif isinstance(value, list) and isinstance(last, int) and last < len(value):
        del value[last]
