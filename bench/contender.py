"""One recorder in a process of its own, for `inprocess`: load a cassette, ask for some of it, save it.

    python -m bench.contender NAME ASKED FILE [OUT]

ASKED is a cassette too: what is to be asked for. It is loaded first, so that imports and the like are over.
Prints one JSON object: seconds of CPU and of wall time for each step, and bytes of memory. Without OUT
nothing is saved.
"""

from __future__ import annotations

import gc
import importlib
import json
import re
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from mitmvcr import formats
from mitmvcr.config.settings import Settings
from mitmvcr.formats import govcr, vcrpy
from mitmvcr.formats.govcr import Dialect
from mitmvcr.model import Cassette, Interaction, Request
from mitmvcr.scrub import Policy, Scrubber
from mitmvcr.sessions.open_cassette import Play
from mitmvcr.sessions.table import Sessions
from mitmvcr.store.writer import Writer

LOAD, FIRST, MATCH, SAVE = "load", "load and first answer", "match", "save"
EACH, APPEND = "load, each made", "append one by one"
KEYS = "keys of the rest"
MEMORY, PEAK = "memory", "peak"

Steps: TypeAlias = Iterator[tuple[str, Callable[[], object]]]


def ours(asked: Path, file: Path, out: Path | None) -> Steps:
    """`load` checks all of a file and makes an interaction when it is used: EACH has made them all.

    A first answer makes the keys of the recordings before it; KEYS are those of all others, once for all.
    """
    requests = [one.request for one in formats.load(asked.read_bytes())[1].interactions]
    settings = Settings.parse({"dir": str(file.parent), "mode": "replay", "repeat": "any"})
    sessions = Sessions(settings, Scrubber(Policy()))

    def ask(requests: Sequence[Request]) -> None:
        answers = [sessions.get(file.name).answer(request) for request in requests]
        assert all(isinstance(answer, Play) for answer in answers)

    yield LOAD, lambda: formats.load(file.read_bytes())
    if out:
        yield EACH, lambda: list(formats.load(file.read_bytes())[1].interactions)
    yield FIRST, lambda: ask(requests[:1])
    yield KEYS, lambda: ask(requests[:1])  # whether there is another like it, which is the answer then
    yield MATCH, lambda: ask(requests[1:])
    if out:
        interactions = list(formats.load(file.read_bytes())[1].interactions)
        yield SAVE, lambda: out.write_bytes(govcr.dump(Cassette(interactions), Dialect.STOCK))
        out.unlink()
        writer = Writer(out, Dialect.STOCK, None)
        yield APPEND, lambda: _append(writer, interactions)
        writer.close()


def _append(writer: Writer, interactions: Sequence[Interaction]) -> None:
    for one in interactions:
        writer.append(writer.emit(one))


def vcr_py(asked: Path, file: Path, out: Path | None) -> Steps:
    vcr = importlib.import_module("tests.formats.real_vcrpy").vcr
    those = (vcr.matchers.method, vcr.matchers.uri, vcr.matchers.body)
    cassettes = [vcr.cassette.Cassette.load(path=str(asked), match_on=those)]
    requests = cassettes[0].requests

    def load() -> None:
        cassettes[:] = [vcr.cassette.Cassette.load(path=str(file), match_on=those)]

    yield LOAD, load
    yield FIRST, lambda: cassettes[0].play_response(requests[0])
    yield MATCH, lambda: [cassettes[0].play_response(request) for request in requests[1:]]
    if out:
        cassettes[0]._path = str(out)  # noqa: SLF001 - it saves only where it has loaded from
        yield SAVE, lambda: cassettes[0]._save(force=True)  # noqa: SLF001


def cassetter(asked: Path, file: Path, out: Path | None) -> Steps:
    core = importlib.import_module("cassetter._core")
    cassettes = [core.Cassette.load(str(asked))]
    requests = [one.request for one in cassettes[0].interactions]
    how = core.MatchConfig(match_on=["method", "uri", "json_body"])

    def load() -> None:
        cassettes[:] = [core.Cassette.load(str(file))]

    def ask(requests: Sequence[Any]) -> None:
        assert all(cassettes[0].take_match(request, how) for request in requests)

    yield LOAD, load
    yield FIRST, lambda: ask(requests[:1])
    yield MATCH, lambda: ask(requests[1:])
    if out:
        yield SAVE, lambda: cassettes[0].save(str(out))


CONTENDERS = {"mitmvcr": ours, "VCR.py": vcr_py, "cassetter": cassetter}


def prepare(name: str, interactions: Sequence[Interaction], file: Path) -> None:
    """Write these as the cassette that the contender of that name loads; ours is go-vcr's too."""
    if name == "VCR.py":
        file.write_bytes(vcrpy.dump(Cassette(interactions)))
    elif name == "cassetter":
        _as_cassetter(interactions).save(str(file))
    else:
        file.write_bytes(govcr.dump(Cassette(interactions), Dialect.STOCK))


def _as_cassetter(interactions: Sequence[Interaction]) -> Any:
    core = importlib.import_module("cassetter._core")
    cassette = core.Cassette()
    for one in interactions:
        (sent, asked), (got, answered) = (
            (
                {name: list(values) for name, values in side.headers.items()},
                core.process_body(side.body, "application/json"),
            )
            for side in (one.request, one.response)
        )
        request = core.HttpRequest(one.request.method, one.request.url, sent, asked)
        response = core.HttpResponse(one.response.code, got, answered)
        cassette.add_interaction(core.HttpInteraction(request, response, "2026-01-01T00:00:00Z"))
    return cassette


def measure(steps: Steps) -> dict[str, float]:
    """The figures of one contender, which takes its next step when the one before is measured."""
    figures: dict[str, float] = {}
    before = None
    for name, step in steps:
        if before is None:
            gc.collect()
            before = resident("VmRSS")
        used, began = time.process_time(), time.perf_counter()
        step()
        figures[f"{name} CPU"] = time.process_time() - used
        figures[f"{name} wall"] = time.perf_counter() - began
        if name == MATCH:
            gc.collect()
            figures[MEMORY], figures[PEAK] = resident("VmRSS") - before, resident("VmHWM") - before
    return figures


def resident(name: str) -> int:
    """Bytes of this process that are in memory now (VmRSS), or were at most (VmHWM); Linux."""
    found = re.search(rf"^{name}:\s+(\d+) kB$", Path("/proc/self/status").read_text(), re.MULTILINE)
    if found is None:
        raise AssertionError(f"/proc/self/status has no {name}")
    return 1024 * int(found[1])


def main() -> None:
    name, asked, file, *out = sys.argv[1:]
    steps = CONTENDERS[name](Path(asked), Path(file), Path(out[0]) if out else None)
    print(json.dumps(measure(steps)))


if __name__ == "__main__":
    main()
