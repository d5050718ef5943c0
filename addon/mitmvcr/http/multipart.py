"""A multipart body (RFC 2046, 5.1; RFC 7578) -> its parts as they stand, without the boundary; no I/O."""

from __future__ import annotations

import re
from dataclasses import dataclass

# The boundary in a Content-Type, in quotes or not.
_BOUNDARY = re.compile(r"""boundary=("[^"]+"|[^\s;,]+)""", re.IGNORECASE)

_DISPOSITION = re.compile(r"^content-disposition:[ \t]*form-data(;.*)$", re.IGNORECASE | re.MULTILINE)
# `; name="a \"b\""` or `; name=a`: a value in quotes may have escaped ones.
_PARAMETER = re.compile(r';\s*([\w*-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;]*))')


@dataclass(frozen=True, slots=True)
class BodyPart:
    """What stands between two boundaries: line ends, headers, a blank line, the content, a line end."""

    raw: bytes

    @property
    def is_end(self) -> bool:
        """Whether it is no part, but what stands behind the last boundary."""
        return self.raw.startswith(b"--")

    @property
    def headers(self) -> bytes:
        """The header lines, without what surrounds them."""
        return self.split()[0].strip()

    @property
    def content(self) -> bytes | None:
        """What the part has behind its headers' blank line, None if it has no such line."""
        _, blank, content = self.split()
        return content.removesuffix(b"\n").removesuffix(b"\r") if blank else None

    @property
    def name(self) -> str | None:
        """The name of a form's field (RFC 7578, 4.2), None if it is none."""
        disposition = _DISPOSITION.search(self.split()[0].decode("utf-8", "surrogateescape"))
        for name, quoted, bare in _PARAMETER.findall(disposition[1] if disposition else ""):
            if name.lower() == "name":
                return re.sub(r"\\(.)", r"\1", quoted) or str(bare)
        return None

    def split(self) -> tuple[bytes, bytes, bytes]:
        """The header lines, the line ends in front of the content, and that with the line end behind it."""
        return self.raw.partition(b"\r\n\r\n" if b"\r\n\r\n" in self.raw else b"\n\n")


def body_parts(body: bytes, content_type: str = "") -> list[BodyPart]:
    """What stands before, between and behind the boundaries; empty if the body has no boundary.

    The first is what stands before the first boundary, which clients leave empty. A body whose type does
    not name the boundary has it in its first line.
    """
    boundary = _boundary(body, content_type)
    return [BodyPart(raw) for raw in body.split(b"--" + boundary)] if boundary else []


def _boundary(body: bytes, content_type: str) -> bytes:
    named = _BOUNDARY.search(content_type)
    if named:
        return named[1].strip('"').encode("utf-8", "surrogateescape")
    first, newline, _ = body.partition(b"\n")
    return first[2:].rstrip(b"\r") if newline and first.startswith(b"--") else b""
