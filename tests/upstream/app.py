"""The ASGI application: reads a request, logs it, and sends its answer as slowly or as badly as was asked."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass, replace
from http import HTTPStatus
from itertools import chain, islice
from typing import Any, TypeAlias
from urllib.parse import parse_qsl

from tests.upstream import CF_BM, CF_RAY, CFUVID, ORGANIZATION, PROJECT, REQUEST_ID, knobs, routes
from tests.upstream.encoding import Compressor, negotiate
from tests.upstream.state import Logged, State
from tests.upstream.wire import Answer, ApiError, Request, plain

Message: TypeAlias = dict[str, Any]
Receive: TypeAlias = Callable[[], Coroutine[Any, Any, Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
Headers: TypeAlias = list[tuple[bytes, bytes]]

CONTROL = "/__standin__/"
_COOKIE_END = "path=/; expires=Mon, 10-Mar-25 02:02:32 GMT; domain=.api.openai.com; HttpOnly; Secure"
_HEADERS = (
    ("access-control-expose-headers", "X-Request-ID"),
    ("openai-organization", ORGANIZATION),
    ("openai-processing-ms", "42"),
    ("openai-project", PROJECT),
    ("openai-version", "2020-10-01"),
    ("x-ratelimit-limit-requests", "10000"),
    ("x-ratelimit-limit-tokens", "200000"),
    ("x-ratelimit-remaining-requests", "9999"),
    ("x-ratelimit-remaining-tokens", "199993"),
    ("x-ratelimit-reset-requests", "8.64s"),
    ("x-ratelimit-reset-tokens", "2ms"),
    ("strict-transport-security", "max-age=31536000; includeSubDomains; preload"),
    ("cf-cache-status", "DYNAMIC"),
    ("Set-Cookie", f"__cf_bm={CF_BM}; {_COOKIE_END}; SameSite=None"),
    ("Set-Cookie", f"_cfuvid={CFUVID}; {_COOKIE_END}; SameSite=None"),
    ("X-Content-Type-Options", "nosniff"),
    ("Server", "cloudflare"),
    ("CF-RAY", CF_RAY),
    ("alt-svc", 'h3=":443"; ma=86400'),
)


def _encoded(headers: Sequence[tuple[str, str]], *, lower: bool) -> Headers:
    return [((name.lower() if lower else name).encode(), value.encode()) for name, value in headers]


# Cloudflare's capitals over HTTP/1.1; HTTP/2 has none (RFC 9113, 8.2).
_FIXED = {lower: _encoded(_HEADERS, lower=lower) for lower in (False, True)}


@dataclass(slots=True)
class Control:
    """What the serving layer lends: the count of connections, its end, and a way to break one off."""

    accepted: Callable[[int], int]
    closing: asyncio.Event
    abort: Callable[[Send], Awaitable[None]]


class App:
    """The application of one process."""

    def __init__(self, control: Control) -> None:
        self._control = control
        self._state = State()

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            for step in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{step}.complete"})
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1000})
        elif scope["path"].startswith(CONTROL):
            await _read(receive)
            await Delivery(scope, receive, send, self._control).send(self._controlled(scope))
        else:
            await self._serve(scope, receive, send)

    async def _serve(self, scope: Message, receive: Receive, send: Send) -> None:
        target = scope["raw_path"].decode("latin-1")
        query = scope["query_string"].decode("latin-1")
        version = f"HTTP/{scope['http_version']}"
        logged = Logged(scope["method"], f"{target}?{query}" if query else target, version, scope["headers"])
        self._state.log.append(logged)
        body = await _read(receive)
        if body is None:
            return
        logged.body, logged.complete = body, True
        headers = {
            name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]
        }
        asked = dict(parse_qsl(query, keep_blank_values=True)) if query else {}
        request = Request(scope["method"], scope["path"], asked, headers, body)
        answer, wanted = self._answer(request)
        token = REQUEST_ID + request.token("request", length=25)
        await Delivery(scope, receive, send, self._control, wanted, token).send(answer)

    def _answer(self, request: Request) -> tuple[Answer, knobs.Knobs]:
        words = request.headers.get("x-standin") or request.query.get("standin", "")
        wanted = knobs.NONE
        try:
            if not words:
                return routes.answer(request, self._state), wanted
            try:
                wanted = knobs.parse(words)
            except ValueError as error:
                raise ApiError(400, str(error)) from None
            return self._wanted(request, wanted), wanted
        except ApiError as error:
            answer = plain(error.body, error.status)
            retry = (("retry-after", wanted.retry_after), ("retry-after-ms", wanted.retry_after_ms))
            given = [(name, value) for name, value in retry if value]
            return Answer(answer.chunks, error.status, headers=given), wanted

    def _wanted(self, request: Request, wanted: knobs.Knobs) -> Answer:
        nth = 0
        if wanted.count or wanted.fail:
            key = request.headers.get("x-standin-id") or request.token("nth", length=32)
            self._state.counts[key] += 1
            nth = self._state.counts[key]
        if wanted.status or nth <= wanted.fail != 0:
            raise routes.asked_error(wanted.status or wanted.fail_status, leak=wanted.leak)
        if wanted.redirect:
            status, where = wanted.redirect
            return Answer(status=status, content_type="", headers=(("Location", where),))
        numbered = nth if wanted.count else 0
        return routes.answer(replace(request, knobs=wanted, nth=numbered), self._state)

    def _controlled(self, scope: Message) -> Answer:
        what = scope["method"], scope["path"].removeprefix(CONTROL)
        # Every control request takes its own connection out of the count.
        accepted = self._control.accepted(scope["client"][1])
        if what == ("GET", "requests"):
            listed = [logged.json() for logged in self._state.log]
            return Answer((json.dumps(listed).encode(),))
        if what == ("DELETE", "requests"):
            self._state.forget()
            return Answer(status=204, content_type="")
        if what == ("GET", "connections"):
            return plain({"accepted": accepted})
        return plain(ApiError(404, f"The stand-in has no {what[0]} {scope['path']}").body, 404)


async def _read(receive: Receive) -> bytes | None:
    """The whole body; None when the client left before its end."""
    parts: list[bytes] = []
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return None
        parts.append(message["body"])
        if not message["more_body"]:
            return b"".join(parts)


class _Watch:
    """Waits that end early when the client leaves or the process ends."""

    def __init__(self, receive: Receive, closing: asyncio.Event) -> None:
        self._gone: asyncio.Task[Any] = asyncio.create_task(receive())
        self._closing: asyncio.Task[Any] = asyncio.create_task(closing.wait())

    async def pause(self, seconds: float | None) -> bool:
        """Wait (None: without end); whether the client is still there."""
        if seconds != 0:
            both = {self._gone, self._closing}
            await asyncio.wait(both, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        return not self._gone.done()

    def stop(self) -> None:
        self._gone.cancel()
        self._closing.cancel()


@dataclass(slots=True)
class Delivery:
    """Sends one answer, in the way that the request's knobs say."""

    scope: Message
    receive: Receive
    asgi_send: Send
    control: Control
    wanted: knobs.Knobs = knobs.NONE
    token: str = REQUEST_ID

    async def send(self, answer: Answer) -> None:
        coding = self._coding(answer)
        if self.wanted is knobs.NONE and not answer.streamed:
            compressor = Compressor(coding)
            body = compressor.part(b"".join(answer.chunks)) + compressor.end()
            await self._start(answer, coding, len(body))
            await self._body(body, more=False)
            return
        watch = _Watch(self.receive, self.control.closing)
        try:
            await self._slowly(answer, coding, watch)
        finally:
            watch.stop()

    async def _slowly(self, answer: Answer, coding: str, watch: _Watch) -> None:
        """Send step by step, and stop when the client leaves."""
        if not await watch.pause(self.wanted.first):
            return
        if self.wanted.drop:
            await self.control.abort(self.asgi_send)
            return
        chunks, ending = self._chunks(answer)
        compressor = Compressor(coding)
        await self._start(answer, coding, 0 if answer.streamed else sum(map(len, answer.chunks)))
        for at, chunk in enumerate(chunks):
            if not await watch.pause(self.wanted.delay if at else 0):
                return
            await self._body(compressor.part(chunk))
        if ending == "stall":
            await watch.pause(None)
        if ending != "whole":
            await self.control.abort(self.asgi_send)
            return
        if answer.streamed and self.wanted.trailing is not None and await watch.pause(self.wanted.trailing):
            await self._body(compressor.part(b": that was all\n\n"))
        await self._body(compressor.end(), more=False)

    def _chunks(self, answer: Answer) -> tuple[Iterable[bytes], str]:
        """What to send, and how it ends: "whole", "cut" or "stall"."""
        wanted = self.wanted
        ending = "cut" if wanted.cut is not None else "stall" if wanted.stall is not None else "whole"
        limit = wanted.cut if wanted.cut is not None else wanted.stall
        if not answer.streamed:
            return [chunk[:limit] for chunk in answer.chunks], ending
        done = [answer.done] if answer.done and not wanted.no_done else []
        return islice(chain(answer.chunks, done), limit), ending

    def _coding(self, answer: Answer) -> str:
        if not answer.content_type.startswith(("application/json", "text/event-stream")):
            return "identity"
        if self.wanted.encoding:
            return self.wanted.encoding
        accept = next(
            (value for name, value in self.scope["headers"] if name.lower() == b"accept-encoding"), b""
        )
        return negotiate(accept.decode("latin-1")) if accept else "identity"

    async def _start(self, answer: Answer, coding: str, length: int) -> None:
        lower = self.scope["http_version"] == "2"
        headers: list[tuple[str, str]] = []
        if answer.content_type:
            headers.append(("Content-Type", answer.content_type))
        # Cloudflare compresses on the way, and can't say how long that will be.
        is_sized = not answer.streamed and coding == "identity" and not self.wanted.chunked
        if is_sized and answer.status not in (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED):
            headers.append(("Content-Length", str(length)))
        if coding != "identity":
            headers += [("Content-Encoding", coding), ("Vary", "Accept-Encoding")]
        headers += [("x-request-id", self.token), *answer.headers]
        started = _encoded(headers, lower=lower) + _FIXED[lower]
        await self.asgi_send({"type": "http.response.start", "status": answer.status, "headers": started})

    async def _body(self, body: bytes, *, more: bool = True) -> None:
        await self.asgi_send({"type": "http.response.body", "body": body, "more_body": more})
