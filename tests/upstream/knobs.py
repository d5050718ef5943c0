"""The words of `x-standin`: parsed into plain data, never acted on here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Knobs:
    """What a request asks for; the package's docstring says what each word does."""

    status: int = 0
    retry_after: str = ""
    retry_after_ms: str = ""
    fail: int = 0
    fail_status: int = 500
    leak: bool = False
    count: bool = False
    events: int = 0
    size: int = 0
    first: float = 0.0
    delay: float = 0.0
    cut: int | None = None
    stall: int | None = None
    drop: bool = False
    no_done: bool = False
    trailing: float | None = None
    chunked: bool = False
    encoding: str = ""
    redirect: tuple[int, str] | None = None


NONE = Knobs()
_FLAGS = frozenset({"leak", "count", "drop", "no-done", "chunked"})
_ENCODINGS = frozenset({"gzip", "br", "zstd", "deflate", "identity"})


def _encoding(text: str) -> str:
    if text not in _ENCODINGS:
        raise ValueError(text)
    return text


def _redirect(text: str) -> tuple[int, str]:
    status, is_given, where = text.partition(":/")
    return (int(status), f"/{where}") if is_given and status.isdecimal() else (307, text)


_VALUES: dict[str, Callable[[str], object]] = {
    "status": int,
    "retry-after": str,
    "retry-after-ms": str,
    "events": int,
    "size": int,
    "first": float,
    "delay": float,
    "cut": int,
    "stall": int,
    "trailing": float,
    "encoding": _encoding,
    "redirect": _redirect,
}


def parse(text: str) -> Knobs:
    """Knobs out of `word,word=value;…`; raises ValueError with the word that isn't known."""
    if not text:
        return NONE
    found: dict[str, object] = {}
    for word in filter(None, (part.strip() for part in text.replace(";", ",").split(","))):
        name, is_pair, value = word.partition("=")
        try:
            if name == "fail" and is_pair:
                times, _, status = value.partition(":")
                found["fail"], found["fail_status"] = int(times), int(status or 500)
            elif name == "trailing" and not is_pair:
                found["trailing"] = 0.05
            elif name in _FLAGS and not is_pair:
                found[name.replace("-", "_")] = True
            else:
                found[name.replace("-", "_")] = _VALUES[name](value)
        except (KeyError, ValueError):
            raise ValueError(f"x-standin knows no {word!r}") from None
    return Knobs(**found)  # type: ignore[arg-type] # each value was made by its own field's parser
