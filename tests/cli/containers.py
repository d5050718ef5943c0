"""An exchange with a secret, in every container that a cassette comes in: formats, codes, their oddities."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Callable
from typing import Any

import yaml

from mitmvcr.formats import govcr, har, vcrpy
from mitmvcr.formats.govcr import Dialect
from mitmvcr.model import Cassette, Interaction, Request, Response

CHAT = "https://api.openai.com/v1/chat/completions"
KEY = "sk-" + "proj-" + "Ab3dEf6hIj9kLm2nOp5qRs8tUv1wXy4z" * 3
SESSION = "Kd92Lw47" + "Qm15Vz88Xy"
BOM = b"\xef\xbb\xbf"


def exchange() -> Interaction:
    """A key in a header and in both bodies, and a letter that is not ASCII."""
    asked = json.dumps({"model": "m", "echo": f"\u00e9 key {KEY}"}, ensure_ascii=False).encode()
    answered = json.dumps({"id": "1", "said": f"your key: {KEY}"}).encode()
    headers = {"Content-Type": ["application/json"], "Authorization": [f"Bearer {KEY}"]}
    return Interaction(
        Request("POST", CHAT, headers=headers, body=asked, content_length=len(asked)),
        Response(
            200,
            status="200 OK",
            headers={"Content-Type": ["application/json"]},
            body=answered,
            content_length=len(answered),
            duration=20_000_000,
        ),
    )


def two() -> Cassette:
    return Cassette((exchange(), exchange()))


def _vcrpy_document() -> dict[str, Any]:
    request = {
        "method": "POST",
        "uri": CHAT,
        "body": exchange().request.body.decode(),
        "headers": {"authorization": [f"Bearer {KEY}"], "content-type": ["application/json"]},
    }
    response = {
        "status": {"code": 200, "message": "OK"},
        "headers": {"content-type": ["application/json"]},
        "body": {"string": exchange().response.body.decode()},
    }
    return {"interactions": [{"request": request, "response": response}] * 2, "version": 1}


def _govcr_document() -> dict[str, Any]:
    """What people write: no more than is needed."""
    interactions = []
    for number in range(2):
        request = {"method": "POST", "url": CHAT, "body": exchange().request.body.decode()}
        response = {"code": 200, "body": exchange().response.body.decode()}
        headers = {"Content-Type": ["application/json"], "Authorization": [f"Bearer {KEY}"]}
        pair = {"request": {**request, "headers": headers}, "response": response}
        interactions.append({"id": number, **pair})
    return {"version": 2, "interactions": interactions}


def _vcrpy_json() -> bytes:
    return json.dumps(_vcrpy_document(), indent=1, ensure_ascii=False).encode()


def _har(change: Callable[[dict[str, Any]], object] | None = None) -> bytes:
    document = json.loads(har.dump(two()))
    for entry in document["log"]["entries"]:
        if change:
            change(entry)
    return json.dumps(document, indent=1).encode()


def _pieces(code: Callable[[bytes], str], **more: object) -> bytes:
    def change(entry: dict[str, Any]) -> None:
        body = gzip.compress(exchange().response.body, mtime=0)
        entry["response"]["content"] = {
            "size": len(body),
            "mimeType": "application/json",
            "text": json.dumps([code(body[:10]), code(body[10:])]),
            **more,
        }
        entry["response"]["headers"].append({"name": "content-encoding", "value": "gzip"})

    return _har(change)


def _as_lists(entry: dict[str, Any]) -> None:
    for header in entry["request"]["headers"]:
        header["value"] = [header["value"]]


def _as_pairs(entry: dict[str, Any]) -> None:
    entry["request"]["headers"] = [[one["name"], one["value"]] for one in entry["request"]["headers"]]


def _as_mapping(entry: dict[str, Any]) -> None:
    entry["request"]["headers"] = {one["name"]: one["value"] for one in entry["request"]["headers"]}


def _with_cookies(entry: dict[str, Any]) -> None:
    value = f"lang=en; path=/\nsid={SESSION}; path=/; HttpOnly"
    entry["response"]["headers"].append({"name": "set-cookie", "value": value})


def _with_odd_entries() -> bytes:
    document = json.loads(_har())
    entries = document["log"]["entries"]
    document["log"]["entries"] = [{**entries[0], "response": None}, entries[0], {"request": 1}, entries[1]]
    return json.dumps(document).encode()


def llama_stack() -> bytes:
    """A recording of llama-stack: a file of its own."""
    data = {"id": "1", "object": "chat.completion", "said": f"your key: {KEY}"}
    record = {
        "test_id": None,
        "request": {
            "method": "POST",
            "url": "http://0.0.0.0:11434/v1/v1/chat/completions",
            "headers": {},
            "body": {"model": "m", "messages": [{"role": "user", "content": f"\u00e9 {KEY}"}]},
            "endpoint": "/v1/chat/completions",
            "model": "m",
        },
        "response": {"body": {"__type__": "openai.types.X", "__data__": data}, "is_streaming": False},
    }
    return json.dumps(record, indent=2, ensure_ascii=False).encode()


def _in_charm() -> bytes:
    return govcr.dump(two(), Dialect.CHARM)


def _in_yaml() -> bytes:
    return vcrpy.dump(two())


def _with_tagged_keys(tag: str) -> bytes:
    keys = b"      ? " + tag.encode() + b"\n      - Authorization\n      : - Bearer"
    tagged = _in_yaml().replace(b"      Authorization:\n      - Bearer", keys)
    assert tagged.count(tag.encode()) == 2
    return tagged


def _with_tagged_values(tag: str) -> bytes:
    value = f"- !!python/object/new:{tag}\n        - Bearer".encode()
    return _in_yaml().replace(b"- Bearer", value)


def _in_a_file_object() -> bytes:
    body = base64.b64encode(exchange().request.body)
    lines = b"\n".join(
        (
            b"    body: !!python/object/new:_io.BytesIO",
            b"      state: !!python/tuple",
            b"      - !!binary " + body,
            b"      - 0",
            b"      - null",
        )
    )
    out: list[bytes] = []
    for part in _in_yaml().split(b"- request:\n"):
        head, mark, rest = part.partition(b"    headers:")
        out.append(lines + b"\n" + mark + rest if out else head + mark + rest)
    return b"- request:\n".join(out)


def _with_anchors() -> bytes:
    return _in_yaml().replace(b"    headers:\n", b"    headers: &shared\n", 1).replace(
        b"    headers:\n      Authorization:\n      - Bearer " + KEY.encode() +
        b"\n      Content-Type:\n      - application/json\n", b"    headers: *shared\n"
    )  # fmt: skip


def _comment(data: bytes) -> bytes:
    return (
        b"# recorded with " + KEY.encode() + b"\n" + data + b"# Authorization: Bearer " + KEY.encode() + b"\n"
    )


def _two_lists() -> bytes:
    document = _vcrpy_document()
    pairs = document["interactions"]
    lists = {f"{side}s": [pair[side] for pair in pairs] for side in ("request", "response")}
    return gzip.compress(json.dumps(lists).encode(), mtime=0)


def _utf_16(data: bytes) -> bytes:
    return data.decode("utf-8-sig").encode("utf-16")


CONTAINERS: dict[str, Callable[[], bytes]] = {
    "go-vcr": _in_charm,
    "go-vcr, stock": lambda: govcr.dump(two(), Dialect.STOCK),
    "go-vcr, byte order mark": lambda: BOM + _in_charm(),
    "go-vcr, CRLF": lambda: _in_charm().replace(b"\n", b"\r\n"),
    "go-vcr, comments": lambda: _comment(_in_charm()),
    "go-vcr, directive": lambda: b"%YAML 1.1\n" + _in_charm(),
    "go-vcr, document end": lambda: _in_charm() + b"...\n",
    "go-vcr, UTF-16": lambda: _utf_16(_in_charm()),
    "go-vcr, gzip": lambda: gzip.compress(_in_charm(), mtime=0),
    "go-vcr, UTF-16 in gzip": lambda: gzip.compress(_utf_16(_in_charm()), mtime=0),
    "go-vcr, no durations": lambda: _in_charm().replace(b"    duration: 20ms\n", b""),
    "go-vcr, JSON": lambda: json.dumps(_govcr_document(), ensure_ascii=False).encode(),
    "go-vcr, JSON behind dashes": lambda: b"---\n" + json.dumps(_govcr_document(), indent=2).encode(),
    "go-vcr, in braces": lambda: yaml.safe_dump(
        _govcr_document(), default_flow_style=True, allow_unicode=True
    ).encode(),
    "go-vcr, by hand": lambda: yaml.safe_dump(_govcr_document(), allow_unicode=True).encode(),
    "go-vcr, torn": lambda: _in_charm() + b'- id: 2\n  request:\n    body: \'{"a": "' + KEY.encode(),
    "VCR.py": _in_yaml,
    "VCR.py, byte order mark": lambda: BOM + _in_yaml(),
    "VCR.py, CRLF": lambda: _in_yaml().replace(b"\n", b"\r\n"),
    "VCR.py, directive": lambda: b"%YAML 1.1\n---\n" + _in_yaml(),
    "VCR.py, document end": lambda: b"---\n" + _in_yaml() + b"...\n",
    "VCR.py, comments": lambda: _comment(_in_yaml()),
    "VCR.py, UTF-16": lambda: _utf_16(_in_yaml()),
    "VCR.py, UTF-32 without a mark": lambda: _in_yaml().decode().encode("utf-32-le"),
    "VCR.py, istr": lambda: _with_tagged_keys("!!python/object/apply:multidict._multidict.istr"),
    "VCR.py, istr, new": lambda: _with_tagged_keys("!!python/object/new:multidict._istr.istr"),
    "VCR.py, own str": lambda: _with_tagged_values("own_package.headers.Secret"),
    "VCR.py, Python 2": lambda: _in_yaml().replace(b"- Bearer", b"- !!python/unicode Bearer"),
    "VCR.py, file object": _in_a_file_object,
    "VCR.py, anchors": _with_anchors,
    "VCR.py, JSON": _vcrpy_json,
    "VCR.py, JSON, byte order mark": lambda: BOM + _vcrpy_json(),
    "VCR.py, JSON behind dashes": lambda: b"---\n" + _vcrpy_json(),
    "VCR.py, JSON behind dashes and a comment": lambda: b"# c\n--- # d\n" + _vcrpy_json() + b"\n...\n",
    "VCR.py, JSON behind a comment": lambda: b"# " + KEY.encode() + b"\n" + _vcrpy_json(),
    "VCR.py, JSON with tabs": lambda: _vcrpy_json().replace(b"\n ", b"\n\t"),
    "VCR.py, JSON, UTF-16": lambda: _utf_16(_vcrpy_json()),
    "VCR.py, two lists": _two_lists,
    "HAR": _har,
    "HAR, byte order mark": lambda: BOM + _har(),
    "HAR, UTF-16": lambda: _utf_16(_har()),
    "HAR, gzip": lambda: gzip.compress(_har(), mtime=0),
    "HAR, byte order mark in gzip": lambda: gzip.compress(BOM + _har(), mtime=0),
    "HAR, header lists": lambda: _har(_as_lists),
    "HAR, header pairs": lambda: _har(_as_pairs),
    "HAR, header mapping": lambda: _har(_as_mapping),
    "HAR, cookies in lines": lambda: _har(_with_cookies),
    "HAR, odd entries": _with_odd_entries,
    "HAR, Base64 in pieces": lambda: _pieces(
        lambda piece: base64.b64encode(piece).decode(), encoding="base64"
    ),
    "HAR, hex in pieces": lambda: _pieces(bytes.hex, encoding="hex"),
    "HAR, marked hex in pieces": lambda: _pieces(bytes.hex, _isBinary=True),
    "HAR, unmarked hex in pieces": lambda: _pieces(bytes.hex),
    "llama-stack": llama_stack,
    "llama-stack, byte order mark": lambda: BOM + llama_stack(),
    "llama-stack, UTF-16": lambda: _utf_16(llama_stack()),
    "llama-stack, gzip": lambda: gzip.compress(llama_stack(), mtime=0),
}
