"""Text -> where secrets stand in it, by their looks; replaces nothing and remembers no secret.

Most secrets are long runs of the characters that tokens are made of. Only those runs are looked at for
the literals of the rules, and only where a literal stands is a pattern tried. Quantifiers are bounded,
so the cost is linear.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property

from mitmvcr.scrub.credential_names import credential_name, fits_vendor, is_told
from mitmvcr.scrub.detect.coded import may_be_coded
from mitmvcr.scrub.detect.randomness import looks_random
from mitmvcr.scrub.detect.tokens import BASE64, BLOB, SHORTEST, Span, blobs
from mitmvcr.scrub.placeholders import MARK, is_dummy
from mitmvcr.scrub.rules.detection import Detection, Evidence
from mitmvcr.scrub.rules.literals import Literals
from mitmvcr.scrub.rules.names import constant_in_front, is_no_word, name_in_front, vendor_kinds
from mitmvcr.scrub.rules.phrases import Guarded, decode_base64, finders
from mitmvcr.scrub.rules.shapes import Rule, shape_rules

KEPT_IDS = (
    b"call_", b"resp_", b"chatcmpl-", b"msg_", b"rs_", b"file-", b"batch_", b"ft:", b"asst_", b"thread_",
    b"run_", b"step_", b"fc_", b"ftjob-", b"vs_", b"ws_", b"ig_", b"cmpl-", b"fp_", b"gAAAAA",
)  # fmt: skip
"""How ids begin that later requests send back, and encrypted content; they are never touched."""

# A whole run that is such an id; not one with a separator behind, which may begin a secret.
_ID = re.compile(
    rb"(?:" + b"|".join(map(re.escape, KEPT_IDS)) + rb")[A-Za-z0-9]*+([A-Za-z0-9_=-]*+)(?![.~:])"
)

_CACHED = 96  # longer runs are not worth remembering
_CACHE_SIZE = 16384
_LITERAL, _NAMED, _ENCODED, _ASSIGNED = 1, 2, 4, 8
_NAMING = _NAMED | _ASSIGNED


class Scanner:
    """Rules, all of `shapes` by default, and finders, compiled.

    Immutable but for a cache of what short runs were found to be.
    """

    def __init__(
        self, rules: Sequence[Rule] | None = None, phrase_finders: Sequence[Guarded] | None = None
    ) -> None:
        self._rules = shape_rules() if rules is None else rules
        self._finders = finders() if phrase_finders is None else tuple(phrase_finders)
        words = {words[0] if words else b"" for words, _ in self._finders}
        self._words = [word for word in words if not any(part in word for part in words - {word})]
        self._literals = Literals(self._rules)
        # By hash, so that no secret is kept.
        self._states: dict[int, int] = {}

    @cached_property
    def _telling_literals(self) -> Literals:
        return Literals(self._rules, shortest=_TELLING)

    @cached_property
    def _telling_words(self) -> list[bytes]:
        texts = [text for rule in self._rules for text in rule.literals]
        return [text.encode() for text in texts if text.isalnum() and len(text) >= _TELLING]

    def in_runs(
        self,
        data: bytes,
        spans: Sequence[Span],
        runs: Sequence[bytes],
        coded: list[Span],
        *,
        with_names: bool = True,
    ) -> list[Detection]:
        """The secrets that token runs tell, in no order; some may overlap. `spans` are the runs' places.

        `coded` gets the places of those that may be a text in Base64 or the like. Without `with_names` what
        only a name tells is left out.
        """
        hits: list[Detection] = []
        states = self._states
        for (start, end), run in zip(spans, runs, strict=True):
            if end - start >= BLOB:
                self._look_around_blobs(data, start, end, hits)
                coded.append((start, end))
                continue
            state = states.get(hash(run)) if end - start <= _CACHED else self._state(run)
            if state is None:
                state = self._remember(run)
            if state:
                self._look_at(data, start, end, state if with_names else state & ~_NAMING, hits)
                if state & _ENCODED:
                    coded.append((start, end))
        return _without_replacements(hits)

    def has_words(self, data: bytes) -> bool:
        """Whether a text, or a part of one, has words without which `phrases` finds nothing."""
        # `in` takes several times as long: it tries numbers first.
        return any(data.find(word) >= 0 for word in self._words)

    def phrases(self, data: bytes) -> list[Detection]:
        """The secrets that stand behind fixed words, and those that the user's patterns find."""
        hits: list[Detection] = []
        for words, finder in self._finders:
            for word in words:
                if data.find(word) < 0:
                    break
            else:
                hits.extend(finder(data))
        return _without_replacements(hits)

    def says_nothing(self, run: bytes) -> bool:
        """Whether a token run that was looked at tells of no secret, whatever stands in front of it."""
        return self._states.get(hash(run)) == 0

    def _look_at(self, data: bytes, start: int, end: int, state: int, hits: list[Detection]) -> None:
        before = data[start - 1] if start else 0
        if state & _LITERAL:
            self._find_literals(self._literals, data, start, end, hits)
        if state & _NAMED and before in _NAMED_BEFORE:
            _find_named(data, start, hits)
        if state & _ASSIGNED:
            for found in _ASSIGNMENT.finditer(data, start, end):
                _find_named(data, found.end(), hits)

    def _look_around_blobs(self, data: bytes, start: int, end: int, hits: list[Detection]) -> None:
        """A long run, without the insides of long stretches of Base64: there only telling literals count."""
        at = start
        for blob_start, blob_end in blobs(data[start:end]):
            inside, behind = start + blob_start + BLOB // 2, start + blob_end
            stretch = data[inside:behind]
            if b"-" in stretch or b"_" in stretch or any(text in stretch for text in self._telling_words):
                self._find_literals(self._telling_literals, data, inside, behind, hits)
            self._look_at(data, at, inside, self._state(data[at:inside]), hits)
            at = behind
        if end - at >= SHORTEST:
            self._look_at(data, at, end, self._state(data[at:end]), hits)

    def _remember(self, run: bytes) -> int:
        if not run.strip(_NUMBER):
            # An embedding has thousands of floats; a name may say that a whole number is a secret.
            return _NAMED if run.isdigit() else 0
        if len(self._states) >= _CACHE_SIZE:
            self._states.clear()
        state = self._states[hash(run)] = self._state(run)
        return state

    def _state(self, run: bytes) -> int:
        identity = _ID.fullmatch(run)
        if identity and (not identity[1] or not self._telling_literals.rules_in(run, 0, len(run))):
            return 0
        rules = self._literals.rules_in(run, 0, len(run))
        # The shapes are tried here where what comes of it is kept, so that the run is not read again.
        tells = len(run) > _CACHED or any(rule.pattern.search(run) for rule in rules)
        state = _LITERAL if rules and tells else 0
        if is_no_word(run):
            state |= _NAMED if _VALUE.match(run) else 0
            if _ASSIGNMENT.search(run):
                state |= _ASSIGNED
        if may_be_coded(run):
            state |= _ENCODED
        return state

    def _find_literals(
        self, literals: Literals, data: bytes, start: int, end: int, hits: list[Detection]
    ) -> None:
        for rule, size in literals.rules_in(data, start, end).items():
            hits += [
                hit for hit in rule.find(data, start, end) if size >= _TELLING or not _in_blob(data, hit)
            ]


_TELLING = 6
_NAMED_BEFORE = frozenset(b"\"'`=>: \\,|\n\t")
# How all shapes of values begin that a name tells; URLs and names of headers don't.
_VALUE = re.compile(rb"[\w.=~+/-]{10}|[A-Fa-f0-9]{5,16}:")
# `=` or `:` inside a run, eight characters or a bot's value (`1234:A…`) behind it; not the `://` of a URL.
_ASSIGNMENT = re.compile(rb"[=:]++(?!//)(?=[^=:](?:[\w.~+/=-]{7}|[0-9]{4,15}:A))")


# A value behind a name in text: a word as far as it goes, without the punctuation that ends a sentence.
_NAMED_VALUE = re.compile(rb"[\w.~+/=-]{8,16384}")


def _find_named(data: bytes, start: int, hits: list[Detection]) -> None:
    name = credential_name(name_in_front(data, start))
    for vendor in name.vendors if name else vendor_kinds(constant_in_front(data, start)):
        found = vendor.value.match(data, start)
        if found and not _ID.match(found.group()) and fits_vendor(vendor, found.group()):
            hits.append(Detection(*found.span(), vendor.name, vendor.kind, found.group(), Evidence.NAME))
    found = _NAMED_VALUE.match(data, start) if name and name.in_text else None
    if name and found:
        value = found.group().rstrip(b".-")
        if not _ID.match(value) and is_told(name, value):
            end = start + len(value)
            hits.append(Detection(start, end, "generic-key", name.kind, value, Evidence.NAME))
    if data[start - 1] == _BLANK:
        _find_scheme(data, start, hits)


_NUMBER = b"0123456789.-+eE"
_BLANK = ord(" ")
# RFC 6750's b64token, from 16 on.
_BEARER = re.compile(rb"[A-Za-z0-9._~+/-]{16,8192}={0,2}")
_BASIC = re.compile(rb"[A-Za-z0-9+/]{12,4096}={0,2}")


def _find_scheme(data: bytes, start: int, hits: list[Detection]) -> None:
    """What stands behind `Bearer ` and isn't a word, or behind `Basic ` and is `user:password`."""
    scheme = data[max(0, start - 7) : start].lower()
    if scheme == b"bearer ":
        found = _BEARER.match(data, start)
        if found and looks_random(found.group()) and not is_dummy(found.group()):
            hits.append(Detection(start, found.end(), "bearer-token", "token", found.group(), Evidence.NAME))
    elif scheme.endswith(b"basic "):
        found = _BASIC.match(data, start)
        plain = decode_base64(found.group()) if found else None
        if found and plain and plain.isascii() and _is_no_word_pair(plain):
            hits.append(
                Detection(start, found.end(), "basic-credentials", "password", found.group(), Evidence.NAME)
            )


def _is_no_word_pair(plain: bytes) -> bool:
    """Whether `user:password` is more than words, as documentation has it."""
    user, colon, password = plain.partition(b":")
    return bool(colon) and not (user.isalpha() and password.isalpha())


def _in_blob(data: bytes, hit: Detection) -> bool:
    """Whether a short literal stands inside a long stretch of Base64, where it occurs by chance."""
    before = data[max(0, hit.start - BLOB) : hit.start]
    after = data[hit.end : hit.end + BLOB]
    left = len(before) - len(before.rstrip(BASE64))
    right = len(after) - len(after.lstrip(BASE64))
    return left > 0 and left + right >= BLOB


def _without_replacements(hits: list[Detection]) -> list[Detection]:
    """Without those that are one of our replacements, with less than a token beside it."""
    return [hit for hit in hits if b"REDACTED-" not in hit.value or len(MARK.sub(b"", hit.value)) >= SHORTEST]
