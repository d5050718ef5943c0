"""Programs that know of the proxy by their environment alone, and ask api.openai.com, as everybody's do.

All of the addon's options are the default ones. What is for api.openai.com goes to the stand-in,
which has a certificate for that name.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import check_discretion
from tests.go.build import needs_go
from tests.harness import Proxy
from tests.proxy.talk import KEY
from tests.sdk.go_client import run_go_in
from tests.sdk.lines import recorded
from tests.upstream.server import Upstream

_DETOUR = """
def server_connect(data):
    assert data.server.address == ("api.openai.com", 443)
    data.server.address = ("127.0.0.1", {port})
"""

_PROGRAM = """
import json
import openai

asked = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "from the environment"}]}
with openai.OpenAI() as client:
    whole = client.chat.completions.create(**asked)
    stream = client.chat.completions.create(**asked, stream=True)
    print(json.dumps([whole.model_dump(), [chunk.model_dump() for chunk in stream]]))
"""

_ASKED = '{"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "curl"}]}'


def python(environment: dict[str, str], key: str) -> object:
    environment = {**environment, "PATH": os.environ["PATH"], "OPENAI_API_KEY": key}
    command = [sys.executable, "-c", _PROGRAM]
    return json.loads(subprocess.run(command, env=environment, capture_output=True, check=True).stdout)


def go(environment: dict[str, str], key: str) -> object:
    told = run_go_in(environment, "chat", "chat_streamed", key=key)
    del told["chat"]["value"]["proto"]  # HTTP/2.0 when it is recorded, HTTP/1.1 from the serving layer
    return told


@pytest.mark.parametrize("program", [python, pytest.param(go, marks=needs_go)], ids=lambda run: run.__name__)
@pytest.mark.slow
def test_a_program_needs_nothing_but_https_proxy_and_the_ca(
    program: Callable[[dict[str, str], str], object], tmp_path: Path
) -> None:
    def environment(proxy: Proxy) -> dict[str, str]:
        named = proxy.url.replace("://", "://mine%2Fsuite:x@")
        return {"HTTPS_PROXY": named, "SSL_CERT_FILE": str(proxy.ca)}

    detour = tmp_path / "detour.py"
    with Upstream.start(tls=True) as upstream:
        detour.write_text(_DETOUR.format(port=upstream.port))
        trust = f"ssl_verify_upstream_trusted_ca={upstream.ca}"
        with Proxy(tmp_path, "-s", str(detour), "--set", trust) as proxy:
            told = program(environment(proxy), KEY)
            assert proxy.stop() == 0, proxy.output
        check_discretion(proxy)
    urls = [one.request.url for one in recorded(tmp_path, "mine/suite")]
    assert urls == ["https://api.openai.com/v1/chat/completions"] * 2

    with Proxy(tmp_path, mode="replay", strict="true") as replaying:
        assert program(environment(replaying), "dummy") == told
        assert replaying.stop() == 0, replaying.output
