"""Which format a file's text is in, told from its first few KB; never looks at a file's name.

`sniff` is cheap and decides no more than which reader to ask: that one says what is wrong. Each pattern here
takes time in proportion to what it is given: possessive where two of its parts could share characters.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from mitmvcr.errors import FormatError, NoRecordingError
from mitmvcr.formats import container

HEAD = 64 * 1024
"""Bytes that are looked at."""

_READABLE = (
    "Readable are cassettes of go-vcr v2 (YAML) and VCR.py v1 (YAML or JSON), "
    "recordings of llama-stack (JSON) and HAR 1.2, also compressed with gzip"
)


def sniff(data: bytes) -> str:
    """The format's name: `go-vcr`, `vcrpy`, `llama-stack` or `har`.

    Raises NoRecordingError for what is no recording of HTTP, and FormatError for one that no reader here
    reads, or that can't be told for damage.
    """
    try:
        head = container.head(data, HEAD)
    except FormatError as error:
        raise FormatError(f"this can't be read: {error.reason}. {_READABLE}") from None
    text = head.decode("utf-8", "replace").removeprefix("\ufeff")
    name = _json(text) if is_json(head) else _yaml(text, data)
    if name is None:
        look = _look_of(text)
        if look.is_recording:
            raise FormatError(
                f"this is a recording that can't be read: it looks like {look.words}. {_READABLE}"
            )
        raise NoRecordingError(f"this is no cassette: it looks like {look.words}. {_READABLE}")
    return name


def is_json(text: bytes) -> bool:
    """Whether a cassette's text is JSON, not YAML."""
    return _JSON_OBJECT.match(text) is not None


# An object, empty or with a quoted key; YAML in braces mostly has its keys without quotes.
_JSON_OBJECT = re.compile(rb'(?:\xef\xbb\xbf)?\s*+\{\s*+["}]')
_JSON_DOCUMENT = re.compile(_JSON_OBJECT.pattern.decode("latin-1"))
# What may stand before a YAML document: blank lines, comments, directives, and the dashes that begin it.
_PREAMBLE = re.compile(r"(?:[ \t]*+(?:[#%][^\r\n]*+)?[\r\n])*+(?:---(?=[\s{])\s*+(?:#[^\r\n]*+\s*+)*+)?")
# A string and the colon behind it, which makes it a key, or a bracket. A string need not end: the head may.
_TOKEN = re.compile(r'"((?:[^"\\]|\\.)*+)(?:"(\s*+:)?|\\?\Z)|[{}\[\]]', re.DOTALL)


def _json(text: str) -> str | None:
    known: dict[str, str | None] = {
        "log": "har",
        "interactions": None,
        "requests": "vcrpy",
        "responses": "vcrpy",
        "request": "llama-stack",
        "response": "llama-stack",
        # llama-stack writes it first; a request that is cut off here may follow.
        "test_id": "llama-stack",
    }
    name = next((key for key in _json_keys(text) if key in known), "")
    if name == "interactions":
        return _of_interactions(text, _JSON_VERSION.match(text))
    return known.get(name)


_JSON_VERSION = re.compile(r'\s*+\{\s*+"version"\s*+:\s*+"?(\d{1,9})')


def _json_keys(text: str) -> list[str]:
    """Keys of the outermost object, as far as the text goes."""
    keys, depth = [], 0
    for match in _TOKEN.finditer(text):
        if match[1] is None:
            depth += 1 if match[0] in "{[" else -1
        elif depth == 1 and match[2]:
            keys.append(match[1])
    return keys


# For a text with a line break in front: ten times as fast as `^`, which is tried at every character.
_YAML_KEY = re.compile(r"""\n(["']?)(interactions|requests|responses|version)\1[ \t]*+:""")
_YAML_VERSION = re.compile(r"""\n["']?version["']?[ \t]*+:[ \t]*+["']?(\d{1,9})""")
_FLOW = re.compile(r"\s*+\{[^{}\[\]]{0,200}?\b(?:interactions|version)\s*+:")
_FLOW_VERSION = re.compile(r"\bversion\s*+:\s*+(\d{1,9})")
_OLD = re.compile(r"- request:\s")


def _yaml(text: str, data: bytes) -> str | None:
    preamble = _PREAMBLE.match(text)
    document = text[preamble.end() :] if preamble else text
    if _OLD.match(document):
        return "vcrpy"  # of VCR.py before 1.0, as its reader says
    if _JSON_DOCUMENT.match(document):
        return _json(document)
    if _FLOW.match(document):
        return _of_interactions(document, _FLOW_VERSION.search(document))
    lines = "\n" + text.replace("\r", "\n")
    keys = {match[2] for match in _YAML_KEY.finditer(lines)}
    if "interactions" in keys:
        version = _YAML_VERSION.search(lines) or _YAML_VERSION.search(_tail(data))
        return _of_interactions(text, version)
    if keys >= {"version"} or keys & {"requests", "responses"}:
        match = _YAML_VERSION.search(lines)
        return "go-vcr" if match and match[1] != "1" else "vcrpy"
    return None


def _tail(data: bytes) -> str:
    return "" if container.title(data) else data[-200:].decode("utf-8", "replace").replace("\r", "\n")


# go-vcr begins an entry with its id, or the request with its protocol; VCR.py sorts keys.
_GO_VCR = re.compile(
    r"""\binteractions["']?\s*+:\s*+(?:\[\s*+)?[-{]\s*+["']?"""
    r"""(?:id\b|request["']?\s*+:\s*+(?:\{\s*+)?["']?proto\b)"""
)
_GO_VCR_1 = re.compile(r"(?:---\s++)?version: 1\n(?:.*\n)*? {4,8}(?:form|url):")


def _of_interactions(text: str, version: re.Match[str] | None) -> str:
    if version:
        # go-vcr's own version 1, and versions yet to come, are go-vcr's reader to refuse.
        return "go-vcr" if version[1] != "1" or _GO_VCR_1.match(text) else "vcrpy"
    return "go-vcr" if _GO_VCR.search(text) else "vcrpy"


@dataclass(frozen=True, slots=True)
class _Look:
    """What text with all of these patterns in it is, in words, and whether it is a recording of HTTP."""

    words: str
    patterns: tuple[re.Pattern[str], ...] = ()
    is_recording: bool = False

    def fits(self, text: str) -> bool:
        return all(pattern.search(text) for pattern in self.patterns)


def _patterns(*sources: str) -> tuple[re.Pattern[str], ...]:
    return tuple(map(re.compile, sources))


_JSON_START = r"\A\s*+[{\[]"

_LOOKS = (
    _Look("an empty file", _patterns(r"\A\s*+\Z")),
    _Look(
        "mitmproxy's flows (`mitmdump -nr FILE --set hardump=OUT.har` makes HAR of them)",
        _patterns(r"\A\d{1,20}:\d{1,20}:"),
        is_recording=True,
    ),
    _Look(
        "a cassette of Ruby's VCR or Betamax",
        _patterns(r"""(?:\n|\A|[{,]\s{0,99})["']?http_interactions["']?[ \t]{0,99}:"""),
        is_recording=True,
    ),
    _Look(
        "mappings of WireMock",
        _patterns(_JSON_START, r'"mappings"\s{0,99}:\s{0,99}\[', r'"request"\s{0,99}:\s{0,99}\{'),
        is_recording=True,
    ),
    _Look(
        "a simulation of Hoverfly",
        _patterns(_JSON_START, r'"(?:pairs|globalActions)"\s{0,99}:\s{0,99}[\[{]'),
        is_recording=True,
    ),
    _Look(
        "fixtures of nock",
        _patterns(
            r"\A\s*+\[\s*+\{",
            r'"scope"\s{0,99}:\s{0,99}"http',
            r'"(?:rawHeaders|reqheaders|response)"\s{0,99}:',
        ),
        is_recording=True,
    ),
    _Look("raw HTTP", _patterns(r"\A(?:(?:GET|POST|PUT|DELETE|PATCH|HEAD) \S{1,9999} HTTP/|HTTP/\d)"), True),
    _Look(
        "a recording of another program",
        _patterns(
            _JSON_START,
            r'"request"\s{0,99}:\s{0,99}\{',
            r'"response"\s{0,99}:\s{0,99}[\[{]',
            r'"method"\s{0,99}:',
            r'"(?:status|status_?[cC]ode|code)"\s{0,99}:',
        ),
        is_recording=True,
    ),
    _Look("HTML or XML", _patterns(r"(?i)\A\s*+<(?:!doctype|html|\?xml)")),
    _Look("a pointer of Git LFS (`git lfs pull` fetches the file)", _patterns(r"\Aversion https://git-lfs")),
    _Look("a file with a merge conflict", _patterns(r"(?:\n|\A)<{7} ", r"\n={7}\r?\n")),
    _Look("a ZIP archive", _patterns(r"\APK\x03\x04")),
    _Look("JSON of another kind", _patterns(_JSON_START)),
    _Look("YAML of another kind", _patterns(r"""(?:\n|\A)(?:[\w"'-]{1,200}:\s|- )""")),
)


def _look_of(text: str) -> _Look:
    found = next((look for look in _LOOKS if look.fits(text)), None)
    if found is None:
        found = _Look("binary data" if "\0" in text or text.count("\ufffd") > 8 else "plain text")
    return found
