"""Small builders of what the tests of the core need: requests, responses, interactions, sessions."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from mitmvcr.config.settings import Settings
from mitmvcr.formats import govcr
from mitmvcr.http.go_rules import form_values
from mitmvcr.model import Cassette, Interaction, Request, Response
from mitmvcr.scrub import Policy, Scrubber
from mitmvcr.sessions.table import Sessions

CHAT = "https://api.openai.com/v1/chat/completions"


def as_body(value: object) -> bytes:
    """Bytes as they are, text in UTF-8, None for none, anything else as JSON."""
    match value:
        case bytes():
            return value
        case str():
            return value.encode("utf-8", "surrogateescape")
        case None:
            return b""
        case _:
            return json.dumps(value).encode()


def request(
    body: object = None,
    *,
    method: str = "POST",
    url: str = CHAT,
    content_type: str = "application/json",
    headers: Mapping[str, Sequence[str]] | None = None,
) -> Request:
    """A request as `capture` makes it."""
    data = as_body(body)
    return Request(
        method=method,
        url=url,
        content_length=len(data),
        body=data,
        form=form_values(method, url, content_type, data),
        headers={**({"Content-Type": [content_type]} if content_type else {}), **(headers or {})},
    )


def response(
    body: object = "ok",
    *,
    code: int = 200,
    status: str = "200 OK",
    duration: int = 5_000_000,
    content_type: str = "application/json",
) -> Response:
    """A response of known length."""
    data = as_body(body)
    return Response(
        code=code,
        status=status,
        content_length=len(data),
        body=data,
        headers={"Content-Type": [content_type]},
        duration=duration,
    )


def interaction(body: object = None, answer: object = "ok", *, id_: int = 0, url: str = CHAT) -> Interaction:
    """One exchange: what was asked, what was answered."""
    return Interaction(request(body, url=url), response(answer), id=id_)


def write(
    path: Path, *interactions: Interaction, dialect: govcr.Dialect = govcr.Dialect.CHARM
) -> list[Interaction]:
    """A go-vcr cassette on disk, its interactions numbered; what is in it."""
    numbered = [
        Interaction(one.request, one.response, number, one.extra) for number, one in enumerate(interactions)
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(govcr.dump(Cassette(numbered), dialect))
    return numbered


def sessions(folder: Path, **options: str) -> Sessions:
    """The table of sessions with its cassettes in this folder; options as text, as `--set` gives them."""
    return Sessions(Settings.parse({"dir": str(folder), **options}), Scrubber(Policy()))
