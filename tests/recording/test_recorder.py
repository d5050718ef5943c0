"""An exchange that ended becomes one entry, scrubbed and looked at once more, or none."""

from __future__ import annotations

import tracemalloc
import uuid
from pathlib import Path

import pytest

from mitmvcr.errors import CassetteError
from mitmvcr.formats.govcr import Dialect
from mitmvcr.model import Interaction
from mitmvcr.recording.recorder import Recorder, RefusedError
from mitmvcr.scrub import Evidence, Memory, Policy, Redaction, Scrubber
from mitmvcr.store import cassette
from mitmvcr.store.writer import Writer
from tests.build import interaction, request, response

KEY = "sk-" + "proj-" + "Ab3" * 20


def recorder(path: Path, scrubber: Scrubber | None = None) -> Recorder:
    return Recorder(Writer(path, Dialect.CHARM, None), scrubber or Scrubber(Policy()), Memory({}))


def test_what_is_recorded_is_read_back(tmp_path: Path) -> None:
    one = recorder(tmp_path / "a.yaml")
    for body in ({"a": 1}, "data: x\n\n", b"\xff\x00"):
        one.record(interaction(body, body))
    one.writer.close()
    read = cassette.read(tmp_path / "a.yaml").cassette.interactions
    assert [each.request.body for each in read] == [b'{"a": 1}', b"data: x\n\n", b"\xff\x00"]
    assert [each.response.body for each in read] == [b'{"a": 1}', b"data: x\n\n", b"\xff\x00"]
    assert [each.id for each in read] == [0, 1, 2]


def test_no_header_outside_the_kept_list_reaches_the_file(tmp_path: Path) -> None:
    one = recorder(tmp_path / "a.yaml")
    asked = request(headers={
        "Authorization": [f"Bearer {KEY}"], "Cookie": ["__cf_bm=crumbs"], "Openai-Organization": ["org-abc"],
        "X-Stainless-Lang": ["python"], "User-Agent": ["OpenAI/Python"], "Accept": ["application/json"],
    })  # fmt: skip
    answered = response()
    answered.headers["Set-Cookie"] = ["__cf_bm=crumbs"]  # type: ignore[index]
    answered.headers["X-Request-Id"] = ["req_1"]  # type: ignore[index]
    answered.headers["Retry-After"] = ["2"]  # type: ignore[index]
    one.record(Interaction(asked, answered))
    one.writer.close()
    data = (tmp_path / "a.yaml").read_bytes()
    for absent in (KEY.encode(), b"crumbs", b"org-abc", b"tainless", b"req_1", b"ookie", b"uthorization"):
        assert absent not in data
    for present in (b"User-Agent", b"OpenAI/Python", b"Accept", b"Content-Type", b"Retry-After"):
        assert present in data


def test_a_key_in_a_body_does_not_reach_the_file(tmp_path: Path) -> None:
    one = recorder(tmp_path / "a.yaml")
    one.record(interaction({"input": f"my key is {KEY}"}, {"echo": KEY}))
    one.writer.close()
    data = (tmp_path / "a.yaml").read_bytes()
    assert KEY.encode() not in data
    assert data.count(b"REDACTED-") == 2


class Blind(Scrubber):
    """A scrubber that forgets to scrub: what is left is the gate."""

    def interaction_with_changes(
        self,
        interaction: Interaction,
        memory: Memory,  # noqa: ARG002 - the base's
    ) -> tuple[Interaction, tuple[Redaction, ...]]:
        return interaction, ()


def test_what_the_scrubber_missed_the_gate_refuses_and_the_next_one_is_written(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    one = recorder(path, Blind(Policy()))
    with pytest.raises(RefusedError) as caught:
        one.record(interaction({"input": KEY}))
    assert caught.value.findings
    assert KEY not in str(caught.value)
    assert not path.exists()
    one.record(interaction({"input": "clean"}))
    one.writer.close()
    assert [each.id for each in cassette.read(path).cassette.interactions] == [0]


def test_what_can_not_be_written_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    one = recorder(path)
    path.write_bytes(b"somebody's")
    with pytest.raises(CassetteError, match=r"a\.yaml"):
        one.record(interaction(1))
    one.writer.close()
    assert path.read_bytes() == b"somebody's"


@pytest.mark.slow
def test_headers_that_differ_in_each_request_are_not_remembered_for_ever() -> None:
    scrubber, memory = Scrubber(Policy()), Memory({})
    names = ("Idempotency-Key", "Traceparent", "X-Request-Token", "Cookie", "X-Session-Id")

    def record(count: int) -> None:
        for _ in range(count):
            headers = {name: [f"a={uuid.uuid4().hex}"] for name in names}
            scrubber.interaction(Interaction(request({"n": 1}, headers=headers), response()), memory)

    record(700)
    tracemalloc.start()
    try:
        record(50)
        before = tracemalloc.get_traced_memory()[0]
        record(600)
        grown = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    # Some hashes do, in tables that have a bound; the five values themselves would take some 500 bytes.
    assert grown < 600 * 200, "bytes that stay of each request"


class Telling(Scrubber):
    """A scrubber that says what it is told to say."""

    said: tuple[Redaction, ...] = ()

    def interaction_with_changes(
        self, interaction: Interaction, memory: Memory
    ) -> tuple[Interaction, tuple[Redaction, ...]]:
        return super().interaction_with_changes(interaction, memory)[0], self.said


def test_what_is_redacted_in_bodies_is_counted_by_kind_and_field_without_a_secret(tmp_path: Path) -> None:
    scrubber = Telling(Policy())
    scrubber.said = tuple(
        Redaction(field, path, "rule", kind, Evidence.SHAPE)
        for field, path, kind in [
            ("request.body", "messages[0].content", "token"),
            ("request.body", "messages[12].content", "token"),
            ("request.body", "messages[1].content", "password"),
            ("request.body", f"accounts.{KEY}.password", "password"),
            ("response.body", "", "token"),
            ("request.url", "", "token"),
            ("response.headers.Set-Cookie", "", "cookie"),
        ]
    )
    assert recorder(tmp_path / "a.yaml", scrubber).record(interaction({"input": "clean"})) == {
        ("token", "request.body messages[*].content"): 2,
        ("password", "request.body messages[*].content"): 1,
        ("password", "request.body accounts.REDACTED-token-1.password"): 1,
        ("token", "response.body"): 1,
    }
