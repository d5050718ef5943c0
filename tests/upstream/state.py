"""What the stand-in remembers between requests: uploads, kept responses, counts and the log."""

from __future__ import annotations

import base64
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeVar

_KEPT = 10_000
_T = TypeVar("_T")


@dataclass(slots=True)
class Logged:
    """A request as it came; `complete` once its body was read to the end."""

    method: str
    path: str
    http_version: str
    headers: Sequence[tuple[bytes, bytes]]
    body: bytes = b""
    complete: bool = False

    def json(self) -> dict[str, object]:
        return {
            "method": self.method,
            "path": self.path,
            "http_version": self.http_version,
            "headers": [[name.decode("latin-1"), value.decode("latin-1")] for name, value in self.headers],
            "body_b64": base64.b64encode(self.body).decode(),
            "complete": self.complete,
        }


@dataclass(frozen=True, slots=True)
class Upload:
    filename: str
    content: bytes
    purpose: str


@dataclass(slots=True)
class State:
    """Everything that one process of the stand-in knows; nothing of it outlives the process."""

    files: dict[str, Upload] = field(default_factory=dict)
    responses: dict[str, object] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    log: deque[Logged] = field(default_factory=lambda: deque(maxlen=_KEPT))

    def keep(self, where: dict[str, _T], name: str, value: _T) -> None:
        """Keep a value as the newest; the oldest go, so that a long bench doesn't fill the memory."""
        where.pop(name, None)
        where[name] = value
        if len(where) > _KEPT:
            del where[next(iter(where))]

    def forget(self) -> None:
        self.log.clear()
        self.counts.clear()
