"""Made-up secrets of every kind, and the places and encodings in which tests plant them."""

from __future__ import annotations

import base64
import json
import random
import string
from collections.abc import Callable
from urllib.parse import quote

from mitmvcr.model import Interaction, Request, Response
from mitmvcr.scrub import Memory, Policy, Scrubber

ALNUM = string.ascii_letters + string.digits
HEX = "0123456789abcdef"
CHAT = "https://api.openai.com/v1/chat/completions"


def text(rng: random.Random, size: int, letters: str = ALNUM) -> str:
    """Random letters that begin with no letter of an id that is kept and have digits."""
    return "".join(rng.choices(letters, k=size - 2)) + "7" + rng.choice(letters)


Maker = Callable[[random.Random], str]

KINDS: dict[str, Maker] = {
    "openai-legacy": lambda r: "sk-" + text(r, 20) + "T3Blbk" + "FJ" + text(r, 20),
    "openai-plain": lambda r: "sk-" + text(r, 48),
    "openai-project-key": lambda r: "sk-" + "proj-" + text(r, 120, ALNUM + "-_"),
    "openai-service": lambda r: "sk-" + "svcacct-" + text(r, 60),
    "openai-admin": lambda r: "sk-" + "admin-" + text(r, 60),
    "openai-ephemeral": lambda r: "ek_" + text(r, 32, HEX),
    "openai-org": lambda r: "org-" + text(r, 24),
    "openai-project": lambda r: "proj_" + text(r, 24),
    "anthropic": lambda r: "sk-" + "ant-api03-" + text(r, 93) + "AA",
    "aws": lambda r: "AK" + "IA" + text(r, 16, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"),
    "gcp": lambda r: "AI" + "za" + text(r, 35),
    "github": lambda r: "gh" + "p_" + text(r, 36),
    "github-fine": lambda r: "github" + "_pat_" + text(r, 82),
    "gitlab": lambda r: "gl" + "pat-" + text(r, 20),
    "slack": lambda r: "xo" + "xb-" + "123456789012-123456789012-" + text(r, 24),
    "stripe": lambda r: "sk" + "_live_" + text(r, 24),
    "twilio": lambda r: "S" + "K" + text(r, 32, HEX),
    "sendgrid": lambda r: "S" + "G." + text(r, 22) + "." + text(r, 43),
    "shopify": lambda r: "shp" + "at_" + text(r, 32, HEX),
    "npm": lambda r: "npm" + "_" + text(r, 36),
    "pypi": lambda r: "pypi-" + "AgEIcHlwaS5vcmc" + text(r, 60),
    "digitalocean": lambda r: "dop" + "_v1_" + text(r, 64, HEX),
    "databricks": lambda r: "da" + "pi" + text(r, 32, HEX),
    "huggingface": lambda r: "h" + "f_" + text(r, 34),
    "azure-ad": lambda r: "abc8" + "Q~" + text(r, 34),
    "azure-ai": lambda r: text(r, 52) + "JQQ" + "J99" + text(r, 26),
    "vault": lambda r: "hv" + "s." + text(r, 95),
    "jwt": lambda r: ".".join(("eyJ" + text(r, 30), "eyJ" + text(r, 60), text(r, 43))),
    "groq": lambda r: "gs" + "k_" + text(r, 52),
}


def pem(rng: random.Random) -> str:
    """A private key in its armour."""
    lines = "\n".join(text(rng, 64) for _ in range(8))
    return f"-----BEGIN RSA {'PRIVATE'} KEY-----\n{lines}\n-----END RSA {'PRIVATE'} KEY-----"


def exchange(
    asked: bytes = b"", answered: bytes = b"", *, url: str = CHAT, content_type: str = "application/json"
) -> Interaction:
    """An exchange of bodies, of known length."""
    return Interaction(
        Request("POST", url, content_length=len(asked), body=asked, headers={"Content-Type": [content_type]}),
        Response(200, "200 OK", content_length=len(answered), body=answered, headers={}),
    )


def sse(*pieces: str, **frame: object) -> bytes:
    """A chat completion's stream with these pieces of content."""
    events = [
        {"id": "chatcmpl-1", "choices": [{"index": 0, "delta": {"content": piece}, **frame}]}
        for piece in pieces
    ]
    return b"".join(b"data: %s\n\n" % json.dumps(event).encode() for event in events) + b"data: [DONE]\n\n"


def _multipart(secret: str) -> Interaction:
    body = (
        f'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\nfield {secret}\r\n'
        f'--x\r\nContent-Disposition: form-data; name="file"; filename="f.txt"\r\n\r\n'
        f"\x00bin {secret}\n\r\n--x--\r\n"
    )
    return exchange(body.encode(), content_type="multipart/form-data; boundary=x")


PLACES: dict[str, Callable[[str], Interaction]] = {
    "JSON value": lambda s: exchange(json.dumps({"input": f"use {s} now"}).encode()),
    "JSON key": lambda s: exchange(json.dumps({s: 1}).encode()),
    "pretty JSON": lambda s: exchange(b"", json.dumps({"a": [s, {"b": s}]}, indent=2).encode()),
    "tool arguments": lambda s: exchange(
        json.dumps({"arguments": json.dumps({"cmd": f"x\n{s}\n"})}).encode()
    ),
    "behind an escape": lambda s: exchange(b"", json.dumps({"a": f"tab\t{s}\nnext"}).encode()),
    "escaped hyphens": lambda s: exchange(
        b"", json.dumps({"a": s}).replace("-", "\\u002d").replace("_", "\\u005F").encode()
    ),
    "nested escapes": lambda s: exchange(
        json.dumps({"a": json.dumps({"b": s}).replace("-", "\\u002d")}).encode()
    ),
    "plain text": lambda s: exchange(b"", f"the key: {s}.\n".encode()),
    "URL path": lambda s: exchange(url=f"https://h.example/v1/{quote(s, safe='')}/x"),
    "URL query": lambda s: exchange(url=f"https://h.example/v1?q={quote(s, safe='')}&b=1"),
    "percent-encoded": lambda s: exchange(
        url="https://h.example/v1?q=" + "".join(f"%{ord(c):02X}" for c in s)
    ),
    "form": lambda s: exchange(
        f"a=1&text={quote(s, safe='')}".encode(), content_type="application/x-www-form-urlencoded"
    ),
    "multipart": _multipart,
    "stream": lambda s: exchange(b"", sse("the key is ", s, " indeed")),
    "split stream": lambda s: exchange(b"", sse("key ", s[:5], s[5:9], s[9:], " it is")),
    "base64": lambda s: exchange(
        json.dumps({"f": base64.b64encode(f"KEY={s}\n".encode()).decode()}).encode()
    ),
    "error body": lambda s: exchange(b"", json.dumps({"error": {"message": f"Invalid key {s}."}}).encode()),
}


def scrubber(**policy: object) -> Scrubber:
    return Scrubber(Policy(**policy))  # type: ignore[arg-type]


def memory(environ: dict[str, str] | None = None) -> Memory:
    """A memory that knows nothing of this machine's environment."""
    return Memory(environ or {})


def all_text(one: Interaction) -> bytes:
    """Everything of an interaction that would be written."""
    return repr(one).encode() + one.request.body + one.response.body
