"""curl, as people type it."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from tests.conftest import Start
from tests.harness import Proxy
from tests.proxy.talk import KEY
from tests.sdk.lines import FORWARD, KINDS, Kind, Told, codes, recorded, told_the_same, upstream_for

pytestmark = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")

FLAGS: Mapping[str, Sequence[str]] = {
    "plain": (),
    "compressed": ("--compressed",),
    "http1.0": ("--http1.0",),
    "http2": ("--http2",),
}
"""What the same question is asked with, each time in other words."""


def asked(name: str) -> str:
    """The body of a streamed chat completion."""
    return json.dumps(
        {"model": "gpt-4o-mini", "stream": True, "messages": [{"role": "user", "content": name}]}
    )


def where(kind: Kind, proxy: Proxy) -> list[str]:
    """The arguments that tell curl of the proxy."""
    return ["-x", proxy.url, "--cacert", str(proxy.ca)] if kind.forward else []


def run(*arguments: str) -> bytes:
    """What curl printed; it must have succeeded."""
    command = ["curl", "-q", "-sS", "-N", "--noproxy", "", *arguments]
    return subprocess.run(command, capture_output=True, check=True, timeout=60).stdout


def curl(kind: Kind, proxy: Proxy, url: str, *more: str) -> dict[str, bytes]:
    """What curl printed with each of the flags."""
    base = url if kind.forward else proxy.reverse
    path = f"{base}/v1/chat/completions"
    arguments = ("--fail-with-body", *where(kind, proxy), *more, path)
    return {name: run(*arguments, *flags, "-d", asked(name)) for name, flags in FLAGS.items()}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_curl_is_told_the_same_when_upstream_is_gone(kind: Kind, tmp_path: Path, start: Start) -> None:
    with upstream_for(kind) as upstream:
        proxy = kind.start(start, tmp_path, upstream.url, upstream.ca)
        told = curl(kind, proxy, upstream.url, "-H", f"Authorization: Bearer {KEY}")
        assert proxy.stop() == 0, proxy.output
        url = upstream.url
    for name, stream in told.items():
        assert stream.startswith(b"data: {"), name
        assert stream.endswith(b"data: [DONE]\n\n"), name
    on_disk = dict(zip(FLAGS, recorded(tmp_path, "default"), strict=True))
    assert {name: one.response.body for name, one in on_disk.items()} == told
    assert [name for name, one in on_disk.items() if one.response.uncompressed] == ["compressed"]

    replaying = kind.start(start, tmp_path, url, None, mode="replay", strict="true")
    assert curl(kind, replaying, url) == told
    assert replaying.stop() == 0, replaying.output


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_curl_uploads_and_takes_bytes_and_errors_as_they_are(
    kind: Kind, tmp_path: Path, start: Start
) -> None:
    upload = tmp_path / "lines.jsonl"
    upload.write_bytes(b'{"a": 1}\n\x00\xff')
    spoken = json.dumps({"model": "tts-1", "voice": "alloy", "input": "say this"})

    def ask(env: dict[str, str]) -> Told:
        def curl(path: str, *arguments: str) -> bytes:
            base = env.get("OPENAI_BASE_URL", "https://api.openai.com/v1")
            key = ("-H", f"Authorization: Bearer {env['OPENAI_API_KEY']}")
            command = ["curl", "-q", "-sS", "-w", "%{http_code}", f"{base}/{path}", *key, *arguments]
            return subprocess.run(command, env=env, capture_output=True, check=True, timeout=60).stdout

        sent = curl("files", "-F", "purpose=batch", "-F", f"file=@{upload}")
        content = curl(f"files/{json.loads(sent.removesuffix(b'200'))['id']}/content")
        speech = curl("audio/speech", "-d", spoken, "-H", "Content-Type: application/json")
        return {
            "files": {"sent": sent, "content": content, "speech": speech, "missing": curl("models/no-such")}
        }

    told, on_disk = told_the_same(kind, start, tmp_path, ask)
    assert told["files"]["content"] == upload.read_bytes() + b"200"
    assert told["files"]["missing"].endswith(b"404")
    assert codes(on_disk) == [404]


@pytest.mark.slow
def test_curl_speaks_http2_to_the_reverse_listener_too(tmp_path: Path, start: Start) -> None:
    def ask(proxy: Proxy) -> bytes:
        base = proxy.reverse.replace("http:", "https:")
        arguments = ("--http2", "--cacert", str(proxy.ca), "-w", "%{http_version}", "-d", asked("two"))
        return run(*arguments, f"{base}/v1/chat/completions", "-H", f"Authorization: Bearer {KEY}")

    with upstream_for(FORWARD) as upstream:
        trust = ["--set", f"ssl_verify_upstream_trusted_ca={upstream.ca}"]
        proxy = start(*trust, upstream=upstream.url)
        told = ask(proxy)
        assert proxy.stop() == 0, proxy.output
        url = upstream.url
    assert told.endswith(b"data: [DONE]\n\n2")

    replaying = start(upstream=url, mode="replay", strict="true")
    assert ask(replaying) == told
    assert replaying.stop() == 0, replaying.output
