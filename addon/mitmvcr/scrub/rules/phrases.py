"""Secrets that stand behind fixed words and may hold any character: `sig=`, `://user:`, `Bearer `, PEM.

Each finder looks for its words with `bytes.find` and then at a bounded stretch behind them.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Callable, Iterator

from mitmvcr.scrub.placeholders import is_dummy
from mitmvcr.scrub.rules.detection import Detection, entropy

Finder = Callable[[bytes], Iterator[Detection]]


def _places(data: bytes, words: bytes) -> Iterator[int]:
    at = data.find(words)
    while at >= 0:
        yield at
        at = data.find(words, at + len(words))


# Base64, its `+ / =` percent-coded once or twice or not at all; other characters end it.
_SIGNATURE = re.compile(rb"(?:[A-Za-z0-9+/=_-]|%(?:25)?(?:2[bBfF]|3[dD])){20,512}")


def shared_access_signatures(data: bytes) -> Iterator[Detection]:
    """The `sig=` of Azure's SAS URLs and Event Hubs' tokens."""
    for at in _places(data, b"sig="):
        found = _SIGNATURE.match(data, at + 4)
        if found and entropy(found.group()) > 3:
            yield _hit(found, 0, "sas-signature", "sigtoken")


# A user (or none) and a password; no `/`, blank or quote, so that prose with `://` and a later `@` is none.
_USERINFO = re.compile(rb"://([^/?#\s\"'<>\\@:]{0,256}):([^/?#\s\"'<>\\@]{1,256})@")


def url_passwords(data: bytes) -> Iterator[Detection]:
    """The password in `scheme://user:password@host`."""
    for at in _places(data, b"://"):
        found = _USERINFO.match(data, at)
        if found:
            yield _hit(found, 2, "url-password", "password")


# PEM and PGP, any kind of PRIVATE KEY; no public keys, no certificates.
_PEM = re.compile(rb"(?i)-----BEGIN[ A-Z0-9_-]{0,100}PRIVATE KEY(?: BLOCK)?-----")
_PEM_END = re.compile(rb"KEY(?: BLOCK)?-----")
# What armour is made of, also with its line ends escaped as JSON has them.
_PEM_BODY = re.compile(rb"(?:[A-Za-z0-9+/=:,. \t\r\n-]|\\[nrt\\])*+")
_PEM_REACH = 64 * 1024


def private_keys(data: bytes) -> Iterator[Detection]:
    """PEM and PGP private keys, with their armour; one that is cut off as far as it goes."""
    behind = 0
    for at in _places(data, b"-----BEGIN"):
        found = _PEM.match(data, at)
        if not found or at < behind:
            continue
        end = _PEM_END.search(data, found.end(), found.end() + _PEM_REACH)
        if end is None:
            end = _PEM_BODY.match(data, found.end(), found.end() + _PEM_REACH)
        behind = end.end() if end else found.end()
        if behind - found.end() > 32:
            yield Detection(at, behind, "private-key", "pemtoken", data[at:behind])


# A header's line or a field in JSON, also escaped; the value without its scheme (group 1).
_AUTHORIZATION = re.compile(
    rb"(?i)authorization[\\\"']{0,8}\s{0,4}[:=,]\s{0,4}[\\\"']{0,8}"
    rb"(?:(?:bearer|basic|token|apikey)\s{1,4})?([A-Za-z0-9._~+/=-]{8,8192})"
)


def authorizations(data: bytes) -> Iterator[Detection]:
    """What is given as `Authorization`, in the text of a header or as a field of JSON."""
    for at in _places(data, b"uthorization"):
        found = _AUTHORIZATION.match(data, at - 1) if at else None
        if found and not found.group(1).isalpha() and not is_dummy(found.group(1)):
            yield _hit(found, 1, "authorization", "token")


# An option `-u` or `--user` on the same line, `name:password` behind it.
_CURL = re.compile(
    rb"[^\r\n]{0,1024}?\s(?:-u|--user)(?:=|\s{0,5})[\\\"']{0,8}([^\s\"'\\:]{1,64}:[^\s\"'\\]{3,128})"
)


def curl_users(data: bytes) -> Iterator[Detection]:
    """The user and password of a `curl -u`."""
    for at in _places(data, b"curl "):
        found = _CURL.match(data, at + 4)
        if found:
            yield _hit(found, 1, "curl-user", "password")


# A quoted name, and a value in the same quotes (escaped as deep); a value with quotes or backslashes is none.
_FIELD = re.compile(
    rb"(?i)(?:password|secret|secret[_-]?key|secret[_-]?access[_-]?key)"
    rb"(?P<quote>\\{0,7}[\"'])\s{0,8}[:=]\s{0,8}(?P=quote)(?P<value>[^\"'\\\r\n]{4,512})(?P=quote)"
)
# Types, words for nothing, masks, `<placeholders>`, `${VARIABLES}` and what was replaced.
_HARMLESS = re.compile(
    rb"(?i)string|password|passwd|secret|null|none|true|false|\*+|x+|<[^>]*>|\$?\{.*\}|REDACTED.*"
)


def password_fields(data: bytes) -> Iterator[Detection]:
    """The values of fields named password, in JSON, Python and the like."""
    return _fields(data, b"assword")


def secret_fields(data: bytes) -> Iterator[Detection]:
    """The values of fields named secret."""
    return _fields(data, b"ecret")


def _fields(data: bytes, words: bytes) -> Iterator[Detection]:
    for at in _places(data, words):
        found = _FIELD.match(data, at - 1) if at else None
        if found and not _HARMLESS.fullmatch(found["value"]):
            start, end = found.span("value")
            yield Detection(start, end, "secret-field", "password", found["value"])


_MAIL_USER = re.compile(rb"[A-Za-z0-9._%+-]{1,64}\Z")
# At least one dot: `user@localhost` is none.
_MAIL_HOST = re.compile(rb"@[A-Za-z0-9][A-Za-z0-9-]{0,62}(?:\.[A-Za-z0-9-]{1,63}){0,5}\.[A-Za-z]{2,24}")


def emails(data: bytes) -> Iterator[Detection]:
    """Mail addresses (an option)."""
    for at in _places(data, b"@"):
        user = _MAIL_USER.search(data, max(0, at - 64), at)
        host = _MAIL_HOST.match(data, at)
        if user and host:
            start = user.start()
            if data[start - 1 : start] == b"\\" and start + 1 < at:
                start += 1  # the letter of an escape: \nuser@host
            yield Detection(start, host.end(), "email", "email", data[start : host.end()])


# The name alone (group 1), on Linux, macOS and Windows; globs and placeholders (`<user>`, `*`) are none.
_HOME = re.compile(rb"(?:/home/|/Users/|\\{1,4}Users\\{1,4})([^/\s\"'\\<>:;,|?*)]{1,64})")


def home_paths(data: bytes) -> Iterator[Detection]:
    """The user's name in paths of home folders (an option)."""
    return _homes(data, b"/home/")


def user_paths(data: bytes) -> Iterator[Detection]:
    """The same on macOS."""
    return _homes(data, b"/Users/")


def windows_paths(data: bytes) -> Iterator[Detection]:
    """The same on Windows; in JSON each backslash is two."""
    return _homes(data, b"\\Users\\")


def _homes(data: bytes, words: bytes) -> Iterator[Detection]:
    for at in _places(data, words):
        found = _HOME.match(data, at)
        if found and not found.group(1).startswith(b"REDACTED-"):
            yield _hit(found, 1, "home-path", "user")


Guarded = tuple[tuple[bytes, ...], Finder]
"""A finder and the words without all of which it finds nothing; the rarest first."""

ALWAYS: tuple[Guarded, ...] = (
    ((b"sig=",), shared_access_signatures),
    ((b"@", b"://"), url_passwords),
    ((b"PRIVATE KEY",), private_keys),
    ((b"uthorization",), authorizations),
    ((b"curl ", b"-u"), curl_users),
    ((b"assword",), password_fields),
    ((b"ecret",), secret_fields),
)
EMAILS: Guarded = ((b"@",), emails)
HOME_PATHS: tuple[Guarded, ...] = (
    ((b"/home/",), home_paths),
    ((b"/Users/",), user_paths),
    ((b"\\Users\\",), windows_paths),
)


def decode_base64(text: bytes) -> bytes | None:
    """The bytes, with either alphabet and with or without padding; None if it is no Base64."""
    text = text.rstrip(b"=").translate(_STANDARD)
    if len(text) % 4 == 1:
        text = text[:-1]
    try:
        return binascii.a2b_base64(text + b"=" * (-len(text) % 4))
    except binascii.Error:
        return None


_STANDARD = bytes.maketrans(b"-_", b"+/")


def _hit(found: re.Match[bytes], group: int, rule: str, kind: str) -> Detection:
    start, end = found.span(group)
    return Detection(start, end, rule, kind, found.group(group))
