"""Why a value is redacted on one side of a miss alone: by this machine's environment, or by another's."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from mitmvcr.compare.difference_text import place_of
from mitmvcr.compare.json_diff import DifferingValue
from mitmvcr.model import Request
from mitmvcr.replay.own_values import MARKS, texts_of

_NAMED = 3  # variables


def hints(
    differences: Sequence[DifferingValue],
    request: Request,
    value_of: Callable[[bytes], bytes | None],
    environ: Mapping[str, str],
) -> Iterator[str]:
    """Sentences that name the variable whose value was redacted, never the value.

    `request` is the scrubbed one, `value_of` tells what a replacement in it stands for.
    """
    counts = [(leaf, _count(leaf.recorded), _count(leaf.request)) for leaf in differences]
    here = [leaf for leaf, recorded, now in counts if now > recorded]
    there = [leaf for leaf, recorded, now in counts if recorded > now]
    names = _variables(request, value_of, environ) if here else []
    if names:
        listed = " and of ".join(f"${name}" for name in names[:_NAMED])
        yield (
            f"The value of {listed} stands in the request ({place_of(here[0])}) and is redacted, which the "
            f"recording doesn't have there: keep it out of the request, or record it anew"
        )
    if there:
        yield (
            f"The recording has a redacted value at {place_of(there[0])} where the request has none: where "
            f"it was recorded that was a credential, or the value of a variable whose name says secret "
            f"(OPENAI_API_KEY, …), and here it is not: set that variable as it was, or record it anew"
        )


def _count(value: object) -> int:
    """How many replacements a value has."""
    if isinstance(value, bytes):
        value = value.decode("utf-8", "surrogateescape")
    return value.count("REDACTED-") if isinstance(value, str) else 0


def _variables(
    request: Request, value_of: Callable[[bytes], bytes | None], environ: Mapping[str, str]
) -> list[str]:
    """The variables whose values a scrubbed request had."""
    marks = dict.fromkeys(mark for _, text in texts_of(request) for mark in MARKS.findall(text))
    secrets = {value for mark in marks if (value := value_of(mark.encode()))}
    return [
        name
        for name, value in environ.items()
        if not secrets.isdisjoint(
            part.strip().encode("utf-8", "surrogateescape") for part in (value, *value.split(","))
        )
    ]
