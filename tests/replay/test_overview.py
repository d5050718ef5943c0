"""What can be told of recorded requests without them: which may be like another, and where they stand."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mitmvcr.model import Request
from mitmvcr.replay.overview import Overview
from mitmvcr.store import cassette as disk
from tests.build import interaction, write

METHODS = st.sampled_from(["GET", "POST"])
PATHS = st.sampled_from(["/v1/files", "/v1/models", "/v2/models", "/x/files/a", "://["])
REQUESTS = st.builds(
    Request,
    method=METHODS,
    url=PATHS.map("https://api.openai.com{}".format),
    body=st.sampled_from([b"", b"a", b"b" * 600, b"c" * 700]),
)


def overview_of(requests: list[Request]) -> Overview:
    overview = Overview()
    overview.add(0, requests)
    return overview


def closeness(recorded: Request, request: Request) -> int:
    path, other = (side.url.removeprefix("https://api.openai.com") for side in (recorded, request))
    rank = 2 * (path != other) + (recorded.method != request.method)
    return rank + 2 if rank > 1 and path.rpartition("/")[2] != other.rpartition("/")[2] else rank


@given(st.lists(REQUESTS, max_size=12), REQUESTS)
def test_all_in_the_closest_place_are_alike(recorded: list[Request], request: Request) -> None:
    ranks = [closeness(other, request) for other in recorded]
    closest = [number for number, rank in enumerate(ranks) if rank == min(ranks)]
    assert overview_of(recorded).alike(request) == closest


@given(st.lists(REQUESTS, max_size=8), st.integers(0, 8), st.integers(0, 8))
def test_requests_that_are_added_again_are_passed_over(
    requests: list[Request], first: int, again: int
) -> None:
    overview, whole = Overview(), Overview()
    overview.add(0, requests[:first])
    overview.add(0, requests[:again])
    overview.add(min(first, len(requests)), requests[first:])
    overview.add(0, requests)
    whole.add(0, requests)
    assert overview.places(100) == whole.places(100)


@pytest.mark.parametrize("count", [1, 256, 257, 700])
def test_the_line_of_an_interaction_is_the_one_on_which_it_begins(tmp_path: Path, count: int) -> None:
    path = tmp_path / "a.yaml"
    write(path, *(interaction({"n": number}) for number in range(count)))
    cassette = disk.read(path).cassette
    assert cassette.source is not None
    overview = overview_of([one.request for one in cassette.interactions])
    lines = path.read_text().split("\n")
    for number in (0, count // 2, count - 1):
        assert lines[overview.line(cassette.source, number) - 1].strip() == f"- id: {number}"
