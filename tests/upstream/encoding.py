"""Content codings: which one a client takes, and a compressor that gives each event out whole."""

from __future__ import annotations

import zlib
from collections.abc import Callable

PREFERENCE = ("br", "zstd", "gzip", "deflate")


def negotiate(accept: str) -> str:
    """The coding for an Accept-Encoding header: the highest q, then ours in the order of PREFERENCE."""
    weights: dict[str, float] = {}
    for part in accept.lower().split(","):
        name, _, params = part.partition(";")
        key, _, weight = params.strip().partition("=")
        try:
            weights[name.strip()] = float(weight) if key == "q" else 1.0
        except ValueError:
            weights[name.strip()] = 0.0
    rest = weights.get("*", 0.0)
    ranked = [(weights.get(name, rest), name) for name in PREFERENCE]
    best = max((weight for weight, _ in ranked), default=0.0)
    if best <= 0 or weights.get("identity", 0.0) > best:
        return "identity"
    return next(name for weight, name in ranked if weight == best)


class Compressor:
    """`part` gives the bytes that decode to all that was put in so far; `end` gives the last ones."""

    def __init__(self, coding: str) -> None:
        self._step, self._end = _MAKERS[coding]()

    def part(self, raw: bytes) -> bytes:
        return self._step(raw)

    def end(self) -> bytes:
        return self._end()


_Pair = tuple[Callable[[bytes], bytes], Callable[[], bytes]]


def _zlib(bits: int) -> _Pair:
    made = zlib.compressobj(6, zlib.DEFLATED, bits)
    return lambda raw: made.compress(raw) + made.flush(zlib.Z_SYNC_FLUSH), made.flush


def _brotli() -> _Pair:
    import brotli  # noqa: PLC0415 # loaded when first asked for: a start stays short

    made = brotli.Compressor(quality=4)
    return lambda raw: made.process(raw) + made.flush(), made.finish


def _zstandard() -> _Pair:
    import zstandard  # noqa: PLC0415 # as above

    made = zstandard.ZstdCompressor().compressobj()
    flush = zstandard.COMPRESSOBJ_FLUSH_BLOCK
    return lambda raw: made.compress(raw) + made.flush(flush), made.flush


_MAKERS: dict[str, Callable[[], _Pair]] = {
    "identity": lambda: (bytes, bytes),
    "gzip": lambda: _zlib(31),
    "deflate": lambda: _zlib(15),
    "br": _brotli,
    "zstd": _zstandard,
}
