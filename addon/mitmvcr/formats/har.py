"""HAR 1.2, as mitmproxy, browsers and Postman write it: bytes <-> model.

http://www.softwareishard.com/blog/har-12-spec/; where that is silent, what mitmproxy's own writer
and reader do (mitmproxy 12.2, addons/savehar.py and io/har.py). Never opens what an entry links to.
"""

from __future__ import annotations

import base64
import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from urllib.parse import urlencode

import mitmvcr
from mitmvcr.errors import FormatError
from mitmvcr.formats import har_text, recorded_http, yaml_json
from mitmvcr.formats.yaml_json import Value
from mitmvcr.http.content_coding import stated_coding
from mitmvcr.http.go_rules import bodiless, first_value, status_text
from mitmvcr.model import Cassette, Interaction, Request, Response, Values

_UNKNOWN_TIME = "1970-01-01T00:00:00.000Z"

_HTTP_2_OR_3 = re.compile(r"(?i)(?:http/?|h)([23])(?:\.0)?")


def load(data: bytes) -> Cassette:
    """The exchanges in the file's log; raises FormatError.

    Entries that can't be served (no answer, a WebSocket, a body that wasn't saved), or that are none, are in
    `notes`: one odd entry costs no other.
    """
    document = yaml_json.mapping(yaml_json.read_json(data), "the document")
    if "log" not in document:
        raise FormatError("no HAR: it has no 'log'")
    log = yaml_json.mapping(document["log"], "log")
    listed = log.get("entries")
    if not isinstance(listed, list):
        raise FormatError(f"log.entries is {yaml_json.kind(listed)}, not a list")
    creator = log.get("creator")
    reader = _EntryReader(isinstance(creator, dict) and creator.get("name") == "mitmproxy")
    interactions: list[Interaction] = []
    notes: list[str] = []
    for index, entry in enumerate(listed):
        place = f"entry {index}"
        try:
            request, response = reader.entry(yaml_json.mapping(entry, place), place)
        except recorded_http.NotServable as reason:
            notes.append(f"{place} is left out: {reason}")
        except FormatError as error:
            notes.append(f"{place} is left out: {error.reason.removeprefix(f'{place}: ')}")
        else:
            interactions.append(Interaction(request, response, id=len(interactions)))
    return Cassette(tuple(interactions), notes=tuple(notes))


@dataclass(frozen=True, slots=True)
class _EntryReader:
    """Reads entries; `mitmproxy` if that wrote them: it decodes text of unknown charset as Latin-1."""

    mitmproxy: bool

    def entry(self, entry: dict[str, Value], place: str) -> tuple[Request, Response]:
        if entry.get("response") is None:
            raise recorded_http.NotServable("it got no answer")
        request_entry = yaml_json.mapping(entry.get("request"), f"{place}: request")
        response_entry = yaml_json.mapping(entry.get("response"), f"{place}: response")
        url = yaml_json.text(request_entry.get("url"), f"{place}: request.url").partition("#")[0]
        method = yaml_json.text(request_entry.get("method"), f"{place}: request.method")
        code = yaml_json.integer(response_entry.get("status", 0), f"{place}: response.status")
        if not recorded_http.is_http(url) or not method or method == "CONNECT":
            raise recorded_http.NotServable(f"{method or 'no method'} {url[:80]!r} is no request over HTTP")
        if "_webSocketMessages" in entry or code == 101:
            raise recorded_http.NotServable("it is a WebSocket")
        if not 100 <= code <= 999:
            raise recorded_http.NotServable(f"it got no answer (its status is {code})")
        request = self._request(method, url, request_entry, place)
        response = self._response(method, code, response_entry, place)
        return request, replace(response, duration=_duration(entry.get("timings")))

    def _request(self, method: str, url: str, request_entry: dict[str, Value], place: str) -> Request:
        headers = recorded_http.headers(_headers(request_entry.get("headers"), f"{place}: request.headers"))
        posted = request_entry.get("postData")
        if posted is None:
            return recorded_http.request(method, url, headers, b"")
        data = yaml_json.mapping(posted, f"{place}: request.postData")
        media_type = yaml_json.text(data.get("mimeType"), f"{place}: request.postData.mimeType")
        if data.get("text") is None and data.get("params"):
            body = _form(data["params"], media_type, f"{place}: request.postData.params")
        else:
            # A code is not in HAR 1.2 there, but what writes binary bodies at all writes them so.
            body = self._body(data, headers, media_type, f"{place}: request.postData")
        if media_type and body:
            headers.setdefault("Content-Type", [media_type])
        return recorded_http.request(method, url, headers, body)

    def _response(self, method: str, code: int, response_entry: dict[str, Value], place: str) -> Response:
        headers = recorded_http.headers(_headers(response_entry.get("headers"), f"{place}: response.headers"))
        given = response_entry.get("content")
        content = {} if given is None else yaml_json.mapping(given, f"{place}: response.content")
        size = content.get("size")
        if content.get("text") is None and isinstance(size, int) and size > 0 and not bodiless(method, code):
            raise recorded_http.NotServable("its answer's body was not saved")
        media_type = yaml_json.text(content.get("mimeType"), f"{place}: response.content.mimeType")
        body = self._body(content, headers, media_type, f"{place}: response.content")
        if media_type and media_type != "x-unknown":  # Chrome's word for none
            headers.setdefault("Content-Type", [media_type])
        reason = yaml_json.text(response_entry.get("statusText"), f"{place}: response.statusText")
        response = recorded_http.response(code, reason, headers, body)
        version = yaml_json.text(response_entry.get("httpVersion"), f"{place}: response.httpVersion")
        found = _HTTP_2_OR_3.fullmatch(version.strip())
        if found:
            return replace(response, proto=f"HTTP/{found[1]}.0", proto_major=int(found[1]), proto_minor=0)
        return response

    def _body(self, data: dict[str, Value], headers: Values, media_type: str, place: str) -> bytes:
        """The body in `postData` or `content`, which have the same fields for it."""
        if (
            data.get("text") is None and data.get("_file") is not None
        ):  # Playwright's and mitmproxy's archives
            raise recorded_http.NotServable("its body is in another file")
        text = yaml_json.text(data.get("text"), f"{place}.text")
        code = har_text.code_of(
            text,
            yaml_json.text(data.get("encoding"), f"{place}.encoding"),
            is_binary=data.get("_isBinary") is True,
            content_coding=stated_coding(headers),
        )
        if not code:
            return self._encode(text, first_value(headers, "Content-Type") or media_type)
        try:
            return har_text.decoded(text, code)
        except ValueError:
            raise FormatError(f"{place}.text is not {code}, as its encoding says") from None

    def _encode(self, text: str, content_type: str) -> bytes:
        charset = _charset(content_type) or ("latin-1" if self.mitmproxy else "utf-8")
        try:
            return text.encode(charset)
        except (LookupError, UnicodeError):
            return text.encode("utf-8", "surrogateescape")


def _headers(value: Value, place: str) -> list[tuple[str, Sequence[str]]]:
    """Names and values, of a list of names and values or of a mapping."""
    if isinstance(value, dict):
        return [_header(name, given, place) for name, given in value.items()]
    if value is None:
        return []
    if not isinstance(value, list):
        raise FormatError(f"{place} is {yaml_json.kind(value)}, not a list")
    pairs = []
    for item in value:
        if isinstance(item, list) and len(item) == 2:  # as Slack writes them
            name, given = item
        else:
            header = yaml_json.mapping(item, f"{place}: an item")
            name, given = header.get("name"), header.get("value")
        pairs.append(_header(name, given, place))
    return pairs


def _header(name: Value, given: Value, place: str) -> tuple[str, Sequence[str]]:
    values = [yaml_json.text(item, place) for item in (given if isinstance(given, list) else [given])]
    # Chrome puts several values of Set-Cookie on lines of one.
    return yaml_json.text(name, place), [line for value in values for line in value.split("\n")]


def _form(value: Value, media_type: str, place: str) -> bytes:
    if media_type.startswith("multipart/"):
        raise recorded_http.NotServable("its request's multipart body was not saved")
    if not isinstance(value, list):
        raise FormatError(f"{place} is {yaml_json.kind(value)}, not a list")
    params = [yaml_json.mapping(item, place) for item in value]
    pairs = [(yaml_json.text(p.get("name"), place), yaml_json.text(p.get("value"), place)) for p in params]
    return urlencode(pairs, errors="surrogateescape").encode()


def _charset(content_type: str) -> str:
    found = re.search(r"""(?i);\s*charset\s*=\s*["']?([\w.:-]+)""", content_type)
    if found:
        return found[1]
    known = re.search(r"(?i)json|html|xml|javascript|ecmascript|text/css", content_type)
    return "utf-8" if known else ""


def _duration(timings: Value) -> int:
    """Nanoseconds from the request sent until the answer began: `wait`, in milliseconds, -1 if unknown."""
    wait = timings.get("wait") if isinstance(timings, dict) else None
    if isinstance(wait, bool) or not isinstance(wait, int | float):
        return 0
    # Go's durations end at 2^63 nanoseconds.
    return round(wait * 1_000_000) if math.isfinite(wait) and 0 < wait < 9.2e12 else 0


def dump(cassette: Cassette) -> bytes:
    """The cassette as HAR; `losses` says what it can't hold."""
    log = {
        "version": "1.2",
        "creator": {"name": "mitmvcr", "version": mitmvcr.__version__},
        "pages": [],
        "entries": [_entry(interaction) for interaction in cassette.interactions],
    }
    return json.dumps({"log": log}, indent=2).encode() + b"\n"


def _entry(interaction: Interaction) -> dict[str, object]:
    wait = interaction.response.duration / 1_000_000
    return {
        "startedDateTime": _UNKNOWN_TIME,
        "time": wait,
        "request": _request_entry(interaction.request),
        "response": _response_entry(interaction.response),
        "cache": {},
        "timings": {"send": 0, "wait": wait, "receive": 0},
    }


def _request_entry(request: Request) -> dict[str, object]:
    query = request.url.partition("#")[0].partition("?")[2]
    request_entry: dict[str, object] = {
        "method": request.method,
        "url": request.url,
        "httpVersion": request.proto,
        "cookies": [],
        "headers": _written(request.headers),
        "queryString": [
            {"name": name, "value": value}
            for name, _, value in (pair.partition("=") for pair in query.split("&") if pair)
        ],
        "headersSize": -1,
        "bodySize": len(request.body),
    }
    if request.body:
        content_type = first_value(request.headers, "Content-Type")
        # As mitmproxy has it: bytes that are not text stand as lone surrogates.
        text = request.body.decode("utf-8", "surrogateescape")
        request_entry["postData"] = {"mimeType": content_type, "text": text, "params": []}
    return request_entry


def _response_entry(response: Response) -> dict[str, object]:
    content_type = first_value(response.headers, "Content-Type")
    content: dict[str, object] = {"size": len(response.body), "mimeType": content_type}
    text = _as_text(response.body, content_type)
    if text is None:
        content |= {"text": base64.b64encode(response.body).decode(), "encoding": "base64"}
    else:
        content["text"] = text
    code, _, reason = response.status.partition(" ")
    return {
        "status": response.code,
        "statusText": reason if code == str(response.code) else status_text(response.code),
        "httpVersion": response.proto,
        "cookies": [],
        "headers": _written(response.headers),
        "content": content,
        "redirectURL": first_value(response.headers, "Location"),
        "headersSize": -1,
        "bodySize": len(response.body),
    }


def _as_text(body: bytes, content_type: str) -> str | None:
    """The body as text, if every reader makes the same bytes of it again; else None."""
    # mitmproxy's reader takes Latin-1 where the type names no charset.
    charset = _charset(content_type).lower()
    if charset not in ("utf-8", "utf8") and (charset or not body.isascii()):
        return None
    try:
        return body.decode()
    except UnicodeDecodeError:
        return None


def _written(headers: Values) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, values in headers.items() for value in values]


def losses(cassette: Cassette) -> list[str]:
    """What of this cassette HAR has no place for, a line each."""
    every = cassette.interactions
    found = (
        ("trailers", sum(bool(i.request.trailer or i.response.trailer) for i in every)),
        ("request bodies that are not UTF-8, which only mitmproxy reads", sum(_is_binary(i) for i in every)),
        ("keys of its own", sum(bool(i.extra or i.request.extra or i.response.extra) for i in every)),
    )
    return [f"{what} ({count} interactions)" for what, count in found if count]


def _is_binary(interaction: Interaction) -> bool:
    try:
        interaction.request.body.decode()
    except UnicodeDecodeError:
        return True
    return False
