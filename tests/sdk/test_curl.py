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
from tests.sdk.lines import KINDS, Kind, recorded, upstream_for

pytestmark = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")

FLAGS: Mapping[str, Sequence[str]] = {
    "plain": (),
    "compressed": ("--compressed",),
    "http1.0": ("--http1.0",),
    "http2": ("--http2",),
}
"""What the same question is asked with, each time in other words."""


def curl(kind: Kind, proxy: Proxy, url: str, *more: str) -> dict[str, bytes]:
    """What curl printed with each of the flags; it must have succeeded."""
    where = ["-x", proxy.url, "--cacert", str(proxy.ca)] if kind.forward else []
    command = ["curl", "-q", "-sS", "-N", "--fail-with-body", "--noproxy", "", *where, *more]
    path = f"{url if kind.forward else proxy.reverse}/v1/chat/completions"
    told = {}
    for name, flags in FLAGS.items():
        asked = {"model": "gpt-4o-mini", "stream": True, "messages": [{"role": "user", "content": name}]}
        told[name] = subprocess.run(
            [*command, *flags, path, "-d", json.dumps(asked)], capture_output=True, check=True, timeout=60
        ).stdout
    return told


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
