"""Interactions as `mitmvcr show` has them: a line of a table, readable text, JSON; it scrubs nothing."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass

from mitmvcr.cli.render import terminal
from mitmvcr.compare.assembled import AssembledMessage, Usage, read_answer, read_model
from mitmvcr.http.go_rules import first_value
from mitmvcr.http.sse import is_stream
from mitmvcr.model import Interaction, Request, Response, Values
from mitmvcr.text import count, printable


@dataclass(frozen=True, slots=True)
class Summary:
    """What stands in an interaction's line, by the names that it has in JSON; sizes are of bodies."""

    id: int
    method: str
    url: str
    status: int
    model: str | None
    tokens: Usage | None
    duration_ns: int
    request_bytes: int
    bytes: int
    streamed: bool

    @classmethod
    def of(cls, interaction: Interaction, number: int) -> Summary:
        """What an interaction's line says, as the interaction stands; `number` is what it goes by."""
        request, response = interaction.request, interaction.response
        content_type = _content_type(response.headers)
        answer = read_answer(response.body, content_type)
        return cls(
            number,
            request.method,
            request.url,
            response.code,
            read_model(request.body) or answer.model or None,
            answer.usage,
            response.duration,
            len(request.body),
            len(response.body),
            is_stream(response.body, content_type),
        )

    def cells(self) -> tuple[str, ...]:
        """The line's cells, in the order of the table's headings."""
        return (
            str(self.id),
            printable(self.method),
            printable(self.url),
            str(self.status),
            printable(self.model or "") or "-",
            _tokens(self.tokens),
            _seconds(self.duration_ns),
            f"{self.bytes:,}",
            "stream" if self.streamed else "-",
        )


def document(interaction: Interaction, number: int) -> dict[str, object]:
    """One interaction for programs: what its line has, its headers and bodies, and what its answer says."""
    answer = read_answer(interaction.response.body, _content_type(interaction.response.headers))
    return {
        **asdict(Summary.of(interaction, number)),
        "request": _headers_and_body(interaction.request),
        "response": {
            "status": interaction.response.status,
            "proto": interaction.response.proto,
            **_headers_and_body(interaction.response),
        },
        "answer": {
            "messages": [asdict(message) for message in answer.messages],
            "error": answer.error or None,
            "events": answer.events,
        },
    }


def _headers_and_body(message: Request | Response) -> dict[str, object]:
    headers = {name: list(values) for name, values in message.headers.items()}
    try:
        return {"headers": headers, "body": message.body.decode()}
    except UnicodeDecodeError:
        return {"headers": headers, "body_base64": base64.b64encode(message.body).decode()}


def as_json(value: object) -> str:
    """JSON for programs."""
    # In ASCII: header values can have half characters.
    return json.dumps(value, indent=2)


@dataclass(frozen=True, slots=True)
class InteractionText:
    """One interaction as text for people."""

    original: Interaction
    scrubbed: Interaction
    style: terminal.Style

    def lines(self, number: int | None) -> Iterator[str]:
        """Its number, if any, the request, the answer, and what the answer says; all of it scrubbed."""
        shown = self.scrubbed
        summary = Summary.of(shown, number or 0)
        url = f"{printable(shown.request.method)} {printable(shown.request.url)}"
        prefix = "" if number is None else f"{number}  "
        yield self.style.bold(f"{prefix}{url}")
        yield from self._side("Request", shown.request.headers, shown.request.body)
        yield ""
        status_line = [str(shown.response.status or shown.response.code), shown.response.proto]
        status_line += [_seconds(shown.response.duration)] if shown.response.duration else []
        yield self.style.bold(" " * len(prefix) + printable(", ".join(status_line)))
        yield from self._side("Response", shown.response.headers, shown.response.body)
        if summary.tokens:
            yield ""
            yield self.style.bold("Usage")
            details = summary.tokens.details.items()
            # Every answer of OpenAI's names six details that are mostly 0.
            yield from (f"  {name}: {tokens:,}" for name, tokens in details if tokens or "." not in name)
        if note := _differences(self.original, shown):
            yield ""
            yield self.style.dim(note)

    def _side(self, side: str, headers: Values, body: bytes) -> Iterator[str]:
        yield ""
        yield self.style.bold(f"{side} headers") + ("" if headers else " none")
        for name, values in headers.items():
            for value in values:
                yield f"  {printable(name)}: {printable(value)}"
        yield ""
        content_type = _content_type(headers)
        size = f"{len(body):,} bytes" if body else "none"
        yield self.style.bold(f"{side} body") + self.style.dim(f" {size}")
        text = self._stream(body, content_type) if side == "Response" else None
        yield from (f"  {line}".rstrip() for line in text or _readable(body, content_type))

    def _stream(self, body: bytes, content_type: str) -> list[str] | None:
        """The stream put together; None if it is none, or has events that aren't understood."""
        answer = read_answer(body, content_type)
        if answer.events is None or not answer.assembled or not (answer.messages or answer.error):
            return None
        lines = [f"({answer.events} events, put together; --raw has them)"]
        for message in answer.messages:
            lines += self._message(message)
        return [*lines, *self._part("error", answer.error)] if answer.error else lines

    def _message(self, message: AssembledMessage) -> Iterator[str]:
        role = message.role or "text"
        parts = (("reasoning", message.reasoning), (role, message.text), ("refusal", message.refusal))
        for heading, text in parts:
            if text:
                yield from self._part(heading, text)
        for call in message.tool_calls:
            name = " ".join(filter(None, (call.name, call.id)))
            yield from self._part(f"tool call {name}", "\n".join(_pretty(call.arguments) or [call.arguments]))
        if message.finish:
            yield self.style.dim(f"finish: {printable(message.finish)}")

    def _part(self, heading: str, text: str) -> Iterator[str]:
        yield self.style.bold(f"{printable(heading)}:")
        yield from (f"  {line}" for line in printable(text, lines=True).split("\n"))


def _readable(body: bytes, content_type: str) -> list[str]:
    """A body as lines: JSON indented, text as it is, the rest named."""
    if not body:
        return []
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return [f"(binary, {printable(content_type) or 'of unknown type'}; --raw writes it)"]
    return _pretty(text) or printable(text, lines=True).rstrip("\n").split("\n")


def _pretty(text: str) -> list[str]:
    """JSON objects and lists indented; nothing for other text."""
    if text.lstrip()[:1] not in ("{", "["):
        return []
    try:
        shown = json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return []
    return printable(shown, lines=True).split("\n")


def _differences(original: Interaction, shown: Interaction) -> str:
    """What of the file is not shown as it stands there."""
    sides = ((original.request, shown.request), (original.response, shown.response))
    left_out = sum(len(before.headers.keys() - after.headers.keys()) for before, after in sides)
    changes = {
        "URL": original.request.url != shown.request.url,
        "request body": original.request.body != shown.request.body,
        "response body": original.response.body != shown.response.body,
    }
    places = " and the ".join(place for place, is_changed in changes.items() if is_changed)
    parts = [f"{count(left_out, 'header')} left out"] if left_out else []
    parts += [f"secrets replaced in the {places}"] if places else []
    return f"Shown as it would be recorded: {', '.join(parts)}." if parts else ""


def _content_type(headers: Values) -> str:
    return first_value(headers, "Content-Type")


def _tokens(usage: Usage | None) -> str:
    if usage is None:
        return "-"
    if usage.input is None and usage.output is None:
        return str(usage.total) if usage.total is not None else "-"
    return f"{usage.input or 0}+{usage.output or 0}"


def _seconds(duration: int) -> str:
    if not duration:
        return "-"
    seconds = duration / 1e9
    return f"{seconds * 1000:.0f}ms" if seconds < 1 else f"{seconds:.2f}s"
