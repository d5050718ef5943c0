"""Runs the programs in `tests/go`: one that uses `openai-go`, and go-vcr itself."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from tests.go.build import build
from tests.harness import Proxy
from tests.proxy.talk import HEADERS, KEY
from tests.sdk.lines import Kind


def run_go(kind: Kind, proxy: Proxy, url: str, *steps: str, key: str = KEY) -> dict[str, dict[str, Any]]:
    """What these steps of the Go program (all, if none is named) were told, by name."""
    where = (
        {"OPENAI_BASE_URL": f"{url}/v1", "SDK_PROXY": proxy.url, "SSL_CERT_FILE": str(proxy.ca)}
        if kind.forward
        else {"OPENAI_BASE_URL": f"{proxy.reverse}/v1"}
    )
    return run_go_in(where, *steps, key=key)


def run_go_over_http2(proxy: Proxy, key: str = KEY) -> dict[str, dict[str, Any]]:
    """The same, all steps, asked of the reverse listener over TLS, where Go's client speaks HTTP/2."""
    base = proxy.reverse.replace("http:", "https:")
    return run_go_in({"OPENAI_BASE_URL": f"{base}/v1", "SSL_CERT_FILE": str(proxy.ca)}, key=key)


def run_go_in(where: dict[str, str], *steps: str, key: str = KEY) -> dict[str, dict[str, Any]]:
    """The same, with this in its environment."""
    inherited = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    known = {"OPENAI_ORG_ID": "OpenAI-Organization", "OPENAI_PROJECT_ID": "OpenAI-Project"}
    who = {name: HEADERS[header] for name, header in known.items()} if key == KEY else {}
    done = subprocess.run(
        [build("sdk"), *steps],
        env={**inherited, **where, **who, "OPENAI_API_KEY": key},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return {one["name"]: one for one in json.loads(done.stdout)}


def replay_in_go_vcr(cassette: Path) -> list[dict[str, Any]]:
    """What go-vcr, matching method, URL and body, tells a Go client that asks all that was asked."""
    done = subprocess.run([build("govcr"), "replay", cassette], capture_output=True, text=True, check=True)
    answers: list[dict[str, Any]] = json.loads(done.stdout)
    return answers
