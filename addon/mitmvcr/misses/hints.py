"""From the differences of a request and its nearest recording: the option that would make them match.

An option is only proposed if with it the two do match; one that leaves out what a request is about
(its model, its messages) is not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from mitmvcr.compare.json_diff import DifferingValue, json_path
from mitmvcr.model import Request
from mitmvcr.replay.matcher import Matcher

_MOST = 4  # paths that are proposed to be ignored

_SUBSTANCE = frozenset(
    ("model", "messages", "input", "prompt", "instructions", "contents", "content", "system", "text", "tools",
     "query", "documents", "stream", "response_format")
)  # fmt: skip
"""Fields that a request is about; a place below one of these is left out only if its value is volatile."""

_INCIDENTAL = frozenset(
    ("metadata", "user", "seed", "safety_identifier", "prompt_cache_key", "stream_options", "store",
     "service_tier", "request_id", "trace_id", "run_id", "session_id", "user_id", "timestamp", "created",
     "created_at", "api-version", "id", "tool_call_id", "call_id", "item_id", "previous_response_id")
)  # fmt: skip
"""Fields whose value has little to do with the answer that is wanted."""

_VOLATILE = (
    ("a random id", "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
    ("a date or time", "[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[T ][0-9:.]+(?:Z|[+-][0-9:]+)?)?"),
    ("a temporary path", "/(?:tmp|var/folders)/[A-Za-z0-9_./+-]+"),
    ("a random id", "[0-9a-f]{16,64}"),
    ("a random id", "[a-z]{2,8}_[A-Za-z0-9]{16,64}"),
    ("a time in seconds", "1[0-9]{9}(?:[0-9]{3})?(?:[.][0-9]+)?"),
)
"""What values look like that are others in each run; patterns of `vcr_redact`, without backslashes."""

_PLAIN = re.compile(r"[\w.$=,-]+")
_QUERY_NAME = re.compile(r"[^\s$,]+")


def hints(
    differences: Sequence[DifferingValue], recorded: Request, request: Request, matcher: Matcher
) -> Iterator[str]:
    """Sentences that name the option; none if the requests differ in what matters."""
    kinds = {leaf.kind for leaf in differences}
    if not differences:
        return
    if kinds <= {"json", "query", "form", "part"}:
        yield from _ignoring(differences, matcher)
    elif kinds == {"path"}:
        path, path_now = str(differences[0].recorded), str(differences[0].request)
        if path.endswith(path_now) or path_now.endswith(path):
            yield "The paths differ only in how they begin: look at the base URL of the client"
    elif kinds <= {"scheme", "host", "port", "headers", "url"}:
        yield from _matching_less(differences, recorded, request, matcher)


def _matching_less(
    differences: Sequence[DifferingValue], recorded: Request, request: Request, matcher: Matcher
) -> Iterator[str]:
    left_out = {f"headers:{leaf.where[0]}".lower() if leaf.where else leaf.kind for leaf in differences}
    fields: list[str] = []
    for name in matcher.fields:
        if name == "url" and left_out & {"scheme", "host", "port", "url"}:
            fields += [part for part in ("scheme", "host", "port", "path", "query") if part not in left_out]
        elif name.lower() not in left_out:
            fields.append(name)
    lesser = Matcher(tuple(fields), matcher.ignore, matcher.llama_stack)
    if fields and lesser.key(recorded) == lesser.key(request):
        what = "the spelling of the URL" if left_out == {"url"} else _and(_names(differences))
        differ = "differ" if len(left_out) > 1 else "differs"
        yield f"Only {what} {differ}: vcr_match={','.join(fields)} compares the rest"


def _names(differences: Sequence[DifferingValue]) -> list[str]:
    return [f"the header {leaf.where[0]}" if leaf.where else f"the {leaf.kind}" for leaf in differences]


def _ignoring(differences: Sequence[DifferingValue], matcher: Matcher) -> Iterator[str]:
    looks = [_looks(leaf) for leaf in differences]
    paths = _paths(differences)
    if (
        any(leaf.items for leaf in differences)
        or len(paths) > _MOST
        or () in {leaf.where for leaf in differences}
    ):
        return
    if not all(leaf.kind == "json" or _QUERY_NAME.fullmatch(str(leaf.where[0])) for leaf in differences):
        return
    patterns = {pattern for leaf in differences for _, pattern in _volatile_within(leaf)}
    whole = [bool(look) or _is_incidental(leaf) for leaf, look in zip(differences, looks, strict=True)]
    option = _quoted(f"vcr_ignore={','.join([*matcher.ignore, *paths])}")
    differ = f"{_and(paths)} differ{'s' if len(paths) == 1 else ''}"
    if all(whole):
        likenesses = {look for look in looks if look}
        like = (
            f", which look{'s' if len(paths) == 1 else ''} like {_and(sorted(likenesses))}"
            if likenesses
            else ""
        )
        yield f"Only {differ}{like}: {option} leaves {'it' if len(paths) == 1 else 'them'} out"
    elif all(
        is_volatile or list(_volatile_within(leaf))
        for is_volatile, leaf in zip(whole, differences, strict=True)
    ):
        names = sorted({name for leaf in differences for name, _ in _volatile_within(leaf)})
        redact = _quoted(f"vcr_redact={','.join(sorted(patterns))}")
        yield (
            f"Only {differ}, in what looks like {_and(names)}: keep that fixed in the test, "
            f"or take it out on both sides: {redact}"
        )
    elif not any(_is_substance(leaf) for leaf in differences):
        yield f"If {_and(paths)} {'does' if len(paths) == 1 else 'do'} not matter: {option}"


def _is_substance(leaf: DifferingValue) -> bool:
    return leaf.kind == "part" or (leaf.kind == "json" and leaf.where[0] in _SUBSTANCE)


def _is_incidental(leaf: DifferingValue) -> bool:
    steps = [step for step in leaf.where if isinstance(step, str)]
    if _is_substance(leaf):
        return bool(steps) and steps[-1] in _INCIDENTAL
    return not _INCIDENTAL.isdisjoint(steps)


def _looks(leaf: DifferingValue) -> str:
    """What both values look like as a whole, if it is volatile."""
    before, now = leaf.recorded, leaf.request
    if isinstance(before, float) and isinstance(now, float) and min(before, now) > 1e9:
        return "a time in seconds" if max(before, now) < 2e12 else ""
    if isinstance(before, str) and isinstance(now, str):
        for name, pattern in _VOLATILE:
            if re.fullmatch(pattern, before, re.ASCII) and re.fullmatch(pattern, now, re.ASCII):
                return name
    return ""


def _volatile_within(leaf: DifferingValue) -> Iterator[tuple[str, str]]:
    """Names and patterns of what two texts differ in, if they are the same without it."""
    before, now = leaf.recorded, leaf.request
    if not isinstance(before, str) or not isinstance(now, str):
        return
    used = []
    for name, pattern in _VOLATILE:
        (before, times), (now, times_now) = re.subn(pattern, "\0", before), re.subn(pattern, "\0", now)
        if times and times_now:
            used.append((name, pattern))
    if before == now:
        yield from used


def _paths(differences: Sequence[DifferingValue]) -> list[str]:
    """What `vcr_ignore` would have to name: paths that differ in indexes alone become one with `*`."""
    groups: dict[tuple[object, ...], list[DifferingValue]] = {}
    for leaf in differences:
        shape = (leaf.kind, *(None if isinstance(step, int) else step for step in leaf.where))
        groups.setdefault(shape, []).append(leaf)
    paths = []
    for group in groups.values():
        first = group[0]
        if first.kind != "json":
            paths += [str(leaf.where[0]) for leaf in group]
            continue
        columns = zip(*(leaf.where for leaf in group), strict=True)
        paths.append(json_path([column[0] if len(set(column)) == 1 else None for column in columns]))
    return list(dict.fromkeys(paths))


def _and(items: Sequence[str]) -> str:
    return " and ".join([", ".join(items[:-1]), items[-1]] if len(items) > 1 else items)


def _quoted(option: str) -> str:
    """The option as a shell takes it."""
    return option if _PLAIN.fullmatch(option) else f"'{option}'"
