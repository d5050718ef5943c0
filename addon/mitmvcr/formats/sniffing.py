"""Which format bytes are in, told from their first few KB, and gzip undone; never looks at a file's name.

`sniff` is cheap and decides no more than which reader to ask: that one says what is wrong.
"""

from __future__ import annotations

import gzip
import io
import re
import zlib
from dataclasses import dataclass

from mitmvcr.errors import FormatError
from mitmvcr.http.content_coding import GZIP_MAGIC

HEAD = 64 * 1024
"""Bytes that are looked at."""

MAX_SIZE = 1 << 30
"""Bytes that a compressed cassette may have when it is decompressed."""


_READABLE = (
    "Readable are cassettes of go-vcr v2 (YAML) and VCR.py v1 (YAML or JSON), "
    "recordings of llama-stack (JSON) and HAR 1.2, also compressed with gzip"
)


def decompress(data: bytes, limit: int = MAX_SIZE) -> bytes:
    """The bytes without gzip, if they are gzip's (by their magic number), else the bytes themselves.

    Raises FormatError for more than `limit` bytes, and for gzip that is damaged or cut short.
    """
    if not data.startswith(GZIP_MAGIC):
        return data
    try:
        out = gzip.GzipFile(fileobj=io.BytesIO(data)).read(limit + 1)
    except EOFError:
        raise FormatError("gzip data that ends too early: the file is cut short") from None
    except (OSError, zlib.error) as error:
        raise FormatError(f"damaged gzip ({error}): fetch the file again") from None
    if len(out) > limit:
        raise FormatError(f"more than {limit:,} bytes when decompressed: decompress and split it")
    return out


def sniff(data: bytes) -> str:
    """The format's name: `go-vcr`, `vcrpy`, `llama-stack` or `har`; raises FormatError for anything else."""
    head = _head(data)
    text = head.decode("utf-8", "replace").removeprefix("\ufeff")
    name = _json(text) if is_json(head) else _yaml(text, data)
    if name is None:
        raise FormatError(f"this is no cassette: it looks like {_looks_like(head, text)}. {_READABLE}")
    return name


def is_json(data: bytes) -> bool:
    """Whether a cassette's text (decompressed) is JSON, not YAML."""
    return _JSON_OBJECT.match(data) is not None


def _head(data: bytes) -> bytes:
    if not data.startswith(GZIP_MAGIC):
        return data[:HEAD]
    try:
        return zlib.decompressobj(wbits=31).decompress(data[:HEAD], HEAD)
    except zlib.error:
        raise FormatError(f"this is no cassette: it looks like damaged gzip. {_READABLE}") from None


# An object, empty or with a quoted key; YAML in braces mostly has its keys without quotes.
_JSON_OBJECT = re.compile(rb'(?:\xef\xbb\xbf)?\s*\{\s*["}]')
_TOKEN = re.compile(r'"((?:[^"\\]|\\.)*+)"(\s*:)?|[{}\[\]]', re.DOTALL)


def _json(text: str) -> str | None:
    keys = _json_keys(text)
    known: dict[str, str | None] = {
        "log": "har",
        "interactions": _of_interactions(text, _JSON_VERSION.search(text)),
        "requests": "vcrpy",
        "responses": "vcrpy",
        "request": "llama-stack",
        "response": "llama-stack",
        # llama-stack writes it first; a request that is cut off here may follow.
        "test_id": "llama-stack",
    }
    return next((known[key] for key in keys if key in known), None)


_JSON_VERSION = re.compile(r'\s*\{\s*"version"\s*:\s*"?(\d+)')


def _json_keys(text: str) -> list[str]:
    """Keys of the outermost object, as far as the text goes."""
    keys, depth = [], 0
    for match in _TOKEN.finditer(text):
        if match[1] is None:
            depth += 1 if match[0] in "{[" else -1
        elif depth == 1 and match[2]:
            keys.append(match[1])
    return keys


# For a text with a line break in front: ten times as fast as `^`, which is tried at every character.
_YAML_KEY = re.compile(r"""\n(["']?)(interactions|requests|responses|version)\1[ \t]*:""")
_YAML_VERSION = re.compile(r"""\n["']?version["']?[ \t]*:[ \t]*["']?(\d+)""")
_FLOW = re.compile(r"\s*\{[^{}\[\]]{0,200}?\b(?:interactions|version)\s*:")
_OLD = re.compile(r"(?:---\s+)?(?:#[^\n]*\s+)*- request:\s")


def _yaml(text: str, data: bytes) -> str | None:
    if _OLD.match(text):
        return "vcrpy"  # of VCR.py before 1.0, as its reader says
    lines = "\n" + text
    keys = {match[2] for match in _YAML_KEY.finditer(lines)}
    if _FLOW.match(text):
        return _of_interactions(text, re.search(r"\bversion\s*:\s*(\d+)", text))
    if "interactions" in keys:
        version = _YAML_VERSION.search(lines) or _YAML_VERSION.search(_tail(data))
        return _of_interactions(text, version)
    if keys >= {"version"} or keys & {"requests", "responses"}:
        match = _YAML_VERSION.search(lines)
        return "go-vcr" if match and match[1] != "1" else "vcrpy"
    return None


def _tail(data: bytes) -> str:
    return "" if data.startswith(GZIP_MAGIC) else data[-200:].decode("utf-8", "replace").replace("\r", "\n")


# go-vcr begins an entry with its id, or the request with its protocol; VCR.py sorts keys.
_GO_VCR = re.compile(
    r"""\binteractions["']?\s*:\s*\[?\s*[-{]\s*["']?(?:id\b|request["']?\s*:\s*\{?\s*["']?proto\b)"""
)
_GO_VCR_1 = re.compile(r"(?:---\s+)?version: 1\n(?:.*\n)*? {4,8}(?:form|url):")


def _of_interactions(text: str, version: re.Match[str] | None) -> str:
    if version:
        # go-vcr's own version 1, and versions yet to come, are go-vcr's reader to refuse.
        return "go-vcr" if version[1] != "1" or _GO_VCR_1.match(text) else "vcrpy"
    return "go-vcr" if _GO_VCR.search(text) else "vcrpy"


@dataclass(frozen=True, slots=True)
class _Look:
    """What bytes that start so are, in words."""

    pattern: re.Pattern[str]
    words: str


_LOOKS = (
    _Look(
        re.compile(r"\d+:\d+:"),
        "mitmproxy's flows (`mitmdump -nr FILE --set hardump=OUT.har` makes HAR of them)",
    ),
    _Look(re.compile(r"(?s).*?^\W*http_interactions\W", re.MULTILINE), "a cassette of Ruby's VCR or Betamax"),
    _Look(re.compile(r'(?s)\s*\{.*?"(?:mappings|priority|scenarioName)"\s*:'), "mappings of WireMock"),
    _Look(re.compile(r'(?s)\s*\{.*?"(?:pairs|globalActions)"\s*:'), "a simulation of Hoverfly"),
    _Look(re.compile(r"(?i)\s*<(?:!doctype|html|\?xml)"), "HTML or XML"),
    _Look(re.compile(r"version https://git-lfs"), "a pointer of Git LFS (`git lfs pull` fetches the file)"),
    _Look(re.compile(r"(?s).*^<{7} .*^={7}$", re.MULTILINE), "a file with a merge conflict"),
    _Look(re.compile(r"PK\x03\x04"), "a ZIP archive"),
    _Look(re.compile(r"(?:GET|POST|PUT|DELETE|PATCH|HEAD) \S+ HTTP/|HTTP/\d"), "raw HTTP"),
    _Look(re.compile(r"\s*[{\[]"), "JSON of another kind"),
    _Look(re.compile(r"(?s)(?:---\s+)?.*?^[\w\"'-]+:(?:\s|$)|- ", re.MULTILINE), "YAML of another kind"),
)


def _looks_like(head: bytes, text: str) -> str:
    if not text.strip():
        return "an empty file"
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "UTF-16 text (save it as UTF-8)"
    found = next((look.words for look in _LOOKS if look.pattern.match(text)), None)
    if found is None:
        found = "binary data" if "\0" in text or text.count("\ufffd") > 8 else "plain text"
    return found
