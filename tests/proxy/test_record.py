"""Every kind of answer, on every way: what the client is told, what is on disk, what is told in replay."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from mitmvcr.http.go_rules import canonical_header, status_text
from mitmvcr.model import Interaction
from tests.conftest import check_discretion
from tests.proxy.talk import CHAT, RESPONSES, WAYS, Case, Told, Way, ask, chat, direct, posts, recordings
from tests.upstream.server import Upstream

_BOUNDARY = "mitmvcr-boundary-1"
_MULTIPART = {"Content-Type": f"multipart/form-data; boundary={_BOUNDARY}"}
_KEPT_OF_REQUESTS = {"Accept", "Content-Type", "User-Agent", "Openai-Beta"}
_KEPT_OF_RESPONSES = {
    "Access-Control-Expose-Headers",
    "Allow",
    "Content-Disposition",
    "Content-Type",
    "Retry-After",
    "Retry-After-Ms",
    "X-Should-Retry",
    "Openai-Version",
    "Openai-Model",
    "Location",
    "Operation-Location",
}


def _form(**files: bytes) -> bytes:
    parts = [b'--%s\r\nContent-Disposition: form-data; name="model"\r\n\r\nwhisper-1\r\n']
    for name, data in files.items():
        head = f'form-data; name="{name}"; filename="a.wav"\r\nContent-Type: audio/wav\r\n\r\n'.encode()
        parts.append(b"--%s\r\nContent-Disposition: " + head + data + b"\r\n")
    return b"".join([*parts, b"--%s--\r\n"]).replace(b"%s", _BOUNDARY.encode())


_ENCODINGS = ("gzip", "br", "zstd", "deflate")
CASES = (
    posts("json", CHAT, chat("json, naïve ☃ \r\n line")),
    posts("stream", CHAT, chat("stream", stream=True, stream_options={"include_usage": True})),
    posts("responses", RESPONSES, {"model": "gpt-4o", "input": "Hello"}),
    posts("responses-stream", RESPONSES, {"model": "gpt-4o", "input": "Hello there", "stream": True}),
    posts("embeddings", "/v1/embeddings", {"model": "text-embedding-3-small", "input": ["a", "b"]}),
    posts("speech", "/v1/audio/speech", {"model": "tts-1", "input": "Hello", "voice": "alloy"}),
    Case(
        "multipart", "POST", "/v1/audio/transcriptions", _form(file=b"RIFF\x00\xff\xfe\r\n\r\n"), _MULTIPART
    ),
    Case("get", "GET", "/v1/models"),
    Case("query", "GET", "/v1/models?limit=2&after=a%20b&limit=3"),
    Case("head", "HEAD", "/v1/models"),
    Case("delete", "DELETE", "/v1/models/ft:gpt-4o-mini:acme::1"),
    Case("not-found", "GET", "/v1/no-such-thing"),
    Case("options", "OPTIONS", CHAT),
    posts("bad-json", CHAT, "no object"),
    posts("429", CHAT, chat("429"), "status=429,retry-after=7,retry-after-ms=7000"),
    posts("500", CHAT, chat("500"), "status=500"),
    posts("503", CHAT, chat("503", stream=True), "status=503"),
    posts("redirect", CHAT, chat("redirect"), "redirect=/v1/models"),
    posts("slow", CHAT, chat("slow"), "first=0.3"),
    posts("chunked-answer", CHAT, chat("chunked"), "chunked"),
    Case(
        "chunked-request",
        "POST",
        CHAT,
        posts("", CHAT, chat("chunked request")).content,
        {"Content-Type": "application/json"},
        chunked=True,
    ),
    posts("large", CHAT, chat("large " + "x" * 300_000), "size=300000"),
    *(posts(f"json-{name}", CHAT, chat(f"json {name}"), f"encoding={name}") for name in _ENCODINGS),
    *(
        posts(f"stream-{name}", CHAT, chat(f"stream {name}", stream=True), f"encoding={name}")
        for name in _ENCODINGS
    ),
)


@dataclass(frozen=True, slots=True)
class Taped:
    """All cases, in order: as upstream tells them, as they were told in recording, on disk, in replay."""

    way: Way
    upstream: Upstream
    by_upstream: tuple[Told, ...]
    in_recording: tuple[Told, ...]
    on_disk: tuple[Interaction, ...]
    in_replay: tuple[Told, ...]
    reached_in_replay: tuple[int, int]
    spoken_upstream: str


def _tape(way: Way, upstream: Upstream, folder: Path) -> Taped:
    with direct(upstream, http2=way.http2 or way.translated) as client:
        by_upstream = tuple(ask(client, case) for case in CASES)
    upstream.clear()
    with way.start(folder, upstream) as proxy, way.client(proxy, upstream) as client:
        in_recording = tuple(ask(client, case) for case in CASES)
        assert proxy.stop() == 0, proxy.output
    check_discretion(proxy)
    (spoken,) = {received.http_version.removeprefix("HTTP/") for received in upstream.requests()}
    before = upstream.connections(), len(upstream.requests())
    with way.start(folder, upstream, mode="replay") as proxy, way.client(proxy, upstream) as client:
        in_replay = tuple(ask(client, case) for case in CASES)
        assert proxy.stop() == 0, proxy.output
    check_discretion(proxy)
    after = upstream.connections() - before[0], len(upstream.requests()) - before[1]
    on_disk = tuple(recordings(folder))
    return Taped(way, upstream, by_upstream, in_recording, on_disk, in_replay, after, spoken)


@pytest.mark.parametrize("way", WAYS, ids=[way.name for way in WAYS])
@pytest.mark.slow
def test_every_kind_of_answer_is_recorded_and_replayed_on_every_way(
    way: Way, tmp_path: Path, plain_upstream: Upstream, tls_upstream: Upstream
) -> None:
    taped = _tape(way, tls_upstream if way.tls else plain_upstream, tmp_path)
    client_is_told_in_recording_what_upstream_sent(taped)
    request_on_disk_is_as_a_go_client_sends_it(taped)
    response_on_disk_is_as_a_go_client_sees_it(taped)
    duration_is_the_time_until_the_headers_came(taped)
    replay_tells_what_recording_told(taped)
    connection_is_kept_open_behind_every_answer(taped)
    client_gets_the_protocol_that_it_speaks(taped)
    assert taped.reached_in_replay == (0, 0)


def _kept(headers: tuple[tuple[str, str], ...], names: set[str]) -> dict[str, tuple[str, ...]]:
    kept: dict[str, tuple[str, ...]] = {}
    for spelled, value in headers:
        name = canonical_header(spelled)
        if name in names:
            kept[name] = (*kept.get(name, ()), value)
    return kept


def _told(told: Told) -> list[tuple[str, str]]:
    # alt-svc is rewritten by a reverse proxy; HTTP/2 has no word for how an answer is framed.
    own = ("date", "connection", "alt-svc", "transfer-encoding")
    return [(name.lower(), value) for name, value in told.headers if name.lower() not in own]


def client_is_told_in_recording_what_upstream_sent(taped: Taped) -> None:
    for case, sent, told in zip(CASES, taped.by_upstream, taped.in_recording, strict=True):
        assert (told.code, told.body) == (sent.code, sent.body), case.name
        assert taped.way.translated or told.reason == sent.reason, case.name
        assert told.raw == sent.raw, case.name
        assert _told(told) == _told(sent), case.name
        if not taped.way.translated:
            assert told.header("Transfer-Encoding") == sent.header("Transfer-Encoding"), case.name


def request_on_disk_is_as_a_go_client_sends_it(taped: Taped) -> None:
    for case, one in zip(CASES, taped.on_disk, strict=True):
        request = one.request
        assert (request.method, request.url) == (case.method, taped.upstream.url + case.path)
        assert request.body == case.content, case.name
        assert request.content_length == (0 if case.chunked else len(case.content)), case.name
        assert (request.proto, request.proto_major, request.proto_minor) == ("HTTP/1.1", 1, 1)
        assert set(request.headers) <= _KEPT_OF_REQUESTS, case.name
        assert list(request.headers.get("Content-Type", ())) == [
            value for name, value in case.headers.items() if name == "Content-Type"
        ], case.name
        if case.name == "query":
            assert request.form == {"limit": ("2", "3"), "after": ("a b",)}


def response_on_disk_is_as_a_go_client_sees_it(taped: Taped) -> None:
    version = ("HTTP/2.0", 2, 0) if taped.spoken_upstream == "2" else ("HTTP/1.1", 1, 1)
    for case, sent, one in zip(CASES, taped.by_upstream, taped.on_disk, strict=True):
        response = one.response
        assert response.code == sent.code, case.name
        reason = status_text(sent.code) if version[1] == 2 else sent.reason
        assert response.status == f"{sent.code} {reason}".rstrip(), case.name
        assert (response.proto, response.proto_major, response.proto_minor) == version, case.name
        assert response.body == sent.body, case.name
        assert response.headers == _kept(sent.headers, _KEPT_OF_RESPONSES), case.name
        assert response.uncompressed == (bool(sent.header("Content-Encoding")) and case.method != "HEAD"), (
            case.name
        )
        lengths = sent.header("Content-Length")
        empty = not sent.body and case.method != "HEAD"
        assert response.content_length == (int(lengths[0]) if lengths else 0 if empty else -1), case.name
        assert list(response.transfer_encoding) == sent.header("Transfer-Encoding"), case.name
        assert 0 < response.duration < 5e9, case.name


def duration_is_the_time_until_the_headers_came(taped: Taped) -> None:
    durations = {case.name: one.response.duration for case, one in zip(CASES, taped.on_disk, strict=True)}
    assert 0.3e9 <= durations["slow"] < 1.5e9
    assert durations["json"] < 0.3e9


def replay_tells_what_recording_told(taped: Taped) -> None:
    for case, told, again in zip(CASES, taped.in_recording, taped.in_replay, strict=True):
        assert (again.code, again.body) == (told.code, told.body), case.name
        reason = status_text(told.code) if taped.spoken_upstream == "2" else told.reason
        assert again.reason == reason, case.name
        assert _kept(again.headers, _KEPT_OF_RESPONSES) == _kept(told.headers, _KEPT_OF_RESPONSES), case.name
        assert not again.header("Content-Encoding"), case.name
        if not told.header("Content-Encoding"):
            for name in ("Content-Length", "Transfer-Encoding"):
                assert again.header(name) == told.header(name), case.name
        names = {canonical_header(name) for name, _ in again.headers}
        assert names <= _KEPT_OF_RESPONSES | {"Content-Length", "Transfer-Encoding"}, case.name


def connection_is_kept_open_behind_every_answer(taped: Taped) -> None:
    assert len({told.came_from for told in taped.in_recording}) == 1
    assert len({told.came_from for told in taped.in_replay}) == 1


def client_gets_the_protocol_that_it_speaks(taped: Taped) -> None:
    speaks_http2 = taped.way.http2 or taped.way.translated
    assert taped.spoken_upstream == ("2" if speaks_http2 else "1.1")
    spoken = {told.http_version for told in (*taped.in_recording, *taped.in_replay)}
    assert spoken == ({"HTTP/2"} if taped.way.http2 else {"HTTP/1.1"})
