"""A quick look at a whole file: may there be a secret in it? Never says no where there is one.

To read each scalar of a file costs more than to look for secrets in it, and most files have none. So the
text is looked through as it stands, with what YAML's quoting and folding may hide put in order first; where
that can't be told, the answer is yes. The finder then looks at each value.
"""

from __future__ import annotations

import binascii
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any
from urllib.parse import unquote_to_bytes

from mitmvcr.formats.sniffing import is_json
from mitmvcr.http.content_coding import coding_of, is_text
from mitmvcr.http.event_stream import is_event_stream
from mitmvcr.scrub.credential_names import credential_name
from mitmvcr.scrub.decide import Rules
from mitmvcr.scrub.detect.archives import PackedError, has_archives, unpacked
from mitmvcr.scrub.detect.escapes import unfolded
from mitmvcr.scrub.detect.search import are_clear
from mitmvcr.scrub.headers import credential_kind, holds_url
from mitmvcr.scrub.memory import Memory
from mitmvcr.scrub.placeholders import MARK


def suspect(data: bytes, rules: Rules, memory: Memory) -> bool:
    """Whether a cassette's text (decompressed) may have secrets, or only a reader can tell."""
    if rules.has_patterns:
        return True
    return (_suspect_json if is_json(data) else _suspect_yaml)(data, rules, memory)


# What only a reader of YAML can tell: flow style, complex and escaped keys, Python 2's types and gzip.
_UNTOLD = re.compile(
    rb"\n(?:(?:- )*(?!data:)[^\n:'\"\\]{0,64}: *[\[{](?![\]}])|(?:- )*\? "
    rb"|(?:- )*\"[^\"\\\n]{0,64}\\(?:[^\"\\\n]|\\.){0,256}\":(?=[ \r\n]))"
)
# And UTF-16, where each character is followed by such an escape.
_UNTOLD_TAGS = (b"!!python", b"\\0", b"\\x00", b"\\u0000", b'"\\x1f\\x8b', b'"\\x1F\\x8B')
# In a block a backslash at a line's end is text, and no fold as in double quotes.
_BLOCK_SCALAR = re.compile(rb"[:-][ \t]+[|>][-+0-9]*[ \t]*\r?\n")
_FOLDED_PHRASES = (b"-----BEGIN", b"earer\n", b"EARER\n", b"asic\n", b"ASIC\n", b"x-www-form-urlencoded")
_DOUBLE_QUOTED_STREAM = (b' "data:', b' "event:', b' "id:', b' ":')
_FOLDED_STREAM = (b" 'data:", b" 'event:", b" 'id:", b" ':")
_SECOND = re.compile(rb'index"[ \t]*:[ \t]*[1-9]')
# Not the counts of JSON that stands in lines of its own (`"prompt_tokens": 82,`, `"tokens_details": {`).
_KEY = re.compile(
    rb"\n(?:-[ \t]++)*+[\"']?([A-Za-z0-9_.~-]++)[\"']?[ \t]*+:(?=([ \t\r\n]))"
    rb"(?!(?<=\":) (?:[0-9]{1,20},?|\{)\r?\n)"
)
_URL = re.compile(rb"https?://[^\s?#\"']*+([?#]\S++)")
_PATH = re.compile(rb"\n(?:- |[A-Za-z_-]++: )['\"]?/[^\n?#]*+([?#][^\n]++)")


_BINARY = re.compile(
    rb"!!binary[ \t]+(?:\|[-+]?[ \t]*\r?\n(( *)[A-Za-z0-9+/=]++\r?\n(?: +[A-Za-z0-9+/=]++(?:\r?\n|\Z))*+)"
    rb"|([A-Za-z0-9+/=]++)(?=\r?\n|\Z))"
)
_BINARY_URL = re.compile(rb"ur[il][\"']?:[ \t]*(?:\r?\n[ \t]*-[ \t]+)?!!binary")
_CODED_OTHERWISE = re.compile(rb"(?i)content-encoding[\"']?:[^:]{0,64}\b(?:br|deflate|compress)\b")


# A line break that is one to YAML alone.
_LONE_CR = re.compile(rb"\r(?!\n)")


def _apart(data: bytes) -> tuple[bytes, list[bytes]] | None:
    """The text without what is `!!binary` in it, and that, decoded; None if only a reader can tell."""
    has_lone_cr = b"\r" in data and _LONE_CR.search(data)
    if b"!!binary" not in data:
        return None if has_lone_cr else (data, [])
    if has_lone_cr or _BINARY_URL.search(data):
        return None
    text: list[bytes] = []
    binary = []
    at = 0
    for found in _BINARY.finditer(data):
        below = data[found.end() : found.end() + len(found[2] or b"") + 1]
        if found[1] and not below.strip(b" ") and below:
            return None  # it goes on in a way of its own
        try:
            plain = _decoded(binascii.a2b_base64(found[1] or found[3]), data)
        except ValueError:
            return None  # its reader says what is wrong
        if plain is None:
            return None
        text.append(data[at : found.start()])
        binary.append(plain)
        at = found.end() - 1 if found[1] else found.end()
    text.append(data[at:])
    rest = b"".join(text)
    return None if b"!!binary" in rest else (rest, binary)


def _decoded(value: bytes, data: bytes) -> bytes | None:
    """What a reader would look for secrets in: without gzip and zstd; None if the file has other codings."""
    coding = coding_of(value)
    try:
        plain = unpacked(value, coding) if coding else value
    except PackedError:
        return None
    if (
        is_event_stream(plain)
        or has_archives(plain)
        or (not is_text(plain) and (coding or _CODED_OTHERWISE.search(data)))
    ):
        return None
    return plain


def _suspect_yaml(data: bytes, rules: Rules, memory: Memory) -> bool:
    parts = _apart(data)
    if parts is None:
        return True
    flat = unfolded(parts[0])
    # Without indentation and folds. What is told by a line alone is looked for in each line once.
    lines = [line.lstrip() for line in flat.split(b"\n")]
    once = b"\n".join([b"", *set(lines), b""])
    if (
        (len(flat) != len(parts[0]) and _BLOCK_SCALAR.search(parts[0]))
        or any(sign in once for sign in (*_UNTOLD_TAGS, *_FOLDED_PHRASES))
        or _UNTOLD.search(once)
        or _has_names(once)
        or _has_secret_urls(once)
    ):
        return True
    text = b"\n".join([b"", *lines])
    if any(sign in once for sign in _FOLDED_STREAM):
        if _SECOND.search(once):
            return True
        # Where the JSON of an event was folded, a key and its text are on two lines.
        text = text.replace(b'":\n"', b'": "')
    if not are_clear([text], rules.scanner, memory.watch) or _has_phrases(text, rules):
        return True
    if any(sign in once for sign in _DOUBLE_QUOTED_STREAM):
        plain = text.replace(b'\\"', b'"').replace(b"\\n", b"\n").replace(b'":\n"', b'": "')
        if _SECOND.search(plain) or not are_clear([plain], rules.scanner, memory.watch):
            return True
    return not are_clear(parts[1], rules.scanner, memory.watch)


def _has_phrases(text: bytes, rules: Rules) -> bool:
    """Whether one of the finders that want words side by side finds something that may have been folded."""
    flat = b""
    for words, finder in rules.custom.finders:
        if not all(word.split()[0] in text for word in words):
            continue
        flat = flat or text.replace(b"\n", b" ").replace(b"''", b"'")
        if any(not MARK.search(hit.value) for hit in finder(flat)):
            return True
    return False


def _has_names(text: bytes) -> bool:
    """Whether keys are named as headers with credentials, or as parameters."""
    for key, behind in set(_KEY.findall(text)):
        name = key.decode("ascii")
        # `code: 200` is an answer's; a parameter's value stands on the next line.
        if _is_credential_name(name) or (
            behind not in b" \t" and name.lower() not in _STRUCTURE and credential_name(name) is not None
        ):
            return True
    return False


_STRUCTURE = frozenset({"authorization", "api-key", "x-api-key"})
"""Names of parameters that are headers' too: these are looked at as such."""


@lru_cache(maxsize=4096)
def _is_credential_name(name: str) -> bool:
    """Whether a header of this name may carry a credential."""
    return credential_kind(name, _ANY) is not None


def _has_secret_urls(text: bytes) -> bool:
    if any(_has_secret_pair(found[1]) for found in _URL.finditer(text)):
        return True
    return (b"\n- /" in text or b": /" in text) and any(
        _has_secret_pair(found[1]) for found in _PATH.finditer(text)
    )


_ANY = b"a value that is none of those that are harmless"


def _has_secret_pair(query: bytes) -> bool:
    for pair in re.split(rb"[?&#]", query):
        name, _, value = pair.partition(b"=")
        if credential_name(unquote_to_bytes(name).decode("latin-1")) and value and not MARK.search(value):
            return True
    return False


# Forms; bodies that are no text: in Base64 or hexadecimal (HAR), or each byte as a lone surrogate; archives
# of texts.
_UNTOLD_JSON = (
    b"x-www-form-urlencoded",
    b'"base64"',
    b'"hex"',
    b"_isBinary",
    b'[\\"1f8b',
    b"\\udc",
    b"ustar",
)


def _suspect_json(data: bytes, rules: Rules, memory: Memory) -> bool:
    if any(sign in data for sign in _UNTOLD_JSON):
        return True
    try:
        document = json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return True  # its reader says what is wrong
    walk = _JsonWalk()
    walk.value(document, "")
    if walk.by_name:
        return True
    text = "\n".join(walk.texts).encode("utf-8", "replace")
    return not are_clear([text, *walk.streams], rules.scanner, memory.watch)


@dataclass(slots=True)
class _JsonWalk:
    """The texts of a JSON document, those that may be streams by themselves too."""

    texts: list[str] = field(default_factory=list)
    streams: list[bytes] = field(default_factory=list)
    by_name: bool = False

    def value(self, value: Any, name: str) -> None:
        if isinstance(value, str):
            self._text(value, name)
        elif isinstance(value, list):
            if len(value) > 1 and name == "body":
                events = ["data: " + json.dumps(item, ensure_ascii=False) for item in value]
                self.streams.append("\n\n".join(events).encode("utf-8", "replace"))
            for item in value:
                self.value(item, name)
        elif isinstance(value, dict):
            for key, inner in value.items():
                self._pair(key, inner)

    def _text(self, value: str, name: str) -> None:
        # As it would stand in a body: with its key's name in front.
        self.texts.append(f'"{name}": "{value}"' if name else value)
        if "data:" in value or "\n{" in value:
            self.streams.append(value.encode("utf-8", "replace"))
        if name in _URLS and any(mark in value for mark in "?#"):
            self.by_name |= _has_secret_pair(value.encode("utf-8", "replace"))

    def _pair(self, key: str, value: Any) -> None:
        lower = key.lower()
        if lower in ("headers", "trailer"):
            for name, given in _named(value):
                self.by_name |= credential_kind(name, given.encode("utf-8", "replace")) is not None
                self.value(given, _URL_NAME if holds_url(name.lower()) else "")
            return
        if lower in ("form", "querystring", "params"):
            self.by_name |= any(credential_name(name) is not None for name, _ in _named(value))
        self.by_name |= lower == "cookies" and bool(value)
        self.texts.append(key)
        self.value(value, lower)


_URL_NAME = "url"
_URLS = frozenset({"url", "uri", "request_uri", "redirecturl"})


def _named(value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        pairs = list(value.items())
    elif isinstance(value, list):
        pairs = [(item.get("name"), item.get("value")) for item in value if isinstance(item, dict)]
        pairs += [tuple(item) for item in value if isinstance(item, list) and len(item) == 2]
    else:
        return
    for name, given in pairs:
        for item in given if isinstance(given, list) else [given]:
            if isinstance(item, str):
                yield str(name), item
