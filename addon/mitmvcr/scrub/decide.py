"""The parts of an interaction -> the same parts without secrets: texts, URLs, headers, forms, extras."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mitmvcr.http.go_rules import canonical_header
from mitmvcr.model import Plain, Values
from mitmvcr.scrub.detect.scan import Scanner
from mitmvcr.scrub.detect.search import Secret, are_clear, find_secrets
from mitmvcr.scrub.headers import Fate, HeaderList
from mitmvcr.scrub.memory import MARK, Memory
from mitmvcr.scrub.parameters import scrub_pairs, scrub_url, secret_parameter
from mitmvcr.scrub.user_rules import Custom


class Cleaner:
    """Cleans the parts of one interaction; each method returns what it was given if it found nothing."""

    __slots__ = ("_custom", "_memory", "_scanner", "nothing_there")

    def __init__(self, scanner: Scanner, custom: Custom, memory: Memory) -> None:
        self._scanner = scanner
        self._custom = custom
        self._memory = memory
        self.nothing_there = False

    def look_over(self, texts: Sequence[bytes]) -> None:
        """Read all texts at once; if nothing is there, none of them is read again by itself."""
        self.nothing_there = are_clear(texts, self._scanner, self._memory.watch)

    def data(self, data: bytes, field: str) -> bytes:
        if self.nothing_there or not data:
            return data
        found = find_secrets(data, self._scanner, self._memory.watch)
        if found and self._custom.allow:
            found = [one for one in found if not self._custom.allows(one.rule, field)]
        return redact(data, found, self._memory) if found else data

    def body(self, body: bytes, field: str, *, is_form: bool) -> bytes:
        if is_form:
            body = scrub_pairs(body, self._memory.replacement)
        return self.data(self._custom.by_path(body, self._memory.replacement), field)

    def text(self, text: str, field: str) -> str:
        if self.nothing_there or not text:
            return text
        raw = encode(text)
        clean = self.data(raw, field)
        return text if clean is raw else clean.decode("utf-8", "surrogateescape")

    def url(self, text: str, field: str) -> str:
        # By name first: what stands there in a replay need not look like a secret.
        return self.text(scrub_url(text, self._memory.replacement), field)

    def headers(self, headers: Values, allowed: HeaderList, side: str) -> Values:
        """Those that may stay.

        A Content-Encoding does only over a body that can't be decoded: by it the gate refuses that.
        """
        if not headers:
            return headers
        plan = allowed.plan(headers)
        if self.nothing_there and plan.is_plain:
            return headers if plan.as_they_are else {name: headers[name] for name in plan.kept}
        out: dict[str, Sequence[str]] = {}
        for name, values in headers.items():
            verdict = allowed.verdict(name)
            if verdict.fate is Fate.REDACT:
                kind = verdict.kind or "headervalue"
                out[name] = [self.value(value, kind) for value in values]
            elif verdict.fate is Fate.KEEP or name.lower() == "content-encoding":
                field = f"{side}.headers.{canonical_header(name)}"
                clean = self.url if verdict.is_url else self.text
                out[name] = [clean(value, field) for value in values]
        same = len(out) == len(headers) and all(list(headers[name]) == out[name] for name in out)
        return headers if same else out

    def form(self, form: Values, field: str) -> Values:
        if not form:
            return form
        out: dict[str, list[str]] = {}
        for name, values in form.items():
            clean = out.setdefault(self.text(name, field), [])
            for value in values:
                kind = secret_parameter(name, value)
                clean.append(self.value(value, kind) if kind else self.text(value, field))
        same = len(out) == len(form) and all(list(form.get(name, ())) == out[name] for name in out)
        return form if same else out

    def value(self, value: str, kind: str) -> str:
        """A value that is a secret by its name, replaced but for the scheme in front (`Bearer `)."""
        raw = encode(value)
        if not raw or MARK.search(raw):
            return value
        scheme, blank, rest = value.partition(" ")
        if blank and scheme.isalpha() and rest:
            return f"{scheme} {self.value(rest, kind)}"
        return self._memory.replacement(kind, raw).decode()

    def node(self, node: Any, field: str) -> Any:
        """What a file has beyond the model."""
        if not node or isinstance(node, Plain):
            return node
        if isinstance(node, str):
            return self.text(node, field)
        if isinstance(node, bytes):
            return self.data(node, field)
        if isinstance(node, Mapping):
            pairs = {key: self.node(value, f"{field}.{key}") for key, value in node.items()}
            return node if all(pairs[key] is node[key] for key in pairs) else pairs
        items = [self.node(value, field) for value in node]
        return node if all(a is b for a, b in zip(items, node, strict=True)) else items


def encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def redact(data: bytes, found: Sequence[Secret], memory: Memory) -> bytes:
    """The bytes with each secret replaced; of one in several places only the first has the replacement."""
    edits = []
    for secret in found:
        first, *others = secret.spans
        edits.append((*first, secret.written(memory.replacement(secret.kind, secret.value))))
        edits += [(start, end, b"") for start, end in others]
    out: list[bytes] = []
    at = 0
    for start, end, new in sorted(edits):
        out += data[at:start], new
        at = end
    return b"".join([*out, data[at:]])
