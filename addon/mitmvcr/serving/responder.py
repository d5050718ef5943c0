"""What a client is sent: a request's head and body -> the bytes of the answer; no events, no I/O.

`outcomes` decides. What is found out once is kept here: heads that came before, keys of requests, and the
bytes of answers, all within bounds.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from weakref import WeakKeyDictionary

from mitmvcr.config.settings import Mode
from mitmvcr.control import api as control_api
from mitmvcr.errors import SettingsError
from mitmvcr.http.hosts import host_header
from mitmvcr.misses.explain import Miss
from mitmvcr.replay import served_response
from mitmvcr.replay.served_response import ServedResponse
from mitmvcr.serving import request_parser
from mitmvcr.serving.bounded import Bounded
from mitmvcr.serving.outcomes import Outcomes, body_too_large, may_be_page, whole_request
from mitmvcr.serving.request_head import (
    DEFAULT,
    CassetteChoice,
    RequestHead,
    choose,
    control_path,
    proxy_user,
)
from mitmvcr.serving.request_parser import ParsedHead, Shape
from mitmvcr.serving.response_bytes import assembled
from mitmvcr.sessions.open_cassette import Lookup, OpenCassette, Play

_ROUTES = 64
_HEADS = 512 << 10
_HEAD = 4 << 10
_COPIES = 4
"""How many routes are remembered, and for each so many bytes of heads, none of which has more than that. A
head, parsed and kept as it came, takes some four times its bytes, and no less than a few objects do."""
_OBJECTS = 1 << 10
_KEYS = 1 << 16
_ANSWERS = 16 << 20
"""For each cassette: how many requests' keys, and bytes of answers, are remembered; more for a large one."""
_ANSWERS_EACH = 0.25
"""A key for each recording, and as many bytes for each of its file: a process with 100,000 takes less than
twice their file."""


@dataclass(frozen=True, slots=True)
class Route:
    """What a connection says of its requests.

    `host` is whom they are for, empty where each says so itself. `tunnel` is the choice of its CONNECT,
    `server_name` what TLS in it calls the host.
    `authority` is the first Host of a connection to a reverse listener: a browser has one connection for one
    name, so a page can't take another later. `heads` are those that came before.
    """

    scheme: str = ""
    host: str = ""
    port: int = 0
    is_reverse: bool = False
    rewrites_host: bool = False
    authority: str | None = None
    tunnel: CassetteChoice = DEFAULT
    server_name: str = ""
    heads: Bounded[Shape, RoutedHead] = field(
        default_factory=lambda: Bounded(_HEADS), compare=False, repr=False
    )

    def with_authority(self, authority: str | None) -> Route:
        """The route of a connection whose client calls this proxy so; no head has come on it."""
        return replace(self, authority=authority, heads=Bounded(_HEADS))


@dataclass(frozen=True, slots=True)
class RoutedHead:
    """A head on its route, and what follows from it but for its length; that in `parsed` is the first one's.

    `head` is without what named the cassette. `control` is the path that it asks of the control API.
    `line` is for the log. `is_plain`: nothing is sent but an answer, and another request may follow.
    `may_be_page`: whether a page of another site may have sent it.
    `digest` tells it from all others, `variant` is all that an answer's bytes depend on but the recording.
    """

    parsed: ParsedHead
    head: RequestHead
    choice: CassetteChoice
    control: str | None
    line: str
    is_plain: bool
    may_be_page: bool
    digest: bytes
    variant: tuple[object, ...]


@dataclass(frozen=True, slots=True)
class _ReadyAnswer:
    """An interaction's id, the seconds to wait, and what is sent then."""

    id: int
    wait: float
    data: bytes


def _ready(play: Play, routed: RoutedHead) -> _ReadyAnswer:
    head = routed.head
    response = served_response.replayed(play.response, head.method, head.http_version)
    return _ReadyAnswer(play.interaction.id, play.wait, assembled(response, head))


class _CassetteCache:
    """What is found out of one open cassette's requests and answers; `size` is the answers', in bytes."""

    def __init__(self, cassette: OpenCassette) -> None:
        self.lookups: dict[bytes, Lookup] = {}
        self.answers: dict[tuple[object, ...], _ReadyAnswer] = {}
        self.size = 0
        self._most_keys = max(_KEYS, len(cassette.interactions))
        self._most_bytes = max(_ANSWERS, int(_ANSWERS_EACH * cassette.size))

    def add_lookup(self, request: bytes, lookup: Lookup) -> None:
        """Keep what the request of this digest is looked up by."""
        if len(self.lookups) >= self._most_keys:
            self.lookups.clear()
        self.lookups[request] = lookup

    def add_answer(self, play: Play, routed: RoutedHead) -> _ReadyAnswer:
        """Make and keep the bytes of a recording for this client."""
        answer = _ready(play, routed)
        if self.size + len(answer.data) > self._most_bytes:
            self._let_half_go()
        self.answers[play.number, *routed.variant] = answer
        self.size += len(answer.data)
        return answer

    def _let_half_go(self) -> None:
        """Every other answer: who asks for all in turn, again and again, still finds half of them."""
        for key in list(self.answers)[::2]:
            self.size -= len(self.answers.pop(key).data)


class Responder:
    """Makes the bytes of a process's answers."""

    def __init__(self, outcomes: Outcomes) -> None:
        self.outcomes = outcomes
        self._routes: Bounded[Route, Route] = Bounded(_ROUTES)
        self._caches: WeakKeyDictionary[OpenCassette, _CassetteCache] = WeakKeyDictionary()

    def route(self, route: Route) -> Route:
        """An equal route, with the heads that came on it in other connections."""
        equal = self._routes.get(route)
        if equal is None:
            self._routes.add(route, route)
        return equal or route

    def read(self, route: Route, raw: bytes) -> tuple[RoutedHead, int | None]:
        """What a head says on this route, and the length of its body; raises HeadError and NotOursError."""
        shape, length = request_parser.shape_of(raw)
        routed = route.heads.get(shape)
        if routed is None:
            routed = self._routed(route, request_parser.parse(raw), shape)
            if len(raw) <= _HEAD:
                route.heads.add(shape, routed, _OBJECTS + _COPIES * len(raw))
        return routed, routed.parsed.length if length is None else length

    def read_again(self, route: Route, raw: bytes) -> tuple[RoutedHead, int | None] | None:
        """What a head says that came before on this route; None if none did, or more than that is due."""
        shape, length = request_parser.shape_of(raw)
        routed = route.heads.get(shape)
        if routed is None or not routed.is_plain:
            return None
        return routed, routed.parsed.length if length is None else length

    def serves(self, routed: RoutedHead) -> bool:
        """Whether we answer this; else it is mitmproxy's and its hooks', as where the addon was reloaded."""
        try:
            mode = self.outcomes.sessions().settings.mode
        except SettingsError:
            return False
        head = routed.head
        return mode is Mode.REPLAY and (head.is_reverse or self.outcomes.is_ours(head, routed.choice))

    def limit(self, routed: RoutedHead) -> int:
        """Bytes of a request's body that are looked at."""
        return control_api.MAX_BODY if routed.control is not None else self.outcomes.max_body()

    def answer(self, routed: RoutedHead, body: bytes, size: int) -> tuple[float, bytes]:
        """Seconds to wait and what to send then; `size` is the body's, of which there may be less here."""
        head, outcomes = routed.head, self.outcomes
        if routed.control is not None:
            body += b" " * (size - len(body) and 1)  # one that is too large stays so
            return 0.0, assembled(outcomes.control(head, routed.control, body), head)
        if routed.may_be_page and (refusal := outcomes.head_refusal(head)):
            return 0.0, assembled(refusal, head)
        ready = outcomes.decide(
            routed.line,
            outcomes.open(routed.choice),
            lambda cassette: self._look_up(cassette, routed, body, size),
        )
        if isinstance(ready, ServedResponse):
            return 0.0, assembled(ready, head)
        outcomes.replayed(routed.line, ready.id)
        return ready.wait, ready.data

    def _look_up(
        self, cassette: OpenCassette, routed: RoutedHead, body: bytes, size: int
    ) -> _ReadyAnswer | ServedResponse | Miss:
        """What the cassette answers; raises TooLargeError."""
        head, session, limit = routed.head, routed.choice.session, self.outcomes.max_body()
        if size > limit:
            if isinstance(answer := self.outcomes.ignored(head, cassette), ServedResponse):
                return answer
            raise body_too_large("request", limit, size)
        cache = self._caches.get(cassette)
        if cache is None:
            cache = self._caches[cassette] = _CassetteCache(cassette)
            self.outcomes.show_notes(cassette)
        digest = hashlib.blake2b(body, key=routed.digest, digest_size=16).digest()
        lookup = cache.lookups.get(digest)
        if lookup is None:
            if isinstance(answer := self.outcomes.ignored(head, cassette), ServedResponse):
                return answer
            cassette.is_used = True
            lookup = cassette.lookup(whole_request(head, body, limit))
            cache.add_lookup(digest, lookup)
        found = cassette.play(lookup, session, lambda: whole_request(head, body, limit))
        if found is None:
            return cassette.miss(whole_request(head, body, limit), lookup, session)
        number, values = found
        if values:  # nobody else is to get these
            return _ready(cassette.playing(number, values), routed)
        ready = cache.answers.get((number, *routed.variant))
        return ready or cache.add_answer(cassette.playing(number, values), routed)

    def failed(self, head: RequestHead, error: Exception) -> bytes:
        """The answer when something in here is broken."""
        return assembled(self.outcomes.failed(self.outcomes.line(head), error), head)

    def _routed(self, route: Route, parsed: ParsedHead, shape: Shape) -> RoutedHead:
        head = replace(
            parsed.head,
            scheme=route.scheme or parsed.head.scheme,
            host=route.host or parsed.head.host,
            port=route.port or parsed.head.port,
            is_reverse=route.is_reverse,
            authority=route.authority,
            server_name=route.server_name,
        )
        if route.authority is None:
            head = replace(head, authority=head.header("Host") or ("" if route.is_reverse else head.host))
        if route.rewrites_host:  # as mitmproxy does in reverse mode
            upstream = host_header(head.scheme, head.host, head.port)
            head = replace(head, fields=(*head.fields_without("host"), ("Host", upstream)))
        is_tunnel = head.method == "CONNECT"
        if is_tunnel:
            choice = proxy_user(head) or DEFAULT
        else:
            head, choice = choose(head, route.tunnel)
        head = self.outcomes.identified(head, choice)
        keeps_alive = (head.header("Connection") or "").lower() == "keep-alive"
        leads_to = (head.authority, head.prefix) if route.is_reverse else ()
        variant = (head.method == "HEAD", head.http_version, keeps_alive, *leads_to)
        identity = repr((shape, route)).encode("utf-8", "surrogateescape")
        digest = hashlib.blake2b(identity, digest_size=16).digest()
        is_plain = not (is_tunnel or parsed.close or parsed.expects)
        line = self.outcomes.line(head)
        return RoutedHead(
            parsed, head, choice, control_path(head), line, is_plain, may_be_page(head), digest, variant
        )
