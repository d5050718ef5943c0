"""`mitmvcr show`: what is in a cassette of any format, a line an interaction, or one of them readable."""

from __future__ import annotations

import argparse
import base64
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from mitmvcr.cli.render import terminal
from mitmvcr.errors import CassetteError

if TYPE_CHECKING:
    from mitmvcr.compare.assembled import Answer, Message, Usage
    from mitmvcr.model import Interaction, Values
    from mitmvcr.store.cassette import CassetteFile

Subparsers: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"  # noqa: SLF001 - its only name

_EPILOG = """\
Secrets are shown as they would be recorded, replaced; only --raw gives a body's own bytes.

examples:
  mitmvcr show recordings/haiku.yaml             a line for each interaction
  mitmvcr show haiku                             the same: a name below vcr_dir
  mitmvcr show haiku 1                           one interaction, its stream put together
  mitmvcr show haiku 1 --raw                     the bytes of its answer's body
  mitmvcr show haiku --all                       every interaction, for git's textconv (mitmvcr diff --help)
  mitmvcr show haiku --json                      for programs
"""


def add_parser(commands: Subparsers) -> None:
    """Add the subcommand."""
    command = commands.add_parser(
        "show",
        help="show what is in a cassette",
        description="Show what is in a cassette of any format, or one of its interactions.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    command.add_argument("cassette", metavar="CASSETTE", help="a file, a folder of llama-stack's, or a name")
    command.add_argument("number", metavar="N", nargs="?", type=int, help="the interaction with this id")
    command.add_argument("--all", action="store_true", help="show every interaction, without times")
    command.add_argument("--json", action="store_true", help="print JSON, for programs")
    command.add_argument("--raw", action="store_true", help="write the exact bytes of N's body, unscrubbed")
    command.add_argument("--request", action="store_true", help="with --raw: of the request's body")
    command.add_argument("--dir", metavar="DIR", help="the folder of names; default: as for the proxy")
    command.set_defaults(run=run)


def run(given: argparse.Namespace) -> int:
    """Show a cassette, or one interaction of it."""
    if given.raw and given.number is None:
        raise CassetteError(f"--raw wants an interaction's number: mitmvcr show {given.cassette} 0 --raw")
    if given.all and (given.number is not None or given.json):
        raise CassetteError("--all takes neither a number nor --json")
    if given.request and not given.raw:
        raise CassetteError("--request goes with --raw")
    loaded = _load(given.cassette, given.dir)
    shown = _Shown.of(loaded)
    with terminal.output():
        if given.all:
            print("\n".join(shown.everything(terminal.Style(sys.stdout))))
            return 0
        if given.number is None:
            print(shown.as_json() if given.json else "\n".join(shown.lines(terminal.Style(sys.stdout))))
            return 0
        one = shown.pick(given.number)
        if given.raw:
            sys.stdout.buffer.write(one.request.body if given.request else one.response.body)
            sys.stdout.buffer.flush()
        elif given.json:
            print(_json(_whole(_scrubbed(one), given.number)))
        else:
            print("\n".join(_One(one, given.number, terminal.Style(sys.stdout)).lines()))
    return 0


def _load(name: str, folder: str | None) -> CassetteFile:
    from mitmvcr.config.settings import Settings, read_toml  # noqa: PLC0415
    from mitmvcr.errors import FormatError  # noqa: PLC0415
    from mitmvcr.store import cassette  # noqa: PLC0415 - it brings PyYAML, which the help doesn't need
    from mitmvcr.store.locate import locate  # noqa: PLC0415

    path = Path(name)
    if not path.exists():
        config = Path("mitmvcr.toml")
        texts = {"dir": folder} if folder else read_toml(config) if config.exists() else {}
        root = Settings.parse({"dir": texts["dir"]} if "dir" in texts else {}).dir
        try:
            location = locate(root, name)
        except CassetteError:
            if name.startswith((".", "/", "~")) or "/../" in name:
                raise CassetteError(f"{name}: there is no such file") from None
            raise
        if not location.exists:
            raise CassetteError(f"{name}: there is no such file, nor a cassette {name!r} in {root}")
        path = location.path
    try:
        return cassette.read(path)
    except FormatError as error:
        raise CassetteError(f"{path}: {error}") from None


@dataclass(frozen=True, slots=True)
class _Summary:
    """What stands in an interaction's line."""

    id: int
    method: str
    url: str
    code: int
    model: str
    usage: Usage | None
    duration: int
    request_size: int
    size: int
    streamed: bool

    @classmethod
    def of(cls, one: Interaction, number: int) -> _Summary:
        from mitmvcr.compare.assembled import is_stream, read_answer, read_model  # noqa: PLC0415 - as in _load

        content_type = _content_type(one.response.headers)
        answer = read_answer(one.response.body, content_type)
        return cls(
            number,
            one.request.method,
            one.request.url,
            one.response.code,
            read_model(one.request.body) or answer.model,
            answer.usage,
            one.response.duration,
            len(one.request.body),
            len(one.response.body),
            is_stream(one.response.body, content_type),
        )

    def cells(self) -> tuple[str, ...]:
        return (
            str(self.id),
            terminal.printable(self.method),
            terminal.printable(self.url),
            str(self.code),
            terminal.printable(self.model) or "-",
            _tokens(self.usage),
            _seconds(self.duration),
            f"{self.size:,}",
            "stream" if self.streamed else "-",
        )

    def plain(self) -> dict[str, object]:
        return {
            "id": self.id,
            "method": self.method,
            "url": self.url,
            "status": self.code,
            "model": self.model or None,
            "tokens": asdict(self.usage) if self.usage else None,
            "duration_ns": self.duration,
            "request_bytes": self.request_size,
            "bytes": self.size,
            "streamed": self.streamed,
        }


@dataclass(frozen=True, slots=True)
class _Shown:
    """A cassette to be shown; interactions go by their ids, or by place where two have one id."""

    loaded: CassetteFile
    numbers: Sequence[int]

    @classmethod
    def of(cls, loaded: CassetteFile) -> _Shown:
        ids = [one.id for one in loaded.cassette.interactions]
        return cls(loaded, ids if len(set(ids)) == len(ids) else range(len(ids)))

    def pick(self, number: int) -> Interaction:
        """The interaction that has this number; raises CassetteError."""
        if number not in self.numbers:
            last = (
                f"they go from {min(self.numbers)} to {max(self.numbers)}" if self.numbers else "it is empty"
            )
            raise CassetteError(f"{self.loaded.path}: there is no interaction {number}: {last}")
        return self.loaded.cassette.interactions[self.numbers.index(number)]

    def _summaries(self) -> Iterator[_Summary]:
        clean = _url_scrubber()
        for one, number in zip(self.loaded.cassette.interactions, self.numbers, strict=True):
            yield replace(_Summary.of(one, number), url=clean(one))

    def _notes(self) -> tuple[str, ...]:
        from mitmvcr.maintenance.convert import skipped  # noqa: PLC0415 - as in _load

        return skipped(self.loaded.cassette.notes, self.loaded.torn)

    def lines(self, style: terminal.Style) -> Iterator[str]:
        """The table, and what the file has that isn't in it."""
        rows: list[tuple[str, ...]] = [
            ("ID", "METHOD", "URL", "STATUS", "MODEL", "TOKENS", "TIME", "BYTES", "STREAM")
        ]
        rows += [one.cells() for one in self._summaries()]
        count = len(rows) - 1
        path = terminal.printable(str(self.loaded.path))
        yield f"{path}: {self.loaded.format.title}, {count} interaction{'' if count == 1 else 's'}"
        if count:
            head, *others = terminal.table(rows, right=frozenset({0, 3, 5, 6, 7}))
            yield style.bold(head)
            yield from others
        for note in self._notes():
            yield style.dim(f"note: {terminal.printable(note)}")

    def everything(self, style: terminal.Style) -> Iterator[str]:
        """All interactions; the same lines for two that say the same, whatever their times and numbers."""
        for place, one in enumerate(self.loaded.cassette.interactions):
            timeless = replace(one, response=replace(one.response, duration=0))
            yield from ([""] if place else [])
            yield from _One(timeless, None, style).lines()

    def as_json(self) -> str:
        """The same for programs."""
        return _json(
            {
                "path": str(self.loaded.path),
                "format": self.loaded.format.name,
                "interactions": [one.plain() for one in self._summaries()],
                "notes": self._notes(),
            }
        )


def _url_scrubber() -> Callable[[Interaction], str]:
    """What makes a URL one that can be shown; a list doesn't pay for scrubbing bodies that it has not."""
    from mitmvcr.scrub import Memory, Policy, Scrubber  # noqa: PLC0415 - as in _load

    scrubber, memory = Scrubber(Policy()), Memory()

    def clean(one: Interaction) -> str:
        return scrubber.request(replace(one.request, body=b"", form={}, extra={}), memory).url

    return clean


def _scrubbed(one: Interaction) -> Interaction:
    from mitmvcr.maintenance.convert import scrubbed  # noqa: PLC0415 - as in _load
    from mitmvcr.scrub import Memory, Policy, Scrubber  # noqa: PLC0415

    return scrubbed([one], Scrubber(Policy()), Memory())[0]


def _whole(one: Interaction, number: int) -> dict[str, object]:
    """One interaction for programs: what its line has, its headers and bodies, and what its answer says."""
    from mitmvcr.compare.assembled import read_answer  # noqa: PLC0415 - as in _load

    answer = read_answer(one.response.body, _content_type(one.response.headers))
    return {
        **_Summary.of(one, number).plain(),
        "request": {"headers": _plain(one.request.headers), **_body(one.request.body)},
        "response": {
            "status": one.response.status,
            "proto": one.response.proto,
            "headers": _plain(one.response.headers),
            **_body(one.response.body),
        },
        "answer": {
            "messages": [asdict(message) for message in answer.messages],
            "error": answer.error or None,
            "events": answer.events,
        },
    }


def _plain(headers: Values) -> dict[str, list[str]]:
    return {name: list(values) for name, values in headers.items()}


def _body(body: bytes) -> dict[str, object]:
    try:
        return {"body": body.decode()}
    except UnicodeDecodeError:
        return {"body_base64": base64.b64encode(body).decode()}


def _json(value: object) -> str:
    # In ASCII: header values can have half characters.
    return json.dumps(value, indent=2)


@dataclass(frozen=True, slots=True)
class _One:
    """One interaction as text for people."""

    original: Interaction
    number: int | None
    style: terminal.Style

    def lines(self) -> Iterator[str]:
        """All of it: the request, the answer, and what the answer says."""
        one = _scrubbed(self.original)
        summary = _Summary.of(one, self.number or 0)
        url = f"{terminal.printable(one.request.method)} {terminal.printable(one.request.url)}"
        number = "" if self.number is None else f"{self.number}  "
        yield self.style.bold(f"{number}{url}")
        yield from self._side("Request", one.request.headers, one.request.body)
        yield ""
        told = [str(one.response.status or one.response.code), one.response.proto]
        told += [_seconds(one.response.duration)] if one.response.duration else []
        yield self.style.bold(" " * len(number) + terminal.printable(", ".join(told)))
        yield from self._side("Response", one.response.headers, one.response.body)
        if summary.usage:
            yield ""
            yield self.style.bold("Usage")
            counts = summary.usage.details.items()
            # Every answer of OpenAI's names six details that are mostly 0.
            yield from (f"  {name}: {count:,}" for name, count in counts if count or "." not in name)
        if note := _differences(self.original, one):
            yield ""
            yield self.style.dim(note)

    def _side(self, side: str, headers: Values, body: bytes) -> Iterator[str]:
        yield ""
        yield self.style.bold(f"{side} headers") + ("" if headers else " none")
        for name, values in headers.items():
            for value in values:
                yield f"  {terminal.printable(name)}: {terminal.printable(value)}"
        yield ""
        content_type = _content_type(headers)
        size = f"{len(body):,} bytes" if body else "none"
        yield self.style.bold(f"{side} body") + self.style.dim(f" {size}")
        text = self._stream(body, content_type) if side == "Response" else None
        yield from (f"  {line}".rstrip() for line in text or _readable(body, content_type))

    def _stream(self, body: bytes, content_type: str) -> list[str] | None:
        """The stream put together; None if it is none, or has events that aren't understood."""
        from mitmvcr.compare.assembled import read_answer  # noqa: PLC0415 - as in _load

        answer = read_answer(body, content_type)
        if answer.events is None or not answer.assembled or not (answer.messages or answer.error):
            return None
        return [f"({answer.events} events, put together; --raw has them)", *self._spelled(answer)]

    def _spelled(self, answer: Answer) -> Iterator[str]:
        for message in answer.messages:
            yield from self._message(message)
        if answer.error:
            yield from self._part("error", answer.error)

    def _message(self, message: Message) -> Iterator[str]:
        if message.reasoning:
            yield from self._part("reasoning", message.reasoning)
        if message.text:
            yield from self._part(message.role or "text", message.text)
        if message.refusal:
            yield from self._part("refusal", message.refusal)
        for call in message.tool_calls:
            name = " ".join(filter(None, (call.name, call.id)))
            yield from self._part(f"tool call {name}", "\n".join(_pretty(call.arguments) or [call.arguments]))
        if message.finish:
            yield self.style.dim(f"finish: {terminal.printable(message.finish)}")

    def _part(self, heading: str, text: str) -> Iterator[str]:
        yield self.style.bold(f"{terminal.printable(heading)}:")
        yield from (f"  {line}" for line in terminal.printable(text, lines=True).split("\n"))


def _readable(body: bytes, content_type: str) -> list[str]:
    """A body as lines: JSON indented, text as it is, the rest named."""
    if not body:
        return []
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return [f"(binary, {terminal.printable(content_type) or 'of unknown type'}; --raw writes it)"]
    return _pretty(text) or terminal.printable(text, lines=True).rstrip("\n").split("\n")


def _pretty(text: str) -> list[str]:
    """JSON objects and lists indented; nothing for other text."""
    if text.lstrip()[:1] not in ("{", "["):
        return []
    try:
        shown = json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return []
    return terminal.printable(shown, lines=True).split("\n")


def _differences(original: Interaction, shown: Interaction) -> str:
    """What of the file is not shown as it stands there."""
    left_out = sum(
        len(before.headers.keys() - after.headers.keys())
        for before, after in ((original.request, shown.request), (original.response, shown.response))
    )
    changed = [
        name
        for name, before, after in (
            ("URL", original.request.url, shown.request.url),
            ("request body", original.request.body, shown.request.body),
            ("response body", original.response.body, shown.response.body),
        )
        if before != after
    ]
    parts = [f"{left_out} header{'' if left_out == 1 else 's'} left out"] if left_out else []
    parts += [f"secrets replaced in the {' and the '.join(changed)}"] if changed else []
    return f"Shown as it would be recorded: {', '.join(parts)}." if parts else ""


def _content_type(headers: Values) -> str:
    from mitmvcr.http.go_rules import first_value  # noqa: PLC0415 - as in _load

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
