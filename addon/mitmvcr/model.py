"""What a cassette holds: interactions of one request and one response; plain frozen data, no behaviour.

The fields are those of go-vcr v2 (`cassette.Interaction` of gopkg.in/dnaeon/go-vcr.v4), in its order.

Text is `str`. Bytes that are not UTF-8 (a header value in Latin-1, say) stand in it as lone
surrogates, as PEP 383 has it: `raw.decode("utf-8", "surrogateescape")`, and back with
`text.encode("utf-8", "surrogateescape")`. Bodies are always `bytes`.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

Values: TypeAlias = Mapping[str, Sequence[str]]
"""Names to lists of values: headers, trailers and forms, as Go's `map[string][]string`."""

Node: TypeAlias = "str | Plain | Sequence[Node] | Mapping[str, Node] | bytes"
"""A YAML value under a key that we don't know."""


class Plain(str):
    """A scalar that stood unquoted in the file (`12`, `true`, `null`), to be written so again."""

    __slots__ = ()


class SpelledName(str):
    """A header's name in Go's form, which stands otherwise in the file that it is from: `spelling`."""

    __slots__ = ("spelling",)

    spelling: str

    @classmethod
    def of(cls, name: str, spelling: str) -> str:
        """The name, which is the text itself where it is spelled so."""
        if name == spelling:
            return name
        spelled = cls(name)
        spelled.spelling = spelling
        return spelled


@dataclass(frozen=True, slots=True)
class Request:
    """A request as Go's client would have made it.

    `url` is absolute. `content_length` is in bytes, 0 if there is no body or its length was not
    known when the request was sent. `form` holds the query's and an urlencoded body's values.
    `extra` holds the keys that a file has and go-vcr doesn't know.
    """

    method: str
    url: str
    proto: str = "HTTP/1.1"
    proto_major: int = 1
    proto_minor: int = 1
    content_length: int = 0
    transfer_encoding: Sequence[str] = ()
    trailer: Values = field(default_factory=dict)
    host: str = ""
    remote_addr: str = ""
    request_uri: str = ""
    body: bytes = b""
    form: Values = field(default_factory=dict)
    headers: Values = field(default_factory=dict)
    extra: Mapping[str, Node] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Response:
    """A response as Go's client would have seen it.

    `status` is the text with the code (`200 OK`). `content_length` is in bytes, -1 if the answer
    did not say (chunked, an HTTP/2 stream, or decompressed on the way: `uncompressed`).
    `duration` is in nanoseconds: from the request sent until the response's headers came.
    """

    code: int
    status: str = ""
    proto: str = "HTTP/1.1"
    proto_major: int = 1
    proto_minor: int = 1
    transfer_encoding: Sequence[str] = ()
    trailer: Values = field(default_factory=dict)
    content_length: int = 0
    uncompressed: bool = False
    body: bytes = b""
    headers: Values = field(default_factory=dict)
    duration: int = 0
    extra: Mapping[str, Node] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Interaction:
    """One request and the response that it got; `id` counts from 0 in its cassette."""

    request: Request
    response: Response
    id: int = 0
    extra: Mapping[str, Node] = field(default_factory=dict)


class Interactions(Sequence[Interaction]):
    """A file's interactions, each made when it is asked for.

    `urls` are the requests', each once, in the order in which they come; `request_headers` the names of
    their headers. Neither makes an interaction.
    """

    __slots__ = ()

    urls: Sequence[str]
    request_headers: Collection[str]

    @abstractmethod
    def request(self, number: int) -> Request:
        """The request of the interaction of this number, made anew for each call."""


def request_of(interactions: Sequence[Interaction], number: int) -> Request:
    """The request of the interaction of this number."""
    if isinstance(interactions, Interactions):
        return interactions.request(number)
    return interactions[number].request


@dataclass(frozen=True, slots=True)
class Source:
    """The text that a cassette was read from, so that what isn't changed keeps its bytes.

    `entries` are the interactions as read, `spans` the (start, end) byte offsets in `data` of each
    one's text: from its `- ` line (comments above it belong to the entry before) to the next one's.
    `indent` is the column of `- id:` (0 or 4 in what go-vcr writes). Head and tail are what lies
    before the first span and behind the last. `coded` are the numbers of the interactions that have values
    with escapes or Base64, None if that isn't known: all other values stand in `data` as they are, but for
    indentation and doubled single quotes.
    """

    data: bytes
    entries: Sequence[Interaction]
    spans: Sequence[tuple[int, int]]
    indent: int
    coded: Sequence[int] | None = None


@dataclass(frozen=True, slots=True)
class Cassette:
    """What a file holds.

    `version` and `extra` are the document's, `source` is None for a new one. `notes` says in a line
    each what the file has and the model can't hold (an entry that is not HTTP, say).
    """

    interactions: Sequence[Interaction] = ()
    version: int = 2
    extra: Mapping[str, Node] = field(default_factory=dict)
    notes: Sequence[str] = ()
    source: Source | None = field(default=None, compare=False, repr=False)

    def request(self, number: int) -> Request:
        """The request of the interaction of this number."""
        return request_of(self.interactions, number)

    @property
    def request_headers(self) -> Collection[str] | None:
        """The names of the requests' headers, None if they aren't known without looking at each."""
        return self.interactions.request_headers if isinstance(self.interactions, Interactions) else None

    @property
    def urls(self) -> Sequence[str]:
        """The requests' URLs, each once, in the order in which they come."""
        if isinstance(self.interactions, Interactions):
            return self.interactions.urls
        return tuple(dict.fromkeys(interaction.request.url for interaction in self.interactions))
