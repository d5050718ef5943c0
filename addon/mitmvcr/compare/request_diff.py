"""In what a recorded and an incoming request differ, place by place, with both values; bounded work, no I/O.

Bodies are compared as matching has them: JSON by structure, forms and multipart by name, others as bytes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias
from urllib.parse import parse_qsl, urlsplit

from mitmvcr.compare.difference_text import LARGE, value_text
from mitmvcr.compare.json_diff import NOTHING, DifferingValue, Nothing, in_json
from mitmvcr.config import user_functions
from mitmvcr.http.go_rules import canonical_header, first_value
from mitmvcr.http.multipart import body_parts
from mitmvcr.model import Request
from mitmvcr.replay.matcher import Matcher
from mitmvcr.scrub import collapse

_Part: TypeAlias = "tuple[bytes | Nothing, bytes | Nothing]"
"""Headers and content of a multipart body's part."""

_URL_PARTS = ("scheme", "host", "port", "path", "query")


def differing_values(
    recorded: Request, request: Request, matcher: Matcher
) -> tuple[list[DifferingValue], bool]:
    """Where two requests differ in what the matcher looks at, and whether those are all places."""
    return _Comparison(recorded, request, matcher).differing_values()


@dataclass(frozen=True, slots=True)
class _Comparison:
    """A recorded request, an incoming one, and what says which of their fields count."""

    recorded: Request
    request: Request
    matcher: Matcher

    def differing_values(self) -> tuple[list[DifferingValue], bool]:
        differences = [*self._in_method(), *self._in_urls(), *self._in_named_fields()]
        if "body" not in self.matcher.fields:
            return differences, True
        in_body, is_all = self._in_bodies()
        return differences + in_body, is_all

    def _in_method(self) -> Iterator[DifferingValue]:
        recorded, method = self.recorded.method, self.request.method
        if "method" in self.matcher.fields and recorded.upper() != method.upper():
            yield DifferingValue("method", (), recorded, method)

    def _in_named_fields(self) -> Iterator[DifferingValue]:
        """Headers and what functions of the user's return."""
        for name in self.matcher.fields:
            if name.startswith("headers:"):
                header = canonical_header(name.removeprefix("headers:"))
                recorded, value = (
                    _collapsed(", ".join(side.headers[header])) if side.headers.get(header) else NOTHING
                    for side in (self.recorded, self.request)
                )
                if recorded != value:
                    yield DifferingValue("headers", (header,), recorded, value)
            elif name.startswith("py:"):
                function = user_functions.load(name)
                before, now = (value_text(function(side)) for side in (self.recorded, self.request))
                if before != now:
                    yield DifferingValue("py", (name.removeprefix("py:"),), before or NOTHING, now or NOTHING)

    def _in_urls(self) -> Iterator[DifferingValue]:
        urls = _collapsed(self.recorded.url), _collapsed(self.request.url)
        is_whole = "url" in self.matcher.fields
        parts = [part for part in _URL_PARTS if is_whole or part in self.matcher.fields]
        if urls[0] == urls[1] or not parts:
            return
        try:
            for url in urls:
                urlsplit(url).port  # noqa: B018 - raises for a port that is no number
        except ValueError:
            yield DifferingValue("url", (), *urls)
            return
        differences: list[DifferingValue] = []
        for part in parts:
            before, now = (self.matcher.url_part(part, url) for url in urls)
            if part == "query":
                differences += self._in_pairs("query", *(urlsplit(url).query for url in urls))
            elif before != now:
                differences.append(DifferingValue(part, (), before or NOTHING, now or NOTHING))
        yield from differences
        if is_whole and not differences:
            before, now = (self.matcher.url_part("url", url) for url in urls)
            if before != now:
                yield DifferingValue("url", (), before, now)

    def _in_pairs(self, kind: str, recorded: str, text: str) -> Iterator[DifferingValue]:
        before, now = _by_name(recorded), _by_name(text)
        for name in [*before, *(name for name in now if name not in before)]:
            values = before.get(name, NOTHING), now.get(name, NOTHING)
            if values[0] != values[1] and name not in self.matcher.ignore:
                yield DifferingValue(kind, (name,), *values)

    def _in_bodies(self) -> tuple[list[DifferingValue], bool]:
        recorded, body = self.recorded.body, self.request.body
        if recorded == body:
            return [], True
        if max(len(recorded), len(body)) > LARGE:
            return [DifferingValue("body", (), recorded, body)], False
        keys = [collapse(self.matcher.body_key(side)) for side in (self.recorded, self.request)]
        kind, _, before = keys[0].partition(b" ")
        kind_now, _, now = keys[1].partition(b" ")
        if keys[0] == keys[1]:
            return [], True
        if kind != kind_now:
            return [_whole_body(recorded, body)], True
        differences: list[DifferingValue] = []
        if kind == b"json":
            try:
                return in_json(json.loads(before), json.loads(now))
            except RecursionError:
                pass  # deeper than can be walked through: shown as text
        elif kind == b"multipart":
            differences = list(_in_parts(_parts(self.recorded), _parts(self.request)))
        elif _is_form(self.recorded) and _is_form(self.request):
            texts = [side.decode("utf-8", "surrogateescape") for side in (before, now)]
            differences = list(self._in_pairs("form", texts[0], texts[1]))
        return differences or [_whole_body(before, now)], True


def _collapsed(text: str) -> str:
    return collapse(text.encode("utf-8", "surrogateescape")).decode("utf-8", "surrogateescape")


def _by_name(pairs: str) -> dict[str, str]:
    named: dict[str, list[str]] = {}
    for name, value in parse_qsl(pairs, keep_blank_values=True, errors="surrogateescape"):
        named.setdefault(name, []).append(value)
    return {name: ", ".join(values) for name, values in named.items()}


def _whole_body(recorded: bytes, body: bytes) -> DifferingValue:
    return DifferingValue("body", (), recorded or NOTHING, body or NOTHING)


def _is_form(request: Request) -> bool:
    media_type = first_value(request.headers, "Content-Type").partition(";")[0].strip().lower()
    return media_type == "application/x-www-form-urlencoded"


def _in_parts(recorded: dict[str, _Part], parts: dict[str, _Part]) -> Iterator[DifferingValue]:
    for name in [*recorded, *(name for name in parts if name not in recorded)]:
        head, content = recorded.get(name, (NOTHING, NOTHING))
        head_now, content_now = parts.get(name, (NOTHING, NOTHING))
        if content != content_now:
            yield DifferingValue("part", (name,), content, content_now)
        if head != head_now and NOTHING not in (head, head_now):
            yield DifferingValue("part", (name, "headers"), head, head_now)


def _parts(request: Request) -> dict[str, _Part]:
    """A multipart body's parts by name (with a number for a name's second)."""
    parts: dict[str, _Part] = {}
    for part in body_parts(collapse(request.body), first_value(request.headers, "Content-Type"))[1:]:
        if part.is_end:
            break
        name = part.name or ""
        same = sum(other == name or other.startswith(f"{name}#") for other in parts)
        parts[f"{name}#{same + 1}" if same else name] = part.headers, part.content or b""
    return parts
