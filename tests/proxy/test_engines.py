"""One behaviour, two layers: what is well-formed gets the same answer from both, to the byte."""

from __future__ import annotations

import json
import random
import re
from pathlib import Path

from mitmvcr.model import Interaction, Request
from tests import build
from tests.conftest import Start
from tests.harness import Proxy
from tests.proxy.layer.test_http1_layer import BASE, Raw, talk
from tests.proxy.talk import CHAT, chat

_METHODS = ("POST", "POST", "POST", "GET", "GET", "HEAD", "OPTIONS", "PUT", "DELETE", "post", "PROPFIND")
_PATHS = {
    "reverse": (
        CHAT,
        CHAT,
        CHAT,
        "/v1/models",
        "/v1/models?limit=2&after=a%20b+c&&=",
        "//v1/models",
        "/v1/%6dodels",
        "/",
        "*",
        "http://127.0.0.1:9/v1/models",
        "http://elsewhere.example/v1/models",
        "/vcr/tape" + CHAT,
        "/vcr/te%2Fst/v1/models",
        "/vcr/..%2Fsecret/v1/models",
        "/vcr/tape",
        "/__vcr__/",
        "/__vcr__/cassettes/tape",
        "/__vcr__/cassettes/nobodys",
    ),
    "url": (
        BASE + CHAT,
        BASE + CHAT,
        BASE + "/v1/models",
        "http://api.openai.com/v1/models?limit=2",
        "http://mitmvcr.local/",
        "http://mitmvcr.local/cassettes/tape",
    ),
}
_BODIES = (
    json.dumps(chat("Hi")).encode(),
    json.dumps(chat("Hi"), indent=1).encode(),
    json.dumps(chat("caf\u00e9"), ensure_ascii=False).encode(),
    json.dumps(chat("Nobody said this")).encode(),
    b"",
    b"\xff\xfe",
    b"x" * 70_000,
)
_FIELDS = (
    "X-VCR-Cassette: tape",
    "X-VCR-Cassette: ../secret",
    "x-vcr-cassette: not/there",
    "Proxy-Authorization: Basic dGFwZTp4",
    "Connection: close",
    "Connection: keep-alive",
    "Accept-Encoding: gzip",
    "Authorization: Bearer ",
    "X-Empty:",
    "X-Blanks:   a  ",
    "X-Latin: caf\u00e9",
    "Cookie: a=b\r\nCookie: c=d",
    "Origin: https://elsewhere.example",
    "Sec-Fetch-Site: cross-site",
    "TE: trailers",
    "Upgrade: h2c",
)


def asked(chance: random.Random, way: str) -> bytes:
    """A well-formed request, as its bytes."""
    method, path, body = chance.choice(_METHODS), chance.choice(_PATHS[way]), chance.choice(_BODIES)
    version = chance.choice(("1.1", "1.1", "1.1", "1.0"))
    lines = [f"{method} {path} HTTP/{version}", f"Host: {chance.choice(('127.0.0.1', 'localhost:1', ''))}"]
    lines += chance.sample(_FIELDS, chance.choice((0, 0, 1, 2)))
    lines += chance.choice(([], ["Content-Type: application/json"], ["content-type: text/plain"]))
    if version == "1.1" and chance.random() < 0.3:
        lines.append("Transfer-Encoding: chunked")
        parts = [body[at : at + 9_000] for at in range(0, len(body), 9_000)]
        body = b"".join(b"%x;a=b\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"
    else:
        lines.append(f"Content-Length: {len(body)}")
    return "".join(f"{line}\r\n" for line in lines).encode("latin-1") + b"\r\n" + body


def told(raw: Raw, request: bytes) -> tuple[list[str], bytes]:
    try:
        raw.send(request)
        head = raw.head()
    except (BrokenPipeError, ConnectionResetError):
        head = []
    if not head:
        return [], b""
    fields = dict(line.lower().split(": ", 1) for line in head[1:])
    return head, b"" if request.startswith(b"HEAD ") else raw.read(int(fields["content-length"]))


def test_both_engines_give_the_same_answers_to_the_byte(start: Start, tmp_path: Path) -> None:
    for name in ("default", "tape"):
        build.write(
            tmp_path / "recordings" / f"{name}.yaml",
            *(
                Interaction(build.request(chat(prompt), url=BASE + CHAT), build.response({"said": name}))
                for prompt in ("Hi", "caf\u00e9")
            ),
            Interaction(Request("GET", BASE + "/v1/models"), build.response({"models": name})),
            Interaction(
                Request("GET", "http://api.openai.com/v1/models?limit=2"),
                build.response(b"", code=204, status="204 No Content"),
            ),
        )
    proxies = {
        engine: start(upstream=BASE, mode="replay", repeat="any", engine=engine)
        for engine in ("hooks", "layer")
    }
    chance = random.Random(8)
    codes = set()
    for _ in range(150):
        way = chance.choice(("reverse", "reverse", "url"))
        request = asked(chance, way)
        answers = {engine: _answers(proxy, way, request) for engine, proxy in proxies.items()}
        assert answers["layer"] == answers["hooks"], request
        codes.add(answers["layer"][0][0][0].split()[1])
    assert codes >= {"200", "404", "400"}


def _answers(proxy: Proxy, way: str, request: bytes) -> list[tuple[list[str], bytes]]:
    """Of the same request again and again on one connection, as long as that is open."""
    url, found = getattr(proxy, way), []
    port = url.rpartition(":")[2].encode()
    with talk(url) as raw:
        for _ in range(3):
            head, body = told(raw, request)
            if not head:
                break
            found.append((head, re.sub(rb"(?<=:)%b(?=[/\"\\])" % port, b"PORT", body)))
    return found
