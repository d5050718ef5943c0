"""What one cassette has seen: secrets with their replacements, and credential values to look out for.

It lives as long as the cassette is open, in memory alone; nothing of it is ever written.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from mitmvcr.model import Cassette, Interaction, Node
from mitmvcr.scrub.credential_names import Place, credential_at
from mitmvcr.scrub.detect.randomness import looks_random
from mitmvcr.scrub.detect.readings import Reading
from mitmvcr.scrub.detect.seen_values import Watch
from mitmvcr.scrub.headers import credentials
from mitmvcr.scrub.placeholders import MARK

_NUMBER = re.compile(rb"(REDACTED-[a-z][a-z0-9]*)-[0-9]+")
# Words of which one in a variable's name says that its value is secret: `OPENAI_API_KEY_2`, `DB_PASS`, `JWT`.
_SECRET_NAME = re.compile(
    r"(?:^|_)(?:[A-Z]*(?:KEY|TOKEN|SECRET|PASSWORD|PASSWD|PASSPHRASE|CREDENTIAL)S?|(?:PG|DB|MY)?PASS|PWD|PAT|JWT"
    r"|CREDS?|AUTH(?=$|_KEY|_TOKEN))(?:_|[0-9]|$)",
    re.IGNORECASE,
)
# What is too common to look out for: a word; numbers, dates; hosts, addresses, URLs; paths; models' names.
_COMMON = re.compile(
    rb"[A-Za-z]{1,15}[0-9]{0,2}|[0-9.,:/ +-]{1,32}|[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9:.Z+-]*"
    rb"|(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24}(?::[0-9]{1,5})?|[A-Za-z0-9-]{1,63}:[0-9]{1,5}"
    rb"|[a-z][a-z0-9+.-]{1,15}://[^@]*|(?:/|\./|~|[A-Za-z]:\\).*"
    rb"|(?:gpt|chatgpt|text|tts|whisper|claude|gemini|llama|mistral|qwen|deepseek)(?:-[a-z0-9.]+)++",
    re.DOTALL,
)

_TEST_VALUE = re.compile(rb"[a-z_ -]{1,19}")
"""What test suites set for a key (`fake-api-key`)."""

_SHORTEST = 8
"""Shorter values than this (in bytes) are not looked out for: they occur by chance."""

_HEARD = 256
"""How many headers' values are remembered with their secret parts: without, a request costs a fifth more."""

_SEEN = 128
"""How many values of each kind are looked out for, those seen last: some programs send fresh ones."""

_COOKIES = 32
"""How many cookies: Cloudflare sends some with every answer, and a client that still uses an older one sends
it again."""

_REPLACEMENTS = 65_536
"""How many secrets keep their number, those met last."""


def collapse(text: bytes) -> bytes:
    """Without the numbers of replacements: two recordings number in the order in which they see."""
    return _NUMBER.sub(rb"\1", text) if b"REDACTED-" in text else text


class Memory:
    """Secrets seen in one cassette. Not safe for threads: each open cassette has its own.

    `seen` is how many values of each kind are looked out for at most, besides the environment's.
    """

    __slots__ = ("_counts", "_heard", "_replacements", "_seen", "watch")

    def __init__(self, environ: Mapping[str, str] | None = None, *, seen: int = _SEEN) -> None:
        self._counts: dict[str, int] = {}
        self._replacements: dict[tuple[str, bytes], bytes] = {}
        self._heard: dict[tuple[str, str], list[bytes]] = {}
        self._seen = seen
        self.watch = Watch()
        for name, value in (os.environ if environ is None else environ).items():
            if _SECRET_NAME.search(name):
                for part in (value, *value.split(",")) if "," in value else (value,):
                    raw = worth_looking_out(part)
                    if raw and not _TEST_VALUE.fullmatch(raw):
                        self.watch.add(raw, "token")

    def track(self, value: str | bytes, kind: str) -> None:
        """Look out for this value from now on; too short or too common ones are passed over."""
        raw = worth_looking_out(value)
        if raw:
            self._look_out(raw, kind)

    def track_header(self, name: str, value: str, kind: str, *, but: bytes = b"") -> None:
        """Look out for the secret parts of a header's value; a client sends the same ones each time.

        Not for those that stand in `but`.
        """
        heard = self._heard.get((name, value))
        if heard is None:
            heard = [raw for part in credentials(name.lower(), value) if (raw := worth_looking_out(part))]
            if len(self._heard) >= _HEARD:
                self._heard.clear()
            self._heard[name, value] = heard
        for raw in heard:
            if not but or raw not in but:
                self._look_out(raw, kind)

    def _look_out(self, raw: bytes, kind: str) -> None:
        self.watch.add(raw, kind, _COOKIES if kind == "cookie" else self._seen)

    def track_parameters(self, readings: Iterable[Reading]) -> None:
        """Look out for the credentials in the parameters of a URL, a form or multipart."""
        for reading in readings:
            name = reading.name
            if name is not None and reading.place is Place.PARAMETER:
                found = credential_at(name, reading.text, reading.place)
                if found is not None:
                    self.track(reading.text[found.start :], found.kind)

    def replacement(self, kind: str, secret: bytes) -> bytes:
        """`REDACTED-kind-n`, always with the same number for the same secret."""
        kind = self.watch.kind(secret) or kind
        mark = self._replacements.pop((kind, secret), None)
        if mark is None:
            number = self._counts.get(kind, 0) + 1
            self._counts[kind] = number
            mark = b"REDACTED-%s-%d" % (kind.encode(), number)
            if len(self._replacements) >= _REPLACEMENTS:
                del self._replacements[next(iter(self._replacements))]
        self._replacements[kind, secret] = mark
        return mark

    def value_of(self, replacement: bytes) -> bytes | None:
        """The secret whose place this takes; None for a replacement that it has not made."""
        return next((secret for (_, secret), mark in self._replacements.items() if mark == replacement), None)

    @property
    def has_replacements(self) -> bool:
        """Whether there are replacements that it made, or that a cassette has."""
        return bool(self._counts)

    def learn(self, other: Memory) -> None:
        """Know what the other one knows, too; who knew a replacement before keeps it."""
        for kind, count in other._counts.items():
            self._counts[kind] = max(self._counts.get(kind, 0), count)
        self._replacements = other._replacements | self._replacements
        self.watch.learn(other.watch)

    @classmethod
    def resume(
        cls, cassette: Cassette, environ: Mapping[str, str] | None = None, *, seen: int = _SEEN
    ) -> Memory:
        """A memory whose numbers go on after the highest that the cassette has."""
        memory = cls(environ, seen=seen)
        for text in _texts(cassette):
            for mark in MARK.finditer(text) if b"REDACTED-" in text else ():
                kind = mark.group(1).decode()
                memory._counts[kind] = max(memory._counts.get(kind, 0), int(mark.group(2)))
        return memory


def worth_looking_out(value: str | bytes) -> bytes:
    """The bytes to look out for; none of a value that is too short, too common, or replaced already."""
    raw = value.encode("utf-8", "surrogateescape") if isinstance(value, str) else value
    raw = raw.strip()
    if len(raw) < _SHORTEST or MARK.search(raw):
        return b""
    return b"" if _COMMON.fullmatch(raw) and not looks_random(raw) else raw


_HIDES = re.compile(rb"!!binary|\\(?:x|u00|U000000)[2-7]")
"""What a YAML text has that says something in ASCII which doesn't stand there."""


def _not_in_source(cassette: Cassette) -> Iterator[Interaction]:
    """The interactions that may say what doesn't stand in the text that they were read from."""
    source = cassette.source
    if source is None or source.coded is None or cassette.interactions is not source.entries:
        yield from cassette.interactions
        return
    for number in source.coded:
        if _HIDES.search(source.data, *source.spans[number]):
            yield source.entries[number]


def _texts(cassette: Cassette) -> Iterator[bytes]:
    if cassette.source is not None:
        yield cassette.source.data
    for interaction in _not_in_source(cassette):
        request, response = interaction.request, interaction.response
        yield from strings([request.body, response.body, request.url])
        yield from strings([request.headers, response.headers, request.form])


def strings(node: Node | Sequence[Node]) -> Iterator[bytes]:
    if isinstance(node, str):
        yield node.encode("utf-8", "surrogateescape")
    elif isinstance(node, bytes):
        yield node
    elif isinstance(node, Mapping):
        for key, value in node.items():
            yield key.encode("utf-8", "surrogateescape")
            yield from strings(value)
    else:
        for value in node:
            yield from strings(value)
