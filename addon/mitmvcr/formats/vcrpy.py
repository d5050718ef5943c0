"""VCR.py's cassettes, version 1, in YAML or JSON: bytes <-> model; never constructs a tagged object.

`load` reads what VCR.py and its users' serializers have written over the years (each variant is
named where it is read); `dump` writes what VCR.py's own YAML serializer does (vcrpy 9.4.2).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import yaml

from mitmvcr.errors import FormatError
from mitmvcr.formats import recorded_http, yaml_json, yaml_to_json
from mitmvcr.formats.collector import collector_off
from mitmvcr.formats.yaml_json import Value
from mitmvcr.http.go_rules import status_text
from mitmvcr.model import Cassette, Interaction, Plain, Request, Response

VERSION = 1

_BEFORE_1_0 = re.compile(rb"(?:\xef\xbb\xbf)?(?:---)?\s*(?:- request:|\[\s*\{)")


@dataclass(frozen=True, slots=True)
class _EntryPlace:
    """Where in the file something stands, for messages."""

    name: str
    line: int | None

    def of(self, what: str) -> str:
        return f"{self.name}: {what}"


@collector_off()
def load(data: bytes) -> Cassette:
    """The cassette in these bytes (decompressed); raises FormatError that says where and why.

    Entries that can't be served over HTTP are left out and named in `notes`.
    """
    if _BEFORE_1_0.match(data):
        reason = (
            "a list, as VCR.py wrote it before 1.0: run `python -m vcr.migration` on it, or record it anew"
        )
        raise FormatError(reason, 1)
    reader = _InteractionReader()
    # LangChain's serializer keeps requests and responses in two lists.
    pairs: dict[str, list[yaml_json.Entry]] = {}
    keys: set[str] = set()
    for entry in yaml_json.entries(data):
        keys.add(entry.key)
        if entry.key == "interactions":
            reader.add(entry)
        elif entry.key in ("requests", "responses"):
            _check_list(entry)
            pairs.setdefault(entry.key, []).extend([entry] if entry.index >= 0 else [])
        elif entry.key == "version":
            _check_version(entry)
    if len(pairs) == 2 and "interactions" not in keys:
        reader.add_pairs(pairs["requests"], pairs["responses"])
    elif "interactions" not in keys:
        found = ", ".join(sorted(keys)[:5]) or "nothing"
        raise FormatError(f"no 'interactions' in it (it has {found}): is this a cassette of VCR.py?", 1)
    elif "version" not in keys:
        reader.end_without_version()
    return Cassette(tuple(reader.interactions), notes=tuple(reader.notes))


def _check_list(entry: yaml_json.Entry) -> None:
    if entry.index < 0 and entry.value != [] and not yaml_json.is_null(entry.value):
        raise FormatError(f"{entry.key} is {yaml_json.kind(entry.value)}, not a list", entry.line)


def _check_version(entry: yaml_json.Entry) -> None:
    version = yaml_json.integer(entry.value, "version", entry.line)
    if version != VERSION:
        raise FormatError(f"version {version}: VCR.py's cassettes have version {VERSION}", entry.line)


@dataclass(slots=True)
class _InteractionReader:
    """Gathers interactions, and a note for each entry that is none."""

    interactions: list[Interaction] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    last_left_out: _EntryPlace | None = None

    def end_without_version(self) -> None:
        """VCR.py's dumper writes the version last, so this may be a file whose end is missing."""
        if self.last_left_out:
            reason = f"{self.notes[-1]}; nor has the file a version: is it cut short?"
            raise FormatError(reason, self.last_left_out.line)
        self.notes.append("there is no version at its end, as VCR.py writes one: the file may be cut short")

    def add(self, entry: yaml_json.Entry) -> None:
        _check_list(entry)
        if entry.index < 0:
            return
        place = _EntryPlace(f"interaction {entry.index}", entry.line)
        value = yaml_json.as_plain_data(entry.value, entry.line)
        pair = yaml_json.mapping(value, place.name, entry.line)
        self._add(pair.get("request"), pair.get("response"), place)

    def add_pairs(self, requests: Sequence[yaml_json.Entry], responses: Sequence[yaml_json.Entry]) -> None:
        if len(requests) != len(responses):
            raise FormatError(f"{len(requests)} requests and {len(responses)} responses: they go in pairs")
        for request_entry, response_entry in zip(requests, responses, strict=True):
            place = _EntryPlace(f"interaction {request_entry.index}", request_entry.line)
            self._add(request_entry.value, response_entry.value, place)

    def _add(self, request_entry: Value, response_entry: Value, place: _EntryPlace) -> None:
        try:
            request = _request(request_entry, place)
            response = _response(response_entry, place)
        except recorded_http.NotServable as reason:
            line = f" (line {place.line})" if place.line else ""
            self.notes.append(f"{place.name}{line} is left out: {reason}")
            self.last_left_out = place
            return
        self.last_left_out = None
        self.interactions.append(Interaction(request, response, id=len(self.interactions)))


def _request(value: Value, place: _EntryPlace) -> Request:
    if not isinstance(value, dict) or not ({"method", "uri"} & value.keys()):
        raise recorded_http.NotServable("it has no request with a method and a URI")
    url = yaml_json.text(value.get("uri"), place.of("request.uri"), place.line)
    method = yaml_json.text(value.get("method"), place.of("request.method"), place.line)
    if not recorded_http.is_http(url):
        raise recorded_http.NotServable(f"its URI is {url[:80]!r}, which is not HTTP's")
    if not method:
        raise recorded_http.NotServable("its request has no method")
    headers = recorded_http.headers(_headers(value.get("headers"), place.of("request.headers"), place.line))
    if "parsed_body" in value and yaml_json.is_null(value.get("body")):
        body = _parsed(value["parsed_body"], place)
    else:
        body = _body(value.get("body"), place.of("request.body"), place.line)
    return recorded_http.request(method, url, headers, body)


def _response(value: Value, place: _EntryPlace) -> Response:
    if not isinstance(value, dict) or not ({"status", "status_code"} & value.keys()):
        raise recorded_http.NotServable("it has no response with a status")
    if "status" in value:
        code, reason = _status(value["status"], place)
    else:  # vcrpy 2.1 to 5 wrote httpx's responses so
        code, reason = yaml_json.integer(value["status_code"], place.of("status_code"), place.line), ""
    if not 100 <= code <= 999:
        raise recorded_http.NotServable(f"its status is {code}, which HTTP doesn't have")
    headers = recorded_http.headers(_headers(value.get("headers"), place.of("response.headers"), place.line))
    content = value.get("body", value.get("content"))
    if "parsed_body" in value and yaml_json.is_null(content):
        # A serializer that PydanticAI's tests made known keeps JSON as YAML; json.dumps is its way back.
        body = _parsed(value["parsed_body"], place)
    else:
        body = _body(content, place.of("response.body"), place.line)
    return recorded_http.response(code, reason, headers, body)


def _status(value: Value, place: _EntryPlace) -> tuple[int, str]:
    if isinstance(value, dict):
        code = yaml_json.integer(value.get("code"), place.of("response.status.code"), place.line)
        reason = yaml_json.text(value.get("message"), place.of("response.status.message"), place.line)
        return code, reason
    return yaml_json.integer(value, place.of("response.status"), place.line), ""


def _headers(value: Value, place: str, line: int | None) -> Iterable[tuple[str, list[str]]]:
    if yaml_json.is_null(value):
        return
    for name, given in yaml_json.mapping(yaml_json.as_plain_data(value, line), place, line).items():
        values = yaml_json.as_plain_data(given, line)
        items = values if isinstance(values, list) else [values]
        field_place = f"{place}.{name}"
        yield (
            yaml_json.text(name, place, line),
            [yaml_json.text(item, field_place, line) for item in items if not yaml_json.is_null(item)],
        )


def _parsed(value: Value, place: _EntryPlace) -> bytes:
    return b"" if yaml_json.is_null(value) else yaml_to_json.json_bytes(value, place.line, compact=False)


def _body(value: Value, place: str, line: int | None) -> bytes:
    """A body's bytes: of text, binary, an iterator's parts, `string` in a mapping, or a mapping itself."""
    plain = yaml_json.as_plain_data(value, line)
    if isinstance(plain, bytes):
        return plain
    if isinstance(plain, dict):
        if "string" in plain and plain.keys() <= {"string", "encoding"}:
            return _body(plain["string"], f"{place}.string", line)
        return yaml_to_json.json_bytes(plain, line, compact=False) if plain else b""
    if isinstance(plain, list):
        return b"".join(_body(part, place, line) for part in plain)
    if isinstance(plain, str) and not isinstance(plain, Plain):
        return _text_body(plain)
    return yaml_json.encode(yaml_json.text(plain, place, line))


def _text_body(text: str) -> bytes:
    # Python 2 wrote compressed bodies as text of the same code points.
    if text.startswith("\x1f\x8b"):
        try:
            return text.encode("latin-1")
        except UnicodeEncodeError:
            pass
    return yaml_json.encode(text)


def dump(cassette: Cassette) -> bytes:
    """The cassette as VCR.py's YAML serializer writes it; `losses` says what it can't hold."""
    interactions = [
        {"request": _dumped_request(i.request), "response": _dumped_response(i.response)}
        for i in cassette.interactions
    ]
    document = {"interactions": interactions, "version": VERSION}
    # The pure data here needs no tag; VCR.py's own dumper writes the same bytes for it.
    text: str = yaml.dump(document, Dumper=yaml.CSafeDumper)
    return text.encode()


def _dumped_request(request: Request) -> dict[str, object]:
    # VCR.py reads only the first value of a request's header (vcr/request.py, HeadersDict).
    headers = {
        _latin(name): [_latin(("; " if name == "Cookie" else ", ").join(values))]
        for name, values in request.headers.items()
        if values
    }
    return {
        "body": _written(request.body),
        "headers": headers,
        "method": request.method,
        "uri": _latin(request.url),
    }


def _dumped_response(response: Response) -> dict[str, object]:
    return {
        "body": {"string": _written(response.body)},
        "headers": {_latin(name): [_latin(v) for v in values] for name, values in response.headers.items()},
        "status": {"code": response.code, "message": _reason(response)},
    }


def _reason(response: Response) -> str:
    code, _, reason = response.status.partition(" ")
    return _latin(reason if code == str(response.code) else response.status) or status_text(response.code)


def _written(body: bytes) -> str | bytes:
    try:
        return body.decode()
    except UnicodeDecodeError:
        return body


def _latin(text: str) -> str:
    """Text that has no lone surrogates: what isn't UTF-8 is read as Latin-1, as httpx does."""
    raw = text.encode("utf-8", "surrogateescape")
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def losses(cassette: Cassette) -> list[str]:
    """What of this cassette VCR.py's format has no place for, a line each."""
    every = cassette.interactions
    found = (
        ("durations", sum(bool(i.response.duration) for i in every)),
        ("trailers", sum(bool(i.request.trailer or i.response.trailer) for i in every)),
        ("protocols other than HTTP/1.1", sum(i.response.proto != "HTTP/1.1" for i in every)),
        ("header values that are not UTF-8", sum(_has_odd_headers(i) for i in every)),
        ("keys of its own", sum(bool(i.extra or i.request.extra or i.response.extra) for i in every)),
    )
    return [f"{what} ({count} interactions)" for what, count in found if count]


def _has_odd_headers(interaction: Interaction) -> bool:
    both = (interaction.request.headers, interaction.response.headers)
    return any(_latin(value) != value for headers in both for values in headers.values() for value in values)
