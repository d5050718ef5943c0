"""A value, read as its format says -> its texts, each with what it is and the way back to its bytes.

A body is multipart, a form, JSON, a stream of events or text; a string in JSON, a field of a form and a
part may hold JSON again. Escapes are undone on the way, so that each text is what its format means; whoever
changes a text asks the way back which bytes of the body are to be replaced, and these are whole escapes,
inside of quotes. So what was JSON stays JSON.

Secrets that are cut in pieces (over a stream's events, or token by token in `logprobs`) are seen in the
texts that the pieces at one place make up together.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

from mitmvcr.http.multipart import body_parts
from mitmvcr.http.sse import Event, events, has_events
from mitmvcr.scrub.credential_names import CredentialName, Place, credential_name
from mitmvcr.scrub.detect.escapes import Back, behind, mapped, same, shifted
from mitmvcr.scrub.detect.json_leaves import JsonLeaf, NoJsonError, Path, leaves, path_text, text_of
from mitmvcr.scrub.detect.readings import Indices, Piece, Reading, joined, spread
from mitmvcr.scrub.detect.tokens import Span

FORM = "application/x-www-form-urlencoded"
"""The media type of bodies that are read as forms."""

_DEPTH = 5
"""How deep JSON in strings in JSON is read; what is deeper is text."""


def read_body(body: bytes, media_type: str, content_type: str = "") -> list[Reading]:
    """The texts of a body without its content coding; `media_type` in lower case, without parameters."""
    reader = _Reader()
    if media_type == FORM:
        reader.form(body)
    elif media_type.startswith("multipart/") or (not media_type and _has_parts(body)):
        reader.multipart(body, content_type)
    else:
        reader.value(body, _Source())
    return [*reader.readings, *joined(reader.pieces)]


def _has_parts(body: bytes) -> bool:
    """Whether a body whose type nobody tells is multipart: its first line, a boundary, comes again."""
    first = body[:80].partition(b"\n")[0].rstrip(b"\r")
    return first.startswith(b"--") and b"\n" + first + b"--" in body


def read_url(url: bytes) -> list[Reading]:
    """The texts of a URL: itself, user and password, and each parameter's value."""
    reader = _Reader()
    reader.url(url)
    return reader.readings


def read_text(text: bytes) -> list[Reading]:
    """The texts in a text that stands by itself, which may be JSON."""
    reader = _Reader()
    reader.value(text, _Source())
    return [*reader.readings, *joined(reader.pieces)]


def read_events(texts: Sequence[tuple[int, int]], data: bytes) -> list[Reading]:
    """The texts that the events of a stream make up together; each event is JSON at its place in `data`."""
    reader = _Reader()
    for number, (start, end) in enumerate(texts):
        reader.event(data[start:end], shifted(same, start), number)
    return joined(reader.pieces)


_BOM = b"\xef\xbb\xbf"
_PERCENT = re.compile(rb"%[0-9A-Fa-f]{2}|\+")
_JSON_ESCAPE = re.compile(
    rb"\\u[dD][89abAB][0-9A-Fa-f]{2}\\u[dD][c-fC-F][0-9A-Fa-f]{2}|\\u[0-9A-Fa-f]{4}|\\.", re.DOTALL
)
# What begins a URL's query or fragment; a URL without a host may begin with a pair.
_QUERY = re.compile(rb"[?#&]")
# A pair of a URL: behind a separator. A second `?` begins a name anew, as in `#page?key=…`, but may stand in
# a value, which only `&` or `#` ends.
_URL_PAIR = re.compile(rb"(?<![^?&#])([^?&#=]*+)=([^&#]++)")
# A pair of a form: there only `&` is a separator.
_FORM_PAIR = re.compile(rb"(?<![^&])([^&=]*+)=([^&]++)")
_USER = re.compile(rb"[A-Za-z][A-Za-z0-9+.-]*+://([^/?#@:]*+)(?::([^/?#@]*+))?@")
# A list of bytes, as `logprobs` has those of each token.
_CODES = re.compile(rb"\[\s*+[0-9]{1,3}\s*+(?:,\s*+[0-9]{1,3}\s*+)*+\]")
_PASSWORD = CredentialName("password", credential_name("password").strength)  # type: ignore[union-attr]


@dataclass(frozen=True, slots=True)
class _Source:
    """Where a text comes from: the way back, the path to it, how deep it nests, whether it is said.

    `indices` are those of the event that it is of; None if it is of none.
    """

    back: Back = same
    path: str = ""
    depth: int = 0
    is_said: bool = False
    indices: Indices | None = None

    def at(self, path: Path) -> str:
        """The path to what stands at a path below."""
        below = path_text(path)
        return f"{self.path}.{below}" if self.path and below else self.path or below


class _Reader:
    """Gathers the readings of one value, and the pieces that may belong together."""

    def __init__(self) -> None:
        self.readings: list[Reading] = []
        self.pieces: list[Piece] = []

    def value(self, text: bytes, source: _Source) -> None:
        """JSON, a stream of events, or text."""
        if text.startswith(_BOM):
            text, source = text[len(_BOM) :], replace(source, back=shifted(source.back, len(_BOM)))
        if source.depth < _DEPTH and text[:64].lstrip()[:1] in (b"{", b"[") and self._json(text, source):
            return
        if not source.depth and has_events(text):
            found = list(events(text))
            for number, event in enumerate(found):
                self._event(event, number)
            self._beside(text, found)
            return
        self.readings.append(Reading(text, source.back, path=source.path))

    def _beside(self, text: bytes, found: Sequence[Event]) -> None:
        """What stands in a stream beside its events' data."""
        at = 0
        for start, end in [line for event in found for line in event.lines] + [(len(text), len(text))]:
            if text[at:start].strip(b"data: \r\n"):
                self.readings.append(Reading(text[at:start], shifted(same, at)))
            at = end

    def _event(self, event: Event, number: int) -> None:
        if len(event.lines) == 1:
            self.event(event.data, shifted(same, event.lines[0][0]), number)
            return
        parts = [Reading(b"", shifted(same, start)) for start, _ in event.lines]
        starts = [0, *accumulate(end - start + 1 for start, end in event.lines)]
        self.event(event.data, lambda start, end: spread(starts, parts, start, end), number)

    def event(self, data: bytes, back: Back, number: int) -> None:
        """An event's data, the `number`th of its stream."""
        before = len(self.pieces)
        if data[:1] in (b"{", b"[") and self._json(data, _Source(back, indices=())):
            self.pieces[before:] = [
                replace(piece, path=(number, *piece.path), is_event=True) for piece in self.pieces[before:]
            ]
            return
        reading = Reading(data, back)
        self.readings.append(reading)
        self.pieces.append(Piece((number,), reading, is_event=True))

    def _json(self, text: bytes, source: _Source) -> bool:
        """Read a JSON text; false, and nothing read, if it is none."""
        found: list[JsonLeaf] = []
        try:
            found.extend(leaves(text, is_said=source.is_said))
        except NoJsonError:
            self._cut_off(found, text, source)
            return False
        if source.indices is not None:
            source = replace(source, indices=tuple(_indices(found, text)))
        for leaf in found:
            raw = text[leaf.start : leaf.end]
            if leaf.is_string:
                self._string(leaf, raw, source)
            elif leaf.is_list or leaf.name is not None:
                self._bare(leaf, raw, source)
        return True

    def _cut_off(self, found: Sequence[JsonLeaf], text: bytes, source: _Source) -> None:
        """What names tell in front of the place where a text stops to be JSON, which is read as text, too."""
        for leaf in found:
            if leaf.is_string and not leaf.is_key and leaf.name is not None:
                back, value = _unquoted(text[leaf.start : leaf.end], shifted(source.back, leaf.start))
                path = source.at(leaf.path)
                self.readings.append(Reading(value, back, _place(leaf), leaf.name, path, is_whole=True))

    def _string(self, leaf: JsonLeaf, raw: bytes, source: _Source) -> None:
        back, value = _unquoted(raw, shifted(source.back, leaf.start))
        reading = Reading(value, back, _place(leaf), None if leaf.is_key else leaf.name, source.at(leaf.path))
        if not source.depth and not leaf.is_key:
            self._piece(leaf.path, reading, source)
        self._nested(reading, _Source(back, reading.path, source.depth + 1, leaf.is_said))

    def _nested(self, reading: Reading, source: _Source) -> None:
        """A text that may be JSON itself; a name over it holds for the whole."""
        before = len(self.readings)
        self.value(reading.text, source)
        if len(self.readings) == before + 1 and self.readings[before].text is reading.text:
            self.readings[before] = reading
        elif reading.name is not None:
            self.readings.append(replace(reading, is_whole=True))

    def _bare(self, leaf: JsonLeaf, raw: bytes, source: _Source) -> None:
        """A number, a word, or a list of numbers: of interest under a name, and as a list of codes."""
        start, end = (leaf.start + 1, leaf.end - 1) if leaf.is_list else (leaf.start, leaf.end)
        back, path = _whole(source.back, start, end), source.at(leaf.path)
        value = raw[1:-1].strip() if leaf.is_list else raw
        if leaf.name is not None and value:
            quote = b"\\" * (2**source.depth - 1) + b'"'
            self.readings.append(
                Reading(
                    value, back, _place(leaf), leaf.name, path, lambda new: quote + new + quote, is_whole=True
                )
            )
        if leaf.is_list and _CODES.fullmatch(raw):
            codes = [int(code) for code in value.split(b",")]
            if max(codes) < 256:
                reading = Reading(bytes(codes), back, path=path, written=_as_codes, is_whole=True)
                self.readings.append(reading)
                self._piece(leaf.path, reading, source)

    def _piece(self, path: Path, reading: Reading, source: _Source) -> None:
        """What stands in a list or a stream may be a part of something longer."""
        if source.indices is not None or any(type(step) is int for step in path):
            self.pieces.append(Piece(path, reading, _above(source.indices or (), path)))

    def form(self, body: bytes) -> None:
        """The names and values of an urlencoded body."""
        for pair in _FORM_PAIR.finditer(body):
            self._pair(pair)

    def url(self, url: bytes) -> None:
        self.readings.append(Reading(url, same))
        user = _USER.match(url)
        if user and user[2]:
            self._coded(user[2], user.start(2), _PASSWORD, "password")
        elif user and user[1]:
            self._coded(user[1], user.start(1), CredentialName("token", _PASSWORD.strength), "user")
        query = _QUERY.search(url)
        for pair in _URL_PAIR.finditer(url, query.end()) if query else ():
            self._pair(pair)

    def _pair(self, pair: re.Match[bytes]) -> None:
        name = _plain(pair[1], same)[1].decode("utf-8", "replace")
        self._coded(pair[1], pair.start(1), None, name)
        self._coded(pair[2], pair.start(2), credential_name(name), name)

    def _coded(self, raw: bytes, at: int, name: CredentialName | None, path: str) -> None:
        """A text with percent-coding."""
        back, value = _plain(raw, shifted(same, at))
        self._named(value, back, name, path)

    def _named(self, value: bytes, back: Back, name: CredentialName | None, path: str) -> None:
        self._nested(Reading(value, back, Place.PARAMETER, name, path), _Source(back, path, 1))

    def multipart(self, body: bytes, content_type: str) -> None:
        """The parts: a field's value has a name, a file is a body of its own."""
        at = 0
        for part in body_parts(body, content_type):
            start = body.index(part.raw, at)
            at = start + len(part.raw)
            content = part.content
            if content is None:
                self.readings.append(Reading(part.raw, shifted(same, start)))
                continue
            head, blank, _ = part.split()
            inside = start + len(head) + len(blank)
            self.readings.append(Reading(head, shifted(same, start)))
            back = shifted(same, inside)
            if part.name is None or b"filename" in head:
                self.value(content, _Source(back, part.name or "", 1))
            else:
                self._named(content, back, credential_name(part.name), part.name)


def _unquoted(raw: bytes, back: Back) -> tuple[Back, bytes]:
    """A JSON string's text, and the way back from it; the way is made when somebody takes it."""
    if b"\\" not in raw:
        return back, raw
    value = text_of(raw).encode("utf-8", "surrogatepass")
    ways: list[Back] = []

    def way(start: int, end: int) -> list[Span]:
        if not ways:
            view = mapped(raw, _JSON_ESCAPE, _json_meaning)
            # A string that is no proper JSON is replaced as a whole.
            fits = view is not None and view.text == value
            ways.append(view.back if fits and view else lambda _start, _end: [(0, len(raw))])
        return behind(back, ways[0])(start, end)

    return way, value


def _json_meaning(found: re.Match[bytes]) -> bytes:
    return text_of(found.group()).encode("utf-8", "surrogatepass")


def _plain(raw: bytes, back: Back) -> tuple[Back, bytes]:
    """A text of a URL or a form without percent-coding, and the way back."""
    view = mapped(raw, _PERCENT, lambda found: bytes.fromhex(found[0][1:].decode()) or b" ")
    return (behind(back, view.back), view.text) if view else (back, raw)


def _place(leaf: JsonLeaf) -> Place:
    return Place.CONVERSATION if leaf.is_said else Place.FIELD


def _whole(back: Back, start: int, end: int) -> Back:
    return lambda _start, _end: back(start, end)


def _as_codes(replacement: bytes) -> bytes:
    return b",".join(b"%d" % code for code in replacement)


def _indices(found: Iterable[JsonLeaf], text: bytes) -> Iterator[tuple[Path, bytes]]:
    """The numbers that tell an event's texts apart (of choice, tool call, output), and where they stand."""
    for leaf in found:
        if not leaf.is_key and leaf.path and str(leaf.path[-1]).endswith("index"):
            yield leaf.path[:-1], text[leaf.start : leaf.end]


def _above(indices: Indices, path: Path) -> Indices:
    return tuple(index for index in indices if path[: len(index[0])] == index[0])
