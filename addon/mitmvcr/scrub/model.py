"""An interaction -> the same without secrets: headers by an allow-list, URLs and bodies in place."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import unquote_to_bytes

from mitmvcr.http.content_coding import stated_coding
from mitmvcr.model import Interaction, Request, Response, Values
from mitmvcr.scrub.decide import Cleaner, encode
from mitmvcr.scrub.detect.archives import PackedError, unpacked
from mitmvcr.scrub.detect.scan import Scanner
from mitmvcr.scrub.gate import Finding, examine, header_findings
from mitmvcr.scrub.headers import Fate, HeaderList, compile_headers, denied_kind
from mitmvcr.scrub.memory import Memory, strings
from mitmvcr.scrub.parameters import secret_parameter
from mitmvcr.scrub.policy import Policy
from mitmvcr.scrub.user_rules import compile_custom

_FORM = "application/x-www-form-urlencoded"
_APART = b"\x01" * 64
"""Put between messages that are read at once: more than what a finder skips behind the beginning of a key."""


class Scrubber:
    """A compiled policy. Stateless and safe for threads; what a cassette has seen is in its Memory.

    Raises PolicyError if the policy asks for a header that can't be kept or has a bad pattern.
    """

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self._request_headers, self._response_headers = compile_headers(policy.keep_headers)
        self._custom = compile_custom(policy)
        self._scanner = Scanner(finders=self._custom.finders)

    def keeps(self, header: str) -> bool:
        """Whether a request's header of this name is kept, be it with its value replaced."""
        return self._request_headers.verdict(header).fate is not Fate.DROP

    def tracks_any(self, names: Iterable[str]) -> bool:
        """Whether a request's headers of these names may hold credentials, which are tracked."""
        return any(self._request_headers.verdict(name).kind for name in names)

    def watch(
        self,
        memory: Memory,
        request_headers: Iterable[tuple[str, str]],
        response_headers: Iterable[tuple[str, str]],
        url: str,
    ) -> None:
        """Track every credential value that passes on the wire."""
        for name, value in (*request_headers, *response_headers):
            kind = denied_kind(name.lower())
            if kind:
                memory.track_header(name, value, kind)
        self._track_url(url, memory)

    def _track_url(self, url: str, memory: Memory) -> None:
        for pair in url.partition("#")[0].partition("?")[2].split("&"):
            name, _, value = pair.partition("=")
            kind = secret_parameter(name, value)
            if kind:
                memory.track(unquote_to_bytes(value), kind)

    def track(self, request: Request, memory: Memory) -> None:
        """Track the credentials in a request's headers."""
        self._track_headers(request.headers, self._request_headers, memory)

    def request(self, request: Request, memory: Memory) -> Request:
        """The request without secrets; the same object if it had none."""
        self.track(request, memory)
        request = _decoded_request(request)
        cleaner = Cleaner(self._scanner, self._custom, memory)
        cleaner.look_over(self._request_texts(request))
        return self._request(request, cleaner)

    def requests(self, requests: Sequence[Request], memory: Memory) -> list[Request]:
        """Each as `request` has it; they are read all at once, which takes a fraction of the time."""
        # A credential that one tells is looked for in those behind it; a user's pattern may look around.
        if not self.policy.redact and not any(self.tracks_any(one.headers) for one in requests):
            decoded = [_decoded_request(one) for one in requests]
            cleaner = Cleaner(self._scanner, self._custom, memory)
            texts = dict.fromkeys(text for one in decoded for text in self._request_texts(one))
            cleaner.look_over([piece for text in texts for piece in (text, _APART)])
            if cleaner.nothing_there:
                return [self._request(one, cleaner) for one in decoded]
        return [self.request(one, memory) for one in requests]

    def interaction(self, interaction: Interaction, memory: Memory) -> Interaction:
        """The interaction without secrets; the same object if it had none."""
        self._track(interaction, memory)
        if self._custom.functions:
            for function in self._custom.functions:
                interaction = function(interaction)
            self._track(interaction, memory)
        request, response = _decoded_request(interaction.request), _decoded_response(interaction.response)
        cleaner = Cleaner(self._scanner, self._custom, memory)
        cleaner.look_over(
            [*self._request_texts(request), *self._response_texts(response), *strings(interaction.extra)]
        )
        request, response = self._request(request, cleaner), self._response(response, cleaner)
        extra = cleaner.node(interaction.extra, "extra")
        if request is interaction.request and response is interaction.response and extra is interaction.extra:
            return interaction
        return Interaction(request, response, interaction.id, extra)

    def gate(self, data: bytes, interaction: Interaction, memory: Memory) -> list[Finding]:
        """What is still wrong with the bytes that are about to be written; empty if nothing is."""
        findings = examine(data, interaction, self._scanner, memory.watch)
        findings += header_findings(interaction.request.headers, self._request_headers, "request")
        findings += header_findings(interaction.response.headers, self._response_headers, "response")
        return [one for one in findings if not self._custom.allows(one.rule, one.field)]

    def _request(self, request: Request, cleaner: Cleaner) -> Request:
        if cleaner.nothing_there and self._has_only_texts(request):
            headers = cleaner.headers(request.headers, self._request_headers, "request")
            return request if headers is request.headers else replace(request, headers=headers)
        is_form = _media_type(request.headers) == _FORM
        body = cleaner.body(request.body, "request.body", is_form=is_form)
        changes: dict[str, Any] = {
            "url": cleaner.url(request.url, "request.url"),
            "request_uri": cleaner.url(request.request_uri, "request.request_uri"),
            "body": body,
            "form": cleaner.form(request.form, "request.form"),
            "headers": cleaner.headers(request.headers, self._request_headers, "request"),
            "trailer": cleaner.headers(request.trailer, self._request_headers, "request"),
            "extra": cleaner.node(request.extra, "request.extra"),
        }
        if body is not request.body and request.content_length == len(request.body):
            changes["content_length"] = len(body)
        changed: Request = _replaced(request, changes)
        return changed

    def _has_only_texts(self, request: Request) -> bool:
        """Whether nothing but headers is taken out for where it stands, as parameters and paths may be."""
        return (
            not (request.form or request.trailer or request.request_uri or request.extra)
            and not ("?" in request.url or "#" in request.url or self._custom.paths)
            and (b"=" not in request.body or _media_type(request.headers) != _FORM)
        )

    def _response(self, response: Response, cleaner: Cleaner) -> Response:
        body = cleaner.body(response.body, "response.body", is_form=False)
        changes: dict[str, Any] = {
            "body": body,
            "headers": cleaner.headers(response.headers, self._response_headers, "response"),
            "trailer": cleaner.headers(response.trailer, self._response_headers, "response"),
            "extra": cleaner.node(response.extra, "response.extra"),
        }
        if body is not response.body and response.content_length == len(response.body):
            changes["content_length"] = len(body)
        changed: Response = _replaced(response, changes)
        return changed

    def _track(self, interaction: Interaction, memory: Memory) -> None:
        self._track_headers(interaction.request.headers, self._request_headers, memory)
        self._track_headers(interaction.response.headers, self._response_headers, memory)
        self._track_url(interaction.request.url, memory)

    def _track_headers(self, headers: Values, allowed: HeaderList, memory: Memory) -> None:
        for name, kind in allowed.plan(headers).credentials:
            for value in headers[name]:
                memory.track_header(name, value, kind)

    def _request_texts(self, request: Request) -> list[bytes]:
        texts = [encode(request.url), encode(request.request_uri), request.body]
        texts += _kept(request.headers, self._request_headers)
        for values in (request.form, request.trailer, request.extra):
            if values:
                texts += strings(values)
        return texts

    def _response_texts(self, response: Response) -> list[bytes]:
        texts = [response.body, *_kept(response.headers, self._response_headers)]
        for values in (response.trailer, response.extra):
            if values:
                texts += strings(values)
        return texts


def _kept(headers: Values, allowed: HeaderList) -> list[bytes]:
    return [encode(value) for name in allowed.plan(headers).kept for value in headers[name]]


def _media_type(headers: Values) -> str:
    for name, values in headers.items():
        if values and name.lower() == "content-type":
            return values[0].partition(";")[0].strip().lower()
    return ""


def _without_coding(headers: Values) -> Values:
    return {name: values for name, values in headers.items() if name.lower() != "content-encoding"}


def _decoded(body: bytes, coding: str) -> bytes | None:
    """The body without its coding; None if it can't be read."""
    try:
        return unpacked(body, coding)
    except PackedError:
        return None


def _decoded_request(request: Request) -> Request:
    coding = stated_coding(request.headers)
    plain = _decoded(request.body, coding) if coding else None
    if plain is None:
        return request
    length = len(plain) if request.content_length == len(request.body) else request.content_length
    return replace(request, body=plain, content_length=length, headers=_without_coding(request.headers))


def _decoded_response(response: Response) -> Response:
    coding = stated_coding(response.headers)
    plain = _decoded(response.body, coding) if coding else None
    if plain is None:
        return response
    headers = _without_coding(response.headers)
    if plain == response.body:
        return replace(response, headers=headers)
    return replace(response, body=plain, headers=headers, content_length=-1, uncompressed=True)


def _replaced(message: Any, changes: dict[str, Any]) -> Any:
    """The message with what changed; itself if nothing did."""
    real = {name: value for name, value in changes.items() if value is not getattr(message, name)}
    return replace(message, **real) if real else message
