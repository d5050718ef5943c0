"""How fast cassettes are looked through for secrets, on one core: `python -m bench.lint`.

One large file at a time, then a repository: 300 files of 5 exchanges, found, told apart and read; each also
without the quick look (`scrub.files.quick_look`), which stays as long as it makes a clean tree twice as fast.
"""

from __future__ import annotations

import gc
import random
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from unittest import mock

sys.path.insert(0, str(Path(__file__).parents[1] / "addon"))

from bench.scrub import best, json_exchange, stream_exchange
from mitmvcr.formats import govcr, har, vcrpy
from mitmvcr.maintenance import scrub_tree
from mitmvcr.model import Cassette, Interaction
from mitmvcr.scrub import Memory, Policy
from mitmvcr.scrub.files import file_secrets

COUNT = 500
FILES = 300


def exchanges(*, leaking: bool) -> Iterator[Interaction]:
    """Exchanges of 2 KB with the 30 headers that VCR.py keeps, or with a cookie and an organization too."""
    rng = random.Random(1)
    asked = {f"X-Stainless-{number}": ["value"] for number in range(9)}
    answered = {f"X-Header-{number}": [f"some value {number}"] for number in range(20)}
    for number in range(COUNT):
        one = (json_exchange if number % 2 else stream_exchange)(rng)
        more = {"Set-Cookie": [f"a={number:0100}; path=/"], "Openai-Organization": ["user-4b1c9d8e7f"]}
        headers = {**one.response.headers, **answered, **(more if leaking else {})}
        yield replace(
            one,
            request=replace(one.request, headers={**one.request.headers, **asked}),
            response=replace(one.response, headers=headers),
            id=number,
        )


def repository(top: Path) -> None:
    """Cassettes of VCR.py beside as much other JSON and YAML."""
    ones = list(exchanges(leaking=False))
    for number in range(FILES):
        folder = top / f"tests_{number % 20}" / "cassettes"
        folder.mkdir(parents=True, exist_ok=True)
        few = (ones * 2)[number : number + 5]
        (folder / f"test_{number}.yaml").write_bytes(vcrpy.dump(Cassette(tuple(few))))
        (folder / f"data_{number}.json").write_bytes(few[0].response.body)


def look_through(top: Path) -> None:
    found = list(scrub_tree.files([top]))
    rows = list(scrub_tree.run(found, scrub_tree.Task(Policy(), environ={}), workers=1))
    if sum(row.is_cassette for row in rows) != FILES or any(row.findings for row in rows):
        raise SystemExit("the repository is not what it was made as")


def show(what: str, size: int, look: Callable[[], object], rounds: int) -> None:
    """The speed as it is, and without the quick look."""
    with_quick_look = best([look], rounds)
    with mock.patch.object(file_secrets, "suspect", return_value=True):
        without = best([look], 1)
    slower = (
        f"without the quick look {size / without / 1e6:.1f} ({without / with_quick_look:.1f} times as long)"
    )
    print(f"{what}{size / with_quick_look / 1e6:6.1f} MB/s, {slower}")


def main() -> None:
    rules = file_secrets.Rules(Policy())
    gc.disable()
    for leaking in (False, True):
        cassette = Cassette(tuple(exchanges(leaking=leaking)))
        for name, data in (
            ("VCR.py", vcrpy.dump(cassette)),
            ("charm", govcr.dump(cassette, govcr.Dialect.CHARM)),
            ("stock", govcr.dump(cassette, govcr.Dialect.STOCK)),
            ("HAR", har.dump(cassette)),
        ):
            examine = partial(file_secrets.examine, data, rules, Memory({}))
            what = "a cookie in each" if leaking else "no secret"
            show(f"{name:8}{what:18}", len(data), examine, 5)
    with tempfile.TemporaryDirectory() as name:
        repository(Path(name))
        size = sum(path.stat().st_size for path in Path(name).rglob("*.*"))
        show(f"{FILES} files, {size / 1e6:.1f} MB".ljust(26), size, partial(look_through, Path(name)), 3)


if __name__ == "__main__":
    main()
