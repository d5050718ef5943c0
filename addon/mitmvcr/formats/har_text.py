"""A body's text in HAR <-> its bytes, where the text is a code: Base64, hexadecimal, in pieces.

HAR 1.2 has Base64 for answers. Polly.js has a list of pieces, as JSON, where a body came in pieces, each
coded by itself; up to its version 5 in hexadecimal, marked by `_isBinary` (its pull request 420) or, earlier
still, by the answer's Content-Encoding alone (its issue 249).
"""

from __future__ import annotations

import binascii
import json
import re

BASE64, HEX = "base64", "hex"

# A list of hexadecimal texts, and of nothing else.
_PIECE = r'"(?:[0-9A-Fa-f]{2})*+"'
_HEX_PIECES = re.compile(rf"\s*+\[\s*+{_PIECE}(?:\s*+,\s*+{_PIECE})*+\s*+\]\s*+")
_HEX = re.compile(r"(?:[0-9A-Fa-f]{2})*+")
# A list, the first text of which is what gzip begins with: no API has that for an answer.
_GZIP_PIECES = re.compile(r'\s*+\[\s*+"1f8b08')


def code_of(text: str, encoding: str, *, is_binary: bool = False, content_coding: str = "") -> str:
    """In which code a body's text is, empty for none.

    By the field `encoding` beside it, by Polly's `_isBinary`, and by the answer's Content-Encoding, which
    most producers leave over a body that they have decoded.
    """
    if encoding:
        name = encoding.strip().lower()
        return name if name in (BASE64, HEX) else ""
    is_marked = is_binary or (content_coding and _GZIP_PIECES.match(text))
    return HEX if is_marked and (_HEX_PIECES.fullmatch(text) or _HEX.fullmatch(text)) else ""


def decoded(text: str, code: str) -> bytes:
    """The bytes of a text in a code; raises ValueError."""
    return b"".join(_bytes_of(piece, code) for piece in _pieces(text))


def encoded(body: bytes, code: str, like: str) -> str:
    """The text of a body in a code: one piece in a list where the other text is a list, too."""
    text = body.hex() if code == HEX else binascii.b2a_base64(body, newline=False).decode()
    return json.dumps([text]) if _is_list(like) else text


def _is_list(text: str) -> bool:
    return text.lstrip().startswith("[")  # which neither code has


def _pieces(text: str) -> list[str]:
    if not _is_list(text):
        return [text]
    pieces = json.loads(text)
    if not all(isinstance(piece, str) for piece in pieces):
        raise ValueError("a piece that is no text")
    return list(pieces)


def _bytes_of(text: str, code: str) -> bytes:
    return bytes.fromhex(text) if code == HEX else binascii.a2b_base64(text.encode("ascii"))
