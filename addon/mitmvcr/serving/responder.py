"""What the serving layer sends: a request's head and body -> the bytes of the answer; no events, no I/O.

All that decides is the hooks' own (naming, answering, control, sessions). What is found out once is kept:
heads that came before, keys of requests, and the bytes of answers, all within bounds.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

from mitmproxy.net.http import url

from mitmvcr.config.settings import Mode
from mitmvcr.control import api as control_api
from mitmvcr.errors import CassetteError, SettingsError, TooLargeError
from mitmvcr.http.content_coding import UNLIMITED
from mitmvcr.misses.explain import Miss
from mitmvcr.model import Request
from mitmvcr.proxy.flow_adapter import assembled
from mitmvcr.proxy.hooks.exchange import too_large
from mitmvcr.recording import capture
from mitmvcr.replay import served_response
from mitmvcr.serving import outcomes, request_parser
from mitmvcr.serving.cassette_selection import CONTROL_HOST, NOBODY, Named, asked_of, control_path, take_user
from mitmvcr.serving.outcomes import Answering
from mitmvcr.serving.request_head import Incoming
from mitmvcr.serving.request_parser import Head, Shape
from mitmvcr.sessions.open_cassette import OpenCassette
from mitmvcr.sessions.table import Sessions

_PLACES = 64
_HEADS = 256
_HEAD = 4 << 10
"""How many connections' places are remembered, of each so many heads, of no more than so many bytes."""
_KEYS = 1 << 16
_ANSWERS = 16 << 20
"""For each cassette: how many requests' keys, and bytes of answers, are remembered; more for a large one."""
_ANSWERS_EACH = 0.25
"""A key for each recording, and as many bytes for each of its file: a process with 100,000 takes less than
twice their file."""


@dataclass(frozen=True, slots=True)
class Place:
    """What a connection says of its requests.

    `host` is whom they are for, empty where each says so itself. `user` is the tunnel's. `called` is the
    first Host of a connection to a reverse listener: a browser has one connection for one name, so a page
    can't take another later. `heads` are those that came before.
    """

    scheme: str = ""
    host: str = ""
    port: int = 0
    is_reverse: bool = False
    rewrites_host: bool = False
    called: str | None = None
    user: Named = NOBODY
    heads: dict[Shape, Known] = field(default_factory=dict, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Known:
    """A head and what follows from it but for its length; that in `head` is the first one's.

    `shape` is all that an answer's bytes depend on but the recording. `line` is for the log. `is_plain`:
    nothing is sent but an answer, and another request may follow.
    """

    head: Head
    asked: Incoming
    named: Named
    control: str | None
    digest: bytes
    line: str
    is_plain: bool
    shape: tuple[object, ...]


@dataclass(frozen=True, slots=True)
class _Answer:
    """An interaction's id, the seconds to wait, and what is sent then."""

    id: int
    wait: float
    data: bytes


@dataclass(slots=True)
class _Assembled:
    """What is known of one open cassette's requests and answers; `size` and `limit` are in bytes."""

    most: int
    limit: int
    keys: dict[bytes, bytes] = field(default_factory=dict)
    answers: dict[tuple[object, ...], _Answer] = field(default_factory=dict)
    size: int = 0

    @classmethod
    def of(cls, cassette: OpenCassette) -> _Assembled:
        """Nothing is known of it yet."""
        most = max(_KEYS, len(cassette.interactions))
        return cls(most, max(_ANSWERS, int(_ANSWERS_EACH * cassette.size)))

    def let_half_go(self) -> None:
        """Every other answer: who asks for all in turn, again and again, still finds half of them."""
        for key in list(self.answers)[::2]:
            self.size -= len(self.answers.pop(key).data)


class Replies:
    """Makes the answers of a process."""

    def __init__(
        self, sessions: Callable[[], Sessions], answering: Answering, show_notes: Callable[[], None]
    ) -> None:
        self.sessions = sessions
        self._answering = answering
        self._show_notes = show_notes
        self._places: dict[Place, Place] = {}
        self._assembled: WeakKeyDictionary[OpenCassette, _Assembled] = WeakKeyDictionary()

    def place(self, place: Place) -> Place:
        """The same place, with what is known of it from other connections."""
        if len(self._places) >= _PLACES:
            self._places.clear()
        return self._places.setdefault(place, place)

    def known(self, place: Place, raw: bytes) -> tuple[Known, int | None]:
        """What a head says at this place, and the length of its body; raises HeadError and NotOursError."""
        shape, length = request_parser.shape_of(raw)
        known = place.heads.get(shape)
        if known is None:
            known = _known(place, request_parser.parse(raw), shape)
            if len(raw) <= _HEAD:
                if len(place.heads) >= _HEADS:
                    place.heads.clear()
                place.heads[shape] = known
        return known, known.head.length if length is None else length

    def plain(self, place: Place, raw: bytes) -> tuple[Known, int | None] | None:
        """The same, if one like it came before, and it needs an answer and no more."""
        shape, length = request_parser.shape_of(raw)
        known = place.heads.get(shape)
        if known is None or not known.is_plain:
            return None
        return known, known.head.length if length is None else length

    def is_ours(self, known: Known) -> bool:
        """Whether we answer this; else it is mitmproxy's and its hooks', as where the addon was reloaded."""
        try:
            mode = self.sessions().settings.mode
        except SettingsError:
            return False
        asked = known.asked
        return mode is Mode.REPLAY and (
            asked.is_reverse or (bool(asked.host) and self.is_recorded(asked.host))
        )

    def fail(self, message: str) -> None:
        """Remember what went wrong, where there is something to be wrong still."""
        with contextlib.suppress(SettingsError):
            self.sessions().fail(message)

    def is_recorded(self, host: str) -> bool:
        """Whether a host's traffic is ours."""
        return host == CONTROL_HOST or self.sessions().is_recorded(host)

    def limit(self, known: Known) -> int:
        """Bytes of a request's body that are looked at."""
        if known.control is not None:
            return control_api.MAX_BODY
        return self.sessions().settings.max_body or UNLIMITED

    def reply(self, known: Known, body: bytes, size: int) -> tuple[float, bytes]:
        """Seconds to wait and what to send then; `size` is the body's, of which there may be less here."""
        asked, sessions = known.asked, self.sessions()
        if known.control is not None:
            body += b" " * (size - len(body) and 1)  # one that is too large stays so
            return 0.0, assembled(control_api.handle(sessions, asked_of(asked, known.control, body)), asked)
        try:
            cassette = sessions.opened(known.named.cassette)
        except CassetteError as error:
            return 0.0, assembled(self._answering.refused(known.line, str(error), sessions), asked)
        kept = self._assembled.get(cassette)
        if kept is None:
            kept = self._assembled[cassette] = _Assembled.of(cassette)
            self._show_notes()
        try:
            number, miss = self._play(known, body, size, cassette, kept)
        except TooLargeError as error:
            return 0.0, assembled(self._answering.too_large(known.line, error, sessions), asked)
        if miss is not None:
            return 0.0, assembled(self._answering.missed(miss), asked)
        answer = kept.answers.get((number, *known.shape)) or _assemble(known, number, cassette, kept)
        self._answering.replayed(known.line, answer.id)
        return answer.wait, answer.data

    def _play(
        self, known: Known, body: bytes, size: int, cassette: OpenCassette, kept: _Assembled
    ) -> tuple[int, Miss | None]:
        """The number of the interaction that answers, or why none does; raises TooLargeError."""
        asked, session = known.asked, known.named.session
        limit = self.sessions().settings.max_body or UNLIMITED
        if size > limit:
            raise too_large("request", limit, size)

        def request() -> Request:
            try:
                return capture.request(asked.method, asked.url, asked.fields, body, limit)
            except TooLargeError:
                raise too_large("request", limit) from None

        cassette.is_used = True
        seen = hashlib.blake2b(body, key=known.digest, digest_size=16).digest()
        key = kept.keys.get(seen)
        if key is None:
            key = cassette.key(request())
            if len(kept.keys) >= kept.most:
                kept.keys.clear()
            kept.keys[seen] = key
        number = cassette.play(key, session)
        return (0, cassette.miss(request(), key, session)) if number is None else (number, None)


def _assemble(known: Known, number: int, cassette: OpenCassette, kept: _Assembled) -> _Answer:
    interaction = cassette.interactions[number]
    asked = known.asked
    told = served_response.replayed(interaction.response, asked.method, asked.http_version)
    answer = _Answer(interaction.id, cassette.wait(interaction), assembled(told, asked))
    if kept.size + len(answer.data) > kept.limit:
        kept.let_half_go()
    kept.answers[number, *known.shape] = answer
    kept.size += len(answer.data)
    return answer


def _known(place: Place, head: Head, like: Shape) -> Known:
    asked = Incoming(
        head.method,
        place.scheme or head.scheme,
        place.host or head.host,
        place.port or head.port,
        head.path,
        head.http_version,
        list(head.fields),
        place.is_reverse,
        place.called,
    )
    if place.called is None:
        asked.called = asked.header("Host") or ("" if place.is_reverse else asked.host)
    if place.rewrites_host:  # as mitmproxy does in reverse mode
        upstream = url.hostport(asked.scheme, asked.host, asked.port)
        asked.pop("Host")
        asked.fields.append(("Host", upstream))
    is_tunnel = head.method == "CONNECT"
    named = take_user(asked) or NOBODY if is_tunnel else outcomes.named(asked, place.user)
    connection = (asked.header("Connection") or "").lower() == "keep-alive"
    here = (asked.called, asked.taken) if place.is_reverse else ()
    shape = (asked.method == "HEAD", asked.http_version, connection, *here)
    told = repr((like, place)).encode("utf-8", "surrogateescape")
    digest = hashlib.blake2b(told, digest_size=16).digest()
    is_plain = not (is_tunnel or head.close or head.expects)
    return Known(head, asked, named, control_path(asked), digest, asked.line, is_plain, shape)
