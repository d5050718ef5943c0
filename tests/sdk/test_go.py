"""`openai-go` records and replays; go-vcr itself replays what was recorded; the languages share cassettes."""

from __future__ import annotations

import base64
from pathlib import Path

import openai
import pytest

from tests.conftest import Start
from tests.go.build import needs_go
from tests.harness import Proxy
from tests.sdk.go_client import replay_in_go_vcr, run_go, run_go_over_http2
from tests.sdk.lines import FORWARD, REVERSE, Kind, recorded, upstream_for
from tests.sdk.python_client import MODEL, Line, ask, run_sync

pytestmark = needs_go


@pytest.mark.parametrize(
    ("kind", "dialect"), [(FORWARD, "charm"), (REVERSE, "stock")], ids=["forward", "reverse"]
)
def test_go_client_is_told_the_same_when_upstream_is_gone(
    kind: Kind, dialect: str, tmp_path: Path, start: Start
) -> None:
    spoken = "HTTP/2.0" if kind.forward else "HTTP/1.1"
    with upstream_for(kind) as upstream:
        proxy = kind.start(start, tmp_path, upstream.url, upstream.ca, cassette="go", dialect=dialect)
        told = run_go(kind, proxy, upstream.url)
        assert proxy.stop() == 0, proxy.output
        url = upstream.url
    failed = {name: one.get("status") for name, one in told.items() if "error" in one}
    assert failed == {"model_missing": 404}
    assert told["refused_key"]["value"]["status"] == 401
    assert told["chat"]["value"]["proto"] == spoken
    on_disk = recorded(tmp_path, "go")
    assert {one.response.proto for one in on_disk} == {spoken}

    replaying = kind.start(start, tmp_path, url, None, cassette="go", mode="replay", strict="true")
    again = run_go(kind, replaying, url, key="dummy")
    assert again["chat"]["value"].pop("proto") in ("HTTP/1.1", spoken)  # the layer takes HTTP/1.1
    del told["chat"]["value"]["proto"]
    assert again == told
    assert replaying.stop() == 0, replaying.output
    check_go_vcr(tmp_path, "go")


def test_go_client_speaks_http2_to_the_reverse_listener_too(tmp_path: Path, start: Start) -> None:
    with upstream_for(FORWARD) as upstream:
        trust = ["--set", f"ssl_verify_upstream_trusted_ca={upstream.ca}"]
        proxy = start(*trust, upstream=upstream.url, cassette="go")
        told = run_go_over_http2(proxy)
        spoken = {one.http_version for one in upstream.requests()}
        assert proxy.stop() == 0, proxy.output
        url = upstream.url
    assert spoken == {"HTTP/2"}
    assert told["chat"]["value"]["proto"] == "HTTP/2.0"

    replaying = start(upstream=url, cassette="go", mode="replay", strict="true")
    assert run_go_over_http2(replaying, key="dummy") == told
    assert replaying.stop() == 0, replaying.output


@pytest.mark.parametrize("dialect", ["charm", "stock"])
def test_go_vcr_replays_what_python_recorded(dialect: str, tmp_path: Path, start: Start) -> None:
    with upstream_for(REVERSE) as upstream:
        proxy = REVERSE.start(start, tmp_path, upstream.url, None, cassette="python", dialect=dialect)
        run_sync(Line(f"{proxy.reverse}/v1"))
        assert proxy.stop() == 0, proxy.output
    check_go_vcr(tmp_path, "python")


def check_go_vcr(folder: Path, name: str) -> None:
    """go-vcr replays each interaction with the status, headers and bytes that stand in the cassette."""
    on_disk = recorded(folder, name)
    assert on_disk
    for one, answer in zip(on_disk, replay_in_go_vcr(folder / "recordings" / f"{name}.yaml"), strict=True):
        told = one.response
        assert (answer["code"], answer["status"]) == (told.code, told.status), answer
        assert base64.b64decode(answer["body_b64"]) == told.body
        headers = {header["name"]: header["values"] for header in answer["headers"]}
        assert headers == {name: list(values) for name, values in told.headers.items()}


def test_the_languages_answer_each_other(tmp_path: Path, start: Start) -> None:
    with upstream_for(REVERSE) as upstream:
        proxy = REVERSE.start(start, tmp_path, upstream.url, None, cassette="go")
        go = asked_by_go(proxy)
        assert proxy.stop() == 0, proxy.output
        proxy = REVERSE.start(start, tmp_path, upstream.url, None, cassette="python")
        python = asked_by_python(proxy)
        assert proxy.stop() == 0, proxy.output
        url = upstream.url
    first, second = (
        REVERSE.start(start, tmp_path, url, None, cassette=name, mode="replay", strict="true")
        for name in ("go", "python")
    )
    assert go != python  # the stand-in makes an id from the request's bytes
    assert asked_by_python(first) == go
    assert asked_by_go(second) == python
    assert [first.stop(), second.stop()] == [0, 0], first.output + second.output


def asked_by_go(proxy: Proxy) -> dict[str, object]:
    """What the Go program's first two steps are told."""
    told = run_go(REVERSE, proxy, "", "chat", "chat_streamed")
    return {"whole": told["chat"]["value"]["raw"], "stream": told["chat_streamed"]["value"]["chunks"]}


def asked_by_python(proxy: Proxy) -> dict[str, object]:
    """What Python is told if it asks the same, with its own order of keys."""
    with openai.OpenAI(**Line(f"{proxy.reverse}/v1").options(asynchronous=False)) as client:
        whole = client.chat.completions.create(model=MODEL, messages=ask("hello from Go"))
        stream = client.chat.completions.create(
            model=MODEL, messages=ask("stream to Go"), stream=True, stream_options={"include_usage": True}
        )
        return {"whole": whole.to_dict(), "stream": [chunk.to_dict() for chunk in stream]}
