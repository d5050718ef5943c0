"""Bodies on their way: passed on and copied, or held until they are whole; no more is kept than may be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field


class Tee:
    """Passes every chunk on as it comes and keeps a copy; for mitmproxy's `message.stream`.

    Nothing is kept of a body of more than `limit` bytes: not from the start where its `length` is
    known, and from there on where it turns out.
    """

    __slots__ = ("_length", "_limit", "chunks", "size")

    def __init__(self, limit: int, length: int | None = None) -> None:
        self.chunks: list[bytes] = []
        self.size = 0
        self._length = length or 0
        self._limit = limit if self._length <= limit else -1

    def __call__(self, chunk: bytes) -> list[bytes]:
        # mitmproxy would write an empty one as the last chunk of a chunked body (an HTTP/2 frame may be
        # empty, and up to mitmproxy 12.1 the one that ends a stream is).
        if not chunk:
            return []
        self.size += len(chunk)
        if self.size <= self._limit:
            self.chunks.append(chunk)
        elif self.chunks:
            self.chunks.clear()
        return [chunk]

    @property
    def is_too_large(self) -> bool:
        """Whether more has come than may be kept, or will."""
        return self.size > self._limit

    @property
    def total(self) -> int:
        """The bytes that have come, or that were announced."""
        return max(self.size, self._length)

    @property
    def body(self) -> bytes:
        """All that has come so far."""
        return b"".join(self.chunks)


@dataclass(slots=True)
class Hold:
    """A body that waits for its end, as a request does that a cassette may answer; for `message.stream`.

    It is false, so mitmproxy gathers the body; `patches.http1` looks here what to do with one of more than
    `limit` bytes: it goes on through the tee that `go_on` gives, or, without that, is dropped.
    """

    limit: int
    go_on: Callable[[], Tee] | None = None
    dropped: int = field(default=0, init=False)

    def __bool__(self) -> bool:
        return False

    def __call__(self, chunk: bytes) -> bytes:  # what stands in `stream` and is true is called
        return chunk
