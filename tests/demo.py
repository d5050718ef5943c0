"""`make demo`: record a JSON and a streamed conversation, show the cassette, replay it with upstream gone.

Nothing leaves this machine: the upstream is the stand-in that the tests use.
"""

from __future__ import annotations

import http.client
import json
import sys
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

from tests.harness import Proxy
from tests.upstream.server import Upstream

REQUEST = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Say hello"}]}
KEY = "sk-" + "demo" * 12


def ask(url: str, *, stream: bool) -> tuple[int, bytes]:
    """POST a chat completion; the status and the body's bytes."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=30)
    body = json.dumps({**REQUEST, "stream": True} if stream else REQUEST)
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {KEY}"}
    connection.request("POST", "/v1/chat/completions", body, headers)
    answer = connection.getresponse()
    try:
        return answer.status, answer.read()
    finally:
        connection.close()


def say(text: str) -> None:
    """A heading."""
    print(f"\n\033[1m{text}\033[0m" if sys.stdout.isatty() else f"\n## {text}", flush=True)


def summary(proxy: Proxy) -> str:
    """The proxy's last line."""
    return next((line for line in reversed(proxy.lines) if line.startswith("mitmvcr:")), "")


def main() -> int:
    """Run the demo; 1 if the replay differs from the recording."""
    with tempfile.TemporaryDirectory(prefix="mitmvcr-demo-") as folder:
        home = Path(folder)
        with Upstream.start() as upstream:
            say(f"A stand-in of the API at {upstream.url}; mitmdump -s addon/vcr.py in front of it records")
            with Proxy(home, upstream=upstream.url, cassette="demo") as proxy:
                recorded = [ask(proxy.reverse, stream=stream) for stream in (False, True)]
                for status, body in recorded:
                    print(f"{status}, {len(body)} bytes: {body[:90].decode()!r}…")
                proxy.stop()
                print(summary(proxy))
            url = upstream.url
        cassette = home / "recordings" / "demo.yaml"
        say("The cassette (each line cut at 110 characters): no key, no organization, no cookie")
        for line in cassette.read_text("utf-8").splitlines():
            print(line[:110])
        say("The stand-in is stopped. The same requests, with vcr_mode=replay")
        with Proxy(home, upstream=url, cassette="demo", mode="replay") as proxy:
            replayed = [ask(proxy.reverse, stream=stream) for stream in (False, True)]
            status = proxy.stop()
            print(summary(proxy))
    same = replayed == recorded and status == 0
    say("The same status and the same bytes." if same else "The replay DIFFERS from the recording.")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
