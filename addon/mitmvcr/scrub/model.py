"""An interaction -> one without secrets: headers by an allow-list, what `decide` says in all the rest."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from mitmvcr.http.content_coding import stated_coding
from mitmvcr.http.event_stream import as_text
from mitmvcr.http.go_rules import canonical_header
from mitmvcr.model import Interaction, Plain, Request, Response, Values
from mitmvcr.scrub.changes import Change, Redaction, changed
from mitmvcr.scrub.credential_names import CredentialName
from mitmvcr.scrub.decide import FORM, ROUNDS, Decisions, Rules
from mitmvcr.scrub.detect.archives import PackedError, unpacked
from mitmvcr.scrub.detect.bodies import read_body, read_url
from mitmvcr.scrub.detect.json_leaves import below_key, descends
from mitmvcr.scrub.detect.search import is_clear
from mitmvcr.scrub.gate import GateFinding, examine, header_findings
from mitmvcr.scrub.headers import Fate, HeaderList
from mitmvcr.scrub.memory import Memory
from mitmvcr.scrub.policy import Policy

_APART = b"\x01" * 64
"""Put between messages that are read at once: more than what a finder skips behind the beginning of a key."""


Message = TypeVar("Message", Request, Response)


class Scrubber:
    """A compiled policy. Stateless and safe for threads; what a cassette has seen is in its Memory.

    Raises PolicyError if the policy asks for a header that can't be kept or has a bad pattern.
    """

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self._rules = Rules(policy)
        self._request_headers, self._response_headers = map(self._rules.headers, ("request", "response"))

    @property
    def rules(self) -> Rules:
        """The policy, compiled, for what reads files."""
        return self._rules

    def keeps(self, header: str) -> bool:
        """Whether a request's header of this name is kept, be it with its value replaced."""
        return self._request_headers.verdict(header).fate is not Fate.DROP

    def may_hold_credentials(self, names: Iterable[str]) -> bool:
        """Whether a request's headers of these names may hold credentials, which are then looked out for."""
        return any(self._request_headers.verdict(name).kind for name in names)

    def remember_exchange(self, interaction: Interaction, memory: Memory) -> None:
        """Look out for the credentials of an exchange."""
        self.remember_credentials(interaction.request, memory)
        self._remember_response(interaction, memory)

    def remember_credentials(self, request: Request, memory: Memory) -> None:
        """Look out for the credentials in a request's headers, its URL, and a form that it has."""
        for name, kind in self._request_headers.plan(request.headers).credentials:
            for value in request.headers[name]:
                memory.track_header(name, value, kind)
        if "=" in request.url or "@" in request.url:
            memory.track_parameters(read_url(_encoded(request.url)))
        media_type = _media_type(request.headers)
        if media_type == FORM or media_type.startswith("multipart/"):
            memory.track_parameters(read_body(_decoded(request).body, media_type))

    def _remember_response(self, interaction: Interaction, memory: Memory) -> None:
        """Look out for the credentials in a response's headers.

        Not for what the request has too: it was said before, and when it is replayed nothing tells.
        """
        request, headers = interaction.request, interaction.response.headers
        said = b""
        for name, kind in self._response_headers.plan(headers).credentials:
            said = said or b"\n".join([request.body, _encoded(request.url)])
            for value in headers[name]:
                memory.track_header(name, value, kind, but=said)

    def request(self, request: Request, memory: Memory) -> Request:
        """The request without secrets; the same object if it had none."""
        return self.request_with_changes(request, memory)[0]

    def request_with_changes(self, request: Request, memory: Memory) -> tuple[Request, tuple[Redaction, ...]]:
        """The request without secrets, and what was replaced in it."""
        self.remember_credentials(request, memory)
        request = _decoded(request)
        cleaner = _Cleaner(self._rules, memory, self._request_texts(request))
        clean = self._whole(request, "request", cleaner)
        return clean, tuple(cleaner.redactions)

    def requests(self, requests: Sequence[Request], memory: Memory) -> list[Request]:
        """The requests without secrets; they are read all at once, which takes a fraction of the time."""
        # A credential that a request tells is looked for in those behind; a user's pattern may look around.
        tells = any(self.may_hold_credentials(request.headers) for request in requests)
        if not self.policy.redact and not tells:
            decoded = [_decoded(request) for request in requests]
            texts = dict.fromkeys(text for request in decoded for text in self._request_texts(request))
            cleaner = _Cleaner(self._rules, memory, [piece for text in texts for piece in (text, _APART)])
            if cleaner.nothing_there:
                return [self._message(request, "request", cleaner) for request in decoded]
        return [self.request(request, memory) for request in requests]

    def interaction(self, interaction: Interaction, memory: Memory) -> Interaction:
        """The interaction without secrets; the same object if it had none. Raises FunctionError."""
        return self.interaction_with_changes(interaction, memory)[0]

    def interaction_with_changes(
        self, interaction: Interaction, memory: Memory
    ) -> tuple[Interaction, tuple[Redaction, ...]]:
        """The interaction without secrets, and what was replaced in it. Raises FunctionError."""
        self.remember_exchange(interaction, memory)
        if self._rules.custom.functions:
            interaction = self._rules.custom.applied(interaction)
            self.remember_exchange(interaction, memory)
        return self._clean(interaction, memory)

    def _clean(self, interaction: Interaction, memory: Memory) -> tuple[Interaction, tuple[Redaction, ...]]:
        request, response = _decoded(interaction.request), _decoded(interaction.response)
        texts = [*self._request_texts(request), *_message_texts(response, self._response_headers)]
        cleaner = _Cleaner(self._rules, memory, [*texts, *_keyed_texts(interaction.extra)])
        # In this order: what is found in the answer changes nothing of what was asked before.
        request = self._whole(request, "request", cleaner)
        response = self._whole(response, "response", cleaner)
        extra = cleaner.node(interaction.extra, "extra")
        redactions = tuple(cleaner.redactions)
        if request is interaction.request and response is interaction.response and extra is interaction.extra:
            return interaction, redactions
        return Interaction(request, response, interaction.id, extra), redactions

    def gate(self, data: bytes, interaction: Interaction, memory: Memory) -> list[GateFinding]:
        """What is still wrong with the bytes that are about to be written; empty if nothing is.

        The bytes are read for what was seen and what tells itself; the values are decided upon once more.
        """
        scanner, watch = self._rules.scanner, memory.watch
        findings = examine(data, interaction, scanner, watch)
        bodies = (interaction.request.body, interaction.response.body)
        if findings or not all(is_clear(as_text(body), scanner, watch) for body in bodies):
            rest = self._clean(interaction, memory)[1]
            findings += [
                GateFinding(left.rule, left.field, left.path or "its value", "…")
                for left in rest
                if not any((left.rule, left.field) == (found.rule, found.field) for found in findings)
            ]
        findings += header_findings(interaction.request.headers, self._request_headers, "request")
        findings += header_findings(interaction.response.headers, self._response_headers, "response")
        allows = self._rules.custom.allows
        return [finding for finding in findings if not allows(finding.rule, finding.field)]

    def _whole(self, message: Message, side: str, cleaner: _Cleaner) -> Message:
        """The message with what changed; decided anew for each value that it may have elsewhere, too."""
        before = len(cleaner.redactions)
        for _ in range(ROUNDS):
            values = cleaner.values
            del cleaner.redactions[before:]
            clean = self._message(message, side, cleaner)
            if cleaner.values == values:
                break
        return clean

    def _message(self, message: Message, side: str, cleaner: _Cleaner) -> Message:
        """The message with what changed; itself if nothing did."""
        if cleaner.nothing_there and self._has_only_texts(message):
            headers = cleaner.headers(message.headers, side)
            return message if headers is message.headers else replace(message, headers=headers)
        body = cleaner.body(message.body, f"{side}.body", _content_type(message.headers))
        changes: dict[str, Any] = {"body": body}
        if isinstance(message, Request):
            changes["url"] = cleaner.url(message.url, "request.url")
            changes["request_uri"] = cleaner.url(message.request_uri, "request.request_uri")
            changes["form"] = cleaner.form(message.form, "request.form")
        changes["headers"] = cleaner.headers(message.headers, side)
        changes["trailer"] = cleaner.headers(message.trailer, side)
        changes["extra"] = cleaner.node(message.extra, f"{side}.extra")
        if body is not message.body and message.content_length == len(message.body):
            changes["content_length"] = len(body)
        real = {name: value for name, value in changes.items() if value is not getattr(message, name)}
        return replace(message, **real) if real else message

    def _has_only_texts(self, message: Request | Response) -> bool:
        """Whether nothing but headers is taken out for where it stands, as parameters and paths may be."""
        if message.trailer or message.extra or self._rules.custom.paths:
            return False
        media_type = _media_type(message.headers)
        if media_type == FORM or media_type.startswith("multipart/"):
            return False
        return isinstance(message, Response) or not (
            message.form or message.request_uri or any(mark in message.url for mark in "?#@")
        )

    def _request_texts(self, request: Request) -> list[bytes]:
        texts = [_encoded(request.url), _encoded(request.request_uri)]
        if request.form:
            texts += _keyed_texts(request.form)
        return [*texts, *_message_texts(request, self._request_headers)]


class _Cleaner:
    """Cleans the parts of one interaction; each method returns what it was given if it found nothing."""

    __slots__ = ("_decisions", "_rules", "redactions")

    def __init__(self, rules: Rules, memory: Memory, texts: Sequence[bytes]) -> None:
        """Reads all `texts` at once; if nothing is there, none of them is read again by itself."""
        self._rules = rules
        self._decisions = Decisions(rules, memory)
        self._decisions.look_over(texts)
        self.redactions: list[Redaction] = []

    @property
    def nothing_there(self) -> bool:
        """Whether no text has anything, and only what names tell is left."""
        return self._decisions.by_name_only

    @property
    def values(self) -> int:
        """How many values were found that are looked for in all of the interaction."""
        return self._decisions.values

    def body(self, body: bytes, field: str, content_type: str) -> bytes:
        media_type = media_type_of(content_type)
        return self._clean(
            body, field, lambda value: self._decisions.body(value, field, media_type, content_type)
        )

    def url(self, text: str, field: str) -> str:
        return self._clean_text(text, field, lambda value: self._decisions.url(value, field))

    def headers(self, headers: Values, side: str) -> Values:
        """Those that may stay.

        A Content-Encoding does only over a body that can't be decoded: by it the gate refuses that.
        """
        if not headers:
            return headers
        plan = self._rules.headers(side).plan(headers)
        if self.nothing_there and plan.is_plain:
            keeps_all = len(plan.kept_names) == len(headers)
            return headers if keeps_all else {name: headers[name] for name in plan.kept_names}
        out: dict[str, Sequence[str]] = {}
        for name, values in headers.items():
            if plan.verdicts[name].fate is not Fate.DROP or name.lower() == "content-encoding":
                field = f"{side}.headers.{canonical_header(name)}"

                def decide(value: bytes, name: str = name, field: str = field) -> list[Change]:
                    return self._decisions.header(name, value, side, field)

                out[name] = [self._clean_text(value, field, decide) for value in values]
        same = len(out) == len(headers) and all(list(headers[name]) == out[name] for name in out)
        return headers if same else out

    def form(self, form: Values, field: str) -> Values:
        if not form:
            return form
        out: dict[str, list[str]] = {}
        for name, values in form.items():

            def decide(value: bytes, name: str = name) -> list[Change]:
                return self._decisions.parameter(name, value, field)

            out.setdefault(self._text(name, field), []).extend(
                self._clean_text(text, field, decide) for text in values
            )
        same = len(out) == len(form) and all(list(form.get(name, ())) == out[name] for name in out)
        return form if same else out

    def node(
        self, node: Any, field: str, name: CredentialName | None = None, *, is_said: bool = False
    ) -> Any:
        """What a file has beyond the model; `name` is what the key over it tells."""
        if not node or isinstance(node, Plain):
            return node
        if isinstance(node, str):
            return self._text(node, field, name, is_said=is_said)
        if isinstance(node, bytes):
            return self._clean(
                node, field, lambda value: self._decisions.text(value, field, name, is_said=is_said)
            )
        if isinstance(node, Mapping):
            pairs = {}
            for key, value in node.items():
                below, said = below_key(descends(name), key, is_said=is_said)
                pairs[self._text(key, field)] = self.node(value, f"{field}.{key}", below, is_said=said)
            same = len(pairs) == len(node) and all(pairs.get(key) is node[key] for key in node)
            return node if same else pairs
        items = [self.node(value, field, name, is_said=is_said) for value in node]
        return node if all(a is b for a, b in zip(items, node, strict=True)) else items

    def _text(
        self, text: str, field: str, name: CredentialName | None = None, *, is_said: bool = False
    ) -> str:
        return self._clean_text(
            text, field, lambda value: self._decisions.text(value, field, name, is_said=is_said)
        )

    def _clean(self, value: bytes, field: str, decide: Callable[[bytes], Sequence[Change]]) -> bytes:
        for _ in range(ROUNDS if value else 0):
            changes = decide(value)
            if not changes:
                break
            self.redactions += [
                Redaction(field, change.path, change.rule, change.kind, change.evidence)
                for change in changes
                if change.new and change.rule
            ]
            before, value = value, changed(value, changes)
            if value == before:
                return before  # what can't be replaced stays, and the gate refuses it
        return value

    def _clean_text(self, text: str, field: str, decide: Callable[[bytes], Sequence[Change]]) -> str:
        value = _encoded(text)
        clean = self._clean(value, field, decide)
        return text if clean is value else clean.decode("utf-8", "surrogateescape")


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _keyed_texts(node: Any, key: str = "") -> Iterator[bytes]:
    """All texts below a node, keys too, each value with its key in front as JSON has it."""
    if isinstance(node, str | bytes):
        value = _encoded(node) if isinstance(node, str) else node
        yield b'"%b": "%b"' % (_encoded(key), value) if key else value
    elif isinstance(node, Mapping):
        for name, value in node.items():
            yield _encoded(name)
            yield from _keyed_texts(value, name)
    else:
        for value in node:
            yield from _keyed_texts(value, key)


def _message_texts(message: Request | Response, allowed: HeaderList) -> list[bytes]:
    """The texts of a message that stay in it."""
    headers = message.headers
    texts = [as_text(message.body)]
    texts += [_encoded(value) for name in allowed.plan(headers).kept_names for value in headers[name]]
    for values in (message.trailer, message.extra):
        if values:
            texts += _keyed_texts(values)
    return texts


def _content_type(headers: Values) -> str:
    for name, values in headers.items():
        if values and name.lower() == "content-type":
            return values[0]
    return ""


def media_type_of(content_type: str) -> str:
    """The media type of a Content-Type: in lower case, without parameters."""
    return content_type.partition(";")[0].strip().lower()


def _media_type(headers: Values) -> str:
    return media_type_of(_content_type(headers))


def _decoded(message: Message) -> Message:
    """The message with its body decoded and without Content-Encoding; itself if it can't be decoded."""
    coding = stated_coding(message.headers)
    if not coding:
        return message
    try:
        body = unpacked(message.body, coding)
    except PackedError:
        return message
    headers = {name: values for name, values in message.headers.items() if name.lower() != "content-encoding"}
    if isinstance(message, Request):
        length = len(body) if message.content_length == len(message.body) else message.content_length
        return replace(message, body=body, content_length=length, headers=headers)
    if body == message.body:
        return replace(message, headers=headers)
    return replace(message, body=body, headers=headers, content_length=-1, uncompressed=True)
