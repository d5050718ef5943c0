"""What the stand-in remembers between requests: files, kept responses, made things, counts and the log."""

from __future__ import annotations

import base64
import hashlib
import string
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar

from tests.upstream.wire import CREATED

_KEPT = 10_000
_T = TypeVar("_T")
_LETTERS = string.ascii_letters + string.digits
_HEX = {"batch_": 32, "conv_": 48, "part_": 32, "upload_": 32, "vs_": 32, "vsfb_": 32}
"""Kinds whose ids are hexadecimal, with their lengths; others have 24 letters and digits."""

Change: TypeAlias = Callable[[], dict[str, Any]]
"""What a thing's next step is: makes it, and returns the fields that it changes."""


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
class Thing:
    """An object of a collection as it stands, and what each next GET makes of it."""

    value: dict[str, Any]
    changes: list[Change] = field(default_factory=list)

    def step(self) -> None:
        if self.changes:
            self.become(self.changes.pop(0)())

    def become(self, changed: dict[str, Any]) -> None:
        """Take these fields; a status that has a date of its own (`completed_at`) sets it."""
        dated = f"{changed.get('status')}_at"
        self.value |= changed | ({dated: CREATED} if dated in self.value else {})


@dataclass(slots=True)
class State:
    """Everything that one process of the stand-in knows; nothing of it outlives the process."""

    files: dict[str, Upload] = field(default_factory=dict)
    responses: dict[str, object] = field(default_factory=dict)
    parts: dict[str, bytes] = field(default_factory=dict)
    things: dict[str, dict[str, Thing]] = field(default_factory=dict)
    made: Counter[str] = field(default_factory=Counter)
    counts: Counter[str] = field(default_factory=Counter)
    log: deque[Logged] = field(default_factory=lambda: deque(maxlen=_KEPT))

    def keep(self, where: dict[str, _T], name: str, value: _T) -> None:
        """Keep a value as the newest; the oldest go, so that a long bench doesn't fill the memory."""
        where.pop(name, None)
        where[name] = value
        if len(where) > _KEPT:
            del where[next(iter(where))]

    def collection(self, path: str) -> dict[str, Thing]:
        """The things below a path (`/threads/{id}/messages`), by id, the oldest first."""
        return self.things.setdefault(path, {})

    def new_id(self, prefix: str) -> str:
        """The next id of a kind: looks random, and is the same in every process."""
        self.made[prefix] += 1
        digest = hashlib.sha512(f"{prefix}{self.made[prefix]}".encode())
        if prefix in _HEX:
            return prefix + digest.hexdigest()[: _HEX[prefix]]
        return prefix + "".join(_LETTERS[byte % len(_LETTERS)] for byte in digest.digest()[:24])

    def forget(self) -> None:
        self.log.clear()
        self.counts.clear()
        self.things.clear()
        self.parts.clear()
        self.made.clear()
