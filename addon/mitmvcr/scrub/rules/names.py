"""Secrets that only their name tells (`datadog_key = …`): a token's place -> what its name tells.

Reads the few bytes in front of it, never the whole text.

The kinds are gitleaks' (v8.30.1), whose patterns search for the name first. Here the scanner has
found a long token, and the name in front of it is looked at: names are many, such tokens are few.
"""

# ruff: noqa: E501 - a vendor is a row of a table

from __future__ import annotations

import re
from dataclasses import dataclass

from mitmvcr.scrub.rules.shapes import as_kind, compiled

_OPERATORS = b"=>:|,"
_FILL = b" \t\r\n'\"`\\"
_NAME_REACH = 72
_NAME_STOP = bytes(
    byte if byte in b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-. \t" else 10
    for byte in range(256)
)


@dataclass(frozen=True, slots=True)
class NamedRule:
    """A kind whose values are told by a name that holds one of `words` (lower case)."""

    name: str
    kind: str
    shape: bytes
    entropy: float

    @property
    def value(self) -> re.Pattern[bytes]:
        return compiled(self.shape)


_HEX = "[a-f0-9]"
_LOW = "[A-Za-z0-9]"
_WIDE = "[A-Za-z0-9=_-]"
_UUID = "[A-Fa-f0-9]{8}(?:-[A-Fa-f0-9]{4}){3}-[A-Fa-f0-9]{12}"

_TABLE = (
    ("adafruit", "[A-Za-z0-9_-]{32}", 0),
    ("adobe", f"{_HEX}{{32}}", 2),
    ("airtable", f"{_LOW}{{17}}", 0),
    ("algolia", f"{_LOW}{{32}}", 0),
    ("alibaba", f"{_LOW}{{30}}", 2),
    ("asana", f"[0-9]{{16}}|{_LOW}{{32}}", 0),
    ("atlassian confluence jira", f"{_LOW}{{20}}{_HEX}{{4}}", 3.5),
    ("beamer", f"b_{_WIDE}{{44}}", 0),
    ("bitbucket", f"{_LOW}{{32}}|{_WIDE}{{64}}", 0),
    ("bittrex", f"{_LOW}{{32}}", 0),
    ("meraki", f"{_HEX}{{40}}", 3),
    ("cloudflare", f"[A-Za-z0-9_-]{{40}}|{_HEX}{{37}}", 2),
    ("codecov", f"{_LOW}{{32}}", 0),
    ("cohere co_api_key", f"{_LOW}{{40}}", 4),
    ("coinbase", "[A-Za-z0-9_-]{64}", 0),
    ("confluent", f"{_LOW}{{64}}|{_LOW}{{16}}", 0),
    ("contentful", f"{_WIDE}{{43}}", 0),
    ("datadog", f"{_LOW}{{40}}|{_HEX}{{32}}", 0),
    ("discord", f"{_HEX}{{64}}|[0-9]{{18}}|{_WIDE}{{32}}", 2),
    ("droneci", f"{_LOW}{{32}}", 0),
    ("dropbox", f"{_LOW}{{15}}|{_LOW}{{11}}AAAAAAAAAA[A-Za-z0-9_=-]{{43}}", 0),
    ("etsy", f"{_LOW}{{24}}", 3),
    ("facebook", f"{_HEX}{{32}}", 3),
    ("fastly", f"{_WIDE}{{32}}", 0),
    ("finicity", f"{_HEX}{{32}}|{_LOW}{{20}}", 0),
    ("finnhub", f"{_LOW}{{20}}", 0),
    ("flickr", f"{_LOW}{{32}}", 0),
    ("freshbooks", f"{_LOW}{{64}}", 0),
    ("gitter", "[A-Za-z0-9_-]{40}", 0),
    ("gocardless", f"live_{_WIDE}{{40}}", 0),
    ("heroku", _UUID, 0),
    ("hubspot", _UUID, 0),
    ("intercom", f"{_WIDE}{{60}}", 0),
    ("jfrog artifactory bintray xray", f"{_LOW}{{73}}|{_LOW}{{64}}", 0),
    ("kraken", "[A-Za-z0-9/=_+-]{80,90}", 0),
    ("kucoin", f"{_HEX}{{24}}|{_UUID}", 0),
    ("launchdarkly", f"{_WIDE}{{40}}", 0),
    ("linear", f"{_HEX}{{32}}", 2),
    ("linkedin linked_in linked-in", f"{_LOW}{{14}}|{_LOW}{{16}}", 2),
    ("looker", f"{_LOW}{{24}}|{_LOW}{{20}}", 0),
    ("mailchimp", f"{_HEX}{{32}}-us[0-9]{{2}}", 0),
    ("mailgun", "[a-h0-9]{32}-[a-h0-9]{8}-[a-h0-9]{8}", 0),
    ("mapbox", f"pk\\.{_LOW}{{60}}\\.{_LOW}{{22}}", 0),
    ("mattermost", f"{_LOW}{{26}}", 0),
    ("messagebird message-bird message_bird", f"{_LOW}{{25}}|{_UUID}", 0),
    ("netlify", f"{_WIDE}{{40,46}}", 0),
    ("newrelic new-relic new_relic", f"{_LOW}{{64}}", 0),
    ("nytimes new-york-times newyorktimes", f"{_WIDE}{{32}}", 0),
    ("okta", "00[A-Za-z0-9_=-]{40}", 4),
    ("plaid", f"{_LOW}{{24}}|{_LOW}{{30}}", 3.5),
    ("privateai private_ai private-ai", f"{_LOW}{{32}}", 3),
    ("rapidapi", "[A-Za-z0-9_-]{50}", 0),
    ("sendbird", f"{_UUID}|{_HEX}{{40}}", 0),
    ("sentry", f"{_HEX}{{64}}", 3),
    ("sidekiq contribsys", "[a-f0-9]{8}:[a-f0-9]{8}", 0),
    ("snyk", _UUID, 0),
    ("sonar", f"(?:sq[upa]_)?{_WIDE}{{40}}", 0),
    ("sourcegraph", "[A-Fa-f0-9]{40}", 3),
    ("squarespace", _UUID, 0),
    ("sumo", f"su{_LOW}{{12}}|{_LOW}{{64}}", 3),
    ("telegr", "[0-9]{5,16}:A[A-Za-z0-9_-]{34}", 0),
    ("travis", f"{_LOW}{{22}}", 0),
    ("twitch", f"{_LOW}{{30}}", 0),
    ("twitter", f"{_LOW}{{45}}|[0-9]{{15,25}}-{_LOW}{{20,40}}|{_LOW}{{25}}|{_LOW}{{50}}|A{{22}}[A-Za-z0-9%]{{80,100}}", 0),
    ("yandex", f"t1\\.{_WIDE}{{1,400}}\\.[A-Za-z0-9_-]{{86}}={{0,2}}|AQVN[A-Za-z0-9_-]{{35,38}}|YC[A-Za-z0-9_-]{{38}}", 0),
    ("zendesk", f"{_LOW}{{40}}", 0),
)  # fmt: skip

# Nothing of a token may follow: a vendor's value has its very length.
_END = rb"(?![A-Za-z0-9_=-])"
_VENDORS = {
    word: NamedRule(
        f"{words.split()[0]}-key",
        as_kind(re.sub("[^a-z]", "", words.split()[0])),
        b"(?i:" + value.encode() + b")" + _END,
        entropy,
    )
    for words, value, entropy in _TABLE
    for word in words.split()
}
# Anywhere in a name, the longest word first: `my_datadog_api_key`.
_VENDOR_WORD = re.compile("|".join(map(re.escape, sorted(_VENDORS, key=len, reverse=True))))

# gitleaks' generic-api-key: its words, and the names that it lets pass (those that a name alone tells).
_GENERIC_WORD = re.compile(r"access|auth|api|credential|creds|key|passw(?:or)?d|secret|token")
# Of a URL, where it is all that it takes. In JSON it is what models sign their thoughts with (Anthropic's
# `signature`, Google's `thoughtSignature`), which later requests send back, and a function's hash.
_SIGNATURE = re.compile(r"signature$")
_GENERIC_PASSES = re.compile(
    r"access(?:ibility|or)|access[_.-]?id|api[_.-]?(?:id|name|version)|rapid|capital|author(?!iz)"
    r"|credentials?[_.-]?id|(?:bucket|foreign|hot|idx|natural|primary|pub(?:lic)?|schema|sequence)[_.-]?key"
    r"|turkey|monkey|keying|keyword|key[_.-]?(?:alias|board|code|frame|id|length|mesh|name|pair|press|ring|selector"
    r"|signature|size|stone|storetype|up|down|left|right|file)|key[_.-]?vault|keystore|keytab|issuerkeyhash"
    r"|secret[_.-]?(?:length|name|size)|usersecretsid|csrf[_.-]?token|public[_.-]?token"
    r"|(?:api|credentials|token)[_.-]?(?:endpoint|ur[il]|type)|token[_.-]?file|page[_.-]?token|tokenizer"
    r"|prompt_cache_key|api[_.-]?base"
)
# A word of 10 to 150 characters, where Base64 goes no further; Base64 from 12 on, also with `/` and `+`; else the
# word as far as it goes.
GENERIC = NamedRule(
    "generic-key",
    "token",
    rb"[\w.=~-]{10,150}(?![\w=~+/-])|[A-Za-z0-9][A-Za-z0-9+/]{11,4096}={0,3}(?![\w+/=-])"
    rb"|[\w.=~-]{10,150}(?![\w=~-])",
    3.5,
)

_names: dict[tuple[bytes, bool], tuple[NamedRule, ...]] = {}


def named_kinds(data: bytes, at: int) -> tuple[NamedRule, ...]:
    """The kinds that the name in front of a token tells; empty if it has none or a harmless one."""
    front = data[max(0, at - _NAME_REACH) : at]
    bare = front.rstrip(_FILL)
    if not bare or (bare[-1] not in _OPERATORS and b"=" not in front[len(bare) :]):
        return ()
    in_url = front.endswith(b"=")
    bare = bare.rstrip(b":=>|?,").rstrip(_FILL)
    name = bare.translate(_NAME_STOP).rpartition(b"\n")[2]
    if not name:
        return ()
    known = _names.get((name, in_url))
    if known is None:
        known = _kinds_of(name.decode("ascii").lower(), in_url=in_url)
        if len(_names) < 4096:
            _names[name, in_url] = known
    return known


def _kinds_of(name: str, *, in_url: bool) -> tuple[NamedRule, ...]:
    kinds = [_VENDORS[word] for word in dict.fromkeys(_VENDOR_WORD.findall(name))]
    tells = _GENERIC_WORD.search(name) or (in_url and _SIGNATURE.search(name))
    if tells and not _GENERIC_PASSES.search(name):
        kinds.append(GENERIC)
    return tuple(kinds)


_DIGITS = b"0123456789"
_LETTERS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
# Names of models (`gpt-4o-mini-2024-07-18`) and dates, which have digits as keys do; a possessive group, so linear.
_VERSIONED = re.compile(
    rb"(?:gpt|chatgpt|o[0-9]|text|tts|whisper|claude|gemini|llama|mistral|qwen|deepseek)(?:-[a-z0-9.]+)++"
    rb"|[0-9]{4}-[0-9]{2}-[0-9]{2}[A-Za-z0-9:.+-]*"
)


def looks_random(value: bytes) -> bool:
    """Whether a value is more than a word, a model's name or a date."""
    digits = len(value) - len(value.translate(None, _DIGITS))
    letters = len(value) - len(value.translate(None, _LETTERS))
    mixed = digits >= 1 and not (value.islower() or value.isupper())
    return (digits >= 2 or mixed) and letters >= 3 and _VERSIONED.fullmatch(value) is None


def is_no_word(value: bytes) -> bool:
    """Whether a value has digits, or capitals inside: enough where a vendor's name and a shape say so."""
    if len(value.translate(None, _DIGITS)) < len(value):
        return _VERSIONED.fullmatch(value) is None
    return not (value.islower() or value.isupper() or value[1:].islower())
